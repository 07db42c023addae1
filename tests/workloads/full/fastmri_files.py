"""Knee volumes in fastMRI's layout, small: few slices of few frequencies."""

from pathlib import Path

import h5py
import numpy as np

HEIGHT = 640


def write(folder: Path, train: int = 3, evaluated: int = 102, width: int = 368) -> Path:
    """Volumes of one to three slices; those of even number have a `max`."""
    rng = np.random.default_rng(7)
    for name, files in (("knee_singlecoil_train", train), ("knee_singlecoil_val", evaluated)):
        (folder / name).mkdir(parents=True)
        for i in range(files):
            volume(folder / name / f"file{1_000_000 + i}.h5", rng, 1 + i % 3, width, i % 2 == 0)
    return folder


def volume(
    path: Path, rng: np.random.Generator, slices: int, width: int, has_max: bool = True
) -> None:
    """One file; frequencies far from the centre are zero, which compresses well."""
    kspace = np.zeros((slices, HEIGHT, width), np.complex64)
    centre = (slice(None), slice(300, 340), slice(width // 2 - 40, width // 2 + 40))
    parts = rng.standard_normal((2, slices, 40, 80)) * 1e-6
    kspace[centre] = parts[0] + 1j * parts[1]
    image = np.zeros((slices, 320, 320), np.float32)
    image[:, 100:140, 90:200] = rng.random((slices, 40, 110)) * 1e-5
    with h5py.File(path, "w") as file:
        file.create_dataset("kspace", data=kspace, compression="gzip", compression_opts=1)
        file.create_dataset("reconstruction_esc", data=image, compression="gzip")
        if has_max:
            file.attrs["max"] = float(image.max())
