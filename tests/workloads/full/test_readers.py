"""Readers of real data: what they may load, and that a feed of them is the same for all workers."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from algoperf_lite.data.feed import Feed, Order
from algoperf_lite.data.keys import Stream
from workloads.criteo1tb import full as criteo1tb
from workloads.fastmri import full as fastmri
from workloads.imagenet_resnet import full as imagenet_resnet
from workloads.imagenet_vit import full as imagenet_vit
from workloads.librispeech_conformer import full as librispeech_conformer

ROOT = Path(__file__).parents[3]
FAMILIES = sorted(path.parent.name for path in (ROOT / "workloads").glob("*/full.py"))


def _criteo1tb(folder):
    pytest.importorskip("pyarrow", reason="the click log is parsed by pyarrow")
    from tests.workloads.full import criteo1tb_files

    criteo1tb_files.write(folder)


def _fastmri(folder):
    pytest.importorskip("h5py", reason="volumes are HDF5 files")
    from tests.workloads.full import fastmri_files

    fastmri_files.write(folder)


def _imagenet(folder):
    pytest.importorskip("simplejpeg", reason="pictures are decoded by simplejpeg")
    pytest.importorskip("google_crc32c", reason="records are checked by google-crc32c")
    from tests.workloads.full import imagenet_files

    imagenet_files.write_tfds(folder)


def _librispeech(folder):
    pytest.importorskip("sentencepiece", reason="sentences are made by SentencePiece")
    from tests.workloads.full import librispeech_files

    librispeech_files.write(folder)


@pytest.fixture(
    scope="module",
    params=[
        (criteo1tb, _criteo1tb),
        (fastmri, _fastmri),
        (imagenet_resnet, _imagenet),
        (imagenet_vit, _imagenet),
        (librispeech_conformer, _librispeech),
    ],
    ids=["criteo1tb", "fastmri", "imagenet_resnet", "imagenet_vit", "librispeech"],
)
def family(request, tmp_path_factory):
    """(a family's reader, a small data set of it)."""
    reader, write = request.param
    folder = tmp_path_factory.mktemp("data") / "set"
    write(folder)
    return reader, folder


@pytest.mark.parametrize("split", ["train", "validation"])
def test_a_batch_is_the_same_for_any_workers_and_order(family, split):
    reader, folder = family

    def batches(num_workers, wanted):
        source = reader.source(folder, split)  # anew, as a process that goes on has it
        is_training = split == "train"
        plan = source.plan(5, 3) if is_training else source.eval_plan(3)
        order = Order(plan, 5, Stream.TRAIN if is_training else Stream.EVAL)
        with Feed(source, order, num_workers) as feed:
            return {t: feed.get(t) for t in wanted}

    expected = batches(0, [0, 1])
    for num_workers, wanted in ((1, [0, 1]), (4, [1, 0])):
        for t, batch in batches(num_workers, wanted).items():
            assert batch.keys() == expected[t].keys()
            for name, values in batch.items():
                np.testing.assert_array_equal(values, expected[t][name], err_msg=name)


def test_an_index_covers_all_examples(family):
    reader, folder = family
    for split in ("train", "validation", "test"):
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
