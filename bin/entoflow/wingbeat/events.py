"""Events in long recordings: where a sound stands out of the noise around it.

The recording is band-passed, its level is taken every 2 ms over 8 ms and compared with the noise
floor: the level below which a fifth of the 10 s around lies. An event is where the level stays
`leave_db` above the floor and somewhere reaches `enter_db`, there taken over as long as the
shortest event, as noise in a narrow band reaches it over 8 ms many times an hour. Events close to
each other are one; short ones are dropped; long ones (a hovering insect, a swarm) are split into
equal parts and not cut off, so that no sound that stood out is lost. A recording is read in parts
of a minute, each with as much context as makes its result that of the whole.
"""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass

import numpy as np

from entoflow.task import InputError

HOP = 0.002  # seconds from level to level
WINDOW = 4  # hops that a level is taken over: 8 ms
GRID = 250  # hops from one value of the noise floor to the next, linear between: 0.5 s
AROUND = 10  # grid steps on each side that a floor is taken from: 5 s
PERCENTILE = 20
# Grid steps on each side in which the filter settles: at 60 Hz its slowest part is down to 1e-30 by
# then.
SETTLING = 1
CORE = 120  # grid steps in a part: 60 s
# The least floor, as a share of the loudest level around: beside digital silence the filter's
# ringing would be an event.
QUIET = 1e-4
# Level below which there is only what the filter rounds, in digital silence far from any sound.
SILENT = 1e-15
ROUNDING = 1e-6  # of floating-point seconds


@dataclass(frozen=True)
class Settings:
    """What counts as an event.

    Noise in a narrow band varies more: a band of less than some 1000 Hz wants a higher enter_db.
    """

    low: float = 60.0  # Hz, of the band
    high: float = 3500.0  # Hz, as far as the sample rate allows
    enter_db: float = 6.0  # above the floor, that an event reaches
    leave_db: float = 3.0  # above the floor, that it stays
    gap: float = 0.05  # seconds; events less apart are one
    shortest: float = 0.02  # seconds
    longest: float = 2.0  # seconds


@dataclass(frozen=True)
class Run:
    """Hops in a row that are above the lower threshold."""

    first: int
    end: int  # the hop after the last
    reaches_upper: bool  # whether one of them is above the upper threshold


@dataclass(frozen=True)
class Part:
    """A part of a recording with context on both sides."""

    samples: np.ndarray
    n_before: int  # hops of context before
    n_hops: int  # of the part itself


def detect(
    blocks: Iterable[np.ndarray], sample_rate: float, settings: Settings | None = None
) -> Iterator[tuple[float, float]]:
    """Yield the events (start, end), in seconds, of a recording that comes in blocks of samples.

    Memory is constant.
    They are sorted, apart, and within the recording. How it is cut into blocks changes nothing.
    Samples that are not finite count as silence. Raises InputError for settings that contradict
    each other, and for a band that begins above half the sample rate.
    """
    settings = settings or Settings()
    _check(settings)
    hop = max(1, round(HOP * sample_rate))
    sections = _band_pass(sample_rate, settings)
    seconds = hop / sample_rate
    n_shortest = round(settings.shortest / seconds)
    masks = (_threshold(part, hop, sections, settings, n_shortest) for part in _parts(blocks, hop))
    runs = _join(_runs(masks), 0.5)
    loud_runs = (run for run in runs if run.reaches_upper)
    for run in _join(loud_runs, settings.gap / seconds - ROUNDING):
        if (run.end - run.first) * seconds >= settings.shortest - ROUNDING:
            yield from _split(run.first * seconds, run.end * seconds, settings.longest)


def _check(settings: Settings) -> None:
    wanted = None
    if not 0 < settings.leave_db <= settings.enter_db:
        wanted = "leave_db above 0 and at most enter_db"
    elif not settings.gap >= 0:
        wanted = "gap 0 or more"
    elif not 0 <= settings.shortest < settings.longest:
        wanted = "shortest 0 or more and below longest"
    if wanted:
        values = ", ".join(f"{name} {value:g}" for name, value in asdict(settings).items())
        raise InputError(f"the settings of events are {values}; wanted {wanted}.")


def _band_pass(sample_rate: float, settings: Settings) -> np.ndarray:
    """Return a Butterworth band-pass of order 4 as second-order sections.

    Run forth and back it has no delay.
    """
    from scipy.signal import butter

    high = min(settings.high, 0.95 * sample_rate / 2)
    if not 0 < settings.low < high:
        raise InputError(
            f"the sample rate is {sample_rate:g} Hz and the band {settings.low:g} to "
            f"{settings.high:g} Hz; "
            "wanted a band that begins below half the sample rate."
        )
    return butter(4, (settings.low, high), "bandpass", fs=sample_rate, output="sos")


def _parts(blocks: Iterable[np.ndarray], hop: int) -> Iterator[Part]:
    """Yield the parts of a recording, which begin at whole grid steps."""
    context = (AROUND + SETTLING) * GRID * hop
    core = CORE * GRID * hop
    samples = np.zeros(0, np.float32)
    before = 0  # samples of context before the next part
    for block in blocks:
        samples = np.concatenate([samples, block])
        while len(samples) >= before + core + context:
            yield Part(samples[: before + core + context], before // hop, core // hop)
            n_done = max(0, before + core - context)
            samples = samples[n_done:]
            before = before + core - n_done
    if len(samples) - before >= hop:
        yield Part(samples, before // hop, (len(samples) - before) // hop)


def _threshold(
    part: Part, hop: int, sections: np.ndarray, settings: Settings, n_shortest: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return (whether each hop of a part is above the lower threshold, and above both)."""
    power = _power(part.samples, hop, sections)
    level = _level(power, WINDOW)
    hops = np.arange(part.n_before, part.n_before + part.n_hops)
    grid = np.arange(part.n_before, part.n_before + part.n_hops + GRID, GRID)
    floor = np.interp(hops, grid, [_floor(level, at) for at in grid.tolist()])
    above_lower = level[hops] > floor * 10 ** (settings.leave_db / 20)
    long_level = _level(power, max(WINDOW, n_shortest))
    above_upper = long_level[hops] > floor * 10 ** (settings.enter_db / 20)
    return above_lower, above_lower & above_upper


def _power(samples: np.ndarray, hop: int, sections: np.ndarray) -> np.ndarray:
    """Return the mean square of each hop of the band-passed samples."""
    from scipy.signal import sosfiltfilt

    usable = np.where(np.isfinite(samples), samples, 0).astype(float)
    passed = sosfiltfilt(sections, usable - usable.mean(), padlen=min(len(usable) - 1, 50 * hop))
    return (passed[: len(passed) // hop * hop].reshape(-1, hop) ** 2).mean(axis=1)


def _level(power: np.ndarray, width: int) -> np.ndarray:
    """Return the root mean square over so many hops around the start of each hop."""
    padded = np.pad(power, (width // 2, width - width // 2 - 1), mode="edge")
    total = sum(padded[k : k + len(power)] for k in range(width))
    return np.sqrt(total / width)


def _floor(level: np.ndarray, at: int) -> float:
    """Return the noise floor at a hop."""
    around = level[max(0, at - AROUND * GRID) : at + AROUND * GRID]
    return max(np.percentile(around, PERCENTILE), QUIET * around.max(), SILENT)


def _runs(masks: Iterable[tuple[np.ndarray, np.ndarray]]) -> Iterator[Run]:
    """Yield the runs above the lower threshold; masks: of each part, as _threshold returns them."""
    offset = 0
    for above_lower, above_upper in masks:
        edges = np.diff(above_lower.astype(np.int8), prepend=0, append=0)
        firsts = np.flatnonzero(edges == 1).tolist()
        ends = np.flatnonzero(edges == -1).tolist()
        for first, end in zip(firsts, ends):
            yield Run(first + offset, end + offset, bool(above_upper[first:end].any()))
        offset += len(above_lower)


def _join(runs: Iterable[Run], gap: float) -> Iterator[Run]:
    """Yield runs, those less than `gap` hops apart as one."""
    last = None
    for run in runs:
        if last and run.first - last.end < gap:
            last = Run(last.first, run.end, last.reaches_upper or run.reaches_upper)
            continue
        if last:
            yield last
        last = run
    if last:
        yield last


def _split(start: float, end: float, longest: float) -> Iterator[tuple[float, float]]:
    """Yield equal parts of an event, none longer than `longest`."""
    n_parts = max(1, int(np.ceil((end - start) / longest - ROUNDING)))
    bounds = np.linspace(start, end, n_parts + 1).tolist()
    return zip(bounds, bounds[1:])
