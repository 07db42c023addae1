"""Honest trials on a machine that is busy with other things: none of them may end as `invalid`.

Short trials run through the whole path of a real one while busy loops take the cores from them and
from the process that watches them. Every fifth crashes when its submission is imported: its ledger
is closed within a second of its start, so that every hundredth of a second would show.

    python -m tests.faults.busy --trials=200 --load=12
"""

import argparse
import collections
import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from algoperf_lite import tuning
from algoperf_lite.executors import local
from algoperf_lite.experiment import jobs
from algoperf_lite.machine.devices import Slot
from algoperf_lite.trial.config import ExperimentConfig
from algoperf_lite.trial.spec import TrialSpec

STEPS = 5
ALGOPERF_FORM = Path(__file__).parents[1] / "cheats" / "tricks" / "plain.py"
_CRASHES = 'raise RuntimeError("at import")\n'
# Ends by itself when its parent is gone, however that ended.
_BUSY_LOOP = "import os\nparent = os.getppid()\nwhile os.getppid() == parent: pass"


class Ends(NamedTuple):
    """How trials ended.

    Attributes:
      records: of all trials, by directory.
      expected: the status each should have.
    """

    records: dict[str, dict[str, Any]]
    expected: dict[str, str]

    @property
    def wrong(self) -> list[str]:
        """A line for each trial that ended otherwise."""
        return [
            f"{directory}: {record['status']} ({record['error']})"
            for directory, record in self.records.items()
            if record["status"] != self.expected[directory]
        ]


@contextlib.contextmanager
def load(num_loops: int) -> Iterator[None]:
    """So many processes that compute without an end, while the context lasts."""
    loops = [subprocess.Popen([sys.executable, "-c", _BUSY_LOOP]) for _ in range(num_loops)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
        for loop in loops:
            loop.wait()


def run(num_trials: int, num_loops: int, folder: Path, num_workers: int = 2) -> Ends:
    """Runs trials in `folder` beside busy loops, some at a time, and prints how each ended."""
    crashing = folder / "crashing.py"
    crashing.write_text(_CRASHES)
    kinds = 3 * [("nadamw", "not_reached")] + [
        (str(ALGOPERF_FORM), "not_reached"),
        (str(crashing), "crashed"),
    ]
    trials, expected = [], {}
    for i in range(num_trials):
        submission, status = kinds[i % len(kinds)]
        trials.append(_spec(submission, folder / f"trial_{i}"))
        expected[trials[-1].directory] = status
    # Not pinned: there may be more trials at a time than cores, which is busier still.
    records, executor = {}, local.Local(num_workers * [Slot()])
    with load(num_loops):
        for trial, record in jobs.run(trials, executor):
            records[trial.directory] = record
            wall = record["ledger"]["wall"]
            print(f"{len(records)} {record['status']} after {wall:.1f} s", flush=True)
    return Ends(records, expected)


def _spec(submission: str, directory: Path) -> TrialSpec:
    return TrialSpec(
        submission=submission,
        workload="digits",
        study=0,
        trial=1,
        config=ExperimentConfig(ruleset=tuning.Ruleset("self", 1, 1, 1.5)),
        directory=str(directory),
        target=2.0,  # which nobody meets
        max_global_steps=STEPS,
    )


def main() -> int:
    """1 where a trial did not end as it should."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--load", type=int, default=12, help="busy processes")
    parser.add_argument("--workers", type=int, default=2, help="trials at a time")
    arguments = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        ends = run(arguments.trials, arguments.load, Path(folder), arguments.workers)
    seconds = time.monotonic() - began
    counts = collections.Counter(record["status"] for record in ends.records.values())
    print(*ends.wrong, sep="\n")
    print(
        f"{arguments.trials} trials under a load of {arguments.load}: "
        f"{', '.join(f'{count} {status}' for status, count in sorted(counts.items()))}; "
        f"{len(ends.wrong)} not as expected; {seconds:.0f} s"
    )
    return int(bool(ends.wrong))


if __name__ == "__main__":
    sys.exit(main())
