"""The shape of an event's spectrum from 50 to 2000 Hz, whatever its F0 is."""
import numpy as np

from entoflow.wingbeat.comb import FLOOR_DB, between, cumulative

LOW_HZ, HIGH_HZ = 50, 2000
ROLLOFF = 0.85
EDGES_HZ = np.geomspace(LOW_HZ, HIGH_HZ, 17)

FEATURES = {
    "centroid_hz": ("Hz", "mean frequency, weighted by magnitude"),
    "bandwidth_hz": ("Hz", "standard deviation of frequency, weighted by magnitude"),
    "rolloff_hz": ("Hz", "frequency below which 85 % of the magnitude lies"),
    "flatness": ("0..1", "geometric over arithmetic mean of power: 1 for white noise without end, 0 for a tone"),
    "entropy": ("0..1", "entropy of power as a share of that of a flat spectrum"),
    "slope_db": ("dB per octave", "slope of the line through the levels of the bands below"),
    **{f"band_{round(low)}_db": ("dB", f"power from {low:.0f} to {high:.0f} Hz, over all from {LOW_HZ} to {HIGH_HZ}; at least {FLOOR_DB}")
       for low, high in zip(EDGES_HZ.tolist(), EDGES_HZ[1:].tolist())},
}


def features(power):
    """Return n x 22 float32, columns as in FEATURES, of n x bins float32 at 0, 1, 2, ... Hz; a silent row is 0 but for its bands."""
    held = power[:, LOW_HZ:HIGH_HZ + 1]
    hz = np.arange(LOW_HZ, LOW_HZ + held.shape[1], dtype=np.float32)
    magnitude = np.sqrt(held)
    running = np.cumsum(magnitude, axis=1)
    total = np.maximum(running[:, -1], 1e-30)
    scaled = hz / HIGH_HZ
    centroid, square = (magnitude @ np.stack([scaled, scaled ** 2], axis=1) / total[:, None]).T
    bandwidth = np.sqrt(np.maximum(square - centroid ** 2, 0))
    rolloff = hz[(running >= ROLLOFF * running[:, -1:]).argmax(axis=1)]
    share = held / np.maximum(held.sum(axis=1, keepdims=True), 1e-30)
    bands, slope = _bands(power)
    columns = [centroid * HIGH_HZ, bandwidth * HIGH_HZ, rolloff, _flatness(held), _entropy(share), slope]
    heard = (magnitude.max(axis=1) > 0)[:, None]
    return np.concatenate([np.stack(columns, axis=1) * heard, bands], axis=1).astype(np.float32)


def _flatness(power):
    held = np.maximum(power, np.float32(1e-10))
    return np.exp(np.log(held).mean(axis=1)) / held.mean(axis=1)


def _entropy(share):
    return -(share * np.log(np.maximum(share, np.float32(1e-30)))).sum(axis=1) / np.log(share.shape[1])


def _bands(power):
    """Return (n x 16 levels in dB, their slope n in dB per octave)."""
    running = cumulative(power[:, :HIGH_HZ + 1])
    edges = np.broadcast_to(EDGES_HZ, (len(power), len(EDGES_HZ)))
    bands = between(running, edges[:, :-1], edges[:, 1:])
    levels = 10 * np.log10(np.maximum(bands / np.maximum(bands.sum(axis=1, keepdims=True), 1e-30), 10 ** (FLOOR_DB / 10)))
    octaves = np.log2(EDGES_HZ[:-1] * EDGES_HZ[1:]) / 2
    octaves -= octaves.mean()
    return levels, levels @ octaves / (octaves ** 2).sum()
