"""An export as two parquet files, by pyarrow."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from scoring.exports.tables import tables
from scoring.exports.trials import Export


def write(export: Export, folder: Path) -> None:
    """Writes trials.parquet and scalars.parquet."""
    import pyarrow
    from pyarrow import parquet

    for table in tables(export.trials):
        columns = {
            # NaN is what the seconds are where a log has no clock: null, as in the other table.
            name: pyarrow.array(column, from_pandas=isinstance(column, np.ndarray))
            for name, column in table.columns.items()
        }
        parquet.write_table(pyarrow.table(columns), folder / f"{table.name}.parquet")
