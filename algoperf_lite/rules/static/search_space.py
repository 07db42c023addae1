"""Search spaces and points: those in JSON and those that a file writes as literals."""

import ast
import json
import keyword
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from algoperf_lite import tuning
from algoperf_lite.rules.findings import NEEDS_REVIEW, Finding, finding
from algoperf_lite.rules.static.source import Source
from algoperf_lite.rules.static.tables import workload_pattern
from algoperf_lite.schedules.signatures import signatures

_MAX_VALUES = 1_000  # five trials draw from it; more could carry weights
_SCALARS = (int, float, str, bool, type(None))
_PARTS = ("min", "max", "scaling", "feasible_points")


def find_in_json(path: Path) -> Iterator[Finding]:
    """Findings about a `tuning_search_space.json`; none where there is none."""
    place = f"{path.name}:1"
    try:
        space = json.loads(path.read_text()) if path.is_file() else None
    except (OSError, ValueError, RecursionError) as error:
        yield finding("syntax", place, f"the file is no JSON ({error})")
        return
    if path.is_file():
        yield from _space(space, place)


def find_in_literals(source: Source) -> Iterator[Finding]:
    """Findings about `search_space` and `self_tuning_point` where they are literals."""
    for node in source.tree.body:
        if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
            continue
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        names = [target.id for target in targets if isinstance(target, ast.Name)]
        try:
            value = ast.literal_eval(node.value)
        # The errors that `literal_eval` documents.
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            continue  # computed: only running the file can tell
        if "search_space" in names and value is not None:
            yield from _space(value, source.place(node))
            yield from _schedules_names(value, source.place(node))
        if "self_tuning_point" in names and value is not None:
            yield from _point(value, source.place(node), "self_tuning_point")


def _space(space: Any, place: str) -> Iterator[Finding]:
    # The harness's own check first: a space that it refuses cannot be drawn from at all.
    try:
        tuning.check_search_space(space)
    except (ValueError, TypeError, OverflowError) as error:
        yield finding("search-space", place, str(error).rstrip("."))
        return
    if isinstance(space, Mapping):
        yield from _names(space, place)
        for name, dimension in space.items():
            yield from _dimension(name, dimension, place)
    else:
        for number, point in enumerate(space, start=1):
            yield from _point(point, place, f"point {number}")
    if sum(1 for _ in _leaves(space)) > _MAX_VALUES:
        what = f"a search space of more than {_MAX_VALUES} values"
        yield finding("embedded-data", place, what, NEEDS_REVIEW)


def _schedules_names(space: Any, place: str) -> Iterator[Finding]:
    """Names that a schedule's parameter would have in the space: `--schedules` refuses them."""
    known = {name for found in signatures().values() for name in found.searched}
    for name in space if isinstance(space, Mapping) else ():
        if str(name).removeprefix(tuning.SCHEDULE_PREFIX) in known - {name}:
            what = f"the key {name!r} is what a schedule to be searched calls its own parameter"
            yield finding("search-space", place, what, NEEDS_REVIEW)


def _dimension(name: str, dimension: Mapping[str, Any], place: str) -> Iterator[Finding]:
    unknown = sorted(str(part) for part in dimension if part not in _PARTS)
    if unknown:
        yield finding("search-space", place, f"search_space[{name!r}] has {', '.join(unknown)}")
    for value in dimension.get("feasible_points", ()):
        yield from _value(value, place, f"search_space[{name!r}]")


def _point(point: Any, place: str, what: str) -> Iterator[Finding]:
    if not isinstance(point, Mapping):
        yield finding("search-space", place, f"{what} is no dict of values")
        return
    yield from _names(point, place)
    for name, value in point.items():
        yield from _value(value, place, f"{what}[{name!r}]")


def _value(value: Any, place: str, where: str) -> Iterator[Finding]:
    # Lists and dicts as values could be tables by workload.
    if not isinstance(value, _SCALARS):
        yield finding("search-space", place, f"{where} has a value that is no number or word")
    elif isinstance(value, str) and workload_pattern().fullmatch(value):
        yield finding("search-space", place, f"{where} names the workload {value!r}")


# Names become fields of a namedtuple, so they must be plain; and a space with a workload's name in
# it would be a table by workload.
def _names(names: Mapping[Any, Any], place: str) -> Iterator[Finding]:
    for name in names:
        if workload_pattern().fullmatch(str(name)):
            yield finding("search-space", place, f"the key {name!r} is a workload's name")
        elif not isinstance(name, str) or not name.isidentifier() or name.startswith("_"):
            yield finding("search-space", place, f"the key {name!r} is no plain Python name")
        elif keyword.iskeyword(name):
            yield finding("search-space", place, f"the key {name!r} is a word of Python's own")


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for part in value:
            yield from _leaves(part)
    else:
        yield value
