import librosa
import numpy as np
import pytest

from entoflow.demo import transits
from entoflow.wingbeat import spectra
from entoflow.wingbeat.spectrogram_images import SCALES, Picture, image

RATE = 8000


def drawn(n, seed=1):
    return transits.draw(n, np.random.default_rng(seed))[0]


def power_of(clip, n_fft=512, hop=80, rate=RATE):
    return np.abs(librosa.stft(clip - clip.mean(), n_fft=n_fft, hop_length=hop)) ** 2


def above(power):
    return np.maximum(
        10 * np.log10(power / max(np.sort(power.ravel())[power.size // 10], power.max() * 1e-8)), 0
    )


def test_a_picture_is_the_level_above_the_floor_of_librosas_spectrogram():
    clips = drawn(3)
    for made, clip in zip(image(clips, RATE), clips):
        assert made.shape == (1, 128, 63)
        np.testing.assert_allclose(made[0], above(power_of(clip)[1:129]), atol=0.05)


def test_a_mel_picture_is_the_level_above_the_floor_of_librosas_bands():
    clips = drawn(3)
    bank = librosa.filters.mel(sr=RATE, n_fft=512, n_mels=64, fmin=0, fmax=2000)
    for made, clip in zip(image(clips, RATE, None, Picture("mel")), clips):
        np.testing.assert_allclose(made[0], above(bank @ power_of(clip)), atol=0.05)


def test_a_pcen_picture_is_librosas_of_mel_power_in_medians():
    clips = drawn(3)
    bank = librosa.filters.mel(sr=RATE, n_fft=512, n_mels=64, fmin=0, fmax=2000)
    for made, clip in zip(image(clips, RATE, None, Picture("pcen")), clips):
        power = bank @ power_of(clip)
        wanted = librosa.pcen(
            power / np.sort(power.ravel())[power.size // 2],
            sr=RATE,
            hop_length=80,
            gain=0.8,
            bias=2,
            power=0.25,
            time_constant=0.06,
        )
        np.testing.assert_allclose(made[0], wanted, atol=2e-3)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("high_hz", [1000.0, 2000.0, 11025.0])
@pytest.mark.parametrize("rate", [8000, 2500, 44100])
@pytest.mark.parametrize("samples", [1, 300, 5000, 30000])
def test_a_picture_has_at_most_128_rows_and_frames_that_cover_all(scale, high_hz, rate, samples):
    clips = np.random.default_rng(1).normal(size=(2, samples)).astype(np.float32)
    made = image(clips, rate, None, Picture(scale, high_hz))
    rows = 64 if scale != "linear" else int(128 * min(rate / 2 / high_hz, 1) + 0.01)
    assert (
        made.shape[:2] == (2, 1)
        and abs(made.shape[2] - rows) <= (0 if scale != "linear" else 1 + rows // 20)
        and made.shape[2] <= 131
    )
    assert (
        made.shape[3] == min(128, -(-samples * 100 // rate))
        and np.isfinite(made).all()
        and made.max() <= 80.1
    )
    assert samples < 300 or made[..., -1].any()  # the last frame hears the end


@pytest.mark.parametrize("scale", SCALES)
def test_neither_gain_nor_polarity_nor_an_offset_changes_a_picture(scale):
    clips = drawn(5)
    inputs = image(clips, RATE, None, Picture(scale))
    for other in (clips * np.float32(1e3), clips * np.float32(-1e-3), clips + np.float32(0.05)):
        np.testing.assert_allclose(image(other, RATE, None, Picture(scale)), inputs, atol=0.05)


@pytest.mark.parametrize("scale", SCALES)
def test_a_picture_is_the_same_in_a_batch_and_nothing_is_behind_the_event(scale):
    clips, lengths = drawn(70), np.random.default_rng(1).integers(50, 5001, 70)
    batch = image(clips, RATE, lengths, Picture(scale))
    for row in (0, 30, 69):
        made = image(clips[row : row + 1], RATE, lengths[row : row + 1], Picture(scale))[0]
        np.testing.assert_allclose(made, batch[row], atol=0.01)
        assert not made[..., -(-lengths[row] // 80) :].any()


def test_a_tone_is_in_the_row_of_its_frequency():
    times = np.arange(5000) / RATE
    made = image(np.cos(2 * np.pi * np.array([[250], [1000]]) * times), RATE)
    assert made[:, 0, :, 32].argmax(axis=1).tolist() == [250 / 15.625 - 1, 1000 / 15.625 - 1]


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize(
    "clip", [np.zeros((1, 5000)), np.full((1, 5000), np.nan), np.full((1, 5000), 0.3)]
)
def test_a_silent_broken_or_constant_clip_is_an_empty_picture(scale, clip):
    assert (image(clip, RATE, None, Picture(scale)) == 0).all()


def test_the_grid_of_a_long_clip_is_as_coarse_as_its_frames():
    assert image(np.ones((1, 5 * RATE), np.float32), RATE).shape == (1, 1, 128, 128)
    assert spectra.GRID.hop_s == 0.010
