"""Features of a wingbeat's harmonics: of the spectrum seen from its F0.

On the axis of harmonics, f / F0, a spectrum does not move with temperature or size as it does on
that of Hz; only its shape is left.
"""

import numpy as np

from entoflow.wingbeat.average_spectra import Spectra

HARMONICS = 8
NOISE_HARMONICS = 6  # those of comb_to_noise_db
FLOOR_DB = -60
AXIS = np.arange(1, 17) / 2
HALF_TOOTH = 0.015  # of its frequency: how far a line reaches to either side
ABOVE = 4  # least power of a harmonic that counts, in powers of the gaps beside it: 6 dB

FEATURES = {
    **{
        f"h{k}_db": (
            "dB",
            f"power of harmonic {k} over that of harmonic 1, less the noise between; "
            "within 60 of 0",
        )
        for k in range(2, HARMONICS + 1)
    },
    "odd_even_db": ("dB", "power of harmonics 1, 3, 5, 7 over that of 2, 4, 6, 8"),
    "harmonic_decay": (
        "dB per harmonic",
        "slope of the line through the levels of harmonics 1 to 8",
    ),
    "comb_to_noise_db": (
        "dB",
        "power of harmonics 1 to 6 over what lies between them, from half of F0 on",
    ),
    "h1_width_hz": ("Hz", "width of harmonic 1: its power over its highest power per Hz"),
    "harmonics_found": (
        "count",
        "harmonics of 1 to 8 that are 6 dB or more above the power per Hz on either side",
    ),
    **{
        f"axis_{at:.1f}_db": (
            "dB",
            f"power from {at - 0.25} to {at + 0.25} times F0, over the strongest such band; "
            f"at least {FLOOR_DB}",
        )
        for at in AXIS.tolist()
    },
}


def features(spectra: Spectra, f0_hz: np.ndarray) -> np.ndarray:
    """Return n x 28 float32, columns as in FEATURES, of spectra and F0 (n, Hz); 0 where F0 is 0.

    What lies above half the sample rate has no power.
    """
    has_f0 = f0_hz > 0
    f0 = np.where(has_f0, f0_hz, 1).astype(float)[:, None]
    running = cumulative(spectra.power)
    order = np.arange(1, HARMONICS + 1)
    widest = np.maximum(HALF_TOOTH * order * f0, spectra.resolution_hz[:, None])
    half = np.minimum(widest, 0.25 * f0)
    teeth = between(running, order * f0 - half, order * f0 + half)
    gaps_before = between(running, (order - 0.5) * f0 - half, (order - 0.5) * f0 + half)
    gaps_behind = between(running, (order + 0.5) * f0 - half, (order + 0.5) * f0 + half)
    gaps = np.stack([gaps_before, gaps_behind]).mean(axis=0)
    levels = _decibels(np.maximum(teeth - gaps, 0), running[:, -1:])
    columns = [
        np.clip(levels[:, 1:] - levels[:, :1], FLOOR_DB, -FLOOR_DB),
        _odd_even(levels),
        _decay(levels),
        _comb_to_noise(running, teeth, f0),
        _width(spectra.power, running, f0),
        (teeth > ABOVE * np.maximum(gaps, 1e-30)).sum(axis=1, keepdims=True),
        _on_axis(running, f0),
    ]
    return (np.concatenate(columns, axis=1) * has_f0[:, None]).astype(np.float32)


def cumulative(power: np.ndarray) -> np.ndarray:
    """Return n x (bins + 1) float64 of power (n x bins of 1 Hz).

    Value k is the power up to the lower edge of bin k; the last one is that of all bins.
    """
    return np.pad(np.cumsum(power, axis=1, dtype=float), ((0, 0), (1, 0)))


def between(running: np.ndarray, low_hz: np.ndarray, high_hz: np.ndarray) -> np.ndarray:
    """Return n x m: power between frequencies (n x m).

    running: as cumulative returns it; bin f holds the frequencies from f - 0.5 to f + 0.5.
    """
    return _up_to(running, high_hz) - _up_to(running, low_hz)


def _up_to(running: np.ndarray, hz: np.ndarray) -> np.ndarray:
    """Return n x m: power up to frequencies (n x m)."""
    last = running.shape[1] - 1
    at = np.clip(hz + 0.5, 0, last)
    whole = np.minimum(at.astype(int), last - 1)
    below = np.take_along_axis(running, whole, axis=1)
    above = np.take_along_axis(running, whole + 1, axis=1)
    return below + (at - whole) * (above - below)


def _decibels(power: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Return 10 log10 of shares of a whole, at least FLOOR_DB."""
    share = power / np.maximum(whole, 1e-30)
    return 10 * np.log10(np.maximum(share, 10 ** (FLOOR_DB / 10)))


def _odd_even(levels: np.ndarray) -> np.ndarray:
    odd = 10 ** (levels[:, 0::2] / 10)
    even = 10 ** (levels[:, 1::2] / 10)
    return 10 * np.log10(odd.sum(axis=1, keepdims=True) / even.sum(axis=1, keepdims=True))


def _decay(levels: np.ndarray) -> np.ndarray:
    order = np.arange(HARMONICS) - (HARMONICS - 1) / 2
    return (levels @ order / (order**2).sum())[:, None]


def _comb_to_noise(running: np.ndarray, teeth: np.ndarray, f0: np.ndarray) -> np.ndarray:
    comb = teeth[:, :NOISE_HARMONICS].sum(axis=1, keepdims=True)
    rest = between(running, 0.5 * f0, (NOISE_HARMONICS + 0.5) * f0) - comb
    ratio = np.maximum(comb, 1e-30) / np.maximum(rest, 1e-30)
    return np.clip(10 * np.log10(ratio), FLOOR_DB, -FLOOR_DB)


def _width(power: np.ndarray, running: np.ndarray, f0: np.ndarray) -> np.ndarray:
    near = np.clip(np.round(f0).astype(int) + np.arange(-2, 3), 0, power.shape[1] - 1)
    highest = np.take_along_axis(power, near, axis=1).max(axis=1, keepdims=True)
    total = between(running, 0.75 * f0, 1.25 * f0)
    return np.minimum(total / np.maximum(highest, 1e-30), f0 / 2)


def _on_axis(running: np.ndarray, f0: np.ndarray) -> np.ndarray:
    bands = between(running, (AXIS - 0.25) * f0, (AXIS + 0.25) * f0)
    return _decibels(bands, bands.max(axis=1, keepdims=True))
