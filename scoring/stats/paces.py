"""Paces: how long a trial's steps took, and which trials were slower than their twins.

Trials of one submission on one workload run the same program on the same machine, whatever their
seeds and points. One whose steps took much longer than theirs ran beside something else, and its
times are the machine's, not the algorithm's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from scoring.logs.read import Anomaly, Trial

# Times as long as the twins' steps. On a quiet machine trials differ by some per cent; what runs
# beside one, on its core, makes it twice as slow.
SLOW = 1.3
# As long as the reference's steps when it was calibrated: alone, and not beside other trials that
# share the memory's speed.
SLOW_TO_CALIBRATION = 1.5
# On the clock, of a trial that is judged: within less, a system's pauses are no small part.
LEAST_SECONDS = 1.0
_MEASURED = "measured"  # other times were not taken while the trial ran


def of_a_step(trial: Trial) -> float | None:
    """Mean seconds of a step from the first evaluation to the last, so that the making of the first
    state does not count. None where the log cannot tell."""
    if trial.steps.size < 2:
        return None
    steps = float(trial.steps[-1] - trial.steps[0])
    seconds = float(trial.seconds[-1] - trial.seconds[0])
    found = seconds / steps if steps > 0 else 0.0
    # A stranger's log may say anything; NaN fails both comparisons.
    return found if 0 < found < np.inf else None


def pace(trial: Trial) -> float | None:
    """Seconds of a step: the larger of mean and median over evaluation periods, since the one makes
    the time to target and the other is what a step usually took. None of a trial that is not
    judged."""
    mean = of_a_step(trial)
    if mean is None or trial.timing != _MEASURED:
        return None
    if float(trial.seconds[-1] - trial.seconds[0]) < LEAST_SECONDS:
        return None
    steps, seconds = np.diff(trial.steps), np.diff(trial.seconds)
    known = (steps > 0) & (seconds > 0) & np.isfinite(seconds)
    return max(mean, float(np.median(seconds[known] / steps[known])))


def slow(
    trials: Iterable[Trial], calibrated: Mapping[tuple[str, str], float] | None = None
) -> Iterator[tuple[Trial, float]]:
    """Trials that were much slower than their twins, and how many times as long their steps took.

    Args:
      calibrated: {(submission, workload): seconds of a step} where a calibration has measured it.
    """
    cells: dict[tuple, list[tuple[Trial, float]]] = {}
    for trial in trials:
        found = pace(trial)
        if found is not None:
            cell = trial.submission, trial.workload, trial.fingerprint_key
            cells.setdefault(cell, []).append((trial, found))
    for (submission, workload, _), twins in cells.items():
        usual = _usual([found for _, found in twins])
        before = (calibrated or {}).get((submission, workload), np.inf)
        for trial, found in twins:
            if found > SLOW * usual or found > SLOW_TO_CALIBRATION * before:
                yield trial, found / min(usual, before)


def anomalies(trials: Sequence[Trial]) -> Iterator[Anomaly]:
    """The same, for a leaderboard."""
    for trial, ratio in slow(trials):
        detail = f"its steps took {ratio:.1f} times as long as those of its twins"
        yield Anomaly("slow_trial", trial.path, detail)


def _usual(paces: Sequence[float]) -> float:
    # Of two the faster one: nothing makes a program faster than it is.
    return sorted(paces)[(len(paces) - 1) // 2]
