"""What trials need before they train: workload and data on the device, submission and point."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import workloads
from algoperf_lite.machine import fingerprint
from algoperf_lite.population import config
from algoperf_lite.population.evolution import Point
from algoperf_lite.schedules import text
from algoperf_lite.spec import Array, PyTree, Workload
from algoperf_lite.submission import native
from algoperf_lite.submission.native import Submission
from algoperf_lite.training import train_step
from algoperf_lite.training.evaluation import Evaluator, data_sha256
from algoperf_lite.trial.spec import Course, TrialSpec


@dataclasses.dataclass(frozen=True)
class TrialSetup:
    """What a trial needs before any submission comes into play.

    Attributes:
      data: the training split on the device.
      initial: from a seed to (params, model_state).
      evaluate: compiled.
      metric_names: without the split in front.
      facts: for the record of any trial on this stage.
    """

    workload: Workload
    data: Mapping[str, Array]
    initial: Callable[[int], tuple[PyTree, PyTree]]
    evaluate: Evaluator
    metric_names: tuple[str, ...]
    facts: Mapping[str, Any]


def prepare(trial_spec: TrialSpec) -> TrialSetup:
    """The stage of a trial, and of all that differ from it in seed and hyperparameters."""
    import scipy.stats  # noqa: F401  # draws the point, and is not to be loaded on the clock then

    workload = workloads.load(trial_spec.workload, trial_spec.scale)
    workload = dataclasses.replace(
        workload,
        validation_target_value=trial_spec.target,
        step_hint=max(1, round(trial_spec.budget * workload.step_hint)),
    )
    data = jax.device_put(workload.dataset("train"))
    initial = train_step.model_initializer(workload)
    params, model_state = initial(trial_spec.seed)
    evaluate = Evaluator(workload)
    evaluate.compile(params, model_state)
    metrics = evaluate(params, model_state, "validation")
    names = [name.removeprefix("validation/") for name in metrics if "num_examples" not in name]
    facts = {
        "metric": workload.target_metric_name,
        "step_hint": workload.step_hint,
        "num_params": workload.num_params,
        "data_sha256": data_sha256(workload),
        "fingerprint": fingerprint.fingerprint(),
        "versions": fingerprint.versions(),
    }
    return TrialSetup(workload, data, initial, evaluate, tuple(names), facts)


def load_submission(trial_spec: TrialSpec) -> Submission:
    """The trial's submission, on its schedule."""
    entry = native.load(trial_spec.submission)
    if trial_spec.schedule is not None:
        entry = entry.on_schedule(text.parse(trial_spec.schedule))
    return entry


def point(trial_spec: TrialSpec, entry: Submission) -> Mapping[str, Any] | None:
    """The trial's hyperparameters."""
    found = trial_spec.hyperparameters
    if found is None:
        position = (trial_spec.experiment_seed, trial_spec.study, trial_spec.trial)
        found = entry.point(trial_spec.ruleset, *position)
    return _on_whole_horizon(trial_spec, found)


def course(trial_spec: TrialSpec, entry: Submission) -> Course:
    """The trial's hyperparameters from step to step: one stretch, unless it replays a course."""
    if trial_spec.course is None:
        return ((0, point(trial_spec, entry)),)
    return tuple((step, _on_whole_horizon(trial_spec, then)) for step, then in trial_spec.course)


def space(trial_spec: TrialSpec, entry: Submission) -> dict[str, Any]:
    """Where the members of a trial that is a population draw their hyperparameters.

    Raises ValueError, one sentence, where the submission has no space for a population.
    """
    config.check_space(entry.search_space, entry.name)
    found = config.uniform(entry.search_space)
    if trial_spec.whole_horizon and "horizon" in found:
        found["horizon"] = {"feasible_points": [1.0]}
    return found


def _on_whole_horizon(trial_spec: TrialSpec, found: Point | None) -> Point | None:
    """The point with the trial's horizon for its own."""
    if trial_spec.whole_horizon and "horizon" in (found or {}):
        return {**found, "horizon": 1.0}
    return found


def steps_per_dispatch(trial_spec: TrialSpec, workload: Workload) -> int:
    """No dispatch reaches beyond an evaluation, so more rows would only be padding."""
    return min(trial_spec.steps_per_dispatch, -(-workload.step_hint // trial_spec.num_evals))


def learning_rate(
    training: train_step.TrainStep, traced: Mapping[str, Any]
) -> Callable[[Mapping[str, Any], int], float] | None:
    """The submission's schedule, compiled: of a point like `traced` and a step counted from 0.

    None where there is no schedule."""
    if training.submission.schedule is None:
        return None
    compiled = jax.jit(training.learning_rate).lower(traced, np.int32(0)).compile()
    return lambda traced, step: float(compiled(traced, np.int32(step)))


def finiteness(params: PyTree) -> Callable[[PyTree], bool]:
    """Whether all of such parameters are finite, compiled and warmed up."""
    compiled = jax.jit(_all_finite).lower(params).compile()
    jax.block_until_ready(compiled(params))
    return lambda params: bool(compiled(params))


def _all_finite(params: PyTree) -> Array:
    return jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(params)]))
