"""A reader of number columns in an evaluation log, however the run that wrote it ended."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Remark = tuple[str, str]  # (kind, detail) of an anomaly in one file


def read_columns(
    data: bytes, wanted: Sequence[str]
) -> tuple[dict[str, np.ndarray], tuple[Remark, ...]]:
    """The wanted columns of a CSV file as float64 arrays of equal length, and remarks.

    A column that the file lacks is absent from the result; an empty or unreadable cell is NaN.
    Never raises on content. Plain `bytes.split` rather than the csv module or pandas: the cells
    are numbers, and AlgoPerf's 2,676 public logs must be read within a second.
    """
    remarks: list[Remark] = []
    # Files that went through a spreadsheet come with a byte order mark and other line ends.
    lines = data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").split(b"\n")
    tail = lines.pop()
    if tail:
        remarks.append(("torn_tail", "the last line does not end in a newline"))
    if not lines:
        return {}, (*remarks, ("empty_csv", "no complete line"))
    header = [cell.strip(b' "').decode("utf-8", "replace") for cell in lines[0].split(b",")]
    positions = {name: header.index(name) for name in wanted if name in header}
    if not positions:
        return {}, (*remarks, ("not_a_log", f"the header has none of {', '.join(wanted)}"))
    for name in positions:
        if header.count(name) > 1:
            remarks.append(("repeated_column", f"{header.count(name)} columns {name}: first read"))
    # No quotes to mind: cells that are numbers have no commas.
    rows = [line.split(b",") for line in lines[1:] if line]
    if tail:
        rows += _whole_part(tail, len(header), max(positions.values()))
    columns, bad_rows = _transpose(rows, len(header))
    if bad_rows:
        remarks.append(("bad_row", f"{bad_rows} rows without {len(header)} cells left out"))
    if not columns:
        return {}, (*remarks, ("empty_csv", "no row below the header"))
    # Python reads 1_0 as ten; only the header should have an underscore.
    plain = data.find(b"_", len(lines[0])) < 0
    arrays = {}
    for name, position in positions.items():
        arrays[name], bad_cells = _numbers(columns[position], plain)
        if bad_cells:
            remarks.append(("bad_cell", f"{bad_cells} cells of {name} are not numbers"))
    return arrays, tuple(remarks)


def _whole_part(tail: bytes, width: int, last_needed: int) -> list[list[bytes]]:
    """The torn last line as a row, if every needed cell of it is certainly whole."""
    # A cell is whole when a comma follows it. The cell at the tear may have lost digits: a wer
    # of 0.0859 cut to 0.08 would meet the target.
    cells = tail.split(b",")[:-1]
    return [cells + [b""] * (width - len(cells))] if last_needed < len(cells) < width else []


def _transpose(rows: list[list[bytes]], width: int) -> tuple[list[tuple[bytes, ...]], int]:
    """Columns of the rows that have `width` cells, and how many rows do not."""
    try:
        columns = list(zip(*rows, strict=True))
        if len(columns) in (0, width):
            return columns, 0
    except ValueError:  # rows of unequal length, as when a run died while it wrote
        pass
    good = [row for row in rows if len(row) == width]
    return list(zip(*good, strict=True)), len(rows) - len(good)


def _numbers(cells: Sequence[bytes], plain: bool) -> tuple[np.ndarray, int]:
    """The cells as float64 with NaN for those that are empty or junk, and the number of junk."""
    # The usual case: every cell a number. `float` takes bytes and spaces as they are.
    if plain:
        try:
            return np.fromiter(map(float, cells), np.float64, len(cells)), 0
        except ValueError:
            pass
    values = np.full(len(cells), np.nan)
    junk = 0
    for i, cell in enumerate(cells):
        text = cell.strip(b' \t"')
        if not text:
            continue
        try:
            values[i] = float(text.replace(b"_", b"?"))
        except ValueError:
            junk += 1
    return values, junk
