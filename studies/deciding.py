"""How often are decisions after every study wrong, and what do they cost? A simulation.

    python -m studies.deciding

Three submissions on nine workloads: two are equal, the third is faster by so much. Times are those
of `studies.intervals`: log-normal noise of 8% whose size differs between workloads, of which 15%
are never reached by anybody. After every study, from the second to the 15th, each pair is decided
or not; a submission whose pairs all are runs no more.

Columns: experiments with a wrong decision about any pair; the same of somebody who looks at plain
95% intervals as often; equal pairs for which "no relevant difference" was found, and others for
which the faster one was, each with what five studies of everybody find; studies of an equal one and
of the third; and what all of it is of 15 studies of everybody.
"""

import argparse
import dataclasses
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scoring.stats import sequential
from scoring.stats.sequential import ALIKE, FASTER, SLOWER
from studies import script
from studies.intervals import Setting, Truth

SUBMISSIONS = ("one", "its equal", "faster")
WORKLOADS = tuple(f"w{i}" for i in range(9))
NUM_PAIRS = 3
FIXED = 5  # studies of everybody, that is compared
SMOKE = {"num_experiments": 4}
_UNEVENNESS = 0.3  # in log noise, between workloads
_BETWEEN = 0.25  # in log time, between workloads


@dataclass(frozen=True)
class Kind:
    """A kind of experiment; `gain` is the part by which the third is faster."""

    label: str
    gain: float
    setting: Setting


def _kinds(most_studies: int) -> tuple[Kind, ...]:
    usual = Setting("", most_studies)

    def kind(label: str, gain: float, **changes: float | bool) -> Kind:
        return Kind(label, gain, dataclasses.replace(usual, **changes))

    return (
        kind("all equal", 0.0),
        kind("3% faster", 0.03),
        kind("10% faster", 0.1),
        kind("25% faster", 0.25),
        kind("60% faster", 0.6),
        kind("10%, paired seeds", 0.1, is_paired=True),
        kind("10%, noise 3%", 0.1, noise=0.03),
        kind("25%, noise 20%", 0.25, noise=0.2),
        kind("25%, best of 5", 0.25, is_search=True),
        kind("25%, 20% uncertain", 0.25, uncertain=0.2),
    )


@dataclass(frozen=True)
class Told:
    """What one experiment told.

    Attributes:
      is_wrong: an equal pair was told apart, one that differs was not, or the slower won.
      equal: the verdict about the equal pair.
      num_told: of the two other pairs, how many had the faster one found.
      num_studies: that each submission ran.
    """

    is_wrong: bool
    equal: str
    num_told: int
    num_studies: tuple[int, ...]


def truth(kind: Kind, rng: np.random.Generator) -> Truth:
    """A random experiment of its kind."""
    shape = (len(SUBMISSIONS), len(WORKLOADS))
    log_SW = np.zeros(shape) + rng.normal(0, _BETWEEN, shape[1])
    log_SW[2] -= np.log1p(kind.gain)
    setting = kind.setting
    noise_1W = setting.noise * np.exp(_UNEVENNESS * rng.standard_normal((1, shape[1])))
    # What is reached, and how often, is the same for all: the third is faster by its gain alone.
    chance_W = (rng.random(shape[1]) >= setting.missed).astype(float)
    is_uncertain_W = rng.random(shape[1]) < setting.uncertain
    chance_W = np.where(is_uncertain_W, rng.uniform(0.2, 0.95, shape[1]), chance_W)
    return Truth(log_SW, noise_1W, np.broadcast_to(chance_W, shape), setting)


def told(kind: Kind, rng: np.random.Generator, levels: Mapping[int, float]) -> Told:
    """What one experiment of its kind tells; `levels` of the interval at each look."""
    times_SWI = truth(kind, rng).studies(rng)
    cells = {
        (submission, workload): dict(enumerate(times_SWI[s, w].tolist()))
        for s, submission in enumerate(SUBMISSIONS)
        for w, workload in enumerate(WORKLOADS)
    }
    equal, *others = sequential.decisions(cells, SUBMISSIONS, WORKLOADS, levels)
    right, wrong = (SLOWER, FASTER) if kind.gain > 0 else (ALIKE, None)
    is_wrong = equal.verdict in (FASTER, SLOWER)
    for pair in others:
        is_relevant = kind.gain > sequential.IRRELEVANT - 1
        is_wrong |= pair.verdict == wrong or (pair.verdict == ALIKE and is_relevant)
        is_wrong |= kind.gain == 0 and pair.verdict in (FASTER, SLOWER)
    runs = [
        max(one.num_studies for one in (equal, *others) if name in (one.first, one.second))
        for name in SUBMISSIONS
    ]
    return Told(is_wrong, equal.verdict, sum(one.verdict == right for one in others), tuple(runs))


def row(kind: Kind, num_experiments: int, seed: int) -> tuple[str, ...]:
    """The cells of a kind's line."""
    levels = sequential.levels_of(kind.setting.num_studies, len(SUBMISSIONS))
    ways = (
        levels,
        dict.fromkeys(levels, sequential.ERROR),
        {FIXED: sequential.ERROR / NUM_PAIRS},
    )
    # The same experiments in all ways to decide.
    found, looking, fixed = (
        [
            told(kind, np.random.default_rng([seed, zlib.crc32(kind.label.encode()), i]), way)
            for i in range(num_experiments)
        ]
        for way in ways
    )

    def share(some: Sequence[Told], of: Callable[[Told], float]) -> float:
        return float(np.mean([of(one) for one in some]))

    def with_fixed(of: Callable[[Told], float]) -> str:
        return f"{share(found, of):.0%} ({share(fixed, of):.0%})"

    equal, third = (share(found, lambda one, s=s: one.num_studies[s]) for s in (0, 2))
    everything = share(found, lambda one: sum(one.num_studies))
    return (
        kind.label,
        f"{share(found, lambda one: one.is_wrong):.1%}",
        f"{share(looking, lambda one: one.is_wrong):.0%}",
        with_fixed(lambda one: one.equal == ALIKE),
        with_fixed(lambda one: one.num_told / 2),
        f"{equal:.1f}, {third:.1f}",
        f"{everything / kind.setting.num_studies / len(SUBMISSIONS):.0%}",
    )


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds how many experiments, and of how many studies at most."""
    parser.add_argument("--num_experiments", type=int, default=2000, help="of each kind")
    parser.add_argument("--max_studies", type=int, default=15)
    parser.add_argument("--rng_seed", type=int, default=0)


def run(arguments: argparse.Namespace) -> None:
    """Prints the table."""
    headings = ("third submission", "wrong", "wrong by looking", "equal found", "others found")
    headings += ("studies", f"of {arguments.max_studies} each")
    print(f"| {' | '.join(headings)} |\n|{'---|' * len(headings)}")
    for kind in _kinds(arguments.max_studies):
        found = row(kind, arguments.num_experiments, arguments.rng_seed)
        print(f"| {' | '.join(found)} |", flush=True)


if __name__ == "__main__":
    script.main(__doc__, add_flags, run, SMOKE)
