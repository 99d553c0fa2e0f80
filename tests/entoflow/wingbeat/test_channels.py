import numpy as np
import pytest

from entoflow.wingbeat import channels

A, B = np.random.default_rng(1).normal(size=(2, 6000))
ZERO = np.zeros(6000)


def chosen(*columns, blocks=4):
    return channels.choose(
        channels.covariance(np.array_split(np.stack(columns, axis=1), blocks))[0]
    )


@pytest.mark.parametrize("blocks", [1, 2, 7])
def test_the_covariance_is_that_of_numpy_however_the_samples_come(blocks):
    samples = np.stack([A + 3, 2 * B - 100, A - B], axis=1)
    actual, n_finite = channels.covariance(np.array_split(samples, blocks))
    np.testing.assert_allclose(actual, np.cov(samples.T, bias=True), rtol=1e-9)
    assert n_finite == samples.size


def test_a_constant_channel_has_exactly_no_power_in_float32():
    samples = np.stack([np.full(6000, 0.1, np.float32), A.astype(np.float32)], axis=1)
    assert channels.covariance([samples[:999], samples[999:]])[0][0].tolist() == [0, 0]


def test_samples_that_are_no_number_count_as_silence():
    holed, filled = A.copy(), A.copy()
    holed[5:9], filled[5:9] = [np.nan, np.inf, -np.inf, np.nan], 0
    actual, n_finite = channels.covariance([holed[:, None]])
    np.testing.assert_allclose(actual, [[filled.var()]])
    assert n_finite == 5996


@pytest.mark.parametrize(
    "columns, taken, note",
    [
        ((A,), (1,), None),
        ((ZERO,), (1,), None),
        ((A, B), (1, 2), "the mean of channels 1, 2 of 2 is taken"),
        ((A, A), (1, 2), "the mean of channels 1, 2 of 2 is taken"),
        ((A, 0.1 * A), (1, 2), "the mean of channels 1, 2 of 2 is taken"),
        ((A, ZERO), (1,), "channel 1 of 2 is taken; no signal in 2"),
        ((ZERO + 0.3, A), (2,), "channel 2 of 2 is taken; no signal in 1"),
        ((A, 1e-4 * B), (1,), "channel 1 of 2 is taken; no signal in 2"),
        ((A, ZERO, B, ZERO), (1, 3), "the mean of channels 1, 3 of 4 is taken; no signal in 2, 4"),
        ((A, -1.1 * A), (2,), "channel 2 of 2 is taken; 1, 2 cancel each other"),
        (
            (A, ZERO, -0.9 * A),
            (1,),
            "channel 1 of 3 is taken; no signal in 2; 1, 3 cancel each other",
        ),
        ((ZERO, ZERO + 1), (1, 2), "the mean of channels 1, 2 of 2 is taken"),
    ],
)
def test_the_channels_taken_are_those_with_a_signal_and_what_was_done_is_told(columns, taken, note):
    assert chosen(*columns) == channels.Choice(taken, note)


@pytest.mark.parametrize("scale", [1e-6, 1, 1e6])
def test_the_choice_does_not_depend_on_the_level_or_an_offset(scale):
    assert chosen(scale * A + 5 * scale, -0.9 * scale * A, scale * ZERO).channels == (
        1,
    ) and chosen(scale * A, scale * (B - 9)).channels == (1, 2)


@pytest.mark.parametrize(
    "taken, expected", [((2,), [2, 5]), ((1, 3), [2, 5]), ((1, 2, 3), [2, 5]), ((1,), [1, 4])]
)
def test_a_mix_is_the_mean_of_the_channels_taken(taken, expected):
    actual = channels.mix(np.array([[1, 2, 3], [4, 5, 6]], np.float32), taken)
    assert (actual.tolist(), actual.dtype) == (expected, np.float32)


def test_a_channel_that_is_not_taken_does_not_spoil_the_mix():
    assert channels.mix(np.array([[np.nan, 2], [4, 5]], np.float32), (2,)).tolist() == [2, 5]
