"""Events that pass by, the best of which are chosen: the oracle sorts all of them at once."""

import numpy as np
import pytest

from entoflow.wingbeat import chosen_events
from entoflow.wingbeat.chosen_events import HELD_OUT, PREDICTED, EventChoice, Shortlist
from entoflow.wingbeat.clip_set import Clip
from entoflow.wingbeat.event_arrays import Events

RATE = 8000
TWO = ["bee", "fly"]


def numbered_events(n, labels=None, first=0):
    """Return n events of 60 samples that hold their number."""
    numbers = np.arange(first, first + n)
    clips = []
    for number in numbers:
        clips.append(Clip(number, f"{number}.wav", 0.0, 0.1, None, "", "", RATE, 0, 100))
    return Events(
        samples=np.repeat(numbers[:, None], 100, axis=1).astype(np.float32),
        lengths=np.full(n, 60),
        sample_rate=RATE,
        table=np.stack([100.0 + numbers, np.full(n, 0.9)], axis=1),
        feature_names=["f0_hz", "f0_confidence"],
        labels=np.array(labels or [""] * n),
        groups=np.full(n, ""),
        clips=clips,
        partitions=[],
    )


def choose(most, kinds, probabilities, classes, threshold, labels=None):
    n = len(probabilities)
    choice = EventChoice(most, kinds)
    choice.offer(numbered_events(n, labels), range(n), np.array(probabilities), classes, threshold)
    return choice


def numbers_of(choice):
    return [(kind, int(event.recording.removesuffix(".wav"))) for kind, event in choice.events()]


def test_the_surest_of_each_name_comes_before_the_second_of_any():
    probabilities = [[0.99, 0.01], [0.98, 0.02], [0.97, 0.03], [0.3, 0.7], [0.2, 0.8]]
    choice = choose(3, PREDICTED, probabilities, TWO, 0.5)  # 3 are too few for a quarter
    assert numbers_of(choice) == [("sure", 0), ("sure", 4), ("sure", 1)]


def test_predictions_are_shown_sure_near_the_threshold_and_unknown():
    """Threshold 0.6: 2 and 5 are nearest to it, 3 and 4 are unknown; 3 is the least sure."""
    probabilities = [[0.9, 0.1], [0.2, 0.8], [0.63, 0.37], [0.5, 0.5], [0.55, 0.45], [0.41, 0.59]]
    choice = choose(4, PREDICTED, probabilities, TWO, 0.6)
    assert numbers_of(choice) == [("sure", 0), ("sure", 1), ("limit", 5), ("unknown", 3)]


def test_of_held_out_events_the_surest_wrong_ones_come_first():
    labels = ["bee", "fly", "fly", "bee", "fly", "bee", "bee"]
    first = [0.9, 0.7, 0.95, 0.52, 0.1, 0.2, 0.85]  # wrong: 1, 2, 5
    probabilities = [[share, 1 - share] for share in first]
    choice = choose(8, HELD_OUT, probabilities, TWO, 0.0, labels)
    wrong = [("wrong", 2), ("wrong", 5), ("wrong", 1)]
    assert numbers_of(choice) == [*wrong, ("unsure", 3), ("right", 0), ("right", 4)]


def test_an_event_of_two_kinds_is_shown_once():
    choice = choose(4, HELD_OUT, [[0.6, 0.4]], TWO, 0.0, ["fly"])  # wrong, and the least sure
    assert numbers_of(choice) == [("wrong", 0)]


@pytest.mark.parametrize("most", [0, 1, 5, 24, 400])
def test_a_shortlist_is_what_sorting_all_events_gives_and_makes_few_of_them(most):
    rng = np.random.default_rng(most)
    scores = rng.choice([0.5, 0.6, 0.7, 0.8, 0.9, 1.0], 300)  # with equals
    groups = rng.choice(["a", "b", "c"], 300, p=[0.8, 0.19, 0.01])
    shortlist = Shortlist(most)
    made = []

    def make(number):
        made.append(number)
        return number

    for number, (score, group) in enumerate(zip(scores, groups)):
        shortlist.offer(group, score, lambda number=number: make(number))
        assert len(shortlist.events()) <= most
    places = []
    for group in "abc":
        members = np.flatnonzero(groups == group)
        ranked = sorted(members, key=lambda number: (-scores[number], number))
        places += [(rank, -scores[number], number) for rank, number in enumerate(ranked)]
    assert shortlist.events() == [number for *_, number in sorted(places)[:most]]
    assert set(shortlist.events()) <= set(made)
    assert most >= 300 or len(made) < 300


def test_the_choice_does_not_depend_on_the_blocks_that_events_come_in():
    probabilities = np.random.default_rng(1).dirichlet([1, 1, 1], 200)
    classes = ["a", "b", "c"]
    whole = choose(20, PREDICTED, probabilities, classes, 0.6)
    in_blocks = EventChoice(20, PREDICTED)
    for first in range(0, 200, 30):
        block = probabilities[first : first + 30]
        n = len(block)
        in_blocks.offer(numbered_events(n, first=first), range(n), block, classes, 0.6)
    assert numbers_of(whole) == numbers_of(in_blocks)
    assert len(numbers_of(whole)) > 12


def test_an_event_has_a_copy_of_its_samples_and_does_not_hold_its_block():
    probabilities = [[0.1, 0.2, 0.4, 0.3]] * 3
    choice = choose(1, PREDICTED, probabilities, ["a", "b", "c", "d"], 0.3)
    ((_, event),) = choice.events()
    assert event.samples.base is None
    assert event.samples.tolist() == [0.0] * 60
    assert event.is_part  # 60 of 100 samples
    assert event.sample_rate == RATE
    assert event.names == ["c", "d", "b"]
    assert event.probabilities == [0.4, 0.3, 0.2]
    assert event.known
    assert event.label == ""
    assert (event.f0_hz, event.f0_confidence) == (100, 0.9)


def test_a_single_class_has_a_single_name():
    choice = choose(2, PREDICTED, [[1.0], [1.0]], ["bee"], 0.0)
    assert [event.names for _, event in choice.events()] == [["bee"], ["bee"]]
    assert chosen_events.NAMES == 3
