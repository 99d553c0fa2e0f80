import numpy as np
import pytest
from sklearn.metrics import f1_score

from entoflow import sound_noise
from entoflow.wingbeat import robustness, wingbeat_features
from entoflow.wingbeat.event_arrays import Events
from entoflow.wingbeat.robustness import CONDITIONS, SNRS_DB, NoisyPredictions

RATE = 8000
N = 30


@pytest.fixture
def events():
    """Return 30 events of three tones, of 800 to 1,500 samples out of 1,600; one is silent."""
    lengths = np.random.default_rng(1).integers(800, 1500, N)
    samples = np.zeros((N, 1600), np.float32)
    for row, length in enumerate(lengths):
        hz = 200 + 100 * (row % 3)
        samples[row, :length] = 0.1 * np.sin(2 * np.pi * hz * np.arange(length) / RATE)
    samples[5] = 0
    return Events(
        samples=samples,
        lengths=lengths,
        sample_rate=RATE,
        table=wingbeat_features.table(samples, RATE, lengths),
        feature_names=list(wingbeat_features.FEATURES),
        labels=np.array(["a", "b", "c"])[np.arange(N) % 3],
        groups=np.array([f"g{row % 10}" for row in range(N)]),
        clips=[f"clip {row}" for row in range(N)],
        partitions=[],
    )


@pytest.mark.parametrize("condition", range(len(CONDITIONS)))
def test_the_noise_has_its_power_over_the_event_and_none_behind_it(events, condition):
    rows = np.array([2, 9, 17])
    noisy = robustness.add_noise(events, rows, condition, 7)
    for row, samples in zip(rows, noisy.samples):
        added = samples - events.samples[row]
        snr_db = 10 * np.log10((events.samples[row] ** 2).sum() / (added**2).sum())
        assert snr_db == pytest.approx(CONDITIONS[condition][1], abs=0.01)
        assert not samples[events.lengths[row] :].any()
    assert noisy.clips == ["clip 2", "clip 9", "clip 17"]
    assert noisy.labels.tolist() == events.labels[rows].tolist()
    expected = wingbeat_features.table(noisy.samples, RATE, events.lengths[rows])
    np.testing.assert_allclose(noisy.table, expected)


class Recorder:
    """A model that remembers the samples that it was to predict."""

    classes = ["a", "b"]
    uses_features = False

    def __init__(self):
        self.samples = []

    def predict_proba(self, events, rows):
        self.samples.append(events.samples[rows])
        return np.full((len(rows), 2), 0.5)


def test_all_families_get_the_same_noise_and_silence_stays_silent(events):
    one = Recorder()
    other = Recorder()
    noisy = robustness.predict_in_noise(one, events, np.arange(3, 20), 7)
    robustness.predict_in_noise(other, events, np.arange(3, 20), 7)
    np.testing.assert_array_equal(one.samples, other.samples)
    assert noisy.rows.tolist() == list(range(3, 20))
    assert noisy.probabilities.shape == (len(CONDITIONS), 17, 2)
    assert not np.array(one.samples)[:, 2].any()
    assert len({samples.tobytes() for samples in one.samples}) == len(CONDITIONS)


@pytest.mark.parametrize(("n", "expected"), [(3, 3), (100, 100), (101, 100), (5000, 100)])
def test_at_most_a_hundred_events_are_predicted_from_the_first_to_the_last(n, expected):
    rows = robustness.spread(np.arange(10, 10 + n))
    assert len(rows) == len(set(rows.tolist())) == expected
    assert (rows[0], rows[-1]) == (10, 9 + n)


def test_the_metrics_are_those_of_scikit_learn(events):
    rng = np.random.default_rng(2)
    rows = np.arange(0, N, 2)
    as_recorded = {"rnn": rng.dirichlet(np.ones(3), N), "features": rng.dirichlet(np.ones(3), N)}
    probabilities = rng.dirichlet(np.ones(3), (len(CONDITIONS), len(rows)))
    noisy = {"rnn": NoisyPredictions(rows, probabilities)}
    class_index = np.arange(N) % 3
    families = robustness.measure(noisy, as_recorded, class_index, events.groups, 1)
    assert list(families) == ["rnn"]
    rnn = families["rnn"]
    assert set(rnn.by_noise) == set(sound_noise.NOISES)
    true_class = class_index[rows]
    clean = as_recorded["rnn"][rows].argmax(axis=1)
    assert rnn.as_recorded.value == pytest.approx(f1_score(true_class, clean, average="macro"))
    for condition, (noise, snr_db) in enumerate(CONDITIONS):
        metric = rnn.by_noise[noise][SNRS_DB.index(snr_db)]
        predicted = probabilities[condition].argmax(axis=1)
        assert metric.value == pytest.approx(f1_score(true_class, predicted, average="macro"))
        assert (metric.n, metric.groups) == (15, 5)
    content = robustness.to_json(families)
    assert content["snrs_db"] == list(SNRS_DB)
    assert set(content["families"]["rnn"]) == {"as recorded", *sound_noise.NOISES}


def test_without_noise_there_is_nothing_to_say(events):
    as_recorded = {"rnn": np.ones((N, 3)) / 3}
    families = robustness.measure({}, as_recorded, np.arange(N) % 3, events.groups, 1)
    assert robustness.to_json(families) is None
