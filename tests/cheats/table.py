"""Every trick, what `check` finds and how a trial of it ends; `python -m tests.cheats.table` writes
it all down in README.md."""

import ast
import dataclasses
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from algoperf_lite import tuning
from algoperf_lite.executors import local
from algoperf_lite.experiment import jobs
from algoperf_lite.rules.findings import VIOLATION
from algoperf_lite.rules.static import check
from algoperf_lite.trial.config import ExperimentConfig
from algoperf_lite.trial.spec import TrialSpec

FOLDER = Path(__file__).parent
TRICKS = FOLDER / "tricks"
HONEST = ("nadamw", "plain")  # a submission of the house, and what the tricks are built around
_SILENCE_LIMIT, _SILENCE_OF_A_HANGING_ONE = 300.0, 30.0  # seconds
_MEMORY_LIMIT = 8  # GiB
_HEAD = """# Tricks, and what becomes of them

Each file in [tricks/](tricks) tries one trick that would pay off in a harness that trusts what it
runs. [test_cheats.py](test_cheats.py) sees to it that each is found by `algoperf-lite check`, or
makes its trial end without a time, or gains nothing. What is not tried is found by `check` alone:
within its own process a determined file can do anything, as
[integrity.py](../../algoperf_lite/trial/integrity.py) says.

`python -m tests.cheats.table` makes this page from a run of all of them (some minutes).

| file | trick | violations that `check` finds | a trial of it ends as |
|---|---|---|---|
"""


@dataclasses.dataclass(frozen=True)
class Cheat:
    """What is expected of one trick.

    Attributes:
      status: of its trial; empty where it is not tried.
      no_advantage: why it may end like an honest one.
    """

    status: str = ""
    no_advantage: str = ""


CHEATS = {
    "slow_clock": Cheat("invalid"),
    "unreturned_work": Cheat(
        "not_reached", "the clock stops when all arrays there are, returned or not, are computed"
    ),
    "thread": Cheat("invalid"),
    "child_process": Cheat("invalid"),
    "trained_at_import": Cheat(
        "not_reached", "the import is on its clock, with more seconds than all its steps"
    ),
    "trained_in_the_warm_up": Cheat(
        "not_reached", "the warm-up's batches are zeros: accuracy after step 1 is that of a guess"
    ),
    "memory_in_the_module": Cheat(
        "not_reached", "each trial has a process of its own: a second one measures the same"
    ),
    "memory_in_a_file": Cheat(),
    "lucky_evaluation": Cheat(
        "not_reached", "the first evaluation at the target ends a trial anyway, and none came"
    ),
    "validation_data": Cheat(),
    "own_target": Cheat(),
    "easier_target": Cheat(),
    "by_name": Cheat(),
    "by_name_of_batch_size": Cheat(),
    "by_size": Cheat(),
    "embedded_weights": Cheat(),
    "half_types": Cheat("invalid"),
    "other_precision": Cheat(),
    "no_waiting": Cheat(),
    "flattering_jit": Cheat(),
    "own_evaluator": Cheat(),
    "moved_seconds": Cheat(),
    "lost_seconds": Cheat("invalid"),
    "own_rows": Cheat("invalid"),
    "own_record": Cheat("crashed"),
    "own_result": Cheat(),
    "hangs": Cheat("timed_out"),
    "allocates": Cheat("out_of_memory"),
}


def violations(name: str) -> list[str]:
    """Rules that the file breaks."""
    found = check.check(TRICKS / f"{name}.py")
    return sorted({finding.rule for finding in found if finding.severity == VIOLATION})


def run(name: str, directory: Path) -> dict[str, Any]:
    """The record of a real trial on digits, whose target nobody meets."""
    path = TRICKS / f"{name}.py"
    spec = TrialSpec(
        submission=str(path) if path.exists() else name,
        workload="digits",
        study=0,
        trial=1,
        config=ExperimentConfig(ruleset=tuning.Ruleset("self", 1, 1, 1.5)),
        directory=str(directory),
        target=2.0,
        max_global_steps=45,
    )
    silence = _SILENCE_OF_A_HANGING_ONE if name == "hangs" else _SILENCE_LIMIT
    memory = _MEMORY_LIMIT if name == "allocates" else None
    limits = jobs.Limits(silence, memory_limit_gib=memory)
    [(_, record)] = jobs.run([spec], local.local(1, 1), limits=limits)
    return record


def row(name: str, record: Mapping[str, Any] | None) -> str:
    """A line of the table; `record` is None where the trick is not tried."""
    trick = ast.get_docstring(ast.parse((TRICKS / f"{name}.py").read_text()))
    found = ", ".join(f"`{rule}`" for rule in violations(name)) or "none"
    end = "not tried"
    if record is not None:
        end = f"`{record['status']}`: {CHEATS[name].no_advantage or _evidence(record['error'])}"
    return f"| [{name}](tricks/{name}.py) | {trick} | {found} | {end} |\n"


def page(rows: list[str]) -> str:
    return _HEAD + "".join(rows)


def _evidence(error: str) -> str:
    """An error without its type and what differs from run to run."""
    error = re.sub(r"^\w+: ", "", error)
    error = re.sub(r"(; threads it started): .*", r"\1", error)
    error = re.sub(r" \([\d.]+ s\)", "", error)
    return re.sub(r"\d+\.\d+ s\b", "some s", error)


def main() -> None:
    rows = []
    for name, cheat in CHEATS.items():
        with tempfile.TemporaryDirectory() as directory:
            record = run(name, Path(directory) / "trial_1") if cheat.status else None
        rows.append(row(name, record))
        print(rows[-1], end="", flush=True)
    (FOLDER / "README.md").write_text(page(rows))


if __name__ == "__main__":
    main()
