"""Trials that were slower than their twins: found at the end of an experiment, and run again."""

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path

from algoperf_lite.submission import find
from algoperf_lite.training.calibration import REFERENCE, Calibration
from algoperf_lite.trial import logs
from algoperf_lite.trial.spec import TrialSpec
from scoring.logs import read
from scoring.stats import paces


def slow_trials(
    trials: Iterable[TrialSpec], calibrations: Mapping[str, Calibration]
) -> list[tuple[TrialSpec, float]]:
    """Those of an experiment's finished trials whose steps took much longer than their twins', or
    than the reference's at its calibration, and how many times as long; see `scoring.stats.paces`.

    Args:
      calibrations: by workload's name.
    """
    by_path = {trial.directory: trial for trial in trials}
    calibrated, metrics, roots = {}, {}, {}
    for path, trial in by_path.items():
        record = logs.read_record(Path(path))
        if record is None or not record.get("metric"):
            continue
        metrics[trial.workload_name] = record["metric"]
        # <root>/<submission>/<study>/<workload>/<trial>: a search may have several roots.
        roots[Path(path).parents[3]] = None
        found = calibrations.get(trial.workload_name)
        if found is not None and _is_reference(trial):
            calibrated[trial.submission_name, trial.workload_name] = found.seconds_per_step
    # By their whole paths, which tell the trials of several roots apart.
    found = [
        dataclasses.replace(one, path=str(root / one.path))
        for root in roots
        for one in read.read(root, metrics)[0]
    ]
    slow = paces.slow(found, calibrated)
    return [(by_path[one.path], ratio) for one, ratio in slow if one.path in by_path]


def sentence(trial: TrialSpec, ratio: float) -> str:
    """What people are told of a slow trial."""
    return f"{trial.name}: its steps took {ratio:.1f} times as long as in other runs of its program"


def _is_reference(trial: TrialSpec) -> bool:
    """Whether a trial runs the program that calibration measured."""
    is_whole = trial.config.microbatches in (None, 1) and trial.population is None
    is_usual = is_whole and trial.schedule is None
    return is_usual and find.locate(trial.submission) == find.locate(REFERENCE)
