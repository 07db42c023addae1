"""The removed names of the table, there while a context is open and gone after it."""

import contextlib
import importlib
import inspect
import sys
import warnings
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from algoperf_lite.submission.algoperf_shim import old_jax
from algoperf_lite.submission.algoperf_shim.removed_names import REMOVED, WITHOUT_KEYWORDS


@contextlib.contextmanager
def removed_names() -> Iterator[None]:
    """Every name of the table that this installation lacks; what it has is left alone."""
    names = _lacking()
    with contextlib.ExitStack() as undo:
        for name, value in names.items():
            module_name, _, short = name.rpartition(".")
            _set(undo, _module(undo, module_name), short, value)
            if isinstance(value, ModuleType):
                _set_module(undo, name, value)
        yield


def original(value: Any) -> Any:
    """What `value` stands for, where it is a function that has its old keywords back."""
    return value.original if type(value) is old_jax.Clip else value


def _lacking() -> dict[str, Any]:
    """{dotted name: value} of all that is to be put back, in the order of the table."""
    with warnings.catch_warnings():
        # Asking for a name that is to go next makes a warning, and is no use of it.
        warnings.simplefilter("ignore", DeprecationWarning)
        found = {row.name: _value(row.now) for row in REMOVED if _value(row.name) is None}
        for name, (keyword, now) in WITHOUT_KEYWORDS.items():
            if keyword not in inspect.signature(_value(name)).parameters:
                found[name] = _value(now)(_value(name))
    # A version of JAX that lacks both a name and its successor goes without.
    return {name: value for name, value in found.items() if value is not None}


def _value(name: str) -> Any:
    """What a dotted name stands for here; None where there is no such thing."""
    module_name, _, short = name.rpartition(".")
    module = _imported(module_name) if module_name else None
    # A submodule is an attribute of its package only once it has been imported.
    return getattr(module, short, None) if hasattr(module, short) else _imported(name)


def _imported(name: str) -> ModuleType | None:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def _module(undo: contextlib.ExitStack, name: str) -> ModuleType:
    """The module of that name, made where it is gone as well."""
    found = _imported(name)
    if found is None:
        found = ModuleType(name, "A module that JAX has removed.")
        _set_module(undo, name, found)
        package_name, _, short = name.rpartition(".")
        package = importlib.import_module(package_name)
        # `jax.config` is a value today and was a module too: as an attribute it stays the value.
        if not hasattr(package, short):
            _set(undo, package, short, found)
    return found


def _set_module(undo: contextlib.ExitStack, name: str, module: ModuleType) -> None:
    sys.modules[name] = module
    undo.callback(sys.modules.pop, name, None)


def _set(undo: contextlib.ExitStack, module: ModuleType, name: str, value: Any) -> None:
    if name in vars(module):
        undo.callback(setattr, module, name, vars(module)[name])
    else:
        undo.callback(vars(module).pop, name, None)
    setattr(module, name, value)
