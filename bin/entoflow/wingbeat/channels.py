"""Which channels of a recording are the sensor's signal: several become one.

A dead channel beside a live one would halve the level of their mean, and two channels of opposite
polarity would cancel in it. So the recording is the mean of the channels that carry a signal or,
where these cancel each other, the strongest.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

DEAD = 1e-6  # of the strongest channel's power: 60 dB below it


@dataclass(frozen=True)
class Choice:
    """The channels, counted from 1, whose mean is the recording."""

    channels: tuple[int, ...]
    note: str | None  # what was done, as a part of a sentence; None for a recording of one channel


def covariance(blocks: Iterable[np.ndarray]) -> tuple[np.ndarray, int]:
    """Return (channels x channels covariance, number of finite samples) of blocks (frames x
    channels).

    Samples that are not finite count as silence.
    """
    offset = total = square = None
    n_frames = 0
    n_finite = 0
    for block in blocks:
        usable = np.isfinite(block)
        values = np.where(usable, block, 0).astype(float)
        if offset is None or total is None or square is None:
            # Less its first value, a constant channel has exactly no power.
            offset = values[0].copy()
            total = np.zeros(values.shape[1])
            square = np.zeros((values.shape[1], values.shape[1]))
        values -= offset
        n_frames += len(values)
        n_finite += int(usable.sum())
        total = total + values.sum(axis=0)
        square = square + values.T @ values
    assert total is not None and square is not None, "a recording has samples"
    return square / n_frames - np.outer(total, total) / n_frames**2, n_finite


def choose(covariance: np.ndarray) -> Choice:
    """Return the channels to take, by the covariance of all channels (n x n)."""
    power = covariance.diagonal()
    n_channels = len(power)
    if n_channels == 1:
        return Choice((1,), None)
    live = np.flatnonzero(power > DEAD * power.max())
    if not len(live):
        live = np.arange(n_channels)
    cancelling = _cancel(covariance[np.ix_(live, live)])
    chosen = np.array([power.argmax()]) if cancelling else live
    return Choice(tuple((chosen + 1).tolist()), _note(n_channels, live, chosen))


def mix(block: np.ndarray, channels: Sequence[int]) -> np.ndarray:
    """Return the mean (frames) of some channels, counted from 1, of a block (frames x channels)."""
    chosen = block[:, np.array(channels) - 1]
    if len(channels) == 1:
        return np.ascontiguousarray(chosen[:, 0])
    return chosen.mean(axis=1)


def _cancel(covariance: np.ndarray) -> bool:
    """Return whether channels have in their mean under half the power of unrelated ones."""
    return covariance.mean() < covariance.diagonal().mean() / (2 * len(covariance))


def _note(n_channels: int, live: np.ndarray, chosen: np.ndarray) -> str:
    which = "channel" if len(chosen) == 1 else "the mean of channels"
    text = f"{which} {_numbers(chosen)}"
    text += f" of {n_channels} is taken"
    dead = sorted(set(range(n_channels)) - set(live.tolist()))
    if dead:
        text += f"; no signal in {_numbers(dead)}"
    if len(chosen) < len(live):
        text += f"; {_numbers(live)} cancel each other"
    return text


def _numbers(channels: Iterable[int]) -> str:
    return ", ".join(str(channel + 1) for channel in channels)
