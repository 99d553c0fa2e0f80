"""Hum of the mains in spectra: a comb of 50 or 60 Hz whose lines are as narrow as the length of a clip allows, as it neither fades nor drifts.

A wingbeat is another: a transit fades within the clip, which broadens its lines, and an F0 of 100 Hz or more has only 100, 200 and 300 Hz, or two lines
at most, in common with the first six of the mains. So three narrow lines of these, an odd one among them, are hum. What cannot be told apart is an
insect of 50 or 60 Hz that hovers without a change.
"""
import numpy as np

MAINS_HZ, LINES = (50, 60), 6  # multiples looked at
NARROW, SIDES = 10, (-2, -1, 1, 2)  # times the power at its first two zeros on either side: what a line has at least, and noise once in 500
TALL = 4  # times the power midway between lines
LEAST, COARSEST_HZ = 3, 10  # narrow lines; resolution, that of clips of 0.2 s

_AT = np.outer(MAINS_HZ, np.arange(1, LINES + 1))


def seen(power, resolution_hz):
    """Return n x 2 bool: whether hum of 50, and of 60 Hz, is in power (n x bins of 1 Hz). resolution_hz: n, half the width of a line; none above 10 Hz."""
    if power.shape[1] <= (LINES + 1) * max(MAINS_HZ):
        return np.zeros((len(power), len(MAINS_HZ)), bool)
    rows = np.flatnonzero(np.any([_tall(power, mains) for mains in MAINS_HZ], axis=0) & (resolution_hz <= COARSEST_HZ))
    found = np.zeros((len(power), len(MAINS_HZ)), bool)
    found[rows] = _narrow(power, rows, np.round(resolution_hz[rows]).astype(int))
    return found


def _tall(power, mains):
    """Tell cheaply which rows have lines that stand above what lies midway between them: few without hum."""
    lines, midway = power[:, mains:LINES * mains + 1:mains], power[:, mains // 2:(LINES + 1) * mains:mains]
    for step in (-1, 1):
        lines = np.maximum(lines, power[:, mains + step:LINES * mains + step + 1:mains])
    return (lines > TALL * np.maximum(midway[:, :-1], midway[:, 1:])).sum(axis=1) >= LEAST


def _narrow(power, rows, width):
    """Return rows x 2 bool: whether enough lines are narrow. width: of a line in Hz, one for each row."""
    rows, width = rows[:, None, None, None], width[:, None, None, None]
    near = power[rows, _AT[..., None] + np.arange(-1, 2)]  # the mains are seldom farther off
    peak = _AT + near.argmax(axis=3) - 1
    narrow = near.max(axis=3) > NARROW * power[rows, peak[..., None] + width * np.array(SIDES)].max(axis=3)
    return (narrow.sum(axis=2) >= LEAST) & narrow[..., ::2].any(axis=2)


def without(power, found, resolution_hz):
    """Return power, in the rows with hum (found: n x 2 bool) every multiple of the mains that stands out levelled to what is around it."""
    if not found.any():
        return power
    power, halves = power.copy(), np.ceil(resolution_hz).astype(int)
    for mains, those in zip(MAINS_HZ, found.T):
        for half in np.unique(halves[those]):
            rows = np.flatnonzero(those & (halves == half))
            power[rows] = _levelled(power[rows], mains, half)
    return power


def _levelled(power, mains, half):
    """Lower the bins within half + 1 Hz of each multiple to the line, in dB, from what lies before to what lies behind."""
    share = np.linspace(0, 1, 2 * half + 3, dtype=np.float32)
    at = np.arange(mains, power.shape[1] - half - 2, mains)
    before, after = (power[:, at + side, None] for side in (-half - 2, half + 2))
    bins = at[:, None] + np.arange(-half - 1, half + 2)
    power[:, bins] = np.minimum(power[:, bins], before ** (1 - share) * after ** share)
    return power
