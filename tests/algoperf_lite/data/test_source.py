"""Sources that lie in memory, and fingerprints of files."""

import numpy as np
import pytest

from algoperf_lite.data.keys import RowKeys, Stream
from algoperf_lite.data.source import DataError, InMemory, fingerprint_of_files

KEYS = RowKeys(0, Stream.TRAIN, 0)


def test_rows_are_the_arrays_rows():
    source = InMemory({"inputs": np.arange(12).reshape(6, 2), "targets": np.arange(6)})
    plan = source.plan(seed=3, batch_size=4)
    found = source.rows(plan.picks(5), KEYS)
    np.testing.assert_array_equal(found["inputs"][:, 0], 2 * found["targets"])
    np.testing.assert_array_equal(found["targets"], plan.picks(5))
    assert source.num_examples == 6
    assert source.eval_plan(4).num_batches == 2


def test_another_byte_or_type_is_another_source():
    values = np.arange(4)
    found = {
        InMemory({"inputs": values}).fingerprint(),
        InMemory({"inputs": values[::-1]}).fingerprint(),
        InMemory({"inputs": values.astype(np.int32)}).fingerprint(),
        InMemory({"targets": values}).fingerprint(),
    }
    assert len(found) == 4
    assert InMemory({"inputs": values.copy()}).fingerprint() in found


def test_a_fingerprint_of_files_is_of_names_sizes_and_ends(tmp_path):
    paths = [tmp_path / name for name in ("b", "a")]
    for path in paths:
        path.write_bytes(bytes(1_000_000))
    first = fingerprint_of_files(paths, tmp_path)
    assert first == fingerprint_of_files(paths[::-1], tmp_path)
    paths[0].write_bytes(bytes(999_999) + b"x")
    assert fingerprint_of_files(paths, tmp_path) != first
    with pytest.raises(DataError, match="cannot read .*nothing"):
        fingerprint_of_files([tmp_path / "nothing"], tmp_path)
