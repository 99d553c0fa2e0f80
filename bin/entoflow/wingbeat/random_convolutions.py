"""Features of signals by 84 small kernels at many widths: MiniRocket.

As its paper describes it (Dempster, Schmidt and Webb 2021, KDD, arXiv:2012.08791): a kernel has
nine weights, six of -1 and three of 2, so its output is three times the sum of three samples less
the sum of nine, and at one width (dilation) all kernels share the nine. A feature is the share of
an output that is above a bias, and biases are quantiles of the outputs of training signals. Nothing
but which signals these are is left to chance. Signals are of one length. Beyond the paper: of long
signals every second output, or third .., is taken, as some thousands tell a share to a hundredth.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from entoflow.task import InputError

KERNELS = np.array(list(combinations(range(9), 3)))  # 84 x 3: which weights are 2
N_KERNELS = len(KERNELS)
EACH = 119  # features of a kernel: 9,996 of all
MOST_DILATIONS = 32  # of a kernel
# Multiples of the golden ratio, modulo 1, are spread evenly however many there are.
GOLDEN = (np.sqrt(5) + 1) / 2
OUTPUTS = 1 << 12  # of a kernel that are taken, at most
SAMPLES = 1 << 18  # of a block of signals
# Samples that are compared at a time: they stay in the cache, and a column of HIGH is counted in a
# byte.
HIGH = 64
WIDE = 1024
BIASES = 4  # compared at a time


@dataclass(frozen=True)
class Convolutions:
    """By what signals of one length are transformed."""

    dilations: np.ndarray  # D, rising
    counts: np.ndarray  # D, number of biases of each kernel at a dilation
    biases: np.ndarray  # 9,996 float32, in the order dilation, kernel, bias
    n_samples: int  # of a signal


def fit(series: np.ndarray, rng: np.random.Generator) -> Convolutions:
    """Return the convolutions for signals like these (n x samples, float32).

    Raises InputError for no signals, fewer than nine samples, or samples that are no numbers.
    """
    n, n_samples = _check(series)
    dilations, counts = dilations_of(n_samples)
    quantiles = np.arange(1, EACH * N_KERNELS + 1) * GOLDEN % 1
    of_dilations = np.split(quantiles, np.cumsum(counts)[:-1] * N_KERNELS)
    biases = []
    for turn, dilation in enumerate(dilations):
        drawn = series[rng.integers(0, n, N_KERNELS)]  # a signal for each kernel
        of_kernels = of_dilations[turn].reshape(N_KERNELS, -1)
        biases.append(_biases(drawn, dilation, turn, of_kernels))
    return Convolutions(dilations, counts, np.concatenate(biases).astype(np.float32), n_samples)


def transform(series: np.ndarray, convolutions: Convolutions) -> np.ndarray:
    """Return the features of signals (n x samples, float32): n x 9,996 shares, float32.

    They are in the order dilation, kernel, bias. Memory for all else does not grow with n. Raises
    InputError as fit() does, and for signals of another length than the training signals.
    """
    n, n_samples = _check(series)
    if n_samples != convolutions.n_samples:
        raise InputError(
            f"signals have {n_samples} samples; wanted {convolutions.n_samples}, as those that the "
            "model was trained on."
        )
    features = np.empty((n, len(convolutions.biases)), np.float32)
    # A power of two, so that WIDE is a multiple of it.
    at_once = _power_of_two(min(WIDE, SAMPLES // min(n_samples, OUTPUTS)))
    for start in range(0, n, at_once):
        block = slice(start, start + at_once)
        features[block] = _transform_block(series[block], convolutions)
    return features


def dilations_of(n_samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the dilations (D, rising) and how many features each kernel has at each (D, sum EACH).

    They are the whole numbers below 2 ** x, x evenly from 0 to where a kernel is as long as the
    signal; one that comes of several x has more of the features.
    """
    exponents = np.linspace(0, np.log2((n_samples - 1) / 8), MOST_DILATIONS)
    dilations, frequencies = np.unique((2**exponents + 1e-9).astype(int), return_counts=True)
    cumulative = np.round(np.cumsum(frequencies) * EACH / MOST_DILATIONS).astype(int)
    return dilations, np.diff(cumulative, prepend=0)


def _power_of_two(number: int) -> int:
    """Return the highest power of two that is not above a number, at least 1."""
    return 1 << max(0, number.bit_length() - 1)


def _check(series: np.ndarray) -> tuple[int, int]:
    n, n_samples = np.shape(series)
    if n_samples < 9 or n < 1:
        raise InputError(
            f"found {n} signals of {n_samples} samples; "
            "wanted at least one, of nine samples or more."
        )
    if not np.isfinite(series).all():
        raise InputError(
            "signals have samples that are no numbers (NaN or infinite); wanted finite ones."
        )
    return n, n_samples


def _biases(series: np.ndarray, dilation: int, turn: int, quantiles: np.ndarray) -> np.ndarray:
    """Return quantiles (84 x q) of the outputs of kernels, each for its signal (84 x samples)."""
    biases = np.empty_like(quantiles)
    n_samples = series.shape[1]
    for kernels, cut in _halves(dilation, turn):
        columns = np.arange(len(kernels))
        padded = _pad(series[kernels], dilation)
        shifts = np.stack(_shifts(padded, dilation, _outputs(n_samples, cut)))
        first, second, third = KERNELS[kernels].T
        twos = shifts[first, :, columns] + shifts[second, :, columns] + shifts[third, :, columns]
        outputs = 3 * twos.T - shifts.sum(axis=0)
        rising = np.sort(outputs, axis=0)
        places = quantiles[kernels].T * (len(outputs) - 1)
        below = places.astype(int)
        above = np.minimum(below + 1, len(outputs) - 1)
        step = rising[above, columns] - rising[below, columns]
        biases[kernels] = (rising[below, columns] + (places - below) * step).T
    return biases.ravel()


def _halves(dilation: int, turn: int) -> Iterator[tuple[np.ndarray, int]]:
    """Yield (kernels, cut) of both halves of the kernels, which take turns.

    One has outputs up to the ends, with zeros beyond; the other only where all weights meet
    samples.
    """
    yield np.arange(turn % 2, N_KERNELS, 2), 0
    yield np.arange((turn + 1) % 2, N_KERNELS, 2), 4 * dilation


def _pad(series: np.ndarray, dilation: int) -> np.ndarray:
    """Return signals as samples x n, so that a shift is a slice, with zeros at both ends."""
    transposed = np.ascontiguousarray(series.T, np.float32)
    return np.pad(transposed, ((4 * dilation, 4 * dilation), (0, 0)))


def _outputs(n_samples: int, cut: int) -> range:
    """Return which outputs are taken, of those that are `cut` from both ends at least."""
    step = max(1, -(-(n_samples - 2 * cut) // OUTPUTS))
    return range(cut, n_samples - cut, step)


def _shifts(padded: np.ndarray, dilation: int, outputs: range) -> list[np.ndarray]:
    """Return what each of nine weights meets for a range of outputs: views of samples x n."""
    shifts = []
    for weight in range(9):
        shift = weight * dilation
        shifts.append(padded[outputs.start + shift : outputs.stop + shift : outputs.step])
    return shifts


def _transform_block(series: np.ndarray, convolutions: Convolutions) -> np.ndarray:
    """Return the features of a few signals: n x 9,996."""
    n, n_samples = series.shape
    width = WIDE // n
    ends = np.cumsum(convolutions.counts)[:-1] * N_KERNELS
    biases_of_dilations = np.split(convolutions.biases, ends)
    shares = []
    for turn, dilation in enumerate(convolutions.dilations):
        tripled = 3 * _pad(series, dilation)
        biases = biases_of_dilations[turn].reshape(N_KERNELS, -1)
        share = np.empty((*biases.shape, n), np.float32)
        for kernels, cut in _halves(dilation, turn):
            outputs = _outputs(n_samples, cut)
            counts = np.zeros((len(kernels), biases.shape[1], n), np.float32)
            for start in range(0, len(outputs), HIGH * width):
                part = outputs[start : start + HIGH * width]
                counts += _count_above(
                    _shifts(tripled, dilation, part), kernels, biases[kernels], width
                )
            share[kernels] = counts / np.float32(len(outputs))
        shares.append(share.reshape(-1, n))
    return np.concatenate(shares).T


def _count_above(
    tripled: Sequence[np.ndarray], kernels: np.ndarray, biases: np.ndarray, width: int
) -> np.ndarray:
    """Return how many outputs are above each bias: kernels x biases x n.

    tripled: the nine shifts (at most HIGH width samples x n), times three. Where these are whole
    numbers, as of 16-bit sound, all here is exact: outputs that equal a bias are not above it. Sums
    of one byte run down columns that are `width` samples apart. Neighbouring kernels share their
    first weights, whose sums are kept from one to the next.
    """
    length, n = tripled[0].shape
    minus_nine = sum(tripled) / np.float32(-3)
    plus_one = np.empty((length, n), np.float32)
    plus_two = np.empty((length, n), np.float32)
    output = np.empty((length, n), np.float32)
    is_above = np.zeros((BIASES, -(-length // width) * width, n), bool)
    columns = is_above.view(np.uint8).reshape(BIASES, -1, width * n)
    counts = np.empty((*biases.shape, width * n), np.uint8)
    last_first: int | None = None
    last_second: int | None = None
    for kernel, (first, second, third) in enumerate(KERNELS[kernels].tolist()):
        if first != last_first:
            np.add(minus_nine, tripled[first], out=plus_one)
        if (first, second) != (last_first, last_second):
            np.add(plus_one, tripled[second], out=plus_two)
        np.add(plus_two, tripled[third], out=output)
        last_first = first
        last_second = second
        for start in range(0, biases.shape[1], BIASES):
            some = biases[kernel, start : start + BIASES]
            n_some = len(some)
            np.greater(output, some[:, None, None], out=is_above[:n_some, :length])
            place = counts[kernel, start : start + BIASES]
            np.add.reduce(columns[:n_some], axis=1, dtype=np.uint8, out=place)
    by_column = counts.reshape(*counts.shape[:2], width, n)
    total: np.ndarray = by_column.sum(axis=2, dtype=np.float32)
    return total
