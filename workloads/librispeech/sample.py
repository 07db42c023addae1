"""Draws validation utterances as the models see them, into `sample.png` beside this file.

python -m workloads.librispeech.sample
"""

import sys
from pathlib import Path

import matplotlib
import numpy as np

from workloads.librispeech import data, language
from workloads.librispeech.frontend import log_mel
from workloads.librispeech.speech import LITE_FRONTEND

_ROWS = (0, 1, 2, 3)


def draw(path: Path) -> None:
    """Writes the picture."""
    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    utterances = {name: array[list(_ROWS)] for name, array in data.utterances("validation").items()}
    features = np.asarray(log_mel(utterances["inputs"], LITE_FRONTEND))
    row_samples = utterances["inputs"].shape[1]
    lengths = LITE_FRONTEND.valid_frames(utterances["input_lengths"], row_samples)
    figure, axes = plt.subplots(len(_ROWS), figsize=(7, 6.5), layout="constrained", sharex=True)
    for axis, frames, length, targets in zip(
        axes, features, lengths, utterances["targets"], strict=True
    ):
        shown = np.where(np.arange(len(frames)) < length, frames.T, np.nan)
        axis.imshow(shown, origin="lower", aspect="auto", cmap="magma", vmin=-2, vmax=3)
        axis.set_title(language.text(targets), loc="left", fontfamily="monospace", fontsize=10)
        axis.set_ylabel("mel bin")
    axes[-1].set_xlabel("frame of 10 ms")
    figure.savefig(path, dpi=70)


if __name__ == "__main__":
    draw(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("sample.png"))
