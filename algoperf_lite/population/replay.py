"""A native submission file that trains alone on the hyperparameters of a population's winner.

The file is made of the text of the population's submission, so that it can be read, changed and
submitted like any other: what was evolved becomes a table in it.
"""

import ast
import dataclasses
import json
import re
import textwrap
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from algoperf_lite.population import lineage, replay_parts
from algoperf_lite.population.evolution import Point
from algoperf_lite.schedules.source import source
from algoperf_lite.submission import find

Line = tuple[tuple[int, Point], ...]
# The shared training step reads these of a trial's point, so no optimizer can change them.
HELD = ("dropout_rate", "label_smoothing", "grad_clip")
_WIDTH = 100  # of a line in the file
_NEW_NAMES = frozenset({"LINE", "Hyperparameters", "State", "point_at", "namedtuple", "schedules"})
_FUNCTIONS = ("optimizer", "schedule", "eval_params", "data_selection")
_AT_ONE_POINT = {name: f"{name}_at" for name in _FUNCTIONS}


@dataclasses.dataclass(frozen=True)
class Origin:
    """The trial that a lineage is of, from its trial.json.

    Attributes:
      submission, workload, study: as on the leaderboard.
      source: the text of the submission's file.
      schedule: what replaced the submission's own, in text; None for its own.
      budget: part of the step hint that was the horizon.
      step_hint: that horizon, in steps.
      members: of the population.
    """

    submission: str
    workload: str
    study: int
    source: str
    schedule: str | None
    budget: float
    step_hint: int
    members: int


def read(path: Path) -> tuple[Line, Origin]:
    """The winner's hyperparameters from step to step, and where they are from.

    Raises ValueError where the file is no lineage, nobody has won yet, or the trial.json beside it
    does not say what was trained.
    """
    generations = lineage.read(path)
    line = lineage.ancestry(generations, lineage.winner(generations))
    beside = path.parent / "trial.json"
    try:
        record = json.loads(beside.read_text())
        record["source"], record["members"] = record["submission_source"], record["pbt"]["size"]
        names = [field.name for field in dataclasses.fields(Origin)]
        return line, Origin(**{name: record[name] for name in names})
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ValueError(
            f"{str(beside)!r} does not say which submission the lineage is of ({error!r:.200}); "
            "give the lineage.jsonl in the directory of a population that has ended"
        ) from None


def held(line: Line) -> Point:
    """The hyperparameters that cannot follow a line in a file, at the values it ends with."""
    return {name: value for name, value in line[-1][1].items() if name in HELD}


def text(line: Line, origin: Origin) -> str:
    """The text of the file. Raises ValueError where the submission's own names are in the way."""
    # By its syntax tree, since the file may define things in any way; nothing of it is run.
    tree = ast.parse(origin.source)
    names = set().union(*map(_bound, tree.body))
    taken = sorted(names & _NEW_NAMES | names & set(_AT_ONE_POINT.values()))
    if taken:
        raise ValueError(
            f"submission {origin.submission!r} defines {taken[0]}, which the file to be written "
            "defines too; rename it there and train the population again"
        )
    # The line takes their place: there is nothing left to tune.
    dropped = {"search_space", "self_tuning_point"}
    dropped |= set() if origin.schedule is None else {"schedule"}
    schedule, imports = _schedule(tree, line, origin, names)
    has_schedule = bool(schedule) or "schedule" in names
    rate = ", schedule_at(workload, point)" if has_schedule else ""
    parts = [
        _imports(tree, names) + _edited(tree, origin.source, dropped, imports).lstrip("\n"),
        _table(line),
        schedule,
        replay_parts.POINT_AT,
        replay_parts.SCHEDULE if has_schedule else "",
        replay_parts.OPTIMIZER.format(
            argument=", learning_rate" if has_schedule else "",
            made=f"optimizer_at(workload, point{rate})",
        ),
        replay_parts.EVAL_PARAMS if "eval_params" in names else "",
        replay_parts.DATA_SELECTION if "data_selection" in names else "",
    ]
    code = "\n\n\n".join(part.strip("\n") for part in parts if part)
    return f"{_docstring(line, origin)}\n\n{code}\n"


def _schedule(
    tree: ast.Module, line: Line, origin: Origin, names: Collection[str]
) -> tuple[str, list[str]]:
    """(`schedule_at` where the submission's text has none, the imports that it needs)."""
    horizon = "hyperparameters.horizon * " if "horizon" in line[0][1] else ""
    horizon += "workload.step_hint"
    imports = ["from algoperf_lite import schedules"]
    if origin.schedule is not None:
        size = "batch_size(workload)" if "batch_size" in names else "workload.batch_size"
        return source(origin.schedule, horizon, size, origin.budget), imports
    if not find.wants_default_schedule(tree):
        return "", []
    # `native.default_schedule`, written out as the other parts are.
    warmup = ", hp.warmup_factor" if "warmup_factor" in line[0][1] else ""
    default = (
        "def schedule_at(workload, hyperparameters):\n"
        "    hp = hyperparameters\n"
        f"    num_steps = {horizon.replace('hyperparameters', 'hp')}\n"
        f"    return schedules.warmup_cosine(num_steps, hp.learning_rate{warmup})\n"
    )
    return default, imports


def _docstring(line: Line, origin: Origin) -> str:
    told = (
        f"Written by `algoperf-lite replay` from the lineage of {origin.members} members on "
        f"{origin.workload} (study {origin.study}, {origin.step_hint} steps): LINE has the "
        "winner's hyperparameters and those of its ancestors, each from the step that it begins at."
    )
    if origin.budget != 1.0:
        told += (
            f" The horizon was a part of the step hint: run it with --budgets={origin.budget:g}."
        )
    if held(line):
        told += f" {', '.join(held(line))} cannot follow it and keep the values that it ends with."
    title = f"{origin.submission.partition('+')[0]} on a line that a population evolved."
    return f'"""{title}\n\n{textwrap.fill(told, _WIDTH)}\n"""'


def _imports(tree: ast.Module, names: Collection[str]) -> str:
    """The imports that the file needs beside the submission's own."""
    lines = [f"{ast.unparse(node)}\n" for node in tree.body if _is_future(node)]  # must be first
    lines += ["from collections import namedtuple", ""]
    # Above the author's own, and none twice.
    needed = {"jax": "import jax", "jnp": "import jax.numpy as jnp", "optax": "import optax"}
    if "data_selection" in names:
        needed["DataSelection"] = "from algoperf_lite.spec import DataSelection"
    lines += [line for name, line in needed.items() if name not in names]
    return "\n".join(lines) + "\n"


def _table(line: Line) -> str:
    rows = []
    for step, point in line:
        pairs = [f'"{name}": {value!r}' for name, value in point.items()]
        row = f"    ({step}, {{{', '.join(pairs)}}}),"
        if len(row) > _WIDTH:
            inner = "".join(f"            {pair},\n" for pair in pairs)
            row = f"    (\n        {step},\n        {{\n{inner}        }},\n    ),"
        rows.append(row)
    table = "\n".join(["# (first step, hyperparameters from there on)", "LINE = (", *rows, ")"])
    # As a space of one point as well, so that both rulesets can run it.
    if not (kept := held(line)):
        return table
    space = {name: {"feasible_points": [value]} for name, value in kept.items()}
    return (
        f"{table}\n# The training step reads these, so they stay where the line ends.\n"
        f"search_space = {json.dumps(space)}\nself_tuning_point = {json.dumps(kept)}"
    )


def _edited(tree: ast.Module, text: str, dropped: Collection[str], imports: Sequence[str]) -> str:
    """The submission's text without its docstring and dropped names, and with imports added; what
    the file defines anew has "_at" added to its name. All else, comments included, stays as its
    author wrote it."""
    lines = [line.encode() for line in text.splitlines(keepends=True)]  # columns count bytes
    read = {node.id for node in ast.walk(tree) if _is_read(node)}
    renames, cut = dict(_AT_ONE_POINT), []
    for index, node in enumerate(tree.body):
        gone = _bound(node) & set(dropped)
        if gone & read:  # its own code needs them, under names that the harness does not read
            renames |= {name: f"{name}_at" for name in gone}
        elif gone or _is_future(node) or (index == 0 and ast.get_docstring(tree) is not None):
            cut.append(node)
    # From the end, so that columns in front of an edit stay right.
    for row, column, old in sorted(_places(tree, renames), reverse=True):
        before, after = lines[row][:column], lines[row][column:]
        lines[row] = before + after.replace(old.encode(), renames[old].encode(), 1)
    if imports:
        last = max(n.end_lineno for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom))
        lines[last - 1] += "".join(f"{line}\n" for line in imports).encode()
    for node in reversed(cut):
        del lines[_first_line(node) - 1 : node.end_lineno]
    return re.sub("\n{4,}", "\n\n\n", b"".join(lines).decode())  # where something was cut


def _bound(node: ast.stmt) -> set[str]:
    """The names that a statement at the top of a module binds."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {alias.asname or alias.name.partition(".")[0] for alias in node.names}
    stores = (name for name in ast.walk(node) if isinstance(name, ast.Name))
    return {name.id for name in stores if isinstance(name.ctx, ast.Store)}


def _is_read(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)


def _is_future(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and node.module == "__future__"


def _first_line(node: ast.stmt) -> int:
    decorators = getattr(node, "decorator_list", ())
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])


def _places(tree: ast.Module, names: Mapping[str, str]) -> Iterator[tuple[int, int, str]]:
    """(row, column, name) of every mention of names of the module, row and column from 0."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name in names:
            yield node.lineno - 1, node.col_offset, node.name
        yield from _mentions(node, names)


def _mentions(node: ast.AST, names: Collection[str]) -> Iterator[tuple[int, int, str]]:
    """Those inside a node. A function that has a parameter, a variable or a function of such a name
    means its own."""
    if isinstance(node, ast.Name) and node.id in names:
        yield node.lineno - 1, node.col_offset, node.id
    if isinstance(node, ast.FunctionDef | ast.Lambda):
        names = set(names) - set(_local(node))
    for child in ast.iter_child_nodes(node):
        yield from _mentions(child, names)


def _local(function: ast.AST) -> Iterator[str]:
    for node in ast.walk(function):
        if isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.FunctionDef) and node is not function:
            yield node.name
