"""What shows examples to a person: pictures, sounds and texts, as files that any system opens.

A family's source says by `looks` which of them show an example as it is stored, and which show what
the model gets where that differs.
"""

import dataclasses
import wave
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from algoperf_lite.data import needed

_SHOWN_PIXELS = 224  # of the longer side: fewer would be a speck on the screen
_SHOWN_NUMBERS = 12  # of an array, in words
_SAMPLE_BYTES = 2


class Shown(Protocol):
    """One thing to look at, or to hear."""

    def save(self, path: Path) -> Path:
        """Writes a file named `path` and the suffix of its kind; returns its name."""


# What shows one example, by names of its parts, such as "stored" and "model".
Look = Mapping[str, Shown]


@dataclasses.dataclass(frozen=True, eq=False)
class Picture:
    """Pixels uint8: (height, width) or (height, width, 1) grey, (height, width, 3) colours."""

    pixels: np.ndarray

    def save(self, path: Path) -> Path:
        """Writes a PNG file; each pixel of a small picture becomes a square of several."""
        with needed.package("pillow", "writing pictures"):
            from PIL import Image
        pixels = self.pixels[..., 0] if self.pixels.shape[2:] == (1,) else self.pixels
        times = max(1, _SHOWN_PIXELS // max(pixels.shape[:2]))
        named = path.with_name(f"{path.name}.png")
        Image.fromarray(pixels.repeat(times, axis=0).repeat(times, axis=1)).save(named)
        return named


@dataclasses.dataclass(frozen=True, eq=False)
class Sound:
    """Samples int16 (n,) of one channel, `rate` of them in a second."""

    samples: np.ndarray
    rate: int

    def save(self, path: Path) -> Path:
        """Writes a WAV file."""
        named = path.with_name(f"{path.name}.wav")
        with wave.open(str(named), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(_SAMPLE_BYTES)
            file.setframerate(self.rate)
            file.writeframes(self.samples.astype("<i2").tobytes())
        return named


@dataclasses.dataclass(frozen=True)
class Text:
    """Lines for people."""

    lines: Sequence[str]

    def save(self, path: Path) -> Path:
        """Writes a text file in UTF-8."""
        named = path.with_name(f"{path.name}.txt")
        named.write_text("\n".join([*self.lines, ""]), encoding="utf-8")
        return named


def grey(values: np.ndarray, low: float, high: float) -> Picture:
    """A grey picture of numbers (height, width): `low` and below are black, `high` and above
    white."""
    # A picture of one value has no contrast to stretch.
    share = (values.astype(np.float64) - low) / ((high - low) or 1.0)
    return Picture(np.rint(255 * share.clip(0, 1)).astype(np.uint8))


def in_words(row: Mapping[str, np.ndarray]) -> list[str]:
    """A line for each array of an example: name, type, shape, and its first numbers."""
    return [f"{name}: {_array_in_words(np.asarray(values))}" for name, values in row.items()]


def _array_in_words(values: np.ndarray) -> str:
    flat = values.ravel()
    numbers = " ".join(f"{number:.6g}" for number in flat[:_SHOWN_NUMBERS].tolist())
    more = " ..." * (len(flat) > _SHOWN_NUMBERS)
    return f"{values.dtype} {values.shape}, {numbers}{more}" if values.shape else numbers
