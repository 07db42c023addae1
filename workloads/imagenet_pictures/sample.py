"""Draws what a person should look at: `python -m workloads.imagenet_pictures.sample`."""

from pathlib import Path

import jax
import matplotlib.image
import numpy as np

from workloads.imagenet_pictures import augmentation, data

_COLUMNS = 9
_ZOOM = 3


def main() -> None:
    pictures = data.examples("validation")
    inputs, targets = pictures["inputs"], pictures["targets"]
    classes = [inputs[targets == label][:_COLUMNS] for label in range(data.NUM_CLASSES)]
    _save("classes.png", np.stack(classes))

    plain = inputs[: 4 * _COLUMNS]
    pixels_key, mixup_key = jax.random.key(0), jax.random.key(2)  # mixes 0.87 to 0.13
    pixels = augmentation.rand_augment(plain, pixels_key)
    one_hot = jax.nn.one_hot(targets[: len(plain)], data.NUM_CLASSES)
    mixed, _ = augmentation.mixup(pixels, one_hot, mixup_key)
    versions = [plain, *(np.asarray(x).astype(np.uint8) for x in (pixels, mixed))]
    rows = [x.reshape(4, _COLUMNS, *x.shape[1:]) for x in versions]
    _save("augmented.png", np.stack(rows, axis=1).reshape(-1, *rows[0].shape[1:]))


def _save(name: str, pictures: np.ndarray) -> None:
    """A sheet of pictures (rows, columns, height, width, channels)."""
    sheet = pictures.swapaxes(1, 2).reshape(-1, pictures.shape[1] * data.SIZE, 3)
    path = Path(__file__).parent / name
    matplotlib.image.imsave(path, sheet.repeat(_ZOOM, axis=0).repeat(_ZOOM, axis=1))
    print(path)


if __name__ == "__main__":
    main()
