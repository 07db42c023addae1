"""LibriSpeech as AlgoPerf splits it: 960 hours train, two clean and other parts evaluate."""

import dataclasses
import functools
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from algoperf_lite.data import folders
from algoperf_lite.data.checks import Check, each
from algoperf_lite.data.keys import RowKeys
from algoperf_lite.data.look import Look, Sound, Text
from algoperf_lite.data.source import DataError, Part, Source
from workloads.librispeech import utterances
from workloads.librispeech.sentences import Sentences

# After AlgoPerf's filter of long utterances.
NUM_EXAMPLES = {"train": 263_840, "validation": 5_348, "test": 2_472}
RATE = 16_000  # samples in a second
MAX_SAMPLES = 20 * RATE
MAX_TOKENS = 256
TOKENIZER = "spm_model.vocab"  # of this name, a SentencePiece model

_PARTS = {
    "train": ("train-clean-100", "train-clean-360", "train-other-500"),
    # AlgoPerf goes through this part in its own order; a fixed choice has as many speakers.
    "eval_train": ("train-clean-100",),
    "validation": ("dev-clean", "dev-other"),
    "test": ("test-clean",),
}
_EVAL_TRAIN_EXAMPLES = 21 * 256  # as many whole batches as validation has
_PACKED = "-packed"


def source(folder: Path, split: str) -> Source:
    """The utterances of "train", "eval_train", "validation" or "test".

    Args:
      folder: the data set's own, or the root that has it as `librispeech`.
    Raises DataError where a part is missing.
    """
    folder = folders.own(folder, "librispeech")
    folders.require(folder, [one for part in _PARTS[split] for one in _missing(folder, part)])
    whole = Recordings(tuple(_part(folder, part) for part in _PARTS[split]))
    return Part(whole, _EVAL_TRAIN_EXAMPLES) if split == "eval_train" else whole


def missing(folder: Path) -> list[str]:
    """What is not there, in words."""
    folder = folders.own(folder, "librispeech")
    parts = dict.fromkeys(part for split in _PARTS.values() for part in split)
    found = [] if (folder / TOKENIZER).is_file() else [f"{TOKENIZER} (the tokenizer)"]
    return found + [one for part in parts for one in _missing(folder, part)]


def tokenizer(folder: Path) -> Path:
    """The SentencePiece model that turns tokens into text."""
    return folders.own(folder, "librispeech") / TOKENIZER


def checks(folder: Path, split: str) -> Iterator[Check]:
    """What reads every recording of a split. Raises DataError where a part is missing."""
    source(folder, split)
    for name in _PARTS[split]:
        part = _part(folders.own(folder, "librispeech"), name)
        one = Recordings((part,))
        for path, numbers in part.files():
            reads = [functools.partial(one.utterance, 0, number) for number in numbers]
            yield Check(path, functools.partial(each, reads))


def packed_folder(folder: Path, part: str) -> Path:
    """Where a part lies as one stream, if `utterances.pack` wrote it there."""
    return folder / f"{part}{_PACKED}"


def _part(folder: Path, part: str) -> utterances.Utterances:
    packed = packed_folder(folder, part)
    return utterances.Packed(packed) if packed.is_dir() else utterances.Files(folder / part)


def _missing(folder: Path, part: str) -> list[str]:
    if packed_folder(folder, part).is_dir():
        return []
    wanted = {f"{part}/ (recordings and tokens)": folder / part}
    wanted[f"{part}.csv (their list)"] = utterances.csv_of(folder / part)
    return [words for words, path in wanted.items() if not path.exists()]


@dataclasses.dataclass(frozen=True)
class Recordings(Source):
    """Utterances padded with zeros.

    'inputs' (rows, 320000) int16 audio at 16 kHz; 'input_lengths' (rows,) int32 samples;
    'targets' (rows, 256) int32 tokens, zero after the last one, which ends the sentence.

    Attributes:
      parts: of the split, in the order in which utterances are numbered.
    """

    parts: tuple[utterances.Utterances, ...]

    @property
    def num_examples(self) -> int:
        """Utterances of all parts."""
        return sum(part.num_examples for part in self.parts)

    def fingerprint(self) -> str:
        """A hash of lists of names, and of some recordings."""
        return "-".join(part.fingerprint() for part in self.parts)

    def rows(self, picks: np.ndarray, keys: RowKeys) -> dict[str, np.ndarray]:
        """Utterances as they were recorded; nothing is random."""
        out = {
            "inputs": np.empty((len(picks), MAX_SAMPLES), np.int16),
            "input_lengths": np.empty(len(picks), np.int32),
            "targets": np.empty((len(picks), MAX_TOKENS), np.int32),
        }
        self.fill(out, picks, keys)
        return out

    def fill(self, out: Mapping[str, np.ndarray], picks: np.ndarray, keys: RowKeys) -> None:
        """The same, without a copy of the audio: an utterance has 640 kB."""
        del keys
        for row, (which, number) in enumerate(self._places(picks)):
            found = self.utterance(which, number)
            out["input_lengths"][row] = len(found.audio)
            for name, values in (("inputs", found.audio), ("targets", found.tokens)):
                out[name][row, : len(values)] = values
                out[name][row, len(values) :] = 0

    def looks(self, picks: np.ndarray, keys: RowKeys) -> Iterator[Look]:
        """What was said, which the model gets with zeros behind it, and its tokens as text."""
        del keys
        for which, number in self._places(picks):
            found, part = self.utterance(which, number), self.parts[which]
            sentences = Sentences(part.folder.parent / TOKENIZER)
            seconds, padding = len(found.audio) / RATE, MAX_SAMPLES - len(found.audio)
            lines = [
                *sentences.texts(found.tokens[None]),
                f"{seconds:.2f} s, {part.where(number)}",
                f"model: {padding:,} zeros behind {len(found.audio):,} samples, {len(found.tokens)}"
                f" tokens: {' '.join(map(str, found.tokens))}",
            ]
            yield {"sound": Sound(found.audio, RATE), "text": Text(lines)}

    def _places(self, picks: np.ndarray) -> list[tuple[int, int]]:
        """Which part each utterance is in, and its number there."""
        counts = np.array([part.num_examples for part in self.parts])
        ends = np.cumsum(counts)
        which = np.searchsorted(ends, picks, side="right")
        return list(zip(which.tolist(), (picks - (ends - counts)[which]).tolist(), strict=True))

    def utterance(self, which: int, number: int) -> utterances.Utterance:
        """One of a part. Raises DataError where it is damaged, or longer than AlgoPerf's are."""
        found = self.parts[which].read(number)
        if len(found.audio) > MAX_SAMPLES or len(found.tokens) > MAX_TOKENS:
            raise DataError(
                f"{self.parts[which].where(number)}: {len(found.audio)} samples and "
                f"{len(found.tokens)} tokens, at most {MAX_SAMPLES} and {MAX_TOKENS} were "
                "expected; AlgoPerf's dataset setup leaves longer ones out: make the part again"
            )
        return found
