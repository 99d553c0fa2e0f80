"""Events as images of one size for networks, whatever their level and their sample rate.

An image is a spectrogram in dB above the event's own floor, or PCEN. It begins where the event
begins; where the event has ended, it is 0. Levels count from a floor, so that neither the gain nor
a sensor's noise level is in the image.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from entoflow.wingbeat import spectra
from entoflow.wingbeat.average_spectra import BLOCK, centred, whole_lengths
from entoflow.wingbeat.spectra import Grid

FLOOR_PERCENT = 10  # of an image that lies at or below its floor
RANGE = 1e-8  # of the highest power, which a floor or a median has at least
FRAME_S = 0.010
MOST_FRAMES = 128
LINES = 128  # rows of a linear image
MELS = 64  # rows of a mel image
SHORTEST_S = 0.025  # of the window of a mel image, whose lowest bands are narrow
SCALES = ("linear", "mel", "pcen")


@dataclass(frozen=True)
class Picture:
    """What an image shows."""

    # Linear or mel bands in dB, or mel bands with per-channel energy normalisation.
    scale: str = "linear"
    # The highest frequency: wingbeats' harmonics are evenly spaced and end there.
    high_hz: float = 2000.0


PICTURE = Picture()


def image(
    clips: np.ndarray,
    sample_rate: int,
    lengths: np.ndarray | Sequence[int] | None = None,
    picture: Picture = PICTURE,
) -> np.ndarray:
    """Return n x 1 x rows x frames float32, low frequencies first.

    clips: n x samples float, zero-padded past their lengths in samples (default: all).
    """
    sizes = whole_lengths(clips, lengths)
    n_frames = int(np.clip(np.ceil(clips.shape[1] / sample_rate / FRAME_S), 1, MOST_FRAMES))
    grid = _grid(clips.shape[1] / sample_rate, n_frames, picture)
    bank = None if picture.scale == "linear" else spectra.mel_bank(sample_rate, MELS, grid)
    n_rows = spectra.bins(sample_rate, grid) - 1 if bank is None else MELS  # without 0 Hz
    hop = grid.sizes(sample_rate)[2]
    inside = np.arange(n_frames) * hop < np.maximum(sizes, 1)[:, None]
    images = np.zeros((len(clips), 1, n_rows, n_frames), np.float32)
    for start in range(0, len(clips), BLOCK):
        block = slice(start, start + BLOCK)
        power = spectra.power(centred(clips[block], sizes[block]), sample_rate, grid, bank)
        power = power[:, -n_rows:, :n_frames] * inside[block, None]
        if picture.scale == "pcen":
            images[block, 0] = _pcen(power, inside[block], grid.hop_s)
        else:
            images[block, 0] = _above_floor(power, inside[block])
    return images


def _grid(seconds: float, n_frames: int, picture: Picture) -> Grid:
    """Return the grid of clips of so many seconds: a long clip has longer hops."""
    window_s = LINES / picture.high_hz
    if picture.scale != "linear":
        window_s = max(window_s, SHORTEST_S)
    return Grid(window_s, max(FRAME_S, seconds / n_frames), picture.high_hz)


def _above_floor(power: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Return dB above each clip's floor, of power (n x rows x frames); at most 80."""
    floor = _percentile(power, inside, FLOOR_PERCENT)
    relative = power / np.where(floor > 0, floor, 1)[:, None, None]
    return 10 * np.log10(np.maximum(relative, 1))


def _pcen(power: np.ndarray, inside: np.ndarray, hop_s: float) -> np.ndarray:
    """Return PCEN of power in units of each clip's median; frames outside count as median power."""
    median = _percentile(power, inside, 50)
    relative = power / np.where(median > 0, median, 1)[:, None, None]
    filled = np.where(inside[:, None], relative, 1)
    return spectra.pcen(filled, hop_s) * inside[:, None] * (median > 0)[:, None, None]


def _percentile(power: np.ndarray, inside: np.ndarray, percent: int) -> np.ndarray:
    """Return a percentile of the frames inside of each clip (n).

    It is at least RANGE of the highest power.
    """
    values_below = []
    for clip_power, frames in zip(power, inside):
        values = clip_power[:, frames].ravel()
        place = len(values) * percent // 100
        values_below.append(np.partition(values, place)[place])
    return np.maximum(np.array(values_below, np.float32), power.max(axis=(1, 2)) * RANGE)
