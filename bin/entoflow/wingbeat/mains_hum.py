"""Hum of the mains in spectra: a comb of 50 or 60 Hz of lines as narrow as a clip's length allows.

Hum neither fades nor drifts. A wingbeat is different: a transit fades within the clip, which
broadens its lines, and an F0 of 100 Hz or more has only 100, 200 and 300 Hz, or two lines at most,
in common with the first six of the mains. So three narrow lines of these, an odd one among them,
are hum. What cannot be told apart is an insect of 50 or 60 Hz that hovers without a change.
"""

import numpy as np

from entoflow.wingbeat.average_spectra import Spectra

MAINS_HZ = (50, 60)
LINES = 6  # multiples that are looked at
NARROW = 10  # least power of a line, in powers at its first two zeros: noise has it once in 500
ZEROS = (-2, -1, 1, 2)  # the first two zeros on either side, in widths of a line
TALL = 4  # least power of a line, in powers midway between lines
FEWEST_LINES = 3
COARSEST_HZ = 10  # resolution, that of clips of 0.2 s

_LINE_HZ = np.outer(MAINS_HZ, np.arange(1, LINES + 1))  # mains x lines


def detect(spectra: Spectra) -> np.ndarray:
    """Return n x 2 bool: whether there is hum of 50, and of 60 Hz.

    There is none in spectra that resolve less than 10 Hz or end below the lines.
    """
    power = spectra.power
    is_hum = np.zeros((len(power), len(MAINS_HZ)), bool)
    if power.shape[1] <= (LINES + 1) * max(MAINS_HZ):
        return is_hum
    has_tall_lines = np.any([_has_tall_lines(power, mains) for mains in MAINS_HZ], axis=0)
    rows = np.flatnonzero(has_tall_lines & (spectra.resolution_hz <= COARSEST_HZ))
    widths = np.round(spectra.resolution_hz[rows]).astype(int)
    is_hum[rows] = _has_narrow_lines(power, rows, widths)
    return is_hum


def remove(power: np.ndarray, is_hum: np.ndarray, resolution_hz: np.ndarray) -> np.ndarray:
    """Return power (n x bins) with the lines of hum levelled to what is around them.

    is_hum: n x 2, as detect returns it; resolution_hz: n.
    """
    if not is_hum.any():
        return power
    power = power.copy()
    half_widths = np.ceil(resolution_hz).astype(int)
    for mains, has_mains in zip(MAINS_HZ, is_hum.T):
        for half_width in np.unique(half_widths[has_mains]):
            rows = np.flatnonzero(has_mains & (half_widths == half_width))
            power[rows] = _level_lines(power[rows], mains, half_width)
    return power


def _has_tall_lines(power: np.ndarray, mains: int) -> np.ndarray:
    """Return n bool, cheaply: whether lines stand above what lies midway between them."""
    lines = power[:, mains : LINES * mains + 1 : mains]
    for step in (-1, 1):
        lines = np.maximum(lines, power[:, mains + step : LINES * mains + step + 1 : mains])
    midway = power[:, mains // 2 : (LINES + 1) * mains : mains]
    is_tall = lines > TALL * np.maximum(midway[:, :-1], midway[:, 1:])
    return is_tall.sum(axis=1) >= FEWEST_LINES


def _has_narrow_lines(power: np.ndarray, rows: np.ndarray, widths: np.ndarray) -> np.ndarray:
    """Return rows x 2 bool: whether enough lines are narrow.

    widths: of a line in Hz, of each row.
    """
    rows = rows[:, None, None, None]
    widths = widths[:, None, None, None]
    near = power[rows, _LINE_HZ[..., None] + np.arange(-1, 2)]  # the mains are seldom farther off
    peak = _LINE_HZ + near.argmax(axis=3) - 1
    at_zeros = power[rows, peak[..., None] + widths * np.array(ZEROS)]
    is_narrow = near.max(axis=3) > NARROW * at_zeros.max(axis=3)
    has_odd_line = is_narrow[..., ::2].any(axis=2)
    return (is_narrow.sum(axis=2) >= FEWEST_LINES) & has_odd_line


def _level_lines(power: np.ndarray, mains: int, half_width: int) -> np.ndarray:
    """Lower the bins within half_width + 1 Hz of each multiple of the mains.

    They are lowered to the line, in dB, from the power before to the power behind.
    """
    lines = np.arange(mains, power.shape[1] - half_width - 2, mains)
    before = power[:, lines - half_width - 2, None]
    behind = power[:, lines + half_width + 2, None]
    share = np.linspace(0, 1, 2 * half_width + 3, dtype=np.float32)
    bins = lines[:, None] + np.arange(-half_width - 1, half_width + 2)
    power[:, bins] = np.minimum(power[:, bins], before ** (1 - share) * behind**share)
    return power
