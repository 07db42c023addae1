"""LibriSpeech as published, FLAC and text, turned into the files that AlgoPerf's setup makes."""

import io
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from algoperf_lite.data import needed
from algoperf_lite.data.source import DataError
from algoperf_lite.experiment.data_sets import unpack
from algoperf_lite.experiment.data_sets.download import Report
from algoperf_lite.storage import atomic

TOKENIZER = "spm_model.vocab"  # a SentencePiece model, which AlgoPerf calls so
TRAINS_TOKENIZER = "train-clean-100"  # the part whose sentences it is made of
_VOCAB_SIZE = 1024
_SAMPLE_RATE = 16_000
# What AlgoPerf leaves out.
_MAX_SAMPLES = 320_000
_MAX_CHARACTERS = 256


def check(folder: Path) -> None:
    """Raises ValueError or DataError where a part cannot be made in the data set's folder, before
    anything is downloaded for it: packages are not there, or there is no tokenizer."""
    _soundfile()
    _sentencepiece()
    if folder.name != TRAINS_TOKENIZER and not (folder.parent / TOKENIZER).is_file():
        raise DataError(
            f"{folder.parent} has no {TOKENIZER}, which is made of {TRAINS_TOKENIZER}; prepare "
            "that part first, or copy the file that AlgoPerf's setup has made"
        )


def make(archive: Path, folder: Path, report: Report) -> int:
    """Makes a part: `<id>_audio.npy` (samples,) int16, `<id>_targets.npy` (tokens,) int32, and
    beside it the list `<part>.csv`; the tokenizer too, if it is missing.

    AlgoPerf's audio is int64: the same numbers in four times the bytes.
    Returns the number of utterances. Raises DataError where the archive is damaged.
    """
    with unpack.becoming(folder) as partial:
        texts = _decode(archive, partial, report)
        recorded = {path.name.removesuffix("_audio.npy") for path in partial.iterdir()}
        without = recorded - texts.keys()
        if without or not recorded:
            first = min(without, default="no recording")
            raise DataError(f"{archive} is not LibriSpeech: {first} has no text")
        model = folder.parent / TOKENIZER
        if not model.is_file():
            _train_tokenizer(model, (texts[name] for name in sorted(texts)))
        ids = _write_tokens(partial, model, {name: texts[name] for name in sorted(recorded)})
        rows = [",id", *(f"{number},{name}" for number, name in enumerate(ids))]
        # Before the folder, whose being there says that the part is whole.
        atomic.write_text(folder.with_name(f"{folder.name}.csv"), "\n".join(rows) + "\n")
    return len(ids)


def _decode(archive: Path, folder: Path, report: Report) -> dict[str, str]:
    """Writes the audio of all utterances that are not too long; returns all texts by id."""
    texts: dict[str, str] = {}
    for members, member in unpack.tar_members(archive, report):
        if member.name.endswith(".trans.txt"):
            lines = unpack.content(archive, members, member).decode().splitlines()
            texts |= dict(line.split(" ", 1) for line in lines if " " in line)
        elif member.name.endswith(".flac"):
            name = Path(member.name).stem
            flac = unpack.content(archive, members, member)
            audio = _samples(flac, f"{member.name} of {archive}")
            if len(audio) <= _MAX_SAMPLES:
                np.save(folder / f"{name}_audio.npy", audio)
    return texts


def _samples(flac: bytes, where: str) -> np.ndarray:
    soundfile = _soundfile()
    try:
        audio, rate = soundfile.read(io.BytesIO(flac), dtype="int16")
    except soundfile.LibsndfileError as error:
        raise DataError(f"{where} is damaged ({error}); download the archive again") from error
    if rate != _SAMPLE_RATE or audio.ndim != 1:
        raise DataError(f"{where} has {rate} samples a second; {_SAMPLE_RATE} were expected")
    return audio


def _write_tokens(folder: Path, model: Path, texts: dict[str, str]) -> list[str]:
    """Writes tokens of all sentences that are not too long, and removes the audio of the others;
    returns the ids that stay."""
    processor = _sentencepiece().SentencePieceProcessor(model_proto=model.read_bytes())
    stay = []
    for name, text in texts.items():
        if len(text) > _MAX_CHARACTERS:
            (folder / f"{name}_audio.npy").unlink()
            continue
        tokens = processor.encode(text, out_type=int, add_eos=True)
        np.save(folder / f"{name}_targets.npy", np.array(tokens, np.int32))
        stay.append(name)
    return stay


def _train_tokenizer(path: Path, sentences: Iterable[str]) -> None:
    model = io.BytesIO()
    # AlgoPerf's options; all others are SentencePiece's defaults.
    _sentencepiece().SentencePieceTrainer.train(
        sentence_iterator=iter(sentences),
        model_writer=model,
        vocab_size=_VOCAB_SIZE,
        character_coverage=1.0,
        num_threads=os.cpu_count() or 1,
        minloglevel=2,
    )
    atomic.write_bytes(path, model.getvalue())


def _soundfile() -> Any:
    with needed.package("soundfile", "decoding LibriSpeech's FLAC files"):
        import soundfile
    return soundfile


def _sentencepiece() -> Any:
    with needed.package("sentencepiece", "LibriSpeech's tokens"):
        import sentencepiece
    return sentencepiece
