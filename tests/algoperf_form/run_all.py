"""Every submission in AlgoPerf's form on every workload, one short trial each, and a table.

    python -m tests.algoperf_form.run_all --workloads=digits,wmt --num_steps=10 --num_devices=4

The exit code is 1 where a trial crashed or is invalid. A trial has a process of its own, and there
is one at a time.
"""

import argparse
import csv
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from algoperf_lite import did_you_mean, tuning
from algoperf_lite.trial.config import ExperimentConfig
from algoperf_lite.trial.spec import TrialSpec
from workloads import names as workload_names

SUBMISSIONS = Path(__file__).parent / "submissions"
REPOSITORY = Path(__file__).parents[2]
FAILURES = ("crashed", "invalid")
TRAINING_LOSSES = ("train/loss", "train/ctc_loss")
HEADER = ("submission", "workload", "status", "steps", "training loss", "metric", "seconds")
MODULE = "tests.algoperf_form.run_all"
# A child process prints this in front of its record.
MARK = "RECORD "


@dataclasses.dataclass(frozen=True)
class Cell:
    """A trial's outcome: its record, the rows of its evaluations, its seconds from outside."""

    submission: str
    workload: str
    record: Mapping[str, Any]
    rows: Sequence[Mapping[str, str]]
    seconds: float

    @property
    def columns(self) -> tuple[str, ...]:
        record = self.record
        return (
            self.submission,
            self.workload,
            record["status"],
            str(record.get("steps", 0)),
            self._first_to_last(TRAINING_LOSSES),
            self._first_to_last([f"validation/{record.get('metric')}"]),
            f"{self.seconds:.1f}",
        )

    def _first_to_last(self, columns: Sequence[str]) -> str:
        values = [row[name] for row in self.rows for name in columns if row.get(name)]
        return f"{float(values[0]):.4g} -> {float(values[-1]):.4g}" if values else "-"


def submission_names() -> list[str]:
    return sorted(path.parent.name for path in SUBMISSIONS.glob("*/submission.py"))


def trial_spec(submission: str, workload: str, num_steps: int, directory: str) -> TrialSpec:
    """The first trial of `submission`, tuned externally where it brings a search space."""
    folder = SUBMISSIONS / submission
    ruleset = "external" if (folder / "tuning_search_space.json").exists() else "self"
    return TrialSpec(
        submission=str(folder),
        workload=workload,
        study=0,
        trial=1,
        config=ExperimentConfig(ruleset=tuning.Ruleset(ruleset, 1, 1, 1.0), stop_at_target=False),
        directory=directory,
        max_global_steps=num_steps,
    )


def run_here(spec_json: str) -> None:
    """Runs the trial in this process and prints its record."""
    import workloads  # a process that only waits for others must not load JAX
    from algoperf_lite.trial import run

    spec = TrialSpec.from_json(json.loads(spec_json))
    record = run.run(spec).to_json()
    metric = workloads.load(spec.workload, spec.config.scale).target_metric_name
    kept = {name: record.get(name) for name in ("status", "error", "traceback", "steps")}
    print(MARK + json.dumps({**kept, "metric": metric}), flush=True)


def run_cell(submission: str, workload: str, num_steps: int, num_devices: int) -> Cell:
    """The trial in a process that sees `num_devices` simulated devices."""
    flags = f"--xla_force_host_platform_device_count={num_devices}"
    environment = {
        "JAX_PLATFORMS": "cpu",
        **os.environ,
        "XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} {flags}".strip(),
    }
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        spec = trial_spec(submission, workload, num_steps, directory)
        done = subprocess.run(
            [sys.executable, "-m", MODULE, "--run", json.dumps(dataclasses.asdict(spec))],
            cwd=REPOSITORY,
            env=environment,
            capture_output=True,
            text=True,
        )
        rows = _rows(Path(directory) / "eval_measurements.csv")
    lines = [line for line in done.stdout.splitlines() if line.startswith(MARK)]
    if lines:
        record = json.loads(lines[-1].removeprefix(MARK))
    else:
        error = f"the process ended with exit code {done.returncode} and without a record"
        record = {"status": "crashed", "error": error, "traceback": done.stderr}
    return Cell(submission, workload, record, rows, time.monotonic() - started)


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def report(cells: Sequence[Cell], file: Any = None) -> None:
    """The table, then the traceback of every trial that failed."""
    lines = [HEADER, *(cell.columns for cell in cells)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEADER))]
    for line in lines:
        padded = (text.ljust(width) for text, width in zip(line, widths, strict=True))
        print("  ".join(padded).rstrip(), file=file)
    for cell in cells:
        if cell.record.get("error"):
            print(f"\n{cell.submission} on {cell.workload}: {cell.record['error']}", file=file)
        if cell.record["status"] in FAILURES:
            print(cell.record.get("traceback") or "", file=file)


def _names(text: str | None, valid: Sequence[str], what: str) -> list[str]:
    """The names in a comma-separated list, all of the valid ones by default."""
    return (
        [did_you_mean.require(name, valid, what) for name in text.split(",")]
        if text
        else list(valid)
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--submissions", help="names, comma-separated; default: all")
    parser.add_argument("--workloads", help="names, comma-separated; default: all")
    parser.add_argument("--num_steps", type=int, default=10)
    parser.add_argument("--num_devices", type=int, default=1, help="simulated devices")
    parser.add_argument("--run", help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    if args.run:
        run_here(args.run)
        return 0
    chosen = _names(args.submissions, submission_names(), "submission")
    cells = []
    for workload in _names(args.workloads, workload_names(), "workload"):
        for submission in chosen:
            cell = run_cell(submission, workload, args.num_steps, args.num_devices)
            print("  ".join(cell.columns), file=sys.stderr, flush=True)
            cells.append(cell)
    report(cells)
    return int(any(cell.record["status"] in FAILURES for cell in cells))


if __name__ == "__main__":
    sys.exit(main())
