"""What is wrong with a clip, flag by flag; a flagged clip is counted, never dropped for it.

clipping    the sensor's range ended, at full scale or below: too many samples are exactly at the
            highest or lowest value, or 3 in a row and then a jump
dropout     the signal stands still for 10 ms or more: the recorder lost samples or has a gate
silence     no more moves than the last bit of 16
hum         steady lines at multiples of 50 or 60 Hz, the first or second among them, have over a
            tenth of the power
aperiodic   the waveform does not repeat itself at any period of 60 to 1200 Hz, as wingbeats do
non_finite  there are samples that are no number
"""

from collections.abc import Sequence

import numpy as np

FLAGS = ("clipping", "dropout", "silence", "hum", "aperiodic", "non_finite")
BLOCK = 128  # clips at a time

SHARE_AT_PEAK = 0.001  # of the samples of a clipped clip, at least
FEWEST_AT_PEAK = 5
# Of the range, or 1.5 steps: under a smooth peak at least 0.4 times as many samples are as near to
# the highest value as there are at it.
NEAR = 1 / 4000
PILED = 4  # times as many at the peak as near it
# Of the range, by which the neighbours of samples at the peak differ: those of a smooth peak are
# much the same.
APART = 0.1
ROUND = 5  # steps of quantisation: the most that a smooth peak falls beside three equal samples

STILL = 0.01  # seconds
LEAST = 2**-15  # root mean square about the mean

MAINS_HZ = (50, 60)
LINES = 6  # multiples that are looked at
HUM_RATE = 2000  # Hz, at least, after the mean of neighbouring samples
HUM_SHARE = 0.1  # of the power
STEADY = 0.9  # coherence of a line over the quarters of a clip
HUM_SECONDS = 0.16  # from here on a quarter of a clip tells 50 Hz from 100

PITCH_HZ = (60.0, 1200.0)
BAND_HZ = (60.0, 2000.0)  # of the waveform that is to repeat itself
REPEATS = 0.25  # least autocorrelation
SIGMAS = 4.0  # least autocorrelation, in standard deviations of that of noise


def flags(
    clips: np.ndarray, sample_rate: int, lengths: np.ndarray | Sequence[int] | None = None
) -> np.ndarray:
    """Return the flags of clips (n x samples, zero-padded) as bool n x len(FLAGS).

    lengths: n, their true numbers of samples (default: all).
    """
    clips = np.asarray(clips, np.float32)
    sizes = np.full(len(clips), clips.shape[1]) if lengths is None else np.asarray(lengths)
    least = int(sample_rate * STILL) + 2
    clips = np.pad(clips, ((0, 0), (0, max(0, least - clips.shape[1]))))
    raised = np.zeros((len(clips), len(FLAGS)), bool)
    for start in range(0, len(clips), BLOCK):
        rows = slice(start, start + BLOCK)
        raised[rows] = _flag_block(clips[rows], sample_rate, sizes[rows])
    return raised


def _flag_block(clips: np.ndarray, sample_rate: int, lengths: np.ndarray) -> np.ndarray:
    inside = np.arange(clips.shape[1]) < lengths[:, None]
    usable = inside & np.isfinite(clips)
    values = np.where(usable, clips, 0)
    mean = values.sum(axis=1, dtype=float) / np.maximum(usable.sum(axis=1), 1)
    centred = np.where(usable, values - mean[:, None], 0).astype(np.float32)
    power = (centred.astype(float) ** 2).sum(axis=1) / np.maximum(lengths, 1)
    is_silent = power < LEAST**2
    columns = {
        "clipping": ~is_silent & _is_clipped(values, inside),
        "dropout": ~is_silent & _has_dropout(values, inside, sample_rate),
        "silence": is_silent,
        "hum": ~is_silent & _has_hum(centred, sample_rate, lengths, power),
        "aperiodic": ~is_silent & ~_is_periodic(centred, sample_rate, lengths),
        "non_finite": (inside & ~usable).any(axis=1),
    }
    return np.stack([columns[name] for name in FLAGS], axis=1)


def _is_clipped(values: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Return n bool: whether a clip is cut off at its highest or lowest value."""
    clipped = np.zeros(len(values), bool)
    for signed in (values, -values):
        signed = np.where(inside, signed, -np.inf)
        at_peak = inside & (signed == signed.max(axis=1, keepdims=True, initial=-np.inf))
        for row in np.flatnonzero((at_peak.sum(axis=1) >= 3) & ~clipped):
            clipped[row] = _is_cut_off(signed[row, inside[row]])
    return clipped


def _is_cut_off(signal: np.ndarray) -> bool:
    """Return whether a signal stands at its highest value as no smooth peak does.

    It is piled up there, or flat for 3 samples with a fall beside them.
    """
    top = signal.max()
    levels = np.unique(signal)
    if len(levels) < 2:
        return False
    step = np.diff(levels).min()
    peak = np.flatnonzero(signal == top)
    padded = np.pad(signal, 1, mode="edge")
    before = padded[peak]
    after = padded[peak + 2]
    near = top - max(1.5 * step, np.ptp(signal) * NEAR)
    n_near = ((signal < top) & (signal > near)).sum()
    is_many = len(peak) >= max(FEWEST_AT_PEAK, SHARE_AT_PEAK * len(signal))
    # A tone in step with the sample rate comes back to its very peak, but with the same neighbours.
    differs = max(np.ptp(before), np.ptp(after)) > APART * np.ptp(signal)
    if is_many and len(peak) > PILED * n_near and differs:
        return True
    middle = peak[(before == top) & (after == top)]
    is_beside = np.isin(peak - 1, middle) | np.isin(peak + 1, middle)
    fall = top - np.minimum(before, after)[is_beside]
    return bool((fall > ROUND * step).any())


def _has_dropout(values: np.ndarray, inside: np.ndarray, sample_rate: int) -> np.ndarray:
    """Return n bool: whether a clip has a run of equal samples of 10 ms or more."""
    still = (values[:, 1:] == values[:, :-1]) & inside[:, 1:]
    n_needed = max(8, round(STILL * sample_rate)) - 1
    n_still = 1
    while n_still < n_needed:  # still[k] is of n_still steps from k on; it becomes of twice as many
        step = min(n_still, n_needed - n_still)
        still = still[:, :-step] & still[:, step:]
        n_still += step
    return still.any(axis=1)


def _has_hum(
    centred: np.ndarray, sample_rate: float, lengths: np.ndarray, power: np.ndarray
) -> np.ndarray:
    """Return n bool: whether steady lines of the mains have much of the power.

    Each line's amplitude and phase is taken, under a Hann window, in every quarter: those of the
    mains are the same, those of an insect drift and fade.
    """
    step = max(1, int(sample_rate / HUM_RATE))
    n_steps = centred.shape[1] // step
    signal = centred[:, : n_steps * step].reshape(len(centred), -1, step).mean(axis=2)
    rate = sample_rate / step
    sizes = lengths // step
    lines = np.outer(MAINS_HZ, np.arange(1, LINES + 1))  # mains x lines
    amplitudes = _line_amplitudes(signal, rate, sizes, lines)
    coherent = np.abs(amplitudes.mean(axis=0)) ** 2
    total = (np.abs(amplitudes) ** 2).mean(axis=0)
    steady = np.where(coherent > STEADY * total, 2 * coherent, 0)  # n x mains x lines
    has_power = steady.sum(axis=2) > HUM_SHARE * power[:, None]
    has_low_line = steady[..., :2].sum(axis=2) > 0.1 * steady.sum(axis=2)
    is_long = sizes >= HUM_SECONDS * rate
    return (has_power & has_low_line).any(axis=1) & is_long


def _line_amplitudes(
    signal: np.ndarray, sample_rate: float, lengths: np.ndarray, lines: np.ndarray
) -> np.ndarray:
    """Return 4 x n x mains x lines.

    Complex amplitudes in every quarter; none too near half the rate.
    """
    at = np.arange(signal.shape[1])
    phase = 2 * np.pi * np.outer(at, lines) / sample_rate
    is_known = np.tile(lines.ravel() < 0.45 * sample_rate, 2)
    waves = np.concatenate([np.cos(phase), np.sin(phase)], axis=1) * is_known
    waves = waves.astype(np.float32)
    place = at * 4 / np.maximum(lengths, 1)[:, None]  # in quarters of the clip
    windowed = signal * np.sin(np.pi * place).astype(np.float32) ** 2
    quarters = [np.where(place // 1 == number, windowed, 0) @ waves for number in range(4)]
    parts = np.stack(quarters) * 8 / np.maximum(lengths, 1)[:, None]
    amplitudes = parts[..., : lines.size] - 1j * parts[..., lines.size :]
    return amplitudes.reshape(4, len(signal), *lines.shape)


def _is_periodic(centred: np.ndarray, sample_rate: int, lengths: np.ndarray) -> np.ndarray:
    """Return n bool: whether the autocorrelation is high at a period of PITCH_HZ.

    It is looked at past its first zero, the spectrum's slope over log frequency removed: noise of
    any power law is low there, as its autocorrelation is that of a flat band, with a standard
    deviation of 1 / sqrt(2 x bandwidth x duration) (Bartlett 1946).
    """
    from scipy.fft import irfft, next_fast_len

    size = next_fast_len(2 * centred.shape[1], real=True)
    frequency = np.arange(size // 2 + 1) * sample_rate / size
    band = (frequency >= BAND_HZ[0]) & (frequency <= BAND_HZ[1])
    if band.sum() < 2:  # nothing can be said at a sample rate that holds no wingbeat
        return np.ones(len(centred), bool)
    flat = np.zeros((len(centred), len(frequency)), np.float32)
    flat[:, band] = _flattened_power(centred, size, frequency, band)
    n_lags = int(sample_rate / PITCH_HZ[0]) + 2
    correlation = irfft(flat, size, axis=1)[:, :n_lags]
    correlation /= np.maximum(correlation[:, :1], 1e-30)
    lag = np.arange(correlation.shape[1])
    past_zero = np.logical_or.accumulate(correlation <= 0, axis=1)
    is_period = (lag >= sample_rate / PITCH_HZ[1] - 1) & (lag <= lengths[:, None] / 2)
    best = np.where(past_zero & is_period, correlation, 0).max(axis=1)
    bandwidth = min(BAND_HZ[1], sample_rate / 2) - BAND_HZ[0]
    n_independent = np.maximum(2 * bandwidth * lengths / sample_rate, 1)
    return best > np.maximum(REPEATS, SIGMAS / np.sqrt(n_independent))


def _flattened_power(
    centred: np.ndarray, size: int, frequency: np.ndarray, band: np.ndarray
) -> np.ndarray:
    """Return power in a band, n x bins of the band, without its slope over log frequency."""
    from scipy.fft import rfft

    power = np.abs(rfft(centred, size, axis=1)[:, band]) ** 2
    logs = np.log(power + 1e-12 * power.max(axis=1, keepdims=True) + 1e-30)
    octaves = np.log(frequency[band]) - np.log(frequency[band]).mean()
    slope = logs @ octaves / (octaves**2).sum()
    return power * np.exp(-np.outer(slope, octaves))
