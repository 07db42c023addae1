"""The trials of an experiment, and which of them are left to run."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import workloads
from algoperf_lite.experiment import jobs as experiment_jobs
from algoperf_lite.experiment import terms as experiment_terms
from algoperf_lite.experiment.contenders import Contender
from algoperf_lite.experiment.terms import Terms
from algoperf_lite.submission import find
from algoperf_lite.training.calibration import Calibration
from algoperf_lite.trial import logs, racing
from algoperf_lite.trial.config import ExperimentConfig
from algoperf_lite.trial.spec import TrialSpec
from scoring.benchmark import Benchmark
from scoring.logs.format import OUTRUN


@dataclasses.dataclass(frozen=True)
class Experiment:
    """Contenders x workloads x studies x trials in one output directory.

    Attributes:
      workloads: as `workloads.load` takes them.
      targets: validation target of each workload; a missing one means there is none.
      benchmark: with published budgets and step hints; None where everything is measured.
      data_dir: of the data sets that are read from files, as trials find it.
    """

    directory: Path
    config: ExperimentConfig
    contenders: tuple[Contender, ...]
    workloads: tuple[str, ...]
    targets: Mapping[str, float]
    benchmark: Benchmark | None = None
    data_dir: str | None = None

    @property
    def to_calibrate(self) -> list[str]:
        """The workloads without whose calibration there is no plan."""
        return experiment_terms.to_calibrate(self.workloads, self.config, self.benchmark)

    def plan(self, calibrations: Mapping[str, Calibration]) -> list[TrialSpec]:
        """All trials, in the order they should run.

        Contenders alternate within a workload, so that a drift of the machine hits all alike.
        """
        ruleset = self.config.ruleset
        # Only where it is needed: a directory keeps what somebody may have measured before.
        measured = {name: calibrations[name] for name in self.to_calibrate}
        terms = {
            name: experiment_terms.of(name, self.config, self.benchmark, measured.get(name))
            for name in self.workloads
        }
        return [
            self._trial(contender, workload, study, trial, terms[workload])
            for study in range(ruleset.num_studies)
            for trial in range(1, ruleset.num_trials + 1)
            for workload in self.workloads
            for contender in self.contenders
            if trial == 1 or not contender.is_tuned
        ]

    def _trial(
        self,
        contender: Contender,
        workload: str,
        study: int,
        trial: int,
        terms: Terms,
    ) -> TrialSpec:
        config, rules = self.config, contender.population
        slack, step_hint, part = config.ruleset.slack, terms.step_hint, contender.budget or 1.0
        seconds, by_time = terms.seconds, terms.seconds is not None
        if by_time:
            # Every member is to see the whole budget; the clock counts all of them.
            seconds *= slack * part * (1 if rules is None else rules.size)
        cell = f"{workloads.name_of(workload)}_jax"
        directory = self.directory / contender.name / f"study_{study}" / cell
        last_step = contender.last_step(slack, step_hint, config.max_global_steps, by_time)
        return TrialSpec(
            submission=contender.submission,
            entry=contender.name,
            schedule=contender.schedule,
            whole_horizon=contender.budget is not None,
            budget=part,
            in_step_with=self._in_step_with(contender, terms),
            workload=workload,
            study=study,
            trial=trial,
            directory=str(directory / f"trial_{trial}"),
            config=config,
            population=rules and rules.for_horizon(contender.horizon(step_hint)),
            target=self.targets.get(workload),
            num_evals=self._num_evals(terms, part),
            max_seconds=seconds,
            max_global_steps=last_step,
            stepping_mode=terms.stepping_mode,
            steps_per_dispatch=terms.steps_per_dispatch,
            data_dir=self.data_dir,
        )

    def _in_step_with(self, contender: Contender, terms: Terms) -> tuple[float, ...]:
        """Budgets of trials that do the same until they cool down, see `stops.cuts`."""
        # Single steps are the same program, wherever a dispatch ends.
        is_alone = self.config.vectorize == "none"
        if terms.stepping_mode == "single" or not (is_alone and contender.has_common_part):
            return ()
        alike = dataclasses.replace(contender, budget=None)
        of_all = (one for one in self.contenders if dataclasses.replace(one, budget=None) == alike)
        found = tuple(one.budget for one in of_all)
        return found if len(found) > 1 else ()

    def _num_evals(self, terms: Terms, part: float) -> int:
        """Evaluations in a part of the horizon."""
        # Evaluations of a full workload are long: half a budget has half of them, as in AlgoPerf.
        if self.config.scale == "full":
            return max(1, round(part * terms.num_evals))
        return terms.num_evals


def unfinished(trials: list[TrialSpec], max_retries: int = 0) -> list[TrialSpec]:
    """The trials without a result, or that crashed and may be tried again, or that were outrun by
    one whose result is gone.

    Raises ValueError where a finished one ran another text of its submission's or its workload's
    files, or other rules of a population, under the same name.
    """
    left = []
    for trial in trials:
        directory = Path(trial.directory)
        record = logs.read_record(directory)
        # Without a record it never ended, whatever else is there: rows may be torn.
        if record is None:
            left.append(trial)
            continue
        _check_same(trial, record)
        is_void = record["status"] == OUTRUN and not racing.still_stands(directory, record)
        if is_void or experiment_jobs.is_to_be_retried(directory, record, max_retries):
            left.append(trial)
    return left


def _check_same(trial: TrialSpec, record: Mapping[str, Any]) -> None:
    """Raises ValueError where a record is not of this trial: mixed, the two would be one row."""
    # None where the trial failed before the file was read.
    ran = record["submission_sha256"]
    if ran not in (None, find.source_sha256(Path(trial.submission))):
        raise ValueError(
            f"submission {trial.submission_name!r} has changed since "
            f"{trial.directory} was run with it; choose another --output_dir or rename the file"
        )
    ran = record.get("workload_sha256")  # None for one of ours too
    if ran is not None and ran != workloads.source_sha256(trial.workload):
        raise ValueError(
            f"workload {trial.workload!r} has changed since {trial.directory} was run on it; "
            "choose another --output_dir or rename its folder"
        )
    rules = trial.population and dataclasses.asdict(trial.population)
    if record.get("pbt") != json.loads(json.dumps(rules)):  # where tuples are lists
        raise ValueError(
            f"{trial.directory} was run with other rules; choose another --output_dir or "
            "repeat that run's flags"
        )
