"""Run an optimizer in the ways that the harness does, for tests of gradient transformations."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

NUM_STEPS = 20


def gradients(shapes, seed=0):
    """A list of trees of random gradients whose scale falls threefold along each dimension."""
    rng = np.random.default_rng(seed)
    trees = []
    for _ in range(NUM_STEPS):
        tree = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
        for grad in tree.values():
            for axis, d in enumerate(grad.shape):
                scale = np.geomspace(3.0, 1.0, d).reshape([-1] + [1] * (grad.ndim - axis - 1))
                grad *= scale
        trees.append({name: np.float32(grad) for name, grad in tree.items()})
    return trees


def directions(transformation, grads):
    """The updates for each of `grads`, after checking that one compiled step serves them all."""
    traces = 0

    def update(grad, state):
        nonlocal traces
        traces += 1
        return transformation.update(grad, state)

    step, updates = jax.jit(update), []
    state = transformation.init(jax.tree.map(jnp.zeros_like, grads[0]))
    form = _form(state)
    for grad in grads:
        update_, state = step(grad, state)
        assert _form(state) == form
        assert _form(update_) == _form(grad)
        updates.append(jax.tree.map(np.asarray, update_))
    assert traces == 1
    return updates


def check_close(found, expected, tolerance=1e-4):
    """Relative to the largest entry of each array."""
    for step, (one, other) in enumerate(zip(found, expected, strict=True)):
        atol = tolerance * np.max(np.abs(other))
        np.testing.assert_allclose(one, other, rtol=0, atol=atol, err_msg=f"step {step}")


def check_vmapped(make, grads):
    """Members of different learning rates and betas as one program, and each alone."""
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *grads)
    params = jax.tree.map(jnp.ones_like, grads[0])

    def run(learning_rate, b1, b2, weight_decay):
        optimizer = make(learning_rate, b1, b2, weight_decay)

        def step(carry, grad):
            params, state = carry
            updates, state = optimizer.update(grad, state, params)
            return (optax.apply_updates(params, updates), state), None

        return jax.lax.scan(step, (params, optimizer.init(params)), stacked)[0][0]

    members = np.float32([[0.1, 0.9, 0.99, 0.1], [0.01, 0.8, 0.9, 0.0]])
    together, alone = jax.jit(jax.vmap(run))(*members.T), jax.jit(run)
    for index, member in enumerate(members):
        expected = alone(*member)
        for name in grads[0]:
            check_close([together[name][index]], [expected[name]], 1e-3)


def quadratic_losses(optimizers, num_steps=100, seed=0):
    """Final losses on f(W) = tr(W^T A W B) / 2, A and B of condition number 100, from W = 1."""
    rng = np.random.default_rng(seed)
    a, b = (_spd(rng, 8), _spd(rng, 6))

    def loss(w):
        return 0.5 * jnp.sum(w * (a @ w @ b))

    def run(optimizer):
        def step(carry, _):
            params, state = carry
            updates, state = optimizer.update(jax.grad(loss)(params), state, params)
            return (optax.apply_updates(params, updates), state), None

        start = jnp.ones((8, 6))
        (params, _), _ = jax.lax.scan(step, (start, optimizer.init(start)), length=num_steps)
        return loss(params)

    return [float(jax.jit(run, static_argnums=0)(optimizer)) for optimizer in optimizers]


def _spd(rng, d):
    q, _ = np.linalg.qr(rng.standard_normal((d, d)))
    return np.float32((q * np.geomspace(1.0, 0.01, d)) @ q.T)


def _form(tree):
    leaves = [(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(tree)]
    return jax.tree.structure(tree), leaves
