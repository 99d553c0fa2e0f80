"""Clips that are the same sound twice: cut from overlapping files, copied, scaled, shifted. They must not lie on both sides of a split."""
import numpy as np

SAME = 0.999  # cosine of two magnitude spectra; of unrelated noise it is pi / 4
POOLED = 128  # bands of the spectra compared first
BLOCK = 512  # clips, or pairs of clips, at a time


def first_alike(clips):
    """Return for each of n clips (n x samples, float32, zero-padded) the first clip that is the same sound, or itself: n indices.

    The same are clips of equal bytes or with a cosine of their magnitude spectra, without the mean, over 0.999. Non-finite samples count as zeros.
    """
    firsts, distinct = _equal(clips)
    spectra = np.concatenate([np.zeros((0, POOLED), np.float32), *(_pooled(clips[distinct[k:k + BLOCK]]) for k in range(0, len(distinct), BLOCK))])
    found = np.arange(len(clips))
    for k in range(0, len(distinct), BLOCK):  # norms of bands are never farther apart than what they are norms of: no pair is missed
        later, earlier = np.nonzero(np.tril(spectra[k:k + BLOCK] @ spectra.T > SAME - 1e-5, k - 1))
        later, earlier = distinct[later + k], distinct[earlier]
        for j in range(0, len(later), BLOCK):
            a, b = later[j:j + BLOCK], earlier[j:j + BLOCK]
            alike = (_unit(_spectra(clips[a])) * _unit(_spectra(clips[b]))).sum(axis=1) > SAME
            np.minimum.at(found, a[alike], b[alike])
    return found[firsts]


def _equal(clips):
    """Return (the first clip of equal bytes for each, indices of these firsts)."""
    seen = {}
    firsts = np.array([seen.setdefault(clip.tobytes(), at) for at, clip in enumerate(clips)], int)
    return firsts, np.array(sorted(seen.values()), int)


def _spectra(clips):
    from scipy.fft import next_fast_len, rfft

    usable = np.where(np.isfinite(clips), clips, 0)
    moving = usable - usable.mean(axis=1, keepdims=True)
    return np.abs(rfft(moving, next_fast_len(clips.shape[1], real=True), axis=1))


def _pooled(clips):
    spectra = _spectra(clips)
    edges = np.unique(np.linspace(0, spectra.shape[1], POOLED, endpoint=False, dtype=int))
    norms = np.zeros((len(clips), POOLED), np.float32)
    norms[:, :len(edges)] = np.sqrt(np.add.reduceat(spectra ** 2, edges, axis=1))
    return _unit(norms)


def _unit(vectors):
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
