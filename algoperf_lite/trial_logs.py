"""A trial's log directory, in AlgoPerf's layout and file names; the only writer of its files."""

import csv
import errno
import hashlib
import io
import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

STATUSES = (
    "reached",
    "not_reached",
    "diverged",
    "out_of_memory",
    "crashed",
    "timed_out",
    "invalid",
)
ROWS = ("eval_measurements.csv", "measurements.csv")  # a header and a row for each evaluation
_COMMON = (
    "accumulated_eval_time",
    "accumulated_logging_time",
    "accumulated_submission_time",
    "global_step",
    "learning_rate",
    "preemption_count",
    "score",
    "total_duration",
)


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
        self._eval_columns = sorted({*_COMMON, *splits})
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
        append_text(self.directory / name, line.getvalue())
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


def write_json(path: Path, content: Any) -> None:
    """Replaces `path` atomically. NaN and infinities become null: JSON has no word for them."""
    write_text(path, json.dumps(_plain(content), indent=1, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Replaces `path` atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with partial.open("w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)  # where the disk is full, it is in the way


def append_text(path: Path, text: str) -> None:
    """Appends whole lines in one write, so that a reader sees at worst a torn last line; where
    that fails the file is as it was."""
    data = text.encode()
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        size = os.fstat(descriptor).st_size
        try:
            while data:  # a disk that is nearly full takes a part, and fails at the next
                data = data[os.write(descriptor, data) :]
        except OSError:
            os.ftruncate(descriptor, size)
            raise
    finally:
        os.close(descriptor)


def is_full(error: BaseException) -> bool:
    """Whether an error says that there is no room left on a disk, or for this user; also one of a
    library that has it from the system."""
    numbers = (errno.ENOSPC, errno.EDQUOT)
    is_own = isinstance(error, OSError) and error.errno in numbers
    return is_own or any(os.strerror(number) in str(error) for number in numbers)


def sync(path: Path) -> None:
    """Waits until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Mark(NamedTuple):
    """How far a file of lines had come."""

    num_lines: int
    sha256: str


def mark(path: Path) -> Mark:
    """How far a file has come; the lines are on the disk then."""
    sync(path)
    content = path.read_bytes()
    return Mark(content.count(b"\n"), hashlib.sha256(content).hexdigest())


def still_holds(path: Path, then: Mark) -> bool:
    """Whether a file begins with the lines that it had."""
    try:
        return hashlib.sha256(_first_lines(path, then.num_lines)).hexdigest() == then.sha256
    except OSError:
        return False


def cut_back(path: Path, then: Mark) -> None:
    """Cuts off, atomically, what came after the lines that a file had."""
    kept = _first_lines(path, then.num_lines)
    if kept != path.read_bytes():
        write_text(path, kept.decode())


def _first_lines(path: Path, num_lines: int) -> bytes:
    lines = path.read_bytes().split(b"\n")
    return b"".join(line + b"\n" for line in lines[:num_lines][: len(lines) - 1])


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


def _plain(content: Any) -> Any:
    if isinstance(content, Mapping):
        return {str(key): _plain(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_plain(value) for value in content]
    if isinstance(content, float) and not math.isfinite(content):
        return None
    return content
