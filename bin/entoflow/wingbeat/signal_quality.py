"""What is wrong with a clip, flag by flag; a flagged clip is counted and told, never dropped for it.

clipping    the sensor's range ended, at full scale or below: too many samples are exactly at the highest or lowest value, or 3 in a row and then a jump
dropout     the signal stands still for 10 ms or more: the recorder lost samples or has a gate
silence     no more moves than the last bit of 16
hum         steady lines at multiples of 50 or 60 Hz, the first or second among them, hold over a tenth of the power
aperiodic   the waveform does not repeat itself at any period of 60 to 1200 Hz, as wingbeats do
non_finite  there are samples that are no number
"""
import numpy as np

FLAGS = ("clipping", "dropout", "silence", "hum", "aperiodic", "non_finite")
BLOCK = 128  # clips at a time
AT_RAIL, LEAST_AT_RAIL = 0.001, 5  # share of samples, and number
NEAR = 1 / 4000  # of the range, or 1.5 steps: under a smooth peak at least 0.4 times as many samples are as near as there are at its highest value
PILED = 4  # times as many at the rail as near it
APART = 0.1  # of the range, by which their neighbours differ: those of a smooth peak's highest samples are much the same
ROUND = 5  # steps of quantisation: the most that a smooth peak falls beside three equal samples
STILL = 0.01  # seconds
LEAST = 2 ** -15  # root mean square about the mean
MAINS, LINES = (50, 60), 6  # Hz, and the multiples looked at
HUM_RATE = 2000  # Hz, at least, after the mean of neighbouring samples
HUM, STEADY = 0.1, 0.9  # share of the power; coherence of a line over the quarters of a clip
HUM_SECONDS = 0.16  # from here on a quarter tells 50 Hz from 100
PITCH = (60.0, 1200.0)  # Hz
BAND = (60.0, 2000.0)  # Hz, of the waveform that is to repeat itself
REPEATS, SIGMAS = 0.25, 4.0  # least autocorrelation, and that in standard deviations of noise


def flags(clips, sample_rate, lengths=None):
    """Return the flags of clips (n x samples, zero-padded) as bool n x len(FLAGS). `lengths` are their true numbers of samples (n)."""
    clips = np.asarray(clips, np.float32)
    lengths = np.full(len(clips), clips.shape[1]) if lengths is None else np.asarray(lengths)
    clips = np.pad(clips, ((0, 0), (0, max(0, int(sample_rate * STILL) + 2 - clips.shape[1]))))
    found = [_block(clips[k:k + BLOCK], sample_rate, lengths[k:k + BLOCK]) for k in range(0, len(clips), BLOCK)]
    return np.concatenate([np.zeros((0, len(FLAGS)), bool), *found])


def _block(clips, sample_rate, lengths):
    inside = np.arange(clips.shape[1]) < lengths[:, None]
    usable = inside & np.isfinite(clips)
    values = np.where(usable, clips, 0)
    mean = values.sum(axis=1, dtype=float) / np.maximum(usable.sum(axis=1), 1)
    moving = np.where(usable, values - mean[:, None], 0).astype(np.float32)
    power = (moving.astype(float) ** 2).sum(axis=1) / np.maximum(lengths, 1)
    silent = power < LEAST ** 2
    columns = {"clipping": ~silent & _clipping(values, inside), "dropout": ~silent & _dropout(values, inside, sample_rate), "silence": silent,
               "hum": ~silent & _hum(moving, sample_rate, lengths, power), "aperiodic": ~silent & ~_periodic(moving, sample_rate, lengths),
               "non_finite": (inside & ~usable).any(axis=1)}
    return np.stack([columns[name] for name in FLAGS], axis=1)


def _clipping(values, inside):
    found = np.zeros(len(values), bool)
    for signed in (values, -values):
        signed = np.where(inside, signed, -np.inf)
        at_rail = inside & (signed == signed.max(axis=1, keepdims=True, initial=-np.inf))
        for row in np.flatnonzero((at_rail.sum(axis=1) >= 3) & ~found):
            found[row] = _stands(signed[row, inside[row]])
    return found


def _stands(signal):
    """Tell whether a signal stands at its highest value: piled up there, or flat for 3 samples with a fall beside them that no smooth peak has."""
    top, levels = signal.max(), np.unique(signal)
    if len(levels) < 2:
        return False
    at, step = np.flatnonzero(signal == top), np.diff(levels).min()
    around = np.pad(signal, 1, mode="edge")
    before, after = around[at], around[at + 2]
    n_near = ((signal < top) & (signal > top - max(1.5 * step, np.ptp(signal) * NEAR))).sum()
    apart = max(np.ptp(before), np.ptp(after)) > APART * np.ptp(signal)  # a tone may come back to its very peak, in step with the sample rate
    piled = len(at) >= max(LEAST_AT_RAIL, AT_RAIL * len(signal)) and len(at) > PILED * n_near and apart
    middle = at[(before == top) & (after == top)]
    beside = np.isin(at - 1, middle) | np.isin(at + 1, middle)
    return bool(piled or (top - np.minimum(before, after)[beside] > ROUND * step).any())


def _dropout(values, inside, sample_rate):
    """Tell which clips have a run of equal samples, 10 ms or more."""
    still = (values[:, 1:] == values[:, :-1]) & inside[:, 1:]
    have, wanted = 1, max(8, round(STILL * sample_rate)) - 1
    while have < wanted:  # still at k for `have` steps, and for as many from k + step
        step = min(have, wanted - have)
        still, have = still[:, :-step] & still[:, step:], have + step
    return still.any(axis=1)


def _hum(moving, sample_rate, lengths, power):
    """Each line's amplitude and phase, under a Hann window, in every quarter: those of the mains are the same, those of an insect drift and fade."""
    step = max(1, int(sample_rate / HUM_RATE))
    moving = moving[:, :moving.shape[1] // step * step].reshape(len(moving), -1, step).mean(axis=2)
    sample_rate, lengths = sample_rate / step, lengths // step
    at, lines = np.arange(moving.shape[1]), np.outer(MAINS, np.arange(1, LINES + 1))
    phase = 2 * np.pi * np.outer(at, lines) / sample_rate
    waves = (np.concatenate([np.cos(phase), np.sin(phase)], axis=1) * np.tile(lines.ravel() < 0.45 * sample_rate, 2)).astype(np.float32)
    place = at * 4 / np.maximum(lengths, 1)[:, None]
    windowed = moving * np.sin(np.pi * place).astype(np.float32) ** 2
    parts = np.stack([np.where(place // 1 == quarter, windowed, 0) @ waves for quarter in range(4)]) * 8 / np.maximum(lengths, 1)[:, None]
    parts = (parts[..., :lines.size] - 1j * parts[..., lines.size:]).reshape(4, len(moving), *lines.shape)
    together, apart = np.abs(parts.mean(axis=0)) ** 2, (np.abs(parts) ** 2).mean(axis=0)
    held = np.where(together > STEADY * apart, 2 * together, 0)
    found = (held.sum(axis=2) > HUM * power[:, None]) & (held[..., :2].sum(axis=2) > 0.1 * held.sum(axis=2))
    return found.any(axis=1) & (lengths >= HUM_SECONDS * sample_rate)


def _periodic(moving, sample_rate, lengths):
    """Tell which clips have a high autocorrelation at a period of PITCH, past its first zero, the spectrum's slope over log frequency removed.

    Noise of any power law has none then: its autocorrelation is that of a flat band, with a deviation of 1 / sqrt(2 x bandwidth x duration)
    (Bartlett 1946).
    """
    from scipy.fft import irfft, next_fast_len, rfft

    size = next_fast_len(2 * moving.shape[1], real=True)
    frequency = np.arange(size // 2 + 1) * sample_rate / size
    band = (frequency >= BAND[0]) & (frequency <= BAND[1])
    if band.sum() < 2:  # a sample rate that holds no wingbeat tells nothing
        return np.ones(len(moving), bool)
    power = np.abs(rfft(moving, size, axis=1)[:, band]) ** 2
    logs = np.log(power + 1e-12 * power.max(axis=1, keepdims=True) + 1e-30)
    octaves = np.log(frequency[band]) - np.log(frequency[band]).mean()
    slope = logs @ octaves / (octaves ** 2).sum()
    flat = np.zeros((len(moving), len(frequency)), np.float32)
    flat[:, band] = power * np.exp(-np.outer(slope, octaves))
    likeness = irfft(flat, size, axis=1)[:, :int(sample_rate / PITCH[0]) + 2]
    likeness /= np.maximum(likeness[:, :1], 1e-30)
    lag = np.arange(likeness.shape[1])
    counts = np.logical_or.accumulate(likeness <= 0, axis=1) & (lag >= sample_rate / PITCH[1] - 1) & (lag <= lengths[:, None] / 2)
    best = np.where(counts, likeness, 0).max(axis=1)
    bandwidth = min(BAND[1], sample_rate / 2) - BAND[0]
    return best > np.maximum(REPEATS, SIGMAS / np.sqrt(np.maximum(2 * bandwidth * lengths / sample_rate, 1)))
