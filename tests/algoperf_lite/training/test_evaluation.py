"""Evaluation pads, and padding weighs nothing."""

import dataclasses

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import workloads
from algoperf_lite.data.feed import Feed, Order
from algoperf_lite.data.source import InMemory
from algoperf_lite.training import train_step
from algoperf_lite.training.evaluation import Evaluator


@given(total=st.integers(1, 40), batch_size=st.integers(1, 50))
def test_padding_keeps_every_row_once(total, batch_size):
    source = InMemory({"inputs": np.arange(total)})
    with Feed(source, Order(source.eval_plan(batch_size), 0), num_workers=0) as feed:
        batches = [feed.get(t) for t in range(-(-total // batch_size))]
    assert {len(batch["inputs"]) for batch in batches} == {batch_size}
    kept = np.concatenate([b["inputs"][b["weights"] == 1] for b in batches])
    np.testing.assert_array_equal(kept, np.arange(total))


def test_accuracy_equals_one_computed_by_hand():
    workload = dataclasses.replace(workloads.load("digits"), eval_batch_size=150)
    params, model_state = train_step.init_model(workload, 0)
    evaluate = Evaluator(workload)
    evaluate.compile(params, model_state)
    found = evaluate(params, model_state, "test")
    data = workload.dataset("test")
    logits, _ = workload.model_fn(params, data, model_state, None, None, False)
    expected = np.mean(np.asarray(logits).argmax(axis=-1) == data["targets"])
    assert found["test/accuracy"] == expected
    assert found["test/num_examples"] == 400
    assert evaluate(params, model_state, "train")["train/num_examples"] == 400
