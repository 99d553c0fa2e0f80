"""Synthetic noise, and sums of harmonics: what sounds are drawn with, and what models are tried in."""
import numpy as np

NOISES = ("white", "pink", "hum", "wind")


def harmonics(f0_hz, amplitudes, drift, times, rng):
    """Return n x samples: sums of cosines at the multiples of each f0 with random phases, none above half the sample rate.

    f0_hz: n, in mid-clip; amplitudes: n x harmonics; drift: n, the share by which F0 changes, linearly, from first to last sample;
    times: samples, in seconds.
    """
    middle, span = times.mean(), np.ptp(times)
    moved = times - middle
    cycles = f0_hz[:, None] * (moved + drift[:, None] * moved ** 2 / (2 * span))
    below = 0.5 * (len(times) - 1) / span / (f0_hz * (1 + np.abs(drift) / 2))
    signal = np.zeros(cycles.shape)
    for k, amplitude in enumerate(amplitudes.T, 1):
        phase = rng.uniform(0, 2 * np.pi, (len(f0_hz), 1))
        signal += (amplitude * (k < below))[:, None] * np.cos(2 * np.pi * k * cycles + phase)
    return signal


def noise(kind, n, samples, sample_rate, rng):
    """Return n x samples float32 noise of root mean square 1: white, pink (power as 1 / f), hum (50 or 60 Hz and multiples) or wind.

    Wind is noise whose power falls as 1 / f^3 above 40 Hz, in gusts of about half a second. Raises ValueError for another kind.
    """
    if kind not in NOISES:
        raise ValueError(f"noise is '{kind}'; wanted one of {', '.join(NOISES)}")
    if kind == "hum":
        times, mains = np.arange(samples) / sample_rate, rng.choice([50.0, 60.0], n)
        made = harmonics(mains, rng.uniform(0.1, 1, (n, 10)) / np.arange(1, 11), np.zeros(n), times, rng)
    else:
        made = _shaped(kind, rng.standard_normal((n, samples)), sample_rate, rng)
    return (made / np.sqrt((made ** 2).mean(axis=1, keepdims=True))).astype(np.float32)


def mixed(clips, noises, snr_db):
    """Return clips + noises as n x samples float32, the noise scaled so that the powers of whole rows differ by snr_db (a number, or n)."""
    power, other = ((rows.astype(float) ** 2).mean(axis=1) for rows in (clips, noises))
    scale = np.sqrt(power / (np.maximum(other, 1e-30) * 10 ** (np.asarray(snr_db) / 10)))
    return (clips + scale[:, None] * noises).astype(np.float32)


def _shaped(kind, white, sample_rate, rng):
    if kind == "white":
        return white
    hz = np.maximum(np.fft.rfftfreq(white.shape[1], 1 / sample_rate), 1.0)
    gains = hz ** -0.5 if kind == "pink" else np.maximum(hz / 40, 1) ** -1.5
    made = np.fft.irfft(np.fft.rfft(white, axis=1) * gains, white.shape[1], axis=1)
    if kind == "pink":
        return made
    gust_s, times = rng.uniform(0.3, 0.8, (len(white), 1)), np.arange(white.shape[1]) / sample_rate
    return made * (1.1 + np.cos(2 * np.pi * (times / gust_s + rng.uniform(0, 1, (len(white), 1)))))
