"""Adam with any power of the second moment: from momentum (0) to Adam (1/2)."""

import jax
import jax.numpy as jnp
import optax

from algoperf_lite.spec import Array, PyTree


def scale_by_power(
    b1: Array | float = 0.9,
    b2: Array | float = 0.999,
    power: Array | float = 0.5,
    eps: Array | float = 1e-8,
    *,
    nesterov: bool = False,
) -> optax.GradientTransformation:
    """First moment over second moment to a power (Chen & Gu 2018, arXiv 1806.06763, eq. 3.1).

    With a power of 1/2 it is `optax.scale_by_adam`, whose bias corrections, Nesterov momentum
    (Dozat 2016) and state it has; with 0, momentum.
    """

    def init(params: PyTree) -> optax.ScaleByAdamState:
        zeros = optax.tree.zeros_like(params)
        return optax.ScaleByAdamState(jnp.zeros([], jnp.int32), mu=zeros, nu=zeros)

    def update(
        grads: PyTree, state: optax.ScaleByAdamState, params: PyTree | None = None
    ) -> tuple[PyTree, optax.ScaleByAdamState]:
        del params
        count = optax.safe_increment(state.count)
        mu = optax.tree.update_moment(grads, state.mu, b1, 1)
        nu = optax.tree.update_moment(grads, state.nu, b2, 2)
        if nesterov:
            ahead = optax.tree.bias_correction(mu, b1, count + 1)
            now = optax.tree.bias_correction(grads, b1, count)
            first = jax.tree.map(lambda m, g: b1 * m + (1 - b1) * g, ahead, now)
        else:
            first = optax.tree.bias_correction(mu, b1, count)
        second = optax.tree.bias_correction(nu, b2, count)
        # The root first: for 1/2 the result is Adam's to the last bit.
        updates = jax.tree.map(lambda m, v: m / (jnp.sqrt(v) + eps) ** (2.0 * power), first, second)
        return updates, optax.ScaleByAdamState(count, mu=mu, nu=nu)

    return optax.GradientTransformation(init, update)
