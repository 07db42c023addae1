"""Generated utterances: words of a small lexicon, spoken by synthetic speakers.

Splits are disjoint twice over: a speaker belongs to one split, and so does every sequence of words.
"""

import functools
from typing import NamedTuple

import numpy as np

from algoperf_lite.storage import cache
from workloads.librispeech import language, synthesis

VERSION = "1"  # of the generator: another one makes other bytes
SIZES = {"train": 8192, "validation": 256, "test": 256}
WORDS_PER_UTTERANCE = (2, 3, 4)
MAX_PHONEMES = 12  # in an utterance
MAX_TOKENS = MAX_PHONEMES + max(WORDS_PER_UTTERANCE) - 1
NUM_SPEAKERS = 96

_SEED = 20_260_106  # fixed for ever: targets are calibrated on these bytes
_BLOCK = 128  # utterances synthesised at a time
_RESIDUES = {"train": range(12), "validation": range(12, 14), "test": range(14, 16)}
_SPEAKERS = {"train": range(64), "validation": range(64, 80), "test": range(80, 96)}


class Script(NamedTuple):
    """The words of each utterance of a split, and its speaker."""

    words_NxW: np.ndarray  # indices into the lexicon, -1 for no word
    speakers_N: np.ndarray


@functools.cache
def utterances(split: str) -> dict[str, np.ndarray]:
    """A split's arrays, kept between processes.

    'inputs' (n, samples) int16 audio, zero after its end; 'input_lengths' (n,) int32 samples;
    'targets' (n, MAX_TOKENS) int32, zero after the last token.
    """
    return cache.arrays(f"librispeech-{VERSION}-{split}", functools.partial(generate, split))


def generate(split: str) -> dict[str, np.ndarray]:
    """The arrays of a split, as `utterances` keeps them."""
    said = script(split)
    blocks = [_audio(said, split, start) for start in range(0, SIZES[split], _BLOCK)]
    audio, lengths = (np.concatenate(part) for part in zip(*blocks, strict=True))
    targets = np.zeros((SIZES[split], MAX_TOKENS), np.int32)
    for row, ids in zip(targets, map(_tokens, said.words_NxW), strict=True):
        row[: len(ids)] = ids
    return {"inputs": audio, "input_lengths": lengths, "targets": targets}


@functools.cache
def script(split: str) -> Script:
    """The words and the speaker of each utterance."""
    rng = _stream(split, 0)
    sizes = np.array([len(word) for word in language.lexicon()] + [0])
    candidates = 3 * SIZES[split] * 16 // len(_RESIDUES[split])
    words_NxW = rng.integers(len(sizes) - 1, size=(candidates, max(WORDS_PER_UTTERANCE)))
    num_words_N = rng.choice(WORDS_PER_UTTERANCE, candidates)
    words_NxW[np.arange(words_NxW.shape[1]) >= num_words_N[:, None]] = -1
    fits = sizes[words_NxW].sum(axis=1) <= MAX_PHONEMES
    ours = np.isin(residues(words_NxW), _RESIDUES[split])
    words_NxW = words_NxW[fits & ours][: SIZES[split]]
    assert len(words_NxW) == SIZES[split], len(words_NxW)
    return Script(words_NxW, rng.choice(_SPEAKERS[split], SIZES[split]))


def word_counts() -> np.ndarray:
    """The number of words of each utterance of train, (n,)."""
    return (script("train").words_NxW >= 0).sum(axis=1)


def residues(words_NxW: np.ndarray) -> np.ndarray:
    """A number below 16 that depends on the words and their order and chooses the split, (N,)."""
    mixed = ((words_NxW + 1) * np.array([1, 5, 3, 7])).sum(axis=1)
    return (mixed + mixed // 16) % 16


@functools.cache
def _speakers() -> synthesis.Speakers:
    """All speakers' voices, (NUM_SPEAKERS,) each."""
    rng = np.random.default_rng(_SEED)
    ranges = {
        "pitch": (90.0, 220.0),
        "tract": (0.82, 1.18),
        "breath": (0.0, 0.15),
        "melody": (0.02, 0.1),
    }
    return synthesis.Speakers(
        **{
            name: rng.uniform(*bounds, NUM_SPEAKERS).astype(np.float32)
            for name, bounds in ranges.items()
        }
    )


def _audio(said: Script, split: str, start: int) -> tuple[np.ndarray, np.ndarray]:
    """Audio and lengths of a block of utterances."""
    rng = _stream(split, 1, start)
    rows = slice(start, start + _BLOCK)
    phonemes_BxP = np.stack([_phonemes(words) for words in said.words_NxW[rows]])
    size = len(phonemes_BxP)
    ranges = {"tempo": (0.85, 1.2), "loudness": (0.5, 1.5), "background": (0.03, 0.3)}
    manner = synthesis.Manner(
        **{name: rng.uniform(*bounds, size).astype(np.float32) for name, bounds in ranges.items()}
    )
    speakers = synthesis.Speakers(*(field[said.speakers_N[rows]] for field in _speakers()))
    return synthesis.waveforms(phonemes_BxP, speakers, manner, rng)


def _phonemes(words: np.ndarray) -> np.ndarray:
    """Phonemes of an utterance with pauses around each word, -1 after the end."""
    row = np.full(MAX_TOKENS + 2, -1)
    sounds = [language.PAUSE]
    for word in words[words >= 0]:
        sounds += [language.PHONEMES.index(letter) for letter in language.lexicon()[word]]
        sounds.append(language.PAUSE)
    row[: len(sounds)] = sounds
    return row


def _tokens(words: np.ndarray) -> list[int]:
    return language.tokens(language.lexicon()[word] for word in words[words >= 0])


def _stream(split: str, *key: int) -> np.random.Generator:
    return np.random.default_rng((_SEED, list(SIZES).index(split) + 1, *key))
