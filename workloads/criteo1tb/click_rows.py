"""Rows of Criteo's click log: lines of text as numbers, the way AlgoPerf reads them."""

from pathlib import Path

import numpy as np

from algoperf_lite.data import needed
from algoperf_lite.data.source import DataError
from workloads.criteo1tb import farmhash
from workloads.criteo1tb.data import NUM_CATEGORICAL, NUM_DENSE

# Ids of each column, as in AlgoPerf's criteo1tb input pipeline.
# fmt: off
VOCAB_SIZES = (
    39_884_406, 39_043, 17_289, 7_420, 20_263, 3, 7_120, 1_543, 63, 38_532_951, 2_953_546, 403_346,
    10, 2_208, 11_938, 155, 4, 976, 14, 39_979_771, 25_641_295, 39_664_984, 585_935, 12_972, 108,
    36,
)
# fmt: on
NUM_FIELDS = 1 + NUM_DENSE + NUM_CATEGORICAL
FIELDS = (
    "label",
    *(f"count {i + 1}" for i in range(NUM_DENSE)),
    *(f"category {i + 1}" for i in range(NUM_CATEGORICAL)),
)

_NAMES = [str(i) for i in range(NUM_FIELDS)]
_NOTHING = ["", "-1"]  # both read as the field's default
_NO_CATEGORY = "00000000"


def parse(lines: bytes, path: Path, first_line: int) -> np.ndarray:
    """Rows as int32 (n, 40): label, 13 counts as written (0 where there is none), 26 ids.

    Args:
      lines: whole lines of 40 fields with tabs between, each with its newline.
      path, first_line: where they come from, for the message.
    Raises DataError where a line is not of that form.
    """
    table = _read(lines, path, first_line)
    rows = np.empty((table.num_rows, NUM_FIELDS), np.int32)
    for i in range(1 + NUM_DENSE):
        rows[:, i] = table.column(i).fill_null(0).combine_chunks().to_numpy()
    if ((rows[:, 0] < 0) | (rows[:, 0] > 1)).any():
        raise _fault(lines, path, first_line)
    for i, size in enumerate(VOCAB_SIZES):
        texts = _words(table.column(1 + NUM_DENSE + i).fill_null(_NO_CATEGORY).combine_chunks())
        if texts is None:
            raise _fault(lines, path, first_line)
        rows[:, 1 + NUM_DENSE + i] = farmhash.bucket(texts, i, size)
    return rows


def _read(lines: bytes, path: Path, first_line: int):
    with needed.package("pyarrow", "criteo1tb"):
        import pyarrow as pa
        from pyarrow import csv
    types = [pa.int8()] + [pa.int32()] * NUM_DENSE + [pa.string()] * NUM_CATEGORICAL
    try:
        table = csv.read_csv(
            pa.BufferReader(lines),
            # One block and one thread: the rows of a batch are already divided among threads.
            csv.ReadOptions(use_threads=False, block_size=len(lines) + 1, column_names=_NAMES),
            csv.ParseOptions(delimiter="\t", quote_char=False, ignore_empty_lines=False),
            csv.ConvertOptions(
                column_types=dict(zip(_NAMES, types, strict=True)),
                null_values=_NOTHING,
                strings_can_be_null=True,
            ),
        )
    except pa.ArrowInvalid as error:
        raise _fault(lines, path, first_line, str(error)) from error
    return table


def _words(column) -> np.ndarray | None:
    """Texts of eight bytes as little-endian numbers, uint64 (n,); None if one has another size."""
    _, offsets, data = column.buffers()
    start, stop = column.offset, column.offset + len(column)
    ends = np.frombuffer(offsets, np.int32)[start : stop + 1]
    if (np.diff(ends) != farmhash.TEXT_BYTES).any():
        return None
    # All of one size, so their bytes lie in a row and need no loop.
    return np.frombuffer(data, np.uint8)[ends[0] : ends[-1]].view("<u8")


def _fault(lines: bytes, path: Path, first_line: int, words: str = "") -> DataError:
    """What is wrong with the first line that is: this reads line by line, slowly."""
    for number, line in enumerate(lines.split(b"\n")[:-1], first_line + 1):
        found = _what_is_wrong(line.split(b"\t"))
        if found:
            return DataError(
                f"{path}, line {number}: {found}; the log as Criteo published it has 40 fields "
                "with tabs between: make the file again from its day"
            )
    return DataError(f"{path}, from line {first_line + 1} on: {words}; make the file again")


def _what_is_wrong(fields: list[bytes]) -> str:
    if len(fields) != NUM_FIELDS:
        return f"{len(fields)} fields, {NUM_FIELDS} expected"
    nothing = [word.encode() for word in _NOTHING]
    if fields[0] not in (b"0", b"1", *nothing):
        return f"label {fields[0].decode(errors='replace')!r}, 0 or 1 expected"
    for field in fields[1 : 1 + NUM_DENSE]:
        if field not in nothing and not field.removeprefix(b"-").isdigit():
            return f"count {field.decode(errors='replace')!r}, a whole number expected"
    for field in fields[1 + NUM_DENSE :]:
        if field not in nothing and len(field) != farmhash.TEXT_BYTES:
            return f"category {field.decode(errors='replace')!r}, eight characters expected"
    return ""
