"""What both speech workloads rest on: masked layers, CTC and word errors."""

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
from workloads.librispeech.frontend import log_mel
from workloads.librispeech.layers import BatchNorm, LayerNorm, SpeechInput, xavier_uniform
from workloads.librispeech.speech import LITE_FRONTEND

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
    lengths = jnp.array([3900, 40 * 9, 40 * 8])  # 96, 9 and 8 frames
    run = functools.partial(layer.init_with_output, train=False, dropout_rate=0.0)
    (x, valid), _ = jax.jit(run)(jax.random.key(0), audio, lengths)
    assert x.shape == (3, 24, 6) and valid.sum(axis=1).tolist() == [24, 3, 2]


def strided(x_TxFxC, kernel, bias):
    """A 3x3 convolution of stride 2 as a sum over its taps; even sizes are padded at their end."""
    padded = np.pad(x_TxFxC, ((0, 1), (0, 1), (0, 0)))
    rows, columns = (2 * np.arange(size // 2) for size in x_TxFxC.shape[:2])
    taps = itertools.product(range(3), range(3))
    return bias + sum(padded[rows + i][:, columns + j] @ kernel[i, j] for i, j in taps)


@pytest.mark.parametrize(
    "activate, by_numpy", [(nn.relu, lambda x: x.clip(0)), (jnp.tanh, np.tanh)]
)
def test_convolutions_hear_the_silence_after_the_end(activate, by_numpy):
    layer = SpeechInput(LITE_FRONTEND, 6, 2, False, freq_masks=2, time_masks=2, activate=activate)
    audio = data.utterances("test")["inputs"][:1].copy()
    audio[:, 360:] = 0
    inputs = audio, jnp.array([360])  # 9 frames of 96
    init = functools.partial(layer.init, train=False, dropout_rate=0.0)
    shapes = jax.eval_shape(init, jax.random.key(0), *inputs)["params"]
    rng = np.random.default_rng(0)
    p = jax.tree.map(lambda leaf: rng.normal(0.0, 0.5, leaf.shape), shapes)
    x, valid = layer.apply({"params": p}, *inputs, False, 0.0)
    # Nine frames, then five and three. Frame 9 is padding, and not zero: its logarithm is not.
    first = by_numpy(
        strided(np.asarray(log_mel(audio, LITE_FRONTEND))[0, ..., None], **p["Conv_0"])
    )
    first[5:] = 0
    second = by_numpy(strided(first, **p["Conv_1"]))
    dense = p["Dense_0"]
    expected = second[:3].reshape(3, -1) @ dense["kernel"] + dense["bias"]
    np.testing.assert_allclose(x[0, :3], expected, rtol=1e-3, atol=1e-3)
    assert valid.sum() == 3


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
    nothing = workload.loss_fn(targets, logits, np.zeros(3, np.float32))
    assert nothing["n_valid_examples"] == 1 and nothing["summed"] == 0  # a mean is still a number
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
