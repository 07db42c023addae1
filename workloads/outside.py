"""Workloads from outside: folders anywhere, given by their path, that are loaded as ours are.

A folder is a Python package of its own name, so its files import each other as they like:
`from my_family import model`, or `from . import model`. Nothing is installed, and no other folder
becomes importable.
"""

import hashlib
import importlib
import importlib.util
import os
import re
import sys
import traceback
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

FILE = "workload.py"
# A name becomes a folder of logs, a Python package and a word of file names.
_NAME = re.compile(r"[A-Za-z][\w-]*", re.ASCII)


def is_path(text: str) -> bool:
    """Whether a user's word is a path and not a name."""
    return os.sep in text or text in (".", "..", "~")


def absolute(text: str) -> str:
    """The path in full, as other processes need it, whose working directory may be another."""
    return os.path.abspath(os.path.expanduser(text))


def check(path: str, folder: Path | None) -> None:
    """Raises ValueError, one sentence, where a path leads to no workload; runs nothing.

    Args:
      folder: the family's, which holds the `workload.py`; None where there is none.
    """
    if folder is None and Path(path).is_dir():
        raise ValueError(
            f"folder {path!r} has no {FILE}; docs/workloads.md says what belongs there"
        )
    if folder is None:
        raise ValueError(
            f"there is no workload folder {path!r}; give the path of a folder with a {FILE}, "
            "or that path with _<variant> behind it"
        )
    if not _NAME.fullmatch(folder.name):
        raise ValueError(
            f"workload folder {str(folder)!r} gives its workload a name that cannot be used; "
            "call it with letters, digits and underscores, a letter first"
        )


def module(folder: Path) -> ModuleType:
    """The module of a folder's `workload.py`, run once in a process.

    Raises ValueError, one sentence, where the file cannot be imported or has no SCALES.
    """
    if not (folder / FILE).is_file():
        check(str(folder), None)  # on another machine, perhaps
    _check_free(folder)
    try:
        _make_package(folder)
        found = importlib.import_module(f"{folder.name}.workload")
    except Exception as error:  # of any kind: the file is somebody else's
        sys.modules.pop(folder.name, None)  # so that it can be mended and tried again
        # Python puts the place into the text of a SyntaxError, without the word for it.
        text = error.msg if isinstance(error, SyntaxError) else str(error).partition("\n")[0]
        what = f"{type(error).__name__}: {text}{_place(error, folder)}"
        raise ValueError(f"workload {str(folder)!r} cannot be imported ({what})") from error
    if not isinstance(getattr(found, "SCALES", None), dict):
        raise ValueError(
            f"{folder / FILE} has no SCALES; add SCALES = {{'lite': MyWorkload(...)}}, "
            "see docs/workloads.md"
        )
    return found


def sha256(folder: Path) -> str:
    """A hash of all Python files of a folder, by which a changed workload is told."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        # With a byte between that no name holds, so that moving a line to another file is a change.
        digest.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def _check_free(folder: Path) -> None:
    """Raises ValueError where the folder's name means something else to Python."""
    known = importlib.util.find_spec(folder.name)
    places = (known.submodule_search_locations or [""]) if known is not None else []
    # Another workload's folder may give way: a notebook may have loaded a copy from elsewhere.
    if not all(place and (Path(place) / FILE).is_file() for place in places):
        raise ValueError(
            f"workload folder {str(folder)!r} has the name of the Python package {folder.name!r}, "
            "which would hide it; rename the folder"
        )


def _make_package(folder: Path) -> None:
    """Lets the folder's name mean this folder to Python, and no other one of that name."""
    name, place = folder.name, [str(folder)]
    if list(getattr(sys.modules.get(name), "__path__", ())) == place:
        return
    for loaded in [key for key in sys.modules if key == name or key.startswith(f"{name}.")]:
        del sys.modules[loaded]
    importlib.invalidate_caches()  # the folder may have been written a moment ago
    first, spec = folder / "__init__.py", ModuleSpec(name, None, is_package=True)
    spec.submodule_search_locations = place
    if first.is_file():
        spec = importlib.util.spec_from_file_location(name, first, submodule_search_locations=place)
    sys.modules[name] = importlib.util.module_from_spec(spec)
    if first.is_file():
        spec.loader.exec_module(sys.modules[name])


def _place(error: Exception, folder: Path) -> str:
    """ ", file.py line 3": the folder's last line that an error came through; "" for none."""
    if isinstance(error, SyntaxError) and error.filename is not None:
        return f", {Path(error.filename).name} line {error.lineno}"
    lines = traceback.extract_tb(error.__traceback__)
    own = [line for line in lines if Path(line.filename).is_relative_to(folder)]
    return f", {Path(own[-1].filename).name} line {own[-1].lineno}" if own else ""
