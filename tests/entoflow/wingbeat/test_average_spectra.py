import numpy as np
import pytest
from scipy.signal import periodogram, welch

from entoflow.wingbeat import average_spectra


def clips(n, samples, seed=1):
    return np.random.default_rng(seed).normal(0.3, 1, (n, samples)).astype(np.float32)


def close(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=2e-3, atol=1e-5 * expected.max())


@pytest.mark.parametrize(
    "rate, samples", [(8000, 5000), (2500, 500), (44100, 9000), (8001, 5000), (1000, 3)]
)
def test_the_spectrum_of_a_short_clip_is_scipys_periodogram(rate, samples):
    inputs = clips(3, samples)
    expected = periodogram(inputs.astype(float), rate, "hann", nfft=rate)[1]
    for actual, row in zip(average_spectra.average(inputs, rate).power, expected):
        close(actual, row)


def test_the_spectrum_of_a_long_clip_is_scipys_welch():
    inputs = clips(2, 5120 + 4 * 2560)
    expected = welch(inputs.astype(float), 8000, "hann", 5120, 2560, 8000)[1]
    for actual, row in zip(average_spectra.average(inputs, 8000).power, expected):
        close(actual, row)


def test_a_long_clip_of_any_length_is_the_mean_of_windows_that_cover_all_of_it():
    inputs, lengths = clips(4, 12000), np.array([12000, 5121, 9000, 5120])
    for row, length, actual in zip(
        inputs, lengths, average_spectra.average(inputs, 8000, lengths).power
    ):
        count = 1 + -(-2 * (length - 5120) // 5120)
        starts = np.round(np.linspace(0, length - 5120, count)).astype(int)
        close(
            actual,
            np.mean(
                [
                    periodogram(row[s : s + 5120].astype(float), 8000, "hann", nfft=8000)[1]
                    for s in starts
                ],
                axis=0,
            ),
        )


def test_what_lies_past_the_length_of_a_clip_changes_nothing():
    inputs, lengths = clips(70, 3000), np.arange(30, 3000, 43)[:69].tolist() + [3000]
    actual = average_spectra.average(inputs, 8000, lengths)
    for row in (0, 7, 40, 69):
        close(
            actual.power[row],
            periodogram(inputs[row, : lengths[row]].astype(float), 8000, "hann", nfft=8000)[1],
        )
    np.testing.assert_allclose(actual.resolution_hz, 2 * 8000 / np.array(lengths), rtol=1e-6)


def test_the_resolution_is_the_first_zero_of_a_tones_line_and_that_of_a_window_at_best():
    tone = np.cos(2 * np.pi * 1000 * np.arange(8000) / 8000).astype(np.float32)
    actual = average_spectra.average(np.stack([tone, tone]), 8000, [800, 8000])
    assert actual.resolution_hz.tolist() == [20.0, 3.125]
    assert actual.power[0, [1020, 980]].max() < 1e-6 * actual.power[0, 1000] < actual.power[0, 1015]


def test_samples_that_are_no_numbers_count_as_0():
    inputs = clips(2, 400)
    broken, mended = inputs.copy(), inputs.copy()
    broken[0, [3, 9]], broken[1, 5] = (np.nan, np.inf), -np.inf
    mended[0, [3, 9]], mended[1, 5] = 0, 0
    np.testing.assert_array_equal(
        average_spectra.average(broken, 8000).power, average_spectra.average(mended, 8000).power
    )


@pytest.mark.parametrize("length", [0, 1, 2])
def test_a_clip_of_fewer_than_3_samples_has_no_power(length):
    assert (average_spectra.average(clips(2, 100), 8000, [length, 0]).power == 0).all()


def test_no_clips_give_no_spectra():
    actual = average_spectra.average(np.zeros((0, 100), np.float32), 8000)
    assert actual.power.shape == (0, 4001) and actual.resolution_hz.shape == (0,)
