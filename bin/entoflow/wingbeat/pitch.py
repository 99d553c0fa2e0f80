"""F0 of wingbeats by a sum over harmonics.

The highest peak of a spectrum will not do, as harmonic 2 of a wingbeat is often the stronger one.
This is subharmonic summation (Hermes 1988) over a compressed spectrum, harmonic k weighing
0.8^(k - 1), less half of what lies midway between the harmonics, as in SWIPE (Camacho and Harris
2008): a multiple of F0 has true harmonics there. Compression, log(1 + power / floor), keeps one
strong line from passing for a comb; the floor is the noise around each frequency, so hum and wind
weigh little.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from entoflow.task import InputError
from entoflow.wingbeat import average_spectra, mains_hum
from entoflow.wingbeat.average_spectra import Spectra

LIMITS_HZ = (60, 1200)
HARMONICS = 6
DECAY = 0.8
PENALTY = 0.5
FLOOR = 16  # of the compression, in medians of the power around
FLOOR_SHARE = 1000  # the floor is at least 1 / 1000 of the highest power
FLOOR_BAND_HZ = 250
SURE = 0.5  # confidence from which on F0 counts
WEAK_LINES = 0.08  # levels midway between harmonics, in levels of these: below, there are no lines
WEAK_ODD = 0.4  # levels of odd harmonics, in levels of even ones: above, they are harmonics too


@dataclass(frozen=True)
class Pitch:
    """The F0 of n clips; all is 0 for a silent clip."""

    f0_hz: np.ndarray  # n float32
    confidence: np.ndarray  # n float32 in 0..1: 0.5 is a score that noise alone seldom reaches
    second_hz: np.ndarray  # n float32: the best candidate elsewhere
    second_score: np.ndarray  # n float32 in 0..1: its score, in scores of the first
    # n bool: every second harmonic is so weak that F0 may be half, or twice, of what it seems
    octave_risk: np.ndarray


def f0(
    clips: np.ndarray,
    sample_rate: int,
    lengths: np.ndarray | Sequence[int] | None = None,
    limits: tuple[float, float] = LIMITS_HZ,
) -> Pitch:
    """Return the pitch of clips (n x samples float, zero-padded past their lengths in samples).

    limits: lowest and highest F0 in Hz. Raises InputError where they leave no F0 below half the
    sample rate.
    """
    return pitch_of_spectra(average_spectra.average(clips, sample_rate, lengths), limits)


def pitch_of_spectra(spectra: Spectra, limits: tuple[float, float] = LIMITS_HZ) -> Pitch:
    """Return the pitch of clips by their spectra. Raises InputError as f0() does."""
    n_clips = len(spectra.power)
    candidates = _candidate_hz(limits, spectra.power.shape[1] - 1)
    hum = mains_hum.detect(spectra)
    n_bins = min(spectra.power.shape[1], HARMONICS * (int(candidates[-1]) + 1))
    blend = _blend(n_bins)
    best = np.zeros((n_clips, 4), np.float32)
    octave_risk = np.zeros(n_clips, bool)
    for start in range(0, n_clips, average_spectra.BLOCK):
        rows = slice(start, start + average_spectra.BLOCK)
        resolution_hz = spectra.resolution_hz[rows]
        power = mains_hum.remove(spectra.power[rows, :n_bins], hum[rows], resolution_hz)
        levels = _levels(power, blend)
        scores = np.ascontiguousarray(_scores(levels, candidates).T)
        best[rows] = _best_two(scores, candidates, resolution_hz)
        octave_risk[rows] = _octave_risk(levels, best[rows, 0])
    f0_hz, confidence, second_hz, second_score = best.T
    return Pitch(f0_hz, confidence, second_hz, second_score, octave_risk)


def _candidate_hz(limits: tuple[float, float], nyquist: int) -> np.ndarray:
    """Return the candidates for F0.

    They are all whole Hz within the limits and below half the sample rate.
    """
    low = int(limits[0])
    high = min(int(limits[1]), nyquist - 1)
    if low < 1 or high < low + 4:
        raise InputError(
            f"F0 limits are {limits[0]} to {limits[1]} Hz and half the sample rate is {nyquist} "
            "Hz; "
            "wanted a lowest F0 of 1 Hz or more and a highest at least 5 Hz above it, "
            "both below half the sample rate."
        )
    return np.arange(low, high + 1, dtype=np.int32)


def _blend(n_bins: int) -> np.ndarray:
    """Return bands x bins: weights that make the levels of bands those of bins.

    They are linear from the middle of a band to the middle of the next.
    """
    n_bands = max(n_bins // FLOOR_BAND_HZ, 1)
    # In bands, 0 in the middle of the first.
    place = np.arange(n_bins, dtype=np.float32) / (n_bins // n_bands) - 0.5
    bands = np.arange(n_bands, dtype=np.float32)[:, None]
    return np.maximum(1 - np.abs(np.clip(place, 0, n_bands - 1) - bands), 0)


def _levels(power: np.ndarray, blend: np.ndarray) -> np.ndarray:
    """Return bins x n: log(1 + power / floor).

    Clips come last, as all that follows walks through frequencies in strides.
    """
    n_bands = len(blend)
    width = power.shape[1] // n_bands
    by_band = power[:, : n_bands * width].reshape(len(power), n_bands, width)
    some_bins = by_band[..., ::4]  # their neighbours say little that is new
    middle = some_bins.shape[2] // 2
    medians = np.partition(some_bins, middle, axis=2)[..., middle]
    floor = (FLOOR * medians) @ blend
    least = np.maximum(power.max(axis=1, keepdims=True) / FLOOR_SHARE, 1e-35)
    np.maximum(floor, least, out=floor)
    levels = np.divide(power, floor, out=floor)
    levels += 1
    return np.ascontiguousarray(np.log(levels, out=levels).T)


def _scores(levels: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Return candidates x n.

    Harmonic k is the highest of the bins within k / 2 Hz, as a candidate stands for half a Hz to
    either side.
    """
    widened = levels
    spare = np.empty_like(levels)
    scores = np.zeros((len(candidates), levels.shape[1]), np.float32)
    buffer = np.zeros_like(scores)
    for k in range(1, HARMONICS + 1):
        if k % 2 == 0:
            _widen(widened, spare)
            widened, spare = spare, widened
        weight = DECAY ** (k - 1)
        _add_lines(scores, widened, k * candidates, weight, buffer)
        _add_lines(scores, widened, (2 * k - 1) * candidates // 2, -PENALTY * weight, buffer)
    return scores


def _add_lines(
    scores: np.ndarray, levels: np.ndarray, bins: np.ndarray, weight: float, buffer: np.ndarray
) -> None:
    """Add the weighted levels of one bin for each candidate to the scores.

    No level is known above half the sample rate.
    """
    bins = bins[bins < len(levels)]
    lines = np.take(levels, bins, axis=0, out=buffer[: len(bins)], mode="clip")
    scores[: len(bins)] += np.multiply(lines, np.float32(weight), out=lines)


def _widen(levels: np.ndarray, out: np.ndarray) -> None:
    """Write the highest of each level and its two neighbours."""
    np.maximum(levels[:-2], levels[2:], out=out[1:-1])
    np.maximum(out[1:-1], levels[1:-1], out=out[1:-1])
    out[0] = levels[:2].max(axis=0)
    out[-1] = levels[-2:].max(axis=0)


def _best_two(scores: np.ndarray, candidates: np.ndarray, resolution_hz: np.ndarray) -> np.ndarray:
    """Return n x 4, the first four columns of Pitch.

    The second candidate is the best one beyond the first one's line. scores: n x candidates.
    """
    first_hz, first = _peak(scores, candidates)
    distance = np.abs(candidates.astype(np.float32) - first_hz[:, None])
    is_near = distance <= np.maximum(0.06 * first_hz, resolution_hz)[:, None]
    second_hz, second = _peak(np.where(is_near, np.float32(-9), scores), candidates)
    share = np.clip(second / np.maximum(first, 1e-9), 0, 1)
    # A score of 1 has a confidence of 0.5: noise scores as high in about 1 clip of 100.
    strength = np.maximum(first, 0) ** 4
    columns = [first_hz, strength / (1 + strength), second_hz, share]
    return np.stack(columns, axis=1) * (first > 0)[:, None]


def _peak(scores: np.ndarray, candidates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (Hz n, score n) of the highest candidates.

    They are moved to the top of the parabola through the score and its two neighbours.
    """
    rows = np.arange(len(scores))
    best = np.clip(scores.argmax(axis=1), 1, len(candidates) - 2)
    before = scores[rows, best - 1]
    top = scores[rows, best]
    after = scores[rows, best + 1]
    bend = before - 2 * top + after
    move = np.where(bend < 0, (before - after) / np.where(bend < 0, 2 * bend, 1), 0)
    return (candidates[best] + np.clip(move, -1, 1)).astype(np.float32), top


def _octave_risk(levels: np.ndarray, f0_hz: np.ndarray) -> np.ndarray:
    """Return n bool: weak lines stand midway between the harmonics, or every second one is as weak.

    levels: bins x n.
    """
    midway = _mean_level(levels, f0_hz, (0.5, 1.5, 2.5))
    harmonics = _mean_level(levels, f0_hz, (1, 2, 3))
    odd = _mean_level(levels, f0_hz, (1, 3, 5))
    even = _mean_level(levels, f0_hz, (2, 4, 6))
    return (f0_hz > 0) & ((midway > WEAK_LINES * harmonics) | (odd < WEAK_ODD * even))


def _mean_level(levels: np.ndarray, f0_hz: np.ndarray, multiples: tuple[float, ...]) -> np.ndarray:
    """Return n: mean level at some multiples of F0, each the highest of three neighbouring bins."""
    centre = np.round(np.array(multiples)[:, None] * f0_hz).astype(int)
    bins = np.clip(centre + np.arange(-1, 2)[:, None, None], 0, len(levels) - 1)
    return np.take_along_axis(levels[None], bins, axis=1).max(axis=0).mean(axis=0)
