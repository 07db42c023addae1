"""The setup of a trial: workload and data on the device, then its submission and its point."""

import dataclasses
import itertools
import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import workloads
from algoperf_lite.data.source import Source
from algoperf_lite.machine import devices, fingerprint
from algoperf_lite.population import config
from algoperf_lite.population.evolution import Point
from algoperf_lite.schedules import text
from algoperf_lite.spec import Array, PyTree, Workload
from algoperf_lite.submission import native, requirements
from algoperf_lite.submission.algoperf import AlgoPerfSubmission
from algoperf_lite.submission.native import Submission
from algoperf_lite.training import compilation, modes, residency, train_step
from algoperf_lite.training.data_order import Batches
from algoperf_lite.training.evaluation import Evaluator, data_sha256
from algoperf_lite.trial import stops
from algoperf_lite.trial.spec import TrialSpec


@dataclasses.dataclass(frozen=True)
class TrialSetup:
    """The surroundings of a trial before any submission comes into play.

    Attributes:
      source: the training split.
      data: the same on the device; None where it is read batch by batch.
      initial: from a seed to (params, model_state).
      evaluate: compiled.
      metric_names: without the split in front.
      whole_step_hint: the workload's own, of which the trial's horizon may be a part.
      memory_share: part of the machine's memory that this process may have.
      facts: fields of the record of any trial in these surroundings.
    """

    workload: Workload
    source: Source
    data: Mapping[str, Array] | None
    initial: Callable[[int], tuple[PyTree, PyTree]]
    evaluate: Evaluator
    metric_names: tuple[str, ...]
    whole_step_hint: int
    memory_share: float
    facts: Mapping[str, Any]


def prepare(
    trial_spec: TrialSpec,
    memory_share: float = 1.0,
    heartbeat: Callable[[], None] = lambda: None,
) -> TrialSetup:
    """The setup of a trial, and of all that differ from it in seed and hyperparameters.

    `heartbeat` is called between its parts: what a killed attempt did after its last sign of life
    is in nobody's ledger. Raises `devices.WrongBackend` where JAX has not found what it should.
    """
    devices.check_backend()
    heartbeat()

    numerics = trial_spec.config.numerics
    numerics.check()
    workload = workloads.load(
        trial_spec.workload, trial_spec.config.scale, numerics.dtype, trial_spec.data_dir
    )
    whole = workload.step_hint
    workload = dataclasses.replace(
        workload,
        validation_target_value=trial_spec.target,
        step_hint=stops.horizon(trial_spec.budget, whole),
    )
    if trial_spec.parameter_multiplier is not None:
        workload = dataclasses.replace(
            workload, parameter_multiplier=trial_spec.parameter_multiplier
        )
    source = workload.source("train")
    # On the device once, where it fits: steps gather their batches there.
    data = jax.device_put(residency.arrays(source))
    heartbeat()
    initial = train_step.model_initializer(workload)
    params, model_state = initial(trial_spec.seed)
    heartbeat()
    most, readers = trial_spec.config.eval_examples, residency.num_readers()
    evaluate = Evaluator(workload, most, readers)
    evaluate.compile(params, model_state)
    heartbeat()
    # A first evaluation names the metrics, and takes the cost of a first execution.
    metrics = evaluate(params, model_state, "validation")
    names = [name.removeprefix("validation/") for name in metrics if "num_examples" not in name]
    facts = {
        "metric": workload.target_metric_name,
        "step_hint": workload.step_hint,
        "num_params": workload.num_params,
        # A workload of the user's own may know no multiplier.
        "parameter_multiplier": getattr(workload, "parameter_multiplier", 1.0),
        "data_sha256": data_sha256(workload),
        "workload_sha256": workloads.source_sha256(trial_spec.workload),
        "fingerprint": fingerprint.fingerprint(),
        "versions": fingerprint.versions(),
        "devices": devices.own(),
    }
    around = workload, source, data, initial, evaluate, tuple(names), whole
    return TrialSetup(*around, memory_share, facts)


def load_submission(trial_spec: TrialSpec, setup: TrialSetup) -> Submission:
    """The trial's submission, on its schedule."""
    entry = native.load(trial_spec.submission)
    if trial_spec.schedule is not None:
        entry = entry.on_schedule(text.parse(trial_spec.schedule), setup.whole_step_hint)
    return entry


def point(trial_spec: TrialSpec, entry: Submission) -> Mapping[str, Any] | None:
    """The trial's hyperparameters."""
    found = trial_spec.hyperparameters
    if found is None:
        position = (trial_spec.config.rng_seed, trial_spec.study, trial_spec.trial)
        found = entry.point(trial_spec.config.ruleset, *position)
    return _on_whole_horizon(trial_spec, found)


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


def batches(workload: Workload, submission: Submission, seed: int) -> Batches:
    """The order of data: batches of the submission's size, shuffled by `seed`."""
    return Batches(workload.num_train_examples, submission.batch_size(workload), seed)


def require_resident(setup: TrialSetup) -> None:
    """Raises ValueError where the data set does not fit on the device: members of a population
    have batches of their own, and one feed reads for one."""
    if setup.data is None:
        raise ValueError(
            f"the training data of {setup.workload.name!r} are read batch by batch here, which "
            "neither --population nor --vectorize=trials can share; leave these flags out"
        )


def training(
    trial_spec: TrialSpec, workload: Workload, submission: Submission, static: Mapping[str, Any]
) -> train_step.TrainStep:
    """A trial's computations, with as many microbatches as the experiment asks for."""
    config = trial_spec.config
    cut = config.microbatches or 1
    return train_step.TrainStep(workload, submission, static, cut, config.batch_norm)


def submission_facts(
    submission: Submission | AlgoPerfSubmission, point: Point | None, batch_size: int
) -> dict[str, Any]:
    """Fields of the record: who trains, and at which point."""
    return {
        "submission_sha256": submission.sha256,
        "submission_source": submission.source,
        "hyperparameters": point,
        "batch_size": batch_size,
        "requirements": requirements.facts(submission.path),
    }


def stepping_facts(trial_spec: TrialSpec) -> dict[str, Any]:
    """The record's field "stepping", as far as the spec says it."""
    return {
        "mode": trial_spec.stepping_mode,
        "steps_per_dispatch": trial_spec.steps_per_dispatch,
        "microbatches": trial_spec.config.microbatches or 1,
    }


def steps_per_dispatch(trial_spec: TrialSpec, setup: TrialSetup) -> int:
    """The length of a dispatch that fits between evaluations, which no dispatch reaches beyond."""
    workload = setup.workload
    cuts = stops.cuts(trial_spec, setup.whole_step_hint)
    if cuts:
        gaps = [stop - start for start, stop in itertools.pairwise(cuts)]
        return modes.dispatch_length(trial_spec.steps_per_dispatch, gaps)
    # The grid is rounded to steps, so two lengths of period take turns.
    period = workload.step_hint / trial_spec.num_evals
    periods = {max(1, math.floor(period)), math.ceil(period)}
    rules = trial_spec.population
    if rules is not None and rules.ready_interval is not None:  # it stops for generations too
        periods.add(rules.ready_interval)
    return modes.dispatch_length(trial_spec.steps_per_dispatch, periods)


def learning_rate(
    training: train_step.TrainStep, traced: Mapping[str, Any]
) -> Callable[[Mapping[str, Any], int], float] | None:
    """The submission's schedule, compiled: of a point like `traced` and a step counted from 0.

    None where there is no schedule."""
    if training.submission.schedule is None:
        return None
    compiled = compilation.compiled(jax.jit(training.learning_rate).lower(traced, np.int32(0)))
    return lambda traced, step: float(compiled(traced, np.int32(step)))


def finiteness(params: PyTree) -> Callable[[PyTree], bool]:
    """Whether all of such parameters are finite, compiled and warmed up."""
    compiled = compilation.compiled(jax.jit(_all_finite).lower(params))
    jax.block_until_ready(compiled(params))
    return lambda params: bool(compiled(params))


def _all_finite(params: PyTree) -> Array:
    return jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(params)]))
