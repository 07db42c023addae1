"""Measures mean and deviation of each mel bin over lite's training split; prints them as constants.

python -m workloads.librispeech.measure_mel
"""

import dataclasses

import numpy as np

from workloads.librispeech import data
from workloads.librispeech.frontend import FrontendConfig, log_mel
from workloads.librispeech.speech import LITE_FRONTEND

_BLOCK = 512  # utterances at a time


def measure(config: FrontendConfig, split: str = "train") -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of log-mel values over valid frames, (bins,) float64 each."""
    # With a mean of 0 and a deviation of 1 the features are the plain logarithms.
    plain = dataclasses.replace(config, mean=(0.0,) * config.num_bins, std=(1.0,) * config.num_bins)
    utterances = data.utterances(split)
    sums = np.zeros((2, config.num_bins))
    num_frames = 0
    for start in range(0, len(utterances["inputs"]), _BLOCK):
        block = slice(start, start + _BLOCK)
        audio, lengths = utterances["inputs"][block], utterances["input_lengths"][block]
        features = np.asarray(log_mel(audio, plain), np.float64)
        lengths = config.valid_frames(lengths, audio.shape[1])
        values = features[np.arange(features.shape[1]) < lengths[:, None]]
        sums += values.sum(axis=0), np.square(values).sum(axis=0)
        num_frames += len(values)
    mean, mean_square = sums / num_frames
    return mean, np.sqrt(mean_square - np.square(mean))


if __name__ == "__main__":
    for name, values in zip(("LITE_MEAN", "LITE_STD"), measure(LITE_FRONTEND), strict=True):
        print(name, "=", tuple(values.round(3).tolist()))
