"""Events as pictures of one size for networks, whatever their level and their sample rate: spectrograms in dB above the event's own floor, or PCEN.

A picture begins where the event begins; where the event has ended, there is nothing. Levels count from a floor, so that neither gain nor a sensor's noise
level is in the picture.
"""
from typing import NamedTuple

import numpy as np

from entoflow.wingbeat import spectra
from entoflow.wingbeat.average_spectra import BLOCK, centred

FLOOR_SHARE = 10  # per cent of a picture that lies at or below its floor
FRAME_S, MOST_FRAMES = 0.010, 128
LINES, MELS = 128, 64  # rows of a linear picture and of a mel one
SHORTEST_S = 0.025  # of the window of a mel picture, whose lowest bands are narrow
SCALES = ("linear", "mel", "pcen")


class Picture(NamedTuple):
    """What a picture shows."""

    scale: str = "linear"  # linear or mel bands in dB, or mel bands with per-channel energy normalisation
    high_hz: float = 2000.0  # the highest frequency: wingbeats' harmonics are evenly spaced and end there


PICTURE = Picture()


def image(clips, sample_rate, lengths=None, picture=PICTURE):
    """Return n x 1 x rows x frames float32, low frequencies first, of clips (n x samples float, zero-padded past their lengths in samples)."""
    lengths = np.full(len(clips), clips.shape[1]) if lengths is None else np.asarray(lengths)
    grid, bank, frames = _layout(clips.shape[1], sample_rate, picture)
    rows = spectra.bins(sample_rate, grid) - 1 if bank is None else len(bank)
    made = np.zeros((len(clips), 1, rows, frames), np.float32)
    inside = np.arange(frames) * grid.sizes(sample_rate)[2] < np.maximum(lengths, 1)[:, None]
    for start in range(0, len(clips), BLOCK):
        some = slice(start, start + BLOCK)
        power = spectra.in_bands(centred(clips[some], lengths[some]), sample_rate, bank, grid)[:, -rows:, :frames] * inside[some, None]
        made[some, 0] = _pcen(power, inside[some], grid.hop_s) if picture.scale == "pcen" else _above_floor(power, inside[some])
    return made


def _layout(samples, sample_rate, picture):
    """Return (the grid, the bank of mel bands or None, how many frames)."""
    seconds = samples / sample_rate
    frames = int(np.clip(np.ceil(seconds / FRAME_S), 1, MOST_FRAMES))
    window = LINES / picture.high_hz
    grid = spectra.Grid(window if picture.scale == "linear" else max(window, SHORTEST_S), max(FRAME_S, seconds / frames), picture.high_hz)
    return grid, None if picture.scale == "linear" else spectra.mel_bank(sample_rate, MELS, grid), frames


def _above_floor(power, inside):
    """Return dB above each clip's floor, of n x rows x frames; at most 80."""
    floor = np.maximum(_quantiles(power, inside, FLOOR_SHARE), power.max(axis=(1, 2)) * 1e-8)
    return 10 * np.log10(np.maximum(power / np.where(floor > 0, floor, 1)[:, None, None], 1))


def _pcen(power, inside, hop_s):
    """Return PCEN of power in units of each clip's median; frames without event are taken for such of median power."""
    median = np.maximum(_quantiles(power, inside, 50), power.max(axis=(1, 2)) * 1e-8)
    relative = np.where(inside[:, None], power / np.where(median > 0, median, 1)[:, None, None], 1)
    return spectra.pcen(relative, hop_s) * inside[:, None] * (median > 0)[:, None, None]


def _quantiles(power, inside, share):
    """Return n: the value of which `share` per cent of the frames inside are below."""
    found = []
    for row, frames in zip(power, inside):
        values = row[:, frames].ravel()
        found.append(np.partition(values, len(values) * share // 100)[len(values) * share // 100])
    return np.array(found, np.float32)
