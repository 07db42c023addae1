"""SOAP against plain loops in float64, written from the paper."""

import directions
import numpy as np
import optax

from algoperf_lite.optimizers import soap

MAX_DIM, FREQUENCY = 12, 3
B1, B2, EPS = 0.9, 0.95, 1e-8
OPTIONS = {"max_precondition_dim": MAX_DIM, "precondition_frequency": FREQUENCY}
# Leaf shape and the dimensions that are rotated, by hand.
LEAVES = {
    "matrix": ((8, 8), (0, 1)),  # square: the first basis of a longer mode is not unique
    "one_sided": ((14, 5), (1,)),
    "unrotated": ((13, 14), ()),
    "third_order": ((4, 5, 6), (0, 1, 2)),
    "kernel": ((2, 3, 1, 5), (0, 1, 3)),
    "bias": ((9,), ()),
    "scalar": ((), ()),
}
SHAPES = {name: shape for name, (shape, _) in LEAVES.items()}


def test_directions_equal_plain_loops():
    grads = directions.gradients(SHAPES)
    found = directions.directions(soap.scale_by_soap(B1, B2, EPS, **OPTIONS), grads)
    for name, (_, modes) in LEAVES.items():
        expected = _soap([np.float64(grad[name]) for grad in grads], modes)
        directions.check_close([step[name] for step in found], expected)


def _soap(grads, modes):
    """Algorithm 3, with the first gradient used for the first basis only."""
    factors = {k: (1 - B2) * _gram(grads[0], k) for k in modes}
    bases = {k: np.linalg.svd(factor)[0] for k, factor in factors.items()}
    m, v, out = np.zeros_like(grads[0]), np.zeros_like(grads[0]), [np.zeros_like(grads[0])]
    for t, g in enumerate(grads[1:], start=1):
        m = B1 * m + (1 - B1) * g
        v = B2 * v + (1 - B2) * _along(g, bases, inverse=True) ** 2
        m_hat, v_hat = m / (1 - B1**t), v / (1 - B2**t)
        adam = _along(m_hat, bases, inverse=True) / (np.sqrt(v_hat) + EPS)
        out.append(_along(adam, bases, inverse=False))
        for k in modes:
            factors[k] = B2 * factors[k] + (1 - B2) * _gram(g, k)
        if t % FREQUENCY == 0:
            for k in modes:
                # The authors' implementation sorts by falling eigenvalue before the power step.
                estimates = [q @ factors[k] @ q for q in bases[k].T]
                order = np.argsort(estimates)[::-1]
                v = np.moveaxis(np.moveaxis(v, k, 0)[order], 0, k)
                bases[k] = _gram_schmidt(factors[k] @ bases[k][:, order])
    return out


def _gram(x, mode):
    unfolded = np.moveaxis(x, mode, 0).reshape(x.shape[mode], -1)
    return unfolded @ unfolded.T


def _along(x, bases, inverse):
    for k, basis in bases.items():
        matrix = basis.T if inverse else basis
        x = np.moveaxis(np.tensordot(matrix, x, (1, k)), 0, k)
    return x


def _gram_schmidt(columns):
    basis = []
    for column in columns.T:
        for _ in range(2):  # once more for rounding
            for q in basis:
                column = column - (q @ column) * q
        basis.append(column / np.linalg.norm(column))
    return np.stack(basis, axis=1)


def test_small_leaves_are_plain_adam_one_step_later():
    grads = directions.gradients({"bias": (9,)})
    found = directions.directions(soap.scale_by_soap(B1, B2, EPS), grads)
    expected = directions.directions(optax.scale_by_adam(B1, B2, EPS), grads[1:])
    assert not np.any(found[0]["bias"])
    directions.check_close([step["bias"] for step in found[1:]], [s["bias"] for s in expected])


def test_the_chain_decays_weights_apart_from_the_gradient():
    grads = directions.gradients({"matrix": (5, 7)})
    params = {"matrix": np.ones((5, 7), np.float32)}
    optimizer, bare = soap.soap(0.1, weight_decay=0.5), soap.scale_by_soap()
    state, bare_state = optimizer.init(params), bare.init(params)
    for grad in grads[:2]:
        updates, state = optimizer.update(grad, state, params)
        direction, bare_state = bare.update(grad, bare_state)
    np.testing.assert_allclose(updates["matrix"], -0.1 * (direction["matrix"] + 0.5), rtol=1e-5)


def test_members_of_a_vmapped_scan_equal_single_runs():
    def make(learning_rate, b1, b2, weight_decay):
        return soap.soap(learning_rate, b1, b2, weight_decay=weight_decay, **OPTIONS)

    directions.check_vmapped(make, directions.gradients(SHAPES))


def test_gradients_of_zero_move_nothing():
    transformation = soap.scale_by_soap(**OPTIONS)
    grads = [{"matrix": np.zeros((5, 7), np.float32)}] * 8
    assert not np.any([step["matrix"] for step in directions.directions(transformation, grads)])


def test_it_beats_gradient_descent_on_ill_conditioned_quadratics():
    schedule = optax.linear_schedule(0.2, 0.0, 100)
    optimizer = soap.soap(schedule, weight_decay=0.0, precondition_frequency=5)
    both = [optimizer, optax.sgd(1.0)]  # 1 / largest curvature
    # By how much hangs on the quadratic, and on how a version of LAPACK turns eigenvectors of zero.
    losses = [directions.quadratic_losses(both, seed=seed) for seed in range(7)]
    ratios = [ours / sgd for ours, sgd in losses]
    assert max(ratios) < 0.75 and np.median(ratios) < 1 / 3
