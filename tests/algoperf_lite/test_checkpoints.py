"""Checkpoints: every bit comes back, two are kept, and a damaged one is none."""

import ml_dtypes
import numpy as np
import pytest

from algoperf_lite import checkpoints

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
    assert last.facts == {"step": 30, "ledger": {"init": 0.1}}
    for found, saved in zip(last.leaves(), LEAVES, strict=True):
        assert (found.dtype, found.shape) == (saved.dtype, saved.shape)
        assert found.tobytes() == saved.tobytes()
    checkpoints.remove(tmp_path)
    assert not list(tmp_path.iterdir())


def test_one_that_was_not_completed_or_is_damaged_is_told(tmp_path):
    leaves = [*LEAVES, np.random.default_rng(0).normal(size=10_000)]
    for step in (1, 2):
        checkpoints.save(tmp_path, step, leaves, {})
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
        (last, before) = checkpoints.found(tmp_path)
        with pytest.raises(ValueError, match="checkpoint") as error:
            last.leaves()
        assert "\n" not in str(error.value)
    assert (last.step, before.step) == (2, 1)
    assert before.leaves()[-1].tobytes() == leaves[-1].tobytes()
    (folder / "2" / "facts.json").write_text('{"facts": ')
    assert [checkpoint.step for checkpoint in checkpoints.found(tmp_path)] == [1]


def test_leftovers_are_set_aside_unless_there_are_checkpoints(tmp_path):
    for name, has_checkpoint in (("without", False), ("with", True)):
        directory = tmp_path / name
        directory.mkdir()
        (directory / "measurements.csv").write_text("1\n")
        if has_checkpoint:
            checkpoints.save(directory, 2, LEAVES, {})
        checkpoints.set_aside_leftovers(directory)
        assert (directory / "measurements.csv").exists() == has_checkpoint
        assert (directory / "interrupted_0").exists() != has_checkpoint
