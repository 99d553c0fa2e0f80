import librosa
import numpy as np
import pytest

import f0_clips
from entoflow import sound_noise
from entoflow.task import InputError
from entoflow.wingbeat import average_spectra, pitch

RATE = 8000
TIMES = np.arange(5000) / RATE


def random_transits(n, snr_db, seed, kind="white"):
    return f0_clips.draw(n, np.random.default_rng(seed), snr_db, kind)


def gross(actual, f0):
    return np.mean(np.abs(actual / f0 - 1) > 0.05)


@pytest.mark.parametrize(
    "snr_db, kind, most",
    [
        (20, "white", 0.0),
        (5, "white", 0.0),
        (0, "white", 0.01),
        (-5, "white", 0.02),
        (0, "pink", 0.01),
        (0, "wind", 0.01),
    ],
)
def test_f0_of_transits_in_noise_is_right(snr_db, kind, most):
    clips, f0 = random_transits(400, snr_db, 11, kind)
    actual = pitch.f0(clips, RATE)
    assert gross(actual.f0_hz, f0) <= most
    assert np.median(np.abs(actual.f0_hz / f0 - 1)) < 0.003
    highest = 60 + average_spectra.average(clips, RATE).power[:, 60:1200].argmax(axis=1)
    assert gross(highest, f0) > 0.2  # so that there is something to get right


@pytest.mark.parametrize("snr_db", [20, 0])
def test_f0_is_no_worse_than_pyins(snr_db):
    clips, f0 = random_transits(12, snr_db, 12)
    peer = []
    for clip in clips:
        hz, _, _ = librosa.pyin(clip, fmin=60, fmax=1200, sr=RATE)
        level = librosa.feature.rms(y=clip)[0, : len(hz)]
        peer.append(
            np.nanmedian(np.where(level > level.max() / 2, hz, np.nan))
            if np.isfinite(hz[level > level.max() / 2]).any()
            else 0
        )
    assert gross(pitch.f0(clips, RATE).f0_hz, f0) <= gross(np.array(peer), f0)


@pytest.mark.parametrize("snr_db, most", [(300, 0.02), (10, 0.5)])
def test_pure_tones_are_found_to_half_a_hz(snr_db, most):
    rng = np.random.default_rng(1)
    hz = rng.uniform(61, 1199, 150)
    tones = np.cos(2 * np.pi * hz[:, None] * TIMES + rng.uniform(0, 6, (150, 1)))
    actual = pitch.f0(
        sound_noise.mix(tones, sound_noise.noise("white", 150, 5000, RATE, rng), snr_db), RATE
    )
    assert (
        np.abs(actual.f0_hz - hz).max() < most
        and (actual.confidence > 0.95).all()
        and actual.octave_risk.mean() < 0.1
    )


def test_a_comb_without_its_fundamental_has_the_f0_of_its_spacing():
    f0 = np.array([120.0, 250.0, 333.3])
    clips = sound_noise.harmonics(
        f0, np.array([[0, 1, 1, 1, 1]] * 3), np.zeros(3), TIMES, np.random.default_rng(1)
    )
    np.testing.assert_allclose(pitch.f0(clips, RATE).f0_hz, f0, rtol=2e-3)


@pytest.mark.parametrize("rate, samples", [(2500, 500), (44100, 20000), (8000, 24000)])
def test_other_rates_and_lengths_give_the_true_f0(rate, samples):
    times, rng = np.arange(samples) / rate, np.random.default_rng(2)
    f0 = rng.uniform(90, 600, 40)
    clips = sound_noise.harmonics(
        f0, rng.uniform(0.3, 1, (40, 4)), rng.uniform(-0.02, 0.02, 40), times, rng
    )
    actual = pitch.f0(
        sound_noise.mix(clips, sound_noise.noise("white", 40, samples, rate, rng), 10), rate
    )
    assert np.abs(actual.f0_hz / f0 - 1).max() < 0.01


@pytest.mark.parametrize("gain", [1e-4, -1.0, 3e4])
def test_neither_gain_nor_polarity_changes_anything(gain):
    clips, _ = random_transits(60, 0, 13)
    before = vars(pitch.f0(clips, RATE))
    for name, actual in vars(pitch.f0(clips * np.float32(gain), RATE)).items():
        np.testing.assert_allclose(actual, before[name], rtol=1e-4, atol=1e-5)


def test_a_clip_has_the_same_f0_alone_in_a_batch_and_with_more_zeros():
    clips, _ = random_transits(150, 5, 14)
    lengths = np.random.default_rng(1).integers(2500, 5001, 150)
    batch = pitch.f0(clips, RATE, lengths)
    for row in (0, 63, 64, 149):
        alone = pitch.f0(clips[row : row + 1, : lengths[row]], RATE)
        longer = pitch.f0(
            np.pad(clips[row : row + 1], ((0, 0), (0, 3000))), RATE, lengths[row : row + 1]
        )
        for one in (alone, longer):
            first = [values[0] for values in vars(one).values()]
            in_batch = [values[row] for values in vars(batch).values()]
            np.testing.assert_allclose(first, in_batch, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("samples", [0, 1, 2, 5000])
def test_silence_has_no_f0_and_a_confidence_of_0(samples):
    for part in vars(pitch.f0(np.zeros((3, samples), np.float32), RATE)).values():
        assert part.tolist() == [0, 0, 0]


def test_a_broken_clip_has_finite_results():
    clips, f0 = random_transits(3, 20, 15)
    clips[0, 100], clips[1] = np.nan, np.inf
    actual = pitch.f0(clips, RATE)
    assert all(np.isfinite(part).all() for part in vars(actual).values())
    assert actual.f0_hz[0] == pytest.approx(f0[0], rel=0.01) and actual.confidence[1] == 0


@pytest.mark.parametrize("kind", ["white", "pink"])
def test_confidence_is_low_for_noise_and_high_for_wingbeats(kind):
    noise = pitch.f0(
        sound_noise.noise(kind, 400, 5000, RATE, np.random.default_rng(3)), RATE
    ).confidence
    assert np.mean(noise > 0.5) < 0.06 and np.mean(noise > 0.7) < 0.01
    clips, _ = random_transits(200, 0, 16, kind)
    assert np.mean(pitch.f0(clips, RATE).confidence > 0.9) > 0.95


def test_f0_of_higher_confidence_is_more_often_right():
    clips, f0 = (
        np.concatenate(parts)
        for parts in zip(*(random_transits(300, snr_db, 17) for snr_db in (-10, -15, -20, -25)))
    )
    actual = pitch.f0(clips, RATE)
    right = np.abs(actual.f0_hz / f0 - 1) < 0.05
    shares = [
        right[(actual.confidence >= low) & (actual.confidence < low + 0.25)].mean()
        for low in (0, 0.25, 0.5, 0.75)
    ]
    assert shares == sorted(shares) and shares[0] < 0.4 and shares[-1] > 0.95


def test_octave_risk_is_told_where_every_second_harmonic_nearly_vanishes_and_not_for_an_even_comb():
    f0 = np.full(50, 200.0)
    rng = np.random.default_rng(4)
    noise = sound_noise.noise("white", 50, 5000, RATE, rng)
    unsure = pitch.f0(
        sound_noise.mix(
            sound_noise.harmonics(
                f0, np.array([[0.06, 1, 0.06, 1, 0.06, 1]] * 50), np.zeros(50), TIMES, rng
            ),
            noise,
            10,
        ),
        RATE,
    )
    even = pitch.f0(
        sound_noise.mix(
            sound_noise.harmonics(f0, np.ones((50, 6)), np.zeros(50), TIMES, rng), noise, 10
        ),
        RATE,
    )
    assert unsure.octave_risk.mean() > 0.9 and not even.octave_risk.any()
    octave = np.sort(np.stack([unsure.f0_hz, unsure.second_hz]), axis=0)
    np.testing.assert_allclose(octave, [[200] * 50, [400] * 50], rtol=0.01)


def test_the_second_candidate_of_two_insects_is_the_other():
    rng = np.random.default_rng(5)
    first, second = (
        sound_noise.harmonics(
            np.full(20, hz), np.array([[1, 0.6, 0.4, 0.3]] * 20), np.zeros(20), TIMES, rng
        )
        for hz in (170.0, 440.0)
    )
    actual = pitch.f0(first + second, RATE)
    np.testing.assert_allclose(
        np.sort(np.stack([actual.f0_hz, actual.second_hz]), axis=0),
        [[170] * 20, [440] * 20],
        rtol=0.01,
    )


def test_f0_stays_within_the_limits():
    clips, _ = random_transits(60, 5, 18)
    actual = pitch.f0(clips, RATE, limits=(300, 500))
    assert ((actual.f0_hz > 299) & (actual.f0_hz < 501)).all()
    high = np.cos(2 * np.pi * 1240 * np.arange(500) / 2500)[None]
    assert pitch.f0(high, 2500, limits=(60, 5000)).f0_hz[0] == pytest.approx(1240, abs=1)


@pytest.mark.parametrize(
    "limits, rate", [((500, 400), 8000), ((0, 400), 8000), ((60, 1200), 100), ((300, 302), 8000)]
)
def test_limits_without_an_f0_between_them_are_told(limits, rate):
    sentence = f"F0 limits are {limits[0]} to {limits[1]} Hz and half the sample rate is "
    sentence += f"{rate // 2} Hz; wanted a lowest F0 of 1 Hz or more"
    with pytest.raises(InputError, match=sentence):
        pitch.f0(np.zeros((1, 100)), rate, limits=limits)
