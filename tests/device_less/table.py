"""The table of what XLA made of each program: its file, its print, what two of them differ in."""

import importlib.metadata
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

PATH = Path(__file__).with_name("table.json")
_PACKAGES = ("jax", "jaxlib", "jax-cuda13-plugin", "flax", "optax")

# A tenth more may be the noise of another rounding or of one fused kernel; 30% more is a change of
# the program. Small programs have a floor, since one kernel of five is a fifth.
TOLERANCE = 0.2
FLOOR = {"kernels": 5, "megabytes": 10, "temporary": 10}

Row = Mapping[str, Any]


def versions() -> dict[str, str]:
    """Versions of what makes kernels out of a program."""
    return {name: importlib.metadata.version(name) for name in _PACKAGES}


def read(path: Path = PATH) -> dict[str, Any]:
    """{"versions": ..., "programs": {name: row}}; empty where there is no file."""
    return json.loads(path.read_text()) if path.exists() else {"versions": {}, "programs": {}}


def write(table: Mapping[str, Any], path: Path = PATH) -> None:
    """Writes one line per program, in the order of their names, so that diffs are short."""
    rows = [
        f"{json.dumps(name)}: {json.dumps(table['programs'][name])}"
        for name in sorted(table["programs"])
    ]
    lines = ",\n".join(f"  {row}" for row in rows)
    text = f'{{"versions": {json.dumps(table["versions"])},\n"programs": {{\n{lines}\n}}}}\n'
    path.write_text(text)


def worse(name: str, old: Row | None, new: Row) -> Iterator[str]:
    """What became worse, or is not known yet, in sentences; nothing where all is well."""
    if "error" in new:
        yield f"{name} does not compile: {new['error']}"
        return
    if old is None:
        yield f"{name} is not in the table; write it with `python -m tests.device_less measure`"
        return
    for measure, floor in FLOOR.items():
        if new[measure] > max((1 + TOLERANCE) * old[measure], old[measure] + floor):
            yield f"{name}: {measure} {new[measure]}, {old[measure]} in the table"
    before, now = (_unknown(row["loops"]) for row in (old, new))
    if now > before:
        # Each iteration of such a loop waits for the host on a GPU.
        yield f"{name}: {now} loops of unknown length, {before} in the table"


def _unknown(loops: list[list[int | None]]) -> int:
    return sum(trips is None for trips, _ in loops)


def markdown(table: Mapping[str, Any], before: Mapping[str, Any] | None = None) -> str:
    """The table as text; where there is one of before, its figures stand before an arrow."""
    rows = table["programs"]
    olds = before["programs"] if before else {}
    lines = ["| program | kernels | loops | MB | temporary MB |", f"|{'---|' * 5}"]
    for name in sorted(rows):
        cells = zip(_cells(olds.get(name)), _cells(rows[name]), strict=True)
        line = " | ".join(_change(old, new) for old, new in cells)
        lines.append(f"| {name} | {line} |")
    return "\n".join(lines)


def _change(old: str, new: str) -> str:
    return new if old in ("", new) else f"{old} -> {new}"


def _cells(row: Row | None) -> list[str]:
    if row is None:
        return [""] * 4
    if "error" in row:
        return ["does not compile", "", "", ""]
    loops = ", ".join(f"{'?' if trips is None else trips} x {n}" for trips, n in row["loops"])
    return [str(row["kernels"]), loops or "none", str(row["megabytes"]), str(row["temporary"])]
