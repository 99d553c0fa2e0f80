"""Which channels of a recording are the sensor's signal: several become one, and what was done is told.

A dead input beside a live one would halve its level in a mean; two inputs of opposite polarity would cancel in it. So the recording is the mean of
the channels that carry a signal, and of those that cancel each other the strongest.
"""
import numpy as np

DEAD = 1e-6  # of the strongest channel's power: 60 dB below it


def covariance(blocks):
    """Return (channels x channels covariance, number of finite samples) of blocks (frames x channels); other samples count as silence."""
    offset, n, finite = None, 0, 0
    for block in blocks:
        usable = np.isfinite(block)
        values = np.where(usable, block, 0).astype(float)
        if offset is None:  # less its first value, a constant channel has exactly no power
            offset, total, square = values[0].copy(), 0, 0
        values -= offset
        n, finite = n + len(values), finite + int(usable.sum())
        total, square = total + values.sum(axis=0), square + values.T @ values
    return square / n - np.outer(total, total) / n ** 2, finite


def choose(covariance):
    """Return (the channels, from 1, whose mean is the recording, what was done as a sentence's part, or None for one channel)."""
    power = covariance.diagonal()
    n, live = len(power), np.flatnonzero(power > DEAD * power.max())
    live = live if len(live) else np.arange(n)
    taken = power.argmax(keepdims=True) if _cancel(covariance[np.ix_(live, live)]) else live
    if n == 1:
        return (1,), None
    dead = sorted(set(range(n)) - set(live.tolist()))
    how = f"channel {_numbers(taken)}" if len(taken) == 1 else f"the mean of channels {_numbers(taken)}"
    why = f"; no signal in {_numbers(dead)}" if dead else ""
    why += f"; {_numbers(live)} cancel each other" if len(taken) < len(live) else ""
    return tuple((taken + 1).tolist()), f"{how} of {n} is taken{why}"


def mixed(block, taken):
    """Return the mean (frames) of the taken channels, from 1, of a block (frames x channels)."""
    chosen = block[:, np.array(taken) - 1]
    return np.ascontiguousarray(chosen[:, 0]) if len(taken) == 1 else chosen.mean(axis=1)


def _cancel(covariance):
    """Tell whether the mean has under half the power that it would have of unrelated channels."""
    return covariance.mean() < covariance.diagonal().mean() / (2 * len(covariance))


def _numbers(channels):
    return ", ".join(str(channel + 1) for channel in channels)
