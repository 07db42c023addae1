"""The toy of population based training: two members, each blind to one of two parameters.

Q(theta) = 1.2 - theta0^2 - theta1^2 is to be maximised, but training follows the gradient of a
surrogate, 1.2 - h0 theta0^2 - h1 theta1^2, whose hyperparameters start at h = (1, 0) and (0, 1):
with h fixed, one parameter never moves and Q stays below 1.2 - 0.9^2 = 0.39 (Jaderberg et al. 2017,
arXiv:1711.09846, figure 2). A few seconds, no accelerator:

    python -m studies.pbt_toy --output=studies/pbt_toy
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from algoperf_lite.population import evolution
from algoperf_lite.population.config import PopulationConfig, ready_steps
from studies import script

START = (0.9, 0.9)
POINTS = ({"h0": 1.0, "h1": 0.0}, {"h0": 0.0, "h1": 1.0})
SPACE = {name: {"min": 0.0, "max": 1.0, "scaling": "linear"} for name in ("h0", "h1")}
RULES = PopulationConfig(size=2, ready_interval=4)
STEP_SIZE = 0.02
NUM_STEPS = 200
NEAR = 1.19  # Q that counts as there: within 0.01 of the optimum
SMOKE = {"num_seeds": 2, "output": script.SMOKE_FOLDER / "pbt_toy"}
_COLOURS = ("#000000", "#D55E00")


class Way(NamedTuple):
    """A way to go on at the end of each interval."""

    name: str
    exploits: bool
    explores: bool


WAYS = (
    Way("PBT", True, True),
    Way("explore only", False, True),
    Way("exploit only", True, False),
    Way("grid search, h fixed", False, False),
)


def quality(theta: np.ndarray) -> np.ndarray:
    """Q of parameters (..., 2)."""
    return 1.2 - np.sum(theta**2, axis=-1)


def trajectories(way: Way, seed: int) -> np.ndarray:
    """Parameters of both members at the start and after every step, (steps + 1, 2 members, 2).

    Exploit alone copies parameters and leaves each member its own h: were h copied and never
    changed, both members would be blind to the same parameter.
    """
    rng = np.random.default_rng(seed)
    theta_Mx2, points = np.tile(START, (2, 1)), POINTS
    rows, ready = [theta_Mx2], ready_steps(RULES, NUM_STEPS)
    for step in range(1, NUM_STEPS + 1):
        h_Mx2 = np.array([[point["h0"], point["h1"]] for point in points])
        # The update follows the surrogate's gradient, in which h scales each parameter's share.
        theta_Mx2 = theta_Mx2 + STEP_SIZE * -2 * h_Mx2 * theta_Mx2
        if step in ready:
            theta_Mx2, points = _evolved(way, theta_Mx2, points, rng)
        rows.append(theta_Mx2)
    return np.array(rows)


def _evolved(
    way: Way,
    theta_Mx2: np.ndarray,
    points: Sequence[evolution.Point],
    rng: np.random.Generator,
) -> tuple[np.ndarray, Sequence[evolution.Point]]:
    """Parameters and hyperparameters after one generation."""
    if not way.exploits:
        if way.explores:
            points = [evolution.perturbed(point, SPACE, RULES, rng) for point in points]
        return theta_Mx2, points
    # The population's own functions decide who copies whom: the toy tests them, not a copy.
    parents = evolution.exploit(-quality(theta_Mx2)[None], RULES, rng)
    if way.explores:
        points = evolution.explore(points, parents, SPACE, RULES, rng)
    return theta_Mx2[list(parents)], points


def best_so_far(rows_RxMx2: np.ndarray) -> np.ndarray:
    """Q of the better member up to each of R steps, (R,)."""
    # The paper's figure shows the best so far, as a population never forgets its leader.
    return np.maximum.accumulate(quality(rows_RxMx2).max(axis=1))


def steps_to(goal: float, best_R: np.ndarray) -> float:
    """The first step with such a Q, infinite where there is none."""
    there = np.flatnonzero(best_R >= goal)
    return float(there[0]) if there.size else np.inf


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds how many seeds are summarised, and where the plot goes."""
    parser.add_argument("--num_seeds", type=int, default=100)
    parser.add_argument("--output", type=Path, default=Path("studies/pbt_toy"), help="of the plot")


def run(arguments: argparse.Namespace) -> None:
    """Prints a line per way and draws the first seed."""
    seeds = range(arguments.num_seeds)
    for way in WAYS:
        best_SxR = np.array([best_so_far(trajectories(way, seed)) for seed in seeds])
        # A middle of 100 seeds: the noise of exploring is wider than the gap of two ways.
        low, middle, high = np.quantile(best_SxR[:, -1], [0.05, 0.5, 0.95])
        steps = np.median([steps_to(NEAR, best_R) for best_R in best_SxR])
        print(
            f"{way.name:20}  Q {middle:.4f} ({low:.4f} to {high:.4f}), {NEAR} at step {steps:.0f}"
        )
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    plot(seed=0).savefig(arguments.output.with_suffix(".png"), dpi=120)


def plot(seed: int) -> Figure:
    """As the paper's figure 2: Q of the better member, and where parameters went."""
    figure = Figure(figsize=(11, 5.6), layout="constrained")
    axes = figure.subplots(2, len(WAYS), sharex="row", sharey="row", height_ratios=(1, 1.35))
    span = np.linspace(-0.05, 1.0, 80)
    grid_2 = np.stack(np.meshgrid(span, span), axis=-1)
    for way, top, bottom in zip(WAYS, *axes, strict=True):
        rows_RxMx2 = trajectories(way, seed)
        best_R = best_so_far(rows_RxMx2)
        top.plot(best_R, color="#0072B2")
        top.axhline(1.2, color="#444444", linewidth=0.8, linestyle=(0, (5, 3)))
        top.set_title(f"{way.name}: Q = {best_R[-1]:.4f}", loc="left", fontsize=10)
        top.set(xlabel="step", ylim=(-0.5, 1.3))
        bottom.contour(span, span, quality(grid_2), 12, cmap="Greys_r", linewidths=0.6, alpha=0.6)
        for member, colour in enumerate(_COLOURS):
            bottom.plot(
                *rows_RxMx2[:, member].T,
                marker=".",
                markersize=3.5,
                linewidth=0.8,
                color=colour,
                alpha=0.75,
                label=f"member {member}",
            )
        bottom.set(xlabel="θ0", aspect="equal", xlim=(-0.05, 1), ylim=(-0.05, 1))
    axes[0, 0].set_ylabel("Q(θ), best so far")
    axes[1, 0].set_ylabel("θ1")
    axes[1, 0].legend(loc="upper left", fontsize=8)
    return figure


if __name__ == "__main__":
    script.main(__doc__, add_flags, run, SMOKE)
