"""Draw SYNTHETIC wingbeat signals with known truth: insects that cross a sensor. No recording and no real species is behind them.

A transit is a sum of harmonics of a drifting fundamental under one envelope, as an optical sensor or a near microphone gives it. What
a kind of insect is called says which laws it has, not what a specimen of it would sound like.
"""
from typing import NamedTuple

import numpy as np

from entoflow.sound_noise import harmonics, mixed, noise

REFERENCE_DEGC = 25.0


class Kind(NamedTuple):
    """The laws of one kind of insect; F0 is at 25 degC."""

    name: str
    f0_hz: float
    spread_hz: float  # standard deviation between individuals
    slope: float  # Hz per degC
    harmonics: tuple  # mean amplitudes of the harmonics from the first on
    duration_s: float  # median, from where the envelope is a tenth of its height to where it is that again
    hour: float  # of the day at which it is most active


class Sensor(NamedTuple):
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


class Scene(NamedTuple):
    """Where and when transits are drawn: all kinds are equally likely at every sensor in every night."""

    sample_rate: int = 8000
    samples: int = 5000
    kinds: tuple = KINDS
    sensors: tuple = SENSORS
    nights: int = 6


SCENE = Scene()


def draw(n, rng, scene=SCENE):
    """Return (clips n x samples float32, truth) of n random transits.

    truth maps each column to its n values: kind, sensor, night (from 0), hour (0..24), temperature_degc, f0_hz (in mid-transit),
    start_s and stop_s (where the envelope is a tenth of its height), snr_db (over the whole clip).
    """
    kinds, sensors, nights = (rng.integers(0, m, n) for m in (len(scene.kinds), len(scene.sensors), scene.nights))
    of_kind = {field: np.array([getattr(kind, field) for kind in scene.kinds])[kinds] for field in Kind._fields if field != "harmonics"}
    degc = rng.normal(24, 2, scene.nights)[nights] + rng.normal(0, 1, n)
    f0 = np.maximum(of_kind["f0_hz"] + of_kind["slope"] * (degc - REFERENCE_DEGC) + of_kind["spread_hz"] * rng.standard_normal(n), 30)
    times = np.arange(scene.samples) / scene.sample_rate
    duration = of_kind["duration_s"] * np.exp(0.3 * rng.standard_normal(n))
    envelopes, start = transit_envelopes(duration, times, rng)
    signal = envelopes * harmonics(f0, _amplitudes(scene, kinds, sensors, f0, rng), rng.uniform(-0.02, 0.02, n), times, rng)
    clips, snr = _sensed(signal, scene, sensors, rng)
    truth = {"kind": of_kind["name"], "sensor": np.array([sensor.name for sensor in scene.sensors])[sensors], "night": nights,
             "hour": (of_kind["hour"] + rng.normal(0, 1.5, n)) % 24, "temperature_degc": degc, "f0_hz": f0,
             "start_s": start, "stop_s": start + duration, "snr_db": snr}
    return clips, truth


def transit_envelopes(duration_s, times, rng):
    """Return (n x samples of height 1, starts n in seconds): Gaussian flanks that last 0.3 to 0.7 of the duration each, within the clip where it fits."""
    share = rng.uniform(0.3, 0.7, len(duration_s))
    start = rng.uniform(0, 1, len(duration_s)) * np.maximum(times[-1] - duration_s, 0)
    from_top = times - (start + share * duration_s)[:, None]
    flank = duration_s[:, None] * np.where(from_top < 0, share[:, None], 1 - share[:, None])
    return np.exp(-np.log(10) * (from_top / flank) ** 2), start


def _amplitudes(scene, kinds, sensors, f0, rng):
    """Return n x harmonics: the kind's, each individual's a little different, as the sensor's response leaves them."""
    most = max(len(kind.harmonics) for kind in scene.kinds)
    means = np.array([kind.harmonics + (0,) * (most - len(kind.harmonics)) for kind in scene.kinds])[kinds]
    octaves = np.log2(f0[:, None] * np.arange(1, most + 1) / 200)
    tilt = np.array([sensor.tilt_db for sensor in scene.sensors])[sensors, None]
    return means * np.exp(0.3 * rng.standard_normal(means.shape)) * 10 ** (tilt * octaves / 20)


def _sensed(signal, scene, sensors, rng):
    """Return (clips n x samples float32, snr_db n): the signal in its sensor's noise, then the sensor's gain, peaks at 0.1 at 0 dB."""
    snr = np.array([sensor.snr_db for sensor in scene.sensors])[sensors] + rng.normal(0, 4, len(signal))
    clips = (0.1 * signal / np.abs(signal).max(axis=1, keepdims=True)).astype(np.float32)
    for number, sensor in enumerate(scene.sensors):
        rows = np.flatnonzero(sensors == number)
        noises = noise(sensor.noise, len(rows), scene.samples, scene.sample_rate, rng)
        clips[rows] = mixed(clips[rows], noises, snr[rows]) * 10 ** (sensor.gain_db / 20)
    return clips, snr
