"""Folders in the exact layout of tensorflow-datasets, written without it and without TensorFlow.

Records are encoded here by hand, so that what the readers parse is not of their own making.
"""

import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

Example = Mapping[str, Any]  # bytes, or a list of ints or floats
_BYTES, _VARINT = 2, 0  # wire types of protobuf


def crc32c(data: bytes) -> int:
    """CRC-32C (Castagnoli), bit by bit: slow and easy to believe."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def frame(data: bytes) -> bytes:
    """A record: length, its masked check sum, data, their masked check sum."""
    length = struct.pack("<Q", len(data))
    return length + _masked(length) + data + _masked(data)


def encode(example: Example) -> bytes:
    """A `tf.train.Example`: lists of ints as int64, of floats as float, bytes as one value."""
    entries = b""
    for name, value in example.items():
        feature = _field(1, name.encode()) + _field(2, _feature(value))
        entries += _field(1, feature)
    return _field(1, entries)


def write_split(
    folder: Path, name: str, split: str, shards: Sequence[Sequence[Example]]
) -> list[Path]:
    """The TFRecord files of a split, as TFDS names them."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, examples in enumerate(shards):
        path = folder / f"{name}-{split}.tfrecord-{number:05d}-of-{len(shards):05d}"
        path.write_bytes(b"".join(frame(encode(example)) for example in examples))
        paths.append(path)
    return paths


def write_info(
    folder: Path,
    name: str,
    counts: Mapping[str, Sequence[int]],
    version: str = "1.0.0",
    config: str | None = None,
    file_format: str = "tfrecord",
) -> None:
    """`dataset_info.json`; `counts` are the records of each split's files."""
    info = {
        "fileFormat": file_format,
        "moduleName": f"tensorflow_datasets.{name}",
        "name": name,
        "splits": [
            {
                "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
                "name": split,
                "numBytes": "0",
                "shardLengths": [str(count) for count in lengths],
            }
            for split, lengths in counts.items()
        ],
        "version": version,
    }
    if config:
        info["configName"] = config
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dataset_info.json").write_text(json.dumps(info, indent=2))


def write(
    folder: Path, name: str, splits: Mapping[str, Sequence[Sequence[Example]]], **info: Any
) -> None:
    """A whole data set: its description and its files."""
    write_info(folder, name, {split: list(map(len, s)) for split, s in splits.items()}, **info)
    for split, shards in splits.items():
        write_split(folder, name, split, shards)


def _feature(value: Any) -> bytes:
    if isinstance(value, bytes):
        return _field(1, _field(1, value))
    values = np.asarray(value)
    if values.dtype.kind == "f":
        return _field(2, _field(1, values.astype("<f4").tobytes()))
    # Negative numbers are ten bytes long, as their two's complement of 64 bits.
    packed = b"".join(_varint(int(number) & 0xFFFFFFFFFFFFFFFF) for number in values.ravel())
    return _field(3, _field(1, packed))


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | _BYTES) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def _masked(data: bytes) -> bytes:
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)
