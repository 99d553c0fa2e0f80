import numpy as np
import pytest
from scipy.signal import hilbert, welch

from entoflow import sound_noise
from entoflow.demo import transits

RATE = 8000
TIMES = np.arange(5000) / RATE


def rng(seed=1):
    return np.random.default_rng(seed)


def test_harmonics_have_their_amplitudes_and_none_is_above_half_the_sample_rate():
    signal = sound_noise.harmonics(
        np.array([800.0, 1500.0]),
        np.array([[1, 0.5, 0.25, 0.2, 0.1]] * 2),
        np.zeros(2),
        np.arange(8000) / RATE,
        rng(),
    )
    size = 2 * np.abs(np.fft.rfft(signal, axis=1)) / 8000  # 1 Hz apart
    np.testing.assert_allclose(size[0, [800, 1600, 2400, 3200]], [1, 0.5, 0.25, 0.2], atol=1e-9)
    np.testing.assert_allclose(size[1, [1500, 3000]], [1, 0.5], atol=1e-9)
    assert (size > 1e-9).sum(axis=1).tolist() == [4, 2]


def test_f0_drifts_by_the_given_share_and_is_as_given_in_mid_clip():
    signal = sound_noise.harmonics(
        np.array([300.0]), np.ones((1, 1)), np.array([0.04]), TIMES, rng()
    )
    hz = np.diff(np.unwrap(np.angle(hilbert(signal[0])))) * RATE / (2 * np.pi)
    np.testing.assert_allclose(
        [hz[400:500].mean(), hz[2450:2550].mean(), hz[4500:4600].mean()],
        300 * (1 + 0.04 * (np.array([450, 2500, 4550]) / 5000 - 0.5)),
        rtol=1e-3,
    )


def test_an_envelope_is_a_tenth_of_its_height_at_its_start_and_after_its_duration():
    duration = np.array([0.1, 0.3, 0.5])
    envelopes, start = transits.transit_envelopes(duration, TIMES, rng())
    for row, first, last in zip(envelopes, start, start + duration):
        np.testing.assert_allclose(
            [row.max(), np.interp(first, TIMES, row), np.interp(last, TIMES, row)],
            [1, 0.1, 0.1],
            atol=2e-3,
        )
    assert (start >= 0).all() and (start + duration <= TIMES[-1] + 1e-9).all()


@pytest.mark.parametrize("kind, slope", [("white", 0), ("pink", -1), ("wind", -3)])
def test_the_power_of_noise_falls_as_its_kind_says(kind, slope):
    made = sound_noise.noise(kind, 20, 16000, RATE, rng())
    hz, power = welch(made, RATE, nperseg=2048)
    band = (hz > 100) & (hz < 1500)
    actual = np.polyfit(np.log10(hz[band]), np.log10(power.mean(axis=0)[band]), 1)[0]
    assert actual == pytest.approx(slope, abs=0.15)


def test_hum_is_lines_at_multiples_of_50_or_60_hz():
    made = sound_noise.noise("hum", 12, 8000, RATE, rng())
    power = np.abs(np.fft.rfft(made, axis=1)) ** 2  # 1 Hz apart
    share = np.array(
        [power[:, mains : mains * 10 + 1 : mains].sum(axis=1) for mains in (50, 60)]
    ) / power.sum(axis=1)
    assert (share.max(axis=0) > 1 - 1e-6).all() and set(share.argmax(axis=0)) == {0, 1}


@pytest.mark.parametrize("kind", sound_noise.NOISES)
def test_noise_has_a_root_mean_square_of_1_and_the_same_seed_gives_the_same(kind):
    made = sound_noise.noise(kind, 4, 3000, RATE, rng(3))
    assert made.shape == (4, 3000) and made.dtype == np.float32
    np.testing.assert_allclose(np.sqrt((made.astype(float) ** 2).mean(axis=1)), 1, rtol=1e-4)
    assert (made == sound_noise.noise(kind, 4, 3000, RATE, rng(3))).all() and (
        made != sound_noise.noise(kind, 4, 3000, RATE, rng(4))
    ).any()


def test_another_kind_of_noise_is_told():
    with pytest.raises(ValueError, match="noise is 'brown'; wanted one of white, pink, hum, wind"):
        sound_noise.noise("brown", 1, 100, RATE, rng())


@pytest.mark.parametrize("snr_db", [20, -5, np.array([12.0, 0.0, -9.0])])
def test_mixed_clips_have_the_wanted_snr(snr_db):
    clips, noises = (
        rng().normal(size=(3, 2000)),
        7 * sound_noise.noise("pink", 3, 2000, RATE, rng(2)),
    )
    added = sound_noise.mix(clips, noises, snr_db) - clips
    actual = 10 * np.log10((clips**2).mean(axis=1) / (added**2).mean(axis=1))
    np.testing.assert_allclose(actual, np.broadcast_to(snr_db, 3), atol=1e-3)


def test_a_silent_clip_and_silent_noise_change_nothing():
    clips = np.stack([np.zeros(50), np.ones(50)])
    assert (sound_noise.mix(clips, np.stack([np.ones(50), np.zeros(50)]), 0) == clips).all()


def test_drawn_transits_obey_the_laws_of_their_kind():
    kind = transits.KINDS[3]
    _, truth = transits.draw(3000, rng(), transits.Scene(samples=400, kinds=(kind,), nights=20))
    slope, at_mean = np.polyfit(truth["temperature_degc"] - 25, truth["f0_hz"], 1)
    assert slope == pytest.approx(kind.slope, abs=1.5) and at_mean == pytest.approx(
        kind.f0_hz, abs=3
    )
    off = truth["f0_hz"] - kind.f0_hz - kind.slope * (truth["temperature_degc"] - 25)
    assert off.std() == pytest.approx(kind.spread_hz, rel=0.06)
    assert np.median(truth["stop_s"] - truth["start_s"]) == pytest.approx(kind.duration_s, rel=0.05)
    turn = np.angle(np.exp(2j * np.pi * truth["hour"] / 24).mean()) * 24 / (2 * np.pi)
    assert (
        turn % 24 == pytest.approx(kind.hour, abs=0.2)
        and ((truth["hour"] >= 0) & (truth["hour"] < 24)).all()
    )


def test_a_drawn_clip_has_its_sensors_gain_and_its_snr_says_how_much_of_it_is_signal():
    sensors = (
        transits.Sensor("low", 0, -20, "white", 60),
        transits.Sensor("high", 0, 0, "white", 60),
    )
    clips, truth = transits.draw(400, rng(), transits.Scene(samples=3000, sensors=sensors))
    peaks = [
        np.median(np.abs(clips[truth["sensor"] == name]).max(axis=1)) for name in ("low", "high")
    ]
    assert peaks == pytest.approx([0.01, 0.1], rel=0.02)
    noisy = (transits.Sensor("any", 0, 0, "white", 0),)
    clips, truth = transits.draw(
        200, rng(), transits.Scene(samples=3000, kinds=transits.KINDS[5:], sensors=noisy)
    )
    above = welch(clips, RATE, nperseg=256)
    noise = (
        above[1][:, above[0] > 3400].mean(axis=1) * RATE / 2
    )  # no harmonic of a midge's first four lies there in most clips
    share = noise / (clips**2).mean(axis=1)
    expected = 1 / (1 + 10 ** (truth["snr_db"] / 10))
    assert np.median(share / expected) == pytest.approx(1, abs=0.1)


def test_the_truth_tells_every_kind_sensor_and_night_and_the_seed_decides_all():
    clips, truth = transits.draw(300, rng(5))
    again, same = transits.draw(300, rng(5))
    assert (clips == again).all() and all((truth[name] == same[name]).all() for name in truth)
    assert set(truth["kind"]) == {kind.name for kind in transits.KINDS} and set(
        truth["night"]
    ) == set(range(6))
    assert set(truth["sensor"]) == {sensor.name for sensor in transits.SENSORS}
    assert clips.shape == (300, 5000) and clips.dtype == np.float32 and np.isfinite(clips).all()


def test_a_sensors_tilt_weakens_what_lies_higher():
    kinds = (transits.Kind("any", 200, 0, 0, (1, 1, 1, 1), 0.3, 12),)
    levels = []
    for tilt in (0, -6):
        sensors = (transits.Sensor("any", tilt, 0, "white", 80),)
        clips, _ = transits.draw(200, rng(6), transits.Scene(kinds=kinds, sensors=sensors))
        power = np.abs(np.fft.rfft(clips, 8000, axis=1)) ** 2
        levels.append(
            [np.median(power[:, k * 200 - 30 : k * 200 + 30].sum(axis=1)) for k in (1, 2, 4)]
        )
    lost = 10 * np.log10(np.divide(*levels))
    np.testing.assert_allclose(lost - lost[0], [0, 6, 12], atol=1.0)
