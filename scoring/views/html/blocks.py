"""Blocks of the page that open: one for each trial that left a file beside its rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from scoring.logs.read import Trial
from scoring.views.text import printable

Content = TypeVar("Content")


@dataclass(frozen=True, eq=False)
class Block(Generic[Content]):
    """What a trial's file holds, or the sentence that says why there is nothing to draw."""

    trial: Trial
    content: Content | None
    problem: str = ""


def read(
    root: Path, trials: Sequence[Trial], name: str, parse: Callable[[str], Content | None]
) -> list[Block[Content]]:
    """The blocks of all trials that have a file of this name.

    Args:
      parse: what a file holds, by its path; None where there is none. May raise ValueError.
    """
    found = []
    for trial in trials:
        try:
            content = parse(f"{root}/{trial.path}/{name}")
        # A damaged file is shown as a sentence: the trial itself may be all right.
        except ValueError as error:
            found.append(Block(trial, None, printable(f"{error}.")))
            continue
        if content is not None:
            found.append(Block(trial, content))
    return found


def heading(block: Block, places: Mapping[str, int]) -> dict:
    """What stands above each block; `places` are those of the submissions."""
    trial = block.trial
    return {
        "place": places[trial.submission],
        "where": f"{printable(trial.workload)}, study {trial.study}, trial {trial.trial}",
        "problem": block.problem,
    }
