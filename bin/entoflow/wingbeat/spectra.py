"""Spectrograms of short events, in batches: linear, mel, cepstra, PCEN, and the pictures that image models learn from.

Windows are given in seconds, so that one setting fits every sample rate. The default shows 0 to 2 kHz in lines of 15.6 Hz: a wingbeat's harmonics are
evenly spaced and end there. Figures are those of librosa with the same settings (its tests are ours), at the speed of one transform of many clips.
"""
from typing import NamedTuple

import numpy as np

from entoflow.wingbeat.average_spectra import finite

FRAMES_AT_A_TIME = 512  # their windows stay in the cache of a core
RANGE_DB = 80  # below the highest power of a clip all is as silent


class Grid(NamedTuple):
    """Where a spectrogram is sampled."""

    window_s: float = 0.064  # a Hann window
    hop_s: float = 0.010
    high_hz: float = 2000.0  # the highest frequency kept, at most half the sample rate

    def sizes(self, sample_rate):
        """Return (samples of a window, points of its transform, samples of a hop)."""
        from scipy.fft import next_fast_len

        window = max(round(self.window_s * sample_rate), 4)
        return window, next_fast_len(window, real=True), max(round(self.hop_s * sample_rate), 1)


GRID = Grid()


def power(clips, sample_rate, grid=GRID):
    """Return n x bins x frames float32: squared magnitudes of bins up to grid.high_hz; frames are centred at 0, 1, 2 ... hops.

    clips: n x samples float, of which no number counts as 0; past their ends clips are silent. As librosa.stft(center=True).
    """
    return in_bands(clips, sample_rate, None, grid)


def in_bands(clips, sample_rate, bank, grid=GRID):
    """Return n x bands x frames float32: power(), summed with the weights of a bank (bands x bins) where one is given."""
    window, points, hop = grid.sizes(sample_rate)
    half = points // 2
    padded = np.pad(finite(clips), ((0, 0), (half, half + (not clips.shape[1]))))  # one frame, even of nothing
    return windowed(padded, hop, hann(window, points), bank if bank is not None else bins(sample_rate, grid)).swapaxes(1, 2)


def bins(sample_rate, grid=GRID):
    """Return how many bins a spectrogram has."""
    points = grid.sizes(sample_rate)[1]
    return int(min(grid.high_hz, sample_rate / 2) * points / sample_rate + 1e-6) + 1


def log_mel(clips, sample_rate, bands=64, grid=GRID):
    """Return n x bands x frames float32 in dB, as librosa.power_to_db(librosa.feature.melspectrogram(...)) of each clip."""
    return decibels(in_bands(clips, sample_rate, mel_bank(sample_rate, bands, grid), grid))


def cepstra(log_bands, count=13):
    """Return n x count x frames: the first coefficients of the cosine transform of band levels in dB (MFCC of log_mel, LFCC of linear bands)."""
    from scipy.fft import dct

    return dct(log_bands, axis=-2, norm="ortho")[..., :count, :]


def decibels(power):
    """Return 10 log10 of n x ... powers, at least 1e-10 and at most RANGE_DB below the highest of each clip."""
    levels = np.log10(np.maximum(power, np.float32(1e-10))) * np.float32(10)
    return np.maximum(levels, levels.max(axis=tuple(range(1, power.ndim)), keepdims=True) - RANGE_DB)


def mel_bank(sample_rate, bands=64, grid=GRID):
    """Return bands x bins float32: triangles evenly spaced in Slaney's mel from 0 to grid.high_hz, each of area 1 Hz (Slaney 1998)."""
    top = _mel(min(grid.high_hz, sample_rate / 2))
    return triangles(_hz(np.linspace(0, top, bands + 2)), sample_rate, grid)


def triangles(corners_hz, sample_rate, grid=GRID):
    """Return bands x bins float32: band i rises from corner i to i + 1 and falls to i + 2, with an area of 1 Hz."""
    hz = np.arange(bins(sample_rate, grid)) * sample_rate / grid.sizes(sample_rate)[1]
    low, middle, high = (corners_hz[start:len(corners_hz) - 2 + start, None] for start in range(3))
    shape = np.minimum((hz - low) / (middle - low), (high - hz) / (high - middle))
    return (np.maximum(shape, 0) * 2 / (high - low)).astype(np.float32)


def pcen(power, hop_s, time_constant=0.06):
    """Return per-channel energy normalisation of n x bins x frames (Wang et al. 2017), as librosa.pcen from a smoother that starts at 1.

    Power is to be in units of each clip's median. Times fit events of half a second (Lostanlen et al. 2019 discuss the choice).
    """
    from scipy.signal import lfilter

    squared = (time_constant / hop_s) ** 2
    keep = (np.sqrt(1 + 4 * squared) - 1) / (2 * squared)
    start = np.full((*power.shape[:-1], 1), 1 - keep, np.float32)
    smooth, _ = lfilter(np.float32([keep]), np.float32([1, keep - 1]), power, zi=start)
    return ((power / (1e-6 + smooth) ** 0.8 + 2) ** 0.25 - 2 ** 0.25).astype(np.float32)


def _mel(hz):
    return 15 + np.log(hz / 1000) * 27 / np.log(6.4) if hz >= 1000 else 3 * hz / 200


def _hz(mel):
    return np.where(mel < 15, 200 * mel / 3, 1000 * np.exp(np.log(6.4) / 27 * (mel - 15)))


def hann(window, points):
    """Return a periodic Hann window of `window` samples in the middle of `points`, float32."""
    before = (points - window) // 2
    rise = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    return np.pad(rise, (before, points - window - before)).astype(np.float32)


def windowed(signals, hop, window, keep):
    """Return n x frames x bins, or bands, float32: power of windows that start at each hop; keep: how many bins, or a bank (bands x bins)."""
    from scipy.fft import rfft

    views = np.lib.stride_tricks.sliding_window_view(signals, len(window), axis=1)[:, ::hop]
    kept, sums = (keep, None) if isinstance(keep, int) else (keep.shape[1], np.ascontiguousarray(keep.T))
    made = np.empty((*views.shape[:2], kept if sums is None else sums.shape[1]), np.float32)
    step = max(FRAMES_AT_A_TIME // max(views.shape[1], 1), 1)
    for start in range(0, len(views), step):
        size = np.abs(rfft(views[start:start + step] * window, axis=2, overwrite_x=True)[..., :kept])
        size *= size
        made[start:start + step] = size if sums is None else size @ sums
    return made
