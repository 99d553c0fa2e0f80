"""F0 of wingbeats by a sum over harmonics: the highest peak of a spectrum will not do, as harmonic 2 of a wingbeat is often the stronger one.

Subharmonic summation (Hermes 1988) over a compressed spectrum, harmonic k weighing 0.8^(k - 1), less half of what lies midway
between the harmonics, as in SWIPE (Camacho and Harris 2008): a multiple of F0 has true harmonics there. Compression, log(1 + power / floor),
keeps one strong line from passing for a comb; the floor is the noise around each frequency, so hum and wind weigh little.
"""
from typing import NamedTuple

import numpy as np

from entoflow.task import InputError
from entoflow.wingbeat import average_spectra, mains_hum

LIMITS_HZ = (60, 1200)
HARMONICS = 6
DECAY = 0.8
PENALTY = 0.5
FLOOR = 16  # of the compression, in medians of the power around; at least 1/1000 of the highest power
FLOOR_BAND_HZ = 250
SURE = 0.5  # confidence from which on F0 counts
RISKY = 0.08, 0.4  # lines between the harmonics in levels of these: below, there are none; above, they are harmonics, too


class Pitch(NamedTuple):
    """What f0() gives, n values each, all 0 for a silent clip."""

    f0_hz: np.ndarray  # float32
    confidence: np.ndarray  # float32 in 0..1: 0.5 is a score that noise alone seldom reaches
    second_hz: np.ndarray  # float32: the best candidate elsewhere
    second_score: np.ndarray  # float32 in 0..1: its score in scores of the first
    octave_risk: np.ndarray  # bool: every second harmonic is so weak that F0 may be half, or twice, of what it seems


def f0(clips, sample_rate, lengths=None, limits=LIMITS_HZ):
    """Return the Pitch of clips (n x samples float, zero-padded past their lengths in samples); limits: lowest and highest F0 in Hz.

    Raises InputError if the limits leave no F0 below half the sample rate.
    """
    return of_spectra(average_spectra.average(clips, sample_rate, lengths), limits)


def of_spectra(spectra, limits=LIMITS_HZ):
    """Return the Pitch of average_spectra.Spectra. Raises InputError as f0() does."""
    n, nyquist = len(spectra.power), spectra.power.shape[1] - 1
    low, high = int(limits[0]), min(int(limits[1]), nyquist - 1)
    if low < 1 or high < low + 4:
        raise InputError(f"F0 limits are {limits[0]} to {limits[1]} Hz and half the sample rate is {nyquist} Hz; "
                         "wanted a lowest F0 of 1 Hz or more and a highest at least 5 Hz above it, both below half the sample rate.")
    hum = mains_hum.seen(spectra.power, spectra.resolution_hz)
    hz, bins = np.arange(low, high + 1, dtype=np.int32), min(nyquist + 1, HARMONICS * (high + 1))
    blend, found = _blend(bins), np.zeros((n, len(Pitch._fields)), np.float32)
    for start in range(0, n, average_spectra.BLOCK):
        rows = slice(start, start + average_spectra.BLOCK)
        levels = _levels(mains_hum.without(spectra.power[rows, :bins], hum[rows], spectra.resolution_hz[rows]), blend)
        found[rows, :-1] = _candidates(np.ascontiguousarray(_scores(levels, hz).T), hz, spectra.resolution_hz[rows])
        found[rows, -1] = _octave_risk(levels, found[rows, 0])
    return Pitch(*found.T[:-1], found[:, -1] > 0)


def _blend(bins):
    """Return bands x bins: the weights by which the levels of bands make those of bins, linear from middle to middle."""
    bands = max(bins // FLOOR_BAND_HZ, 1)
    at = np.arange(bins, dtype=np.float32) / (bins // bands) - 0.5  # in bands, 0 in the middle of the first
    return np.maximum(1 - np.abs(np.clip(at, 0, bands - 1) - np.arange(bands, dtype=np.float32)[:, None]), 0)


def _levels(power, blend):
    """Return bins x n: log(1 + power / floor); clips last, as all that follows goes through frequencies in strides."""
    bands, width = len(blend), power.shape[1] // len(blend)
    around = power[:, :bands * width].reshape(len(power), bands, width)[..., ::4]  # neighbours tell little that is new
    middle = around.shape[2] // 2
    floor = (FLOOR * np.partition(around, middle, axis=2)[..., middle]) @ blend
    np.maximum(floor, np.maximum(power.max(axis=1, keepdims=True) / 1000, 1e-35), out=floor)
    levels = np.divide(power, floor, out=floor)
    levels += 1
    return np.ascontiguousarray(np.log(levels, out=levels).T)


def _scores(levels, hz):
    """Return candidates x n. Harmonic k is the highest of the bins within k / 2 Hz, as a candidate stands for half a Hz to either side."""
    held, wide = levels, np.empty_like(levels)
    scores, part = np.zeros((2, len(hz), levels.shape[1]), np.float32)
    for k in range(1, HARMONICS + 1):
        if k % 2 == 0:
            _widen(held, wide)
            held, wide = wide, held
        for rows, weight in ((k * hz, DECAY ** (k - 1)), ((2 * k - 1) * hz // 2, -PENALTY * DECAY ** (k - 1))):
            rows = rows[rows < len(held)]  # no level is known above half the sample rate
            teeth = np.take(held, rows, axis=0, out=part[:len(rows)], mode="clip")
            scores[:len(rows)] += np.multiply(teeth, np.float32(weight), out=teeth)
    return scores


def _widen(levels, wide):
    """Write the highest of each level and its neighbours into wide."""
    np.maximum(levels[:-2], levels[2:], out=wide[1:-1])
    np.maximum(wide[1:-1], levels[1:-1], out=wide[1:-1])
    wide[0], wide[-1] = levels[:2].max(axis=0), levels[-2:].max(axis=0)


def _candidates(scores, hz, resolution_hz):
    """Return n x fields of Pitch but the last: the best candidate, and the best one farther away than a line is wide. scores: n x candidates."""
    first_hz, first = _peak(scores, hz)
    near = np.abs(hz.astype(np.float32) - first_hz[:, None]) <= np.maximum(0.06 * first_hz, resolution_hz)[:, None]
    second_hz, second = _peak(np.where(near, np.float32(-9), scores), hz)
    share = np.clip(second / np.maximum(first, 1e-9), 0, 1)
    sure = np.maximum(first, 0) ** 4  # a score of 1 gives 0.5: noise scores as high in about 1 clip of 100
    return np.stack([first_hz, sure / (1 + sure), second_hz, share], axis=1) * (first > 0)[:, None]


def _octave_risk(levels, f0_hz):
    """Return n bool of levels (bins x n) and F0: weak lines stand midway between its harmonics, or every second of these is as weak."""
    def level(multiples):
        at = np.round(np.array(multiples)[:, None] * f0_hz).astype(int) + np.arange(-1, 2)[:, None, None]
        return np.take_along_axis(levels[None], np.clip(at, 0, len(levels) - 1), axis=1).max(axis=0).mean(axis=0)

    midway, harmonics, odd, even = (level(multiples) for multiples in ((0.5, 1.5, 2.5), (1, 2, 3), (1, 3, 5), (2, 4, 6)))
    return (f0_hz > 0) & ((midway > RISKY[0] * harmonics) | (odd < RISKY[1] * even))


def _peak(scores, hz):
    """Return (Hz n, score n) of the highest candidates, moved to the top of the parabola through it and its neighbours."""
    best = np.clip(scores.argmax(axis=1), 1, len(hz) - 2)
    before, top, after = (scores[np.arange(len(scores)), best + step] for step in (-1, 0, 1))
    bend = before - 2 * top + after
    move = np.where(bend < 0, (before - after) / np.where(bend < 0, 2 * bend, 1), 0)
    return (hz[best] + np.clip(move, -1, 1)).astype(np.float32), top
