import librosa
import numpy as np
import pytest
from scipy.fft import dct

from entoflow.demo import transits
from entoflow.task import InputError
from entoflow.wingbeat import pitch
from entoflow.wingbeat.wingbeat_features import FEATURES, table

RATE = 8000


@pytest.fixture(scope="module")
def drawn():
    return transits.draw(300, np.random.default_rng(1))


def column(made, name):
    return made[:, list(FEATURES).index(name)]


def levelled(clip):
    clip = clip - clip.mean()
    return clip / np.abs(clip).max()


def test_the_table_has_a_documented_column_per_feature(drawn):
    made = table(drawn[0], RATE, np.random.default_rng(1).integers(2000, 5001, 300))
    assert (
        made.shape == (300, len(FEATURES)) and made.dtype == np.float32 and np.isfinite(made).all()
    )
    assert 80 <= len(FEATURES) <= 120 and all(
        unit and len(line) > 15 for unit, line in FEATURES.values()
    )
    assert (made.std(axis=0) > 0).all()


def test_f0_is_that_of_pitch_and_near_the_truth(drawn):
    made, actual = table(drawn[0], RATE), pitch.f0(drawn[0], RATE)
    np.testing.assert_allclose(column(made, "f0_hz"), actual.f0_hz, rtol=1e-4)
    np.testing.assert_allclose(
        column(made, "f0_second") * actual.f0_hz, actual.second_hz, rtol=1e-3
    )
    fine = (drawn[1]["sensor"] != "sensor_3") & (drawn[1]["snr_db"] > 0)  # sensor_3 hums
    assert np.mean(np.abs(column(made, "f0_hz") / drawn[1]["f0_hz"] - 1)[fine] > 0.05) <= 0.01


def test_mfcc_are_means_and_spreads_of_librosas(drawn):
    made = table(drawn[0][:20], RATE)
    for row, clip in zip(made, drawn[0]):
        inputs = librosa.feature.mfcc(
            y=levelled(clip), sr=RATE, n_mfcc=14, n_fft=512, hop_length=128, n_mels=40
        )
        actual = dict(zip(FEATURES, row))
        np.testing.assert_allclose(
            [actual[f"mfcc{i}"] for i in range(1, 14)], inputs.mean(axis=1)[1:], atol=2e-3
        )
        np.testing.assert_allclose(
            [actual[f"mfcc{i}_spread"] for i in range(13)], inputs.std(axis=1)[:13], atol=2e-3
        )


def test_lfcc_are_those_of_even_triangles(drawn):
    corners = np.linspace(0, 2000, 26)
    bins = np.arange(257) * 15.625
    bank = [
        np.interp(
            bins, corners[i : i + 3], [0, 2 / (corners[i + 2] - corners[i]), 0], left=0, right=0
        )
        for i in range(24)
    ]
    for row, clip in zip(table(drawn[0][:20], RATE), drawn[0]):
        power = np.abs(librosa.stft(levelled(clip), n_fft=512, hop_length=128)) ** 2
        expected = dct(librosa.power_to_db(np.array(bank) @ power), axis=0, norm="ortho").mean(
            axis=1
        )
        np.testing.assert_allclose(
            [dict(zip(FEATURES, row))[f"lfcc{i}"] for i in range(1, 13)], expected[1:13], atol=2e-3
        )


@pytest.mark.parametrize(
    "change",
    [lambda x: -x, lambda x: x * 1e-4, lambda x: x * 3e4, lambda x: x + 0.5 * np.abs(x).max()],
)
def test_gain_polarity_and_offset_change_nothing(drawn, change):
    clips = drawn[0][:100].astype(float)
    inputs, actual = (
        table(clips.astype(np.float32), RATE),
        table(change(clips).astype(np.float32), RATE),
    )
    scale = np.maximum(inputs.std(axis=0), 1e-3)
    assert np.quantile(np.abs(actual - inputs) / scale, 0.999) < 0.01


def test_an_event_has_the_same_features_alone_in_a_batch_and_with_more_zeros(drawn):
    lengths = np.random.default_rng(1).integers(2000, 5001, 300)
    batch = table(drawn[0], RATE, lengths)
    scale = batch.std(axis=0)
    for row in (0, 64, 299):
        alone = table(drawn[0][row : row + 1, : lengths[row]], RATE)[0]
        longer = table(
            np.pad(drawn[0][row : row + 1], ((0, 0), (0, 4000))), RATE, lengths[row : row + 1]
        )[0]
        for one in (alone, longer):
            assert (np.abs(one - batch[row]) / scale).max() < 0.02, list(FEATURES)[
                (np.abs(one - batch[row]) / scale).argmax()
            ]


@pytest.mark.parametrize("samples", [0, 1, 2, 3, 7, 500, 60000])
@pytest.mark.parametrize("rate", [400, 2500, 44100])
def test_all_is_finite_whatever_is_given(samples, rate):
    rng = np.random.default_rng(1)
    noise = rng.normal(size=samples)
    broken = np.where(
        rng.uniform(size=samples) < 0.3, [np.nan, np.inf, -np.inf][samples % 3], noise
    )
    clips = np.stack(
        [
            noise,
            np.zeros(samples),
            np.ones(samples),
            noise * 1e-25,
            noise * 1e18,
            broken,
            np.full(samples, np.nan),
            np.sign(noise),
        ]
    )
    made = table(clips.astype(np.float32), rate)
    assert np.isfinite(made).all()
    assert not column(made, "f0_confidence")[[1, 2, 6]].any()


def test_no_clips_give_an_empty_table():
    assert table(np.zeros((0, 5000), np.float32), RATE).shape == (0, len(FEATURES))


def test_limits_without_f0_are_told():
    with pytest.raises(InputError, match="F0 limits are 900 to 60 Hz"):
        table(np.zeros((1, 100)), RATE, limits=(900, 60))


def test_where_f0_alone_does_not_tell_two_kinds_apart_the_table_does():
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    kinds = (
        transits.Kind("one", 450, 40, 0, (1, 0.6, 0.3, 0.15), 0.24, 20),
        transits.Kind("two", 450, 40, 0, (0.6, 1, 0.3, 0.4), 0.24, 5),
    )
    clips, truth = transits.draw(
        400,
        np.random.default_rng(2),
        transits.Scene(kinds=kinds, sensors=(transits.Sensor("any", 0, 0, "white", 10),)),
    )
    made, learned = table(clips, RATE), np.arange(400) < 250
    scores = [
        LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
        .fit(x[learned], truth["kind"][learned])
        .score(x[~learned], truth["kind"][~learned])
        for x in (made[:, :1], made)
    ]
    assert scores[0] < 0.65 and scores[1] > 0.9
