"""Checkpoints: every bit comes back, two are kept, and a damaged one is none."""

import ml_dtypes
import numpy as np
import pytest

from algoperf_lite.trial import checkpoints

LEAVES = [
    np.array(3, np.int32),
    np.array([1.0, np.nan, -0.0, 1e-45], np.float32),
    np.zeros((0, 2), np.float32),
    np.arange(6, dtype=np.uint32).reshape(2, 3),
    np.array([0.1], ml_dtypes.bfloat16),
    np.array([True, False]),
]


def test_what_is_saved_comes_back_bit_for_bit_and_the_last_two_are_kept(tmp_path):
    assert not list(checkpoints.found(tmp_path))
    for step in (2, 10, 30):
        checkpoints.save(tmp_path, step, LEAVES, {"step": step, "ledger": {"init": 0.1}})
    (last, before) = checkpoints.found(tmp_path)
    assert (last.step, before.step) == (30, 10)
    facts, leaves = last.read()
    assert facts == {"step": 30, "ledger": {"init": 0.1}}
    for found, saved in zip(leaves, LEAVES, strict=True):
        assert (found.dtype, found.shape) == (saved.dtype, saved.shape)
        assert found.tobytes() == saved.tobytes()
    checkpoints.remove(tmp_path)
    assert not list(tmp_path.iterdir())


def test_one_that_was_not_completed_or_is_damaged_is_told(tmp_path):
    leaves = [*LEAVES, np.random.default_rng(0).normal(size=10_000)]
    for step in (1, 2):
        checkpoints.save(tmp_path, step, leaves, {"seconds": 0.25})
    folder = tmp_path / checkpoints.FOLDER
    (folder / "3").mkdir()  # no facts
    (folder / ".partial").mkdir()
    (largest,) = sorted(
        (path for path in (folder / "2").rglob("*") if path.is_file()),
        key=lambda path: path.stat().st_size,
    )[-1:]
    content = largest.read_bytes()
    for damaged in (content[: len(content) // 2], content[:-5000] + bytes(4000) + content[-1000:]):
        largest.write_bytes(damaged)
        _check_told(tmp_path, leaves)
    largest.write_bytes(content)
    facts = folder / "2" / "facts.json"
    text = facts.read_text()
    for damaged in ('{"facts": ', text.replace("0.25", "0.35"), text.replace("float32", "int32")):
        assert damaged != text
        facts.write_text(damaged)
        _check_told(tmp_path, leaves)


def _check_told(directory, leaves):
    """Of the checkpoints after steps 3, 2 and 1 only the last one found is whole."""
    (empty, damaged, whole) = checkpoints.found(directory)
    assert (empty.step, damaged.step, whole.step) == (3, 2, 1)
    for checkpoint in (empty, damaged):
        with pytest.raises(ValueError, match="checkpoint") as error:
            checkpoint.read()
        assert "\n" not in str(error.value)
    assert whole.read()[1][-1].tobytes() == leaves[-1].tobytes()
