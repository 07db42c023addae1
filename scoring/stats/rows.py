"""The rows of a leaderboard, one per submission, and how trials become them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scoring.benchmark import Target
from scoring.logs.read import Trial
from scoring.stats import profile
from scoring.stats.draws import limits
from scoring.stats.times import outcome
from scoring.stats.times_matrix import TimesMatrix


@dataclass(frozen=True)
class Row:
    """One submission's row. Mappings are by workload and hold the workloads it was logged on."""

    submission: str
    score: float
    low: float | None  # limits of the 95% interval; None when one study cannot tell
    high: float | None
    num_studies: int  # the least over its scored workloads: what the interval rests on
    time_to_target: Mapping[str, float]  # in the leaderboard's unit; inf: not reached
    steps_to_target: Mapping[str, float]
    ratio_to_best: Mapping[str, float]  # base workloads, after the gates; inf: no credit
    gated: Mapping[str, float]  # base workloads: time to target after the gates
    statuses: Mapping[str, Mapping[str, int]]
    best: Mapping[str, float]  # best validation metric over trials; NaN: none was finite
    rho: np.ndarray  # (T,) performance profile on the leaderboard's tau


def build(
    matrix: TimesMatrix, trials: Sequence[Trial], score_NS: np.ndarray | None
) -> tuple[Row, ...]:
    """Rows of all submissions of the matrix, sorted by score, then name.

    Args:
      score_NS: N draws of the scores, see `drawn_scores`.
    """
    gated_SB, base = profile.gate(matrix.times_SW, matrix.workloads, matrix.benchmark)
    ratios_SB = profile.ratios(gated_SB)
    score_S = profile.scores(ratios_SB, matrix.mode)
    rho_ST = profile.rho(ratios_SB, profile.tau_grid())
    targets = {name: matrix.benchmark.workloads[name] for name in matrix.workloads}
    groups = _grouped(trials, targets)
    rows = []
    for i, name in enumerate(matrix.submissions):
        low = high = None
        if score_NS is not None and matrix.can_tell(i):
            low, high = limits(score_NS[:, i], float(score_S[i]))
        own = groups.get(name, {})
        rows.append(
            Row(
                submission=name,
                score=float(score_S[i]),
                low=low,
                high=high,
                num_studies=int(matrix.num_studies_S[i]),
                time_to_target=_logged(matrix.workloads, matrix.times_SW[i]),
                steps_to_target=_logged(matrix.workloads, matrix.steps_SW[i]),
                ratio_to_best=dict(zip(base, ratios_SB[i].tolist(), strict=True)),
                gated=dict(zip(base, gated_SB[i].tolist(), strict=True)),
                statuses={w: _statuses(group, targets[w]) for w, group in own.items()},
                best={w: _best(group, targets[w]) for w, group in own.items()},
                rho=rho_ST[i],
            )
        )
    # Rounded: equal scores may differ in the last bits, as their sums run in another order.
    return tuple(sorted(rows, key=lambda row: (-round(row.score, 12), row.submission)))


def drawn_scores(matrix: TimesMatrix) -> np.ndarray | None:
    """Draws of the score of every submission, (N, S); None without any."""
    if matrix.draws is None:
        return None

    def score(times_SW: np.ndarray) -> np.ndarray:
        gated_SB, _ = profile.gate(times_SW, matrix.workloads, matrix.benchmark)
        return profile.scores(profile.ratios(gated_SB), matrix.mode)

    # No score lies beyond, also where a bias is taken from it.
    return np.clip(matrix.draws.of(score), 0.0, 1.0)


def _logged(workloads: Sequence[str], values_W: np.ndarray) -> dict[str, float]:
    """Values by workload, without those on which there is no data."""
    pairs = zip(workloads, values_W.tolist(), strict=True)
    return {name: value for name, value in pairs if not np.isnan(value)}


def _grouped(
    trials: Sequence[Trial], targets: Mapping[str, Target]
) -> dict[str, dict[str, list[Trial]]]:
    """Trials on workloads that have a target here, by submission and workload."""
    groups: dict[str, dict[str, list[Trial]]] = {}
    for trial in trials:
        if trial.workload in targets:
            own = groups.setdefault(trial.submission, {})
            own.setdefault(trial.workload, []).append(trial)
    return groups


def _statuses(trials: Sequence[Trial], target: Target) -> dict[str, int]:
    """Number of trials by how they ended."""
    return dict(Counter(outcome(trial, target) for trial in trials))


def _best(trials: Sequence[Trial], target: Target) -> float:
    """Best validation metric over valid trials; NaN where none is finite."""
    return target.best(
        np.concatenate([trial.metric for trial in trials if trial.status != "invalid"] or [[]])
    )
