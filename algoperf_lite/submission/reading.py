"""The imports of a submission's files, read and not run: which files of its own they reach.

AlgoPerf's files import their helpers by the path from the root of the repository that published
them, such as algorithms.adafactor.jax.sharded_adafactor. A copied folder keeps only the end of
that path, so a helper is found by the end of its dotted name.
"""

import ast
import dataclasses
import importlib.machinery
import importlib.util
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

# AlgoPerf's own package, in v0.6 and in v0.5; the shim has stand-ins for both.
ALGOPERF = ("algoperf", "algorithmic_efficiency")
# What these names mean is the same for every file, so no file beside a submission changes it.
_TAKEN = frozenset(
    (*sys.stdlib_module_names, *("jax", "jaxlib", "numpy", "optax", "flax"), *ALGOPERF)
) | {"algoperf_lite", "workloads", "submissions", "scoring", "studies"}


@dataclasses.dataclass(frozen=True)
class Import:
    """One name that a file imports.

    Attributes:
      name: dotted; `from a import b` gives "a.b", and relative names start with dots.
      line: where in the file.
      is_certain: whether it happens whenever the file is imported. One in a function, an `if` or a
        `try` may not.
    """

    name: str
    line: int
    is_certain: bool


@dataclasses.dataclass(frozen=True)
class File:
    """A file of a submission with its imports."""

    path: Path
    imports: tuple[Import, ...]


@dataclasses.dataclass(frozen=True)
class Own:
    """A module among a submission's own files.

    Attributes:
      name: dotted, as it is imported.
      base: the folder in which the end of the name is found.
      start: number of leading parts of the name that are no folders below `base`.
    """

    name: str
    base: Path
    start: int

    @property
    def files(self) -> list[Path]:
        """The files that importing it runs, outermost first."""
        found, folder = [], self.base
        for part in self.name.split(".")[self.start :]:
            folder = folder / part
            candidates = (folder.with_name(f"{part}.py"), folder / "__init__.py")
            found += [file for file in candidates if file.is_file()]
        return found

    @property
    def locations(self) -> dict[str, Path]:
        """{dotted name of a module or package: its file or folder}, outermost first.

        Packages that are no folders here have the folder in which the next name is found.
        """
        parts, found = self.name.split("."), {}
        for end in range(1, len(parts) + 1):
            below = self.base.joinpath(*parts[self.start : end])
            file = below.with_name(f"{below.name}.py")
            is_file = end > self.start and file.is_file() and not _is_package(below)
            found[".".join(parts[:end])] = file if is_file else below
        return found


def tree(path: Path) -> ast.Module:
    """The syntax tree of a file; raises SyntaxError where it is no Python."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an odd escape sequence in a string is no matter here
        return ast.parse(path.read_bytes())


def imports(tree: ast.Module) -> Iterator[Import]:
    """Everything that a file imports, wherever it does."""
    top = set(map(id, tree.body))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            joint = "" if module.endswith(".") else "."
            # A star brings names of a module, and the module itself is all that can be looked for.
            names = [
                module if alias.name == "*" else f"{module}{joint}{alias.name}"
                for alias in node.names
            ]
        else:
            continue
        yield from (Import(name, node.lineno, id(node) in top) for name in names)


def files(path: Path, folder: Path, certain: bool = False) -> list[File]:
    """A submission's file and those of its own that it imports, breadth first.

    Args:
      folder: what is looked through for helpers, beside the folder of whoever imports them.
      certain: follow only imports that are certain to happen.
    """
    found, queue, seen = [], [path], {path}
    while queue:
        file = queue.pop(0)
        wanted = [one for one in _imports_of(file) if one.is_certain or not certain]
        found.append(File(file, tuple(wanted)))
        owns = (own(one.name, file, folder) for one in wanted)
        new = [helper for one in owns if one for helper in one.files if helper not in seen]
        queue += dict.fromkeys(new)
        seen.update(new)
    return found


def own(name: str, importer: Path, folder: Path) -> Own | None:
    """The module in `folder`, or beside `importer`, that importing `name` runs; None for a library.

    Whoever has the whole dotted name comes first, a file of the submission's before an installed
    package. Then the end of the name is looked for among the submission's files.
    """
    if name.startswith("."):
        return _relative(name, importer, folder)
    parts = name.split(".")
    if parts[0] in (*sys.stdlib_module_names, *ALGOPERF):
        return None
    parent = ".".join(parts[:-1])
    whole = None if parts[0] in _TAKEN else _below(parts, (0,), importer, folder)
    # `from jax import jit` asks no file called jit.py, since jax is there to answer.
    if whole or not parent or is_installed(parent) or is_installed(name):
        return whole
    return _below(parts, range(1, len(parts)), importer, folder)


def _below(parts: Sequence[str], starts: Iterable[int], importer: Path, folder: Path) -> Own | None:
    # The last part is a module, or a name in one.
    for end in (len(parts), len(parts) - 1):
        for start in (start for start in starts if start < end):
            for base in dict.fromkeys((importer.parent, folder)):
                if _is_module(base, parts[start:end]):
                    return Own(".".join(parts[:end]), base, start)
    return None


def is_installed(name: str, folders: Sequence[Path] = ()) -> bool:
    """Whether Python would find a module of that dotted name, here or in `folders`; runs none."""
    top, *rest = name.split(".")
    spec = _top_level(top, folders)
    for part in rest:
        if spec is None or spec.submodule_search_locations is None:
            return False
        # Not `importlib.util.find_spec`, which imports the packages on the way; and by the part
        # alone, as a folder without an __init__.py would ask for its imported package.
        spec = importlib.machinery.PathFinder.find_spec(part, list(spec.submodule_search_locations))
    return spec is not None


def _top_level(name: str, folders: Iterable[Path]) -> importlib.machinery.ModuleSpec | None:
    try:
        here = importlib.util.find_spec(name)
    except ValueError:  # a module that was made by hand, such as `__main__`
        here = None
    return here or importlib.machinery.PathFinder.find_spec(name, list(map(str, folders)))


def _relative(name: str, importer: Path, folder: Path) -> Own | None:
    rest = name.lstrip(".")
    level = len(name) - len(rest)
    # A relative import that leaves the folder finds nothing.
    if level > len(importer.parents) or not importer.parents[level - 1].is_relative_to(folder):
        return None
    base, parts = importer.parents[level - 1], rest.split(".")
    ends = (end for end in (len(parts), len(parts) - 1) if end and _is_module(base, parts[:end]))
    return next((Own(".".join(parts[:end]), base, 0) for end in ends), None)


def _is_module(base: Path, parts: Sequence[str]) -> bool:
    path = base.joinpath(*parts)
    return path.with_name(f"{path.name}.py").is_file() or _is_package(path)


def _is_package(path: Path) -> bool:
    return (path / "__init__.py").is_file()


def _imports_of(file: Path) -> list[Import]:
    # What is no Python imports nothing; whoever runs it says so.
    try:
        return list(imports(tree(file)))
    except (OSError, SyntaxError, ValueError, RecursionError):
        return []
