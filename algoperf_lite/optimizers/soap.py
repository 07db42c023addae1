"""SOAP: Adam in the eigenbasis of Shampoo's preconditioner (Vyas et al. 2024, arXiv 2409.11321)."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from algoperf_lite.optimizers import kronecker
from algoperf_lite.optimizers.kronecker import Scalar
from algoperf_lite.spec import Array, PyTree


class SoapState(NamedTuple):
    """The state of SOAP between two steps.

    Attributes:
      count: updates done, () int32; the first one is all zeros.
      mu: EMA of the gradient, like the parameters.
      nu: EMA of the squared rotated gradient, same shapes, in the rotated space.
      factors, bases: per leaf a tuple over its dimensions: EMA of G_(k) G_(k)^T (d_k, d_k) and its
        approximate eigenvectors, by falling eigenvalue; None where the dimension is not rotated.
    """

    count: Array
    mu: PyTree
    nu: PyTree
    factors: PyTree
    bases: PyTree


def scale_by_soap(
    b1: Scalar = 0.95,
    b2: Scalar = 0.95,
    eps: Scalar = 1e-8,
    *,
    precondition_frequency: int = 10,
    max_precondition_dim: int = 256,
) -> optax.GradientTransformation:
    """Adam's direction, computed in the eigenbasis (algorithm 3), without the learning rate.

    The first step only finds the first basis and changes no parameter. Leaves of fewer than two
    dimensions get plain Adam.

    Args:
      b1: decay of the gradient's average.
      b2: decay of the averages of the squared rotated gradient and of the factors.
      eps: added to the root of the second moment.
      precondition_frequency: steps between refreshes of the bases.
      max_precondition_dim: larger dimensions are not rotated.
    """

    def init(params: PyTree) -> SoapState:
        eyes = jax.tree.map(lambda p: _identities(p, max_precondition_dim), params)
        return SoapState(*kronecker.before_first_step(params, eyes))

    def update(
        grads: PyTree, state: SoapState, params: PyTree | None = None
    ) -> tuple[PyTree, SoapState]:
        del params
        step, first = state.count, state.count == 0  # the first call does not count as a step
        mu = _ema(grads, state.mu, b1, first)
        rotated = jax.tree.map(kronecker.multiply, grads, state.bases)
        nu = _ema(jax.tree.map(jnp.square, rotated), state.nu, b2, first)
        correction = [1 - b ** jnp.maximum(step, 1) for b in (b1, b2)]

        def adam(mu: Array, nu: Array, bases: Sequence[Array | None]) -> Array:
            return _adam_in_basis(mu / correction[0], nu / correction[1], bases, eps)

        # The update first and the factors afterwards, as in the authors' implementation: a basis
        # never sees the gradient that it rotates.
        updates = jax.tree.map(adam, mu, nu, state.bases)
        factors = jax.tree.map(lambda g, f: _update_factors(g, f, b2), grads, state.factors)

        bases = kronecker.refreshed(first, lambda: _eigenbases(factors), state.bases)
        due = ~first & (step % precondition_frequency == 0)
        bases, nu = kronecker.refreshed(due, lambda: _turned(factors, bases, nu), (bases, nu))
        return updates, SoapState(optax.safe_increment(step), mu, nu, factors, bases)

    return optax.GradientTransformation(init, update)


def soap(
    learning_rate: optax.ScalarOrSchedule,
    b1: Scalar = 0.95,
    b2: Scalar = 0.95,
    eps: Scalar = 1e-8,
    weight_decay: Scalar = 1e-2,
    **options: Any,
) -> optax.GradientTransformation:
    """SOAP with decoupled weight decay; `options` are those of `scale_by_soap`."""
    direction = scale_by_soap(b1, b2, eps, **options)
    return kronecker.optimizer(direction, learning_rate, weight_decay)


# --- maths --------------------------------------------------------------------------------


def power_step(factor: Array, basis: Array) -> tuple[Array, Array]:
    """(factor times basis, the order of its columns by falling eigenvalue): (d, d) and (d,).

    The first half of one step of power iteration (algorithm 4); QR is the second. Eigenvalues are
    estimated by Rayleigh quotients.
    """
    # The paper does not mention sorting, the authors' implementation does it: it keeps QR from
    # mixing a large direction into earlier, smaller ones.
    product = kronecker.matmul(factor, basis)
    order = jnp.argsort(-jnp.sum(basis * product, axis=0))
    return product[:, order], order


def _identities(param: Array, max_dim: int) -> tuple[Array | None, ...]:
    rotated = [param.ndim > 1 and 1 < d <= max_dim for d in param.shape]
    return tuple(
        jnp.eye(d, dtype=param.dtype) if rotate else None
        for d, rotate in zip(param.shape, rotated, strict=True)
    )


def _ema(new: PyTree, old: PyTree, decay: Scalar, skip: Array) -> PyTree:
    # A decay of 1 keeps the old average. Under vmap a cond would compute both sides anyway.
    decay = jnp.where(skip, 1.0, decay)
    return jax.tree.map(lambda n, o: decay * o + (1 - decay) * n, new, old)


def _adam_in_basis(
    mu_hat: Array, nu_hat: Array, bases: Sequence[Array | None], eps: Scalar
) -> Array:
    """Rotate, scale as Adam does, rotate back; all of the leaf's shape."""
    scaled = kronecker.multiply(mu_hat, bases) / (jnp.sqrt(nu_hat) + eps)
    return kronecker.multiply(scaled, [None if q is None else q.T for q in bases])


def _update_factors(
    grad: Array, factors: Sequence[Array | None], b2: Scalar
) -> tuple[Array | None, ...]:
    return tuple(
        None if f is None else b2 * f + (1 - b2) * kronecker.gram(grad, k)
        for k, f in enumerate(factors)
    )


def _eigenbases(factors: PyTree) -> PyTree:
    """Eigenvectors of all factors by falling eigenvalue; see `kronecker.by_size`."""
    return kronecker.by_size(lambda a: jnp.linalg.eigh(a)[1][:, ::-1], factors)


def _turned(factors: PyTree, bases: PyTree, nu: PyTree) -> tuple[PyTree, PyTree]:
    """Bases after one step of power iteration and QR, and `nu` in the new order of columns."""
    matrices, structure = jax.tree.flatten(factors)
    steps = [power_step(*pair) for pair in zip(matrices, jax.tree.leaves(bases), strict=True)]
    orders = structure.unflatten([order for _, order in steps])
    turned = kronecker.by_size(lambda a: jnp.linalg.qr(a)[0], [product for product, _ in steps])
    # The second moments belong to columns, so they move along.
    return structure.unflatten(turned), jax.tree.map(_reordered, nu, orders)


def _reordered(nu: Array, orders: Sequence[Array | None]) -> Array:
    for axis, order in enumerate(orders):
        if order is not None:
            nu = jnp.take(nu, order, axis=axis)
    return nu
