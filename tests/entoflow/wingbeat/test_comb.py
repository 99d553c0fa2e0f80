import numpy as np
import pytest

from entoflow import sound_noise
from entoflow.wingbeat import comb
from entoflow.wingbeat.average_spectra import Spectra, average

NAMES = list(comb.FEATURES)


def named(values):
    return dict(zip(NAMES, values.T))


def lines(f0, powers, noise=0.0, top=4000, resolution=3.0):
    """Lines of one bin at the multiples of f0 in flat noise."""
    power = np.full((1, top + 1), noise, np.float32)
    for k, value in enumerate(powers, 1):
        if k * f0 <= top:
            power[0, k * f0] += value
    return Spectra(power, np.array([resolution], np.float32))


def of_lines(*args, **more):
    return {
        name: value[0]
        for name, value in named(
            comb.features(lines(*args, **more), np.array([args[0]], np.float32))
        ).items()
    }


def test_ratios_are_those_of_the_lines_and_what_is_not_there_is_60_db_below():
    actual = of_lines(200, [1.0, 0.5, 2.0, 0.25, 0, 0.01])
    expected = 10 * np.log10([0.5, 2.0, 0.25])
    np.testing.assert_allclose([actual[f"h{k}_db"] for k in (2, 3, 4)], expected, atol=1e-4)
    whole = 10 * np.log10(3.76)
    assert (
        actual["h6_db"] == pytest.approx(-20, abs=1e-4)
        and actual["h5_db"] == pytest.approx(-60 + whole, abs=1e-3) == actual["h7_db"]
    )


def test_noise_between_the_lines_is_taken_off_the_ratios():
    clean, noisy = of_lines(200, [1.0, 0.5, 0.2]), of_lines(200, [1.0, 0.5, 0.2], noise=0.005)
    assert [noisy[name] for name in ("h2_db", "h3_db")] == pytest.approx(
        [clean[name] for name in ("h2_db", "h3_db")], abs=1e-3
    )


def test_odd_and_even_harmonics_are_summed():
    actual = of_lines(150, [1, 0.5, 0.3, 0.2, 0.1, 0.05, 0.04, 0.02])
    assert actual["odd_even_db"] == pytest.approx(10 * np.log10(1.44 / 0.77), abs=1e-4)


@pytest.mark.parametrize("db", [0, -3, -7])
def test_the_decay_is_the_slope_of_the_levels(db):
    assert of_lines(150, 10 ** (db * np.arange(8) / 10))["harmonic_decay"] == pytest.approx(
        db, abs=1e-4
    )


@pytest.mark.parametrize("resolution", [3.0, 12.0])
def test_comb_to_noise_compares_the_teeth_with_what_lies_between(resolution):
    f0, noise, powers = 200, 0.01, [4, 3, 2, 1, 1, 1]
    teeth = sum(2 * max(0.015 * k * f0, resolution) for k in range(1, 7))
    expected = 10 * np.log10((sum(powers) + noise * teeth) / (noise * (6 * f0 - teeth)))
    assert of_lines(f0, powers, noise, resolution=resolution)["comb_to_noise_db"] == pytest.approx(
        expected, abs=1e-3
    )


def test_the_width_of_harmonic_1_is_its_power_over_its_highest():
    spectra = lines(300, [0])
    spectra.power[0, 290:311] = 0.7
    assert named(comb.features(spectra, np.array([300.0])))["h1_width_hz"] == pytest.approx(
        21, abs=1e-3
    )


def test_harmonics_are_counted_that_are_6_db_above_their_surroundings():
    f0, noise = 200, 0.01
    half = [max(0.015 * k * f0, 3) for k in range(1, 9)]
    above = [
        20,
        3.5,
        4.5,
        2,
        100,
        0,
        4.2,
        3.9,
    ]  # times the noise in a tooth, of which it has 1 itself
    actual = of_lines(f0, [noise * 2 * h * (a - 1) if a else 0 for h, a in zip(half, above)], noise)
    assert actual["harmonics_found"] == 4


def test_on_the_harmonic_axis_lines_stand_at_whole_numbers():
    actual = of_lines(200, [0.5, 1.0, 0.1])
    expected = {1.0: 10 * np.log10(0.5), 2.0: 0, 3.0: -10}
    for at in comb.AXIS:
        assert actual[f"axis_{at:.1f}_db"] == pytest.approx(expected.get(at, -60), abs=1e-4)


@pytest.mark.parametrize("f0", [110.0, 233.7, 391.2])
def test_amplitudes_of_a_sound_come_out_as_ratios_whatever_f0_is(f0):
    times = np.arange(5000) / 8000
    amplitudes = np.array([[0.6, 1, 0.4, 0.3, 0.2, 0.1, 0.08, 0.05]])
    sound = sound_noise.harmonics(
        np.array([f0]), amplitudes, np.zeros(1), times, np.random.default_rng(1)
    )
    actual = named(comb.features(average(sound, 8000), np.array([f0])))
    expected = 20 * np.log10(amplitudes[0] / 0.6)
    np.testing.assert_allclose([actual[f"h{k}_db"][0] for k in range(2, 9)], expected[1:], atol=0.1)
    np.testing.assert_allclose(
        [actual[f"axis_{k}.0_db"][0] for k in range(1, 9)], expected - expected[1], atol=0.1
    )


def test_what_lies_above_half_the_sample_rate_has_no_power():
    actual = of_lines(400, [1] * 8, top=1000)
    assert [actual[f"axis_{at}_db"] for at in ("2.0", "3.0", "8.0")] == pytest.approx(
        [0, -60, -60], abs=1e-4
    )
    assert actual["h3_db"] == actual["h8_db"] == pytest.approx(-60 + 10 * np.log10(2), abs=1e-3)


def test_without_f0_all_is_0():
    assert not comb.features(lines(200, [0]), np.zeros(1)).any()


def test_power_between_frequencies_takes_shares_of_bins():
    running = comb.cumulative(np.array([[0, 1, 2, 4, 8]], float))
    low, high = np.array([[0.5, 1.25, -3, 2, 4.5]]), np.array([[1.5, 2.5, 99, 2, 7]])
    np.testing.assert_allclose(comb.between(running, low, high), [[1, 0.25 + 2, 15, 0, 0]])
