"""Pairs of sentences in TFDS's layout, and the SentencePiece model of their words."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import sentencepiece

from tests.workloads.full import tfds_folders

Pair = Mapping[str, str]
NUM = {"train": 700, "validation": 30, "test": 20}
WORDS = {
    "de": "der die das Haus Baum ist groß alt und grün nicht sehr viele Äpfel",
    "en": "the house tree is big old and green not very many apples a an",
}


def sentences(rng: np.random.Generator, split: str) -> list[dict[str, str]]:
    """Pairs of 1 to 60 words; one in fifty is far too long."""
    pairs = []
    for row in range(NUM[split]):
        longest = 400 if row % 50 == 7 else int(rng.integers(1, 60))
        pairs.append({
            side: " ".join(rng.choice(words.split(), max(1, longest - int(rng.integers(0, 9)))))
            for side, words in WORDS.items()
        })  # fmt: skip
    # Characters that the model has not seen.
    pairs[1]["en"] += " ☃ ☂☂"
    return pairs


def train_tokenizer(path: Path, pairs: Sequence[Pair]) -> None:
    """A model of the words of `pairs`, without their unknown characters."""
    lines = [text for pair in pairs for text in pair.values() if "☃" not in text]
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_writer=model, vocab_size=50, model_type="unigram",
        character_coverage=1.0, minloglevel=2,
    )  # fmt: skip
    path.write_bytes(model.getvalue())


def write(root: Path, texts: Mapping[str, Sequence[Pair]]) -> None:
    """Records of TFDS, of both years."""
    examples = {split: [{side: text.encode() for side, text in pair.items()} for pair in pairs]
                for split, pairs in texts.items()}  # fmt: skip
    train = examples["train"]
    wmt17, wmt14 = {"train": [train[:300], train[300:]]}, {"train": [train[:2]]}
    wmt14 |= {split: [examples[split]] for split in ("validation", "test")}
    for name, splits in (("wmt17_translate", wmt17), ("wmt14_translate", wmt14)):
        folder = root / "wmt" / name / "de-en" / "1.0.0"
        tfds_folders.write(folder, name, splits, config="de-en")
