"""The power of whole events at every whole Hz: what F0 and most features are read from.

An event of up to 0.64 s, as long as most transits, is one Hann window, so that no resolution is
lost; a longer one is the mean of windows of 0.64 s that overlap by half or more (Welch 1967), so
that a drifting F0 stays a line. Bins lie 1 Hz apart whatever the sample rate: harmonic k of f Hz is
bin k f.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

WINDOW_S = 0.64
BLOCK = 64  # clips at a time: their arrays stay in the cache of a core
HANN_POWER = 0.375  # mean of a squared Hann window


@dataclass(frozen=True)
class Spectra:
    """Spectra of n clips."""

    power: np.ndarray  # n x (sample_rate // 2 + 1) float32: one-sided, per Hz, at 0, 1, 2, ... Hz
    resolution_hz: np.ndarray  # n float32: half the width of a line, from its top to its first zero


def average(
    clips: np.ndarray, sample_rate: int, lengths: np.ndarray | Sequence[int] | None = None
) -> Spectra:
    """Return the spectra of clips.

    They equal those of scipy.signal.welch with Hann windows and a transform of sample_rate points.
    clips: n x samples float, ignored past their lengths, and 0 where not finite; sample_rate in Hz;
    lengths: n, in samples (default: all). A clip of fewer than 3 samples has no power.
    """
    sizes = whole_lengths(clips, lengths)
    power = np.empty((len(clips), sample_rate // 2 + 1), np.float32)
    for start in range(0, len(clips), BLOCK):
        rows = slice(start, start + BLOCK)
        power[rows] = _average(finite(clips[rows]), sample_rate, sizes[rows])
    widths = np.clip(sizes, 1, _window_samples(sample_rate))
    return Spectra(power, (2 * sample_rate / widths).astype(np.float32))


def whole_lengths(clips: np.ndarray, lengths: np.ndarray | Sequence[int] | None) -> np.ndarray:
    """Return the lengths (n) of clips (n x samples): those that are given, or all samples."""
    if lengths is None:
        return np.full(len(clips), clips.shape[1])
    return np.asarray(lengths)


def finite(clips: np.ndarray) -> np.ndarray:
    """Return clips as float32 with 0 for samples that are not finite."""
    clips = np.asarray(clips, np.float32)
    if np.isfinite(clips).all():
        return clips
    return np.nan_to_num(clips, nan=0, posinf=0, neginf=0)


def centred(clips: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Return clips (n x samples) less the mean of each over its length, and 0 past it."""
    inside = np.arange(clips.shape[1]) < lengths[:, None]
    usable = np.where(inside, finite(clips), 0)
    mean = usable.sum(axis=1, keepdims=True, dtype=float) / np.maximum(lengths, 1)[:, None]
    return np.where(inside, usable - mean.astype(np.float32), 0)


def _window_samples(sample_rate: int) -> int:
    return round(WINDOW_S * sample_rate)


def _average(clips: np.ndarray, sample_rate: int, lengths: np.ndarray) -> np.ndarray:
    """Return n x bins: the mean over each clip's windows, the last of which ends with the clip."""
    width = max(min(_window_samples(sample_rate), clips.shape[1]), 1)
    is_long = lengths > width
    n_windows = np.where(is_long, 1 + np.ceil(2 * (lengths - width) / width), 1).astype(int)
    step = np.maximum(lengths - width, 0) / np.maximum(n_windows - 1, 1)
    total = _power(clips[:, :width], np.minimum(lengths, width), sample_rate)
    if n_windows.max() == 1:
        return total
    for number in range(1, n_windows.max()):
        rows = np.flatnonzero(number < n_windows)
        starts = np.round(step[rows] * number).astype(int)
        windows = clips[rows[:, None], starts[:, None] + np.arange(width)]
        total[rows] += _power(windows, np.full(len(rows), width), sample_rate)
    return total / n_windows[:, None].astype(np.float32)


def _power(clips: np.ndarray, lengths: np.ndarray, sample_rate: int) -> np.ndarray:
    """Return n x bins float32: power per Hz of clips less their mean.

    Each is windowed over its own length.
    """
    from scipy.fft import rfft

    width = clips.shape[1]
    if (lengths < width).any():
        clips = np.where(np.arange(width) < lengths[:, None], clips, 0)
    mean = clips @ np.ones(width, np.float32) / np.maximum(lengths, 1)
    windowed = clips - mean[:, None].astype(np.float32)
    windowed *= _hann(lengths, width, sample_rate)
    power = np.abs(rfft(windowed, sample_rate, axis=1, overwrite_x=True))
    power *= power
    power[:, 0] /= 2
    if sample_rate % 2 == 0:
        power[:, -1] /= 2
    return power


def _hann(lengths: np.ndarray, width: int, sample_rate: int) -> np.ndarray:
    """Return n x width float32: periodic windows as long as each clip, then zeros.

    It is 1 x width where all lengths are the same. The windows are scaled so that the square of a
    transform is power per Hz on one side.
    """
    sizes, which = np.unique(lengths, return_inverse=True)
    area = HANN_POWER * np.maximum(sizes, 1) * sample_rate
    scale = np.sqrt((sizes > 2) * 2 / area) / 2
    turn_per_sample = (2 * np.pi / np.maximum(sizes, 1))[:, None].astype(np.float32)
    turn = np.arange(width, dtype=np.float32) * turn_per_sample
    windows = (1 - np.cos(turn)) * scale[:, None].astype(np.float32)
    windows[np.arange(width) >= sizes[:, None]] = 0
    return windows[which] if len(sizes) > 1 else windows
