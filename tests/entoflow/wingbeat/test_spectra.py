import librosa
import numpy as np
import pytest

from entoflow.wingbeat import spectra

CASES = [
    (8000, 5000, spectra.Grid()),
    (8000, 5000, spectra.Grid(high_hz=4000)),
    (8000, 1200, spectra.Grid(0.032, 0.005, 3000)),
    (2500, 500, spectra.Grid(high_hz=1200)),
    (44100, 12000, spectra.Grid(0.064, 0.02, 20000)),
    (16000, 100, spectra.Grid()),
]


def clips(n, samples, rate, seed=1):
    """Tones in noise, with levels that differ and move."""
    rng = np.random.default_rng(seed)
    times = np.arange(samples) / rate
    tones = np.cos(2 * np.pi * rng.uniform(80, 0.4 * rate, (n, 1)) * times) * np.hanning(samples)
    return ((tones + 0.1 * rng.normal(size=(n, samples))) * rng.uniform(0.01, 1, (n, 1))).astype(
        np.float32
    )


def log_mel(inputs, rate, bands=64, grid=spectra.GRID):
    """Return n x bands x frames in dB.

    Oracle: librosa.power_to_db(librosa.feature.melspectrogram(...)) of each clip.
    """
    return spectra.decibels(spectra.power(inputs, rate, grid, spectra.mel_bank(rate, bands, grid)))


def of_librosa(clip, rate, grid, **more):
    window, points, hop = grid.sizes(rate)
    return {"y": clip, "sr": rate, "n_fft": points, "win_length": window, "hop_length": hop, **more}


@pytest.mark.parametrize("rate, samples, grid", CASES)
def test_power_is_that_of_librosas_stft_up_to_the_highest_frequency(rate, samples, grid):
    inputs = clips(3, samples, rate)
    actual = spectra.power(inputs, rate, grid)
    window, points, hop = grid.sizes(rate)
    for row, clip in zip(actual, inputs):
        full = np.abs(librosa.stft(clip, n_fft=points, win_length=window, hop_length=hop)) ** 2
        kept = librosa.fft_frequencies(sr=rate, n_fft=points) <= grid.high_hz
        np.testing.assert_allclose(row, full[kept], rtol=1e-3, atol=1e-6 * full.max())
    assert actual.dtype == np.float32 and len(actual[0]) == spectra.bins(rate, grid)


@pytest.mark.parametrize("rate, samples, grid", CASES)
@pytest.mark.parametrize("bands", [20, 64])
def test_log_mel_is_librosas_within_a_ten_thousandth_of_a_db(rate, samples, grid, bands):
    inputs = clips(40, samples, rate)
    settings = {"n_mels": bands, "fmax": min(grid.high_hz, rate / 2)}
    expected = [
        librosa.power_to_db(
            librosa.feature.melspectrogram(**of_librosa(clip, rate, grid, **settings))
        )
        for clip in inputs
    ]
    np.testing.assert_allclose(log_mel(inputs, rate, bands, grid), expected, atol=1e-4)


@pytest.mark.parametrize("rate, samples, grid", CASES)
def test_mfcc_are_librosas_within_a_thousandth(rate, samples, grid):
    inputs = clips(40, samples, rate)
    settings = {"n_mels": 40, "fmax": min(grid.high_hz, rate / 2), "n_mfcc": 20}
    expected = [librosa.feature.mfcc(**of_librosa(clip, rate, grid, **settings)) for clip in inputs]
    np.testing.assert_allclose(
        spectra.cepstra(log_mel(inputs, rate, 40, grid), 20), expected, atol=1e-3
    )


@pytest.mark.parametrize("rate, high", [(8000, 2000), (8000, 4000), (22050, 11025), (2500, 900)])
def test_the_mel_bank_is_librosas(rate, high):
    grid = spectra.Grid(high_hz=high)
    expected = librosa.filters.mel(sr=rate, n_fft=grid.sizes(rate)[1], n_mels=30, fmax=high)
    actual = spectra.mel_bank(rate, 30, grid)
    np.testing.assert_allclose(actual, expected[:, : actual.shape[1]], atol=1e-8)
    assert not expected[:, actual.shape[1] :].any()


def test_linear_triangles_are_even_and_each_has_an_area_of_1_hz():
    grid = spectra.Grid(window_s=1.0, high_hz=1000)  # bins 1 Hz apart
    bank = spectra.triangles(np.linspace(0, 1000, 26), 8000, grid)
    np.testing.assert_allclose(bank.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(bank.argmax(axis=1), np.arange(1, 25) * 40)
    np.testing.assert_allclose(bank[:, 20], [0.5 / 40, *[0] * 23], atol=1e-9)


@pytest.mark.parametrize("time_constant", [0.03, 0.06, 0.4])
def test_pcen_is_librosas(time_constant):
    power = np.random.default_rng(1).exponential(size=(4, 30, 50)).astype(np.float32)
    actual = spectra.pcen(power, 0.01, time_constant)
    for row, inputs in zip(actual, power):
        settings = {
            "sr": 8000,
            "hop_length": 80,
            "gain": 0.8,
            "bias": 2,
            "power": 0.25,
            "time_constant": time_constant,
            "eps": 1e-6,
        }
        np.testing.assert_allclose(row, librosa.pcen(inputs, **settings), atol=1e-5)


@pytest.mark.parametrize("low, high", [(1e-12, 1e3), (1e-30, 1e-20), (0, 0)])
def test_decibels_are_librosas_of_each_clip(low, high):
    rng = np.random.default_rng(1)
    power = (low + (high - low) * rng.uniform(0, 1, (3, 5, 7)) ** 40).astype(np.float32)
    np.testing.assert_allclose(
        spectra.decibels(power), [librosa.power_to_db(row) for row in power], atol=1e-4
    )


def test_a_clip_has_the_same_spectrogram_alone_as_in_a_batch():
    inputs = clips(70, 5000, 8000)
    batch = log_mel(inputs, 8000)
    for row in (0, 33, 69):
        np.testing.assert_allclose(log_mel(inputs[row : row + 1], 8000)[0], batch[row], atol=2e-4)


def test_samples_that_are_no_numbers_count_as_0():
    inputs = clips(2, 900, 8000)
    broken = inputs.copy()
    inputs[0, 5], broken[0, 5] = 0, np.nan
    np.testing.assert_array_equal(spectra.power(broken, 8000), spectra.power(inputs, 8000))


@pytest.mark.parametrize("samples", [0, 1])
def test_clips_of_hardly_any_sample_have_one_frame(samples):
    np.testing.assert_allclose(
        log_mel(np.zeros((2, samples), np.float32), 8000), np.full((2, 64, 1), -100.0), atol=1e-4
    )
