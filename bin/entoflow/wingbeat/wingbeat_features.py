"""The table of features: what an entomologist would measure of a wingbeat, and what speech research adds, 100 numbers per event.

All are free of gain and polarity: how loud an event is tells its distance and the sensor's setting, and a model would learn those.
"""
import numpy as np

from entoflow.wingbeat import average_spectra, comb, envelopes, pitch, spectra, spectral_shape

CHUNK = 256  # clips at a time
GRID = spectra.Grid(window_s=0.064, hop_s=0.016, high_hz=1e9)  # all up to half the sample rate
LINEAR_BANDS, MEL_BANDS = 24, 40
LFCC, MFCC = 12, 13

PITCH = {
    "f0_hz": ("Hz", "fundamental frequency of the wingbeat, 0 where the event is silent"),
    "f0_confidence": ("0..1", "how sure F0 is; noise alone seldom reaches 0.5"),
    "f0_second": ("ratio", "second best candidate for F0, in multiples of the best"),
    "f0_second_score": ("0..1", "score of the second best candidate, in scores of the best"),
    "f0_octave_risk": ("0 or 1", "whether F0 may be a multiple or a part of the true one"),
}
CEPSTRA = {
    **{f"lfcc{i}": ("dB", f"linear cepstral coefficient {i} of 24 bands up to 2000 Hz, mean over time") for i in range(1, LFCC + 1)},
    **{f"mfcc{i}": ("dB", f"mel cepstral coefficient {i} of 40 bands up to half the sample rate, mean over time") for i in range(1, MFCC + 1)},
    **{f"mfcc{i}_spread": ("dB", f"mel cepstral coefficient {i}, standard deviation over time") for i in range(MFCC)},
}
KINDS = {"fundamental frequency": PITCH, "harmonics": comb.FEATURES, "envelope": envelopes.FEATURES, "shape of the spectrum": spectral_shape.FEATURES,
         "cepstra": CEPSTRA}
FEATURES = {name: said for kind in KINDS.values() for name, said in kind.items()}  # name: (unit, what it is)


def table(clips, sample_rate, lengths=None, limits=pitch.LIMITS_HZ):
    """Return n x len(FEATURES) float32, always finite, of clips (n x samples float, zero-padded past their lengths in samples).

    sample_rate in Hz, an integer; limits: lowest and highest F0 in Hz. Raises InputError if they leave no F0 below half the sample rate.
    """
    lengths = np.full(len(clips), clips.shape[1]) if lengths is None else np.asarray(lengths)
    made = np.zeros((len(clips), len(FEATURES)), np.float32)
    for start in range(0, len(clips), CHUNK):
        rows = slice(start, start + CHUNK)
        made[rows] = _chunk(_levelled(clips[rows], lengths[rows]), sample_rate, lengths[rows], limits)
    return made


def _levelled(clips, lengths):
    """Return clips less their mean, of peak 1 and 0 past their ends."""
    clips = average_spectra.centred(clips, lengths)
    peak = np.abs(clips).max(axis=1, keepdims=True, initial=0)
    return clips / np.where(peak > 0, peak, 1)


def _chunk(clips, sample_rate, lengths, limits):
    average = average_spectra.average(clips, sample_rate, lengths)
    found = pitch.of_spectra(average, limits)
    f0 = np.stack([found.f0_hz, found.confidence, found.second_hz / np.where(found.f0_hz > 0, found.f0_hz, 1),
                   found.second_score, found.octave_risk], axis=1)
    return np.concatenate([f0, comb.features(average, found.f0_hz), envelopes.features(clips, sample_rate, lengths),
                           spectral_shape.features(average.power), _cepstra(clips, sample_rate, lengths)], axis=1)


def _cepstra(clips, sample_rate, lengths):
    """Return n x 38: means and spreads of cepstra over the frames whose middle lies in the event."""
    linear = spectra.triangles(np.linspace(0, min(2000, sample_rate / 2), LINEAR_BANDS + 2), sample_rate, GRID)
    power = spectra.in_bands(clips, sample_rate, np.concatenate([linear, spectra.mel_bank(sample_rate, MEL_BANDS, GRID)]), GRID)
    lfcc = spectra.cepstra(spectra.decibels(power[:, :LINEAR_BANDS]), LFCC + 1)
    mfcc = spectra.cepstra(spectra.decibels(power[:, LINEAR_BANDS:]), MFCC + 1)
    inside = np.arange(power.shape[2]) * GRID.sizes(sample_rate)[2] < np.maximum(lengths, 1)[:, None]
    weights = (inside / inside.sum(axis=1, keepdims=True)).astype(np.float32)
    means = [(part @ weights[..., None])[..., 0] for part in (lfcc, mfcc)]
    spread = np.sqrt(((mfcc - means[1][..., None]) ** 2 @ weights[..., None])[..., 0])
    return np.concatenate([means[0][:, 1:], means[1][:, 1:], spread[:, :MFCC]], axis=1)
