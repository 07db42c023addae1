"""Structural similarity of two images (Wang et al. 2004), traceable."""

import jax
import jax.numpy as jnp
import numpy as np

_WINDOW = 7  # pixels along each axis
_K1, _K2 = 0.01, 0.03


def ssim(one_BxHxW: jax.Array, other_BxHxW: jax.Array, data_range_B: jax.Array) -> jax.Array:
    """Mean SSIM (B,) over all windows that lie inside the image.

    Uniform 7x7 windows and sample covariances, as in AlgoPerf and as
    `skimage.metrics.structural_similarity(one, other, win_size=7, data_range=...)`.
    """
    # Covariances do not see a shift of an image, but their rounding errors do.
    shift_x, shift_y = (image.mean((1, 2), keepdims=True) for image in (one_BxHxW, other_BxHxW))
    x, y = one_BxHxW - shift_x, other_BxHxW - shift_y
    mean_x, mean_y = _windowed(x), _windowed(y)
    sample = _WINDOW**2 / (_WINDOW**2 - 1)
    var_x = sample * (_windowed(x * x) - mean_x * mean_x)
    var_y = sample * (_windowed(y * y) - mean_y * mean_y)
    covariance = sample * (_windowed(x * y) - mean_x * mean_y)
    c1, c2 = ((k * data_range_B[:, None, None]) ** 2 for k in (_K1, _K2))
    mean_x, mean_y = mean_x + shift_x, mean_y + shift_y
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    structure = (2 * covariance + c2) / (var_x + var_y + c2)
    return (luminance * structure).mean(axis=(1, 2))


def _windowed(x_BxHxW: jax.Array) -> jax.Array:
    """Means over all windows inside the image: (B, H - 6, W - 6)."""
    # Two products with band matrices, since sums of shifted slices take XLA minutes to compile.
    rows, columns = (_band(size) for size in x_BxHxW.shape[1:])
    return jnp.einsum("bhw,hi,wj->bij", x_BxHxW, rows, columns, precision="highest")


def _band(size: int) -> np.ndarray:
    """Means over windows as a matrix (size, size - 6): column i is 1/7 in rows i to i + 6."""
    offsets = np.arange(size)[:, None] - np.arange(size - _WINDOW + 1)
    return ((offsets >= 0) & (offsets < _WINDOW)).astype(np.float32) / _WINDOW
