"""How many examples a second a workload takes, and how many a core of this machine can read."""

import dataclasses
import json
import time
from collections.abc import Iterator

import numpy as np

from algoperf_lite.data import kept
from algoperf_lite.data.keys import RowKeys, Stream
from algoperf_lite.data.source import Source
from algoperf_lite.storage import cache
from algoperf_lite.training.calibration import WITHOUT_WAITING


@dataclasses.dataclass(frozen=True)
class Step:
    """A training step of AlgoPerf's reference: examples of the whole batch, and seconds."""

    batch_size: int
    seconds: float

    @property
    def examples_per_second(self) -> float:
        """What has to be read."""
        return self.batch_size / self.seconds


# The best seconds per step that AlgoPerf published on 4 x A100, of either framework: the lower of
# the table in its pull request 892 and of its submissions' logs. A slower step needs less.
ALGOPERF = {
    "criteo1tb": Step(262_144, 0.835),
    "fastmri": Step(32, 0.068),
    "finewebedu_lm": Step(64, 0.386),
    "imagenet_resnet": Step(1024, 0.250),
    "imagenet_vit": Step(1024, 0.321),
    "librispeech_conformer": Step(256, 0.418),
    "librispeech_deepspeech": Step(256, 0.557),
    "ogbg": Step(512, 0.183),
    "wmt": Step(128, 0.125),
}
_BATCH_SIZE = 128  # where AlgoPerf has published no step
_PIECES = 16  # of a batch, as workers share it
MEASURED_SECONDS = 2.0  # of processor time, or a piece of a batch where that takes longer


def here(family: str) -> float | None:
    """Examples a second of the reference on this machine, by the newest calibration in the cache;
    None where there is none."""
    # Not by the machine's fingerprint, which would have to load JAX. The cache is this machine's.
    found = sorted(
        cache.folder().glob(f"calibration/*/{family}_full_*.json"),
        key=lambda path: path.stat().st_mtime,
    )
    if family not in ALGOPERF or not found:
        return None
    try:
        measured = json.loads(found[-1].read_text())
        # What has to be read does not depend on how slowly it was.
        steps_alone = measured["seconds_by_mode"].get(WITHOUT_WAITING)
        seconds = float(steps_alone or measured["seconds_per_step"])
    except (OSError, ValueError, KeyError, TypeError):
        return None  # a file that was cut short; the next calibration replaces it
    return ALGOPERF[family].batch_size / seconds if seconds > 0 else None


def per_core(source: Source, family: str) -> float:
    """Examples that a core reads and decodes in a second of training: a measurement.

    `source` is that of the training split.
    Raises DataError for damaged files, and `kept.NotKept` where an index would have to be made.
    """
    # Making an index takes up to hours, and would count as reading.
    with kept.only_looking():
        pieces = _pieces(source, family)
        picks, keys = next(pieces)
        source.rows(picks, keys)  # libraries are loaded, files opened
        num_examples, began = 0, time.process_time()
        # Of all threads: the libraries have some of their own, and cores are what is asked for.
        while (spent := time.process_time() - began) < MEASURED_SECONDS or not num_examples:
            picks, keys = next(pieces)
            source.rows(picks, keys)
            # A row that packs several examples has -1 in its empty places.
            num_examples += int((picks >= 0).sum())
    return num_examples / max(spent, 1e-9)


def batch_size(family: str, source: Source) -> int:
    """AlgoPerf's batch, or as many examples as there are; some where it has published no step."""
    usual = ALGOPERF[family].batch_size if family in ALGOPERF else _BATCH_SIZE
    return min(usual, source.num_examples)


def _pieces(source: Source, family: str) -> Iterator[tuple[np.ndarray, RowKeys]]:
    """Neighbouring rows of the batches of an order of training, and their keys, for ever."""
    plan = source.plan(0, batch_size(family, source))
    step = 0
    while True:
        picks, keys = plan.picks(step), RowKeys(0, Stream.TRAIN, step)
        size = -(-len(picks) // _PIECES) if source.is_divisible else len(picks)
        for first in range(0, len(picks), size):
            yield picks[first : first + size], keys.from_row(first)
        step += 1
