"""How the level of an event rises and falls: features of the RMS envelope of blocks of 8 ms."""

import numpy as np

BLOCK_S = 0.008

FEATURES = {
    "length_s": ("s", "length of the event as it was cut"),
    "duration_s": (
        "s",
        "time around the loudest moment in which the envelope (means of 24 ms) is above half its "
        "height",
    ),
    "rise_s": ("s", "part of duration_s before the loudest moment"),
    "fall_s": ("s", "part of duration_s after the loudest moment"),
    "asymmetry": (
        "-1..1",
        "(fall_s - rise_s) / duration_s: above 0 where the event dies away slowly",
    ),
    "am_depth": (
        "share",
        "spread of the envelope of 8 ms around that of 24 ms within duration_s: "
        "amplitude modulation, pulses",
    ),
    "crest_db": ("dB", "highest sample over the root mean square of the event"),
}


def features(clips: np.ndarray, sample_rate: int, lengths: np.ndarray) -> np.ndarray:
    """Return n x 7 float32, columns as in FEATURES.

    clips: n x samples, 0 past their lengths in samples.
    """
    fine, inside = _mean_squares(clips, sample_rate, lengths)
    n_near = _three_neighbours(inside).sum(axis=0)
    total = _three_neighbours(fine).sum(axis=0)
    coarse = np.where(inside, total / np.maximum(n_near, 1), 0)
    start, top, stop = _half_height(np.sqrt(coarse), inside)
    rise = (top - start) * BLOCK_S
    fall = (stop - top) * BLOCK_S
    mean = fine.sum(axis=1) / np.maximum(inside.sum(axis=1), 1)
    peak = np.maximum(np.abs(clips).max(axis=1, initial=0), 1e-9)
    crest = 20 * np.log10(peak / np.sqrt(np.maximum(mean, 1e-18)))
    columns = [
        lengths / sample_rate,
        rise + fall,
        rise,
        fall,
        (fall - rise) / np.maximum(rise + fall, 1e-9),
        _modulation(fine, coarse, start, stop),
        np.where(mean > 0, crest, 0),
    ]
    return np.stack(columns, axis=1).astype(np.float32)


def _mean_squares(
    clips: np.ndarray, sample_rate: int, lengths: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return (mean squares, whether the middle is in the event) of blocks, n x blocks each."""
    size = max(round(BLOCK_S * sample_rate), 1)
    n_blocks = max(-(-clips.shape[1] // size), 1)
    padded = np.pad(np.square(clips), ((0, 0), (0, n_blocks * size - clips.shape[1])))
    squares = padded.reshape(len(clips), n_blocks, size)
    n_samples = np.clip(lengths[:, None] - size * np.arange(n_blocks), 0, size)
    inside = (n_samples > size // 2) | (np.arange(n_blocks) == 0)
    return squares.sum(axis=2) * inside / np.maximum(n_samples, 1), inside


def _three_neighbours(values: np.ndarray) -> np.ndarray:
    """Return 3 x n x blocks: of each block the value before, its own and the one behind."""
    padded = np.pad(values, ((0, 0), (1, 1)))
    n_blocks = values.shape[1]
    return np.stack([padded[:, step : step + n_blocks] for step in range(3)])


def _half_height(
    level: np.ndarray, inside: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (start, top, stop), n each, in blocks.

    The level crosses half its height at start, last before its top, and at stop, first after it.
    """
    n_clips, n_blocks = level.shape
    n_inside = inside.sum(axis=1)
    rows = np.arange(n_clips)
    at = np.arange(n_blocks)
    top = level.argmax(axis=1)
    half = level[rows, top] / 2
    is_low = (level < half[:, None]) | ~inside
    before = np.where(is_low & (at < top[:, None]), at, -1).max(axis=1)
    after = np.where(is_low & (at > top[:, None]), at, n_inside[:, None]).min(axis=1)

    def crossing(outer: np.ndarray, inner: np.ndarray) -> np.ndarray:
        """Return where half the height lies between two blocks, half a block out at an end."""
        inner_level = level[rows, inner]
        outer_level = level[rows, np.clip(outer, 0, n_blocks - 1)]
        share = (inner_level - half) / np.maximum(inner_level - outer_level, 1e-12)
        is_inside = (outer >= 0) & (outer < n_inside)
        return inner + np.where(is_inside, np.clip(share, 0, 1), 0.5) * np.sign(outer - inner)

    return crossing(before, before + 1), top, crossing(after, after - 1)


def _modulation(
    fine: np.ndarray, coarse: np.ndarray, start: np.ndarray, stop: np.ndarray
) -> np.ndarray:
    """Return n: root mean square of (fine - coarse) / coarse in amplitude, from start to stop."""
    at = np.arange(fine.shape[1])
    within = (at >= start[:, None]) & (at <= stop[:, None]) & (coarse > 0)
    deviation = np.sqrt(np.where(within, fine / np.maximum(coarse, 1e-30), 1)) - 1
    return np.sqrt((deviation**2).sum(axis=1) / np.maximum(within.sum(axis=1), 1))
