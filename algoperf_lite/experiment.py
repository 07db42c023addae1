"""Plan an experiment, skip what is finished, run the rest, and never lose or overwrite a result."""

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from algoperf_lite import (
    cache,
    executors,
    hardware,
    submission,
    trial_jobs,
    trial_logs,
)
from algoperf_lite.output_directory import Directory, Settings
from algoperf_lite.trial_spec import Entry, TrialSpec, blank_record


@dataclasses.dataclass(frozen=True)
class Experiment:
    """Entries x workloads x studies x trials in one output directory.

    Attributes:
      targets: validation target of each workload; a missing one means there is none.
    """

    directory: Path
    settings: Settings
    entries: tuple[Entry, ...]
    workloads: tuple[str, ...]
    targets: Mapping[str, float]

    def plan(self, calibrations: Mapping[str, hardware.Calibration]) -> list[TrialSpec]:
        """All trials, in the order they should run.

        Entries alternate within a workload, so that a drift of the machine hits all alike.
        """
        ruleset = self.settings.ruleset
        return [
            self._trial(entry, workload, study, trial, calibrations[workload])
            for study in range(ruleset.num_studies)
            for trial in range(1, ruleset.num_trials + 1)
            for workload in self.workloads
            for entry in self.entries
            if trial == 1 or not entry.is_tuned
        ]

    def _trial(
        self,
        entry: Entry,
        workload: str,
        study: int,
        trial: int,
        calibration: hardware.Calibration,
    ) -> TrialSpec:
        settings = self.settings
        slack, step_hint = settings.ruleset.slack, calibration.step_hint
        by_time = settings.budget_by == "time"
        rules, seconds = entry.population, None
        if by_time:
            seconds = slack * (entry.budget or 1.0) * step_hint * calibration.seconds_per_step
            # Every member is to see the whole budget; the clock counts all of them.
            seconds *= 1 if rules is None else rules.size
        directory = self.directory / entry.name / f"study_{study}" / f"{workload}_jax"
        return TrialSpec(
            submission=entry.submission,
            entry=entry.name,
            schedule=entry.schedule,
            whole_horizon=entry.budget is not None,
            budget=entry.budget or 1.0,
            workload=workload,
            scale=settings.scale,
            study=study,
            trial=trial,
            experiment_seed=settings.rng_seed,
            ruleset=settings.ruleset,
            directory=str(directory / f"trial_{trial}"),
            course=entry.course,
            population=rules and rules.for_horizon(entry.horizon(step_hint)),
            target=self.targets.get(workload),
            num_evals=settings.num_evals,
            max_seconds=seconds,
            max_global_steps=entry.last_step(slack, step_hint, settings.max_global_steps, by_time),
            stop_at_target=settings.stop_at_target,
            count_compile=settings.count_compile,
            use_installed_algoperf=settings.use_installed_algoperf,
            stepping_mode=calibration.mode,
            steps_per_dispatch=calibration.steps_per_dispatch,
        )


class Reporter(Protocol):
    """Who is told how an experiment goes; `progress.ExperimentProgress` shows it to people."""

    def on_calibrated(self, workload: str, calibration: hardware.Calibration) -> None: ...

    def on_plan(self, trials: list[TrialSpec], left: list[TrialSpec]) -> None: ...

    def on_event(self, trial: TrialSpec, event: Mapping[str, Any]) -> None: ...

    def on_end(self, trial: TrialSpec, record: Mapping[str, Any]) -> None: ...


Plan = Callable[[Mapping[str, hardware.Calibration]], list[TrialSpec]]


def conduct(
    output_dir: Path,
    settings: Settings,
    workload_names: Sequence[str],
    plan: Plan,
    executor: executors.Executor,
    reporter: Reporter,
    care: trial_jobs.Care = trial_jobs.USUAL_CARE,
    checks: Sequence[executors.Job] = (),
) -> list[TrialSpec]:
    """Calibrates what is not calibrated, runs what is not finished of a plan, and returns the plan.

    Args:
      plan: from each workload's calibration to all trials, in the order they should run.
      checks: run beside the calibrations; the "problem" of one's result is a ValueError.
    Raises ValueError, one sentence, where the output directory is not for this experiment.
    """
    with Directory(output_dir, settings) as directory:
        known = directory.calibrations()
        missing = [name for name in workload_names if name not in known]
        try:
            for name, found in calibrate(missing, settings.scale, executor, checks=checks):
                directory.keep(name, found)
                reporter.on_calibrated(name, found)
        except ValueError:
            directory.discard()
            raise
        trials = plan(directory.calibrations())
        left = unfinished(trials, care.max_retries)
        reporter.on_plan(trials, left)
        for trial, record in trial_jobs.run(
            left,
            executor,
            reporter.on_event,
            vectorize=settings.vectorize == "trials",
            care=care,
        ):
            reporter.on_end(trial, record)
    return trials


def calibrate(
    workload_names: list[str],
    scale: str,
    executor: executors.Executor,
    fresh: bool = False,
    checks: Sequence[executors.Job] = (),
) -> Iterator[tuple[str, hardware.Calibration]]:
    """Calibrates each workload in a process of its own, in a trial's environment.

    Raises RuntimeError where a workload cannot be calibrated, ValueError where one of `checks`,
    which run beside, found a problem.
    """
    log = cache.folder() / "calibration" / "output.txt"
    jobs = [
        executors.Job(
            name=name,
            module="algoperf_lite.hardware",
            payload={"workload": name, "scale": scale, "fresh": fresh},
            log=log,
            cache=cache.folder() / "compiled",
        )
        for name in workload_names
    ]
    names = {job.name for job in checks}
    for job, outcome in executor.run([*checks, *jobs]):
        if job.name in names:  # one that could not run is no verdict
            if outcome.result is not None and outcome.result["problem"]:
                raise ValueError(outcome.result["problem"])
            continue
        if outcome.result is None:
            what = f"{outcome.error}; its output is in {log}"
            raise RuntimeError(f"calibrating {job.name!r} failed: {what}")
        yield job.name, hardware.Calibration(**outcome.result)


def unfinished(trials: list[TrialSpec], max_retries: int = 0) -> list[TrialSpec]:
    """The trials without a result, or that crashed and may be tried again.

    Raises ValueError where a finished one ran another text of its submission's file, or other
    rules of a population or another course under the same name.
    """
    left = []
    for trial in trials:
        record = trial_logs.read_record(Path(trial.directory))
        if record is None:
            left.append(trial)
            continue
        ran = record["submission_sha256"]
        if ran not in (None, submission.source_sha256(Path(trial.submission))):
            raise ValueError(
                f"submission {trial.submission_name!r} has changed since "
                f"{trial.directory} was run with it; choose another --output_dir or rename the file"
            )
        wanted = json.loads(json.dumps(blank_record(trial)))
        for name, what in (("pbt", "rules"), ("course", "hyperparameters over time")):
            if record.get(name) != wanted[name]:
                raise ValueError(
                    f"{trial.directory} was run with other {what}; choose another --output_dir or "
                    "repeat that run's flags"
                )
        if trial_jobs.is_to_be_retried(Path(trial.directory), record, max_retries):
            left.append(trial)
    return left
