import numpy as np
import pytest

import f0_clips
from entoflow import sound_noise
from entoflow.demo import transits
from entoflow.wingbeat import average_spectra, mains_hum, pitch

RATE, SAMPLES = 8000, 5000
TIMES = np.arange(SAMPLES) / RATE


def spectra(clips, rate=RATE):
    return average_spectra.average(clips, rate)


def seen(clips, rate=RATE):
    return mains_hum.detect(spectra(clips, rate))


def hum(hz, n=40, samples=SAMPLES, rate=RATE, seed=1):
    rng = np.random.default_rng(seed)
    return sound_noise.harmonics(
        np.full(n, float(hz)),
        rng.uniform(0.3, 1, (n, 8)) / np.arange(1, 9),
        np.zeros(n),
        np.arange(samples) / rate,
        rng,
    )


def gross(clips, f0, rate=RATE):
    return np.mean(np.abs(pitch.f0(clips, rate).f0_hz / f0 - 1) > 0.05)


@pytest.mark.parametrize("snr_db, most", [(5, 0.0), (0, 0.01), (-5, 0.02)])
def test_f0_in_hum_is_that_of_the_insect(snr_db, most):
    clips, f0 = f0_clips.draw(100, np.random.default_rng(21), snr_db, "hum")
    actual = spectra(clips)
    assert gross(clips, f0) <= most
    highest = 60 + actual.power[:, 60:1200].argmax(axis=1)
    assert np.mean(np.abs(highest / f0 - 1) > 0.05) > 0.2  # so that there is something to get right


@pytest.mark.parametrize(
    "hz, expected",
    [
        (50, [True, False]),
        (60, [False, True]),
        (49.9, [True, False]),
        (60.1, [False, True]),
        (55, [False, False]),
    ],
)
@pytest.mark.parametrize(
    "rate, samples", [(8000, 5000), (2500, 800), (44100, 20000), (8000, 24000)]
)
def test_hum_is_seen_for_what_it_is(hz, expected, rate, samples):
    assert seen(hum(hz, samples=samples, rate=rate), rate).mean(axis=0).tolist() == expected


@pytest.mark.parametrize("kind", ["white", "pink", "wind"])
def test_other_noise_has_no_hum(kind):
    assert (
        seen(sound_noise.noise(kind, 1000, SAMPLES, RATE, np.random.default_rng(2))).mean() < 0.005
    )


@pytest.mark.parametrize("hz", [100, 120, 150, 180, 200, 240, 250, 300, 360])
def test_an_insect_at_a_multiple_of_the_mains_keeps_its_f0_whether_it_passes_or_hovers(hz):
    rng = np.random.default_rng(3)
    f0 = np.full(30, float(hz))
    steady = sound_noise.harmonics(
        f0, rng.uniform(0.2, 1, (30, 5)) / np.sqrt(np.arange(1, 6)), np.zeros(30), TIMES, rng
    )
    passing = steady * transits.transit_envelopes(rng.uniform(0.2, 0.5, 30), TIMES, rng)[0]
    for clips in (steady, passing):
        clips = sound_noise.mix(clips, sound_noise.noise("white", 30, SAMPLES, RATE, rng), 10)
        assert not seen(clips).any() and gross(clips, f0) == 0


def test_only_what_stands_out_at_multiples_is_levelled_and_nothing_of_other_clips():
    both = np.concatenate([hum(50, 2), f0_clips.draw(2, np.random.default_rng(4), 20)[0]])
    inputs = spectra(both)
    kept = inputs.power.copy()
    made = mains_hum.remove(inputs.power, mains_hum.detect(inputs), inputs.resolution_hz)
    np.testing.assert_array_equal(inputs.power, kept)
    np.testing.assert_array_equal(made[2:], kept[2:])
    assert (made <= kept).all() and (made[:2, 50:401:50] < 0.01 * kept[:2, 50:401:50]).all()
    between = np.abs(np.arange(4001) % 50 - 25) < 15
    np.testing.assert_array_equal(made[:, between], kept[:, between])


@pytest.mark.parametrize(
    "rate, samples", [(8000, 1500), (600, 400), (830, 400), (8000, 20), (8000, 0)]
)
def test_a_clip_too_short_or_of_too_low_a_rate_to_tell_is_left_alone(rate, samples):
    clips = hum(50, 3, samples, rate) if samples else np.zeros((3, 0))
    assert not seen(clips, rate).any()
