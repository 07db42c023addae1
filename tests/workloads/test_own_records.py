"""A workload whose data lie in files of the reader's own, as docs/workloads.md has it."""

import dataclasses

import numpy as np
import pytest

import workloads
from algoperf_lite import testing
from algoperf_lite.data.source import InMemory
from tests.workloads import spirals_folder

IMPORTS = "from pathlib import Path\nfrom algoperf_lite.data import array_record\n"


@pytest.fixture
def spirals(tmp_path):
    return workloads.load(str(spirals_folder.write(tmp_path / "spirals")))


@pytest.fixture
def recorded(tmp_path, spirals):
    """The page's class that reads, over files with the points of the one that makes them up."""
    module = pytest.importorskip("array_record.python.array_record_module")
    folder = spirals_folder.write(tmp_path / "recorded")
    text = (folder / "workload.py").read_text()
    head, scales, tail = text.replace('"lite": Spirals(', '"lite": Recorded(').partition("SCALES =")
    head = head.replace("import dataclasses\n", f"import dataclasses\n{IMPORTS}", 1)
    reading = spirals_folder.block("array_record.Examples")
    (folder / "workload.py").write_text(f"{head}{reading}\n{scales}{tail}")
    for split in ("train", "validation", "test"):
        arrays = spirals.dataset(split)
        writer = module.ArrayRecordWriter(str(tmp_path / f"{split}.array_record"), "group_size:1")
        for point, label in zip(arrays["inputs"], arrays["targets"], strict=True):
            writer.write(np.float32([*point, label]).tobytes())
        writer.close()
    return workloads.load(str(folder), data_dir=str(tmp_path))


@pytest.mark.slow
def test_a_workload_that_reads_records_conforms(recorded, spirals):
    testing.check_workload(recorded)
    assert recorded.num_train_examples == spirals.num_train_examples == 2048
    assert recorded.source("eval_train").num_examples == 512


class _Forgetful(InMemory):
    """Rows that depend on how often any were asked for."""

    calls = []

    def rows(self, picks, keys):
        self.calls.append(picks)
        found = super().rows(picks, keys)
        return {**found, "inputs": found["inputs"] + len(self.calls)}


class _Impure(InMemory):
    """Rows that one who reads a part of a batch sees otherwise."""

    def rows(self, picks, keys):
        found = super().rows(picks, keys)
        return {**found, "inputs": found["inputs"] - found["inputs"].mean()}


@pytest.mark.parametrize("kind", [_Forgetful, _Impure])
def test_rows_that_depend_on_who_reads_them_are_refused(spirals, kind):
    class Spirals(type(spirals)):
        def source(self, split):
            return kind(self.dataset("train" if split == "eval_train" else split))

    fields = {field.name: getattr(spirals, field.name) for field in dataclasses.fields(spirals)}
    with pytest.raises(AssertionError, match="of 'train' depends on who reads it, or when"):
        testing.check_workload(Spirals(**fields))
