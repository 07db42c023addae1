"""Distributed Shampoo: Kronecker-factored full-matrix AdaGrad, grafted onto Adam.

Gupta et al. 2018 (arXiv 1802.09568), Anil et al. 2020 (2002.09018), Shi et al. 2023 (2309.06497).
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from algoperf_lite.optimizers import kronecker
from algoperf_lite.optimizers.kronecker import Scalar
from algoperf_lite.spec import Array, PyTree

GRAFTS = ("adam", "rmsprop")
_GRAFT_EPS = 1e-8  # Adam's own (Kingma & Ba 2015)
_TINY_NORM = 1e-16  # squares of smaller numbers leave float32
_TINY_EIGENVALUE = 1e-30  # a factor of zeros has none larger, and must not divide by zero


class ShampooState(NamedTuple):
    """The state of Shampoo between two steps.

    Attributes:
      count: steps done, () int32.
      mu, nu: EMA of the gradient and of its square, like the parameters.
      factors, roots: per leaf a tuple over its modes, of (blocks, b_k, b_k) each, None for a mode
        that is left out; empty for leaves that are not preconditioned. Roots are those of the last
        refresh, identities before it.
    """

    count: Array
    mu: PyTree
    nu: PyTree
    factors: PyTree
    roots: PyTree


class Blocking(NamedTuple):
    """How dimensions are cut.

    Attributes:
      size: larger dimensions are cut into equal blocks, each a parameter of its own.
      max_dim: larger dimensions, as a table of embeddings has, get neither blocks nor factors; the
        others of that leaf do (as in Anil et al. 2020).
    """

    size: int = 128
    max_dim: int = 16_384


BLOCKS = Blocking()


def scale_by_shampoo(
    b1: Scalar = 0.9,
    b2: Scalar = 0.99,
    eps: Scalar = 1e-6,
    *,
    nesterov: bool = True,
    graft: str = "adam",
    root: int | None = None,
    blocking: Blocking = BLOCKS,
    interval: int = 10,
    start: int | None = None,
) -> optax.GradientTransformation:
    """Shampoo's direction with the norm, block by block, of Adam's (grafting in Shi et al. 2023).

    Leaves of fewer than two dimensions above 1 take the graft's direction itself.

    Args:
      b1: decay of the gradient's average.
      b2: decay of the factors' and of the squared gradient's averages.
      eps: ridge on a factor, relative to its largest eigenvalue.
      nesterov: look ahead, as optax.nadam does.
      graft: "adam", or "rmsprop" for second moments without bias correction.
      root: p of the inverse p-th roots; 2 x (number of modes) by default.
      blocking: how large dimensions are cut.
      interval: steps between refreshes of the roots.
      start: 1-based step that is the first to be preconditioned; `interval` by default.
    """
    if graft not in GRAFTS:
        raise ValueError(f"unknown graft {graft!r}; expected one of {GRAFTS}")
    start = interval if start is None else start

    def init(params: PyTree) -> ShampooState:
        eyes = jax.tree.map(lambda p: _identities(p, blocking), params)
        return ShampooState(*kronecker.before_first_step(params, eyes))

    def update(
        grads: PyTree, state: ShampooState, params: PyTree | None = None
    ) -> tuple[PyTree, ShampooState]:
        del params
        count = optax.safe_increment(state.count)
        mu = optax.tree.update_moment(grads, state.mu, b1, 1)
        nu = optax.tree.update_moment(grads, state.nu, b2, 2)
        mu_hat = _momentum(grads, mu, b1, count, nesterov)
        nu_hat = optax.tree.bias_correction(nu, b2, count) if graft == "adam" else nu
        grafted = jax.tree.map(lambda m, v: m / (jnp.sqrt(v) + _GRAFT_EPS), mu_hat, nu_hat)

        # Without bias correction, which changes the length of a direction only; the graft sets it.
        factors = jax.tree.map(
            lambda g, f: _update_factors(g, f, b2, blocking), grads, state.factors
        )
        due = (count >= start) & ((count - start) % interval == 0)
        roots = kronecker.refreshed(
            due, lambda: _inverse_roots(grads, factors, root, eps), state.roots
        )

        def direction(momentum: Array, graft: Array, roots: tuple[Array | None, ...]) -> Array:
            # Early factors hold too few gradients for roots; the graft is a safe way until then.
            return jnp.where(count >= start, _precondition(momentum, graft, roots, blocking), graft)

        directions = jax.tree.map(direction, mu_hat, grafted, roots)
        return directions, ShampooState(count, mu, nu, factors, roots)

    return optax.GradientTransformation(init, update)


def shampoo(
    learning_rate: optax.ScalarOrSchedule,
    b1: Scalar = 0.9,
    b2: Scalar = 0.99,
    eps: Scalar = 1e-6,
    weight_decay: Scalar = 1e-4,
    **options: Any,
) -> optax.GradientTransformation:
    """Shampoo with decoupled weight decay; `options` are those of `scale_by_shampoo`."""
    direction = scale_by_shampoo(b1, b2, eps, **options)
    return kronecker.optimizer(direction, learning_rate, weight_decay)


# --- shapes -------------------------------------------------------------------------------


def merged_shape(shape: Sequence[int], limit: int) -> tuple[int, ...]:
    """`shape` without dimensions of 1, neighbours merged while their product is within `limit`.

    A 3x3 kernel of 32 to 64 channels becomes (9, 32, 64), heads (64, 4, 16) become (64, 64).
    """
    shape = tuple(d for d in shape if d != 1)
    # As in Anil et al. 2020, but matrices stay as they are and nothing merges below a matrix,
    # since a vector would not be preconditioned at all.
    if len(shape) <= 2:
        return shape
    merged = [shape[0]]
    for d in shape[1:]:
        if merged[-1] * d <= limit:
            merged[-1] *= d
        else:
            merged.append(d)
    return tuple(merged) if len(merged) > 1 else (math.prod(shape[:-1]), shape[-1])


def to_blocks(x: Array, blocking: Blocking) -> Array:
    """x as (blocks, b_1, .., b_m), each b_k <= `blocking.size`.

    A mode of length d gives n = ceil(d / size) blocks of ceil(d / n), the last one padded with
    zeros.
    """
    # Zeros leave products, norms and the largest eigenvalue as they are.
    dims, counts, sizes = _grid(x.shape, blocking)
    pad = [(0, n * b - d) for d, n, b in zip(dims, counts, sizes, strict=True)]
    x = jnp.pad(x.reshape(dims), pad).reshape(_interleaved(counts, sizes))
    order = [*range(0, x.ndim, 2), *range(1, x.ndim, 2)]
    return x.transpose(order).reshape(-1, *sizes)


def from_blocks(blocks: Array, shape: Sequence[int], blocking: Blocking) -> Array:
    """The inverse of `to_blocks` for a leaf of `shape`."""
    dims, counts, sizes = _grid(shape, blocking)
    modes = len(dims)
    order = [axis for k in range(modes) for axis in (k, modes + k)]
    x = blocks.reshape(*counts, *sizes).transpose(order)
    x = x.reshape([n * b for n, b in zip(counts, sizes, strict=True)])
    return x[tuple(slice(d) for d in dims)].reshape(shape)


def _grid(shape: Sequence[int], blocking: Blocking) -> tuple[tuple[int, ...], list[int], list[int]]:
    """(merged dimensions, blocks per mode, length of a block per mode)."""
    dims = merged_shape(shape, blocking.size)
    counts = [1 if d > blocking.max_dim else -(-d // blocking.size) for d in dims]
    return dims, counts, [-(-d // n) for d, n in zip(dims, counts, strict=True)]


def _interleaved(counts: Sequence[int], sizes: Sequence[int]) -> list[int]:
    return [length for pair in zip(counts, sizes, strict=True) for length in pair]


# --- maths --------------------------------------------------------------------------------


def inverse_root(eigenvalues: Array, vectors: Array, p: int, eps: Scalar) -> Array:
    """(A / lambda_max + eps I)^(-1/p) of symmetric matrices A (.., d, d), given their `eigh`."""
    # Dividing by lambda_max makes `eps` relative and keeps powers within float32. It changes no
    # direction but its length, which the graft sets. Rounding may leave eigenvalues below 0.
    largest = jnp.maximum(eigenvalues[..., -1:], _TINY_EIGENVALUE)
    powers = (jnp.maximum(eigenvalues / largest, 0.0) + eps) ** (-1.0 / p)
    return kronecker.matmul(vectors * powers[..., None, :], jnp.swapaxes(vectors, -1, -2))


def _identities(param: Array, blocking: Blocking) -> tuple[Array | None, ...]:
    dims, counts, sizes = _grid(param.shape, blocking)
    # A vector's factor would cost as much as a matrix's, and vectors are few.
    if len(sizes) < 2 or min(dims) > blocking.max_dim:
        return ()
    blocks = math.prod(counts)
    return tuple(
        None if d > blocking.max_dim else jnp.tile(jnp.eye(b, dtype=param.dtype), (blocks, 1, 1))
        for d, b in zip(dims, sizes, strict=True)
    )


def _momentum(grads: PyTree, mu: PyTree, b1: Scalar, count: Array, nesterov: bool) -> PyTree:
    """The averaged gradient without bias, with Nesterov's look-ahead as in optax.nadam."""
    if not nesterov:
        return optax.tree.bias_correction(mu, b1, count)
    ahead = optax.tree.bias_correction(mu, b1, optax.safe_increment(count))
    now = optax.tree.bias_correction(grads, b1, count)
    return jax.tree.map(lambda m, g: b1 * m + (1 - b1) * g, ahead, now)


def _update_factors(
    grad: Array, factors: tuple[Array | None, ...], b2: Scalar, blocking: Blocking
) -> tuple[Array | None, ...]:
    """EMA of G_(k) G_(k)^T for every block and mode."""
    if not factors:
        return ()
    blocks = to_blocks(grad, blocking)

    def updated(mode: int, factor: Array) -> Array:
        gram = jax.vmap(lambda block: kronecker.gram(block, mode))(blocks)
        return b2 * factor + (1 - b2) * gram

    return tuple(None if f is None else updated(k, f) for k, f in enumerate(factors))


def _inverse_roots(grads: PyTree, factors: PyTree, root: int | None, eps: Scalar) -> PyTree:
    """Roots for all leaves, from the eigenvalues and vectors of all factors."""
    pairs = kronecker.by_size(_eigh, factors)

    def of_leaf(_: Array, leaf: tuple[tuple[Array, Array] | None, ...]) -> tuple[Array | None, ...]:
        # With Gupta et al.'s p = 2 x (number of modes), the roots together scale like 1 / |G|.
        p = root or 2 * sum(pair is not None for pair in leaf)
        return tuple(None if pair is None else inverse_root(*pair, p, eps) for pair in leaf)

    return jax.tree.map(of_leaf, grads, pairs)


def _eigh(matrix: Array) -> tuple[Array, Array]:
    return tuple(jnp.linalg.eigh(matrix))


def _precondition(
    momentum: Array, grafted: Array, roots: tuple[Array | None, ...], blocking: Blocking
) -> Array:
    """The momentum times all roots, each block rescaled to the norm of the grafted direction."""
    if not roots:
        return grafted
    direction = jax.vmap(kronecker.multiply)(to_blocks(momentum, blocking), roots)
    length, wanted = _norms(direction), _norms(to_blocks(grafted, blocking))
    direction = direction * (wanted / jnp.maximum(length, _TINY_NORM))
    return from_blocks(direction, momentum.shape, blocking)


def _norms(blocks: Array) -> Array:
    axes = tuple(range(1, blocks.ndim))
    return jnp.sqrt(jnp.sum(jnp.square(blocks), axes, keepdims=True))
