"""Conformance checks for workloads and native submissions, yours as well as ours.

Call them from a test; each raises AssertionError with a sentence on what does not conform.
"""

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from algoperf_lite.spec import (
    SPLITS,
    ForwardPassMode,
    ParameterType,
    PyTree,
    Workload,
    num_examples,
)
from algoperf_lite.submission.native import Submission
from algoperf_lite.training import train_step
from algoperf_lite.training.evaluation import Evaluator, data_sha256, padded_batches

_BATCH = 8


def check_workload(workload: Workload) -> None:
    """Everything the harness relies on in a workload; a few seconds at lite scale."""
    _check_identity(workload)
    _check_data(workload)
    params, model_state = _check_init(workload)
    _check_params(workload, params)
    _check_steps(workload, params, model_state)
    _check_padding(workload, params, model_state)
    _check_evaluation(workload, params, model_state)


def check_submission(submission: Submission, workload: Workload, num_steps: int = 3) -> None:
    """Everything the harness relies on in a native submission, tried on `workload`."""
    traced, static = train_step.split_point(submission.self_tuning_point)
    training = train_step.TrainStep(workload, submission, static)
    starts = [_start(training, traced) for _ in range(2)]
    # Copies, as an advance consumes its state.
    params, model_state = jax.tree.map(np.array, (starts[0].params, starts[0].model_state))
    first, second = _trajectories(training, traced, starts, num_steps)
    assert _same_bits(first, second), f"{submission.name}: equal seeds give different parameters"
    for name, leaf in _named_leaves(first.params):
        assert np.all(np.isfinite(leaf)), f"{submission.name}: {name} is not finite"
    assert not _same_bits(params, first.params), (
        f"{submission.name}: {num_steps} steps leave every parameter as it was"
    )
    _check_points(training, traced, params, model_state)


def digest(workload: Workload, submission: Submission, num_steps: int = 3) -> str:
    """Hash of data and of all parameters after `num_steps`; equal in any two processes here."""
    traced, static = train_step.split_point(submission.self_tuning_point)
    training = train_step.TrainStep(workload, submission, static)
    (state,) = _trajectories(training, traced, [_start(training, traced)], num_steps)
    found = hashlib.sha256(data_sha256(workload).encode())
    for name, leaf in _named_leaves(state.params):
        found.update(name.encode() + np.ascontiguousarray(leaf).tobytes())
    return found.hexdigest()


# --- workloads ----------------------------------------------------------------------------


def _check_identity(workload: Workload) -> None:
    assert hash(workload) == hash(dataclasses.replace(workload)), (
        f"{workload.name}: equal workloads hash differently; keep every field hashable"
    )
    try:
        workload.name = "changed"
    except dataclasses.FrozenInstanceError:
        pass
    else:
        raise AssertionError(f"{workload.name}: the workload is not frozen")
    assert workload.step_hint >= 1, f"{workload.name}: step_hint is {workload.step_hint}"


def _check_data(workload: Workload) -> None:
    forms = []
    for data in (workload.dataset("train"), *map(workload.eval_dataset, SPLITS)):
        lengths = {name: len(values) for name, values in data.items()}
        assert len(set(lengths.values())) == 1, f"{workload.name}: lengths {lengths}"
        assert {"inputs", "targets"} <= set(data), f"{workload.name}: has {sorted(data)}"
        forms.append({name: (v.dtype, v.shape[1:]) for name, v in data.items()})
    forms = forms[1:]  # training batches may be packed; what is evaluated has one form
    assert forms[0] == forms[1] == forms[2], f"{workload.name}: splits differ in form: {forms}"
    assert workload.batch_size <= workload.num_train_examples


def _check_init(workload: Workload) -> tuple[PyTree, PyTree]:
    """(params, model_state) of a seed, after two tracings and another seed."""
    # New functions, as what draws from a hidden generator differs from one tracing to the next.
    init, again = (jax.jit(lambda key: workload.init_model_fn(key)) for _ in range(2))
    fresh = init(jax.random.key(0))
    same, other = again(jax.random.key(0)), init(jax.random.key(1))
    assert _same_bits(fresh, same), f"{workload.name}: one seed initialises two ways"
    assert not _same_bits(fresh[0], other[0]), f"{workload.name}: the seed changes nothing"
    return fresh


def _check_params(workload: Workload, params: PyTree) -> None:
    types = workload.model_params_types
    assert jax.tree.structure(types) == jax.tree.structure(params)
    assert all(isinstance(leaf, ParameterType) for leaf in jax.tree.leaves(types))
    assert jax.tree.structure(workload.learning_rate_multipliers) == jax.tree.structure(params)
    shapes = [leaf.shape_tuple for leaf in jax.tree.leaves(workload.param_shapes)]
    assert shapes == [leaf.shape for leaf in jax.tree.leaves(params)]
    assert any(map(workload.is_output_params, params)), (
        f"{workload.name}: is_output_params is true for none of {sorted(params)}"
    )


def _check_steps(workload: Workload, params: PyTree, model_state: PyTree) -> None:
    """Two batches, two rates of dropout and smoothing: one compilation, finite gradients; and the
    losses of two members are the same in one program and alone."""
    loss = _loss_of(workload)
    traces = 0

    def counted(*arguments: Any) -> tuple[jax.Array, PyTree]:
        nonlocal traces
        traces += 1
        return loss(*arguments)

    step = jax.jit(jax.value_and_grad(counted, has_aux=True))
    new_state = model_state
    for number in range(2):
        batch = _small_batch(workload, first=number * _BATCH)
        rate, key = np.float32(0.1 * number), jax.random.key(number)
        (_, new_state), grads = step(params, new_state, batch, key, rate)
        for name, leaf in _named_leaves((grads, new_state)):
            assert np.all(np.isfinite(leaf)), f"{workload.name}: {name} of a step is not finite"
        assert any(np.any(leaf) for _, leaf in _named_leaves(grads)), (
            f"{workload.name}: no gradient"
        )
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
    np.testing.assert_allclose(together, alone, rtol=1e-4, err_msg=workload.name)


def _check_padding(workload: Workload, params: PyTree, model_state: PyTree) -> None:
    """Rows of weight 0 weigh nothing, whatever their labels; the two halves make the whole."""
    batch, half = _small_batch(workload), _BATCH // 2

    @jax.jit
    def loss(params: PyTree, model_state: PyTree, labels: Any, weights: Any) -> dict[str, Any]:
        mode, key = ForwardPassMode.EVAL, jax.random.key(0)
        arguments = params, batch, model_state, mode, key
        logits, _ = workload.model_fn(*arguments, update_batch_norm=False)
        return workload.loss_fn(labels, logits, weights)

    first = (np.arange(_BATCH) < half).astype(np.float32)
    targets = batch["targets"]
    other_labels = np.concatenate([targets[:half], targets[half:][::-1]])
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


# --- submissions --------------------------------------------------------------------------


def _start(training: train_step.TrainStep, traced: Mapping[str, Any]) -> train_step.TrainState:
    return jax.jit(training.init)(traced, *train_step.init_model(training.workload, 0))


def _trajectories(
    training: train_step.TrainStep,
    traced: Mapping[str, Any],
    starts: Sequence[train_step.TrainState],
    num_steps: int,
) -> list[train_step.TrainState]:
    """What the same steps by one compiled program make of each start, which they consume."""
    workload = training.workload
    batches = train_step.Batches(
        workload.num_train_examples, training.submission.batch_size(workload), seed=0
    )
    data = jax.device_put(workload.dataset("train"))
    stepper = train_step.NativeStepper(training, traced, data, batches, "single", num_steps)
    stepper.compile(starts[0])
    return [jax.block_until_ready(stepper.advance(start, 0, num_steps)) for start in starts]


def _check_points(
    training: train_step.TrainStep, traced: Mapping[str, Any], params: PyTree, model_state: PyTree
) -> None:
    """Two points, two steps each: one compilation; and the same as one program and alone."""
    name, batch = training.submission.name, _small_batch(training.workload)
    traces = 0

    def counted(*arguments: Any) -> train_step.TrainState:
        nonlocal traces
        traces += 1
        return training.step(*arguments)

    def two_steps(init: Any, step: Any, point: Mapping[str, Any]) -> PyTree:
        state = init(point, params, model_state)
        for number in range(2):
            state = step(state, point, batch, jax.random.key(number))
        return state.params

    points = [
        {key: (value * factor).astype(value.dtype) for key, value in traced.items()}
        for factor in (1.0, 0.5)
    ]
    init, step = jax.jit(training.init), jax.jit(counted)
    alone = [two_steps(init, step, point) for point in points]
    assert traces == 1, (
        f"{name}: the step was traced {traces} times for two points and two steps; it must compile "
        "once"
    )
    if not traced:
        return  # two members would have nothing to differ in
    init = jax.jit(jax.vmap(training.init, in_axes=(0, None, None)))
    step = jax.jit(jax.vmap(training.step, in_axes=(0, 0, None, None)))
    together = two_steps(init, step, jax.tree.map(lambda *leaves: np.stack(leaves), *points))
    for index, member in enumerate(alone):
        for (leaf, expected), got in zip(
            _named_leaves(member), jax.tree.leaves(together), strict=True
        ):
            np.testing.assert_allclose(
                np.asarray(got)[index],
                expected,
                rtol=1e-3,
                atol=1e-5,
                err_msg=f"{name}: {leaf} differs between vmapped and single steps",
            )


def _small_batch(workload: Workload, first: int = 0) -> dict[str, np.ndarray]:
    rows = slice(first, first + _BATCH)
    data = {name: values[rows] for name, values in workload.dataset("train").items()}
    assert num_examples(data) == _BATCH
    batch = padded_batches(data, _BATCH)[0]
    del batch["weights"]  # training batches are whole
    return batch


def _named_leaves(tree: PyTree) -> list[tuple[str, np.ndarray]]:
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return [(jax.tree_util.keystr(path), np.asarray(leaf)) for path, leaf in leaves]


def _same_bits(one: PyTree, other: PyTree) -> bool:
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return all(np.asarray(a).tobytes() == np.asarray(b).tobytes() for a, b in pairs)
