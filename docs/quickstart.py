"""The README's first table, from a real run.

    python -m docs.quickstart

runs `algoperf-lite quickstart` with an empty cache, writes what it measured to
`docs/quickstart.json`, and sets the block between two markers in the README from that file. A test
compares the two, so that neither can be changed by hand.
"""

import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
FACTS = Path(__file__).with_suffix(".json")
BEGIN = "<!-- begin: written by `python -m docs.quickstart` -->"
END = "<!-- end -->"
_HARNESS = (sys.executable, "-m", "algoperf_lite")


def main() -> None:
    """Runs quickstart, keeps what it measured, and rewrites the README's block."""
    with tempfile.TemporaryDirectory() as folder:
        directory, cache = Path(folder) / "quickstart", Path(folder) / "cache"
        # A newcomer has no generated data and no compiled programs yet, so neither has this run.
        environment = {**os.environ, "XDG_CACHE_HOME": str(cache)}
        command = [*_HARNESS, "quickstart", f"--output_dir={directory}"]
        load, began = os.getloadavg()[0], time.monotonic()
        subprocess.run(command, check=True, cwd=ROOT, env=environment)
        facts = measured(directory, time.monotonic() - began, load)
    FACTS.write_text(json.dumps(facts, indent=1) + "\n")
    README.write_text(with_block(README.read_text(), block(facts)))
    print(f"{FACTS.relative_to(ROOT)} and {README.name} are written")


def measured(directory: Path, seconds: float, load: float) -> dict[str, Any]:
    """What the README says about a finished run of quickstart: rows, machine, versions, commit.

    Args:
      directory: of the experiment; it is scored by the command that a user would give.
      seconds: wall time of the whole command.
      load: average number of processes that ran here in the minute before it.

    Raises:
      ValueError: if the directory holds no trial.
    """
    records = sorted(directory.glob("*/study_*/*/trial_*/trial.json"))
    if not records:
        raise ValueError(f"{directory} holds no trial.json; give a finished run of quickstart")
    command = [*_HARNESS, "score", str(directory), "--only_present", "--json"]
    found = subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True)
    board = json.loads(found.stdout)
    fingerprint = json.loads(records[0].read_text())["fingerprint"]
    return {
        "command": "make quickstart",
        "seconds": round(seconds),
        "commit": (fingerprint["git_commit"] or "")[:7],
        "num_cores": len(os.sched_getaffinity(0)),  # the fingerprint has those of one trial
        "load_before": round(load, 1),
        "cpu": " ".join(fingerprint["cpu"].split()),
        "python": fingerprint["python"],
        "jax": fingerprint["versions"]["jax"],
        "rows": [
            {
                "submission": name,
                "score": round(score["score"], 3),
                "seconds_to_target": _rounded(board["time_to_target_gated"][name]),
            }
            for name, score in board["scores"].items()
        ],
    }


def block(facts: Mapping[str, Any]) -> str:
    """The README's lines between the markers, made of what `measured` returned."""
    workloads = list(facts["rows"][0]["seconds_to_target"])
    table = [
        ["#", "submission", "score", "reached", *(f"`{name}`" for name in workloads)],
        ["---:", "---", *["---:"] * (2 + len(workloads))],
    ]
    for place, row in enumerate(facts["rows"], start=1):
        times = row["seconds_to_target"].values()
        reached = f"{sum(time is not None for time in times)}/{len(times)}"
        cells = [str(place), row["submission"], f"{row['score']:.3f}", reached]
        table.append([*cells, *map(_cell, times)])
    machine = f"{facts['num_cores']} cores, {facts['cpu']}"
    versions = f"CPython {facts['python']}, jax {facts['jax']}, commit {facts['commit']}"
    # Seconds that were measured beside other work are not what a reader will see.
    busy = ", beside other work" if facts["load_before"] > 0.5 * facts["num_cores"] else ""
    return "\n".join(
        [
            f"`{facts['command']}`, on {machine} ({versions}),",
            f"takes {facts['seconds']} s once installed{busy}, and ends with",
            "",
            *(f"| {' | '.join(cells)} |" for cells in table),
            "",
            "*Seconds to the validation target. One study is too few to tell how sure the order",
            "is, and the command says so; `--num_studies=5` gives every score an interval.*",
        ]
    )


def with_block(text: str, lines: str) -> str:
    """The README's text with `lines` between its markers.

    Raises:
      ValueError: unless both markers stand in it once, in their order.
    """
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end or BEGIN in tail:
        raise ValueError(f"expected one line {BEGIN!r} and one {END!r} behind it; put them in")
    return f"{head}{BEGIN}\n{lines}\n{END}{tail}"


def _rounded(seconds: Mapping[str, float | None]) -> dict[str, float | None]:
    """Three significant digits: from one run to the next even the second one differs."""
    return {
        name: None if value is None else float(f"{value:.3g}") for name, value in seconds.items()
    }


def _cell(seconds: float | None) -> str:
    if seconds is None:
        return "never"
    digits = max(0, 2 - math.floor(math.log10(seconds)))
    return f"{seconds:.{digits}f} s"


if __name__ == "__main__":
    main()
