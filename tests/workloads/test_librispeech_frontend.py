"""The front end of both speech models: frames, log-mel features and SpecAugment, by hand."""

import dataclasses
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from workloads.librispeech import data, mel_statistics
from workloads.librispeech.frontend import (
    FrontendConfig,
    fft_size,
    frames,
    log_mel,
    mel_filters,
    spec_augment,
)
from workloads.librispeech.measure_mel import measure
from workloads.librispeech.speech import FULL_SAMPLES, LITE_FRONTEND

FULL = FrontendConfig()
STATISTICS = Path(__file__).parents[3] / "shared" / "facts" / "librispeech_mel_stats.json"

# --- frames -----------------------------------------------------------------------------------


@pytest.mark.parametrize("width, step, size", [(25, 10, 103), (20, 10, 90), (7, 9, 50), (5, 5, 5)])
def test_frames_are_slices(width, step, size):
    config = dataclasses.replace(LITE_FRONTEND, frame_samples=width, step_samples=step)
    audio = np.random.default_rng(0).normal(size=(2, size)).astype(np.float32)
    starts = range(0, size - width + 1, step)
    expected = np.stack([audio[:, start : start + width] for start in starts], axis=1)
    np.testing.assert_array_equal(frames(jnp.asarray(audio), config), expected)
    assert config.num_frames(size) == len(starts)


def test_a_frame_is_valid_if_it_holds_a_sample_of_its_utterance():
    lengths = np.array([0, 1, 160, 161, 33_003, 319_520, 319_521, 320_000])
    starts = 160 * np.arange(1998)  # of 20 seconds
    expected = (starts < lengths[:, None]).sum(axis=1)
    np.testing.assert_array_equal(FULL.valid_frames(lengths, FULL_SAMPLES), expected)
    # By the last sample's frame: 33,003 samples begin 207 frames, of which 204 are whole.
    assert expected.tolist() == [0, 1, 1, 2, 207, 1997, 1998, 1998]


# --- log-mel features -------------------------------------------------------------------------


def by_hand(audio, rate, width, step, size, low, high, num_bins):
    """Power spectrum by the sum of its definition, triangles by linear interpolation."""
    signal = np.asarray(audio, np.float64) / 32768
    signal[1:] -= 0.97 * signal[:-1].copy()
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(width) / width)
    starts = range(0, len(signal) - width + 1, step)
    pieces = np.stack([signal[start : start + width] * window for start in starts])
    waves = np.exp(-2j * np.pi * np.outer(np.arange(width), np.arange(size // 2 + 1)) / size)
    power = np.abs(pieces @ waves) ** 2

    def mel(hz):
        return 1127 * np.log(1 + hz / 700)

    corners = np.linspace(mel(low), mel(high), num_bins + 2)
    frequencies = mel(np.arange(size // 2 + 1) * rate / size)
    weights = np.stack([np.interp(frequencies, corners, row) for row in np.eye(num_bins + 2)])
    return np.log(np.maximum(power @ weights[1:-1].T, 1e-5))


def test_log_mel_equals_numpy_at_full_scale():
    rng = np.random.default_rng(0)
    audio = (rng.normal(size=4000) * np.linspace(3, 3000, 4000)).astype(np.int16)
    audio[3500:] = 0  # silence has the floor's logarithm
    plain = by_hand(audio, 16_000, 400, 160, 512, 125.0, 7600.0, 80)
    expected = (plain - mel_statistics.LIBRISPEECH_MEAN) / mel_statistics.LIBRISPEECH_STD
    got = log_mel(audio[None], FULL)[0]
    assert got.shape == (23, 80) and plain[22].tolist() == [np.log(1e-5)] * 80
    np.testing.assert_allclose(got, expected, atol=1e-4)


def test_log_mel_equals_numpy_at_lite_scale():
    audio = data.utterances("test")["inputs"][0]
    plain = by_hand(audio, 4000, 100, 40, 128, 80.0, 1950.0, 24)
    expected = (plain - mel_statistics.LITE_MEAN) / mel_statistics.LITE_STD
    np.testing.assert_allclose(log_mel(audio[None], LITE_FRONTEND)[0], expected, atol=1e-3)


def test_fft_is_the_next_power_of_two_of_a_frame_and_a_sample():
    sizes = {400: 512, 511: 512, 512: 1024, 100: 128}
    for width, size in sizes.items():
        assert fft_size(dataclasses.replace(FULL, frame_samples=width)) == size


@pytest.mark.parametrize("config", [LITE_FRONTEND, FULL], ids=["lite", "full"])
def test_a_tone_sounds_in_its_mel_bin(config):
    plain = dataclasses.replace(config, mean=(0.0,), std=(1.0,))
    filters = mel_filters(config)
    assert filters.shape[1] == config.num_bins and (filters.max(axis=0) > 0.3).all()
    centres = filters.argmax(axis=0) * config.sample_rate / (2 * (len(filters) - 1))
    samples = np.arange(config.sample_rate // 4)
    for number in (config.num_bins // 4, config.num_bins // 2, config.num_bins - 3):
        tone = 8000 * np.sin(2 * np.pi * centres[number] / config.sample_rate * samples)
        features = np.asarray(log_mel(tone[None].astype(np.int16), plain))[0]
        assert len(features) == config.num_frames(len(samples))
        assert np.isfinite(features).all()
        assert (features[1:].argmax(axis=1) == number).all()


# --- standardisation --------------------------------------------------------------------------


def test_full_scale_standardises_with_algoperfs_numbers():
    if not STATISTICS.exists():
        pytest.skip(f"no table of AlgoPerf's statistics at {STATISTICS}")
    theirs = json.loads(STATISTICS.read_text())
    for ours, name in ((FULL.mean, "mean"), (FULL.std, "std")):
        np.testing.assert_array_equal(np.float32(ours), np.float32(theirs[name]))


def test_lite_features_are_standardised_bin_by_bin():
    utterances = {name: array[:256] for name, array in data.utterances("train").items()}
    features = np.asarray(log_mel(utterances["inputs"], LITE_FRONTEND))
    lengths = LITE_FRONTEND.valid_frames(utterances["input_lengths"], utterances["inputs"].shape[1])
    valid = features[np.arange(features.shape[1]) < lengths[:, None]]
    assert abs(valid.mean(axis=0)).max() < 0.1 and abs(valid.std(axis=0) - 1).max() < 0.1


@pytest.mark.slow
def test_lites_numbers_are_what_the_command_measures():
    mean, std = measure(LITE_FRONTEND)
    np.testing.assert_allclose(mean, mel_statistics.LITE_MEAN, atol=2e-3)
    np.testing.assert_allclose(std, mel_statistics.LITE_STD, atol=2e-3)


# --- SpecAugment ------------------------------------------------------------------------------


def test_one_mask_of_time_hides_up_to_a_twentieth():
    size, length = 2000, 1998
    ones, lengths = jnp.ones((size, length, 1)), jnp.full(size, length)
    masked = np.asarray(spec_augment(ones, lengths, jax.random.key(0), FULL, (0, 1)))[..., 0] == 0
    widths = masked.sum(axis=1)
    # int(u * 99.9): uniform on 0 to 99, whose deviation is 29; AlgoPerf's limit of 40 is not used.
    assert set(widths) == set(range(100))
    assert abs(widths.mean() - 49.45) < 4 * 29 / np.sqrt(size)
    edges = np.abs(np.diff(np.pad(masked, ((0, 0), (1, 1))).astype(int), axis=1)).sum(axis=1)
    assert set(edges) == {0, 2}  # one stretch without a gap


def test_ten_masks_of_time_hide_a_share_of_an_utterance_and_nothing_after_it():
    length, num_frames = 1000, 1200
    ones, lengths = jnp.ones((400, num_frames, 1)), jnp.full(400, length)
    masked = np.asarray(spec_augment(ones, lengths, jax.random.key(0), FULL, (0, 10)))[..., 0] == 0
    # Widths of int(u * 50) have the mean 24.5; ten stretches overlap.
    assert abs(masked[:, :length].mean() - (1 - (1 - 0.0245) ** 10)) < 0.01
    assert not masked[:, length:].any() and masked[:, :length].any(axis=0).all()


def test_one_mask_of_frequency_hides_up_to_26_bins():
    size = 2000
    ones, lengths = jnp.ones((size, 1, 80)), jnp.ones(size)
    masked = np.asarray(spec_augment(ones, lengths, jax.random.key(0), FULL, (1, 0)))[:, 0] == 0
    widths = masked.sum(axis=1)
    assert set(widths) == set(range(27))  # int(u * 27)
    assert abs(widths.mean() - 13) < 4 * 7.8 / np.sqrt(size)


def test_spec_augment_masks_whole_bands_and_whole_stretches():
    size, num_frames = 64, 100
    lengths = np.tile([100, 60], size // 2)
    ones = jnp.ones((size, num_frames, LITE_FRONTEND.num_bins))
    augment = jax.jit(
        lambda key, masks: spec_augment(ones, lengths, key, LITE_FRONTEND, masks), static_argnums=1
    )
    masked = np.asarray(augment(jax.random.key(0), (2, 3))) == 0
    bands, stretches = masked.all(axis=1), masked.all(axis=2)
    np.testing.assert_array_equal(masked, bands[:, None] | stretches[:, :, None])
    assert len(np.unique(masked.reshape(size, -1), axis=0)) > size // 2
    assert not np.array_equal(masked, augment(jax.random.key(1), (2, 3)) == 0)
    np.testing.assert_array_equal(augment(jax.random.key(0), (0, 0)), ones)
