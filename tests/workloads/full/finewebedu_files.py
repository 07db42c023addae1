"""Tokens of random documents as Hugging Face's `datasets` saves them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

END = 50_256


def documents(seed: int, size: int) -> list[list[int]]:
    """Tokens of each document, its end included."""
    rng = np.random.default_rng(seed)
    return [[*rng.integers(0, END, rng.integers(0, 900)).tolist(), END] for _ in range(size)]


def write_saved(
    folder: Path,
    docs: Sequence[Sequence[int]],
    num_files: int = 2,
    kind: Any = None,
    column: str = "input_ids",
    **state: Any,
) -> None:
    """A folder as `datasets.Dataset.save_to_disk` writes it."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"data-{i:05d}-of-{num_files:05d}.arrow" for i in range(num_files)]
    kind = kind or pa.list_(pa.int32())
    schema = pa.schema({column: kind})
    for number, name in enumerate(names):
        share = docs[number * len(docs) // num_files : (number + 1) * len(docs) // num_files]
        with pa.OSFile(str(folder / name), "wb") as file, pa.ipc.new_stream(file, schema) as out:
            for start in range(0, len(share), 7):
                some = pa.array(share[start : start + 7], kind)
                out.write_batch(pa.record_batch([some], schema=schema))
    files = [{"filename": name} for name in names]
    (folder / "state.json").write_text(
        json.dumps({"_data_files": files, "_format_type": None, "_split": None, **state})
    )


def write_sparse(folder: Path, num_bytes: int) -> Path:
    """A saved file of zeros, of about so many bytes, few of which take room on the disk."""
    folder.mkdir(parents=True)
    tokens_per_document, documents_per_batch = 1024, 1000  # as `datasets` writes them
    ends = np.arange(documents_per_batch + 1, dtype=np.int32) * tokens_per_document
    column = pa.ListArray.from_arrays(ends, np.zeros(ends[-1], np.int32))
    batch = pa.record_batch([column], ["input_ids"])
    message = batch.serialize().to_pybytes()
    begin = message.rstrip(b"\0")
    path = folder / "data-00000-of-00001.arrow"
    with path.open("wb") as file:
        file.write(batch.schema.serialize().to_pybytes())
        for _ in range(max(1, num_bytes // len(message))):
            file.write(begin)
            file.seek(len(message) - len(begin), 1)  # a hole
        file.write(b"\xff\xff\xff\xff\0\0\0\0")  # the end of a stream
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": path.name}]}))
    return path
