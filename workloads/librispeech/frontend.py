"""From audio to masked log-mel features: pure functions inside both speech models.

Shape suffixes: B batch, S samples, T frames, W samples of a frame, F mel bins, M masks.
"""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np

from algoperf_lite.spec import Array
from workloads.librispeech.mel_statistics import LIBRISPEECH_MEAN, LIBRISPEECH_STD

_LOG_FLOOR = 1e-5  # of a mel bin: silence has no logarithm
_PREEMPHASIS = 0.97  # speech falls by 6 dB per octave; this raises its high frequencies again


@dataclasses.dataclass(frozen=True)
class FrontendConfig:
    """Log-mel filter bank and SpecAugment (Park et al. 2019); the defaults are AlgoPerf's.

    Attributes:
      frame_samples, step_samples: 25 ms every 10 ms.
      low_hz, high_hz: range of the mel filters.
      mean, std: of each bin's log-mel value; features are standardised with them.
      freq_mask_bins: a mask of frequency hides fewer bins than this.
      time_mask_ratio: a mask of time hides no more than this share of the utterance.
    """

    sample_rate: int = 16_000
    frame_samples: int = 400
    step_samples: int = 160
    num_bins: int = 80
    low_hz: float = 125.0
    high_hz: float = 7600.0
    mean: tuple[float, ...] = LIBRISPEECH_MEAN
    std: tuple[float, ...] = LIBRISPEECH_STD
    freq_mask_bins: int = 27
    time_mask_ratio: float = 0.05

    def num_frames(self, row_samples: int) -> int:
        """Frames of a row: all that lie wholly within its `row_samples`, padding included."""
        return (row_samples - self.frame_samples) // self.step_samples + 1

    def valid_frames(self, num_samples_B: Array, row_samples: int) -> Array:
        """Frames of each utterance in a row: all that have at least one of its samples, (B,)."""
        begun_B = -(-num_samples_B // self.step_samples)
        return begun_B.clip(max=self.num_frames(row_samples))


def log_mel(audio_BxS: jax.Array, config: FrontendConfig) -> jax.Array:
    """Standardised log-mel features (B, T, F) of audio in [-32768, 32767] (any number type)."""
    audio_BxS = audio_BxS.astype(jnp.float32) / 2**15
    before_BxS = jnp.pad(audio_BxS[:, :-1], ((0, 0), (1, 0)))
    frames_BxTxW = frames(audio_BxS - _PREEMPHASIS * before_BxS, config)
    # The periodic Hann window; numpy's is the symmetric one.
    window_W = np.hanning(config.frame_samples + 1)[:-1].astype(np.float32)
    spectrum = jnp.fft.rfft(frames_BxTxW * window_W, fft_size(config))
    power = jnp.square(spectrum.real) + jnp.square(spectrum.imag)
    mel_BxTxF = power @ mel_filters(config).astype(np.float32)
    mean_F, std_F = np.array(config.mean, np.float32), np.array(config.std, np.float32)
    return (jnp.log(jnp.maximum(mel_BxTxF, _LOG_FLOOR)) - mean_F) / std_F


def frames(audio_BxS: jax.Array, config: FrontendConfig) -> jax.Array:
    """Overlapping pieces (B, T, W) of the audio."""
    # Put together from shifted rows of steps, since a gather is slow on a CPU.
    step, width = config.step_samples, config.frame_samples
    pieces = -(-width // step)
    num_frames = config.num_frames(audio_BxS.shape[1])
    steps = num_frames + pieces - 1
    short = max(0, steps * step - audio_BxS.shape[1])
    padded_BxS = jnp.pad(audio_BxS, ((0, 0), (0, short)))[:, : steps * step]
    steps_BxNxH = padded_BxS.reshape(len(audio_BxS), steps, step)
    shifted = [steps_BxNxH[:, i : i + num_frames] for i in range(pieces)]
    return jnp.concatenate(shifted, axis=2)[:, :, :width]


def fft_size(config: FrontendConfig) -> int:
    """The power of two that holds a frame and the sample before it, which pre-emphasis needs."""
    return 2 ** math.ceil(math.log2(config.frame_samples + 1))


def mel_filters(config: FrontendConfig) -> np.ndarray:
    """Triangles on the mel scale as a matrix (frequencies, F) float64."""
    bins_Hz = np.fft.rfftfreq(fft_size(config), 1 / config.sample_rate)
    edges = np.linspace(_mel(config.low_hz), _mel(config.high_hz), config.num_bins + 2)
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    mel = _mel(bins_Hz)[:, None]
    rising, falling = (mel - low) / (centre - low), (high - mel) / (high - centre)
    return np.maximum(0.0, np.minimum(rising, falling))


def _mel(hz: np.ndarray | float) -> np.ndarray:
    return 1127.0 * np.log1p(np.asarray(hz) / 700.0)


def spec_augment(
    x_BxTxF: jax.Array,
    lengths_B: jax.Array,
    rng: jax.Array,
    config: FrontendConfig,
    num_masks: tuple[int, int],
) -> jax.Array:
    """Features with `num_masks` random bands of bins and stretches of frames set to zero."""
    freq_key, time_key = jax.random.split(rng)
    size, num_frames, num_bins = x_BxTxF.shape
    width_B = jnp.full(size, config.freq_mask_bins, jnp.float32)
    bins_B = jnp.full(size, num_bins, jnp.float32)
    bands_BxF = _masks(freq_key, num_masks[0], width_B, bins_B, num_bins)
    # Masks of time depend on an utterance's length; a short one would lose its words. Nothing else
    # limits them: AlgoPerf declares a limit of 40 frames that its models do not use.
    lengths_B = lengths_B.astype(jnp.float32)
    width_B = config.time_mask_ratio * lengths_B
    stretches_BxT = _masks(time_key, num_masks[1], width_B, lengths_B, num_frames)
    keep_BxTxF = ~(bands_BxF[:, None, :] | stretches_BxT[:, :, None])
    return x_BxTxF * keep_BxTxF


def _masks(
    key: jax.Array, num_masks: int, max_width_B: jax.Array, length_B: jax.Array, size: int
) -> jax.Array:
    """Union (B, size) of masks of uniform width below `max_width`, at uniform places."""
    shape_2xBxM = (2, len(length_B), num_masks)
    # Drawn flat: XLA's CPU backend compiles small random arrays of rank 3 for seconds.
    uniform_2xBxM = jax.random.uniform(key, (math.prod(shape_2xBxM),)).reshape(shape_2xBxM)
    width_BxM = jnp.floor(uniform_2xBxM[0] * max_width_B[:, None])
    start_BxM = jnp.floor(uniform_2xBxM[1] * (length_B[:, None] - width_BxM + 1))
    at = np.arange(size)
    inside = (at >= start_BxM[..., None]) & (at < (start_BxM + width_BxM)[..., None])
    return inside.any(axis=1)
