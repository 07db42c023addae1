"""The files of a submission in AlgoPerf's form: its module, helpers, search space."""

import ast
import importlib
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

from algoperf_lite import tuning


def search_space(path: Path) -> tuning.SearchSpace:
    """The content of a JSON file, None if there is none; raises ValueError where it is no space."""
    if not path.is_file():
        return None
    try:
        space = json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path} is no valid JSON: {error}") from None
    tuning.check_search_space(space)
    return space


def run(path: Path, name: str) -> ModuleType:
    """The module of a file that was run; whatever the file raises comes through unchanged."""
    # A package of its own lets the file import its neighbours by relative names, and the path by
    # absolute ones; published files do both.
    package = ModuleType(f"algoperf_lite_submission_{name}")
    package.__path__ = [str(path.parent)]
    sys.modules[package.__name__] = package
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    importlib.invalidate_caches()  # the folder may have been written a moment ago
    spec = importlib.util.spec_from_file_location(f"{package.__name__}.{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def is_beside(module: ModuleType, path: Path) -> bool:
    """Whether a module's file lies in the folder of `path` or below."""
    file = getattr(module, "__file__", None)
    return file is not None and Path(file).is_relative_to(path.parent)


def calls_pmap(path: Path) -> bool:
    """Whether a file uses `jax.pmap`, under whatever name it imports it from."""
    nodes = ast.walk(ast.parse(path.read_text()))
    return any(getattr(node, "attr", getattr(node, "id", None)) == "pmap" for node in nodes)
