"""The two files of a trial that scoring reads, each perhaps damaged or absent."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

import numpy as np

from scoring.logs.eval_csv import Remark, read_columns
from scoring.logs.format import CLOCK, SCORE, STATUSES, STEP


def read_evaluations(path: str, metric: str) -> tuple[dict[str, np.ndarray], list[Remark]]:
    """The columns STEP, CLOCK, SCORE and `metric` as far as the log has them, and remarks."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return {}, [("missing_csv", "no evaluation log: the trial counts as not reached")]
    except OSError as error:
        return {}, [("unreadable_csv", f"{type(error).__name__}: {error.strerror}")]
    columns, remarks = read_columns(data, (STEP, CLOCK, SCORE, metric))
    return columns, [*remarks, *(_column_remarks(columns, metric) if columns else ())]


def _column_remarks(columns: Mapping[str, np.ndarray], metric: str) -> Iterator[Remark]:
    """Missing columns, clocks that run backwards, rows that were written twice."""
    for name in (STEP, CLOCK, SCORE, metric):
        if name not in columns:
            repair = f"; {SCORE} read instead" if name == CLOCK and SCORE in columns else ""
            yield "missing_column", f"no column {name}{repair}"
    # A run that went on from an older state may write rows again. The first one that meets the
    # target counts, so nothing is repaired here.
    for name in (STEP, CLOCK):
        values = columns.get(name)
        if values is not None and (values[1:] < values[:-1]).any():
            yield "runs_backwards", f"{name} falls from one row to the next"
    steps = columns.get(STEP)
    if steps is not None and (steps[1:] == steps[:-1]).any():
        yield "repeated_step", "two rows in a row are of the same step"


def read_info(path: str) -> tuple[dict, list[Remark]]:
    """The content of trial.json, {} where there is none or it is damaged, and remarks."""
    try:
        with open(path, "rb") as file:
            info = json.loads(file.read())
    except FileNotFoundError:
        # AlgoPerf writes none.
        return {}, []
    # RecursionError: brackets nested a thousand deep are JSON too.
    except (OSError, ValueError, RecursionError) as error:
        return {}, [("bad_trial_json", f"{type(error).__name__}: {error}")]
    if not isinstance(info, dict):
        return {}, [("bad_trial_json", "not a JSON object")]
    if info.get("status") not in STATUSES:
        return info, [("unknown_status", f"{info.get('status')!r}: judged by its rows")]
    return info, []


def contradictions(
    info: Mapping[str, object], place: Mapping[str, object], columns: Mapping[str, np.ndarray]
) -> Iterator[Remark]:
    """Remarks where trial.json tells of another place in the tree, or of a row that is not there.

    Args:
      place: what the directories say: submission, study, workload, trial.
    """
    for name, found in place.items():
        if info.get(name, found) != found:
            yield "misplaced", f"trial.json says {name} {info[name]!r}, the folders say {found!r}"
    # A log that was cut or replaced after the run lacks the row that trial.json tells of.
    step = info.get("steps_to_target")
    if isinstance(step, int | float) and step not in columns.get(STEP, ()):
        yield "lost_rows", f"trial.json says the target was reached at step {step}: no such row"
