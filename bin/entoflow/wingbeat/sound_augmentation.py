"""Spectrograms as no recorder heard them, for training: moved in time, louder, masked, mixed.

All functions take normalised spectrograms x (tensor n x channels x bins x frames, padding 0) and
draw from the numpy generator that is passed in. n_frames: n, how many frames are sound.
"""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

GAIN = 0.3  # standard deviations of a bin
BANDS = 2  # masked in each spectrogram
BAND = 0.1  # the widest, as a share of the bins
GAPS = 2  # in time, masked in each spectrogram
GAP = 0.1  # the longest, as a share of the frames
MIXUP = 0.2  # alpha
BIN_AXIS = 2
FRAME_AXIS = 3


def augment(
    x: "Tensor", n_frames: "Tensor", targets: "Tensor", rng: np.random.Generator
) -> tuple["Tensor", "Tensor", "Tensor"]:
    """Return (x, n_frames, targets) of a batch to train on. targets: n x classes, rows of sum 1."""
    x = roll(x, n_frames, rng)
    x = change_gain(x, n_frames, rng)
    x = mask(x, rng)
    return mix_up(x, n_frames, targets, rng)


def roll(x: "Tensor", n_frames: "Tensor", rng: np.random.Generator) -> "Tensor":
    """Move each sound in time by any number of its frames, around its end."""
    import torch

    frames = torch.arange(x.shape[3], device=x.device)
    lengths = n_frames[:, None]
    shifts = torch.from_numpy(rng.integers(0, x.shape[3], len(x))).to(x.device)[:, None]
    source = torch.where(frames < lengths, (frames - shifts) % lengths, frames)
    return x.gather(FRAME_AXIS, source[:, None, None].expand(x.shape))


def change_gain(x: "Tensor", n_frames: "Tensor", rng: np.random.Generator) -> "Tensor":
    """Add a constant to each sound: a gain, as the values are logarithms of power."""
    import torch

    gains = rng.uniform(-GAIN, GAIN, (len(x), 1, 1, 1)).astype(np.float32)
    is_sound = torch.arange(x.shape[3], device=x.device) < n_frames[:, None]
    return x + torch.from_numpy(gains).to(x.device) * is_sound[:, None, None]


def mask(x: "Tensor", rng: np.random.Generator) -> "Tensor":
    """Set bands and gaps in time to 0, the mean of all data (SpecAugment, Park et al. 2019)."""
    for _ in range(BANDS):
        x = x.masked_fill(_stripes(x, BIN_AXIS, BAND, rng)[:, None, :, None], 0)
    for _ in range(GAPS):
        x = x.masked_fill(_stripes(x, FRAME_AXIS, GAP, rng)[:, None, None], 0)
    return x


def mix_up(
    x: "Tensor", n_frames: "Tensor", targets: "Tensor", rng: np.random.Generator
) -> tuple["Tensor", "Tensor", "Tensor"]:
    """Return (x, n_frames, targets), mixed with others of the batch (mixup, Zhang et al. 2018)."""
    import torch

    order = torch.from_numpy(rng.permutation(len(x))).to(x.device)
    shares = torch.from_numpy(rng.beta(MIXUP, MIXUP, len(x)).astype(np.float32)).to(x.device)
    rest = 1 - shares
    of_one = shares[:, None, None, None]
    of_other = rest[:, None, None, None]
    mixed = of_one * x + of_other * x[order]
    longest = torch.maximum(n_frames, n_frames[order])
    mixed_targets = shares[:, None] * targets + rest[:, None] * targets[order]
    return mixed, longest, mixed_targets


def _stripes(x: "Tensor", axis: int, widest: float, rng: np.random.Generator) -> "Tensor":
    """Return which places along an axis lie in the stripe of each spectrogram (n x places)."""
    import torch

    size = x.shape[axis]
    widths = rng.integers(0, int(widest * size) + 1, len(x))
    starts = rng.integers(0, size - widths + 1)
    places = np.arange(size)
    is_inside = (places >= starts[:, None]) & (places < (starts + widths)[:, None])
    return torch.from_numpy(is_inside).to(x.device)
