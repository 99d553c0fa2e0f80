"""The table of features of an event: 100 numbers.

They are what an entomologist would measure of a wingbeat, and what speech research adds. All are
free of gain and polarity: the loudness of an event is a matter of its distance and the sensor's
setting, and a model would learn those.
"""

from collections.abc import Sequence

import numpy as np

from entoflow.wingbeat import average_spectra, comb, envelopes, pitch, spectra, spectral_shape
from entoflow.wingbeat.pitch import Pitch
from entoflow.wingbeat.spectra import Grid

CHUNK = 256  # clips at a time
GRID = Grid(window_s=0.064, hop_s=0.016, high_hz=1e9)  # all up to half the sample rate
LINEAR_BANDS = 24
LINEAR_HZ = 2000  # where the highest linear band ends
MEL_BANDS = 40
LFCC = 12
MFCC = 13

PITCH = {
    "f0_hz": ("Hz", "fundamental frequency of the wingbeat, 0 where the event is silent"),
    "f0_confidence": ("0..1", "how sure F0 is; noise alone seldom reaches 0.5"),
    "f0_second": ("ratio", "second best candidate for F0, in multiples of the best"),
    "f0_second_score": ("0..1", "score of the second best candidate, in scores of the best"),
    "f0_octave_risk": ("0 or 1", "whether F0 may be a multiple or a part of the true one"),
}
CEPSTRA = {
    **{
        f"lfcc{i}": (
            "dB",
            f"linear cepstral coefficient {i} of 24 bands up to 2000 Hz, mean over time",
        )
        for i in range(1, LFCC + 1)
    },
    **{
        f"mfcc{i}": (
            "dB",
            f"mel cepstral coefficient {i} of 40 bands up to half the sample rate, mean over time",
        )
        for i in range(1, MFCC + 1)
    },
    **{
        f"mfcc{i}_spread": ("dB", f"mel cepstral coefficient {i}, standard deviation over time")
        for i in range(MFCC)
    },
}
KINDS = {
    "fundamental frequency": PITCH,
    "harmonics": comb.FEATURES,
    "envelope": envelopes.FEATURES,
    "shape of the spectrum": spectral_shape.FEATURES,
    "cepstra": CEPSTRA,
}
# name: (unit, what it is)
FEATURES = PITCH | comb.FEATURES | envelopes.FEATURES | spectral_shape.FEATURES | CEPSTRA


def table(
    clips: np.ndarray,
    sample_rate: int,
    lengths: np.ndarray | Sequence[int] | None = None,
    limits: tuple[float, float] = pitch.LIMITS_HZ,
) -> np.ndarray:
    """Return n x len(FEATURES) float32, always finite, of clips.

    clips: n x samples float, zero-padded past their lengths in samples; sample_rate in Hz; limits:
    lowest and highest F0 in Hz. Raises InputError where they leave no F0 below half the sample
    rate.
    """
    sizes = average_spectra.whole_lengths(clips, lengths)
    rows = np.zeros((len(clips), len(FEATURES)), np.float32)
    for start in range(0, len(clips), CHUNK):
        chunk = slice(start, start + CHUNK)
        levelled = _level(clips[chunk], sizes[chunk])
        rows[chunk] = _features(levelled, sample_rate, sizes[chunk], limits)
    return rows


def _level(clips: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Return clips less their mean, of peak 1 and 0 past their ends."""
    clips = average_spectra.centred(clips, lengths)
    peak = np.abs(clips).max(axis=1, keepdims=True, initial=0)
    return clips / np.where(peak > 0, peak, 1)


def _features(
    clips: np.ndarray, sample_rate: int, lengths: np.ndarray, limits: tuple[float, float]
) -> np.ndarray:
    average = average_spectra.average(clips, sample_rate, lengths)
    event_pitch = pitch.pitch_of_spectra(average, limits)
    columns = [
        _pitch_columns(event_pitch),
        comb.features(average, event_pitch.f0_hz),
        envelopes.features(clips, sample_rate, lengths),
        spectral_shape.features(average.power),
        _cepstra(clips, sample_rate, lengths),
    ]
    return np.concatenate(columns, axis=1)


def _pitch_columns(pitch: Pitch) -> np.ndarray:
    """Return n x 5, columns as in PITCH."""
    ratio = pitch.second_hz / np.where(pitch.f0_hz > 0, pitch.f0_hz, 1)
    columns = [pitch.f0_hz, pitch.confidence, ratio, pitch.second_score, pitch.octave_risk]
    return np.stack(columns, axis=1)


def _cepstra(clips: np.ndarray, sample_rate: int, lengths: np.ndarray) -> np.ndarray:
    """Return n x 38, columns as in CEPSTRA, over the frames whose middle lies in the event."""
    corners = np.linspace(0, min(LINEAR_HZ, sample_rate / 2), LINEAR_BANDS + 2)
    linear_bank = spectra.triangles(corners, sample_rate, GRID)
    mel_bank = spectra.mel_bank(sample_rate, MEL_BANDS, GRID)
    power = spectra.power(clips, sample_rate, GRID, np.concatenate([linear_bank, mel_bank]))
    lfcc = spectra.cepstra(spectra.decibels(power[:, :LINEAR_BANDS]), LFCC + 1)
    mfcc = spectra.cepstra(spectra.decibels(power[:, LINEAR_BANDS:]), MFCC + 1)
    hop = GRID.sizes(sample_rate)[2]
    inside = np.arange(power.shape[2]) * hop < np.maximum(lengths, 1)[:, None]
    weights = (inside / inside.sum(axis=1, keepdims=True)).astype(np.float32)
    lfcc_mean = _weighted_mean(lfcc, weights)
    mfcc_mean = _weighted_mean(mfcc, weights)
    mfcc_spread = np.sqrt(_weighted_mean((mfcc - mfcc_mean[..., None]) ** 2, weights))
    columns = [lfcc_mean[:, 1:], mfcc_mean[:, 1:], mfcc_spread[:, :MFCC]]
    return np.concatenate(columns, axis=1)


def _weighted_mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return n x count of values (n x count x frames) and weights (n x frames)."""
    return (values @ weights[..., None])[..., 0]
