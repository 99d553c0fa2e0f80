"""Draw SYNTHETIC wingbeat signals with known truth: insects that cross a sensor.

No recording and no real species is behind them. A transit is a sum of harmonics of a drifting
fundamental under one envelope, as an optical sensor or a near microphone gives it. The name of a
kind of insect says which laws it has, not what a specimen of it would sound like.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from entoflow.sound_noise import harmonics, mix, noise

REFERENCE_DEGC = 25.0
COLDEST_HZ = 30.0  # no F0 is lower, however cold the night


@dataclass(frozen=True)
class Kind:
    """The laws of one kind of insect; F0 is at 25 degC."""

    name: str
    f0_hz: float
    spread_hz: float  # standard deviation between individuals
    slope: float  # Hz per degC
    harmonics: tuple[float, ...]  # mean amplitudes of the harmonics from the first on
    # Median, from where the envelope is a tenth of its height to where it is that again.
    duration_s: float
    hour: float  # of the day at which it is most active


@dataclass(frozen=True)
class Sensor:
    """What one sensor does to all its signals."""

    name: str
    tilt_db: float  # of its response, per octave above 200 Hz
    gain_db: float
    noise: str  # one of NOISES
    snr_db: float  # mean over its transits; they spread by 4 dB


KINDS = (
    Kind("beetle", 85, 9, 1.0, (1, 0.8, 0.5, 0.3, 0.2, 0.1), 0.32, 21),
    Kind("fly", 190, 18, 4.0, (0.8, 1, 0.6, 0.5, 0.3, 0.2), 0.16, 14),
    Kind("bee", 225, 14, 2.0, (1, 0.5, 0.6, 0.2, 0.25, 0.1), 0.20, 12),
    Kind("mosquito_one", 440, 35, 9.0, (1, 0.6, 0.3, 0.15, 0.1, 0.05), 0.24, 20),
    Kind("mosquito_two", 500, 35, 11.0, (0.7, 1, 0.3, 0.4, 0.1, 0.1), 0.24, 5),
    Kind("midge", 690, 60, 13.0, (1, 0.4, 0.2, 0.1), 0.14, 19),
)
SENSORS = (
    Sensor("sensor_1", 0, 0, "white", 15),
    Sensor("sensor_2", -3, -8, "pink", 12),
    Sensor("sensor_3", 2, 5, "hum", 14),
)


@dataclass(frozen=True)
class Scene:
    """Where and when transits are drawn.

    All kinds are equally likely at every sensor in every night.
    """

    sample_rate: int = 8000
    samples: int = 5000
    kinds: tuple[Kind, ...] = KINDS
    sensors: tuple[Sensor, ...] = SENSORS
    nights: int = 6


SCENE = Scene()


def draw(
    n: int, rng: np.random.Generator, scene: Scene = SCENE
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return (clips n x samples float32, truth) of n random transits.

    truth maps each column to its n values: kind, sensor, night (from 0), hour (0..24),
    temperature_degc, f0_hz (in mid-transit), start_s and stop_s (where the envelope is a tenth of
    its height), snr_db (over the whole clip).
    """
    kind = rng.integers(0, len(scene.kinds), n)  # n, into scene.kinds
    sensor = rng.integers(0, len(scene.sensors), n)
    night = rng.integers(0, scene.nights, n)
    degc = rng.normal(24, 2, scene.nights)[night] + rng.normal(0, 1, n)
    f0 = _draw_f0(scene.kinds, kind, degc, rng)
    times = np.arange(scene.samples) / scene.sample_rate
    median_s = np.array([each.duration_s for each in scene.kinds])[kind]
    duration = median_s * np.exp(0.3 * rng.standard_normal(n))
    envelopes, start = transit_envelopes(duration, times, rng)
    amplitudes = _amplitudes(scene, kind, sensor, f0, rng)
    drift = rng.uniform(-0.02, 0.02, n)
    signal = envelopes * harmonics(f0, amplitudes, drift, times, rng)
    clips, snr = _record(signal, scene, sensor, rng)
    peak_hour = np.array([each.hour for each in scene.kinds])[kind]
    truth = {
        "kind": np.array([each.name for each in scene.kinds])[kind],
        "sensor": np.array([each.name for each in scene.sensors])[sensor],
        "night": night,
        "hour": (peak_hour + rng.normal(0, 1.5, n)) % 24,
        "temperature_degc": degc,
        "f0_hz": f0,
        "start_s": start,
        "stop_s": start + duration,
        "snr_db": snr,
    }
    return clips, truth


def transit_envelopes(
    duration_s: np.ndarray, times: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return (n x samples of height 1, starts n in seconds).

    Gaussian flanks last 0.3 to 0.7 of the duration each, within the clip where it fits.
    """
    n = len(duration_s)
    share = rng.uniform(0.3, 0.7, n)
    start = rng.uniform(0, 1, n) * np.maximum(times[-1] - duration_s, 0)
    from_top = times - (start + share * duration_s)[:, None]
    flank_share = np.where(from_top < 0, share[:, None], 1 - share[:, None])
    flank = duration_s[:, None] * flank_share
    return np.exp(-np.log(10) * (from_top / flank) ** 2), start


def _draw_f0(
    kinds: Sequence[Kind], kind: np.ndarray, degc: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Return n Hz: that of the kind at a temperature, each individual's a little different."""
    mean = np.array([each.f0_hz for each in kinds])[kind]
    slope = np.array([each.slope for each in kinds])[kind]
    spread = np.array([each.spread_hz for each in kinds])[kind]
    f0 = mean + slope * (degc - REFERENCE_DEGC) + spread * rng.standard_normal(len(kind))
    return np.maximum(f0, COLDEST_HZ)


def _amplitudes(
    scene: Scene, kind: np.ndarray, sensor: np.ndarray, f0: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Return n x harmonics: the kind's, each individual's a little different, after the sensor's
    response.
    """
    n_harmonics = max(len(each.harmonics) for each in scene.kinds)
    padded = np.zeros((len(scene.kinds), n_harmonics))
    for row, each in enumerate(scene.kinds):
        padded[row, : len(each.harmonics)] = each.harmonics
    means = padded[kind]
    octaves = np.log2(f0[:, None] * np.arange(1, n_harmonics + 1) / 200)
    tilt_db = np.array([each.tilt_db for each in scene.sensors])[sensor, None]
    return means * np.exp(0.3 * rng.standard_normal(means.shape)) * 10 ** (tilt_db * octaves / 20)


def _record(
    signal: np.ndarray, scene: Scene, sensor: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return (clips n x samples float32, snr_db n).

    Clips are the signal in its sensor's noise, after its gain. Peaks of the signal are at 0.1 at a
    gain of 0 dB.
    """
    mean_snr = np.array([each.snr_db for each in scene.sensors])[sensor]
    snr = mean_snr + rng.normal(0, 4, len(signal))
    clips = (0.1 * signal / np.abs(signal).max(axis=1, keepdims=True)).astype(np.float32)
    for number, each in enumerate(scene.sensors):
        rows = np.flatnonzero(sensor == number)
        noises = noise(each.noise, len(rows), scene.samples, scene.sample_rate, rng)
        clips[rows] = mix(clips[rows], noises, snr[rows]) * 10 ** (each.gain_db / 20)
    return clips, snr
