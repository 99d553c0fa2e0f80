"""What the harmonics of a wingbeat say: features of the spectrum seen from its F0.

On the axis of harmonics, f / F0, a spectrum does not move with temperature or size as it does on that of Hz; only its shape is left.
"""
import numpy as np

HARMONICS = 8
NOISE_HARMONICS = 6  # those of comb_to_noise_db
FLOOR_DB = -60
AXIS = np.arange(1, 17) / 2

FEATURES = {
    **{f"h{k}_db": ("dB", f"power of harmonic {k} over that of harmonic 1, less the noise between; within 60 of 0") for k in range(2, HARMONICS + 1)},
    "odd_even_db": ("dB", "power of harmonics 1, 3, 5, 7 over that of 2, 4, 6, 8"),
    "harmonic_decay": ("dB per harmonic", "slope of the line through the levels of harmonics 1 to 8"),
    "comb_to_noise_db": ("dB", "power of harmonics 1 to 6 over what lies between them, from half of F0 on"),
    "h1_width_hz": ("Hz", "width of harmonic 1: its power over its highest power per Hz"),
    "harmonics_found": ("count", "harmonics of 1 to 8 that are 6 dB or more above the power per Hz on either side"),
    **{f"axis_{at:.1f}_db": ("dB", f"power from {at - 0.25} to {at + 0.25} times F0, over the strongest such band; at least {FLOOR_DB}")
       for at in AXIS.tolist()},
}


def features(spectra, f0_hz):
    """Return n x 28 float32, columns as in FEATURES, of average_spectra.Spectra and n F0 in Hz; what lies above half the sample rate has no power."""
    known = np.where(f0_hz > 0, f0_hz, 1).astype(float)[:, None]
    running, order = cumulative(spectra.power), np.arange(1, HARMONICS + 1)
    half = np.minimum(np.maximum(0.015 * order * known, spectra.resolution_hz[:, None]), 0.25 * known)
    teeth = between(running, order * known - half, order * known + half)
    gaps = np.stack([between(running, (order + side) * known - half, (order + side) * known + half) for side in (-0.5, 0.5)]).mean(axis=0)
    levels = _db(np.maximum(teeth - gaps, 0), running[:, -1:])
    relative = np.clip(levels[:, 1:] - levels[:, :1], FLOOR_DB, -FLOOR_DB)
    columns = [relative, _odd_even(levels), _decay(levels), _comb_to_noise(running, teeth, known), _width(spectra.power, running, known),
               (teeth > 4 * np.maximum(gaps, 1e-30)).sum(axis=1, keepdims=True), _on_axis(running, known)]
    return (np.concatenate(columns, axis=1) * (f0_hz > 0)[:, None]).astype(np.float32)


def cumulative(power):
    """Return n x (bins + 1) float64: power up to the lower edge of each bin of 1 Hz, and up to the end."""
    return np.pad(np.cumsum(power, axis=1, dtype=float), ((0, 0), (1, 0)))


def between(running, low_hz, high_hz):
    """Return n x m: power between frequencies (n x m), bin f holding those from f - 0.5 to f + 0.5."""
    last = running.shape[1] - 1

    def up_to(hz):
        at = np.clip(hz + 0.5, 0, last)
        whole = np.minimum(at.astype(int), last - 1)
        below, above = (np.take_along_axis(running, whole + step, axis=1) for step in (0, 1))
        return below + (at - whole) * (above - below)
    return up_to(high_hz) - up_to(low_hz)


def _db(power, whole):
    """Return 10 log10 of shares of a whole, at least FLOOR_DB."""
    return 10 * np.log10(np.maximum(power / np.maximum(whole, 1e-30), 10 ** (FLOOR_DB / 10)))


def _odd_even(levels):
    odd, even = (10 ** (levels[:, first::2] / 10) for first in (0, 1))
    return 10 * np.log10(odd.sum(axis=1, keepdims=True) / even.sum(axis=1, keepdims=True))


def _decay(levels):
    order = np.arange(HARMONICS) - (HARMONICS - 1) / 2
    return (levels @ order / (order ** 2).sum())[:, None]


def _comb_to_noise(running, teeth, known):
    comb = teeth[:, :NOISE_HARMONICS].sum(axis=1, keepdims=True)
    rest = between(running, 0.5 * known, (NOISE_HARMONICS + 0.5) * known) - comb
    return np.clip(10 * np.log10(np.maximum(comb, 1e-30) / np.maximum(rest, 1e-30)), FLOOR_DB, -FLOOR_DB)


def _width(power, running, known):
    near = np.clip(np.round(known).astype(int) + np.arange(-2, 3), 0, power.shape[1] - 1)
    highest = np.take_along_axis(power, near, axis=1).max(axis=1, keepdims=True)
    return np.minimum(between(running, 0.75 * known, 1.25 * known) / np.maximum(highest, 1e-30), known / 2)


def _on_axis(running, known):
    bands = between(running, (AXIS - 0.25) * known, (AXIS + 0.25) * known)
    return _db(bands, bands.max(axis=1, keepdims=True))
