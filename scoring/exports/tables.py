"""An export as two tables: a row for each trial, and a row for each scalar."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scoring.exports.trials import ExportedTrial, Plain

KEYS = ("submission", "workload", "study", "trial")  # join the two tables


@dataclass(frozen=True, eq=False)
class Table:
    """Columns of equal length: NumPy arrays where each value is a number, else lists in which None
    stands for an absent value."""

    name: str
    columns: Mapping[str, np.ndarray | Sequence[Plain | None]]


def tables(trials: Sequence[ExportedTrial]) -> tuple[Table, Table]:
    """Trials with tags, facts and hyperparameters; scalars with steps and seconds."""
    return Table("trials", _trials(trials)), Table("scalars", _scalars(trials))


def _trials(trials: Sequence[ExportedTrial]) -> dict[str, list[Plain | None]]:
    """A column for whatever any trial tells."""
    rows = [
        {
            **trial.tags,
            **trial.facts,
            **{f"hyperparameters.{k}": v for k, v in trial.hyperparameters.items()},
        }
        for trial in trials
    ]
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: _alike([row.get(name) for row in rows]) for name in names}


def _alike(values: Iterable[Plain | None]) -> list[Plain | None]:
    """Values of one kind, which a typed column wants; text where they are of several."""
    found = list(values)
    kinds = {type(value) for value in found} - {type(None)}
    if len(kinds) <= 1:
        return found
    # A learning rate of 1 among others is a number like them; true is none.
    number = kinds <= {int, float}
    return [None if v is None else (float(v) if number else str(v)) for v in found]


def _scalars(trials: Sequence[ExportedTrial]) -> dict[str, np.ndarray | list]:
    """One row for each point, in the order of the trials and of their logs."""
    every = [(trial, series) for trial in trials for series in trial.series]
    lengths = [len(series.values) for _, series in every]

    def repeated(values: Iterable[Plain]) -> list[Plain]:
        return [v for v, num in zip(values, lengths, strict=True) for _ in range(num)]

    def joined(name: str, empty: type) -> np.ndarray:
        parts = [getattr(series, name) for _, series in every]
        return np.concatenate(parts) if parts else np.empty(0, empty)

    return {
        **{key: repeated(trial.tags[key] for trial, _ in every) for key in KEYS},
        "name": repeated(series.name for _, series in every),
        "step": joined("steps", np.int64),
        "seconds": joined("seconds", np.float64),
        "value": joined("values", np.float64),
    }
