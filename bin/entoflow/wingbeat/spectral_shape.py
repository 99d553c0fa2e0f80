"""The shape of an event's spectrum from 50 to 2000 Hz, whatever its F0 is."""

import numpy as np

from entoflow.wingbeat.comb import FLOOR_DB, between, cumulative

LOW_HZ = 50
HIGH_HZ = 2000
ROLLOFF = 0.85
EDGES_HZ = np.geomspace(LOW_HZ, HIGH_HZ, 17)


def _describe_bands() -> dict[str, tuple[str, str]]:
    bands = {}
    for low, high in zip(EDGES_HZ[:-1].tolist(), EDGES_HZ[1:].tolist()):
        text = f"power from {low:.0f} to {high:.0f} Hz, over all from {LOW_HZ} to {HIGH_HZ}"
        bands[f"band_{round(low)}_db"] = ("dB", f"{text}; at least {FLOOR_DB}")
    return bands


FEATURES = {
    "centroid_hz": ("Hz", "mean frequency, weighted by magnitude"),
    "bandwidth_hz": ("Hz", "standard deviation of frequency, weighted by magnitude"),
    "rolloff_hz": ("Hz", "frequency below which 85 % of the magnitude lies"),
    "flatness": (
        "0..1",
        "geometric over arithmetic mean of power: 1 for white noise without end, 0 for a tone",
    ),
    "entropy": ("0..1", "entropy of power as a share of that of a flat spectrum"),
    "slope_db": ("dB per octave", "slope of the line through the levels of the bands below"),
    **_describe_bands(),
}


def features(power: np.ndarray) -> np.ndarray:
    """Return n x 22 float32, columns as in FEATURES; a silent row is 0 but for its bands.

    power: n x bins float32, at 0, 1, 2, ... Hz.
    """
    band = power[:, LOW_HZ : HIGH_HZ + 1]
    hz = np.arange(LOW_HZ, LOW_HZ + band.shape[1], dtype=np.float32)
    magnitude = np.sqrt(band)
    running = np.cumsum(magnitude, axis=1)
    total = np.maximum(running[:, -1], 1e-30)
    scaled = hz / HIGH_HZ
    moments = magnitude @ np.stack([scaled, scaled**2], axis=1) / total[:, None]
    centroid, mean_square = moments.T
    bandwidth = np.sqrt(np.maximum(mean_square - centroid**2, 0))
    rolloff = hz[(running >= ROLLOFF * running[:, -1:]).argmax(axis=1)]
    share = band / np.maximum(band.sum(axis=1, keepdims=True), 1e-30)
    levels, slope = _bands(power)
    columns = [
        centroid * HIGH_HZ,
        bandwidth * HIGH_HZ,
        rolloff,
        _flatness(band),
        _entropy(share),
        slope,
    ]
    has_sound = (magnitude.max(axis=1) > 0)[:, None]
    shape = np.stack(columns, axis=1) * has_sound
    return np.concatenate([shape, levels], axis=1).astype(np.float32)


def _flatness(power: np.ndarray) -> np.ndarray:
    positive = np.maximum(power, np.float32(1e-10))
    return np.exp(np.log(positive).mean(axis=1)) / positive.mean(axis=1)


def _entropy(share: np.ndarray) -> np.ndarray:
    logs = np.log(np.maximum(share, np.float32(1e-30)))
    return -(share * logs).sum(axis=1) / np.log(share.shape[1])


def _bands(power: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (n x 16 levels in dB, their slope n in dB per octave)."""
    running = cumulative(power[:, : HIGH_HZ + 1])
    edges = np.broadcast_to(EDGES_HZ, (len(power), len(EDGES_HZ)))
    bands = between(running, edges[:, :-1], edges[:, 1:])
    share = bands / np.maximum(bands.sum(axis=1, keepdims=True), 1e-30)
    levels = 10 * np.log10(np.maximum(share, 10 ** (FLOOR_DB / 10)))
    octaves = np.log2(EDGES_HZ[:-1] * EDGES_HZ[1:]) / 2
    octaves -= octaves.mean()
    return levels, levels @ octaves / (octaves**2).sum()
