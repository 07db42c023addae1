"""Trials that choose their examples: together as alone, and a sentence in the record of one whose
rule has another form."""

import csv
from pathlib import Path

import numpy as np
import trials

from algoperf_lite import tuning
from algoperf_lite.training.clock import SingleTrialSeconds
from algoperf_lite.trial import replayed_clock, vectorized

_BAD = """
import jax.numpy as jnp
import optax
from algoperf_lite.spec import DataSelection

def optimizer(workload, hyperparameters):
    return optax.sgd(0.1)

def data_selection(workload, hyperparameters):
    return DataSelection(lambda n: 0, lambda *_: (jnp.arange(3), None), lambda state, *_: state)
"""


def _slow(*arguments):
    """A measurement of steps so slow that running them together pays."""
    return SingleTrialSeconds(2.0, 5.0, 1.0, 0.5, (1.0, 1.0), 9)


def _losses(directory):
    with (Path(directory) / "eval_measurements.csv").open() as file:
        return [float(row["validation/loss"]) for row in csv.DictReader(file)]


def test_trials_together_choose_what_they_do_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(replayed_clock, "measure", _slow)
    fields = {
        "submission": "loss_sampled_adamw",
        "ruleset": tuning.Ruleset("external", 1, 2, 1.0),
        "max_global_steps": 20,
    }

    def specs(folder):
        folders = (tmp_path / folder / f"trial_{number}" for number in (1, 2))
        return [
            trials.on_digits(path, **{**fields, "trial": number})
            for number, path in enumerate(folders, 1)
        ]

    records = [record.to_json() for record in vectorized.run(specs("together"))]
    assert [record["error"] for record in records] == [None, None]
    assert records[0]["stepping"]["chunk_size"] == 2
    for together, alone in zip(specs("together"), specs("alone"), strict=True):
        assert trials.run(alone)["error"] is None
        found, expected = _losses(together.directory), _losses(alone.directory)
        assert len(expected) >= 2
        np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_a_rule_of_another_form_ends_its_trial_in_a_sentence(tmp_path):
    path = tmp_path / "bad.py"
    path.write_text(_BAD)
    record = trials.run(trials.on_digits(tmp_path / "trial_1", submission=str(path)))
    assert (record["status"], record["steps"]) == ("crashed", 0)
    assert (
        "returns rows int32[3]; it must return (rows, weights): integers (64,)" in record["error"]
    )
