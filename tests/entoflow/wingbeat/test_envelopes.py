import numpy as np
import pytest

from entoflow.wingbeat import envelopes

RATE = 8000
RNG = np.random.default_rng(1)


def measured(sound, lengths=None, rate=RATE):
    sound = np.atleast_2d(sound).astype(np.float32)
    lengths = np.full(len(sound), sound.shape[1]) if lengths is None else np.asarray(lengths)
    return dict(zip(envelopes.FEATURES, envelopes.features(sound, rate, lengths).T))


def tone(samples, rate=RATE, hz=500):
    return np.cos(2 * np.pi * hz * np.arange(samples) / rate)


@pytest.mark.parametrize("rise_s, fall_s", [(0.05, 0.05), (0.04, 0.12), (0.15, 0.06)])
def test_rise_and_fall_of_gaussian_flanks_are_those_of_the_formula(rise_s, fall_s):
    times = np.arange(5000) / RATE - 0.3
    flank = np.where(times < 0, rise_s, fall_s)
    actual = measured(tone(5000) * 0.5 ** ((times / flank) ** 2))
    assert actual["rise_s"] == pytest.approx(rise_s, abs=0.01) and actual[
        "fall_s"
    ] == pytest.approx(fall_s, abs=0.01)
    assert actual["duration_s"] == pytest.approx(rise_s + fall_s, abs=0.012)
    assert actual["asymmetry"] == pytest.approx((fall_s - rise_s) / (rise_s + fall_s), abs=0.12)


def test_an_event_of_even_level_lasts_as_long_as_it_is():
    actual = measured(np.pad(tone(1600), (0, 3400))[None], [1600])
    assert actual["length_s"] == pytest.approx(0.2) and actual["duration_s"] == pytest.approx(
        0.2, abs=0.009
    )


def test_of_two_insects_the_louder_is_measured():
    sound = np.zeros(6000)
    sound[500:1500], sound[3000:3800] = 0.4 * tone(1000), tone(800)
    assert measured(sound)["duration_s"] == pytest.approx(0.1, abs=0.02)


def test_pulses_have_a_deep_modulation_and_a_tone_has_none():
    gate = np.arange(5000) % 200 < 64  # 8 ms of 25
    assert measured(tone(5000))["am_depth"] == pytest.approx(0, abs=0.01)
    assert measured(tone(5000) * gate)["am_depth"] > 0.4
    shallow = measured(tone(5000) * (1 + 0.2 * np.cos(2 * np.pi * 40 * np.arange(5000) / RATE)))[
        "am_depth"
    ]
    assert shallow == pytest.approx(0.2 / np.sqrt(2), rel=0.25)


def test_crest_is_the_peak_over_the_root_mean_square():
    assert measured(tone(4800))["crest_db"] == pytest.approx(10 * np.log10(2), abs=0.01)
    click = np.zeros(4800)
    click[100] = 1
    assert measured(click)["crest_db"] == pytest.approx(10 * np.log10(4800), abs=0.01)


@pytest.mark.parametrize(
    "sound",
    [
        np.zeros((2, 0)),
        np.zeros((2, 1)),
        np.ones((2, 1)),
        np.zeros((2, 3000)),
        *(RNG.normal(size=(2, m)) for m in (7, 100)),
    ],
)
@pytest.mark.parametrize("rate", [50, 8000, 96000])
def test_events_of_any_length_and_rate_have_finite_features(sound, rate):
    actual = measured(sound, rate=rate)
    assert all(np.isfinite(column).all() for column in actual.values())
    assert (actual["duration_s"] == pytest.approx(actual["rise_s"] + actual["fall_s"])) and (
        np.abs(actual["asymmetry"]) <= 1
    ).all()


def test_zeros_after_an_event_change_nothing():
    sound = RNG.normal(size=(6, 4000))
    lengths = [4000, 3999, 2000, 65, 40, 1]
    sound[np.arange(4000) >= np.array(lengths)[:, None]] = 0
    for row, length in enumerate(lengths):
        alone, among = measured(sound[row, :length]), measured(sound, lengths)
        for name in envelopes.FEATURES:
            assert among[name][row] == pytest.approx(alone[name][0], abs=1e-5), name
