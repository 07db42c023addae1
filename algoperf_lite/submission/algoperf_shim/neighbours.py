"""A submission's own modules, found by the names that its files import them by.

They are there while a context is open and gone after it, so that two submissions in one process
with a `helper.py` each get their own.
"""

import contextlib
import importlib.util
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from algoperf_lite.submission import find, reading

PACKAGE = "algoperf_lite_submission_"  # begins the name of the package that a submission is run as


@contextlib.contextmanager
def importable(path: Path) -> Iterator[None]:
    """The helpers of the submission in the file `path`, by all names that its files use.

    When the context closes, everything that was imported by those names is forgotten.
    """
    finder = _Finder(locations(path))
    with forgotten(lambda name: name.startswith(PACKAGE) or finder.has(name)):
        sys.meta_path.insert(0, finder)
        try:
            yield
        finally:
            sys.meta_path.remove(finder)


def locations(path: Path) -> dict[str, list[Path]]:
    """{dotted name of a module or package: its file or folders} of a submission's helpers."""
    folder, found = find.folder_of(path), {}
    for file in reading.files(path, folder):
        for one in file.imports:
            own = None if one.name.startswith(".") else reading.own(one.name, file.path, folder)
            # A package such as our own `submissions` stays what it is; only what is below is new.
            for name, place in own.locations.items() if own else ():
                if name == own.name or not reading.is_installed(name):
                    places = found.setdefault(name, [])
                    places += [place] * (place not in places)
    return found


@contextlib.contextmanager
def forgotten(is_ours: Callable[[str], bool]) -> Iterator[None]:
    """Modules of those names are put aside, and put back exactly when the context closes."""
    before = {name: found for name, found in sys.modules.items() if is_ours(name)}
    for name in before:
        del sys.modules[name]
    try:
        yield
    finally:
        for name in [name for name in sys.modules if is_ours(name)]:
            _unbind(name, sys.modules.pop(name))
        for name, module in before.items():
            sys.modules[name] = module


def _unbind(name: str, module: ModuleType) -> None:
    """Takes a module from its package, whose attribute importing it has made."""
    parent, _, child = name.rpartition(".")
    package = sys.modules.get(parent)
    if package is not None and vars(package).get(child) is module:
        delattr(package, child)


class _Finder(MetaPathFinder):
    """Finds modules in a table of {dotted name: file or folders}."""

    def __init__(self, table: Mapping[str, Sequence[Path]]):
        self._table = table

    def has(self, name: str) -> bool:
        """Whether a module is in the table, or below one that is."""
        return any(name == own or name.startswith(f"{own}.") for own in self._table)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Python's protocol of finders; None where the table has no such name."""
        del path, target
        places = self._table.get(fullname)
        if places is None:
            return None
        files = [place for place in places if place.is_file()]
        if files:
            return importlib.util.spec_from_file_location(fullname, files[0])
        folders = [str(place) for place in places]
        inits = [place / "__init__.py" for place in places if (place / "__init__.py").is_file()]
        # What was a folder of the repository is a package without a file of its own.
        if not inits or not self._is_folder_of_its_name(fullname, inits[0]):
            spec = ModuleSpec(fullname, None, is_package=True)
            spec.submodule_search_locations = folders
            return spec
        return importlib.util.spec_from_file_location(
            fullname, inits[0], submodule_search_locations=folders
        )

    def _is_folder_of_its_name(self, fullname: str, init: Path) -> bool:
        # The folder that stands for the end of a path that is gone may have an __init__.py too,
        # which is not that package's.
        return init.parent.name == fullname.rpartition(".")[2]
