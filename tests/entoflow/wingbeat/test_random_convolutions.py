from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from sklearn.linear_model import RidgeClassifier

from entoflow.task import InputError
from entoflow.wingbeat import random_convolutions


def signals(seed, n, samples):
    """Return n signals as 16-bit sound has them, n x samples: sums of these are exact."""
    return (np.random.default_rng(seed).integers(-200, 200, (n, samples)) / 32768).astype(
        np.float32
    )


def by_hand(series, fitted, most=10**9):
    """Return the features as the paper describes them, each kernel and each bias on its own.

    Of an output, `most` values at most are taken.
    """
    features = []
    start = 0
    for turn, (dilation, count) in enumerate(zip(fitted.dilations, fitted.counts)):
        for number, twos in enumerate(combinations(range(9), 3)):
            kernel = np.zeros(8 * dilation + 1)
            kernel[::dilation] = [2 if weight in twos else -1 for weight in range(9)]
            reach = 4 * dilation if (number + turn) % 2 == 0 else 0
            outputs = []
            for signal in series:
                padded = np.pad(signal.astype(float), reach)
                output = np.correlate(padded, kernel, "valid")
                step = int(np.ceil(len(output) / most))
                outputs.append(output[::step])
            for bias in fitted.biases[start : start + count].astype(float):
                features.append([(output > bias).mean() for output in outputs])
            start += count
    return np.array(features).T


@pytest.mark.parametrize("n, samples", [(3, 9), (5, 10), (2, 60), (1, 200), (1, 2100), (1030, 17)])
def test_features_are_the_shares_above_the_biases_of_a_plain_convolution(n, samples):
    fitted = random_convolutions.fit(signals(1, 4, samples), np.random.default_rng(1))
    series = signals(2, n, samples)
    rows = [0, n - 1]
    np.testing.assert_allclose(
        random_convolutions.transform(series, fitted)[rows],
        by_hand(series[rows], fitted),
        atol=1e-6,
    )


@pytest.mark.parametrize("samples", [200, 201, 520])
def test_of_long_signals_every_second_or_third_output_is_looked_at(samples, monkeypatch):
    monkeypatch.setattr(random_convolutions, "OUTPUTS", 100)
    series = signals(2, 3, samples)
    fitted = random_convolutions.fit(series, np.random.default_rng(1))
    np.testing.assert_allclose(
        random_convolutions.transform(series, fitted), by_hand(series, fitted, 100), atol=1e-6
    )


def test_shares_of_long_signals_are_those_of_all_outputs_to_a_few_hundredths(monkeypatch):
    series = signals(2, 2, 3 * random_convolutions.OUTPUTS)
    fitted = random_convolutions.fit(series, np.random.default_rng(1))
    some = random_convolutions.transform(series, fitted)
    monkeypatch.setattr(random_convolutions, "OUTPUTS", 1 << 20)
    assert abs(some - random_convolutions.transform(series, fitted)).max() < 0.04


@pytest.mark.parametrize("samples", [9, 16, 25, 100, 500, 5000, 40_000])
def test_dilations_rise_from_one_to_the_widest_that_fits_and_share_119_features_of_each_kernel(
    samples,
):
    dilations, counts = random_convolutions.dilations_of(samples)
    assert dilations[0] == 1 and (np.diff(dilations) > 0).all() and len(dilations) <= 32
    assert 8 * dilations[-1] + 1 <= samples < 8 * (dilations[-1] + 1) + 1
    assert counts.sum() == 119 and (counts >= 3).all()


def test_dilations_of_a_signal_of_129_samples_are_as_the_papers_formula_gives_them():
    """Of 2 ** (k 4/31), k from 0 to 31, eight are below 2, five more below 3; the last is 16."""
    dilations, counts = random_convolutions.dilations_of(129)
    assert dilations.tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 16]
    of_each = [sum(d <= 2 ** (4 * k / 31) < d + 1 for k in range(32)) for d in dilations]
    assert of_each[:2] == [8, 5] and np.abs(counts - np.array(of_each) * 119 / 32).max() < 1


@pytest.mark.parametrize("samples", [50, 400])
def test_shares_of_the_one_training_signal_are_one_less_the_quantiles_of_the_golden_ratio(
    samples,
):
    series = np.random.default_rng(3).normal(size=(1, samples)).astype(np.float32)
    fitted = random_convolutions.fit(series, np.random.default_rng(1))
    quantiles = np.arange(1, 9997) * (1 + 5**0.5) / 2 % 1
    lengths = [
        samples - (8 * d if (kernel + turn) % 2 else 0)
        for turn, (d, count) in enumerate(zip(fitted.dilations, fitted.counts))
        for kernel in range(84)
        for _ in range(count)
    ]
    features = random_convolutions.transform(series, fitted)[0]
    assert (abs(features - (1 - quantiles)) <= 1 / np.array(lengths) + 1e-6).all()


def test_a_constant_signal_within_is_above_the_biases_below_0_alone_as_each_kernel_sums_to_0():
    fitted = random_convolutions.fit(signals(1, 4, 100), np.random.default_rng(1))
    fitted.biases[::3] = 0
    features = random_convolutions.transform(np.full((1, 100), 77 / 32768, np.float32), fitted)[0]
    kernels = np.concatenate(
        [np.repeat((np.arange(84) + turn) % 2, count) for turn, count in enumerate(fitted.counts)]
    )
    np.testing.assert_array_equal(features[kernels == 1], (fitted.biases < 0)[kernels == 1])


@pytest.mark.parametrize("gain", [2.0, 0.125, -1.0])
def test_a_gain_of_signals_and_biases_alike_changes_nothing_and_a_polarity_turns_shares_round(gain):
    training, series = np.random.default_rng(1).normal(size=(2, 6, 90)).astype(np.float32)
    fitted = random_convolutions.fit(training, np.random.default_rng(1))
    changed = replace(fitted, biases=fitted.biases * np.float32(gain))
    features = random_convolutions.transform(series * np.float32(gain), changed)
    before = random_convolutions.transform(series, fitted)
    np.testing.assert_allclose(features, before if gain > 0 else 1 - before, atol=1e-6)


def test_a_signal_has_the_same_features_alone_as_among_many():
    series = signals(4, 700, 600)
    fitted = random_convolutions.fit(series, np.random.default_rng(1))
    features = random_convolutions.transform(series, fitted)
    for row in (0, 435, 436, 437, 699):
        np.testing.assert_array_equal(
            random_convolutions.transform(series[row : row + 1], fitted)[0], features[row]
        )


def test_the_generator_decides_which_signals_are_learned_from_and_nothing_else():
    series = signals(5, 20, 80)
    one, same, other = (
        random_convolutions.fit(series, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert (one.biases == same.biases).all() and (one.dilations == same.dilations).all()
    assert (one.biases != other.biases).mean() > 0.5 and (one.dilations == other.dilations).all()


def test_ridge_on_the_features_tells_pitches_apart_that_differ_by_a_tenth_and_start_anywhere():
    rng, time = np.random.default_rng(7), np.arange(400) / 4000
    truth = np.arange(120) % 2
    series = np.array(
        [np.sin(2 * np.pi * (300 + 30 * output) * (time + rng.random())) for output in truth]
    ) + 0.5 * rng.normal(size=(120, 400))
    series = series.astype(np.float32)
    features = random_convolutions.transform(
        series, random_convolutions.fit(series[:60], np.random.default_rng(1))
    )
    assert (
        RidgeClassifier(alpha=100).fit(features[:60], truth[:60]).score(features[60:], truth[60:])
        > 0.9
    )


@pytest.mark.parametrize(
    "series, sentence",
    [
        (
            np.zeros((3, 8)),
            "found 3 signals of 8 samples; wanted at least one, of nine samples or more",
        ),
        (np.zeros((0, 50)), "found 0 signals of 50 samples; wanted at least one"),
        (np.full((2, 50), np.nan), "samples that are no numbers"),
        (np.full((2, 50), np.inf), "samples that are no numbers"),
    ],
)
def test_signals_that_have_no_features_are_refused(series, sentence):
    with pytest.raises(InputError, match=sentence):
        random_convolutions.fit(series.astype(np.float32), np.random.default_rng(1))


def test_signals_of_another_length_are_refused():
    fitted = random_convolutions.fit(signals(8, 2, 50), np.random.default_rng(1))
    with pytest.raises(
        InputError,
        match="signals have 60 samples; wanted 50, as those that the model was trained on",
    ):
        random_convolutions.transform(signals(8, 2, 60), fitted)
