"""The downloads of a board: each leaderboard as CSV, JSON and, where pyarrow is there, parquet."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence

from scoring.board.standings import Standings
from scoring.exports import formats
from scoring.leaderboard import Leaderboard

Value = str | int | float | None
Columns = Mapping[str, Sequence[Value]]
# What a spreadsheet takes for a formula where a cell begins with it.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def files(found: Standings, board: Leaderboard) -> dict[str, bytes]:
    """{name: content} of a group's downloads."""
    slug = found.group.slug
    about = {
        "benchmark": found.group.benchmark,
        "ruleset": found.group.ruleset,
        "hardware": found.group.hardware.name,
        "entries": [entry.sha256 for entry in found.group.entries],
        "levels": {line.submission: line.level for line in found.lines},
    }
    whole = {**about, "leaderboard": board.to_json()}
    tables = {f"{slug}": _standings(found, board), f"{slug}-workloads": _workloads(board)}
    made = {f"{slug}.json": f"{json.dumps(whole, indent=1, allow_nan=False)}\n".encode()}
    for name, columns in tables.items():
        made[f"{name}.csv"] = _csv(columns)
        if formats.is_installed("pyarrow"):
            made[f"{name}.parquet"] = _parquet(columns)
    return made


def _standings(found: Standings, board: Leaderboard) -> Columns:
    """A row for each submission."""
    rows = board.rows
    return {
        "place": [line.place for line in found.lines],
        "submission": [row.submission for row in rows],
        "score": [row.score for row in rows],
        "low": [row.low for row in rows],
        "high": [row.high for row in rows],
        "num_reached": [sum(map(math.isfinite, row.gated.values())) for row in rows],
        "num_workloads": [len(board.workloads)] * len(rows),
        "num_studies": [row.num_studies for row in rows],
        "level": [line.level for line in found.lines],
    }


def _workloads(board: Leaderboard) -> Columns:
    """A row for each submission on each workload that it was run on."""
    cells = [(row, name) for row in board.rows for name in board.columns if name in row.statuses]

    def numbers(field: str) -> list[Value]:
        return [_finite(getattr(row, field).get(name)) for row, name in cells]

    return {
        "submission": [row.submission for row, _ in cells],
        "workload": [name for _, name in cells],
        "unit": [board.unit] * len(cells),
        "time_to_target": numbers("time_to_target"),
        "steps_to_target": numbers("steps_to_target"),
        "ratio_to_best": numbers("ratio_to_best"),
        "best": numbers("best"),
        "num_trials": [sum(row.statuses[name].values()) for row, name in cells],
    }


def _csv(columns: Columns) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(value) for value in row] for row in zip(*columns.values(), strict=True))
    return text.getvalue().encode("utf-8", "replace")


def _cell(value: Value) -> Value:
    is_formula = isinstance(value, str) and value.startswith(_FORMULA)
    return f"'{value}" if is_formula else value


def _parquet(columns: Columns) -> bytes:
    import pyarrow
    from pyarrow import parquet

    sink = io.BytesIO()
    # Without types, a column in which nobody reached anything would have none.
    schema = [(name, _type(name)) for name in columns]
    parquet.write_table(pyarrow.table(dict(columns), pyarrow.schema(schema)), sink)
    return sink.getvalue()


def _type(name: str) -> str:
    texts = ("submission", "level", "workload", "unit")
    whole = name == "place" or name.startswith("num_")
    return "string" if name in texts else "int64" if whole else "float64"


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)
