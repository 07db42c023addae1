"""Plan an experiment, skip what is finished, run the rest, and never lose or overwrite a result."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from algoperf_lite import cache, clock, executors, hardware, submission, trial_logs
from algoperf_lite.output_directory import Directory, Settings
from algoperf_lite.trial_spec import Entry, TrialSpec, blank_record

_PARTS_OF_SECONDS = 3.0  # a trial's process may take this multiple of its budget ...
_SPARE_SECONDS = 900.0  # ... and this much more for data, compilation and evaluation


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
        horizon = (entry.budget or 1.0) * calibration.step_hint
        steps = settings.ruleset.slack * horizon
        by_time = settings.budget_by == "time"
        limits = [
            settings.max_global_steps,
            None if by_time else round(steps),
            # A schedule that was promised a budget has nothing to say beyond it.
            None if entry.budget is None else max(1, round(horizon)),
        ]
        limits = [limit for limit in limits if limit is not None]
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
            target=self.targets.get(workload),
            num_evals=settings.num_evals,
            max_seconds=steps * calibration.seconds_per_step if by_time else None,
            max_global_steps=min(limits, default=None),
            stop_at_target=settings.stop_at_target,
            count_compile=settings.count_compile,
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
    worker_slots: list[tuple[int, ...]],
    silence_limit: float,
    reporter: Reporter,
) -> list[TrialSpec]:
    """Calibrates what is not calibrated, runs what is not finished of a plan, and returns the plan.

    Args:
      plan: from each workload's calibration to all trials, in the order they should run.
    Raises ValueError, one sentence, where the output directory is not for this experiment.
    """
    with Directory(output_dir, settings) as directory:
        known = directory.calibrations()
        missing = [name for name in workload_names if name not in known]
        log = output_dir / "calibration.txt"
        for name, found in calibrate(missing, settings.scale, worker_slots, log=log):
            directory.keep(name, found)
            reporter.on_calibrated(name, found)
        trials = plan(directory.calibrations())
        left = unfinished(trials)
        reporter.on_plan(trials, left)
        for trial, record in run_trials(
            left,
            worker_slots,
            silence_limit,
            reporter.on_event,
            vectorize=settings.vectorize == "trials",
        ):
            reporter.on_end(trial, record)
    return trials


def calibrate(
    workload_names: list[str],
    scale: str,
    worker_slots: list[tuple[int, ...]],
    fresh: bool = False,
    log: Path | None = None,
) -> Iterator[tuple[str, hardware.Calibration]]:
    """Calibrates each workload in a process of its own, in a trial's environment.

    Raises RuntimeError where a workload cannot be calibrated.
    """
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
    for job, outcome in executors.run_local(jobs, worker_slots):
        if outcome.result is None:
            where = f"; its output is in {log}" if log else ""
            raise RuntimeError(f"calibrating {job.name!r} failed: {outcome.error}{where}")
        yield job.name, hardware.Calibration(**outcome.result)


def unfinished(trials: list[TrialSpec]) -> list[TrialSpec]:
    """The trials without a result.

    Raises ValueError where a finished one ran another text of its submission's file.
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
    return left


def run_trials(
    trials: list[TrialSpec],
    worker_slots: list[tuple[int, ...]],
    silence_limit: float,
    on_event: Callable[[TrialSpec, executors.Event], None] = lambda trial, event: None,
    vectorize: bool = False,
) -> Iterator[tuple[TrialSpec, dict[str, Any]]]:
    """Runs each trial in a process of its own, or `populations` of them in one process each, and
    yields every trial's record, which is then on disk.

    An event of a population is told of its first trial, with the number of its "members". What an
    interrupted attempt left in a trial's directory is set aside first.
    """
    num_slots = len(worker_slots)
    groups = populations(trials, num_slots) if vectorize else [[trial] for trial in trials]
    # A name is for people, and several trials may share one; a directory is one trial's alone.
    by_log = {_log(group): group for group in groups}
    jobs = (_job(group, silence_limit, num_slots, vectorize) for group in groups)

    def tell(job: executors.Job, event: executors.Event) -> None:
        group = by_log[job.log]
        on_event(group[0], {"members": len(group), **event})

    for job, outcome in executors.run_local(jobs, worker_slots, tell):
        group = by_log[job.log]
        for i, trial in enumerate(group):
            result = outcome.result
            if result is not None and vectorize:
                result = result["records"][i]
            yield trial, _settle(trial, dataclasses.replace(outcome, result=result))


def populations(trials: list[TrialSpec], num_slots: int) -> list[list[TrialSpec]]:
    """The trials in groups that one process can train together: of one entry on one workload.

    Groups are split only where there would otherwise be fewer than workers to run them.
    """
    cells: dict[TrialSpec, list[TrialSpec]] = {}
    for trial in trials:
        cell = dataclasses.replace(trial, study=0, trial=0, directory="", hyperparameters=None)
        cells.setdefault(cell, []).append(trial)
    groups = list(cells.values())
    last = len(groups) % num_slots  # these would leave workers idle
    found = groups[: len(groups) - last]
    for group in groups[len(groups) - last :]:
        size = -(-len(group) // -(-num_slots // last))
        found += [group[start : start + size] for start in range(0, len(group), size)]
    return found


def _log(group: list[TrialSpec]) -> Path:
    return Path(group[0].directory) / "output.txt"


def _job(
    group: list[TrialSpec], silence_limit: float, num_slots: int, vectorize: bool
) -> executors.Job:
    first, limit = group[0], None
    for trial in group:
        trial_logs.set_aside(Path(trial.directory))
    if first.max_seconds is not None:
        limit = _PARTS_OF_SECONDS * first.max_seconds * len(group) + _SPARE_SECONDS
    payload = {"spec": dataclasses.asdict(first)}
    if vectorize:
        specs = [dataclasses.asdict(trial) for trial in group]
        payload = {"specs": specs, "num_processes": num_slots}
    return executors.Job(
        name=first.name,
        module="algoperf_lite.vectorized" if vectorize else "algoperf_lite.trial",
        payload=payload,
        log=_log(group),
        silence_limit=silence_limit,
        time_limit=limit,
        # Where compilation counts, a program kept from an earlier trial would be a gift.
        cache=None if first.count_compile else cache.folder() / "compiled",
    )


def _settle(trial: TrialSpec, outcome: executors.Outcome) -> dict[str, Any]:
    """The trial's final record; written here where the trial's process could not, or where its
    ledger and this process's clock disagree."""
    record = outcome.result
    if record is None:
        record = blank_record(trial) | {"status": outcome.status, "error": outcome.error}
        record["ledger"] = {"wall": outcome.wall}
    else:
        # A trial of a population has a share of its process's ledger, which is beside it.
        ledger = record.get("population", record)["ledger"]
        if clock.adds_up(ledger, outcome.wall):
            return record
        record["status"] = "invalid"
        record["error"] = (
            f"the ledger accounts for {ledger['wall']:.2f} s, but {outcome.wall:.2f} s went by"
        )
    trial_logs.write_json(Path(trial.directory) / "trial.json", record)
    return record
