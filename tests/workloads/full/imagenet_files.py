"""ImageNet in TFDS's layout and in folders of classes, small: the same pictures in both."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from tests.workloads.full import tfds_folders

LABELS = {"train": [7, 0, 999, 7, 3, 1], "validation": [5, 2, 2, 0, 9], "test": [4, 10, 4]}
_FOLDERS = {"train": "train", "validation": "val", "test": "imagenet_v2"}


def jpeg(rng: np.random.Generator, height: int, width: int, mode: str = "RGB") -> bytes:
    """A picture with smooth colours."""
    small = rng.integers(0, 256, (6, 8, 3), np.uint8)
    picture = Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)
    content = io.BytesIO()
    picture.convert(mode).save(content, "jpeg", quality=90)
    return content.getvalue()


def pictures(split: str) -> list[bytes]:
    """The JPEG pictures of a split; the second is grey."""
    rng = np.random.default_rng(len(split))
    shapes = [(int(rng.integers(60, 90)), int(rng.integers(60, 90))) for _ in LABELS[split]]
    return [jpeg(rng, *shape, "L" if i == 1 else "RGB") for i, shape in enumerate(shapes)]


def write_tfds(folder: Path) -> Path:
    """`imagenet2012/5.1.0` and `imagenet_v2/matched-frequency/3.0.0`, of two files a split."""
    splits = {}
    for split, labels in LABELS.items():
        examples = [
            {"image": data, "label": [label], "file_name": b"n0_1.JPEG"}
            for data, label in zip(pictures(split), labels, strict=True)
        ]
        splits[split] = [examples[:2], examples[2:]]
    test = {"test": splits.pop("test")}
    tfds_folders.write(folder / "imagenet2012" / "5.1.0", "imagenet2012", splits, version="5.1.0")
    tfds_folders.write(
        folder / "imagenet_v2" / "matched-frequency" / "3.0.0",
        "imagenet_v2",
        test,
        version="3.0.0",
        config="matched-frequency",
    )
    return folder


def write_class_folders(folder: Path) -> Path:
    """`train`, `val` with a folder for each of a thousand synsets, `imagenet_v2` by number."""
    for split, labels in LABELS.items():
        names = [str(i) if split == "test" else f"n{i:08d}" for i in range(1000)]
        for name in names:
            (folder / _FOLDERS[split] / name).mkdir(parents=True)
        for i, (data, label) in enumerate(zip(pictures(split), labels, strict=True)):
            (folder / _FOLDERS[split] / names[label] / f"{split}_{i}.JPEG").write_bytes(data)
    return folder
