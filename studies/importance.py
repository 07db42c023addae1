"""How often is chance taken for the effect of a hyperparameter, and how often is an effect seen?

    python -m studies.importance

A search has three studies of five points of four hyperparameters, drawn as the harness draws them,
on five workloads. Results are noise, and in some settings the effect of the first hyperparameter,
whose share of their variance stands in the label: a trend, or a peak in the middle. Columns: shares
of the searches in which the first is found; in which any without an effect is; the same of one
workload alone; in which all intervals hold the truth, as very many points tell it; and the median
of the least |rho| that could be found.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import qmc, spearmanr

from scoring.stats import importance
from scoring.stats.points import Points
from studies import script

SMOKE = {"num_searches": 3}
NAMES = ("first", "second", "third", "fourth")
COLUMNS = ("found", "by chance", "by chance on one workload", "all intervals hold", "least rho")

_MANY = 4000  # studies whose correlation is the truth


@dataclass(frozen=True)
class Setting:
    """A kind of search.

    Attributes:
      share: of the variance of results that is the effect's.
      common: of the variance of the noise that all workloads have in common.
    """

    label: str
    share: float = 0.0
    effect: Callable[[np.ndarray], np.ndarray] = lambda unit_P: unit_P
    common: float = 0.5
    studies: int = 3


def _peak(unit_P: np.ndarray) -> np.ndarray:
    return -np.abs(unit_P - 0.5)


SETTINGS = (
    Setting("no effect"),
    Setting("no effect, workloads alike", common=1.0),
    Setting("no effect, one study", studies=1),
    Setting("trend, 30%", 0.3),
    Setting("trend, 60%", 0.6),
    Setting("trend, 90%", 0.9),
    Setting("peak, 60%", 0.6, _peak),
    Setting("peak, 90%", 0.9, _peak),
    Setting("trend, 30%, ten studies", 0.3, studies=10),
    Setting("peak, 30%, ten studies", 0.3, _peak, studies=10),
)


def searched(setting: Setting, rng: np.random.Generator, num_workloads: int = 5) -> Points:
    """The points of one search."""
    halton = [qmc.Halton(len(NAMES), scramble=True, rng=rng) for _ in range(setting.studies)]
    value_PH = np.concatenate([sampler.random(5) for sampler in halton])
    effect_P = setting.effect(value_PH[:, 0])
    shared_P, own_WP = (
        rng.standard_normal(s) for s in (len(value_PH), (num_workloads, len(value_PH)))
    )
    noise_WP = setting.common**0.5 * shared_P + (1 - setting.common) ** 0.5 * own_WP
    unit_P = (effect_P - effect_P.mean()) / effect_P.std()
    good_WP = setting.share**0.5 * unit_P + (1 - setting.share) ** 0.5 * noise_WP
    workloads = tuple(f"w{w}" for w in range(num_workloads))
    groups_P = np.repeat(np.arange(setting.studies), 5)
    return Points(NAMES, value_PH.T, workloads, good_WP, groups_P, (), (), 0)


def truth(setting: Setting, rng: np.random.Generator) -> dict[str, float]:
    """Correlations of the first hyperparameter; all others are 0."""
    if not setting.share:
        return {"trend": 0.0, "peak": 0.0}
    many = searched(replace(setting, studies=_MANY), rng, num_workloads=1)
    value_P, good_P = many.value_HP[0], many.good_WP[0]
    return {
        "trend": float(spearmanr(value_P, good_P).statistic),
        "peak": float(spearmanr(-np.abs(value_P - 0.5), good_P).statistic),
    }


def found(
    setting: Setting, true: Mapping[str, float], rng: np.random.Generator
) -> dict[str, float]:
    """What one search finds."""
    told = importance.of("s", searched(setting, rng), seed=int(rng.integers(2**31)))
    seen = {effect.hyperparameter for effect in told.effects if effect.is_found}
    alone = [e for effects in told.by_workload.values() for e in effects if e.is_found]
    has_effect = {NAMES[0]} if setting.share else set()
    are_held = [
        one.low <= (value if effect.hyperparameter == NAMES[0] else 0.0) <= one.high
        for effect in told.effects
        for one, value in ((effect.trend, true["trend"]), (effect.peak, true["peak"]))
    ]
    figures = (
        *(NAMES[0] in seen, bool(seen - has_effect)),
        any(e.hyperparameter not in has_effect for e in alone),
        all(are_held),
        np.nan if told.visible is None else told.visible,
    )
    return dict(zip(COLUMNS, map(float, figures), strict=True))


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the number of searches."""
    parser.add_argument("--num_searches", type=int, default=1000, help="simulated per setting")


def run(arguments: argparse.Namespace) -> None:
    """Prints the table."""
    for line in table(arguments.num_searches):
        print(line, flush=True)


def table(num_searches: int) -> Iterator[str]:
    """Its lines: per setting, shares over all searches in per cent."""
    yield "| " + " | ".join(("setting", *COLUMNS)) + " |"
    yield "|---" * (1 + len(COLUMNS)) + "|"
    for setting in SETTINGS:
        rng = np.random.default_rng(0)
        true = truth(setting, rng)
        every = [found(setting, true, rng) for _ in range(num_searches)]
        shares = [f"{100 * np.mean([one[name] for one in every]):.1f}%" for name in COLUMNS[:-1]]
        least = np.nanmedian([one[COLUMNS[-1]] for one in every])
        yield f"| {setting.label} | " + " | ".join([*shares, f"{least:.2f}"]) + " |"


if __name__ == "__main__":
    script.main(__doc__, add_flags, run, SMOKE)
