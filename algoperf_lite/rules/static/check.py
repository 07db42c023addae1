"""Checks a submission by reading its files; runs none of them."""

from collections.abc import Iterator, Mapping, Set
from pathlib import Path

from algoperf_lite.rules.findings import NEEDS_REVIEW, VIOLATION, Finding, finding, in_order
from algoperf_lite.rules.static import (
    access,
    api,
    at_import,
    files,
    fingerprints,
    literals,
    search_space,
    state,
    tables,
    workload_use,
)
from algoperf_lite.rules.static.source import Source
from algoperf_lite.submission import find, missing

# Each has `find(source) -> findings`. A file is read by all of them, whatever the others found.
_CONCERNS = (workload_use, tables, fingerprints, literals, at_import, state)
# The rules whose findings say that a submission cannot even be tried on this machine.
CANNOT_RUN = ("syntax", "missing-import", "other-framework")


def check(path: Path) -> list[Finding]:
    """Findings about a submission: a native file, or AlgoPerf's form as a file or folder.

    Helper modules beside the file are read as well. Never raises for what the files contain.
    """
    read = files.read(path)
    found = list(read.findings)
    names = {source: access.names_used(source) for source in read.sources}
    for source in read.sources:
        try:
            found += access.find(source, read.requirements, _names_elsewhere(source, names))
            for concern in _CONCERNS:
                found += concern.find(source)
            if source.is_entry:
                found += _as_a_whole(read, source)
        except (RecursionError, ValueError) as error:  # deep nesting, or a number of many digits
            what = f"it cannot be analysed ({error})"
            found.append(finding("syntax", f"{source.name}:1", what))
    if any(source.is_entry for source in read.sources):
        found += _unresolved(path, {one.place for one in found if one.severity == VIOLATION})
    return in_order(found)


def _names_elsewhere(source: Source, names: Mapping[Source, frozenset[str]]) -> frozenset[str]:
    """Names by which other files may mean what this one imports; its own, if it imports itself."""
    stem = source.name.removesuffix(".py").rpartition("/")[2]
    imports_itself = any(stem in path.split(".") for _, path in source.imports)
    others = (used for other, used in names.items() if other is not source or imports_itself)
    return frozenset().union(*others)


# A helper beside the file need not have the functions of a form, nor a search space.
def _as_a_whole(read: files.Files, entry: Source) -> Iterator[Finding]:
    yield from api.find(read, entry)
    if api.is_native_form(entry):
        yield from search_space.find_in_literals(entry)
    else:
        yield from search_space.find_in_json(read.search_space)


def _unresolved(path: Path, places: Set[str]) -> Iterator[Finding]:
    """Findings about imports that will fail here; what is not installed is no breach of a rule.

    None is added at `places`, where the import is a violation whether it is installed or not.
    """
    entry = path / find.FILE_OF_A_FOLDER if path.is_dir() else path
    for one in missing.imports(entry):
        place = f"{one.file.name}:{one.line}"
        if one.framework:
            what = f"import of `{one.module}`, which makes this a {one.framework} submission"
            yield finding("other-framework", place, what)
        elif place not in places:
            what = f"import of `{one.module}`, which {one.why}"
            yield finding("missing-import", place, what, NEEDS_REVIEW)
