"""Times to target -> gates -> ratios -> performance profile (Dolan & More, 2002) -> score.

S submissions, W workloads, B base workloads; leading axes (draws) pass through.
A time is inf where the target was not reached, NaN where there is no data; both earn nothing.
"""

from __future__ import annotations

import numpy as np

from scoring.benchmark import Benchmark

TAU_MAX = 4.0
GATE_FACTOR = 4.0
NUM_TAU = 100


def tau_grid() -> np.ndarray:
    """AlgoPerf's 100 equally spaced factors in [1, 4]."""
    return np.linspace(1.0, TAU_MAX, NUM_TAU)


def gate(
    times_SW: np.ndarray,
    workloads: tuple[str, ...],
    benchmark: Benchmark,
    yardstick_W: np.ndarray | None = None,
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Times that may earn credit, (..., S, B), and the names of their columns.

    AlgoPerf v0.5's order: a variant counts only where its base was reached; no time above four
    times the fastest counts; a base counts only where its variant does. With a yardstick, (..., W),
    its times take the place of the fastest; NaN there sets no limit.
    """
    times_SW = np.where(np.isnan(times_SW), np.inf, times_SW)
    column = {name: i for i, name in enumerate(workloads)}
    base = [name for name in benchmark.base_workloads if name in column]
    pairs = [
        (column[variant], column[benchmark.base_of(variant)])
        for variant in benchmark.held_out_workloads
        if variant in column and benchmark.base_of(variant) in column
    ]
    # The order matters: a variant whose base was not reached must not set the fastest time.
    for v, b in pairs:
        times_SW[..., v] = np.where(np.isinf(times_SW[..., b]), np.inf, times_SW[..., v])
    if yardstick_W is None:
        fastest_W = times_SW.min(axis=-2, keepdims=True)
    else:
        fastest_W = yardstick_W[..., None, :]  # no time is above NaN
    # Divided, not multiplied: exact for a power of two, and nothing overflows.
    times_SW = np.where(times_SW / GATE_FACTOR > fastest_W, np.inf, times_SW)
    for v, b in pairs:
        times_SW[..., b] = np.where(np.isinf(times_SW[..., v]), np.inf, times_SW[..., b])
    return times_SW[..., [column[name] for name in base]], tuple(base)


def ratios(times_SB: np.ndarray) -> np.ndarray:
    """Time over the fastest time of the column: 1 for every fastest, inf for not reached."""
    fastest_B = times_SB.min(axis=-2, keepdims=True)
    # inf/inf (nobody reached it) and 0/0 (reached before the first step) are settled by `where`.
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        quotient = times_SB / fastest_B
    quotient = np.where(times_SB == fastest_B, 1.0, quotient)
    return np.where(np.isfinite(times_SB), quotient, np.inf)


def rho(ratios_SB: np.ndarray, tau_T: np.ndarray) -> np.ndarray:
    """Share of base workloads solved within each factor tau of the fastest, (..., S, T)."""
    # One tau at a time: a (..., S, B, T) array of booleans would be 140 MB in the draws.
    solved_ST = np.stack([(ratios_SB <= tau).sum(axis=-1) for tau in tau_T], axis=-1)
    return solved_ST / ratios_SB.shape[-1]


def official_score(ratios_SB: np.ndarray) -> np.ndarray:
    """Area under rho by AlgoPerf's trapezoid over 100 points, divided by 3, (..., S)."""
    tau_T = tau_grid()
    rho_ST = rho(ratios_SB, tau_T)
    area = ((rho_ST[..., 1:] + rho_ST[..., :-1]) / 2 * np.diff(tau_T)).sum(axis=-1)
    return area / (TAU_MAX - 1.0)


def exact_score(ratios_SB: np.ndarray) -> np.ndarray:
    """The same area without a grid: mean over workloads of (4 - r) / 3 within [0, 1], (..., S)."""
    # A workload within ratio r adds its step from r to 4; the clip is for r above 4 and for inf.
    return np.clip((TAU_MAX - ratios_SB) / (TAU_MAX - 1.0), 0.0, 1.0).mean(axis=-1)


def scores(ratios_SB: np.ndarray, mode: str) -> np.ndarray:
    """Score per submission, in [0, 1], by the mode's integral."""
    return official_score(ratios_SB) if mode == "official" else exact_score(ratios_SB)
