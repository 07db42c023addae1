"""The form of a training state, its structure, shapes and types: every step has to keep it."""

import jax
import jax.numpy as jnp

from algoperf_lite.spec import Array, PyTree


def check_same(before: PyTree, after: PyTree) -> None:
    """Raises ValueError where a step would change the state's structure or types."""
    # A loop would refuse it in JAX's words, and a single step would compile again and again.
    if jax.tree.structure(before) != jax.tree.structure(after):
        raise ValueError(
            "a step changes the structure of the training state; the optimizer's update must "
            f"return the tree that its init made: got {jax.tree.structure(after)}, "
            f"expected {jax.tree.structure(before)}"
        )
    leaves = zip(jax.tree_util.tree_leaves_with_path(before), jax.tree.leaves(after), strict=True)
    for (path, old), new in leaves:
        if (old.shape, old.dtype) != (new.shape, new.dtype):
            raise ValueError(
                f"a step changes {jax.tree_util.keystr(path)} from {old.dtype}{list(old.shape)} to "
                f"{new.dtype}{list(new.shape)}; the optimizer's update must keep shapes and types"
            )


def in_types_of(before: PyTree, after: PyTree) -> PyTree:
    """`after` with the floating types that `before` has; as it is where the two differ otherwise,
    of which `check_same` tells."""
    if jax.tree.structure(before) != jax.tree.structure(after):
        return after

    def of(old: Array, new: Array) -> Array:
        are_floating = all(jnp.issubdtype(leaf.dtype, jnp.floating) for leaf in (old, new))
        return new.astype(old.dtype) if are_floating and old.dtype != new.dtype else new

    return jax.tree.map(of, before, after)
