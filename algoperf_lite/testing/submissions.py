"""Conformance checks for native submissions."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from algoperf_lite.spec import PyTree, Workload
from algoperf_lite.submission.native import Submission
from algoperf_lite.testing.batches import named_leaves, same_bits, small_batch
from algoperf_lite.training import data_order, native_stepper, residency, train_step
from algoperf_lite.training.evaluation import data_sha256

_ROUNDED_SHARE = (
    0.01  # of all parameters; of nadamw on the ten lite workloads at most 0.0011 differ
)


def check_submission(submission: Submission, workload: Workload, num_steps: int = 3) -> None:
    """Everything the harness relies on in a native submission, tried on `workload`."""
    traced, static = train_step.split_point(submission.self_tuning_point)
    training = train_step.TrainStep(workload, submission, static)
    starts = [_start(training, traced) for _ in range(2)]
    # Copies, since an advance donates its state to the next one.
    params, model_state = jax.tree.map(np.array, (starts[0].params, starts[0].model_state))
    first, second = _trajectories(training, traced, starts, num_steps)
    assert same_bits(first, second), f"{submission.name}: equal seeds give different parameters"
    for name, leaf in named_leaves(first.params):
        assert np.all(np.isfinite(leaf)), f"{submission.name}: {name} is not finite"
    assert not same_bits(params, first.params), (
        f"{submission.name}: {num_steps} steps leave every parameter as it was"
    )
    _check_points(training, traced, params, model_state)


def digest(workload: Workload, submission: Submission, num_steps: int = 3) -> str:
    """Hash of data and of all parameters after `num_steps`; equal in any two processes here."""
    traced, static = train_step.split_point(submission.self_tuning_point)
    training = train_step.TrainStep(workload, submission, static)
    (state,) = _trajectories(training, traced, [_start(training, traced)], num_steps)
    # Names are hashed with the numbers: two leaves that change places are a difference.
    found = hashlib.sha256(data_sha256(workload).encode())
    for name, leaf in named_leaves(state.params):
        found.update(name.encode() + np.ascontiguousarray(leaf).tobytes())
    return found.hexdigest()


def _start(training: train_step.TrainStep, traced: Mapping[str, Any]) -> train_step.TrainState:
    return jax.jit(training.init)(traced, *train_step.init_model(training.workload, 0))


def _trajectories(
    training: train_step.TrainStep,
    traced: Mapping[str, Any],
    starts: Sequence[train_step.TrainState],
    num_steps: int,
) -> list[train_step.TrainState]:
    """The states after the same steps from each start, by one compiled program.

    The starts are donated and not to be read afterwards.
    """
    workload = training.workload
    batches = data_order.Batches(
        workload.num_train_examples, training.submission.batch_size(workload), seed=0
    )
    data = jax.device_put(residency.arrays(workload.source("train")))
    stepper = native_stepper.NativeStepper(training, traced, data, batches, "single", num_steps)
    stepper.compile(starts[0])
    return [jax.block_until_ready(stepper.advance(start, 0, num_steps)) for start in starts]


def _check_points(
    training: train_step.TrainStep, traced: Mapping[str, Any], params: PyTree, model_state: PyTree
) -> None:
    """Two points, two steps each: one compilation; and the same as one program and alone."""
    name, batch = training.submission.name, small_batch(training.workload)
    traces = 0  # JAX calls the Python function once for each compilation

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
    # Halving keeps rates and decays in their ranges, whatever they are called.
    init, step = jax.jit(training.init), jax.jit(counted)
    alone = [two_steps(init, step, point) for point in points]
    assert traces == 1, (
        f"{name}: the step was traced {traces} times for two points and two steps; it must compile "
        "once"
    )
    if not traced:
        return  # two members would have nothing to differ in
    # Members of a population share one program by vmap, so a submission has to be the same in it.
    init = jax.jit(jax.vmap(training.init, in_axes=(0, None, None)))
    step = jax.jit(jax.vmap(training.step, in_axes=(0, 0, None, None)))
    together = two_steps(init, step, jax.tree.map(lambda *leaves: np.stack(leaves), *points))
    for index, member in enumerate(alone):
        pairs = zip(named_leaves(member), jax.tree.leaves(together), strict=True)
        _check_alike(name, {leaf: (one, np.asarray(got)[index]) for (leaf, one), got in pairs})


def _check_alike(name: str, leaves: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> None:
    """Parameters by name, each from single steps and from vmapped ones: the same but for rounding.

    vmap orders sums anew, and Adam divides by small roots of them: three digits are left. Where a
    gradient is nothing but rounding, as that of the bias of attention's keys, Adam makes whole
    steps of it in any direction, so a few parameters are let go.
    """
    differs = {
        leaf: ~np.isclose(together, alone, rtol=1e-3, atol=1e-5)
        for leaf, (alone, together) in leaves.items()
    }
    count = sum(leaf.sum() for leaf in differs.values())
    allowed = _ROUNDED_SHARE * sum(leaf.size for leaf in differs.values())
    worst = max(differs, key=lambda leaf: differs[leaf].mean())
    assert count <= allowed, (
        f"{name}: {count} parameters differ between vmapped and single steps, at most "
        f"{allowed:.0f} by rounding; most of all {worst}"
    )
