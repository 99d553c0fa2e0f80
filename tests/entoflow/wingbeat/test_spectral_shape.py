import librosa
import numpy as np
import pytest

from entoflow.demo import transits
from entoflow.wingbeat import average_spectra, spectral_shape

NAMES = list(spectral_shape.FEATURES)


def features(power):
    return dict(zip(NAMES, spectral_shape.features(power).T))


@pytest.fixture(scope="module")
def power():
    clips, _ = transits.draw(40, np.random.default_rng(1))
    return average_spectra.average(clips, 8000).power


def of_librosa(name, power, **more):
    held = np.sqrt(power[:, 50:2001]).T[None].transpose(2, 1, 0)  # clips x bins x one frame
    arguments = {"S": held} if name == "flatness" else {"S": held, "freq": np.arange(50.0, 2001)}
    return getattr(librosa.feature, f"spectral_{name}")(**arguments, **more)[:, 0, 0]


@pytest.mark.parametrize(
    "name, more", [("centroid", {}), ("bandwidth", {}), ("rolloff", {"roll_percent": 0.85})]
)
def test_moments_are_librosas(power, name, more):
    np.testing.assert_allclose(
        features(power)[f"{name}_hz"],
        of_librosa(name, power, **more),
        rtol=1e-4,
        atol=1.0 if name == "rolloff" else 0,
    )


def test_flatness_is_librosas(power):
    np.testing.assert_allclose(
        features(power)["flatness"], of_librosa("flatness", power), rtol=1e-4
    )


def test_entropy_of_a_flat_spectrum_is_1_of_a_line_0_and_of_two_lines_that_of_a_coin():
    power = np.zeros((3, 4001), np.float32)
    power[0], power[1, 300], power[2, [300, 400]] = 1, 1, 1
    np.testing.assert_allclose(
        features(power)["entropy"], [1, 0, np.log(2) / np.log(1951)], atol=1e-5
    )


@pytest.mark.parametrize("per_octave", [0, -3, -6, 6])
def test_the_slope_is_that_of_band_levels(per_octave):
    hz = np.maximum(np.arange(4001), 1)
    power = (hz ** (per_octave / (10 * np.log10(2)) - 1))[None].astype(
        np.float32
    )  # power per octave, not per Hz
    assert features(power)["slope_db"] == pytest.approx(per_octave, abs=0.05)


def test_bands_hold_shares_of_the_power_from_50_to_2000_hz():
    power = np.zeros((1, 4001), np.float32)
    power[0, [70, 300, 3000]] = 3, 1, 50
    levels = {name: value[0] for name, value in features(power).items() if name.startswith("band_")}
    at = {name: int(name.split("_")[1]) for name in levels}
    low, high = (max((name for name in at if at[name] <= hz), key=at.get) for hz in (70, 300))
    assert levels.pop(low) == pytest.approx(10 * np.log10(0.75), abs=1e-4) and levels.pop(
        high
    ) == pytest.approx(10 * np.log10(0.25), abs=1e-4)
    assert set(levels.values()) == {-60}
    assert len(at) == 16 and np.allclose(
        np.diff(np.log([*at.values(), 2000])), np.log(40) / 16, atol=0.01
    )


def test_a_silent_spectrum_and_one_that_ends_at_1250_hz_have_finite_features():
    low = np.random.default_rng(1).exponential(size=(2, 1251)).astype(np.float32)
    low[1] = 0
    actual = spectral_shape.features(low)
    assert np.isfinite(actual).all() and (actual[1, :6] == 0).all()
    assert dict(zip(NAMES, actual[0]))[NAMES[-1]] == -60
