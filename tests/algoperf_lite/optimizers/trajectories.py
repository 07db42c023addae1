"""Random gradients on leaves of 1 to 3 dimensions, and the parameters that follow from them."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

SHAPES = {"matrix": (5, 3), "tensor": (2, 3, 4), "vector": (7,)}
NUM_STEPS = 20


def random_trees(num, seed=0):
    """`num` trees of float32 values, as float64: what both sides of a comparison start from."""
    rng = np.random.default_rng(seed)
    return [
        {name: rng.normal(size=shape).astype(np.float32).astype(float) for name, shape in items}
        for items in [SHAPES.items()] * num
    ]


def params_after(optimizer, params, grads):
    """Parameters after one step per tree in `grads`, by a jitted step in float32.

    Asserts on the way that the step compiles once and that the state keeps its form.
    """
    traces = 0

    @jax.jit
    def step(params, state, grads):
        nonlocal traces
        traces += 1
        updates, state = optimizer.update(grads, state, params)
        return optax.apply_updates(params, updates), state

    params = _float32(params)
    state = optimizer.init(params)
    form = jax.tree.map(lambda x: (x.shape, x.dtype), state)
    for tree in grads:
        params, state = step(params, state, _float32(tree))
        assert jax.tree.map(lambda x: (x.shape, x.dtype), state) == form
    assert traces == 1
    return params


def check_vmapped(make, points):
    """`make(**point)` gives for all `points` in one program what it gives for each alone.

    The points are arrays inside: one compilation for all, and no Python `if` on any of them.
    """
    params, *grads = random_trees(4)

    def run(point):
        optimizer, current = make(**point), params
        state = optimizer.init(params)
        for tree in grads:
            updates, state = optimizer.update(tree, state, current)
            current = optax.apply_updates(current, updates)
        return current

    stacked = {name: jnp.stack([point[name] for point in points]) for name in points[0]}
    together, single = jax.jit(jax.vmap(run))(stacked), jax.jit(run)
    alone = [single({name: jnp.asarray(v) for name, v in point.items()}) for point in points]
    assert single._cache_size() == 1
    for index, expected in enumerate(alone):
        jax.tree.map(
            lambda got, want, i=index: np.testing.assert_allclose(got[i], want, rtol=1e-5),
            together,
            expected,
        )


def _float32(tree):
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), tree)
