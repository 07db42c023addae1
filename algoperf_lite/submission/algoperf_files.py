"""The files of a submission in AlgoPerf's form: its module, helpers, search space."""

import ast
import importlib
import importlib.util
import json
import re
import sys
from pathlib import Path
from types import ModuleType

from algoperf_lite import tuning
from algoperf_lite.submission import find
from algoperf_lite.submission.algoperf_shim import neighbours


def search_space(path: Path) -> tuning.SearchSpace:
    """The content of a JSON file, None if there is none; raises ValueError where it is no space."""
    if not path.is_file():
        return None
    try:
        space = json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path} is no valid JSON: {error}") from None
    try:
        tuning.check_search_space(space)
    except ValueError as error:
        raise ValueError(f"in {path}, {error}") from None
    return space


def without_search_space(name: str) -> str:
    """The sentence about a submission that there is nothing to draw points from for."""
    return (
        f"submission {name!r} has no {find.SEARCH_SPACE} beside it, which the ruleset 'external' "
        "needs; add one or use --tuning_ruleset=self"
    )


def run(path: Path, name: str) -> ModuleType:
    """The module of a file that was run; whatever the file raises comes through unchanged.

    The context of `algoperf_shim.installed` must be open: it finds the file's helpers.
    """
    # A package of its own lets the file import its neighbours by relative names. A name may have
    # characters in it, such as the dot of "v0.5", that a package's may not.
    package = _package(neighbours.PACKAGE + re.sub(r"\W", "_", name), find.folder_of(path))
    for part in path.parent.relative_to(find.folder_of(path)).parts:
        package = _package(f"{package.__name__}.{part}", Path(package.__path__[0]) / part)
    importlib.invalidate_caches()  # the folder may have been written a moment ago
    spec = importlib.util.spec_from_file_location(f"{package.__name__}.{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _package(name: str, folder: Path) -> ModuleType:
    package = sys.modules[name] = ModuleType(name)
    package.__path__ = [str(folder)]
    return package


def is_beside(module: ModuleType, path: Path) -> bool:
    """Whether a module's file lies in the folder of a submission or below."""
    file = getattr(module, "__file__", None)
    return file is not None and Path(file).is_relative_to(find.folder_of(path))


def calls_pmap(path: Path) -> bool:
    """Whether a file uses `jax.pmap`, under whatever name it imports it from."""
    nodes = ast.walk(ast.parse(path.read_text()))
    return any(getattr(node, "attr", getattr(node, "id", None)) == "pmap" for node in nodes)
