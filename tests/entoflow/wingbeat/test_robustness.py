import numpy as np
import pytest
from sklearn.metrics import f1_score

from entoflow import sound_noise
from entoflow.wingbeat import robustness, wingbeat_features
from entoflow.wingbeat.clips import Events

RATE, N = 8000, 30


@pytest.fixture
def events():
    """Return 30 Events of three tones, of 800 to 1,500 samples in clips of 1,600, and silent ones."""
    rng = np.random.default_rng(1)
    lengths, samples = rng.integers(800, 1500, N), np.zeros((N, 1600), np.float32)
    for row, length in enumerate(lengths):
        samples[row, :length] = 0.1 * np.sin(2 * np.pi * (200 + 100 * (row % 3)) * np.arange(length) / RATE)
    samples[5] = 0
    labels, groups = np.array(["a", "b", "c"])[np.arange(N) % 3], np.array([f"g{row % 10}" for row in range(N)])
    return Events(samples, lengths, RATE, wingbeat_features.table(samples, RATE, lengths), list(wingbeat_features.FEATURES), labels, groups,
                  [{"recording": str(row)} for row in range(N)], {})


@pytest.mark.parametrize("condition", range(len(robustness.CONDITIONS)))
def test_the_noise_has_the_power_asked_for_over_the_event_and_none_behind_it(events, condition):
    rows = np.array([2, 9, 17])
    found = robustness.noisy(events, rows, condition, 7)
    for row, own in zip(rows, found.samples):
        length, added = events.lengths[row], own - events.samples[row]
        snr = 10 * np.log10((events.samples[row] ** 2).sum() / (added ** 2).sum())
        assert snr == pytest.approx(robustness.CONDITIONS[condition][1], abs=0.01) and not own[length:].any()
    assert found.clips == [events.clips[row] for row in rows] and found.labels.tolist() == events.labels[rows].tolist()
    np.testing.assert_allclose(found.table, wingbeat_features.table(found.samples, RATE, events.lengths[rows]))


def test_all_families_get_the_same_noise_and_silence_stays_silent(events):
    class Listener:
        def __init__(self):
            self.heard = []

        def probabilities(self, fitted, events, rows):
            self.heard.append(events.samples[rows])
            return np.full((len(rows), 2), 0.5), ["a", "b"]

    one, other = Listener(), Listener()
    rows, found, classes = robustness.named(one, None, events, np.arange(3, 20), 7)
    robustness.named(other, None, events, np.arange(3, 20), 7)
    np.testing.assert_array_equal(one.heard, other.heard)
    assert rows.tolist() == list(range(3, 20)) and found.shape == (len(robustness.CONDITIONS), 17, 2) and classes == ["a", "b"]
    assert not np.array(one.heard)[:, 2].any() and len({heard.tobytes() for heard in one.heard}) == len(robustness.CONDITIONS)


@pytest.mark.parametrize(("n", "expected"), [(3, 3), (100, 100), (101, 100), (5000, 100)])
def test_at_most_a_hundred_events_are_named_from_the_first_to_the_last(n, expected):
    rows = robustness.spread(np.arange(10, 10 + n))
    assert len(rows) == len(set(rows.tolist())) == expected and (rows[0], rows[-1]) == (10, 9 + n)


def test_the_figures_are_those_of_scikit_learn(events):
    class Named:
        families, grouped, columns, groups = ["features", "rnn"], ["grouped_1"], np.arange(N) % 3, events.groups

    rng, rows = np.random.default_rng(2), np.arange(0, N, 2)
    clean, noisy = rng.dirichlet(np.ones(3), N), rng.dirichlet(np.ones(3), (len(robustness.CONDITIONS), len(rows)))
    Named.by, Named.noisy = {("rnn", "grouped_1"): clean}, {"rnn": (rows, noisy)}
    found = robustness.figures(Named, 1)
    assert found["snrs_db"] == list(robustness.SNRS_DB) and set(found["families"]["rnn"]) == {"as recorded", *sound_noise.NOISES}
    truth = Named.columns[rows]
    assert found["families"]["rnn"]["as recorded"]["value"] == pytest.approx(f1_score(truth, clean[rows].argmax(axis=1), average="macro"))
    for at, (noise, snr) in enumerate(robustness.CONDITIONS):
        entry = found["families"]["rnn"][noise][robustness.SNRS_DB.index(snr)]
        assert entry["value"] == pytest.approx(f1_score(truth, noisy[at].argmax(axis=1), average="macro")) and (entry["n"], entry["groups"]) == (15, 5)
    Named.noisy = {}
    assert robustness.figures(Named, 1) is None
