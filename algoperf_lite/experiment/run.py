"""Plan an experiment, skip what is finished, run the rest, and never lose or overwrite a result."""

import dataclasses
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import workloads
from algoperf_lite.executors.job import Executor, Job
from algoperf_lite.experiment import jobs as experiment_jobs
from algoperf_lite.experiment import preflight, repeating
from algoperf_lite.experiment.directory import Directory
from algoperf_lite.experiment.placement import HERE, Placement
from algoperf_lite.experiment.plan import unfinished
from algoperf_lite.machine.numerics import USUAL, Numerics
from algoperf_lite.storage import cache
from algoperf_lite.training.calibration import Calibration
from algoperf_lite.trial import logs
from algoperf_lite.trial.config import ExperimentConfig
from algoperf_lite.trial.spec import TrialSpec


class Reporter(Protocol):
    """Whoever is told how an experiment goes; `progress.ExperimentProgress` shows it to people."""

    def say(self, line: str) -> None: ...

    def on_calibrated(self, workload: str, calibration: Calibration) -> None: ...

    def on_plan(self, trials: list[TrialSpec], left: list[TrialSpec]) -> None: ...

    def on_event(self, trial: TrialSpec, event: Mapping[str, Any]) -> None: ...

    def on_end(self, trial: TrialSpec, record: Mapping[str, Any]) -> None: ...


class Quiet:
    """A reporter that shows nothing, for Python; subclass it and override what should be heard."""

    def say(self, line: str) -> None:
        """A remark for people."""

    def on_calibrated(self, workload: str, calibration: Calibration) -> None:
        """A workload's calibration is there."""

    def on_plan(self, trials: list[TrialSpec], left: list[TrialSpec]) -> None:
        """All trials are known, and which of them are left to run."""

    def on_event(self, trial: TrialSpec, event: Mapping[str, Any]) -> None:
        """A running trial reports: {"event": "start" | "progress" | "retry" | "lost", ...}."""

    def on_end(self, trial: TrialSpec, record: Mapping[str, Any]) -> None:
        """A trial has ended; `record` is what its trial.json holds."""


Plan = Callable[[Mapping[str, Calibration]], list[TrialSpec]]


def run(
    output_dir: Path,
    config: ExperimentConfig,
    to_calibrate: Sequence[str],
    plan: Plan,
    executor: Executor,
    reporter: Reporter,
    limits: experiment_jobs.Limits = experiment_jobs.DEFAULT_LIMITS,
    checks: Sequence[Job] = (),
    placement: Placement = HERE,
) -> list[TrialSpec]:
    """Calibrates what is not calibrated, runs what is not finished of a plan, and returns the plan.

    Args:
      to_calibrate: the workloads whose calibration the plan needs, as `workloads.load` takes them.
      plan: from each workload's calibration to all trials, in the order they should run.
      checks: run beside the calibrations; the "problem" of one's result is a ValueError.
      placement: its shard is the part of the plan that is run, and returned.
    Raises ValueError where the output directory is not for this experiment, or for a workload from
    elsewhere that cannot be loaded.
    """
    remark = config.numerics.remark()
    if remark is not None:
        reporter.say(remark)
    with Directory(output_dir, config, placement.part) as directory:
        # Shards are to run on the same terms, so the first one calibrates for all.
        with directory.calibrating(reporter.say):
            known = directory.calibrations()
            # What is known stays: trials of an interrupted run went by it.
            missing = [each for each in to_calibrate if workloads.name_of(each) not in known]
            how = {"checks": checks, "silence_limit": limits.heartbeat_timeout}
            how |= {"numerics": config.numerics, "data_dir": placement.data_folder}
            try:
                check_workloads(to_calibrate, config.scale, executor, config.numerics)
                for workload, found in calibrate(missing, config.scale, executor, **how):
                    name = workloads.name_of(workload)
                    directory.keep(name, found)
                    reporter.on_calibrated(name, found)
            except ValueError:
                directory.discard()
                raise
        known = directory.calibrations()
        measured = {each: known[workloads.name_of(each)] for each in to_calibrate}
        every = plan(measured)
        directory.planned(len(every))
        trials = placement.part.of(every)
        # Only after calibration, which decides the steps and seconds of each trial.
        left = unfinished(trials, limits.max_retries)
        directory.keep_sources(trial.submission for trial in left)
        reporter.on_plan(trials, left)
        together = config.vectorize == "trials"

        def train(those: Sequence[TrialSpec]) -> None:
            for trial, record in experiment_jobs.run(
                those, executor, reporter.on_event, together, limits, trials
            ):
                reporter.on_end(trial, record)

        train(left)
        # Of all shards, since the last to end sees all; each repeats its own.
        own = {trial.directory for trial in trials}
        slow = [one for one in _suspected(directory, every, reporter) if one.directory in own]
        if slow and limits.repeat_suspicious:
            for trial in slow:
                logs.set_aside(Path(trial.directory))  # nothing is lost: it stays inside
            reporter.say(f"running {len(slow)} of {len(trials)} trials again")
            train(slow)
            train(unfinished(trials, limits.max_retries))  # whom these had outrun before
            _suspected(directory, every, reporter)
    return trials


def _suspected(
    directory: Directory, trials: Sequence[TrialSpec], reporter: Reporter
) -> list[TrialSpec]:
    """The trials that were slower than their twins; it is said and written down."""
    slow = repeating.slow_trials(trials, directory.calibrations())
    for trial, ratio in slow:
        reporter.say(repeating.sentence(trial, ratio))
    directory.suspected(
        {os.path.relpath(trial.directory, directory.path): ratio for trial, ratio in slow}
    )
    return [trial for trial, _ in slow]


def check_workloads(
    workload_names: Sequence[str],
    scale: str,
    executor: Executor,
    numerics: Numerics = USUAL,
    needs: str = "",
) -> None:
    """Raises ValueError, one sentence, for a workload from elsewhere that cannot be loaded, or
    lacks the field that it `needs`; says nothing where the process of the check ended itself."""
    job = preflight.job_for_workloads(workload_names, scale, numerics, needs)
    if job is None:
        return
    for _, outcome in executor.run([job]):
        problem = (outcome.result or {}).get("problem")
        if problem:
            raise ValueError(problem)


def calibrate(
    workload_names: list[str],
    scale: str,
    executor: Executor,
    fresh: bool = False,
    checks: Sequence[Job] = (),
    silence_limit: float = experiment_jobs.DEFAULT_LIMITS.heartbeat_timeout,
    numerics: Numerics = USUAL,
    data_dir: str | None = None,
) -> Iterator[tuple[str, Calibration]]:
    """Calibrates each workload in a process of its own, in a trial's environment, and yields it as
    it was given.

    `silence_limit` is that of a trial, in seconds; `fresh` measures anew what is known.
    Raises ValueError where a workload cannot be trained, such as one without data, or where one of
    `checks`, which run beside, found a problem; RuntimeError where a calibration died.
    """
    kept = cache.subfolder("calibration")
    # A file of a fixed name in the folder for temporary ones, so that its sentence can name it.
    log = (kept or Path(tempfile.gettempdir()) / f"algoperf_lite_{os.getuid()}") / "output.txt"
    jobs = [
        Job(
            name=workloads.name_of(name),
            module="algoperf_lite.training.calibration",
            payload={
                "workload": name,
                "scale": scale,
                "fresh": fresh,
                "numerics": dataclasses.asdict(numerics),
                "data_dir": data_dir,
            },
            log=log,
            silence_limit=silence_limit,
            cache=cache.subfolder("compiled"),
            numerics=numerics,
            preload=(name,),
        )
        for name in workload_names
    ]
    names = {job.name for job in checks}
    for job, outcome in executor.run([*checks, *jobs]):
        problem = (outcome.result or {}).get("problem")
        if problem:
            raise ValueError(problem)
        if job.name in names:  # a check that could not run is no verdict
            continue
        if outcome.result is None:
            what = f"{outcome.error}; its output is in {log}"
            raise RuntimeError(f"calibrating {job.name!r} failed: {what}")
        yield job.payload["workload"], Calibration(**outcome.result)
