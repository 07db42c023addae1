"""Trials that were slower than their twins: found at the end of an experiment, and run again."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from algoperf_lite.submission import find
from algoperf_lite.training.calibration import REFERENCE, Calibration
from algoperf_lite.trial import logs
from algoperf_lite.trial.spec import TrialSpec
from scoring.logs import read
from scoring.stats import paces


def slow_trials(
    root: Path, trials: Iterable[TrialSpec], calibrations: Mapping[str, Calibration]
) -> list[tuple[TrialSpec, float]]:
    """Those of an experiment's finished trials whose steps took much longer than their twins', or
    than the reference's at its calibration, and how many times as long; see `scoring.stats.paces`.

    Args:
      root: the experiment's output directory, whose other trials are twins too.
      calibrations: by workload's name.
    """
    by_path = {os.path.relpath(trial.directory, root): trial for trial in trials}
    records = {path: logs.read_record(Path(trial.directory)) for path, trial in by_path.items()}
    metrics = {
        by_path[path].workload_name: record["metric"]
        for path, record in records.items()
        if record and record.get("metric")
    }
    if not metrics:
        return []
    calibrated = {
        (trial.submission_name, trial.workload_name): found.seconds_per_step
        for trial in by_path.values()
        if (found := calibrations.get(trial.workload_name)) and _is_reference(trial)
    }
    found, _ = read.read(root, metrics)
    return [
        (by_path[trial.path], ratio)
        for trial, ratio in paces.slow(found, calibrated)
        if trial.path in by_path
    ]


def sentence(trial: TrialSpec, ratio: float) -> str:
    """What people are told of a slow trial."""
    return f"{trial.name}: its steps took {ratio:.1f} times as long as in other runs of its program"


def _is_reference(trial: TrialSpec) -> bool:
    """Whether a trial runs the program that calibration measured."""
    is_whole = trial.config.microbatches in (None, 1) and trial.population is None
    is_usual = is_whole and trial.schedule is None
    return is_usual and find.locate(trial.submission) == find.locate(REFERENCE)
