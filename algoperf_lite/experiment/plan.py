"""The trials of an experiment, and which of them are left to run."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path

from algoperf_lite.experiment import jobs as experiment_jobs
from algoperf_lite.experiment.config import ExperimentConfig
from algoperf_lite.experiment.contenders import Contender
from algoperf_lite.submission import find
from algoperf_lite.training.calibration import Calibration
from algoperf_lite.trial import logs
from algoperf_lite.trial.record import blank_record
from algoperf_lite.trial.spec import TrialSpec


@dataclasses.dataclass(frozen=True)
class Experiment:
    """Entries x workloads x studies x trials in one output directory.

    Attributes:
      targets: validation target of each workload; a missing one means there is none.
    """

    directory: Path
    settings: ExperimentConfig
    entries: tuple[Contender, ...]
    workloads: tuple[str, ...]
    targets: Mapping[str, float]

    def plan(self, calibrations: Mapping[str, Calibration]) -> list[TrialSpec]:
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
        entry: Contender,
        workload: str,
        study: int,
        trial: int,
        calibration: Calibration,
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
            population=rules and rules.for_horizon(entry.horizon(step_hint)),
            target=self.targets.get(workload),
            num_evals=settings.num_evals,
            max_seconds=seconds,
            max_global_steps=entry.last_step(slack, step_hint, settings.max_global_steps, by_time),
            stop_at_target=settings.stop_at_target,
            count_compile=settings.count_compile,
            stepping_mode=calibration.mode,
            steps_per_dispatch=calibration.steps_per_dispatch,
        )


def unfinished(trials: list[TrialSpec], max_retries: int = 0) -> list[TrialSpec]:
    """The trials without a result, or that crashed and may be tried again.

    Raises ValueError where a finished one ran another text of its submission's file, or other
    rules of a population or another course under the same name.
    """
    left = []
    for trial in trials:
        record = logs.read_record(Path(trial.directory))
        if record is None:
            left.append(trial)
            continue
        ran = record["submission_sha256"]
        if ran not in (None, find.source_sha256(Path(trial.submission))):
            raise ValueError(
                f"submission {trial.submission_name!r} has changed since "
                f"{trial.directory} was run with it; choose another --output_dir or rename the file"
            )
        wanted = json.loads(json.dumps(blank_record(trial)))
        if record.get("pbt") != wanted["pbt"]:
            raise ValueError(
                f"{trial.directory} was run with other rules; choose another --output_dir or "
                "repeat that run's flags"
            )
        if experiment_jobs.is_to_be_retried(Path(trial.directory), record, max_retries):
            left.append(trial)
    return left
