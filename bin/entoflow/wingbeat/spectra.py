"""Spectrograms of short events, in batches: linear or mel bands, cepstra, PCEN.

Windows are given in seconds, so that one setting fits every sample rate. The default shows 0 to
2 kHz in lines of 15.6 Hz: a wingbeat's harmonics are evenly spaced and end there. Values are those
of librosa with the same settings, to rounding, as tests check; librosa itself takes one clip at a
time and 2 s to import.
"""

from dataclasses import dataclass

import numpy as np

from entoflow.wingbeat.average_spectra import finite

FRAMES_AT_A_TIME = 512  # their windows stay in the cache of a core
RANGE_DB = 80  # below the highest power of a clip all is as silent
MEL_CORNER_HZ = 1000  # Slaney's mel scale is linear up to here
MEL_CORNER = 15  # in mel
MEL_STEP = np.log(6.4) / 27  # of log frequency, per mel above the corner


@dataclass(frozen=True)
class Grid:
    """Where a spectrogram is sampled."""

    window_s: float = 0.064  # of a Hann window
    hop_s: float = 0.010
    high_hz: float = 2000.0  # highest frequency, at most half the sample rate

    def sizes(self, sample_rate: int) -> tuple[int, int, int]:
        """Return (samples of a window, points of its transform, samples of a hop)."""
        from scipy.fft import next_fast_len

        window = max(round(self.window_s * sample_rate), 4)
        hop = max(round(self.hop_s * sample_rate), 1)
        return window, next_fast_len(window, real=True), hop


GRID = Grid()


def power(
    clips: np.ndarray, sample_rate: int, grid: Grid = GRID, bank: np.ndarray | None = None
) -> np.ndarray:
    """Return n x bins x frames float32: squared magnitudes of the bins up to grid.high_hz.

    With a bank (bands x bins) it is n x bands x frames: sums of bins, weighted. clips: n x samples
    float, 0 where not finite and past their ends. Frames are centred at 0, 1, 2 ... hops, as those
    of librosa.stft(center=True).
    """
    from scipy.fft import rfft

    window, points, hop = grid.sizes(sample_rate)
    half = points // 2
    n_behind = half + (not clips.shape[1])  # one frame, even of nothing
    padded = np.pad(finite(clips), ((0, 0), (half, n_behind)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, points, axis=1)[:, ::hop]
    taper = _hann(window, points)
    n_bins = bins(sample_rate, grid)
    weights = None if bank is None else np.ascontiguousarray(bank.T)
    n_bands = n_bins if bank is None else len(bank)
    result = np.empty((*frames.shape[:2], n_bands), np.float32)
    step = max(FRAMES_AT_A_TIME // max(frames.shape[1], 1), 1)
    for start in range(0, len(frames), step):
        block = slice(start, start + step)
        power = np.abs(rfft(frames[block] * taper, axis=2, overwrite_x=True)[..., :n_bins])
        power *= power
        result[block] = power if weights is None else power @ weights
    return result.swapaxes(1, 2)


def bins(sample_rate: int, grid: Grid = GRID) -> int:
    """Return how many bins a spectrogram has."""
    points = grid.sizes(sample_rate)[1]
    return int(min(grid.high_hz, sample_rate / 2) * points / sample_rate + 1e-6) + 1


def cepstra(log_bands: np.ndarray, count: int = 13) -> np.ndarray:
    """Return n x count x frames: the first coefficients of the cosine transform of levels in dB.

    They are MFCC of mel bands, and LFCC of linear ones (n x bands x frames).
    """
    from scipy.fft import dct

    return dct(log_bands, axis=-2, norm="ortho")[..., :count, :]


def decibels(power: np.ndarray) -> np.ndarray:
    """Return 10 log10 of powers (n x ...).

    They are at least 1e-10, and at most RANGE_DB below the highest of each clip.
    """
    levels = np.log10(np.maximum(power, np.float32(1e-10))) * np.float32(10)
    highest = levels.max(axis=tuple(range(1, power.ndim)), keepdims=True)
    return np.maximum(levels, highest - RANGE_DB)


def mel_bank(sample_rate: int, bands: int = 64, grid: Grid = GRID) -> np.ndarray:
    """Return bands x bins float32: triangles evenly spaced in Slaney's mel (1998).

    They reach from 0 to grid.high_hz, each with an area of 1 Hz.
    """
    highest = _hz_to_mel(min(grid.high_hz, sample_rate / 2))
    corners = _mel_to_hz(np.linspace(0, highest, bands + 2))
    return triangles(corners, sample_rate, grid)


def triangles(corners_hz: np.ndarray, sample_rate: int, grid: Grid = GRID) -> np.ndarray:
    """Return bands x bins float32: band i rises from corner i to i + 1 and falls to i + 2.

    Each has an area of 1 Hz.
    """
    points = grid.sizes(sample_rate)[1]
    hz = np.arange(bins(sample_rate, grid)) * sample_rate / points
    low = corners_hz[:-2, None]
    middle = corners_hz[1:-1, None]
    high = corners_hz[2:, None]
    shape = np.minimum((hz - low) / (middle - low), (high - hz) / (high - middle))
    return (np.maximum(shape, 0) * 2 / (high - low)).astype(np.float32)


def pcen(power: np.ndarray, hop_s: float, time_constant: float = 0.06) -> np.ndarray:
    """Return per-channel energy normalisation of n x bins x frames (Wang et al. 2017).

    It is librosa.pcen with gain 0.8, bias 2 and power 0.25, from a smoother that starts at 1. Power
    is in units of each clip's median. Times fit events of half a second (Lostanlen et al. 2019
    discuss the choice).
    """
    from scipy.signal import lfilter

    squared = (time_constant / hop_s) ** 2
    weight = (np.sqrt(1 + 4 * squared) - 1) / (2 * squared)  # of the newest frame
    start = np.full((*power.shape[:-1], 1), 1 - weight, np.float32)
    smooth, _ = lfilter(
        np.array([weight], np.float32), np.array([1, weight - 1], np.float32), power, zi=start
    )
    return ((power / (1e-6 + smooth) ** 0.8 + 2) ** 0.25 - 2**0.25).astype(np.float32)


def _hann(window: int, points: int) -> np.ndarray:
    """Return a periodic Hann window of `window` samples in the middle of `points`, float32."""
    before = (points - window) // 2
    values = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    return np.pad(values, (before, points - window - before)).astype(np.float32)


def _hz_to_mel(hz: float) -> float:
    if hz >= MEL_CORNER_HZ:
        return MEL_CORNER + np.log(hz / MEL_CORNER_HZ) * 27 / np.log(6.4)
    return 3 * hz / 200


def _mel_to_hz(mel: np.ndarray) -> np.ndarray:
    above = MEL_CORNER_HZ * np.exp(MEL_STEP * (mel - MEL_CORNER))
    return np.where(mel < MEL_CORNER, 200 * mel / 3, above)
