"""The whole state of a submission in AlgoPerf's form: collected for a checkpoint, and put back.

Its training state may hold anything; arrays and numbers in it are kept, and functions come from a
fresh initialisation. A file may also keep data in variables of its modules: those made of plain
containers, numbers and arrays are kept, and where there are others there is no checkpoint. State in
closures or in attributes of functions cannot be seen.
"""

import contextlib
import copy
import enum
import numbers
import random
from collections.abc import Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any

import jax
import numpy as np

from algoperf_lite.spec import PyTree
from algoperf_lite.training import snapshot

_PLAIN = (str, bool, int, float, type(None))


def kept(state: PyTree) -> list[np.ndarray]:
    """Arrays and numbers of a training state, in order."""
    data = filter(_is_data, jax.tree.leaves(state))
    return snapshot.host_arrays([_as_array(leaf) for leaf in data])


def restored(fresh: PyTree, leaves: Sequence[np.ndarray]) -> PyTree:
    """The training state that had such leaves; `fresh` is one of its form.

    Raises ValueError where the forms differ.
    """
    olds, structure = jax.tree.flatten(fresh)
    arrays = [_as_array(leaf) for leaf in olds if _is_data(leaf)]
    news = iter(snapshot.like(arrays, leaves))
    return jax.tree.unflatten(
        structure, [_back(next(news), old) if _is_data(old) else old for old in olds]
    )


def module_data(modules: Sequence[ModuleType]) -> tuple[Any, list[np.ndarray]]:
    """Variables of modules, as JSON and the arrays that it refers to by number.

    Raises `snapshot.CannotCheckpoint` for a variable that may hold state of another kind.
    """
    arrays: list[np.ndarray] = []
    found = []
    for module in modules:
        name = module.__name__
        found.append({n: _encoded(v, f"{name}.{n}", arrays) for n, v in variables(module)})
    return found, arrays


def put_back(modules: Sequence[ModuleType], content: Any, arrays: Sequence[np.ndarray]) -> None:
    """Gives modules the variables that they had."""
    for module, variables in zip(modules, content, strict=True):
        for name, value in variables.items():
            setattr(module, name, _decoded(value, arrays))


@contextlib.contextmanager
def unchanged(modules: Sequence[ModuleType]) -> Iterator[None]:
    """Puts module-level data back when the context closes; functions made meanwhile stay."""
    before = [(module, name, value) for module in modules for name, value in _copies(module)]
    yield
    for module, name, value in before:
        if not holds_functions(vars(module).get(name)):
            setattr(module, name, value)


def _copies(module: ModuleType) -> Iterator[tuple[str, Any]]:
    for name, value in variables(module):
        with contextlib.suppress(Exception):  # a value that cannot be copied cannot be put back
            yield name, copy.deepcopy(value)


def random_state() -> list[Any]:
    """The states of the generators that Python and numpy share among all code, as JSON."""
    # JAX has no such generator: its keys are among the arrays.
    kind, keys, *rest = np.random.get_state()
    return [random.getstate(), [kind, keys.tolist(), *rest]]


def put_back_random_state(content: Sequence[Any]) -> None:
    (version, internal, gauss), numpys = content
    random.setstate((version, tuple(internal), gauss))
    np.random.set_state(tuple(numpys))


def variables(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """A module's variables that hold data."""
    for name, value in list(vars(module).items()):
        is_code = isinstance(value, ModuleType) or holds_functions(value)
        is_constant = isinstance(value, enum.Enum) or type(value).__module__ == "__future__"
        if not (name.startswith("__") or is_code or is_constant):
            yield name, value


def holds_functions(value: Any) -> bool:
    """Whether a variable is code, or a container of code such as a cache of compiled programs."""
    if isinstance(value, Mapping):
        value = tuple(value.values())
    return callable(value) or (isinstance(value, list | tuple | set) and any(map(callable, value)))


def _encoded(value: Any, name: str, arrays: list[np.ndarray]) -> Any:
    """JSON in which whatever is not of its types is a list that begins with a word for it."""
    # Exact types: a subclass may hold more than its value.
    if isinstance(value, _PLAIN) and type(value) in _PLAIN:
        return value
    if isinstance(value, jax.Array | np.ndarray | np.generic):
        arrays.extend(snapshot.host_arrays([value]))
        is_numpy = isinstance(value, np.ndarray | np.generic)
        return ["numpy" if is_numpy else "array", len(arrays) - 1]
    if type(value) in (list, tuple):
        return [type(value).__name__, *(_encoded(item, name, arrays) for item in value)]
    if type(value) is dict and all(isinstance(key, str) for key in value):
        return {key: _encoded(item, name, arrays) for key, item in value.items()}
    # Better no checkpoint than one from which training goes on differently.
    kind = type(value).__name__
    raise snapshot.CannotCheckpoint(f"{name} is a {kind}, which may hold state that cannot be kept")


def _decoded(value: Any, arrays: Sequence[np.ndarray]) -> Any:
    if isinstance(value, dict):
        return {key: _decoded(item, arrays) for key, item in value.items()}
    if not isinstance(value, list):
        return value
    kind, *rest = value
    if kind in ("numpy", "array"):
        found = arrays[rest[0]]
        return np.array(found) if kind == "numpy" else jax.device_put(found)
    items = [_decoded(item, arrays) for item in rest]
    return items if kind == "list" else tuple(items)


def _is_data(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array | np.ndarray | np.generic | numbers.Number)


def _as_array(leaf: Any) -> jax.Array | np.ndarray:
    return leaf if isinstance(leaf, jax.Array) else np.asarray(leaf)


def _back(new: Any, old: Any) -> Any:
    """The leaf in the type that it had."""
    if isinstance(old, jax.Array):
        return new
    return np.array(new) if isinstance(old, np.ndarray) else type(old)(new[()])
