"""Conformance checks for workloads and native submissions, yours as well as ours.

Call them from a test; each raises AssertionError with a sentence on what does not conform.
"""

import dataclasses
import hashlib
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from algoperf_lite import stepping
from algoperf_lite.evaluation import Evaluator, padded_batches
from algoperf_lite.spec import (
    SPLITS,
    ForwardPassMode,
    ParameterType,
    PyTree,
    Workload,
    num_examples,
)
from algoperf_lite.submission import Submission
from algoperf_lite.trial_stage import data_sha256

_BATCH = 8


def check_workload(workload: Workload) -> None:
    """Everything the harness relies on in a workload; a few seconds at lite scale."""
    _check_identity(workload)
    _check_data(workload)
    params, model_state = stepping.init_model(workload, seed=0)
    _check_params(workload, params)
    _check_steps(workload, params, model_state)
    batch = _small_batch(workload)
    _check_padding(workload, params, model_state, batch)
    _check_evaluation(workload, params, model_state)
    _check_vmap(workload, params, model_state, batch)


def check_submission(submission: Submission, workload: Workload, num_steps: int = 3) -> None:
    """Everything the harness relies on in a native submission, tried on `workload`."""
    point = submission.self_tuning_point
    traced, static = stepping.split_point(point)
    optimizer_calls = 0

    def counted(*arguments: Any) -> Any:
        nonlocal optimizer_calls
        optimizer_calls += 1
        return submission.optimizer(*arguments)

    training = stepping.Training(
        workload, dataclasses.replace(submission, optimizer=counted), static
    )
    first, second = _trajectories(training, traced, num_steps, repeats=2)
    assert _same_bits(first, second), f"{submission.name}: equal seeds give different parameters"
    for name, leaf in _named_leaves(first.params):
        assert np.all(np.isfinite(leaf)), f"{submission.name}: {name} is not finite"
    assert any(
        not np.array_equal(old, new)
        for old, new in zip(
            jax.tree.leaves(stepping.init_model(workload, 0)[0]),
            jax.tree.leaves(first.params),
            strict=True,
        )
    ), f"{submission.name}: {num_steps} steps leave every parameter as it was"

    step = jax.jit(training.step)
    state = training.init(traced, *stepping.init_model(workload, 0))
    optimizer_calls = 0
    for factor in (1.0, 0.5):
        scaled = {name: (value * factor).astype(value.dtype) for name, value in traced.items()}
        for number in range(2):
            state = step(state, scaled, _small_batch(workload), jax.random.key(number))
    assert optimizer_calls == 1, (
        f"{submission.name}: the step was traced {optimizer_calls} times for two points and two "
        "steps; it must compile once"
    )
    _check_vmapped_step(submission, training, traced)


def digest(workload: Workload, submission: Submission, num_steps: int = 3) -> str:
    """Hash of data and of all parameters after `num_steps`; equal in any two processes here."""
    traced, static = stepping.split_point(submission.self_tuning_point)
    training = stepping.Training(workload, submission, static)
    (state,) = _trajectories(training, traced, num_steps, repeats=1)
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


def _check_params(workload: Workload, params: PyTree) -> None:
    again, _ = stepping.init_model(workload, seed=0)
    assert _same_bits(params, again), f"{workload.name}: one seed initialises two ways"
    other, _ = stepping.init_model(workload, seed=1)
    assert not _same_bits(params, other), f"{workload.name}: the seed changes nothing"
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
    """Two batches, two rates of dropout and smoothing: one compilation, finite gradients."""
    loss = _loss_of(workload)
    traces = 0

    def counted(*arguments: Any) -> tuple[jax.Array, PyTree]:
        nonlocal traces
        traces += 1
        return loss(*arguments)

    step = jax.jit(jax.grad(counted, has_aux=True))
    for number in range(2):
        batch = _small_batch(workload, first=number * _BATCH)
        rate, key = np.float32(0.1 * number), jax.random.key(number)
        grads, model_state = step(params, model_state, batch, key, rate)
        for name, leaf in _named_leaves((grads, model_state)):
            assert np.all(np.isfinite(leaf)), f"{workload.name}: {name} of a step is not finite"
        assert any(np.any(leaf) for _, leaf in _named_leaves(grads)), (
            f"{workload.name}: no gradient"
        )
    assert traces == 1, (
        f"{workload.name}: the step was traced {traces} times for two batches; keep shapes, types "
        "and the structure of the model state, and take rates as arrays"
    )


def _check_padding(
    workload: Workload, params: PyTree, model_state: PyTree, batch: Mapping[str, Any]
) -> None:
    """Rows of weight 0 weigh nothing, whatever their labels; the two halves make the whole."""
    logits = _logits(workload, params, model_state, batch)
    loss = jax.jit(workload.loss_fn)
    targets, half = batch["targets"], _BATCH // 2
    first = (np.arange(_BATCH) < half).astype(np.float32)
    other_labels = np.concatenate([targets[:half], targets[half:][::-1]])
    found, relabelled = (loss(labels, logits, first) for labels in (targets, other_labels))
    rest, whole = loss(targets, logits, 1 - first), loss(targets, logits, np.ones_like(first))
    assert found["summed"] == relabelled["summed"], f"{workload.name}: padded rows weigh"
    for key in ("summed", "n_valid_examples"):
        halves = float(found[key] + rest[key])
        assert np.isclose(halves, whole[key], rtol=1e-5), (
            f"{workload.name}: {key} of two halves is {halves}, of the whole {whole[key]}"
        )
        assert 0 < found[key] < whole[key], f"{workload.name}: weights do not change {key}"


def _check_evaluation(workload: Workload, params: PyTree, model_state: PyTree) -> None:
    metrics = []
    # A batch size that leaves the last batch nearly all padding must change nothing.
    for size in (workload.eval_batch_size, workload.num_validation_examples - 1):
        evaluate = Evaluator(dataclasses.replace(workload, eval_batch_size=size))
        evaluate.compile(params, model_state)
        metrics.append(evaluate(params, model_state, "validation"))
    assert f"validation/{workload.target_metric_name}" in metrics[0], sorted(metrics[0])
    for name, value in metrics[0].items():
        assert np.isclose(value, metrics[1][name], rtol=1e-5), (
            f"{workload.name}: {name} is {value} or {metrics[1][name]}, depending on padding"
        )


def _check_vmap(
    workload: Workload, params: PyTree, model_state: PyTree, batch: Mapping[str, Any]
) -> None:
    loss = _loss_of(workload)

    def value(params: PyTree) -> jax.Array:
        return loss(params, model_state, batch, jax.random.key(0), np.float32(0.1))[0]

    stacked = jax.tree.map(lambda leaf: jnp.stack([leaf, 0.5 * leaf]), params)
    together, single = jax.jit(jax.vmap(value))(stacked), jax.jit(value)
    alone = [single(jax.tree.map(lambda leaf, i=i: leaf[i], stacked)) for i in range(2)]
    np.testing.assert_allclose(together, alone, rtol=1e-4, err_msg=workload.name)


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


def _logits(
    workload: Workload, params: PyTree, model_state: PyTree, batch: Mapping[str, Any]
) -> jax.Array:
    def logits(params: PyTree) -> Any:
        mode, key = ForwardPassMode.EVAL, jax.random.key(0)
        return workload.model_fn(params, batch, model_state, mode, key, update_batch_norm=False)[0]

    return jax.jit(logits)(params)


# --- submissions --------------------------------------------------------------------------


def _trajectories(
    training: stepping.Training, traced: Mapping[str, Any], num_steps: int, repeats: int
) -> list[stepping.TrainState]:
    """The same steps, `repeats` times from the start, by one compiled program."""
    workload = training.workload
    batches = stepping.Batches(
        workload.num_train_examples, training.submission.batch_size(workload), seed=0
    )
    data = jax.device_put(workload.dataset("train"))
    init = jax.jit(training.init)
    stepper = stepping.NativeStepper(training, traced, data, batches, "single", num_steps)
    stepper.compile(init(traced, *stepping.init_model(workload, 0)))
    states = []
    for _ in range(repeats):
        state = init(traced, *stepping.init_model(workload, 0))
        states.append(jax.block_until_ready(stepper.advance(state, 0, num_steps)))
    return states


def _check_vmapped_step(
    submission: Submission, training: stepping.Training, traced: Mapping[str, Any]
) -> None:
    """Two members with different hyperparameters, stepped as one program and alone."""
    batch = _small_batch(training.workload)
    params, model_state = stepping.init_model(training.workload, 0)

    def two_steps(traced: Mapping[str, Any]) -> PyTree:
        state = training.init(traced, params, model_state)
        for number in range(2):
            state = training.step(state, traced, batch, jax.random.key(number))
        return state.params

    members = [
        {name: (value * factor).astype(value.dtype) for name, value in traced.items()}
        for factor in (1.0, 0.5)
    ]
    if not traced:
        jax.eval_shape(two_steps, traced)
        return
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *members)
    together = jax.jit(jax.vmap(two_steps))(stacked)
    single = jax.jit(two_steps)
    for index, member in enumerate(members):
        alone = single(member)
        for (name, expected), got in zip(
            _named_leaves(alone), jax.tree.leaves(together), strict=True
        ):
            np.testing.assert_allclose(
                got[index],
                expected,
                rtol=1e-3,
                atol=1e-5,
                err_msg=f"{submission.name}: {name} differs between vmapped and single steps",
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
