"""Data sets in AlgoPerf's layouts, made up: examples as large as AlgoPerf's, copies of a few.

Files that hold the same are links to one, so that a set of many gigabytes takes little of a disk.
"""

import io
import os
import shutil
from pathlib import Path

import numpy as np

from tests.workloads.full import small_families, tfds_folders

LINES = 4_000  # of the click log, that differ
SLICES = 16  # of a volume
WIDTH = 368  # columns of k-space
PICTURES, HEIGHT_WIDTH, NOISE = 32, (375, 500), 40  # about 115 kB each
UTTERANCES, SAMPLES = 64, 200_000  # 12.5 seconds
MOLECULES = 2_000
DOCUMENTS = 1_000

_FILES_A_DAY, _FILES_LAST_DAY = 3, 20
CRITEO_FILES = 23 * _FILES_A_DAY + _FILES_LAST_DAY


def write(family: str, root: Path) -> None:
    """The data set of a family below `root`, with at least a quarter of AlgoPerf's batch."""
    makers = {
        "criteo1tb": lambda: write_criteo1tb(root, 2 * LINES),
        "fastmri": lambda: _write_fastmri(root),
        "finewebedu_lm": lambda: _write_finewebedu_lm(root),
        "ogbg": lambda: _write_ogbg(root),
    }
    if family.startswith("imagenet"):
        write_imagenet(root, 8 * PICTURES, num_files=1)
    elif family.startswith("librispeech"):
        _write_librispeech(root)
    elif family in makers:
        makers[family]()
    else:
        small_families.prepare(family, root)  # wmt, whose small sentences are as long as others


def write_criteo1tb(root: Path, lines_per_file: int) -> None:
    """The click log, in `CRITEO_FILES` files of as many lines, about 240 bytes each."""
    from tests.workloads.full import criteo1tb_files

    rng = np.random.default_rng(0)
    lines = [criteo1tb_files.line(rng) + "\n" for _ in range(min(LINES, lines_per_file))]
    folder = root / "criteo1tb"
    folder.mkdir(parents=True)
    first = folder / "day_0_00"
    with first.open("w") as file:
        for _ in range(lines_per_file // len(lines)):
            file.writelines(lines)
    for day in range(24):
        for part in range(_FILES_LAST_DAY if day == 23 else _FILES_A_DAY):
            _link(first, folder / f"day_{day}_{part:02d}")


def write_imagenet(root: Path, pictures_per_file: int, num_files: int) -> None:
    """ImageNet as TFDS prepares it; `num_files` of train."""
    rng = np.random.default_rng(0)
    pictures = [_picture(rng) for _ in range(PICTURES)]
    records = b"".join(
        tfds_folders.frame(tfds_folders.encode({"image": data, "label": [label]}))
        for label, data in enumerate(pictures)
    )
    repeats = max(1, pictures_per_file // PICTURES)
    counts = {"train": [repeats * PICTURES] * num_files, "validation": [repeats * PICTURES]}
    _link_records(root, "imagenet2012/5.1.0", "imagenet2012", counts, records * repeats)
    counts = {"test": [repeats * PICTURES]}
    folder = "imagenet_v2/matched-frequency/3.0.0"
    _link_records(root, folder, "imagenet_v2", counts, records * repeats, "matched-frequency")


def _picture(rng: np.random.Generator) -> bytes:
    from PIL import Image

    small = Image.fromarray(rng.integers(0, 256, (6, 8, 3), np.uint8))
    height, width = HEIGHT_WIDTH
    smooth = np.asarray(small.resize((width, height), Image.Resampling.BICUBIC), np.int16)
    # A smooth picture would have a quarter of a photograph's bytes, and be decoded faster.
    noisy = smooth + rng.integers(-NOISE, NOISE, smooth.shape[:2])[..., None]
    content = io.BytesIO()
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(content, "jpeg", quality=90)
    return content.getvalue()


def _link_records(
    root: Path,
    below: str,
    name: str,
    counts: dict[str, list[int]],
    content: bytes,
    config: str | None = None,
) -> None:
    """A data set of TFDS all of whose files hold the same records."""
    folder = root / "imagenet" / "jax" / below
    tfds_folders.write_info(folder, name, counts, Path(below).name, config)
    first = folder / "records"
    first.write_bytes(content)
    for split, of_files in counts.items():
        for i in range(len(of_files)):
            file = f"{name}-{split}.tfrecord-{i:05d}-of-{len(of_files):05d}"
            _link(first, folder / file)


def _write_fastmri(root: Path) -> None:
    import h5py

    from tests.workloads.full import fastmri_files

    folder = root / "fastmri"
    fastmri_files.write(folder, train=1)
    rng = np.random.default_rng(0)
    first = folder / "knee_singlecoil_train" / "file1000000.h5"
    shape = (2, SLICES, fastmri_files.HEIGHT, WIDTH)
    kspace = rng.standard_normal(shape, np.float32) * 1e-6
    with h5py.File(first, "w") as file:
        file.create_dataset("kspace", data=kspace[0] + 1j * kspace[1])
        file.create_dataset("reconstruction_esc", data=rng.random((SLICES, 320, 320), np.float32))
    for i in range(1, 4):
        _link(first, first.with_name(f"file{1_000_000 + i}.h5"))


def _write_finewebedu_lm(root: Path) -> None:
    from tests.workloads.full.finewebedu_files import documents, write_saved

    for folder in ("train", "val"):
        write_saved(root / "finewebedu" / folder, documents(0, DOCUMENTS))


def _write_librispeech(root: Path) -> None:
    from tests.workloads.full import librispeech_files

    librispeech_files.write(root / "librispeech")
    rng = np.random.default_rng(0)
    said = {
        f"9-{i}-0000": (
            rng.integers(-20_000, 20_000, SAMPLES),
            " ".join(librispeech_files.sentence(rng) for _ in range(4)),
        )
        for i in range(UTTERANCES)
    }
    shutil.rmtree(root / "librispeech" / "train-clean-100")
    librispeech_files.write_part(root / "librispeech", "train-clean-100", said)


def _write_ogbg(root: Path) -> None:
    from tests.workloads.full import ogbg_files

    rng = np.random.default_rng(0)
    graphs = [ogbg_files.molecule(rng) for _ in range(MOLECULES)]
    splits = {"train": [graphs], "validation": [graphs[:100]], "test": [graphs[:100]]}
    folder = root / "ogbg" / "ogbg_molpcba" / "0.1.3"
    tfds_folders.write(folder, "ogbg_molpcba", splits, version="0.1.3")


def _link(first: Path, path: Path) -> None:
    if path != first:
        os.link(first, path)
