"""The files that make up a submission: its own, and those beside it that it imports."""

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

from algoperf_lite.rules.findings import NEEDS_REVIEW, Finding, finding
from algoperf_lite.rules.static import access_table
from algoperf_lite.rules.static.source import Source, parse
from algoperf_lite.submission import find, reading

# Files that a person can read; weights and pickles have other suffixes, or none.
_TEXTS = (".py", ".json", ".txt", ".md", ".toml", ".cfg", ".yaml", ".yml")
_TEXTS_WITHOUT_SUFFIX = ("LICENSE", "NOTICE", "README")
_MAX_BYTES_OF_A_TEXT = 200_000


@dataclasses.dataclass(frozen=True)
class Files:
    """The files of a submission as they were read.

    Attributes:
      search_space: where its tuning_search_space.json is, or would be.
      sources: the parsed files, its own first; without those that are no Python.
      requirements: packages that requirements.txt names, spelled as modules.
      findings: about files that could not be read, or that are none to read.
    """

    search_space: Path
    sources: tuple[Source, ...]
    requirements: frozenset[str]
    findings: tuple[Finding, ...]


def read(path: Path) -> Files:
    """Reads a submission's file, or `submission.py` of its folder, and every helper."""
    path = path.resolve()  # else a helper that is reached by two spellings would be read twice
    entry = path / find.FILE_OF_A_FOLDER if path.is_dir() else path
    folder = find.folder_of(entry)
    is_folder = entry.name == find.FILE_OF_A_FOLDER
    sources, findings = [], list(_strange_files(entry.parent)) if is_folder else []
    # Helpers import helpers. Breadth first, so that findings begin with the submission's own file.
    queue, seen = [entry], {entry}
    while queue:
        file = queue.pop(0)
        found = _parse(file, entry.parent if file.is_relative_to(entry.parent) else folder)
        if isinstance(found, Finding):
            findings.append(found)
            continue
        helpers = {name: _files_of(name, file, folder) for _, name in found.imports}
        found.is_entry = file == entry
        found.helpers = frozenset(name for name, files in helpers.items() if files)
        sources.append(found)
        new = {helper for files in helpers.values() for helper in files} - seen
        queue += sorted(new)
        seen |= new
    search_space = find.companion(entry, find.SEARCH_SPACE)
    requirements = _requirements(find.companion(entry, find.REQUIREMENTS))
    return Files(search_space, tuple(sources), requirements, tuple(findings))


def _parse(file: Path, folder: Path) -> Source | Finding:
    name = file.relative_to(folder).as_posix()
    try:
        return parse(file.read_bytes(), name)
    except OSError as error:
        return finding("syntax", f"{name}:1", f"the file cannot be read ({error.strerror})")


def _files_of(module: str, importer: Path, folder: Path) -> list[Path]:
    """Files in `folder` that importing `module` runs; none for a library."""
    if "." not in module and module in access_table.HARNESS:
        return []
    own = reading.own(module, importer, folder)
    return own.files if own else []


def _requirements(path: Path) -> frozenset[str]:
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return frozenset()
    # Versions do not matter here; `submission.algoperf` checks them before it runs the file.
    names = (re.match(r"\s*([A-Za-z0-9][\w.-]*)", line) for line in lines)
    return frozenset(name[1].lower().replace("-", "_") for name in names if name)


def _strange_files(folder: Path) -> Iterator[Finding]:
    """Findings about files in a submission's folder that a person cannot read as text."""
    for file in sorted(folder.rglob("*")):
        name = file.relative_to(folder)
        if not file.is_file() or any(part.startswith((".", "__pycache__")) for part in name.parts):
            continue
        # A text of that size can hold a small model's weights as numbers.
        size = file.stat().st_size
        is_text = file.suffix in _TEXTS or file.name in _TEXTS_WITHOUT_SUFFIX
        if not is_text or size > _MAX_BYTES_OF_A_TEXT:
            what = f"the folder holds {name.as_posix()} of {size} bytes"
            yield finding("embedded-data", f"{name.as_posix()}:1", what, NEEDS_REVIEW)
