import numpy as np
import pytest
from scipy.signal import periodogram, welch

from entoflow.wingbeat import average_spectra


def clips(n, samples, seed=1):
    return np.random.default_rng(seed).normal(0.3, 1, (n, samples)).astype(np.float32)


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=1e-5 * expected.max())


@pytest.mark.parametrize("rate, samples", [(8000, 5000), (2500, 500), (44100, 9000), (8001, 5000), (1000, 3)])
def test_the_spectrum_of_a_short_clip_is_scipys_periodogram(rate, samples):
    given = clips(3, samples)
    expected = periodogram(given.astype(float), rate, "hann", nfft=rate)[1]
    for found, row in zip(average_spectra.average(given, rate).power, expected):
        close(found, row)


def test_the_spectrum_of_a_long_clip_is_scipys_welch():
    given = clips(2, 5120 + 4 * 2560)
    expected = welch(given.astype(float), 8000, "hann", 5120, 2560, 8000)[1]
    for found, row in zip(average_spectra.average(given, 8000).power, expected):
        close(found, row)


def test_a_long_clip_of_any_length_is_the_mean_of_windows_that_cover_all_of_it():
    given, lengths = clips(4, 12000), np.array([12000, 5121, 9000, 5120])
    for row, length, found in zip(given, lengths, average_spectra.average(given, 8000, lengths).power):
        count = 1 + -(-2 * (length - 5120) // 5120)
        starts = np.round(np.linspace(0, length - 5120, count)).astype(int)
        close(found, np.mean([periodogram(row[s:s + 5120].astype(float), 8000, "hann", nfft=8000)[1] for s in starts], axis=0))


def test_what_lies_past_the_length_of_a_clip_changes_nothing():
    given, lengths = clips(70, 3000), np.arange(30, 3000, 43)[:69].tolist() + [3000]
    found = average_spectra.average(given, 8000, lengths)
    for row in (0, 7, 40, 69):
        close(found.power[row], periodogram(given[row, :lengths[row]].astype(float), 8000, "hann", nfft=8000)[1])
    np.testing.assert_allclose(found.resolution_hz, 2 * 8000 / np.array(lengths), rtol=1e-6)


def test_the_resolution_is_where_the_line_of_a_tone_has_its_first_zero_and_never_finer_than_that_of_a_window():
    tone = np.cos(2 * np.pi * 1000 * np.arange(8000) / 8000).astype(np.float32)
    found = average_spectra.average(np.stack([tone, tone]), 8000, [800, 8000])
    assert found.resolution_hz.tolist() == [20.0, 3.125]
    assert found.power[0, [1020, 980]].max() < 1e-6 * found.power[0, 1000] < found.power[0, 1015]


def test_samples_that_are_no_numbers_count_as_0():
    given = clips(2, 400)
    broken, mended = given.copy(), given.copy()
    broken[0, [3, 9]], broken[1, 5] = (np.nan, np.inf), -np.inf
    mended[0, [3, 9]], mended[1, 5] = 0, 0
    np.testing.assert_array_equal(average_spectra.average(broken, 8000).power, average_spectra.average(mended, 8000).power)


@pytest.mark.parametrize("length", [0, 1, 2])
def test_a_clip_of_fewer_than_3_samples_has_no_power(length):
    assert (average_spectra.average(clips(2, 100), 8000, [length, 0]).power == 0).all()


def test_no_clips_give_no_spectra():
    found = average_spectra.average(np.zeros((0, 100), np.float32), 8000)
    assert found.power.shape == (0, 4001) and found.resolution_hz.shape == (0,)
