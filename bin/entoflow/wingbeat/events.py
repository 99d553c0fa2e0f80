"""Events in long recordings: where a sound stands out of the noise around it.

The recording is band-passed, its level taken every 2 ms over 8 ms and compared with the noise floor, the level that a fifth of the 10 s around
stay under. An event is where the level stays `leave_db` above the floor, and reaches `enter_db` over as long as the shortest event: in a narrow
band, noise does so over 8 ms many times an hour. Events close to each other are one; short ones are dropped; long ones (a hovering insect, a swarm)
are split into equal parts and not cut off, so that no sound that stood out is lost. A recording is read in parts of a minute, each with the context
that makes its result that of the whole.
"""
from typing import NamedTuple

import numpy as np

from entoflow.task import InputError

HOP = 0.002  # seconds from level to level
WINDOW = 4  # hops that a level is taken over: 8 ms
GRID = 250  # hops from one value of the noise floor to the next, linear between: 0.5 s
AROUND = 10  # grid steps on each side that a floor is taken from: 5 s
PERCENTILE = 20
SETTLING = 1  # grid steps on each side that the filter settles in: at 60 Hz its slowest part is down to 1e-30 by then
CORE = 120  # grid steps in a part: 60 s
QUIET = 1e-4  # of the loudest level around, the least floor: beside digital silence the filter's ringing would be an event


class Settings(NamedTuple):
    """Band in Hz (as far as the sample rate holds it), levels in dB above the floor, times in seconds.

    Noise in a narrow band varies more: one of less than some 1000 Hz wants a higher enter_db.
    """

    low: float = 60.0
    high: float = 3500.0
    enter_db: float = 6.0
    leave_db: float = 3.0
    gap: float = 0.05
    shortest: float = 0.02
    longest: float = 2.0


def events(samples, sample_rate, settings=None):
    """Return [(start, end)] in seconds of the events in samples (n): sorted, apart, within 0..n / sample_rate. Raises as stream does."""
    return list(stream([samples], sample_rate, settings))


def stream(blocks, sample_rate, settings=None):
    """Yield the events (start, end), in seconds, of a recording that comes in blocks of samples; memory is constant.

    How it is cut into blocks changes nothing. Non-finite samples count as silence. Raises InputError for settings that contradict each other, and
    for a band that the sample rate does not hold.
    """
    settings = _checked(settings or Settings())
    hop, sections = max(1, round(HOP * sample_rate)), _band_pass(sample_rate, settings)
    seconds = hop / sample_rate
    powers = ((_power(samples, hop, sections), *core) for samples, *core in _parts(blocks, hop))
    whole = _joined(_runs(_above(*power, settings, round(settings.shortest / seconds)) for power in powers), 0.5)
    for start, end, _ in _joined((run for run in whole if run[2]), settings.gap / seconds - 1e-6):
        if (end - start) * seconds >= settings.shortest - 1e-6:
            yield from _split(start * seconds, end * seconds, settings.longest)


def _checked(settings):
    for rule, wanted in ((0 < settings.leave_db <= settings.enter_db, "leave_db above 0 and at most enter_db"), (settings.gap >= 0, "gap 0 or more"),
                         (0 <= settings.shortest < settings.longest, "shortest 0 or more and below longest")):
        if not rule:
            found = ", ".join(f"{name} {value:g}" for name, value in settings._asdict().items())
            raise InputError(f"the settings of events are {found}; wanted {wanted}.")
    return settings


def _band_pass(sample_rate, settings):
    """Return a Butterworth band-pass of order 4 as second-order sections; run forth and back it has no delay."""
    from scipy.signal import butter

    high = min(settings.high, 0.95 * sample_rate / 2)
    if not 0 < settings.low < high:
        raise InputError(f"the sample rate is {sample_rate:g} Hz and the band {settings.low:g} to {settings.high:g} Hz; "
                         "wanted a band that begins below half the sample rate.")
    return butter(4, (settings.low, high), "bandpass", fs=sample_rate, output="sos")


def _parts(blocks, hop):
    """Yield (samples with context on both sides, hops of context before, hops of the part itself); parts begin at whole grid steps."""
    context, core = (AROUND + SETTLING) * GRID * hop, CORE * GRID * hop
    held, before = np.zeros(0, np.float32), 0
    for block in blocks:
        held = np.concatenate([held, block])
        while len(held) >= before + core + context:
            yield held[:before + core + context], before // hop, core // hop
            drop = max(0, before + core - context)
            held, before = held[drop:], before + core - drop
    if len(held) - before >= hop:
        yield held, before // hop, (len(held) - before) // hop


def _power(samples, hop, sections):
    """Return the mean square of each hop of the band-passed samples."""
    from scipy.signal import sosfiltfilt

    usable = np.where(np.isfinite(samples), samples, 0).astype(float)
    passed = sosfiltfilt(sections, usable - usable.mean(), padlen=min(len(usable) - 1, 50 * hop))
    return (passed[:len(passed) // hop * hop].reshape(-1, hop) ** 2).mean(axis=1)


def _level(power, width):
    """Return the root mean square over so many hops around the start of each hop."""
    padded = np.pad(power, (width // 2, width - width // 2 - 1), mode="edge")
    return np.sqrt(sum(padded[k:k + len(power)] for k in range(width)) / width)


def _above(power, n_before, n_core, settings, n_shortest):
    """Return whether each hop of a part is above the lower threshold, and whether above the upper too: two bool arrays."""
    level, own = _level(power, WINDOW), slice(n_before, n_before + n_core)
    grid = np.arange(n_before, n_before + n_core + GRID, GRID)
    floor = np.interp(np.arange(n_before, n_before + n_core), grid, [_floor(level, at) for at in grid])
    low = level[own] > floor * 10 ** (settings.leave_db / 20)
    high = _level(power, max(WINDOW, n_shortest))[own] > floor * 10 ** (settings.enter_db / 20)
    return low, low & high


def _floor(level, at):
    around = level[max(0, at - AROUND * GRID):at + AROUND * GRID]
    return max(np.percentile(around, PERCENTILE), QUIET * around.max())


def _runs(masks):
    """Yield (first hop, hop after the last, whether one is above the upper threshold) of all runs above the lower, part by part."""
    offset = 0
    for low, high in masks:
        edges = np.diff(low.astype(np.int8), prepend=0, append=0)
        firsts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
        seeded = np.logical_or.reduceat(high, firsts) if len(firsts) else []
        yield from zip((firsts + offset).tolist(), (ends + offset).tolist(), seeded)
        offset += len(low)


def _joined(runs, gap):
    """Yield runs (start, end, seeded), those less than `gap` apart as one."""
    held = None
    for run in runs:
        if held and run[0] - held[1] < gap:
            held = (held[0], run[1], held[2] or run[2])
            continue
        if held:
            yield held
        held = run
    if held:
        yield held


def _split(start, end, longest):
    bounds = np.linspace(start, end, max(1, int(np.ceil((end - start) / longest - 1e-6))) + 1).tolist()
    return zip(bounds, bounds[1:])
