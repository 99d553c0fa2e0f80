"""Features of signals by 84 small kernels at many widths: MiniRocket, as its paper tells it (Dempster, Schmidt and Webb 2021, KDD, arXiv:2012.08791).

A kernel has nine weights, six of -1 and three of 2, so its output is three times the sum of three samples less the sum of nine, and at one width (dilation)
all kernels share the nine. A feature is the share of an output that is above a bias, and biases are quantiles of outputs for signals to learn from. Nothing
but which signals these are is left to chance. Signals are of one length. Beyond the paper: of long signals every second output, or third.. is looked at,
as some thousands tell a share to a hundredth.
"""
from itertools import combinations

import numpy as np

from entoflow.task import InputError

KERNELS = np.array(list(combinations(range(9), 3)))  # 84 x 3: which weights are 2
EACH = 119  # features of a kernel: 9,996 of all
MOST_DILATIONS = 32  # of a kernel
GOLDEN = (np.sqrt(5) + 1) / 2  # its multiples, less whole numbers, are spread evenly however many there are
OUTPUTS = 1 << 12  # of a kernel that are looked at, at most
SAMPLES = 1 << 18  # of a block of signals that are looked at
HIGH, WIDE = 64, 1024  # samples that are compared at a time: they stay in the cache, and a column counts to 255 at most
BIASES = 4  # compared at a time


def fit(series, rng):
    """Return what series of this length are transformed by, as arrays: dilations (D), counts (D: biases of each kernel), biases (9,996), samples (1).

    series: n x samples, float32. rng: a numpy Generator. Raises InputError for no series, fewer than nine samples, or samples that are no numbers.
    """
    n, samples = _checked(series)
    dilations, counts = _dilations(samples)
    quantiles = np.split(np.arange(1, EACH * len(KERNELS) + 1) * GOLDEN % 1, np.cumsum(counts)[:-1] * len(KERNELS))
    biases = [_biases(series[rng.integers(0, n, len(KERNELS))], dilation, turn, own.reshape(len(KERNELS), -1))
              for turn, (dilation, own) in enumerate(zip(dilations, quantiles))]
    return {"dilations": dilations, "counts": counts, "biases": np.concatenate(biases).astype(np.float32), "samples": np.array([samples])}


def transform(series, fitted):
    """Return the features of series (n x samples, float32): n x 9,996 shares, float32, in the order dilation, kernel, bias.

    Beside them, memory does not grow with n. Raises InputError as fit does, and for series of another length than those that were learned from.
    """
    n, samples = _checked(series)
    if samples != fitted["samples"][0]:
        raise InputError(f"signals have {samples} samples; wanted {fitted['samples'][0]}, as those that were learned from.")
    features, at_once = np.empty((n, len(fitted["biases"])), np.float32), _power_of_two(min(WIDE, SAMPLES // min(samples, OUTPUTS)))
    for start in range(0, n, at_once):
        features[start:start + at_once] = _block(series[start:start + at_once], fitted)
    return features


def _power_of_two(number):
    """Return the highest power of two that is not above a number, at least 1: WIDE is a multiple of it."""
    return 1 << max(0, number.bit_length() - 1)


def _checked(series):
    n, samples = np.shape(series)
    if samples < 9 or n < 1:
        raise InputError(f"found {n} signals of {samples} samples; wanted at least one, of nine samples or more.")
    if not np.isfinite(series).all():
        raise InputError("signals have samples that are no numbers (NaN or infinite); wanted finite ones.")
    return n, samples


def _dilations(samples):
    """Return the dilations (D, rising) and how many features of each kernel are at each (D, of sum EACH).

    Whole numbers below 2 ** x, x evenly from 0 to where a kernel is as long as the series; one that comes of more x has more of the features.
    """
    exponents = np.linspace(0, np.log2((samples - 1) / 8), MOST_DILATIONS)
    dilations, of_each = np.unique((2 ** exponents + 1e-9).astype(int), return_counts=True)
    return dilations, np.diff(np.round(np.cumsum(of_each) * EACH / MOST_DILATIONS).astype(int), prepend=0)


def _biases(series, dilation, turn, quantiles):
    """Return the quantiles (84 x q) of the outputs of 84 kernels, each for a series of its own (84 x samples), in one row."""
    biases, samples = np.empty_like(quantiles), series.shape[1]
    for kernels, cut in _halves(dilation, turn):
        shifts = np.stack(_shifts(_padded(series[kernels], dilation), dilation, _outputs(samples, cut)))
        three = sum(shifts[KERNELS[kernels, weight], :, np.arange(len(kernels))] for weight in range(3))
        outputs = 3 * three.T - shifts.sum(axis=0)
        rising, places = np.sort(outputs, axis=0), quantiles[kernels].T * (len(outputs) - 1)
        below, column = places.astype(int), np.arange(len(kernels))
        above = np.minimum(below + 1, len(outputs) - 1)
        biases[kernels] = (rising[below, column] + (places - below) * (rising[above, column] - rising[below, column])).T
    return biases.ravel()


def _halves(dilation, turn):
    """Yield (kernels, cut): half of them have outputs up to the ends, with zeros beyond, half only where all weights meet samples, taking turns."""
    yield np.arange(turn % 2, len(KERNELS), 2), 0
    yield np.arange((turn + 1) % 2, len(KERNELS), 2), 4 * dilation


def _padded(series, dilation):
    """Return series as samples x n, so that a shift is a slice, with zeros at both ends."""
    return np.pad(np.ascontiguousarray(series.T, np.float32), ((4 * dilation, 4 * dilation), (0, 0)))


def _outputs(samples, cut):
    """Return which outputs are looked at, of those that are `cut` from both ends at least."""
    return range(cut, samples - cut, max(1, -(-(samples - 2 * cut) // OUTPUTS)))


def _shifts(padded, dilation, outputs):
    """Return what each of nine weights meets for a range of outputs: views of samples x n."""
    return [padded[outputs.start + weight * dilation:outputs.stop + weight * dilation:outputs.step] for weight in range(9)]


def _block(series, fitted):
    """Return the features of a few series: n x 9,996."""
    shares, (n, samples) = [], series.shape
    width, biases = WIDE // n, np.split(fitted["biases"], np.cumsum(fitted["counts"])[:-1] * len(KERNELS))
    for turn, (dilation, own) in enumerate(zip(fitted["dilations"], biases)):
        tripled, own = 3 * _padded(series, dilation), own.reshape(len(KERNELS), -1)
        share = np.empty((*own.shape, n), np.float32)
        for kernels, cut in _halves(dilation, turn):
            outputs = _outputs(samples, cut)
            parts = [outputs[start:start + HIGH * width] for start in range(0, len(outputs), HIGH * width)]
            share[kernels] = sum(_above(_shifts(tripled, dilation, part), kernels, own[kernels], width) for part in parts) / np.float32(len(outputs))
        shares.append(share.reshape(-1, n))
    return np.concatenate(shares).T


def _above(tripled, kernels, biases, width):
    """Return how many outputs are above each bias: kernels x biases x n.

    tripled: the nine shifts (at most HIGH width samples x n), times three. Where these are whole numbers, as of 16-bit sound, all here is exact: outputs that
    equal a bias are not above it. Sums of one byte run down columns that are `width` samples apart.
    """
    length, n = tripled[0].shape
    nine, (one, two, output) = sum(tripled) / np.float32(-3), np.empty((3, length, n), np.float32)
    is_above = np.zeros((BIASES, -(-length // width) * width, n), bool)
    columns, counts = is_above.view(np.uint8).reshape(BIASES, -1, width * n), np.empty((*biases.shape, width * n), np.uint8)
    last, biases = (None, None), biases[:, :, None, None]
    for kernel, (i, j, k) in enumerate(KERNELS[kernels].tolist()):
        if i != last[0]:
            np.add(nine, tripled[i], out=one)
        if (i, j) != last:
            np.add(one, tripled[j], out=two)
        np.add(two, tripled[k], out=output)
        last = i, j
        for start in range(0, biases.shape[1], BIASES):
            some = biases[kernel, start:start + BIASES]
            np.greater(output, some, out=is_above[:len(some), :length])
            np.add.reduce(columns[:len(some)], axis=1, dtype=np.uint8, out=counts[kernel, start:start + BIASES])
    return counts.reshape(*counts.shape[:2], width, n).sum(axis=2, dtype=np.float32)
