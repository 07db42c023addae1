"""Shampoo against plain loops in float64, written from the paper."""

import functools

import directions
import jax
import numpy as np
import optax
import pytest
import scipy.linalg

from algoperf_lite.optimizers import shampoo, soap

BLOCK, INTERVAL, START = 8, 3, 4
B1, B2, EPS = 0.9, 0.95, 1e-6
OPTIONS = {"blocking": shampoo.Blocking(BLOCK), "interval": INTERVAL, "start": START}
# By hand: leaf shape, the same with neighbours merged up to 8, and each mode cut into blocks.
LEAVES = {
    "matrix": ((5, 7), (5, 7), ((5,), (7,))),
    "large": ((12, 20), (12, 20), ((6, 6), (7, 7, 6))),
    "third_order": ((5, 6, 7), (5, 6, 7), ((5,), (6,), (7,))),
    "kernel": ((2, 3, 1, 10), (6, 10), ((6,), (5, 5))),
    "bias": ((9,), None, None),
    "scalar": ((), None, None),
}
SHAPES = {name: leaf[0] for name, leaf in LEAVES.items()}


@pytest.mark.parametrize(
    ("nesterov", "graft", "root"),
    [(True, "adam", None), pytest.param(False, "rmsprop", 2, marks=pytest.mark.slow)],
)
def test_directions_equal_plain_loops(nesterov, graft, root):
    grads = directions.gradients(SHAPES)
    transformation = shampoo.scale_by_shampoo(
        B1, B2, EPS, nesterov=nesterov, graft=graft, root=root, **OPTIONS
    )
    found = directions.directions(transformation, grads)
    for name, (shape, merged, cuts) in LEAVES.items():
        leaf_grads = [np.float64(grad[name]) for grad in grads]
        grafted = _grafted(leaf_grads, nesterov, graft)
        expected = [adam for _, adam in grafted]
        if merged is not None:
            expected = _shampoo(leaf_grads, grafted, merged, cuts, root)
        directions.check_close(
            [step[name] for step in found], [step.reshape(shape) for step in expected]
        )


def test_a_mode_above_the_limit_is_left_out():
    shapes = {"table": (30, 12), "two": (30, 25)}  # the second leaf has no mode left
    grads = directions.gradients(shapes)
    options = {**OPTIONS, "blocking": shampoo.Blocking(BLOCK, max_dim=20)}
    transformation = shampoo.scale_by_shampoo(B1, B2, EPS, **options)
    found = directions.directions(transformation, grads)
    for name, shape in shapes.items():
        leaf_grads = [np.float64(grad[name]) for grad in grads]
        grafted = _grafted(leaf_grads, True, "adam")
        expected = [adam for _, adam in grafted]
        if name == "table":
            expected = _shampoo(leaf_grads, grafted, shape, ((30,), (6, 6)), None, modes=(1,))
        directions.check_close([step[name] for step in found], expected)


def test_a_table_of_millions_of_rows_has_a_small_state():
    table = {"embedding": jax.ShapeDtypeStruct((4_194_304, 128), "float32")}
    for transformation in (shampoo.scale_by_shampoo(), soap.scale_by_soap()):
        state = jax.eval_shape(transformation.init, table)
        updates, after = jax.eval_shape(transformation.update, table, state)
        assert updates["embedding"].shape == (4_194_304, 128)
        sizes = [leaf.size for leaf in jax.tree.leaves(after)]
        moments = 2 * 4_194_304 * 128
        assert sum(sizes) - moments < 2 * 128**2 + 10  # a factor and a root, or a basis


def _grafted(grads, nesterov, graft):
    """[(averaged gradient, Adam's or RMSprop's direction)] per step."""
    m, v, out = np.zeros_like(grads[0]), np.zeros_like(grads[0]), []
    for t, g in enumerate(grads, start=1):
        m, v = B1 * m + (1 - B1) * g, B2 * v + (1 - B2) * g**2
        m_hat = m / (1 - B1**t)
        if nesterov:
            m_hat = B1 * m / (1 - B1 ** (t + 1)) + (1 - B1) * g / (1 - B1**t)
        v_hat = v / (1 - B2**t) if graft == "adam" else v
        out.append((m_hat, m_hat / (np.sqrt(v_hat) + 1e-8)))
    return out


def _shampoo(grads, grafted, merged, cuts, root, modes=None):
    """Every block on its own: factors and roots of `modes` or of all, the graft's norm."""
    out = [adam.reshape(merged).copy() for _, adam in grafted]
    for block in _slices(cuts):
        kept = range(len(block)) if modes is None else modes
        p = root or 2 * len(kept)
        factors = dict.fromkeys(kept, 0.0)
        for t, (g, (m_hat, adam)) in enumerate(zip(grads, grafted, strict=True), start=1):
            g = g.reshape(merged)[block]
            for k in kept:
                unfolded = np.moveaxis(g, k, 0).reshape(g.shape[k], -1)
                factors[k] = B2 * factors[k] + (1 - B2) * unfolded @ unfolded.T
            if t < START:
                continue
            if (t - START) % INTERVAL == 0:
                roots = {k: _inverse_root(f / (1 - B2**t), p) for k, f in factors.items()}
            direction = m_hat.reshape(merged)[block]
            for k in kept:
                direction = np.moveaxis(np.tensordot(roots[k], direction, (1, k)), 0, k)
            norm = np.linalg.norm(adam.reshape(merged)[block])
            out[t - 1][block] = direction * norm / np.linalg.norm(direction)
    return out


def _slices(cuts):
    if not cuts:
        yield ()
        return
    start = 0
    for length in cuts[0]:
        for rest in _slices(cuts[1:]):
            yield (slice(start, start + length), *rest)
        start += length


def _inverse_root(factor, p):
    ridge = EPS * np.linalg.norm(factor, 2) * np.eye(len(factor))
    return np.linalg.inv(scipy.linalg.fractional_matrix_power(factor + ridge, 1 / p))


@pytest.mark.parametrize(
    ("shape", "merged"),
    [
        ((3, 3, 32, 64), (9, 32, 64)),
        ((64, 4, 16), (64, 64)),
        ((8, 4), (8, 4)),
        ((1, 64), (64,)),
        ((3, 3, 1, 2), (9, 2)),
        ((), ()),
    ],
)
def test_merged_shape(shape, merged):
    assert shampoo.merged_shape(shape, 64) == merged


def test_before_the_start_it_is_nadam():
    grads = directions.gradients(SHAPES)
    found = directions.directions(shampoo.scale_by_shampoo(B1, B2, start=100), grads)
    nadam = optax.scale_by_adam(B1, B2, nesterov=True)
    expected = directions.directions(nadam, grads)
    for name in SHAPES:
        directions.check_close(
            [step[name] for step in found], [step[name] for step in expected], 1e-6
        )


def test_the_chain_decays_weights_apart_from_the_gradient():
    grads = directions.gradients({"matrix": (5, 7)})[0]
    params = {"matrix": np.ones((5, 7), np.float32)}
    optimizer, bare = shampoo.shampoo(0.1, weight_decay=0.5), shampoo.scale_by_shampoo()
    updates, _ = optimizer.update(grads, optimizer.init(params), params)
    direction, _ = bare.update(grads, bare.init(params))
    np.testing.assert_allclose(updates["matrix"], -0.1 * (direction["matrix"] + 0.5), rtol=1e-5)


def test_members_of_a_vmapped_scan_equal_single_runs():
    def make(learning_rate, b1, b2, weight_decay):
        return shampoo.shampoo(learning_rate, b1, b2, weight_decay=weight_decay, **OPTIONS)

    directions.check_vmapped(make, directions.gradients(SHAPES))


def test_gradients_of_zero_move_nothing():
    transformation = shampoo.scale_by_shampoo(**OPTIONS)
    grads = [{"matrix": np.zeros((5, 7), np.float32)}] * 8
    assert not np.any([step["matrix"] for step in directions.directions(transformation, grads)])


def test_it_beats_gradient_descent_on_an_ill_conditioned_quadratic():
    schedule = optax.linear_schedule(0.2, 0.0, 100)
    make = functools.partial(shampoo.shampoo, schedule, weight_decay=0.0, interval=5)
    ours, sgd = directions.quadratic_losses([make(), optax.sgd(1.0)])  # 1 / largest curvature
    assert ours < 0.1 * sgd


def test_an_unknown_graft_is_refused():
    with pytest.raises(ValueError, match="unknown graft 'sgd'"):
        shampoo.scale_by_shampoo(graft="sgd")
