"""Checkpoints of a trial in progress: the only file that knows orbax.

`checkpoints/<step>/` holds the arrays as orbax writes them and `facts.json`, whatever else its
owner needs. A checkpoint gets its name when it is complete; one that does not hold what was
written, for whatever reason, is no checkpoint.
"""

import contextlib
import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from algoperf_lite import trial_logs

FOLDER = "checkpoints"
_KEPT = 2
_ARRAYS, _FACTS, _PARTIAL = "arrays", "facts.json", ".partial"


class Checkpoint(NamedTuple):
    """What was saved at a step: facts that JSON can hold and `arrays`, to be read if wanted."""

    step: int
    facts: Mapping[str, Any]
    path: Path

    def leaves(self) -> list[np.ndarray]:
        """The arrays in the order they were saved in.

        Raises ValueError, one sentence, where they are not what was saved.
        """
        import orbax.checkpoint  # here, so that who only looks for checkpoints need not load JAX

        try:
            found = orbax.checkpoint.PyTreeCheckpointer().restore(self.path / _ARRAYS)
            content = json.loads((self.path / _FACTS).read_text())
            leaves = [
                np.asarray(found[_key(i)], dtype).reshape(shape)
                if np.prod(shape)
                else np.zeros(shape, dtype)
                for i, (dtype, shape) in enumerate(content["leaves"])
            ]
        except Exception as error:  # whatever orbax and its storage make of a damaged file
            raise ValueError(
                f"cannot read the checkpoint {str(self.path)!r}: {error!r:.200}"
            ) from None
        if _digest(leaves) != content["sha256"]:
            raise ValueError(f"the checkpoint {str(self.path)!r} is damaged")
        return leaves


def save(
    directory: Path, step: int, leaves: Sequence[np.ndarray], facts: Mapping[str, Any]
) -> None:
    """Saves a checkpoint of the trial in `directory`, and drops all but the last two."""
    import orbax.checkpoint

    folder = directory / FOLDER
    partial, path = folder / _PARTIAL, folder / str(step)
    for leftover in (partial, path):
        shutil.rmtree(leftover, ignore_errors=True)
    partial.mkdir(parents=True)
    leaves = [np.asarray(leaf) for leaf in leaves]
    # Orbax does not save arrays without elements.
    arrays = {_key(i): leaf for i, leaf in enumerate(leaves) if leaf.size}
    orbax.checkpoint.PyTreeCheckpointer().save(partial.resolve() / _ARRAYS, arrays)
    content = {
        "facts": facts,
        "leaves": [(leaf.dtype.name, leaf.shape) for leaf in leaves],
        "sha256": _digest(leaves),
    }
    trial_logs.write_json(partial / _FACTS, content)
    partial.replace(path)
    for _, old in sorted(_numbered(folder))[:-_KEPT]:
        shutil.rmtree(old, ignore_errors=True)


def found(directory: Path) -> Iterator[Checkpoint]:
    """Checkpoints of the trial in `directory` whose facts can be read, the last one first."""
    for step, path in sorted(_numbered(directory / FOLDER), reverse=True):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            yield Checkpoint(step, json.loads((path / _FACTS).read_text())["facts"], path.resolve())


def set_aside_leftovers(directory: Path) -> None:
    """Sets aside what an interrupted attempt left in `directory`, unless it left checkpoints:
    whether they can be used its next attempt finds out."""
    if not any(found(directory)):
        trial_logs.set_aside(directory)


def remove(directory: Path) -> None:
    """Removes all of them: the trial has ended."""
    shutil.rmtree(directory / FOLDER, ignore_errors=True)


def _numbered(folder: Path) -> list[tuple[int, Path]]:
    if not folder.is_dir():
        return []
    return [(int(path.name), path) for path in folder.iterdir() if path.name.isdecimal()]


def _key(i: int) -> str:
    return f"leaf_{i:05}"


def _digest(leaves: Sequence[np.ndarray]) -> str:
    digest = hashlib.sha256()
    for leaf in leaves:
        digest.update(f"{leaf.dtype.name}{leaf.shape}".encode())
        digest.update(np.ascontiguousarray(leaf).tobytes())
    return digest.hexdigest()
