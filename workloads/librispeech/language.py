"""A small language: phonemes with their sounds, a lexicon of pronounceable words, and tokens.

One letter stands for one phoneme, so spelling and sound agree.
"""

import functools
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

VOWELS = "aeiou"
CONSONANTS = "ptkbdgmnscfzvlrwy"
PHONEMES = CONSONANTS + VOWELS
PAUSE = len(PHONEMES)  # its sound, in `SOUNDS`, is silence
NUM_WORDS = 160
MAX_WORD_PHONEMES = 4

BLANK = 0  # of CTC, and the padding of targets
SEPARATOR = 1  # between words
FIRST_LETTER = 2
NUM_TOKENS = FIRST_LETTER + len(PHONEMES)

_SEED = 20_260_107  # fixed for ever: targets are calibrated on these words
_PATTERNS = ("CV", "VC", "CVC", "CVC", "CVCV", "VCV", "VCVC")


class Sound(NamedTuple):
    """The sound of half a phoneme; frequencies in Hz, amplitudes relative to a vowel's."""

    formant1: float = 500.0
    formant2: float = 1200.0
    voice1: float = 0.0  # amplitude of the first formant
    voice2: float = 0.0
    noise_centre: float = 1200.0
    noise: float = 0.0


def _vowel(formant1: float, formant2: float) -> tuple[Sound, Sound]:
    sound = Sound(formant1, formant2, voice1=1.0, voice2=0.6)
    return sound, sound


def _murmur(formant1: float, formant2: float, voice2: float) -> tuple[Sound, Sound]:
    """Nasals, liquids and glides: voiced, weaker than a vowel."""
    sound = Sound(formant1, formant2, voice1=0.5, voice2=voice2)
    return sound, sound


def _fricative(locus: float, centre: float, noise: float, voice: float) -> tuple[Sound, Sound]:
    sound = Sound(250.0, locus, voice1=voice, noise_centre=centre, noise=noise)
    return sound, sound


def _stop(locus: float, centre: float, voice: float) -> tuple[Sound, Sound]:
    """A closure, silent or with the voice behind it, then a burst of noise."""
    closure = Sound(220.0, locus, voice1=voice, noise_centre=centre)
    return closure, closure._replace(noise=0.9, voice1=0.5 * voice)


# Formants of a narrow band: everything lies below 2 kHz. The second formant of a consonant is its
# locus, where the formants of neighbouring vowels point to.
SOUNDS: dict[str, tuple[Sound, Sound]] = {
    "p": _stop(700, 550, 0.0),
    "t": _stop(1400, 1600, 0.0),
    "k": _stop(1150, 1100, 0.0),
    "b": _stop(700, 550, 0.4),
    "d": _stop(1400, 1600, 0.4),
    "g": _stop(1150, 1100, 0.4),
    "m": _murmur(230, 850, 0.15),
    "n": _murmur(230, 1400, 0.25),
    "s": _fricative(1400, 1650, 0.8, 0.0),
    "c": _fricative(1150, 1250, 0.8, 0.0),
    "f": _fricative(700, 800, 0.5, 0.0),
    "z": _fricative(1400, 1650, 0.6, 0.5),
    "v": _fricative(700, 800, 0.4, 0.5),
    "l": _murmur(380, 1050, 0.4),
    "r": _murmur(480, 1300, 0.4),
    "w": _murmur(300, 620, 0.3),
    "y": _murmur(280, 1600, 0.3),
    "a": _vowel(750, 1150),
    "e": _vowel(450, 1450),
    "i": _vowel(280, 1620),
    "o": _vowel(480, 800),
    "u": _vowel(300, 650),
}


def sound_table() -> np.ndarray:
    """Sounds as numbers: (phonemes + 1, 2 halves, 6 fields of `Sound`); the last is a pause."""
    halves = [SOUNDS[letter] for letter in PHONEMES] + [(Sound(), Sound())]
    return np.array(halves, np.float32)


@functools.cache
def lexicon() -> tuple[str, ...]:
    """`NUM_WORDS` different words of 2 to 4 letters, in the order in which they were drawn."""
    rng = np.random.default_rng(_SEED)
    words: dict[str, None] = {}
    while len(words) < NUM_WORDS:
        pattern = _PATTERNS[rng.integers(len(_PATTERNS))]
        letters = [VOWELS if kind == "V" else CONSONANTS for kind in pattern]
        words["".join(some[rng.integers(len(some))] for some in letters)] = None
    return tuple(words)


def tokens(words: Iterable[str]) -> list[int]:
    """Letters of the words, with a separator between one word and the next."""
    return [
        SEPARATOR if letter == " " else FIRST_LETTER + PHONEMES.index(letter)
        for letter in " ".join(words)
    ]


def text(token_ids: Sequence[int] | np.ndarray) -> str:
    """Words with one space between them; padding and useless separators are dropped."""
    letters = [" " if i == SEPARATOR else PHONEMES[i - FIRST_LETTER] for i in token_ids if i]
    return " ".join("".join(letters).split())
