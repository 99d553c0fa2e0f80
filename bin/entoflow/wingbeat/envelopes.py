"""How the level of an event rises and falls: features of the RMS envelope of blocks of 8 ms."""
import numpy as np

BLOCK_S = 0.008

FEATURES = {
    "length_s": ("s", "length of the event as it was cut"),
    "duration_s": ("s", "time around the loudest moment in which the envelope (means of 24 ms) is above half its height"),
    "rise_s": ("s", "part of duration_s before the loudest moment"),
    "fall_s": ("s", "part of duration_s after the loudest moment"),
    "asymmetry": ("-1..1", "(fall_s - rise_s) / duration_s: above 0 where the event dies away slowly"),
    "am_depth": ("share", "spread of the envelope of 8 ms around that of 24 ms within duration_s: amplitude modulation, pulses"),
    "crest_db": ("dB", "highest sample over the root mean square of the event"),
}


def features(clips, sample_rate, lengths):
    """Return n x 7 float32, columns as in FEATURES, of clips (n x samples, 0 past their lengths in samples)."""
    fine, inside = _mean_squares(clips, sample_rate, lengths)
    kept = np.stack([np.pad(inside, ((0, 0), (1, 1)))[:, step:step + inside.shape[1]] for step in range(3)])
    near = np.stack([np.pad(fine, ((0, 0), (1, 1)))[:, step:step + fine.shape[1]] for step in range(3)])
    coarse = np.where(inside, near.sum(axis=0) / np.maximum(kept.sum(axis=0), 1), 0)
    start, top, stop = _half_height(np.sqrt(coarse), inside)
    rise, fall = (top - start) * BLOCK_S, (stop - top) * BLOCK_S
    mean = (fine.sum(axis=1) / np.maximum(inside.sum(axis=1), 1))
    crest = 20 * np.log10(np.maximum(np.abs(clips).max(axis=1, initial=0), 1e-9) / np.sqrt(np.maximum(mean, 1e-18)))
    columns = [lengths / sample_rate, rise + fall, rise, fall, (fall - rise) / np.maximum(rise + fall, 1e-9),
               _modulation(fine, coarse, start, stop), np.where(mean > 0, crest, 0)]
    return np.stack(columns, axis=1).astype(np.float32)


def _mean_squares(clips, sample_rate, lengths):
    """Return (n x blocks mean squares, n x blocks bool: whether the middle of a block lies in the event)."""
    size = max(round(BLOCK_S * sample_rate), 1)
    blocks = max(-(-clips.shape[1] // size), 1)
    squares = np.pad(np.square(clips), ((0, 0), (0, blocks * size - clips.shape[1]))).reshape(len(clips), blocks, size)
    held = np.clip(lengths[:, None] - size * np.arange(blocks), 0, size)
    inside = (held > size // 2) | (np.arange(blocks) == 0)
    return squares.sum(axis=2) * inside / np.maximum(held, 1), inside


def _half_height(level, inside):
    """Return (start, top, stop) n each, in blocks: where the level crosses half its height last before and first after its top."""
    n, blocks = level.shape
    top, at, row = level.argmax(axis=1), np.arange(blocks), np.arange(n)
    half = level[row, top] / 2
    low = (level < half[:, None]) | ~inside
    before = np.where(low & (at < top[:, None]), at, -1).max(axis=1)
    after = np.where(low & (at > top[:, None]), at, inside.sum(axis=1)[:, None]).min(axis=1)

    def crossing(outer, inner):
        there, here = level[row, np.clip(outer, 0, blocks - 1)], level[row, inner]
        share = (here - half) / np.maximum(here - there, 1e-12)
        known = (outer >= 0) & (outer < inside.sum(axis=1))
        return inner + np.where(known, np.clip(share, 0, 1), 0.5) * np.sign(outer - inner)
    return crossing(before, before + 1), top, crossing(after, after - 1)


def _modulation(fine, coarse, start, stop):
    """Return n: root mean square of (fine - coarse) / coarse in amplitude from start to stop."""
    at = np.arange(fine.shape[1])
    within = (at >= start[:, None]) & (at <= stop[:, None]) & (coarse > 0)
    ratio = np.sqrt(np.where(within, fine / np.maximum(coarse, 1e-30), 1)) - 1
    return np.sqrt((ratio ** 2).sum(axis=1) / np.maximum(within.sum(axis=1), 1))
