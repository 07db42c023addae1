"""The nine families at full scale, made small: the code paths and shapes of data are AlgoPerf's,
widths and depths are not. And small data sets in AlgoPerf's layouts for each."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import workloads

_VOCABULARY = 61  # of the language model: GPT-2's would make gigabytes of logits
# The tokenizer that is trained on few sentences has thirty pieces.
_SPEECH = {"vocab_size": 30, "d_model": 8, "subsample_channels": 4}


@dataclasses.dataclass(frozen=True)
class Small:
    """A family made small.

    Attributes:
      changes: of its config.
      batch_size, eval_batch_size: examples.
      write: makes its data set below a root.
      packages: that its reader needs.
    """

    changes: Mapping[str, Any]
    batch_size: int
    eval_batch_size: int
    write: Callable[[Path], None]
    packages: tuple[str, ...]


def _criteo1tb(root: Path) -> None:
    from tests.workloads.full import criteo1tb_files

    criteo1tb_files.write(root / "criteo1tb", lines_per_file=8)


def _fastmri(root: Path) -> None:
    from tests.workloads.full import fastmri_files

    fastmri_files.write(root / "fastmri", train=6)


def _imagenet(root: Path) -> None:
    from tests.workloads.full import imagenet_files

    imagenet_files.write_tfds(root / "imagenet" / "jax")


def _librispeech(root: Path) -> None:
    from tests.workloads.full import librispeech_files

    librispeech_files.write(root / "librispeech")


def _ogbg(root: Path) -> None:
    from tests.workloads.full import ogbg_files

    ogbg_files.write_tfds(root)


def _wmt(root: Path) -> None:
    from tests.workloads.full import wmt_files
    from workloads.wmt import parallel_text

    rng = np.random.default_rng(0)
    pairs = {split: wmt_files.sentences(rng, split) for split in wmt_files.NUM}
    (root / "wmt").mkdir()
    wmt_files.train_tokenizer(root / "wmt" / parallel_text.MODEL, pairs["train"])
    wmt_files.write(root, pairs)


def _finewebedu_lm(root: Path) -> None:
    from tests.workloads.full.finewebedu_files import documents, write_saved

    for seed, (folder, size) in enumerate({"train": 40, "val": 11}.items()):
        docs = [[token % _VOCABULARY for token in doc] for doc in documents(seed, size)]
        write_saved(root / "finewebedu" / folder, docs, num_files=2 - seed)


_RECORDS = ("google_crc32c",)
FAMILIES = {
    "criteo1tb": Small(
        {"table_rows": 64, "embed_dim": 4, "bottom": (8, 4), "top": (8, 1)},
        16,
        32,
        _criteo1tb,
        ("pyarrow",),
    ),
    "fastmri": Small({"channels": 2, "num_pools": 4}, 2, 4, _fastmri, ("h5py",)),
    "finewebedu_lm": Small(
        {"vocab_size": _VOCABULARY, "d_model": 8, "num_heads": 2, "num_layers": 1, "mlp_hidden": 8},
        4,
        4,
        _finewebedu_lm,
        ("pyarrow",),
    ),
    "imagenet_resnet": Small(
        {"stage_sizes": (1, 1, 1, 1), "num_filters": 2},
        4,
        4,
        _imagenet,
        ("simplejpeg", *_RECORDS),
    ),
    "imagenet_vit": Small(
        {"d_model": 8, "num_layers": 1, "num_heads": 2, "mlp_hidden": 8},
        4,
        4,
        _imagenet,
        ("simplejpeg", *_RECORDS),
    ),
    "librispeech_conformer": Small(
        {**_SPEECH, "num_heads": 2, "num_blocks": 1}, 4, 4, _librispeech, ("sentencepiece",)
    ),
    "librispeech_deepspeech": Small(
        {**_SPEECH, "num_lstm_layers": 1, "num_ffn_layers": 1},
        4,
        4,
        _librispeech,
        ("sentencepiece",),
    ),
    "ogbg": Small({"hidden_dim": 8, "num_steps": 1}, 16, 32, _ogbg, _RECORDS),
    "wmt": Small(
        {"vocab_size": 50, "d_model": 8, "num_heads": 2, "num_layers": 1, "mlp_hidden": 8},
        4,
        8,
        _wmt,
        ("sentencepiece", *_RECORDS),
    ),
}


def prepare(name: str, root: Path) -> Path:
    """A small data set of a family below a new folder; skips where a package is missing."""
    small = FAMILIES[name]
    for package in small.packages:
        pytest.importorskip(package)
    root.mkdir(parents=True, exist_ok=True)
    small.write(root)
    return root


def made_small(workload: Any, step_hint: int = 8) -> Any:
    """A workload at full scale with the sizes above."""
    small = FAMILIES[workloads.base_of(workload.name)]
    changed = dataclasses.replace(workload.config, **small.changes)
    sizes = {"batch_size": small.batch_size, "eval_batch_size": small.eval_batch_size}
    return dataclasses.replace(workload, config=changed, step_hint=step_hint, **sizes)
