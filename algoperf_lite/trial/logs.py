"""A trial's log directory, in AlgoPerf's layout and file names; the only writer of its files."""

import csv
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from algoperf_lite.storage import atomic
from algoperf_lite.storage.atomic import Mark
from scoring.logs.format import COMMON_COLUMNS, STATUSES
from scoring.logs.format import ROW_FILES as ROWS


class TrialLogs:
    """Appends a trial's rows. Every append is one write of whole lines, so that a reader sees at
    worst a torn last line; whole files are replaced atomically."""

    def __init__(self, directory: Path, metric_names: Sequence[str], num_rows: int = 0):
        """`metric_names` are the workload's metrics, without the split in front; `num_rows` that
        an interrupted attempt wrote are there already, and nothing after them."""
        self.directory, self.num_rows = directory, num_rows
        splits = [
            f"{split}/{name}"
            for split in ("test", "train", "validation")
            for name in (*metric_names, "num_examples")
        ]
        self._eval_columns = sorted({*COMMON_COLUMNS, *splits})
        self._columns = sorted({*self._eval_columns, "loss"})
        self._written = {name: hashlib.sha256() for name in ROWS}
        directory.mkdir(parents=True, exist_ok=True)
        if num_rows:
            for name in ROWS:
                self._written[name].update((directory / name).read_bytes())
            return
        self._append("eval_measurements.csv", self._eval_columns)
        self._append("measurements.csv", self._columns)

    @property
    def marks(self) -> dict[str, "Mark"]:
        """How far its files have come, by what was written and not by what is there."""
        return {name: Mark(1 + self.num_rows, sha256) for name, sha256 in self.sha256.items()}

    @property
    def sha256(self) -> dict[str, str]:
        """Hashes of what was written, by file: other content is not the harness's."""
        return {name: digest.hexdigest() for name, digest in self._written.items()}

    def write_eval(self, row: Mapping[str, Any], training_loss: float | None) -> None:
        """One evaluation; keys are column names, a missing one leaves its cell blank."""
        unknown = set(row) - set(self._eval_columns)
        assert not unknown, f"columns {sorted(unknown)} are not in the header"
        self._append("eval_measurements.csv", _cells(row, self._eval_columns))
        row = {**row, "loss": training_loss}
        self._append("measurements.csv", _cells(row, self._columns))
        self.num_rows += 1

    def write_score(self, score: float, global_step: int) -> None:
        """The last row of `measurements.csv`: seconds on the submission's clock."""
        row = {"score": score, "global_step": global_step}
        self._append("measurements.csv", _cells(row, self._columns))

    def _append(self, name: str, cells: Sequence[Any]) -> None:
        line = io.StringIO()
        csv.writer(line, lineterminator="\n").writerow(cells)
        atomic.append_text(self.directory / name, line.getvalue())
        self._written[name].update(line.getvalue().encode())


def tampered(directory: Path, sha256: Mapping[str, str]) -> str | None:
    """The first file of rows that does not hold what `TrialLogs` wrote; None if all do."""
    for name, digest in sha256.items():
        try:
            found = (directory / name).read_bytes()
        except OSError:
            return name
        if hashlib.sha256(found).hexdigest() != digest:
            return name
    return None


def read_record(directory: Path) -> dict[str, Any] | None:
    """A finished trial's `trial.json`; None where the trial has not finished."""
    try:
        record = json.loads((directory / "trial.json").read_text())
        return record if record["status"] in STATUSES else None
    except (OSError, ValueError, LookupError, TypeError):
        return None


def set_aside(directory: Path, keep: Sequence[str] = ()) -> None:
    """Moves what an interrupted attempt left, but for names in `keep`, into `interrupted_<k>/`
    inside `directory`."""
    if not directory.exists():
        return
    left = [
        path
        for path in directory.iterdir()
        if not path.name.startswith("interrupted_") and path.name not in keep
    ]
    if not left:
        return
    attempt = directory / f"interrupted_{len(list(directory.glob('interrupted_*')))}"
    attempt.mkdir()
    for path in left:
        path.rename(attempt / path.name)


def _cells(row: Mapping[str, Any], columns: Sequence[str]) -> list[Any]:
    return [row.get(column) for column in columns]  # None is a blank cell
