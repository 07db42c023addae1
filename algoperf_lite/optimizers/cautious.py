"""Cautious updates: move no coordinate against its current gradient (Liang et al. 2024)."""

import jax
import jax.numpy as jnp
import optax

from algoperf_lite.spec import Array, PyTree

_SMALLEST_MEAN = 1e-3  # of a mask: a leaf that agrees almost nowhere is not blown up


def cautious(inner: optax.GradientTransformation) -> optax.GradientTransformationExtraArgs:
    """`inner` with its update set to 0 wherever its sign is not the gradient's (arXiv 2411.16085).

    The rest of a leaf is divided by its share, which keeps the step's size. The state is `inner`'s.

    `inner` returns a direction of ascent, one that agrees with the gradient, as optax's
    `scale_by_*` do. Decoupled weight decay, which no gradient vouches for, and the learning rate,
    which turns the sign, come after it:

        optax.chain(
            cautious(optax.scale_by_adam()),
            optax.add_decayed_weights(1e-2),
            optax.scale_by_learning_rate(1e-3),
        )

    Around a whole optimizer such as `optax.adam(1e-3)`, whose updates are already negative, it
    would keep exactly the wrong coordinates.
    """
    inner = optax.with_extra_args_support(inner)

    def update(
        grads: PyTree, state: PyTree, params: PyTree | None = None, **extra_args: object
    ) -> tuple[PyTree, PyTree]:
        updates, state = inner.update(grads, state, params, **extra_args)
        return jax.tree.map(masked, updates, grads), state

    return optax.GradientTransformationExtraArgs(inner.init, update)


def masked(update: Array, grad: Array) -> jax.Array:
    """`update` where it agrees in sign with `grad`, 0 elsewhere, divided by the share of the kept.

    The share's floor is that of the authors' code; the paper adds 1 to the number of the kept.
    """
    agrees = jnp.sign(update) * jnp.sign(grad) > 0  # a product of tiny values could underflow
    mask = agrees.astype(update.dtype)
    return update * (mask / jnp.maximum(jnp.mean(mask), _SMALLEST_MEAN))
