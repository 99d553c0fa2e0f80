"""Spectrograms as no recorder heard them, for training: moved in time, louder or fainter, with parts struck out, two of them mixed.

All take normalised spectrograms (tensor n x channels x bins x frames, padding 0) and draw from the numpy generator given.
"""
import numpy as np

GAIN = 0.3  # standard deviations of a bin
BANDS, BAND = 2, 0.1  # struck out of each; the widest, as a share of the bins
GAPS, GAP = 2, 0.1  # likewise, of the frames
MIXUP = 0.2  # alpha


def varied(x, frames, targets, rng):
    """Return (spectrograms, frames, targets) of a batch to learn from. frames: n, how many are sound; targets: n x classes, which sum to 1."""
    x = struck_out(louder(rolled(x, frames, rng), frames, rng), rng)
    return mixed(x, frames, targets, rng)


def rolled(x, frames, rng):
    """Move each sound in time by any number of its frames, around its end."""
    import torch

    place, n_frames = torch.arange(x.shape[3], device=x.device), frames[:, None]
    shift = torch.from_numpy(rng.integers(0, x.shape[3], len(x))).to(x.device)[:, None]
    source = torch.where(place < n_frames, (place - shift) % n_frames, place)
    return x.gather(3, source[:, None, None].expand(x.shape))


def louder(x, frames, rng):
    """Add a constant to each sound: a gain, as the values are logarithms of power."""
    import torch

    gain = torch.from_numpy(rng.uniform(-GAIN, GAIN, (len(x), 1, 1, 1)).astype(np.float32)).to(x.device)
    return x + gain * (torch.arange(x.shape[3], device=x.device) < frames[:, None])[:, None, None]


def struck_out(x, rng):
    """Set bands of each to the mean of all training data, which is 0, and gaps in time, too (SpecAugment, Park et al. 2019)."""
    for axis, number, widest in ((2, BANDS, BAND), (3, GAPS, GAP)):
        for _ in range(number):
            x = x.masked_fill(_stripe(x, axis, widest, rng), 0)
    return x


def mixed(x, frames, targets, rng):
    """Return (spectrograms, frames, targets), each mixed with those of another one of the batch (Zhang et al. 2018)."""
    import torch

    order = torch.from_numpy(rng.permutation(len(x))).to(x.device)
    share = torch.from_numpy(rng.beta(MIXUP, MIXUP, len(x)).astype(np.float32)).to(x.device)
    one, other = share[:, None, None, None], 1 - share[:, None, None, None]
    return one * x + other * x[order], torch.maximum(frames, frames[order]), share[:, None] * targets + (1 - share[:, None]) * targets[order]


def _stripe(x, axis, widest, rng):
    """Return what is true in a stripe of each spectrogram, across the other axes."""
    import torch

    size = x.shape[axis]
    width = rng.integers(0, int(widest * size) + 1, len(x))
    start = rng.integers(0, size - width + 1)
    place = np.arange(size)
    inside = (place >= start[:, None]) & (place < (start + width)[:, None])
    return torch.from_numpy(inside).to(x.device)[:, None, :, None] if axis == 2 else torch.from_numpy(inside).to(x.device)[:, None, None]
