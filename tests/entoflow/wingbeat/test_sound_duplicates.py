import numpy as np
import pytest

from entoflow.wingbeat import sound_duplicates
from entoflow.wingbeat.sound_duplicates import find_first_alike


def clips(n=40, m=2000, seed=1):
    return np.random.default_rng(seed).normal(size=(n, m)).astype(np.float32)


def tone(f0, m=4000, rate=8000):
    return sum(
        np.sin(2 * np.pi * k * f0 * np.arange(m) / rate + k) / k for k in range(1, 5)
    ).astype(np.float32)


def by_hand(inputs):
    """Return the first clip with a cosine over 0.999 of each, by numpy's float64."""
    spectra = np.abs(np.fft.rfft(inputs.astype(float) - inputs.mean(axis=1, keepdims=True)))
    cosine = spectra @ spectra.T / np.outer(*[np.sqrt((spectra**2).sum(axis=1))] * 2)
    return [int(np.flatnonzero(row > 0.999)[0]) for row in cosine]


def test_a_copy_a_scaled_one_an_inverted_one_and_a_shifted_one_are_the_first_clip():
    inputs = clips()
    inputs[7], inputs[8], inputs[9], inputs[10] = (
        inputs[3],
        0.1 * inputs[3],
        -inputs[3] + 2,
        np.roll(inputs[3], 50),
    )
    assert find_first_alike(inputs).tolist() == [0, 1, 2, 3, 4, 5, 6, 3, 3, 3, 3, *range(11, 40)]


@pytest.mark.parametrize("level, same", [(0.02, True), (0.2, False)])
def test_a_copy_with_a_trace_of_noise_is_the_same_sound_and_one_in_noise_is_not(level, same):
    inputs = clips(2)
    inputs[1] = inputs[0] + level * inputs[1]
    assert find_first_alike(inputs).tolist() == [0, 0 if same else 1]


def test_two_insects_of_one_wingbeat_are_two_sounds():
    inputs = np.stack([tone(200), tone(203)]) + 0.3 * clips(2, 4000)
    assert find_first_alike(inputs).tolist() == [0, 1]


@pytest.mark.parametrize("block", [3, 7, 512])
@pytest.mark.parametrize("m", [60, 500])
def test_the_find_first_alike_is_that_of_all_pairs_whatever_the_blocks(monkeypatch, block, m):
    monkeypatch.setattr(sound_duplicates, "BLOCK", block)
    rng = np.random.default_rng(2)
    inputs = clips(6, m)[rng.integers(0, 6, 50)] + rng.choice(
        [0.0, 0.01, 0.04, 0.08], (50, 1)
    ) * clips(50, m, seed=3)
    expected = by_hand(inputs)
    assert (
        find_first_alike(inputs.astype(np.float32)).tolist() == expected
        and 6 < len(set(expected)) < 50
    )


def test_silent_clips_are_the_same_by_their_bytes():
    inputs = clips(5)
    inputs[1], inputs[3], inputs[4] = 0, 0, 0.5
    assert find_first_alike(inputs).tolist() == [0, 1, 2, 1, 4]


def test_a_sample_that_is_no_number_does_not_hide_a_copy():
    inputs = clips(3)
    inputs[2] = inputs[0]
    inputs[0, 5], inputs[2, 9] = np.nan, np.inf
    assert find_first_alike(inputs).tolist() == [0, 1, 0]


def test_no_clip_has_no_double():
    assert find_first_alike(np.zeros((0, 100), np.float32)).tolist() == [] and find_first_alike(
        clips(1)
    ).tolist() == [0]
