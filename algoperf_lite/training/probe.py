"""The probe: a look into a training step that is not taken.

It is a program of its own, so that those on the clock are what they are without it.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from algoperf_lite.spec import Array, Batch, PyTree
from algoperf_lite.training import streams
from algoperf_lite.training.compiled_steps import TrainState
from algoperf_lite.training.selection import Chosen
from algoperf_lite.training.train_step import TrainStep

# Trees of the parameters' form, in the order in which a step makes them; MOVED is from where
# parameters were at the look before.
PARAMS, GRADIENT, UPDATE, MOVED = "params", "gradient", "update", "moved"
_LEAF_OF = {
    PARAMS: "parameter",
    GRADIENT: "gradient of",
    UPDATE: "update of",
    MOVED: "movement of",
}


class Readings(NamedTuple):
    """What a program finds, on the device.

    Attributes:
      norms: {tree: {type of parameters: L2 norm}}.
      finite: {tree: bool (leaves,), whether all of a leaf is finite}.
      loss: mean of the batch; None where no batch is looked at.
    """

    norms: Mapping[str, Mapping[str, Array]]
    finite: Mapping[str, Array]
    loss: Array | None = None


class Reading(NamedTuple):
    """The same on the host.

    Attributes:
      norms: {tree: {type of parameters: L2 norm}}; not finite where an entry is not.
      not_finite: the first leaf that is not finite, as in "gradient of `Dense_0/kernel`": of the
        first tree that has one, by name; None where all are finite.
      loss: mean of the batch; None where no batch was looked at.
    """

    norms: Mapping[str, Mapping[str, float]]
    not_finite: str | None
    loss: float | None = None

    @property
    def gradient_norm(self) -> float | None:
        """Of all parameters together; None where nobody knows the gradient."""
        if GRADIENT not in self.norms:
            return None
        return math.hypot(*self.norms[GRADIENT].values())


def readings(
    training: TrainStep,
    state: TrainState,
    traced: Mapping[str, Array],
    seed: Array,
    batch: Batch,
    chosen: Chosen | None = None,
) -> Readings:
    """The step after `state` on a batch, however it was `chosen`: parameters before it, gradient
    before clipping, update."""
    key = streams.step_key(seed, state.step)
    after, loss, gradient = training.observed(state, traced, batch, key, chosen)
    # The change as the parameters take it: what is lost to their precision is no update.
    update = jax.tree.map(jnp.subtract, after.params, state.params)
    trees = {PARAMS: state.params, GRADIENT: gradient, UPDATE: update}
    return _of_trees(trees, training.workload.model_params_types)._replace(loss=loss)


def readings_of_params(params: PyTree, before: PyTree | None, types: PyTree) -> Readings:
    """Parameters, and how far they moved from where they were `before`, if that is known."""
    trees = {PARAMS: params}
    if before is not None:
        trees[MOVED] = jax.tree.map(jnp.subtract, params, before)
    return _of_trees(trees, types)


def _of_trees(trees: Mapping[str, PyTree], types: PyTree) -> Readings:
    """Norms and finiteness of trees that have the form of `types`, a tree of `ParameterType`."""
    norms = {name: _norms(tree, types) for name, tree in trees.items()}
    finite = {name: _finite(tree) for name, tree in trees.items()}
    return Readings(norms, finite)


def read(found: Readings, params: PyTree) -> Reading:
    """Readings on the host; `params` has the names of the leaves."""
    # A pytree sorts its dictionaries by key, and "first" means the order of a step.
    order = [name for name in _LEAF_OF if name in found.norms]
    norms, finite, loss = jax.device_get(found)
    names = _names(params)
    bad = ((tree, leaf) for tree in order for leaf in np.flatnonzero(~finite[tree]))
    first = next((f"{_LEAF_OF[tree]} `{names[leaf]}`" for tree, leaf in bad), None)
    plain = {tree: {kind: float(value) for kind, value in norms[tree].items()} for tree in order}
    return Reading(plain, first, None if loss is None else float(loss))


def first_not_finite(params: PyTree) -> str | None:
    """The first of some parameters, by name, that is not finite; None where all are."""
    # On the host, where nothing is compiled: this is asked after a failure.
    for name, leaf in zip(_names(params), jax.tree.leaves(params), strict=True):
        if not np.isfinite(np.asarray(leaf).astype(np.float32)).all():
            return name
    return None


def _norms(tree: PyTree, types: PyTree) -> dict[str, Array]:
    by_type: dict[str, list[Array]] = {}
    for leaf, kind in zip(jax.tree.leaves(tree), jax.tree.leaves(types), strict=True):
        by_type.setdefault(kind.name.lower(), []).append(leaf.astype(jnp.float32))
    return {kind: _norm(leaves) for kind, leaves in by_type.items()}


def _norm(leaves: list[Array]) -> Array:
    """The L2 norm of several arrays as one."""
    # Of a trial that is about to diverge, squares would overflow long before the norm does.
    largest = jnp.max(jnp.stack([jnp.max(jnp.abs(leaf), initial=0.0) for leaf in leaves]))
    unit = jnp.where(largest > 0, largest, 1.0)
    return unit * jnp.sqrt(sum(jnp.sum(jnp.square(leaf / unit)) for leaf in leaves))


def _finite(tree: PyTree) -> Array:
    return jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(tree)])


def _names(params: PyTree) -> list[str]:
    paths = (path for path, _ in jax.tree_util.tree_leaves_with_path(params))
    return ["/".join(str(getattr(entry, "key", entry)) for entry in path) for path in paths]
