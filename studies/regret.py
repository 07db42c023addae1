"""Regret of one fixed setting over many cells, each of which has a best one: tables, a plot."""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import scipy.stats
from matplotlib.figure import Figure

from studies.comparisons import CONFIDENCE
from studies.edges import is_at_edge


@dataclasses.dataclass(frozen=True)
class Cell:
    """A setting that is given: the model's width, sequences per step, and tokens to train on."""

    width: int
    batch_size: int
    budget: float

    @property
    def label(self) -> str:
        return f"width_{self.width}_batch_{self.batch_size}_budget_{self.budget:g}"


@dataclasses.dataclass(frozen=True)
class Summary:
    """One schedule, over cells C, choices K and seeds S.

    Attributes:
      choices: what was tried for its one number, (K,).
      losses_CKS: at the end of training; infinite where it diverged.
      widened: those of the choices that were added beyond an edge.
    """

    choices: tuple[float, ...]
    losses_CKS: np.ndarray
    widened: tuple[float, ...] = ()

    def with_more(self, other: "Summary") -> "Summary":
        """The same with another's choices, by which its grid was widened."""
        choices_K = np.array(self.choices + other.choices)
        order_K = choices_K.argsort()
        losses_CKS = np.concatenate([self.losses_CKS, other.losses_CKS], axis=1)
        return Summary(tuple(choices_K[order_K].tolist()), losses_CKS[:, order_K], other.choices)

    @property
    def best_C(self) -> np.ndarray:
        """Each cell's best choice, by the mean over seeds."""
        # The best is chosen on the seeds that are reported, which flatters every schedule alike.
        return self.losses_CKS.mean(2).argmin(1)

    @property
    def best_losses_CS(self) -> np.ndarray:
        """Losses of each cell's best choice, (C, S)."""
        return np.take_along_axis(self.losses_CKS, self.best_C[:, None, None], 1)[:, 0]

    @property
    def regrets_CKS(self) -> np.ndarray:
        """Loss above that of the cell's best choice."""
        return self.losses_CKS - self.best_losses_CS[:, None]

    @property
    def fixed(self) -> int:
        """The choice with the lowest mean regret."""
        # One choice for all cells, before any is known: a claim that one setting carries over.
        return int(self.regrets_CKS.mean((0, 2)).argmin())


def table(found: Mapping[str, Summary], cells: Sequence[Cell]) -> Iterator[str]:
    """Lines of two markdown tables: regret of the fixed choice over all cells, and every cell."""
    yield "| schedule | fixed choice | its regret | worst cell | best choices | loss, own best |"
    yield "|---|---|---|---|---|---|"
    for name, one in found.items():
        regrets_CS = one.regrets_CKS[:, one.fixed]
        chosen = [one.choices[k] for k in sorted(set(one.best_C))]
        # Means over cells first: seeds are what intervals are over, and cells are fixed.
        own_best = interval(one.best_losses_CS.mean(0))
        yield (
            f"| {name} | {_symbol(name)} = {one.choices[one.fixed]:g} "
            f"| {interval(regrets_CS.mean(0))} | {regrets_CS.mean(1).max():.3f} "
            f"| {', '.join(f'{choice:g}' for choice in chosen)} | {own_best} |"
        )
    yield ""
    for name, one in found.items():
        if one.widened:
            yield _said_of_edges(name, one)
            yield ""
    names = list(found)
    pairs = list(itertools.combinations(names, 2))
    # Differences within a seed are smaller than those between seeds. Two of each pair are told.
    for one, other in pairs:
        fixed = [found[name].regrets_CKS[:, found[name].fixed].mean(0) for name in (one, other)]
        losses = [found[name].losses_CKS[:, found[name].fixed].mean(0) for name in (one, other)]
        regret, loss = (
            interval(first - second, 2 * len(pairs)) for first, second in (fixed, losses)
        )
        yield (
            f"{one} minus {other}, paired by seed: regret {regret}, "
            f"loss at the fixed choices {loss}."
        )
        yield ""
    if len(pairs) > 1:
        yield "The intervals of these differences hold all together (Bonferroni)."
        yield ""
    yield f"| width | batch | tokens | {' | '.join(names)} |"
    yield "|---|---|---|" + "---|" * len(names)
    for row, cell in enumerate(cells):
        texts = []
        for one in found.values():
            mean_K = one.losses_CKS[row].mean(1)
            texts.append(
                f"{mean_K[one.fixed]:.3f} (best {mean_K.min():.3f} at "
                f"{one.choices[int(mean_K.argmin())]:g})"
            )
        yield f"| {cell.width} | {cell.batch_size} | {cell.budget:.0%} | {' | '.join(texts)} |"


def _said_of_edges(name: str, one: Summary) -> str:
    """A sentence about a grid that was widened."""
    left = sum(is_at_edge(one.choices, one.choices[k]) for k in one.best_C)
    added = ", ".join(f"{choice:g}" for choice in one.widened)
    return (
        f"{name}: the best {_symbol(name)} of some cell lay at an edge of the grid, which was "
        f"widened by {added}; it still does in {left} of {len(one.best_C)} cells."
    )


def interval(values_S: np.ndarray, num_comparisons: int = 1) -> str:
    """'0.012 (0.008 to 0.016)': the mean over seeds with Student's interval.

    Args:
      num_comparisons: as many such intervals hold all together (Bonferroni).
    """
    if not np.isfinite(values_S).all():
        return "diverged"
    mean, error = values_S.mean(), scipy.stats.sem(values_S)
    outside = (1 - CONFIDENCE) / num_comparisons
    half = error * scipy.stats.t.ppf(1 - outside / 2, len(values_S) - 1)
    return f"{mean:.3f} ({mean - half:.3f} to {mean + half:.3f})"


def plot(found: Mapping[str, Summary], cells: Sequence[Cell]) -> Figure:
    """Regret against the choice, a line per cell; a panel per schedule."""
    figure = Figure(figsize=(3.4 * len(found), 3.6), layout="constrained")
    axes = figure.subplots(1, len(found), sharey=True)
    widths = sorted({cell.width for cell in cells})
    budgets = sorted({cell.budget for cell in cells})
    for axis, (name, one) in zip(axes, found.items(), strict=True):
        for cell, regrets_K in zip(cells, one.regrets_CKS.mean(2), strict=True):
            color = f"C{budgets.index(cell.budget)}"
            dash = ("-", "--", ":")[widths.index(cell.width) % 3]
            axis.plot(one.choices, regrets_K, dash, color=color, linewidth=1, alpha=0.8)
        axis.axvline(one.choices[one.fixed], color="0.7", linewidth=0.8, zorder=0)
        axis.set_xscale("log")
        axis.set_xticks(one.choices, [f"{choice:g}" for choice in one.choices])
        axis.minorticks_off()
        axis.set_xlabel(f"{_symbol(name)} of {name}")
        axis.tick_params(labelsize=8)
    axes[0].set_ylabel("loss above the cell's best")
    # Regrets span three orders of magnitude, and the best choice's is exactly 0.
    axes[0].set_yscale("symlog", linthresh=0.1)
    # Empty lines are only for the legend.
    for place, budget in enumerate(budgets):
        axes[-1].plot([], [], color=f"C{place}", label=f"{budget:.0%} of the tokens")
    for place, width in enumerate(widths):
        axes[-1].plot([], [], ("-", "--", ":")[place % 3], color="0.4", label=f"width {width}")
    axes[-1].legend(fontsize=7, frameon=False)
    return figure


def _symbol(name: str) -> str:
    return "a" if name == "power" else "peak"
