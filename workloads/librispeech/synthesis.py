"""A speech synthesiser in numpy: pitch pulses that ring at formants, and band noise.

Every pitch period starts a sine wave at each formant, faded out until the next period (the
formant-wave functions of Rodet 1984, simplified). All steps are integer arithmetic, table look-ups
or single IEEE operations, so that every machine makes the same bytes.
"""

from typing import NamedTuple

import numpy as np

from workloads.librispeech import language

SAMPLE_RATE = 4000
NUM_SAMPLES = 3900  # 96 frames of 25 ms every 10 ms
CONTROL_SAMPLES = 10  # sounds change every 2.5 ms
NUM_CONTROLS = NUM_SAMPLES // CONTROL_SAMPLES

_PHONEME_CONTROLS = 25  # about 63 ms
_SMOOTHING_CONTROLS = 9  # co-articulation: sounds move to the next within 22 ms
_SINE_BITS = 10
_SINE = np.sin(2 * np.pi * np.arange(2**_SINE_BITS) / 2**_SINE_BITS).astype(np.float32)
_HUM_HZ, _DRAWL_HZ = 3, 2  # slow movements of the pitch
_AMPLITUDE = 5000.0  # of a vowel in an int16


class Speakers(NamedTuple):
    """Voices, one number per utterance."""

    pitch: np.ndarray  # Hz
    tract: np.ndarray  # factor on all formants: a short vocal tract has high ones
    breath: np.ndarray  # noise in a vowel, relative to its voice
    melody: np.ndarray  # swing of the pitch, relative


class Manner(NamedTuple):
    """Ways of speaking and recording, one number per utterance."""

    tempo: np.ndarray  # factor on all durations
    loudness: np.ndarray
    background: np.ndarray  # amplitude of white noise, relative to a vowel's


def waveforms(
    phonemes_BxP: np.ndarray, speakers: Speakers, manner: Manner, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Audio (B, NUM_SAMPLES) int16, silent after the end, and the number of samples (B,) int32.

    Args:
      phonemes_BxP: indices into `language.PHONEMES`, PAUSE for a pause, -1 after the end.
    """
    ends_BxE, halves_E = _segment_ends(phonemes_BxP, manner.tempo, rng)
    tracks_BxCxF = _tracks(phonemes_BxP, ends_BxE, halves_E, rng)
    tracks_BxCxF[..., [0, 1, 4]] *= speakers.tract[:, None, None]
    size = len(phonemes_BxP)
    noise_BxS = rng.integers(-128, 128, (2, size, NUM_SAMPLES), np.int8).astype(np.float32) / 128
    audio_BxS = _voice(tracks_BxCxF, speakers, noise_BxS[0], rng)
    audio_BxS += _friction(tracks_BxCxF, noise_BxS[0])
    audio_BxS += manner.background[:, None] * noise_BxS[1]
    audio_BxS *= _AMPLITUDE * manner.loudness[:, None]
    lengths_B = ends_BxE[:, -1] * CONTROL_SAMPLES
    audio_BxS[np.arange(NUM_SAMPLES) >= lengths_B[:, None]] = 0
    return audio_BxS.clip(-32767, 32767).astype(np.int16), lengths_B.astype(np.int32)


def _segment_ends(
    phonemes_BxP: np.ndarray, tempo: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The control at which each half phoneme ends, (B, 2 P), and which halves they are, (2 P,)."""
    durations = _PHONEME_CONTROLS * tempo[:, None] * rng.uniform(0.85, 1.2, phonemes_BxP.shape)
    pauses = rng.uniform(2.0, 20.0, phonemes_BxP.shape)
    durations = np.where(phonemes_BxP == language.PAUSE, pauses, durations)
    durations[phonemes_BxP < 0] = 0
    # Speech that would not fit is sped up rather than cut: its targets name every phoneme.
    durations *= np.minimum(1.0, NUM_CONTROLS / durations.sum(axis=1))[:, None]
    whole_BxP = np.cumsum(durations, axis=1)
    ends_BxPx2 = np.stack([whole_BxP - durations / 2, whole_BxP], axis=-1)
    ends_BxE = np.floor(ends_BxPx2 + 1e-6).astype(np.int64).reshape(len(durations), -1)
    return ends_BxE, np.tile([0, 1], phonemes_BxP.shape[1])


def _tracks(
    phonemes_BxP: np.ndarray, ends_BxE: np.ndarray, halves_E: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """The six fields of `Sound` over time, (B, controls, 6) float32, smoothed."""
    size, rows = len(phonemes_BxP), np.arange(len(phonemes_BxP))[:, None]
    marks_BxC = np.zeros((size, NUM_CONTROLS + 1), np.int64)
    np.add.at(marks_BxC, (rows, ends_BxE), 1)
    segment_BxC = np.cumsum(marks_BxC, axis=1)[:, :-1].clip(max=ends_BxE.shape[1] - 1)
    sounds_BxExF = language.sound_table()[np.repeat(phonemes_BxP, 2, axis=1), halves_E]
    sounds_BxExF[..., :2] *= rng.uniform(0.96, 1.04, (size, ends_BxE.shape[1], 2))
    tracks_BxCxF = sounds_BxExF[rows, segment_BxC]
    reach = _SMOOTHING_CONTROLS // 2
    padded = np.pad(tracks_BxCxF, ((0, 0), (reach, reach), (0, 0)), mode="edge")
    shifted = (padded[:, i : i + NUM_CONTROLS] for i in range(_SMOOTHING_CONTROLS))
    return sum(shifted) * np.float32(1 / _SMOOTHING_CONTROLS)


def _voice(
    tracks_BxCxF: np.ndarray, speakers: Speakers, noise_BxS: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Two formants rung by pitch pulses, (B, samples) float32."""
    time = np.arange(NUM_CONTROLS) * CONTROL_SAMPLES / SAMPLE_RATE
    starts = rng.uniform(0.0, 1.0, (2, len(tracks_BxCxF), 1))
    hum, drawl = (_sine(hz * time + u) for hz, u in zip((_HUM_HZ, _DRAWL_HZ), starts, strict=True))
    pitch_BxC = speakers.pitch[:, None] * (1 + speakers.melody[:, None] * (hum + drawl))
    cycles_BxS = np.cumsum(_to_samples(pitch_BxC / SAMPLE_RATE), axis=1)
    part_BxS = (cycles_BxS - np.floor(cycles_BxS)).astype(np.float32)  # of the pitch period
    seconds_BxS = part_BxS / _to_samples(pitch_BxC.astype(np.float32))
    fade_BxS = (1 - part_BxS) * (1 - part_BxS)
    fade_BxS += speakers.breath[:, None] * noise_BxS
    audio_BxS = np.zeros_like(seconds_BxS)
    for formant in (0, 1):
        wave = _sine(_to_samples(tracks_BxCxF[..., formant]) * seconds_BxS)
        audio_BxS += _to_samples(tracks_BxCxF[..., 2 + formant]) * wave
    return audio_BxS * fade_BxS


def _friction(tracks_BxCxF: np.ndarray, noise_BxS: np.ndarray) -> np.ndarray:
    """Noise of a band: smoothed white noise on a carrier at the band's centre, (B, samples)."""
    slow_BxS = noise_BxS.copy()
    for lag in (1, 2, 3):
        slow_BxS[:, lag:] += noise_BxS[:, :-lag]
    cycles_BxS = np.cumsum(_to_samples(tracks_BxCxF[..., 4].astype(np.float64)), axis=1)
    return _to_samples(tracks_BxCxF[..., 5]) * slow_BxS * _sine(cycles_BxS / SAMPLE_RATE)


def _sine(cycles: np.ndarray) -> np.ndarray:
    """sin(2 pi cycles) from a table, float32."""
    return _SINE[(cycles * 2**_SINE_BITS).astype(np.int32) & (2**_SINE_BITS - 1)]


def _to_samples(controls_BxC: np.ndarray) -> np.ndarray:
    return np.repeat(controls_BxC, CONTROL_SAMPLES, axis=1)
