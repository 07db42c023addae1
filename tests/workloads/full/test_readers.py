"""Readers of real data: what they may load, and that a feed of them is the same for all workers."""

import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from algoperf_lite.data.feed import Feed, Order
from algoperf_lite.data.keys import RowKeys, Stream
from tests.workloads.full import small_families

ROOT = Path(__file__).parents[3]
FAMILIES = sorted(path.parent.name for path in (ROOT / "workloads").glob("*/full.py"))


@pytest.fixture(scope="module", params=sorted(small_families.FAMILIES))
def family(request, tmp_path_factory):
    """(a family's reader, a small data set of it, sizes of batches)."""
    name = request.param
    folder = small_families.prepare(name, tmp_path_factory.mktemp(name))
    reader = importlib.import_module(f"workloads.{name}.full")
    return reader, folder, small_families.FAMILIES[name]


@pytest.mark.parametrize("split", ["train", "validation"])
def test_a_batch_is_the_same_for_any_workers_and_order(family, split):
    reader, folder, small = family

    def batches(num_workers, wanted):
        source = reader.source(folder, split)  # anew, as a process that goes on has it
        if split == "train":
            order = Order.of_training(source, small.batch_size, seed=5)
        else:
            order = Order(source.eval_plan(small.eval_batch_size), 5, Stream.EVAL)
        with Feed(source, order, num_workers) as feed:
            last = order.plan.num_batches
            return {t: feed.get(t) for t in wanted if last is None or t < last}

    expected = batches(0, [0, 1])
    for num_workers, wanted in ((1, [0, 1]), (4, [1, 0])):
        for t, batch in batches(num_workers, wanted).items():
            assert batch.keys() == expected[t].keys()
            for name, values in batch.items():
                np.testing.assert_array_equal(values, expected[t][name], err_msg=name)


@pytest.mark.parametrize("split", ["train", "eval_train", "validation"])
def test_rows_are_the_same_where_they_are_written_into_arrays_that_are_there(family, split):
    reader, folder, small = family
    source = reader.source(folder, split)
    plan = source.eval_plan(small.eval_batch_size)
    if split == "train":
        plan = source.plan(5, small.batch_size)
    picks, keys = plan.picks(0), RowKeys(5, Stream.TRAIN, step=0)
    expected = source.rows(picks, keys)
    found = {name: np.full_like(values, 7) for name, values in expected.items()}
    source.fill(found, picks, keys)
    for name, values in found.items():
        np.testing.assert_array_equal(values, expected[name], err_msg=name)


def test_an_index_covers_all_examples(family):
    reader, folder, _ = family
    for split in reader.NUM_EXAMPLES:
        source = reader.source(folder, split)
        assert list(source.index())[-1] == source.num_examples


def test_readers_load_neither_jax_nor_what_only_real_data_need():
    # A process that only reads must be small and must not take memory of an accelerator.
    heavy = ("jax", "tensorflow", "torch", "h5py", "pyarrow", "simplejpeg", "sentencepiece")
    program = f"""
import importlib, sys
for family in {FAMILIES}:
    importlib.import_module(f"workloads.{{family}}.full")
sys.exit(", ".join(name for name in {heavy} if name in sys.modules) or None)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
