"""How often do 95% intervals hold the truth? Whole boards are simulated, whose truth is known.

    python -m studies.intervals

A board has six submissions, two of them equal, on nine workloads. True times differ by submission
and by workload, and a study's time is the true one with log-normal noise, whose size differs
between workloads. "missed" cells are never reached; "uncertain" ones in part of the studies.
"paired": noise of the same study is correlated by 0.7 between submissions. "best of 5": a study is
the best of five points of a search. A true time is the median over very many studies. The last
column is of a plain bootstrap, which resamples the studies of each submission on each workload.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from scoring.benchmark import Benchmark
from scoring.stats import draws, profile, ranks, rows, speedups
from scoring.stats.draws import Draws
from scoring.stats.times_matrix import TimesMatrix
from studies import script

SUBMISSIONS = tuple(f"s{i}" for i in range(6))
WORKLOADS = tuple(f"w{i}" for i in range(9))
BOARD = Benchmark("simulated", WORKLOADS, (), {}, {})
SMOKE = {"num_boards": 2}

_DIFFERENCE = 0.25  # in log time, between submissions; and between workloads of one
_UNEVENNESS = 0.3  # in log noise, between workloads
_CORRELATION = 0.7
_SEARCH = 0.5  # in log time, of points of a search: half-normal above the best one
_MANY = 20_001  # studies whose median is the truth


@dataclass(frozen=True)
class Setting:
    """A kind of experiment."""

    label: str
    num_studies: int
    noise: float = 0.08  # standard deviation of log time: its coefficient of variation
    missed: float = 0.15
    uncertain: float = 0.0
    is_paired: bool = False
    is_search: bool = False


SETTINGS = (
    *(Setting(f"{n} studies", n) for n in (2, 3, 5, 10)),
    Setting("3 studies, noise 3%", 3, noise=0.03),
    Setting("3 studies, noise 20%", 3, noise=0.2),
    Setting("5 studies, nothing missed", 5, missed=0.0),
    Setting("2 studies, paired", 2, is_paired=True),
    Setting("3 studies, paired", 3, is_paired=True),
    Setting("5 studies, paired", 5, is_paired=True),
    Setting("3 studies, best of 5", 3, is_search=True),
    Setting("5 studies, best of 5", 5, is_search=True),
    Setting("3 studies, 5% uncertain", 3, uncertain=0.05),
    Setting("5 studies, 5% uncertain", 5, uncertain=0.05),
    Setting("5 studies, 20% uncertain", 5, uncertain=0.2),
)
PLAIN = "score, plain bootstrap"
COLUMNS = (
    *("score", "difference", "speedup", "place", "equal pair told apart", "others told apart"),
    PLAIN,
)


@dataclass(frozen=True, eq=False)
class Truth:
    """What a board is drawn from: S submissions on W workloads."""

    log_SW: np.ndarray  # logarithms of times without noise
    noise_1W: np.ndarray
    chance_SW: np.ndarray  # that a study reaches the target
    setting: Setting

    def studies(self, rng: np.random.Generator) -> np.ndarray:
        """Times of the setting's studies, (S, W, I)."""
        setting = self.setting
        shape = (*self.log_SW.shape, setting.num_studies)
        noise_SWI = rng.standard_normal(shape)
        if setting.is_paired:
            shared_1WI = rng.standard_normal((1, *shape[1:]))
            noise_SWI *= np.sqrt(1 - _CORRELATION)
            noise_SWI = noise_SWI + np.sqrt(_CORRELATION) * shared_1WI
        log_SWI = self.log_SW[..., None] + self.noise_1W[..., None] * noise_SWI
        if setting.is_search:
            log_SWI = log_SWI + np.abs(_SEARCH * rng.standard_normal((*shape, 5))).min(axis=-1)
        return np.where(rng.random(shape) < self.chance_SW[..., None], np.exp(log_SWI), np.inf)

    def times(self, rng: np.random.Generator) -> np.ndarray:
        """True times, (S, W): medians over all studies, also those that miss the target."""
        noise_M = rng.standard_normal(_MANY)
        if self.setting.is_search:
            worse_M = np.abs(_SEARCH * rng.standard_normal((_MANY, 5))).min(axis=-1)
        times_SW = np.full(self.log_SW.shape, np.inf)
        for s, w in zip(*np.nonzero(self.chance_SW > 0.5), strict=True):
            log_M = self.noise_1W[0, w] * noise_M + (worse_M if self.setting.is_search else 0.0)
            middle = np.quantile(log_M, 0.5 / self.chance_SW[s, w])
            times_SW[s, w] = np.exp(self.log_SW[s, w] + middle)
        return times_SW


def truth(setting: Setting, rng: np.random.Generator) -> Truth:
    """A random board of a setting; its second submission is its first."""
    shape = (len(SUBMISSIONS), len(WORKLOADS))
    log_SW = rng.normal(0, _DIFFERENCE, (shape[0], 1)) + rng.normal(0, _DIFFERENCE, shape)
    noise_1W = setting.noise * np.exp(_UNEVENNESS * rng.standard_normal((1, shape[1])))
    chance_SW = (rng.random(shape) >= setting.missed).astype(float)
    is_uncertain_SW = rng.random(shape) < setting.uncertain
    chance_SW = np.where(is_uncertain_SW, rng.uniform(0.2, 0.95, shape), chance_SW)
    log_SW[1], chance_SW[1] = log_SW[0], chance_SW[0]
    return Truth(log_SW, noise_1W, chance_SW, setting)


def matrix_of(times_SW: np.ndarray, drawn: Draws | None, num_studies: int) -> TimesMatrix:
    """What a leaderboard is computed from."""
    num_studies_S = np.full(len(SUBMISSIONS), num_studies)
    fields = (BOARD, "exact", SUBMISSIONS, WORKLOADS, times_SW, times_SW, num_studies_S, drawn)
    return TimesMatrix(*fields)


def held(setting: Setting, rng: np.random.Generator) -> dict[str, float]:
    """One board: shares of its intervals that hold the truth, and of pairs told apart."""
    known = truth(setting, rng)
    true_SW = known.times(rng)
    times_SWI = known.studies(rng)
    cells = {
        (submission, workload): dict(enumerate(times_SWI[s, w].tolist()))
        for s, submission in enumerate(SUBMISSIONS)
        for w, workload in enumerate(WORKLOADS)
    }
    drawn = draws.draw(cells, SUBMISSIONS, WORKLOADS, seed=int(rng.integers(2**31)))
    assert drawn is not None, "there are two studies"
    exact = matrix_of(true_SW, None, setting.num_studies)
    found = matrix_of(drawn.estimate_SW, drawn, setting.num_studies)
    plain = matrix_of(drawn.estimate_SW, _resampled(times_SWI, rng), setting.num_studies)
    return {
        **_of_scores(exact, found),
        **_of_speedups(exact, found),
        PLAIN: _of_scores(exact, plain)["score"],
    }


def _resampled(times_SWI: np.ndarray, rng: np.random.Generator) -> Draws:
    """Medians of resampled studies, whose bias nobody takes away."""
    shape = (draws.NUM_DRAWS, *times_SWI.shape)
    which_NSWI = rng.integers(times_SWI.shape[-1], size=shape)
    values_NSWI = np.take_along_axis(np.broadcast_to(times_SWI, shape), which_NSWI, axis=-1)
    estimate_SW = _median(times_SWI)
    return Draws(estimate_SW, _median(values_NSWI), estimate_SW[None])


def _median(times_SWI: np.ndarray) -> np.ndarray:
    """Medians over studies, infinity taking part."""
    ordered, num = np.sort(times_SWI, axis=-1), times_SWI.shape[-1]
    return ordered[..., (num - 1) // 2] / 2 + ordered[..., num // 2] / 2


def _of_scores(exact: TimesMatrix, found: TimesMatrix) -> dict[str, float]:
    score_NS = rows.drawn_scores(found)
    true_S, score_S = _scores(exact.times_SW), _scores(found.times_SW)
    compared = ranks.compare(SUBMISSIONS, score_S, score_NS, np.ones(len(score_S), bool))
    limits = [draws.limits(score_NS[:, i], score_S[i]) for i in range(len(score_S))]
    upper = np.triu_indices(len(score_S), 1)
    gap_P = (true_S[:, None] - true_S[None, :])[upper]
    low_P, high_P = compared.low_SS[upper], compared.high_SS[upper]
    is_told_P = (low_P > ranks.TIE) | (high_P < -ranks.TIE)
    place_S = 1 + (true_S[None, :] - true_S[:, None] > ranks.TIE).sum(axis=1)
    places = [compared.intervals[name] for name in SUBMISSIONS]
    return {
        "score": float(np.mean([_within(true_S[i], *limits[i]) for i in range(len(true_S))])),
        "difference": float(np.mean((low_P <= gap_P + 1e-9) & (gap_P <= high_P + 1e-9))),
        "place": float(np.mean([_within(place_S[i], *places[i]) for i in range(len(places))])),
        "equal pair told apart": float(is_told_P[0]),
        "others told apart": float(is_told_P[1:].mean()),
    }


def _of_speedups(exact: TimesMatrix, found: TimesMatrix) -> dict[str, float]:
    true, seen = (speedups.against(one, SUBMISSIONS[2]).submissions for one in (exact, found))
    comparable = [
        _within(true[name].mean, seen[name].low, seen[name].high)
        for name in SUBMISSIONS
        # Means over other workloads are other numbers.
        if name != SUBMISSIONS[2]
        and None not in (true[name].mean, seen[name].low)
        and set(true[name].by_workload) == set(seen[name].by_workload)
    ]
    return {"speedup": float(np.mean(comparable)) if comparable else float("nan")}


def _within(value: float, low: float, high: float) -> bool:
    return low - 1e-9 <= value <= high + 1e-9


def _scores(times_SW: np.ndarray) -> np.ndarray:
    gated_SB, _ = profile.gate(times_SW, WORKLOADS, BOARD)
    return profile.exact_score(profile.ratios(gated_SB))


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the number of boards."""
    parser.add_argument("--num_boards", type=int, default=300, help="simulated per setting")


def run(arguments: argparse.Namespace) -> None:
    """Prints the table."""
    for line in table(arguments.num_boards):
        print(line, flush=True)


def table(num_boards: int) -> Iterator[str]:
    """Its lines: per setting, shares over all boards in per cent."""
    yield "| " + " | ".join(("setting", *COLUMNS)) + " |"
    yield "|---" * (1 + len(COLUMNS)) + "|"
    for setting in SETTINGS:
        rng = np.random.default_rng(0)
        boards = [held(setting, rng) for _ in range(num_boards)]
        means = [np.nanmean([board[name] for board in boards]) for name in COLUMNS]
        yield f"| {setting.label} | " + " | ".join(f"{100 * mean:.1f}" for mean in means) + " |"


if __name__ == "__main__":
    script.main(__doc__, add_flags, run, SMOKE)
