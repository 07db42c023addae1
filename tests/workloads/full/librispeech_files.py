"""LibriSpeech as AlgoPerf's setup writes it, small, with a SentencePiece model of its own."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import sentencepiece

PARTS = {
    "train-clean-100": 6,
    "train-clean-360": 3,
    "train-other-500": 2,
    "dev-clean": 3,
    "dev-other": 2,
    "test-clean": 4,
}
_WORDS = ["THE", "CAT", "SAT", "ON", "A", "MAT", "AND", "IT'S", "OLD", "DOG", "RAN", "HOME"]


def sentence(rng: np.random.Generator) -> str:
    """A few words."""
    return " ".join(rng.choice(_WORDS, rng.integers(2, 7)))


def train_tokenizer(folder: Path, sentences: list[str], vocab_size: int) -> None:
    """Writes `spm_model.vocab`, with AlgoPerf's options but a smaller vocabulary."""
    prefix = folder / "spm_model"
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences),
        model_prefix=str(prefix),
        vocab_size=vocab_size,
        character_coverage=1.0,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    # The trainer's own `spm_model.vocab` is a list; under AlgoPerf's that name is the model.
    prefix.with_suffix(".model").replace(prefix.with_suffix(".vocab"))


def tokens(folder: Path, text: str) -> list[int]:
    """Ids of a sentence with its end."""
    processor = sentencepiece.SentencePieceProcessor(
        model_proto=(folder / "spm_model.vocab").read_bytes()
    )
    return processor.encode(text, out_type=int, add_eos=True)


def write_part(folder: Path, part: str, said: Mapping[str, tuple[np.ndarray, str]]) -> None:
    """A part of (audio, text) by id, listed in an order that is not sorted."""
    (folder / part).mkdir(parents=True)
    names = list(reversed(said))
    for name, (audio, text) in said.items():
        np.save(folder / part / f"{name}_audio.npy", audio.astype(np.int64))
        ids = np.array(tokens(folder, text), np.int32)
        np.save(folder / part / f"{name}_targets.npy", ids)
    rows = [",id", *(f"{i},{name}" for i, name in enumerate(names))]
    (folder / f"{part}.csv").write_text("\n".join(rows) + "\n")


def write(folder: Path) -> dict[str, str]:
    """A whole data set; returns the sentences by id."""
    rng = np.random.default_rng(13)
    folder.mkdir(parents=True)
    train_tokenizer(folder, [sentence(rng) for _ in range(300)], vocab_size=60)
    texts = {}
    for number, (part, size) in enumerate(PARTS.items()):
        said = {}
        for i in range(size):
            audio = rng.integers(-32768, 32768, rng.integers(4_000, 9_000))
            said[f"{number}-12{i % 2}-{i:04d}"] = (audio, sentence(rng))
        write_part(folder, part, said)
        texts |= {name: text for name, (_, text) in said.items()}
    return texts
