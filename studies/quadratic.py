"""A quadratic of known condition number: does UBA win there with phi = 2 kappa?

    python -m studies.quadratic

Gradient descent on a quadratic with eigenvalues in [1 / kappa, 1] multiplies the error along an
eigenvector of eigenvalue x by (1 - rate x) in each step. What counts is the largest factor by which
an error is left after all steps, over all x. UBA with phi = 2 kappa between the rates 1 and kappa
makes the steps that Chebyshev's polynomials give (Young 1953), for which it is the least that any
rates can reach. Each schedule is given these two rates, and then its own best peak and end.
"""

import argparse
import itertools
from collections.abc import Iterator

import jax
import numpy as np
import scipy.ndimage

from algoperf_lite.schedules import text
from studies import script

SHARES = (0.25, 0.5, 1.0, 2.0, 4.0)  # of phi, in 2 kappa
OTHERS = ("cosine", "linear", "rex", "polynomial", "step", "wsd", "one_cycle", "constant")
SMOKE = {"kappas": [4.0], "steps": [5]}
_NUM_EIGENVALUES, _NUM_PLACES = 401, 8


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the settings."""
    add = parser.add_argument
    add("--kappas", type=script.listed(float), default=[10.0, 100.0, 1000.0])
    add("--steps", type=script.listed(int), default=[10, 30], help="of gradient descent")


def run(arguments: argparse.Namespace) -> None:
    """Prints the table."""
    for line in table(arguments.kappas, arguments.steps):
        print(line, flush=True)


def table(kappas: list[float], steps: list[int]) -> Iterator[str]:
    """Its lines: what is left at the rates 1 and kappa, and at the best ones, in brackets."""
    settings = list(itertools.product(kappas, steps))
    heads = [f"kappa {kappa:g}, {num} steps" for kappa, num in settings]
    yield f"| schedule | {' | '.join(heads)} |"
    yield "|---" * (1 + len(settings)) + "|"
    rows = [(f"uba, phi = {2 * share:g} kappa", share) for share in SHARES]
    for label, share in [*rows, *((name, None) for name in OTHERS)]:
        cells = []
        for kappa, num in settings:
            name = label if share is None else f"uba:phi={2 * share * kappa!r}"
            factors_N = shape(name, num)
            given = left(factors_N, kappa, np.array([kappa]), np.array([1.0]))[0]
            cells.append(f"{given:.3g} ({min(given, best(factors_N, kappa)):.3g})")
        yield f"| {label} | {' | '.join(cells)} |"
    bounds = [f"{chebyshev(kappa, num):.3g}" for kappa, num in settings]
    yield f"| the least that rates can reach | {' | '.join(bounds)} |"
    grown = [
        f"{largest_on_the_way(shape(f'uba:phi={2 * kappa!r}', num), kappa):.2g}"
        for kappa, num in settings
    ]
    yield f"| largest on the way, phi = 2 kappa | {' | '.join(grown)} |"


def shape(name: str, num_steps: int) -> np.ndarray:
    """The multipliers in [0, 1] of a schedule's steps without a warmup, (N,)."""
    has_warmup = "warmup" in text.signatures()[name.partition(":")[0]].parameters
    named = text.parse(name + ":warmup=0" * has_warmup)
    schedule = named.build(num_steps, 1.0, num_steps)
    return np.asarray(jax.vmap(schedule)(np.arange(num_steps)), float)


def left(
    factors_N: np.ndarray, kappa: float, peaks_R: np.ndarray, ends_R: np.ndarray
) -> np.ndarray:
    """The largest factor by which an error is left, (R,), for each pair of a peak and an end."""
    rates_NR = ends_R + (peaks_R - ends_R) * factors_N[:, None]
    left_RX = np.ones((len(peaks_R), _NUM_EIGENVALUES))
    for rates_R in rates_NR:
        left_RX *= np.abs(1 - rates_R[:, None] * _eigenvalues(kappa))
    return left_RX.max(axis=1)


def best(factors_N: np.ndarray, kappa: float) -> float:
    """What is left at the best peak and end: a grid, made finer around each of its best places."""
    # In logarithms of the rates, from where nothing happens to where everything diverges.
    reach = np.log(10 * kappa)
    first = np.log(kappa) / 2 + np.linspace(-reach, reach, 81)
    peaks_R, ends_R = (axis.ravel() for axis in np.meshgrid(first, first))
    found_RR = left(factors_N, kappa, np.exp(peaks_R), np.exp(ends_R)).reshape(81, 81)
    # Schedules of few steps have several good places that are far apart.
    is_least = (found_RR == scipy.ndimage.minimum_filter(found_RR, 3)).ravel()
    places = sorted(np.flatnonzero(is_least), key=found_RR.ravel().__getitem__)[:_NUM_PLACES]
    centres_P2, reach = np.stack([peaks_R[places], ends_R[places]], axis=1), reach / 40
    offsets_O2 = np.array(list(itertools.product(np.linspace(-1, 1, 11), repeat=2)))
    for _ in range(12):
        tried_PO2 = centres_P2[:, None] + reach * offsets_O2
        peaks_R, ends_R = np.exp(tried_PO2.reshape(-1, 2)).T
        found_PO = left(factors_N, kappa, peaks_R, ends_R).reshape(tried_PO2.shape[:2])
        centres_P2 = tried_PO2[np.arange(len(places)), found_PO.argmin(axis=1)]
        reach /= 2  # each step finer, and still with room to move along a valley
    return float(found_PO.min())


def chebyshev(kappa: float, num_steps: int) -> float:
    """The least largest factor of any steps: 1 / T_N((kappa + 1) / (kappa - 1))."""
    return float(1 / np.cosh(num_steps * np.arccosh((kappa + 1) / (kappa - 1))))


def largest_on_the_way(factors_N: np.ndarray, kappa: float) -> float:
    """The largest factor by which an error ever grows, at the rates 1 and kappa."""
    product_X, largest = np.ones(_NUM_EIGENVALUES), 1.0
    for factor in factors_N:
        product_X = product_X * np.abs(1 - (1 + (kappa - 1) * factor) * _eigenvalues(kappa))
        largest = max(largest, float(product_X.max()))
    return largest


def _eigenvalues(kappa: float) -> np.ndarray:
    """Values of [1 / kappa, 1], dense at both ends, where factors vary most; both ends included."""
    middle, half = (1 + 1 / kappa) / 2, (1 - 1 / kappa) / 2
    return middle + half * np.cos(np.linspace(0, np.pi, _NUM_EIGENVALUES))


if __name__ == "__main__":
    script.main(__doc__, add_flags, run, SMOKE)
