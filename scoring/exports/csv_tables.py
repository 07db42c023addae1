"""An export as two CSV files. Numbers keep all their digits, an absent value is an empty cell."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np

from scoring.exports.tables import tables
from scoring.exports.trials import Export, Plain


def write(export: Export, folder: Path) -> None:
    """Writes trials.csv and scalars.csv."""
    for table in tables(export.trials):
        columns = [
            column.tolist() if isinstance(column, np.ndarray) else column
            for column in table.columns.values()
        ]
        with open(folder / f"{table.name}.csv", "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(table.columns)
            writer.writerows(map(_cell, row) for row in zip(*columns, strict=True))


def _cell(value: Plain | None) -> Plain | None:
    return None if isinstance(value, float) and math.isnan(value) else value
