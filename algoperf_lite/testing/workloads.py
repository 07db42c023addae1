"""Conformance checks for workloads."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from algoperf_lite.data.feed import Feed, Order
from algoperf_lite.data.keys import Stream
from algoperf_lite.spec import EVAL_TRAIN, ForwardPassMode, ParameterType, PyTree, Workload
from algoperf_lite.testing.batches import BATCH, named_leaves, same_bits, small_batch
from algoperf_lite.training.evaluation import Evaluator


def check_workload(workload: Workload) -> None:
    """Everything the harness relies on in a workload; a few seconds at lite scale."""
    _check_identity(workload)
    _check_data(workload)
    params, model_state = _check_init(workload)
    _check_params(workload, params)
    _check_steps(workload, params, model_state)
    _check_padding(workload, params, model_state)
    _check_evaluation(workload, params, model_state)


def _check_identity(workload: Workload) -> None:
    assert hash(workload) == hash(dataclasses.replace(workload)), (
        f"{workload.name}: equal workloads hash differently; keep every field hashable"
    )
    # JAX keeps compiled programs by workload, so a changed one would go on with the old program.
    try:
        workload.name = "changed"
    except dataclasses.FrozenInstanceError:
        pass
    else:
        raise AssertionError(f"{workload.name}: the workload is not frozen")
    assert workload.step_hint >= 1, f"{workload.name}: step_hint is {workload.step_hint}"


def _check_data(workload: Workload) -> None:
    # One program evaluates all splits, so their rows must have one form; training batches may be
    # packed.
    forms = {}
    for split in dict.fromkeys(("train", EVAL_TRAIN, *workload.evaluated_splits)):
        batch, where = _check_source(workload, split), f"{workload.name}, split {split!r}"
        assert {"inputs", "targets"} <= set(batch), f"{where}: has {sorted(batch)}"
        lengths = {name: len(values) for name, values in batch.items()}
        assert len(set(lengths.values())) == 1, f"{where}: lengths {lengths}"
        forms[split] = {name: (v.dtype, v.shape[1:]) for name, v in batch.items()}
    form = forms[EVAL_TRAIN]
    unlike = [split for split in workload.evaluated_splits if split != "train"]
    unlike = [split for split in unlike if forms[split] != form]
    assert not unlike, f"{workload.name}: splits differ in form: {forms}"
    size = workload.num_train_examples
    _check_groups(workload, size)
    assert workload.batch_size <= size, (
        f"{workload.name}: a batch of {workload.batch_size} of {size} training examples"
    )


def _check_groups(workload: Workload, num_examples: int) -> None:
    groups = workload.groups
    if groups is None:
        return
    numbers, expected = np.unique(groups.of_example), np.arange(groups.num_groups)
    assert groups.of_example.shape == (num_examples,) and np.array_equal(numbers, expected), (
        f"{workload.name}: groups are {groups.of_example.shape} numbers from {numbers[:1]} to "
        f"{numbers[-1:]}; give each of {num_examples} training examples one of "
        f"{groups.num_groups}, none of them empty"
    )


def _check_source(workload: Workload, split: str) -> Mapping[str, np.ndarray]:
    """The first batch of a split, after it was read by one process from the start, and by another
    one's threads from the second batch on."""
    found, prints = [], []
    for num_workers, order in ((0, (0, 1)), (2, (1, 0))):
        source = workload.source(split)  # anew, as in a process after a kill
        is_training = split == "train"
        plan = source.plan(0, BATCH) if is_training else source.eval_plan(BATCH)
        stream = Stream.TRAIN if is_training else Stream.EVAL
        order = [t for t in order if plan.num_batches is None or t < plan.num_batches]
        with Feed(source, Order(plan, 0, stream), num_workers) as feed:
            found.append({t: dict(feed.get(t)) for t in order})
        prints.append(source.fingerprint())
    assert prints[0] == prints[1], f"{workload.name}: {split!r} has two fingerprints"
    one, other = found
    unlike = [t for t in one if one[t].keys() != other[t].keys() or not same_bits(one[t], other[t])]
    assert not unlike, (
        f"{workload.name}: batch {unlike[:1]} of {split!r} depends on who reads it, or when; draw "
        "random numbers from the keys, and keep no state"
    )
    return one[0]


def _check_init(workload: Workload) -> tuple[PyTree, PyTree]:
    """(params, model_state) of a seed, after two tracings and another seed."""
    # New functions, since one that draws from a hidden generator differs between two tracings.
    init, again = (jax.jit(lambda key: workload.init_model_fn(key)) for _ in range(2))
    fresh = init(jax.random.key(0))
    same, other = again(jax.random.key(0)), init(jax.random.key(1))
    assert same_bits(fresh, same), f"{workload.name}: one seed initialises two ways"
    assert not same_bits(fresh[0], other[0]), f"{workload.name}: the seed changes nothing"
    return fresh


def _check_params(workload: Workload, params: PyTree) -> None:
    types = workload.model_params_types
    assert jax.tree.structure(types) == jax.tree.structure(params)
    assert all(isinstance(leaf, ParameterType) for leaf in jax.tree.leaves(types))
    assert jax.tree.structure(workload.learning_rate_multipliers) == jax.tree.structure(params)
    shapes = [leaf.shape_tuple for leaf in jax.tree.leaves(workload.param_shapes)]
    assert shapes == [leaf.shape for leaf in jax.tree.leaves(params)]
    # Submissions treat the output layer as AlgoPerf's do: some give it another optimizer.
    assert any(map(workload.is_output_params, params)), (
        f"{workload.name}: is_output_params is true for none of {sorted(params)}"
    )


def _check_steps(workload: Workload, params: PyTree, model_state: PyTree) -> None:
    """Two batches, two rates of dropout and smoothing: one compilation, finite gradients; and the
    losses of two members are the same in one program and alone."""
    loss = _loss_of(workload)
    traces = 0  # JAX calls the Python function once for each compilation

    def counted(*arguments: Any) -> tuple[jax.Array, PyTree]:
        nonlocal traces
        traces += 1
        return loss(*arguments)

    step = jax.jit(jax.value_and_grad(counted, has_aux=True))
    # The state goes from step to step: one that changes its form would compile the second anew.
    new_state = model_state
    for number in range(2):
        batch = small_batch(workload, first=number * BATCH)
        rate, key = np.float32(0.1 * number), jax.random.key(number)
        (_, new_state), grads = step(params, new_state, batch, key, rate)
        for name, leaf in named_leaves((grads, new_state)):
            assert np.all(np.isfinite(leaf)), f"{workload.name}: {name} of a step is not finite"
        assert any(np.any(leaf) for _, leaf in named_leaves(grads)), f"{workload.name}: no gradient"
    # A population's members share a program by vmap, so one must not see another.
    members = [params, jax.tree.map(lambda leaf: 0.5 * np.asarray(leaf), params)]
    arguments = model_state, batch, key, rate
    alone = [step(member, *arguments)[0][0] for member in members]
    assert traces == 1, (
        f"{workload.name}: the step was traced {traces} times for two batches; keep shapes, types "
        "and the structure of the model state, and take rates as arrays"
    )
    stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *members)
    in_axes = (0, None, None, None, None)
    together, _ = jax.jit(jax.vmap(loss, in_axes))(stacked, *arguments)
    # Not bit by bit: XLA orders the sums of a batched product anew.
    np.testing.assert_allclose(together, alone, rtol=1e-4, err_msg=workload.name)


def _check_padding(workload: Workload, params: PyTree, model_state: PyTree) -> None:
    """Rows of weight 0 weigh nothing, whatever their labels; the two halves make the whole."""
    batch, half = small_batch(workload), BATCH // 2

    @jax.jit
    def loss(params: PyTree, model_state: PyTree, labels: Any, weights: Any) -> dict[str, Any]:
        mode, key = ForwardPassMode.EVAL, jax.random.key(0)
        arguments = params, batch, model_state, mode, key
        logits, _ = workload.model_fn(*arguments, update_batch_norm=False)
        return workload.loss_fn(labels, logits, weights)

    first = (np.arange(BATCH) < half).astype(np.float32)
    targets = batch["targets"]
    other_labels = np.concatenate([targets[:half], targets[half:][::-1]])
    # Other labels under a weight of 0: were they read at all, the sums would differ in some bit.
    found, relabelled, rest, whole = (
        loss(params, model_state, labels, weights)
        for labels, weights in (
            (targets, first),
            (other_labels, first),
            (targets, 1 - first),
            (targets, np.ones_like(first)),
        )
    )
    assert found["summed"] == relabelled["summed"], f"{workload.name}: padded rows weigh"
    for key in ("summed", "n_valid_examples"):
        halves = float(found[key] + rest[key])
        assert np.isclose(halves, whole[key], rtol=1e-5), (
            f"{workload.name}: {key} of two halves is {halves}, of the whole {whole[key]}"
        )
        assert 0 < found[key] < whole[key], f"{workload.name}: weights do not change {key}"


def _check_evaluation(workload: Workload, params: PyTree, model_state: PyTree) -> None:
    metrics, rows, usual = [], workload.num_validation_examples, workload.eval_batch_size
    # Another batch size, that leaves the last batch nearly all padding, must change nothing.
    others = [n for n in ((rows - 1) // 4, rows - 1, rows) if n not in (0, usual)]
    for size in (usual, others[0]):
        evaluate = Evaluator(dataclasses.replace(workload, eval_batch_size=size))
        evaluate.compile(params, model_state)
        metrics.append(evaluate(params, model_state, "validation"))
    assert f"validation/{workload.target_metric_name}" in metrics[0], sorted(metrics[0])
    for name, value in metrics[0].items():
        assert np.isclose(value, metrics[1][name], rtol=1e-5), (
            f"{workload.name}: {name} is {value} or {metrics[1][name]}, depending on padding"
        )


def _loss_of(workload: Workload) -> Any:
    def loss(
        params: PyTree, model_state: PyTree, batch: Mapping[str, Any], key: Any, rate: Any
    ) -> tuple[jax.Array, PyTree]:
        augment_key, model_key = jax.random.split(key)
        augmented = workload.augment(batch, augment_key)
        logits, model_state = workload.model_fn(
            *(params, augmented, model_state, ForwardPassMode.TRAIN, model_key, True),
            dropout_rate=rate,
        )
        weights = augmented.get("weights")
        summed = workload.loss_fn(augmented["targets"], logits, weights, label_smoothing=rate)
        return summed["summed"] / summed["n_valid_examples"], model_state

    return loss
