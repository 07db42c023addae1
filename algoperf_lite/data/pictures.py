"""Small labelled pictures that TFDS keeps as PNG files in records: mnist, cifar10."""

import io

import numpy as np

from algoperf_lite.data import example, needed, tfds
from algoperf_lite.data.source import DataError


def read(prepared: tfds.Prepared, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Pictures (n, height, width, channels) and labels (n,), uint8, in the records' order.

    Raises DataError where a file is missing or damaged, or a record is none.
    """
    pictures, labels = [], []
    for where, record in prepared.split(split).records():
        features = example.parse(record, where)
        pictures.append(_decoded(example.data(features, "image", where), where))
        labels.append(example.ints(features, "label", where)[0])
        if pictures[-1].shape != pictures[0].shape:
            raise DataError(
                f"{where} is a picture of {pictures[-1].shape} and the first one is of "
                f"{pictures[0].shape}; prepare {prepared.name} anew"
            )
    if not pictures:
        raise DataError(f"{prepared.folder} holds no picture of split {split!r}; prepare it anew")
    return np.stack(pictures), np.array(labels, np.uint8)


def _decoded(png: bytes, where: str) -> np.ndarray:
    with needed.package("pillow", "decoding pictures"):
        from PIL import Image
    try:
        with Image.open(io.BytesIO(png)) as image:
            picture = np.asarray(image)
    except (OSError, SyntaxError, ValueError) as error:  # Pillow's words for damaged PNG files
        raise DataError(f"{where} holds no picture ({error}); prepare it anew") from error
    return picture.reshape(*picture.shape[:2], -1)
