"""Checkpoints of a trial in progress: the only file that knows orbax.

`checkpoints/<step>/` holds the arrays as orbax writes them, one after another in a single array of
bytes (which takes a fraction of the time of one file each), and `facts.json`, whatever else its
owner needs, with a hash of all. A checkpoint is written under another name and gets its own when
it is complete and on the disk; one that does not hold what was written, for whatever reason, is no
checkpoint.
"""

import contextlib
import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from algoperf_lite.storage import atomic

FOLDER = "checkpoints"
_KEPT = 2
_LEFT_TO_LOGS = 2**20  # bytes
_ARRAYS, _FACTS, _PARTIAL = "arrays", "facts.json", ".partial"


class Checkpoint(NamedTuple):
    """What was saved at a step; what it holds is not known to be right before `read`."""

    step: int
    path: Path

    def read(self) -> tuple[dict[str, Any], list[np.ndarray]]:
        """The facts, and the arrays in the order they were saved in.

        Raises ValueError, one sentence, where they are not what was saved.
        """
        try:
            content = json.loads((self.path / _FACTS).read_text())
            pieces = [(np.dtype(name), shape) for name, shape in content["leaves"]]
            data = _checkpointer().restore((self.path / _ARRAYS).resolve())
            data = np.asarray(data["bytes"], np.uint8)
            digest = _digest(self.step, content["facts"], content["leaves"], data)
            is_right = content["sha256"] == digest
        except Exception as error:  # whatever orbax and its storage make of a damaged file
            what = " ".join(f"{error!r:.200}".split())
            raise ValueError(f"checkpoint {str(self.path)!r} cannot be read: {what}") from None
        if not is_right:
            raise ValueError(f"checkpoint {str(self.path)!r} does not hold what was saved")
        ends = np.cumsum([dtype.itemsize * int(np.prod(shape)) for dtype, shape in pieces])
        parts = np.split(data[: ends[-1]], ends[:-1]) if pieces else []
        leaves = [
            np.frombuffer(part.tobytes(), dtype).reshape(shape)
            for part, (dtype, shape) in zip(parts, pieces, strict=True)
        ]
        return content["facts"], leaves


def save(
    directory: Path, step: int, leaves: Sequence[np.ndarray], facts: Mapping[str, Any]
) -> None:
    """Saves a checkpoint of the trial in `directory`, and drops all but the last two.

    Raises OSError where it cannot be written; those that are there stay.
    """
    _check_room(directory, sum(np.asarray(leaf).nbytes for leaf in leaves))
    folder = directory / FOLDER
    partial, path = folder / _PARTIAL, folder / str(step)
    for leftover in (partial, path):
        shutil.rmtree(leftover, ignore_errors=True)
    partial.mkdir(parents=True)
    facts = json.loads(json.dumps(facts))  # as they will be read
    leaves = [np.asarray(leaf) for leaf in leaves]
    kinds = [[leaf.dtype.name, list(leaf.shape)] for leaf in leaves]
    # Orbax does not save arrays without elements, hence the last byte.
    data = np.frombuffer(b"".join([*(leaf.tobytes() for leaf in leaves), b"\0"]), np.uint8)
    try:
        _checkpointer().save(partial.resolve() / _ARRAYS, {"bytes": data})
        content = {"facts": facts, "leaves": kinds, "sha256": _digest(step, facts, kinds, data)}
        atomic.write_text(partial / _FACTS, json.dumps(content))
    except BaseException as error:
        shutil.rmtree(partial, ignore_errors=True)
        if isinstance(error, Exception) and not isinstance(error, OSError):
            raise OSError(f"{error}") from error  # storage libraries have errors of their own
        raise
    for whole in (partial, folder):
        atomic.sync(whole)
    partial.replace(path)
    atomic.sync(folder)
    for _, old in sorted(_numbered(folder))[:-_KEPT]:
        shutil.rmtree(old, ignore_errors=True)


def found(directory: Path) -> Iterator[Checkpoint]:
    """Checkpoints of the trial in `directory`, the last one first."""
    for step, path in sorted(_numbered(directory / FOLDER), reverse=True):
        yield Checkpoint(step, path)


def remove(directory: Path) -> None:
    """Removes all of them: the trial has ended."""
    shutil.rmtree(directory / FOLDER, ignore_errors=True)


def _checkpointer() -> Any:
    """Orbax's, of this process alone: the others of a trial would have to call it too."""
    import jax  # here, so that who only looks for checkpoints need not load JAX
    import orbax.checkpoint

    own = jax.process_index()
    alone = orbax.checkpoint.options.MultiprocessingOptions(
        primary_host=own, active_processes={own}, barrier_sync_key_prefix=f"process_{own}"
    )
    handler = orbax.checkpoint.PyTreeCheckpointHandler(multiprocessing_options=alone)
    return orbax.checkpoint.Checkpointer(handler, multiprocessing_options=alone)


def _check_room(directory: Path, size: int) -> None:
    """Raises OSError where a checkpoint would take the room that logs need, were it only until it
    fails: those of other trials are written meanwhile, and without logs a trial cannot go on."""
    free = shutil.disk_usage(directory).free
    if free < size + _LEFT_TO_LOGS:
        why = f"its {size / 2**20:.1f} MiB would leave too little of {free / 2**20:.1f} MiB to logs"
        raise OSError(errno.ENOSPC, why)


def _numbered(folder: Path) -> list[tuple[int, Path]]:
    with contextlib.suppress(OSError):
        names = os.listdir(folder)
        return [(int(name), folder / name) for name in names if name.isdecimal()]
    return []


def _digest(step: int, facts: Mapping[str, Any], kinds: Sequence[Any], data: np.ndarray) -> str:
    digest = hashlib.sha256(json.dumps([step, facts, kinds], sort_keys=True).encode())
    digest.update(np.ascontiguousarray(data))
    return digest.hexdigest()
