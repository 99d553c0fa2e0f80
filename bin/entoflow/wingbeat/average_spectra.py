"""The power of whole events at every whole Hz: what F0 and most features are read from.

An event of up to 0.64 s, as long as most transits, is one Hann window, so that no resolution is lost; a longer one is the mean of windows of
0.64 s that overlap by half or more (Welch 1967), so that a drifting F0 stays a line. Bins lie 1 Hz apart whatever the sample rate is: harmonic k
of f Hz is bin k f.
"""
from typing import NamedTuple

import numpy as np

WINDOW_S = 0.64
BLOCK = 64  # clips at a time: their arrays stay in the cache of a core


class Spectra(NamedTuple):
    """What average() gives."""

    power: np.ndarray  # n x (sample_rate // 2 + 1) float32: one-sided power per Hz, of bins at 0, 1, 2, ... Hz
    resolution_hz: np.ndarray  # n float32: half the width of a line, from its top to its first zero


def average(clips, sample_rate, lengths=None):
    """Return the Spectra of clips, equal to scipy.signal.welch's with Hann windows and a transform of sample_rate points.

    clips: n x samples float, ignored past their lengths and 0 where no number; sample_rate in Hz, an integer; lengths: n, in samples (default: all).
    A clip of fewer than 3 samples has no power.
    """
    lengths = np.full(len(clips), clips.shape[1]) if lengths is None else np.asarray(lengths)
    power = np.empty((len(clips), sample_rate // 2 + 1), np.float32)
    for start in range(0, len(clips), BLOCK):
        rows = slice(start, start + BLOCK)
        power[rows] = _averaged(finite(clips[rows]), sample_rate, lengths[rows])
    widths = np.clip(lengths, 1, _window_samples(sample_rate))
    return Spectra(power, (2 * sample_rate / widths).astype(np.float32))


def finite(clips):
    """Return clips as float32 with 0 for what is no number."""
    clips = np.asarray(clips, np.float32)
    return clips if np.isfinite(clips).all() else np.nan_to_num(clips, nan=0, posinf=0, neginf=0)


def centred(clips, lengths):
    """Return clips (n x samples) less the mean of each over its length, 0 past it and where no number."""
    held = np.arange(clips.shape[1]) < lengths[:, None]
    clips = np.where(held, finite(clips), 0)
    mean = clips.sum(axis=1, keepdims=True, dtype=float) / np.maximum(lengths, 1)[:, None]
    return np.where(held, clips - mean.astype(np.float32), 0)


def _window_samples(sample_rate):
    return round(WINDOW_S * sample_rate)


def _averaged(clips, sample_rate, lengths):
    """Return n x bins: the mean over each clip's windows, the last of which ends where the clip ends."""
    width = max(min(_window_samples(sample_rate), clips.shape[1]), 1)
    windows = np.where(lengths > width, 1 + np.ceil(2 * (lengths - width) / width), 1).astype(int)
    step = np.maximum(lengths - width, 0) / np.maximum(windows - 1, 1)
    total = _power(clips[:, :width], np.minimum(lengths, width), sample_rate)
    for number in range(1, windows.max()):
        chosen = np.flatnonzero(number < windows)
        starts = np.round(step[chosen] * number).astype(int)
        cut = clips[chosen[:, None], starts[:, None] + np.arange(width)]
        total[chosen] += _power(cut, np.full(len(chosen), width), sample_rate)
    return total / windows[:, None].astype(np.float32) if windows.max() > 1 else total


def _power(cut, lengths, sample_rate):
    """Return n x bins float32: power per Hz of cuts less their mean, under a window of their length."""
    from scipy.fft import rfft

    width = cut.shape[1]
    if (lengths < width).any():
        cut = np.where(np.arange(width) < lengths[:, None], cut, 0)
    mean = cut @ np.ones(width, np.float32) / np.maximum(lengths, 1)
    centred = cut - mean[:, None].astype(np.float32)
    centred *= _hann(lengths, width, sample_rate)
    power = np.abs(rfft(centred, sample_rate, axis=1, overwrite_x=True))
    power *= power
    power[:, 0] /= 2
    if sample_rate % 2 == 0:
        power[:, -1] /= 2
    return power


def _hann(lengths, width, sample_rate):
    """Return n x width float32, or 1 x width where all lengths are the same: periodic windows as long as each clip, then zeros.

    They are scaled so that the square of a transform is power per Hz on one side; the mean of a squared Hann window is 3/8.
    """
    sizes, which = np.unique(lengths, return_inverse=True)
    scale = np.sqrt((sizes > 2) * 2 / (0.375 * np.maximum(sizes, 1) * sample_rate)) / 2
    turn = np.arange(width, dtype=np.float32) * (2 * np.pi / np.maximum(sizes, 1))[:, None].astype(np.float32)
    made = (1 - np.cos(turn)) * scale[:, None].astype(np.float32)
    made[np.arange(width) >= sizes[:, None]] = 0
    return made[which] if len(sizes) > 1 else made
