"""Widths of the language model: the base stays itself, muP keeps what training changes in size."""

import dataclasses
import functools

import jax
import numpy as np
import optax
import pytest

import workloads
from algoperf_lite.optimizers.mup import mup
from algoperf_lite.spec import ForwardPassMode
from workloads.finewebedu_lm.workload import at_width

WIDTHS = (32, 64, 128, 256)


def configured(workload, **changes):
    return dataclasses.replace(workload, config=dataclasses.replace(workload.config, **changes))


@functools.cache
def init_of(workload):
    return jax.jit(workload.init_model_fn)(jax.random.key(3))[0]


@functools.partial(jax.jit, static_argnums=0)
def logits_of(workload, params, tokens):
    rng = jax.random.key(1)
    return workload.model_fn(params, {"inputs": tokens}, {}, ForwardPassMode.EVAL, rng, False)[0]


def tokens_of(workload, rows=4):
    return workload.dataset("validation")["inputs"][:rows, : workload.config.seq_len]


def hidden_names(workload):
    types = jax.tree_util.tree_leaves_with_path(workload.model_params_types)
    return {jax.tree_util.keystr(path) for path, _ in types if path[-1].key == "kernel"}


# Of the code before the model had multipliers, its gate made a sigmoid and the same parameters
# given to it; on that machine equal to the last bit.
@pytest.mark.parametrize("name, loss", [("", 1378.6533), ("_no_qk_norm", 1378.9757)])
def test_the_base_model_is_what_it_was(name, loss):
    workload = workloads.load(f"finewebedu_lm{name}")
    batch = {key: values[:4] for key, values in workload.dataset("validation").items()}
    logits = logits_of(workload, init_of(workload), batch["inputs"])
    found = jax.jit(workload.loss_fn)(batch["targets"], logits)["summed"]
    np.testing.assert_allclose(found, loss, rtol=1e-5)


def test_the_base_width_is_the_base_workload():
    for scale in ("lite", "full"):
        workload = workloads.load("finewebedu_lm", scale)
        assert at_width(workload, workload.config.d_model) == workload
        wider = at_width(workload, 5 * workload.config.d_model)
        assert at_width(wider, workload.config.d_model) == workload
        assert "multiplier" not in repr(workload), "calibrations would be measured again"
        assert set(jax.tree.leaves(workload.learning_rate_multipliers)) == {1.0}


def test_heads_and_mlp_grow_with_the_width():
    wide = at_width(workloads.load("finewebedu_lm"), 256).config
    assert (wide.num_heads, wide.mlp_hidden) == (8, 512)
    assert (wide.width_multiplier, wide.head_multiplier) == (4.0, 1.0)
    wide_heads = at_width(workloads.load("finewebedu_lm"), 256, num_heads=2).config
    assert (wide_heads.width_multiplier, wide_heads.head_multiplier) == (4.0, 4.0)
    with pytest.raises(ValueError, match="multiple of the head width, which is 32"):
        at_width(workloads.load("finewebedu_lm"), 100)


def test_matrices_start_smaller_and_learn_slower_by_the_multiplier():
    base = workloads.load("finewebedu_lm")
    scaled = configured(base, width_multiplier=4.0)
    multipliers = dict(jax.tree_util.tree_leaves_with_path(scaled.learning_rate_multipliers))
    other = dict(jax.tree_util.tree_leaves_with_path(init_of(scaled)))
    for path, leaf in jax.tree_util.tree_leaves_with_path(init_of(base)):
        hidden = jax.tree_util.keystr(path) in hidden_names(base)
        assert multipliers[path] == (0.25 if hidden else 1.0)
        np.testing.assert_array_equal(leaf, other[path] * (2 if hidden else 1))
    wide = init_of(at_width(base, 256))
    np.testing.assert_allclose(wide["attention_0"]["query"]["kernel"].std(), 0.01, rtol=0.02)
    np.testing.assert_allclose(wide["mlp_0"]["down"]["kernel"].std(), 0.005, rtol=0.02)
    np.testing.assert_allclose(wide["token_embed"]["embedding"].std(), 0.02, rtol=0.02)


def test_logits_and_scores_are_divided_by_the_multipliers():
    base = workloads.load("finewebedu_lm_no_qk_norm")
    params, tokens = init_of(base), tokens_of(base)
    expected = logits_of(base, params, tokens)
    np.testing.assert_array_equal(
        4 * logits_of(configured(base, width_multiplier=4.0), params, tokens), expected
    )
    louder = jax.tree.map(lambda leaf: leaf, params)
    for layer in range(base.config.num_layers):
        louder[f"attention_{layer}"]["query"]["kernel"] *= 2
    np.testing.assert_array_equal(
        logits_of(configured(base, head_multiplier=4.0), louder, tokens), expected
    )


def test_only_the_ratio_of_embedding_and_residual_multipliers_counts():
    """The stream is normalised wherever it is read."""
    base = workloads.load("finewebedu_lm")
    # Far from the norm's epsilon; louder scores would make roundings of the stream large.
    params = jax.tree.map(lambda leaf: 5 * leaf if leaf.ndim == 2 else leaf, init_of(base))
    tokens = tokens_of(base)
    expected = logits_of(base, params, tokens)
    logits = {
        factors: logits_of(
            configured(base, embedding_multiplier=factors[0], residual_multiplier=factors[1]),
            params,
            tokens,
        )
        for factors in ((3.0, 3.0), (3.0, 1.0), (1.0, 1 / 3))
    }
    np.testing.assert_allclose(logits[3.0, 3.0], expected, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(logits[3.0, 1.0], logits[1.0, 1 / 3], rtol=1e-3, atol=1e-3)
    assert np.abs(logits[3.0, 1.0] - expected).max() > 0.1


# --- coordinate check: Yang et al. 2022 -----------------------------------------------------


@functools.cache
def changes(workload, num_steps=4, learning_rate=3e-3):
    """Root mean square of what a few steps of Adam on one batch change in each activation."""
    batch = {key: values[:8, :16] for key, values in workload.dataset("validation").items()}
    tx = mup(optax.adam(learning_rate), workload.learning_rate_multipliers)

    def loss(params):
        logits, captured = workload.model().apply(
            *({"params": params}, batch["inputs"], False, 0.0),
            capture_intermediates=lambda module, _: module.name in ("attention_0", "mlp_0"),
            mutable=["intermediates"],
        )
        seen = {name: out["__call__"][0] for name, out in captured["intermediates"].items()}
        summed = workload.loss_fn(batch["targets"], logits)
        return summed["summed"] / summed["n_valid_examples"], {"logits": logits, **seen}

    @jax.jit
    def step(params, state):
        gradient, seen = jax.grad(loss, has_aux=True)(params)
        updates, state = tx.update(gradient, state, params)
        return optax.apply_updates(params, updates), state, seen

    params = init_of(workload)
    state = tx.init(params)
    history = []
    for _ in range(num_steps + 1):
        params, state, seen = step(params, state)
        history.append(seen)
    return {
        name: float(np.sqrt(np.mean(np.square(history[-1][name] - first))))
        for name, first in history[0].items()
    }


def one_layer(variant, width, num_heads=None):
    base = configured(workloads.load(f"finewebedu_lm{variant}"), num_layers=1, seq_len=16)
    return at_width(base, width, num_heads)


@pytest.mark.parametrize("variant, num_heads", [("", None), ("_no_qk_norm", 1)])
def test_steps_of_adam_change_activations_alike_at_every_width(variant, num_heads):
    measured = [changes(one_layer(variant, width, num_heads)) for width in WIDTHS]
    for activation in measured[0]:
        sizes = [found[activation] for found in measured]
        assert max(sizes) < 2 * min(sizes), (activation, dict(zip(WIDTHS, sizes, strict=True)))


def test_without_it_changes_grow_with_the_width():
    measured = [changes(configured(one_layer("", width), width_multiplier=1.0)) for width in WIDTHS]
    for activation in measured[0]:
        sizes = [found[activation] for found in measured]
        assert sizes == sorted(sizes), activation
        assert sizes[-1] > 4 * sizes[0], (activation, dict(zip(WIDTHS, sizes, strict=True)))
