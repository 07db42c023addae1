"""What both speech workloads rest on: front end, masked layers, CTC and word errors."""

import dataclasses
import functools
import itertools

import flax.linen as nn
import jax
import jax.numpy as jnp
import jiwer
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import workloads
from workloads.librispeech import data, language
from workloads.librispeech.ctc import ctc_losses, greedy_decode, word_error_rate
from workloads.librispeech.frontend import (
    FrontendConfig,
    frames,
    log_mel,
    mel_filters,
    spec_augment,
)
from workloads.librispeech.layers import BatchNorm, LayerNorm, SpeechInput, xavier_uniform
from workloads.librispeech.speech import LITE_FRONTEND

# --- front end --------------------------------------------------------------------------------


@pytest.mark.parametrize("width, step, size", [(25, 10, 103), (20, 10, 90), (7, 9, 50), (5, 5, 5)])
def test_frames_are_slices(width, step, size):
    config = dataclasses.replace(LITE_FRONTEND, frame_samples=width, step_samples=step)
    audio = np.random.default_rng(0).normal(size=(2, size)).astype(np.float32)
    starts = range(0, size - width + 1, step)
    expected = np.stack([audio[:, start : start + width] for start in starts], axis=1)
    np.testing.assert_array_equal(frames(jnp.asarray(audio), config), expected)
    assert config.num_frames(size) == len(starts)


@pytest.mark.parametrize("config", [LITE_FRONTEND, FrontendConfig()], ids=["lite", "full"])
def test_a_tone_sounds_in_its_mel_bin(config):
    filters = mel_filters(config)
    assert filters.shape[1] == config.num_bins and (filters.max(axis=0) > 0.3).all()
    centres = filters.argmax(axis=0) * config.sample_rate / (2 * (len(filters) - 1))
    samples = np.arange(config.sample_rate // 4)
    for number in (config.num_bins // 4, config.num_bins // 2, config.num_bins - 3):
        tone = 8000 * np.sin(2 * np.pi * centres[number] / config.sample_rate * samples)
        features = np.asarray(log_mel(tone[None].astype(np.int16), config))[0]
        assert len(features) == config.num_frames(len(samples))
        assert np.isfinite(features).all()
        assert (features[1:].argmax(axis=1) == number).all()


def test_log_mel_equals_numpy():
    audio = data.utterances("test")["inputs"][:2]
    signal = audio / 2**15
    signal = signal - 0.97 * np.pad(signal[:, :-1], ((0, 0), (1, 0)))
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(100) / 100)
    pieces = np.stack([signal[:, 40 * i : 40 * i + 100] for i in range(96)], axis=1)
    mel = np.abs(np.fft.rfft(pieces * window, 256)) @ mel_filters(LITE_FRONTEND)
    expected = (np.log(np.maximum(mel, 1e-5)) - LITE_FRONTEND.mean) / LITE_FRONTEND.std
    np.testing.assert_allclose(log_mel(audio, LITE_FRONTEND), expected, atol=2e-3)


def test_features_are_standardised():
    utterances = {name: array[:256] for name, array in data.utterances("train").items()}
    features = np.asarray(log_mel(utterances["inputs"], LITE_FRONTEND))
    lengths = LITE_FRONTEND.num_frames(utterances["input_lengths"])
    valid = features[np.arange(features.shape[1]) < lengths[:, None]]
    assert abs(valid.mean()) < 0.1 and abs(valid.std() - 1) < 0.1


def test_spec_augment_masks_what_it_may():
    size, num_frames = 64, 100
    config = dataclasses.replace(
        LITE_FRONTEND, freq_mask_bins=4, time_mask_frames=40, time_mask_ratio=0.05
    )
    lengths = np.tile([100, 60], size // 2)
    ones = jnp.ones((size, num_frames, config.num_bins))
    augment = jax.jit(
        lambda key, masks: spec_augment(ones, lengths, key, config, masks), static_argnums=1
    )
    masked = np.asarray(augment(jax.random.key(0), (2, 3))) == 0
    bands, stretches = masked.all(axis=1), masked.all(axis=2)
    np.testing.assert_array_equal(masked, bands[:, None] | stretches[:, :, None])
    assert bands.sum(axis=1).max() in (7, 8) and bands.any(axis=0).all()
    assert 3 < bands.sum(axis=1).mean() < 4.5  # two masks of 2 bins on average, or of 0 to 4
    # At most 5% of an utterance per mask, and nothing after its end.
    for length in (100, 60):
        found = stretches[lengths == length]
        assert 0 < found.sum(axis=1).max() <= 3 * 0.05 * length
        assert not found[:, length:].any() and found[:, : length // 2].any()
    assert len(np.unique(masked.reshape(size, -1), axis=0)) > size // 2
    assert not np.array_equal(masked, augment(jax.random.key(1), (2, 3)) == 0)
    np.testing.assert_array_equal(augment(jax.random.key(0), (0, 0)), ones)


# --- layers -----------------------------------------------------------------------------------


def test_batch_norm_sees_valid_frames_alone():
    rng = np.random.default_rng(0)
    x = rng.normal(2.0, 3.0, (4, 6, 5)).astype(np.float32)
    valid = np.arange(6) < np.array([6, 1, 3, 0])[:, None]
    params = {"scale": rng.normal(size=5), "bias": rng.normal(size=5)}
    state = {"mean": np.full(5, 0.5), "var": np.full(5, 2.0)}
    variables = {"params": params, "batch_stats": state}
    layer = BatchNorm(momentum=0.9)
    y, new = layer.apply(variables, x, valid, True, mutable=["batch_stats"])
    mean, var = x[valid].mean(axis=0), x[valid].var(axis=0)
    expected = (x - mean) / np.sqrt(var + 1e-3) * (1 + params["scale"]) + params["bias"]
    np.testing.assert_allclose(y, np.where(valid[..., None], expected, 0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(new["batch_stats"]["mean"], 0.45 + 0.1 * mean, rtol=1e-4)
    np.testing.assert_allclose(new["batch_stats"]["var"], 1.8 + 0.1 * var, rtol=1e-4)
    evaluated = layer.apply(variables, x, valid, False)
    expected = (x - 0.5) / np.sqrt(2.001) * (1 + params["scale"]) + params["bias"]
    np.testing.assert_allclose(evaluated[valid], expected[valid], rtol=1e-4, atol=1e-5)


def test_layer_norm_is_linens_with_one_plus_scale():
    rng = np.random.default_rng(0)
    x, scale, bias = rng.normal(size=(3, 7, 5)), rng.normal(size=5), rng.normal(size=5)
    got = LayerNorm().apply({"params": {"scale": scale, "bias": bias}}, x.astype(np.float32))
    linens = nn.LayerNorm().apply({"params": {"scale": 1 + scale, "bias": bias}}, x)
    np.testing.assert_allclose(got, linens, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [(40, 60), (3, 3, 16, 32)])
def test_flat_initialisation_has_the_limits_of_linens(shape):
    ours, linens = (
        init(jax.random.key(0), shape)
        for init in (xavier_uniform, nn.initializers.xavier_uniform())
    )
    assert ours.shape == shape and ours.dtype == jnp.float32
    np.testing.assert_allclose(abs(ours).max(), abs(linens).max(), rtol=0.02)
    np.testing.assert_allclose(ours.std(), linens.std(), rtol=0.05)


def test_one_output_frame_from_four():
    layer = SpeechInput(LITE_FRONTEND, 6, 2, positions=True, freq_masks=2, time_masks=2)
    audio = data.utterances("test")["inputs"][:3]
    lengths = jnp.array([3900, 100 + 40 * 8, 100 + 40 * 7])  # 96, 9 and 8 frames
    run = functools.partial(layer.init_with_output, train=False, dropout_rate=0.0)
    (x, valid), _ = jax.jit(run)(jax.random.key(0), audio, lengths)
    assert x.shape == (3, 24, 6) and valid.sum(axis=1).tolist() == [24, 3, 2]


# --- CTC and words ----------------------------------------------------------------------------


def collapse(path) -> tuple[int, ...]:
    return tuple(token for token, _ in itertools.groupby(path) if token)


@pytest.mark.parametrize(
    "num_frames, tokens", [(4, (1, 2)), (4, (1, 1)), (3, (2,)), (2, (1, 2)), (4, ())]
)
def test_loss_sums_over_all_paths(num_frames, tokens):
    logits = np.random.default_rng(0).normal(size=(5, 3))  # 5 frames, of which some are padding
    log_probs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    likelihood = sum(
        np.exp(sum(log_probs[t, token] for t, token in enumerate(path)))
        for path in itertools.product(range(3), repeat=num_frames)
        if collapse(path) == tokens
    )
    paddings = (np.arange(5) >= num_frames).astype(np.float32)
    targets = np.zeros((1, 4), np.int32)
    targets[0, : len(tokens)] = tokens
    loss = ctc_losses(logits[None].astype(np.float32), paddings[None], targets)
    np.testing.assert_allclose(loss, [-np.log(likelihood)], rtol=1e-4)


def test_loss_dictionary():
    workload = workloads.load("librispeech_conformer")
    rng = np.random.default_rng(0)
    logits = jnp.asarray(rng.normal(size=(3, 9, 5)), jnp.float32), jnp.zeros((3, 9))
    targets = np.array([[1, 2, 3, 0], [4, 0, 0, 0], [2, 1, 2, 1]], np.int32)
    losses = ctc_losses(*logits, targets)
    whole = workload.loss_fn(targets, logits)
    np.testing.assert_allclose(whole["summed"], losses.sum(), rtol=1e-6)
    assert whole["n_valid_examples"] == 3 + 1 + 4  # tokens
    masked = workload.loss_fn(targets, logits, np.array([1.0, 0.0, 1.0], np.float32))
    np.testing.assert_allclose(masked["summed"], losses[0] + losses[2], rtol=1e-6)
    assert masked["n_valid_examples"] == 3 + 4 and masked["per_example"][1] == 0
    smoothed = workload.loss_fn(targets, logits, label_smoothing=0.3)  # ignored, as in AlgoPerf
    assert smoothed["summed"] == whole["summed"]


def test_greedy_decoding_collapses_the_best_path():
    rng = np.random.default_rng(0)
    best = rng.integers(0, 3, (40, 8))
    best[0], best[1] = 0, 2  # nothing but blanks; one token all along
    lengths = rng.integers(0, 9, 40)
    paddings = (np.arange(8) >= lengths[:, None]).astype(np.float32)
    decoded = np.asarray(greedy_decode(np.eye(3)[best], paddings))
    for row, path, length in zip(decoded, best, lengths, strict=True):
        expected = collapse(path[:length])
        assert tuple(row) == (*expected, *[0] * (8 - len(expected)))


def edit_distance(one: list[str], other: list[str]) -> int:
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        above_left, row[0] = row[0], i
        for j, b in enumerate(other, 1):
            above_left, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, above_left + (a != b))
    return row[-1]


_SENTENCES = st.lists(st.sampled_from(["a", "b", "ab"]), max_size=4).map(" ".join)


@given(st.lists(st.tuples(_SENTENCES, _SENTENCES), max_size=6))
def test_word_errors_are_edit_distances(pairs):
    references, hypotheses = [r for r, _ in pairs], [h for _, h in pairs]
    words = sum(len(r.split()) for r in references)
    rate = word_error_rate(references, hypotheses)
    if not words:
        assert np.isnan(rate)
        return
    errors = sum(edit_distance(r.split(), h.split()) for r, h in pairs)
    assert rate == pytest.approx(errors / words)
    if all(r for r in references):
        assert rate == pytest.approx(jiwer.wer(references, hypotheses))


def test_metrics_of_hand_written_transcripts():
    workload = workloads.load("librispeech_deepspeech")
    said = ["et", "ewa"], ["ug"], ["ye", "et"]
    heard = ["et"], ["ug", "et"], []  # a deletion, an insertion, two deletions
    rows = {}
    for name, sentences in (("targets", said), ("decoded", heard)):
        rows[name] = np.zeros((3, 8), np.int32)
        for row, words in zip(rows[name], sentences, strict=True):
            ids = language.tokens(words)
            row[: len(ids)] = ids
    metrics = workload.eval_metrics({**rows, "ctc_loss": np.array([1.0, 2.0, 4.0])})
    assert metrics["wer"] == pytest.approx(4 / 5)
    assert metrics["ctc_loss"] == pytest.approx(7.0 / (6 + 2 + 5))
    assert workload.target_metric_name == "wer" and workload.lower_is_better
