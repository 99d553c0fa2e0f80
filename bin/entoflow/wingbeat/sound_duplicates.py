"""Clips that are the same sound: cut from overlapping files, copied, scaled, shifted.

They must not lie on both sides of a split.
"""

import numpy as np

SAME = 0.999  # cosine of two magnitude spectra; of unrelated noise it is pi / 4
BANDS = 128  # of the spectra that are compared first
BLOCK = 512  # clips, or pairs of clips, at a time
ROUNDING = 1e-5  # of a cosine in float32


def find_first_alike(clips: np.ndarray) -> np.ndarray:
    """Return for each of n clips (n x samples, float32, zero-padded) the first clip that is the
    same sound, or itself (n indices).

    Clips are the same with equal bytes, or with a cosine over SAME of their magnitude spectra
    without the mean. Samples that are not finite count as zeros.
    """
    firsts, distinct = _find_equal(clips)
    bands = np.zeros((len(distinct), BANDS), np.float32)
    for start in range(0, len(distinct), BLOCK):
        block = slice(start, start + BLOCK)
        bands[block] = _band_norms(clips[distinct[block]])
    first_alike = np.arange(len(clips))
    for start in range(0, len(distinct), BLOCK):
        # Norms of bands are never farther apart than the spectra themselves, so no pair is missed.
        cosines = bands[start : start + BLOCK] @ bands.T
        later, earlier = np.nonzero(np.tril(cosines > SAME - ROUNDING, start - 1))
        _compare(clips, distinct[later + start], distinct[earlier], first_alike)
    return first_alike[firsts]


def _compare(
    clips: np.ndarray, later: np.ndarray, earlier: np.ndarray, first_alike: np.ndarray
) -> None:
    """Lower first_alike of the later clips of pairs that are the same sound to the earlier ones."""
    for start in range(0, len(later), BLOCK):
        a = later[start : start + BLOCK]
        b = earlier[start : start + BLOCK]
        cosines = (_unit(_spectra(clips[a])) * _unit(_spectra(clips[b]))).sum(axis=1)
        alike = cosines > SAME
        np.minimum.at(first_alike, a[alike], b[alike])


def _find_equal(clips: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (for each clip the first one of equal bytes, the indices of these first ones)."""
    first_of_bytes: dict[bytes, int] = {}
    firsts = [first_of_bytes.setdefault(clip.tobytes(), place) for place, clip in enumerate(clips)]
    return np.array(firsts, int), np.array(sorted(first_of_bytes.values()), int)


def _spectra(clips: np.ndarray) -> np.ndarray:
    from scipy.fft import next_fast_len, rfft

    usable = np.where(np.isfinite(clips), clips, 0)
    centred = usable - usable.mean(axis=1, keepdims=True)
    return np.abs(rfft(centred, next_fast_len(clips.shape[1], real=True), axis=1))


def _band_norms(clips: np.ndarray) -> np.ndarray:
    """Return n x BANDS: norms of bands of the spectra, each row of length 1."""
    spectra = _spectra(clips)
    edges = np.unique(np.linspace(0, spectra.shape[1], BANDS, endpoint=False, dtype=int))
    norms = np.zeros((len(clips), BANDS), np.float32)
    norms[:, : len(edges)] = np.sqrt(np.add.reduceat(spectra**2, edges, axis=1))
    return _unit(norms)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
