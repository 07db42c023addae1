"""What a tree of logs says about itself: the experiment that it is of, or those it is made of.

EXPERIMENT is written by a run, MERGED by whoever puts trees together: {"experiments": [...],
"trials": {folder of a trial: {"experiment": its index, "submission", "study"}}}, names and numbers
being those that the trial ran under.
"""

from __future__ import annotations

import json
from pathlib import Path

from scoring.logs.format import EXPERIMENT, MERGED


def of_trials(root: str | Path) -> dict[str, dict]:
    """{folder of a trial: where it is from} of a tree that was put together; {} of any other."""
    trials = read_object(Path(root) / MERGED).get("trials")
    trials = trials if isinstance(trials, dict) else {}
    return {place: origin for place, origin in trials.items() if isinstance(origin, dict)}


def experiments(root: str | Path, name: str = "") -> list[dict]:
    """What the tree's experiments wrote down, in the order that `of_trials` counts in; one alone is
    called by the `name` of its file or folder."""
    merged = read_object(Path(root) / MERGED).get("experiments")
    if isinstance(merged, list):
        return [one if isinstance(one, dict) else {} for one in merged]
    return [{"name": Path(name or root).name, **read_object(Path(root) / EXPERIMENT)}]


def read_object(path: Path) -> dict:
    """A JSON object from a file; {} where there is none, or anything else."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
