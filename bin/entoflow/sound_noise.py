"""Synthetic noise, and sums of harmonics: what sounds are drawn with, and models are tested in."""

from collections.abc import Sequence

import numpy as np

NOISES = ("white", "pink", "hum", "wind")


def harmonics(
    f0_hz: np.ndarray,
    amplitudes: np.ndarray,
    drift: np.ndarray,
    times: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return n x samples: sums of cosines at the multiples of each F0 with random phases.

    None is above half the sample rate. f0_hz: n, in mid-clip; amplitudes: n x harmonics; drift: n,
    the share by which F0 changes, linearly, from first to last sample; times: samples, in seconds.
    """
    middle = times.mean()
    span = np.ptp(times)
    from_middle = times - middle
    cycles = f0_hz[:, None] * (from_middle + drift[:, None] * from_middle**2 / (2 * span))
    half_rate = 0.5 * (len(times) - 1) / span
    n_below = half_rate / (f0_hz * (1 + np.abs(drift) / 2))
    signal = np.zeros(cycles.shape)
    for k, amplitude in enumerate(amplitudes.T, 1):
        phase = rng.uniform(0, 2 * np.pi, (len(f0_hz), 1))
        wave = np.cos(2 * np.pi * k * cycles + phase)
        signal += (amplitude * (k < n_below))[:, None] * wave
    return signal


def noise(
    kind: str, n: int, samples: int, sample_rate: int, rng: np.random.Generator
) -> np.ndarray:
    """Return n x samples float32 noise of root mean square 1.

    It is white, pink (power as 1 / f), hum (50 or 60 Hz and multiples) or wind: noise whose power
    falls as 1 / f^3 above 40 Hz, in gusts of about half a second. Raises ValueError for another
    kind.
    """
    if kind not in NOISES:
        raise ValueError(f"noise is '{kind}'; wanted one of {', '.join(NOISES)}")
    if kind == "hum":
        values = _hum(n, np.arange(samples) / sample_rate, rng)
    else:
        values = _shape(kind, rng.standard_normal((n, samples)), sample_rate, rng)
    return (values / np.sqrt((values**2).mean(axis=1, keepdims=True))).astype(np.float32)


def mix(
    clips: np.ndarray, noises: np.ndarray, snr_db: float | Sequence[float] | np.ndarray
) -> np.ndarray:
    """Return clips + noises as n x samples float32.

    The noise is scaled so that the powers of whole rows differ by snr_db (a number, or n).
    """
    clip_power = (clips.astype(float) ** 2).mean(axis=1)
    noise_power = (noises.astype(float) ** 2).mean(axis=1)
    wanted_ratio = 10 ** (np.asarray(snr_db) / 10)
    scale = np.sqrt(clip_power / (np.maximum(noise_power, 1e-30) * wanted_ratio))
    return (clips + scale[:, None] * noises).astype(np.float32)


mixed = mix  # until robustness.py says mix


def _hum(n: int, times: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    mains = rng.choice([50.0, 60.0], n)
    amplitudes = rng.uniform(0.1, 1, (n, 10)) / np.arange(1, 11)
    return harmonics(mains, amplitudes, np.zeros(n), times, rng)


def _shape(kind: str, white: np.ndarray, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Return white noise (n x samples) with the spectrum of a kind, and the gusts of wind."""
    if kind == "white":
        return white
    n, samples = white.shape
    hz = np.maximum(np.fft.rfftfreq(samples, 1 / sample_rate), 1.0)
    gains = hz**-0.5 if kind == "pink" else np.maximum(hz / 40, 1) ** -1.5
    coloured = np.fft.irfft(np.fft.rfft(white, axis=1) * gains, samples, axis=1)
    if kind == "pink":
        return coloured
    times = np.arange(samples) / sample_rate
    gust_s = rng.uniform(0.3, 0.8, (n, 1))
    turn = times / gust_s + rng.uniform(0, 1, (n, 1))
    return coloured * (1.1 + np.cos(2 * np.pi * turn))
