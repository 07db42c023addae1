"""How does the best peak of WSD move with batch size and tokens, and is it as Power's paper says?

The language model is trained at every batch size and number of tokens with several peaks. A cell's
best peak is the lowest point of the parabola through its best one and the two beside it, of log
perplexity over log peak; where the best lies at the edge of the grid, two more beyond are tried,
once, in all cells. The exponents are those of

    best peak = c * batch size ^ x * tokens ^ y

by least squares over cells, for each seed by itself. Power's rule has x = 1 and y = -0.51, found on
WSD runs as these are. (Shen et al. 2024, arXiv 2408.13359, equation 7)

    python -m studies.exponents --output=studies/exponents
"""

import argparse
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from studies import power, script
from studies.regret import Cell, Summary, interval

SCHEDULE = "wsd"
PAPER = {"batch size": 1.0, "tokens": -0.51}

SMOKE = {
    "width": 32,
    "batch_sizes": [8, 16],
    "budgets": [0.0025, 0.005],
    "peaks": [0.001, 0.0025, 0.005],
    "num_seeds": 2,
    "output_dir": script.SMOKE_FOLDER / "exponents",
    "output": script.SMOKE_FOLDER / "exponents" / "exponents",
}


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the grid, and where results go."""
    add, floats, integers = parser.add_argument, script.listed(float), script.listed(int)
    add("--width", type=int, default=32, help="of the model, in muP")
    add("--batch_sizes", type=integers, default=[4, 8, 16, 32], help="in sequences")
    add("--budgets", type=floats, default=[0.0625, 0.125, 0.25, 0.5], help="in step hints")
    add("--peaks", type=floats, default=[0.00075, 0.0015, 0.003, 0.006, 0.012])
    add("--num_seeds", type=int, default=3)
    add("--output_dir", type=Path, default=Path("runs/exponents"), help="where results are kept")
    add("--output", type=Path, default=Path("studies/exponents"), help="stem of the table")


def run(arguments: argparse.Namespace) -> None:
    """Trains what is not trained yet and writes the table."""
    given = itertools.product([arguments.width], arguments.batch_sizes, arguments.budgets)
    cells = [Cell(*values) for values in given]
    if len({cell.batch_size for cell in cells}) < 2 or len({cell.budget for cell in cells}) < 2:
        raise ValueError(
            "an exponent takes two values; give several --batch_sizes and several --budgets"
        )
    if len(arguments.peaks) < 3:
        raise ValueError(f"a parabola takes three --peaks, got {len(arguments.peaks)}")
    choices = {SCHEDULE: sorted(arguments.peaks)}
    found = power.summaries(arguments.output_dir, cells, choices, arguments.num_seeds)[SCHEDULE]
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.with_suffix(".md").write_text("\n".join(table(found, cells)) + "\n")


def interpolated_peaks(found: Summary) -> np.ndarray:
    """The best peak of each cell and seed, (C, S); NaN where the best of those tried lies at the
    edge, or training beside it diverged."""
    log_K = np.log(found.choices)
    peaks_CS = np.full((found.losses_CKS.shape[0], found.losses_CKS.shape[2]), np.nan)
    for c, s in np.ndindex(peaks_CS.shape):
        losses_K = found.losses_CKS[c, :, s]
        k = int(losses_K.argmin())
        near = slice(k - 1, k + 2)
        if 0 < k < len(log_K) - 1 and np.isfinite(losses_K[near]).all():
            curvature, slope, _ = np.polyfit(log_K[near] - log_K[k], losses_K[near], 2)
            # Three equal losses have no lowest point but all.
            step = -slope / (2 * curvature) if curvature > 0 else 0.0
            peaks_CS[c, s] = np.exp(log_K[k] + step)
    return peaks_CS


def exponents(peaks_CS: np.ndarray, cells: Sequence[Cell]) -> np.ndarray:
    """Exponents of batch size and tokens by least squares of logarithms, (2, S); NaN for a seed
    whose cells with a known peak leave one of them open."""
    terms_C3 = np.array([[1.0, np.log(c.batch_size), np.log(c.budget)] for c in cells])
    found_2S = np.full((2, peaks_CS.shape[1]), np.nan)
    for s, peaks_C in enumerate(peaks_CS.T):
        known_C = np.isfinite(peaks_C)
        fit, _, rank, _ = np.linalg.lstsq(terms_C3[known_C], np.log(peaks_C[known_C]))
        if rank == terms_C3.shape[1]:
            found_2S[:, s] = fit[1:]
    return found_2S


def table(found: Summary, cells: Sequence[Cell]) -> Iterator[str]:
    """Lines of markdown: the exponents beside the paper's, and each cell's best peak."""
    peaks_CS = interpolated_peaks(found)
    yield "| exponent of | here | Power's paper |"
    yield "|---|---|---|"
    for (name, paper), values_S in zip(PAPER.items(), exponents(peaks_CS, cells), strict=True):
        yield f"| {name} | {_interval(values_S)} | {paper:g} |"
    yield ""
    unknown = int(np.isnan(peaks_CS).sum())
    yield (
        f"Left out: {unknown} of {peaks_CS.size} best peaks, which lay at the edge of the grid "
        f"({', '.join(f'{choice:g}' for choice in found.choices)}), or beside runs that diverged."
    )
    yield ""
    yield "| batch | tokens | best peak of each seed | log perplexity at the best one tried |"
    yield "|---|---|---|---|"
    for cell, peaks_S, losses_S in zip(cells, peaks_CS, found.best_losses_CS, strict=True):
        peaks = ", ".join("?" if np.isnan(peak) else f"{peak:.2g}" for peak in peaks_S)
        yield f"| {cell.batch_size} | {cell.budget:.1%} | {peaks} | {_interval(losses_S)} |"


def _interval(values_S: np.ndarray) -> str:
    """As `regret.interval`, of the seeds that are known; "?" of none, a value alone of one."""
    known_S = values_S[np.isfinite(values_S)]
    return interval(known_S) if len(known_S) > 1 else f"{known_S[0]:.3f}" if len(known_S) else "?"


if __name__ == "__main__":
    script.main(__doc__, add_flags, run, SMOKE)
