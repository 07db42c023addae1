"""A generated click log in the manner of Criteo's, whose law of clicks is known exactly.

Clicks are coin flips with probabilities of a frozen random teacher, so the best reachable loss is
a number: `python -m workloads.criteo1tb.data` prints it.
"""

import functools
from typing import NamedTuple

import numpy as np

from algoperf_lite.storage import cache

NUM_DENSE = 13
NUM_CATEGORICAL = 26
BLOCK_ROWS = 12_288  # rows are generated block by block, each from its own seed
SPLIT_BLOCKS = {"train": 54, "validation": 1, "test": 1}
CARDINALITIES = tuple(int(n) for n in np.geomspace(3, 2000, NUM_CATEGORICAL).round())

_VERSION = 1  # of the cached bytes
_SEED = 20_260_102  # fixed for ever: targets are calibrated on these bytes
_ZIPF_EXPONENT = 1.25
_QUANTA = 2**16  # resolution of the categories' probabilities
_ID_BITS = 24  # ids below 2^24 are exact in float32
_RANK = 3  # of the interactions
_NUM_PAIRS = 24  # of the 325 pairs of columns that interact
_PAIR_DECAY = 0.5  # the k-th pair is k^-0.5 as strong as the first
_MAIN_STD, _DENSE_STD, _PAIR_STD = 0.9, 0.7, 1.2  # what each part adds to the logit
_INTERCEPT = -1.45


class Teacher(NamedTuple):
    """The law of the log: what is drawn, and the log-odds of a click given it."""

    count_log_mean: np.ndarray  # (13,) of the log-normal counts
    count_log_std: np.ndarray  # (13,)
    missing: np.ndarray  # (13,) share of counts that are missing, written -1
    slope: np.ndarray  # (13,) effect of a squashed log count
    bend: np.ndarray  # (13,) effect of its square
    ranks: tuple[np.ndarray, ...]  # per column, (quanta,): category of a uniform number
    ids: tuple[np.ndarray, ...]  # per column, (categories,): hashed id
    effects: tuple[np.ndarray, ...]  # per column, (categories,)
    latents: tuple[np.ndarray, ...]  # per column, (rank, categories)
    pairs: np.ndarray  # (pairs, 2) columns that interact
    weights: np.ndarray  # (pairs,) of their interaction


class BestLoss(NamedTuple):
    """Log-loss of the teacher itself on a split; no model can expect less."""

    expected: float  # mean entropy of the click given the inputs
    realised: float  # mean log-loss on the clicks that were drawn
    standard_error: float  # of `realised` around `expected`


def examples(split: str) -> dict[str, np.ndarray]:
    """{'inputs': (n, 39) float32, 13 counts then 26 ids; 'targets': (n,) float32 0 or 1}."""
    inputs, targets, _ = _split(split)
    return {"inputs": inputs, "targets": targets}


def click_probabilities(split: str) -> np.ndarray:
    """The teacher's probability of a click for every example of a split, (n,) float64."""
    return _split(split)[2]


def best_loss(split: str) -> BestLoss:
    """The Bayes risk of a split: what a model that knows the teacher would score."""
    p = click_probabilities(split)
    log_p, log_q = np.log(p), np.log1p(-p)
    clicked = examples(split)["targets"] > 0
    variance = p * (1 - p) * (log_p - log_q) ** 2
    return BestLoss(
        expected=float(-(p * log_p + (1 - p) * log_q).mean()),
        realised=float(-np.where(clicked, log_p, log_q).mean()),
        standard_error=float(np.sqrt(variance.sum()) / len(p)),
    )


@functools.cache
def teacher() -> Teacher:
    """The frozen teacher."""
    rng = np.random.default_rng(_SEED)
    probabilities = [np.arange(1, n + 1) ** -_ZIPF_EXPONENT for n in CARDINALITIES]
    grid = (np.arange(_QUANTA) + 0.5) / _QUANTA
    ranks = [np.searchsorted(np.cumsum(p) / p.sum(), grid) for p in probabilities]
    weights = [
        np.bincount(r, minlength=n) / _QUANTA for r, n in zip(ranks, CARDINALITIES, strict=True)
    ]
    pairs = np.stack(np.triu_indices(NUM_CATEGORICAL, 1), axis=1)
    pairs = pairs[np.argsort(rng.random(len(pairs)))[:_NUM_PAIRS]]
    signs = np.where(rng.random(_NUM_PAIRS) < 0.5, -1.0, 1.0)
    strengths = np.arange(1, _NUM_PAIRS + 1) ** -_PAIR_DECAY
    return Teacher(
        count_log_mean=rng.uniform(0.0, 4.0, NUM_DENSE),
        count_log_std=rng.uniform(0.8, 2.0, NUM_DENSE),
        missing=rng.uniform(0.0, 0.3, NUM_DENSE),
        slope=rng.standard_normal(NUM_DENSE) * _DENSE_STD / np.sqrt(NUM_DENSE),
        bend=rng.standard_normal(NUM_DENSE) * _DENSE_STD / np.sqrt(NUM_DENSE),
        ranks=tuple(ranks),
        ids=tuple(_hashed_ids(column, n) for column, n in enumerate(CARDINALITIES)),
        effects=tuple(
            _standardised(rng, w, 1)[0] * _MAIN_STD / np.sqrt(NUM_CATEGORICAL) for w in weights
        ),
        latents=tuple(_standardised(rng, w, _RANK) for w in weights),
        pairs=pairs,
        weights=signs * strengths * _PAIR_STD / np.sqrt(_RANK * np.sum(strengths**2)),
    )


def _standardised(rng: np.random.Generator, weights: np.ndarray, rows: int) -> np.ndarray:
    """Normal numbers (rows, categories) with mean 0 and variance 1 over draws of the category."""
    x = rng.standard_normal((rows, len(weights)))
    x -= (x @ weights)[:, None]
    return x / np.sqrt(x**2 @ weights)[:, None]


def _hashed_ids(column: int, num_categories: int) -> np.ndarray:
    """One pseudo-random id per category (the finaliser of splitmix64, Steele et al. 2014)."""
    x = np.arange(num_categories, dtype=np.uint64) + (np.uint64(column + 1) << np.uint64(32))
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        x = (x ^ (x >> np.uint64(shift))) * np.uint64(factor)
    return (x ^ (x >> np.uint64(31))) >> np.uint64(64 - _ID_BITS)


@functools.cache
def _split(split: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(inputs, targets, click probabilities) of all blocks of a split."""
    found = cache.arrays(f"criteo1tb-{_VERSION}-{split}", functools.partial(_generate, split))
    return found["inputs"], found["targets"], found["probabilities"]


def _generate(split: str) -> dict[str, np.ndarray]:
    stream = list(SPLIT_BLOCKS).index(split)
    blocks = [_block((_SEED, stream, i)) for i in range(SPLIT_BLOCKS[split])]
    parts = (np.concatenate(part) for part in zip(*blocks, strict=True))
    return dict(zip(("inputs", "targets", "probabilities"), parts, strict=True))


def _block(seed: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(inputs, targets, click probabilities) of `BLOCK_ROWS` rows."""
    law, rng = teacher(), np.random.default_rng(seed)
    normal = rng.standard_normal((BLOCK_ROWS, NUM_DENSE))
    counts = np.floor(np.exp(law.count_log_mean + law.count_log_std * normal))
    counts[rng.random(counts.shape) < law.missing] = -1.0
    quanta = (rng.random((NUM_CATEGORICAL, BLOCK_ROWS)) * _QUANTA).astype(np.int32)
    categories = [ranks[q] for ranks, q in zip(law.ranks, quanta, strict=True)]
    ids = [ids[c] for ids, c in zip(law.ids, categories, strict=True)]
    p = 1.0 / (1.0 + np.exp(-_log_odds(law, counts, categories)))
    inputs = np.concatenate([counts, np.stack(ids, axis=1)], axis=1).astype(np.float32)
    return inputs, (rng.random(BLOCK_ROWS) < p).astype(np.float32), p


def _log_odds(law: Teacher, counts: np.ndarray, categories: list[np.ndarray]) -> np.ndarray:
    """The teacher's log-odds (n,) of a click: effects of counts and categories, and of pairs.

    The counts enter as the model sees them, so that nothing it needs is hidden from it.
    """
    log_counts = np.log1p(np.maximum(counts, 0.0))
    squashed = np.tanh((log_counts - law.count_log_mean) / law.count_log_std)
    log_odds = _INTERCEPT + squashed @ law.slope + (squashed**2 - 0.4) @ law.bend
    log_odds += sum(effects[c] for effects, c in zip(law.effects, categories, strict=True))
    latents = [u[:, c] for u, c in zip(law.latents, categories, strict=True)]
    for (left, right), weight in zip(law.pairs, law.weights, strict=True):
        log_odds += weight * (latents[left] * latents[right]).sum(axis=0)
    return log_odds


if __name__ == "__main__":
    for name in SPLIT_BLOCKS:
        clicks, best = examples(name)["targets"], best_loss(name)
        rate = clicks.mean(dtype=np.float64)
        constant = -(rate * np.log(rate) + (1 - rate) * np.log1p(-rate))
        print(f"{name}: {len(clicks)} rows, click rate {rate:.4f}")
        print(f"  best loss {best.expected:.4f}, a constant predictor {constant:.4f}")
        print(f"  teacher on the drawn clicks {best.realised:.4f} +- {best.standard_error:.4f}")
