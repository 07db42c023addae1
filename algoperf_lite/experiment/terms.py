"""The terms of all trials on a workload: how long their horizon is, and how they get there.

At lite scale a measurement decides, on this machine: `calibration`. At full scale a benchmark says
the seconds and the steps, and steps are so long that one way to make them is as good as another, so
nothing has to be measured, which would take minutes for each workload.
"""

import dataclasses
from collections.abc import Sequence

import workloads
from algoperf_lite.training.calibration import NUM_EVALS, Calibration
from algoperf_lite.trial.config import ExperimentConfig
from scoring.benchmark import Benchmark


@dataclasses.dataclass(frozen=True)
class Terms:
    """What all trials of an experiment on one workload have in common.

    Attributes:
      step_hint: steps of a whole horizon.
      seconds: of the submission's clock for as many, without slack; None where only steps count.
      num_evals: evaluations in as many.
      stepping_mode, steps_per_dispatch: see `compiled_steps.CompiledSteps`.
    """

    step_hint: int
    seconds: float | None
    num_evals: int = NUM_EVALS
    stepping_mode: str = "single"
    steps_per_dispatch: int = 1


def of(
    workload: str,
    config: ExperimentConfig,
    goal: Benchmark | None,
    measured: Calibration | None = None,
) -> Terms:
    """The terms of trials on a workload; `measured` where `to_calibrate` names it.

    Raises ValueError as `check` does.
    """
    if config.budget_by == "published":
        check([workload], config, goal)
    name = workloads.name_of(workload)  # which is what a benchmark knows of it
    published = goal and goal.budget(name)
    step_hint = goal.workloads[name].step_hint if measured is None else measured.step_hint
    seconds = None
    if config.budget_by == "published":
        seconds = published.max_seconds
    # Of this machine: a faster one must not give a submission more steps.
    if config.budget_by == "time":
        seconds = step_hint * measured.seconds_per_step
    # As many as the benchmark's machine would evaluate in the published seconds, whatever ends
    # trials here: logs of one benchmark have one grid.
    num_evals = published.num_evals if published else NUM_EVALS
    if config.scale == "full":
        return Terms(step_hint, seconds, num_evals)
    return Terms(step_hint, seconds, num_evals, measured.mode, measured.steps_per_dispatch)


def to_calibrate(
    names: Sequence[str], config: ExperimentConfig, goal: Benchmark | None
) -> list[str]:
    """The workloads of which the reference's speed has to be measured."""
    if config.scale == "lite" or config.budget_by == "time":
        return list(names)
    # A calibration also knows the step hint of a workload that the benchmark does not know.
    known = goal.workloads if goal is not None else {}
    return [name for name in names if workloads.name_of(name) not in known]


def check(names: Sequence[str], config: ExperimentConfig, goal: Benchmark | None) -> None:
    """Raises ValueError, one sentence, where a budget that should be published is not."""
    if config.budget_by != "published":
        return
    for name in map(workloads.name_of, names):
        if goal is None or goal.budget(name) is None:
            raise ValueError(
                f"benchmark {config.benchmark!r} has no published budget for {name!r}; use "
                "--budget_by=time or --budget_by=steps"
            )
