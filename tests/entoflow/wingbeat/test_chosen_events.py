"""Events that pass by, the best of which are kept; what should be kept is found by sorting all of them at once."""
import numpy as np
import pytest

from entoflow.wingbeat import chosen_events
from entoflow.wingbeat.chosen_events import HELD_OUT, PREDICTED, Chosen, Shortlist
from entoflow.wingbeat.clips import Events

RATE = 8000


def passing(probability, labels=None, first=0):
    """Return (Events, asked, probability) of n events of 100 samples that hold their number."""
    n = len(probability)
    numbers = np.arange(first, first + n)
    held = np.repeat(numbers[:, None], 100, axis=1).astype(np.float32)
    clips = [{"recording": f"{number}.wav", "start": 0.0, "end": 0.1, "samples": 100} for number in numbers]
    table = np.stack([100.0 + numbers, np.full(n, 0.9)], axis=1)
    events = Events(held, np.full(n, 60), RATE, table, ["f0_hz", "f0_confidence"], np.array([""] * n if labels is None else labels), None, clips, {})
    return events, range(n), np.asarray(probability)


def picked(chosen):
    return [(kind, event.clip["recording"].removesuffix(".wav")) for kind, event in chosen.events()]


def test_the_surest_of_each_name_comes_before_the_second_of_any():
    probability = [[0.99, 0.01], [0.98, 0.02], [0.97, 0.03], [0.3, 0.7], [0.2, 0.8]]
    chosen = Chosen(3, PREDICTED)  # too few for a quarter
    chosen.offer(*passing(probability), ["bee", "fly"], 0.5)
    assert picked(chosen) == [("sure", "0"), ("sure", "4"), ("sure", "1")]


def test_predictions_are_shown_sure_near_the_limit_and_unknown():
    """Limit 0.6: 2 and 5 are nearest to it, 3 and 4 are unknown; 3 is the least sure."""
    probability = [[0.9, 0.1], [0.2, 0.8], [0.63, 0.37], [0.5, 0.5], [0.55, 0.45], [0.41, 0.59]]
    chosen = Chosen(4, PREDICTED)
    chosen.offer(*passing(probability), ["bee", "fly"], 0.6)
    assert picked(chosen) == [("sure", "0"), ("sure", "1"), ("limit", "5"), ("unknown", "3")]


def test_of_held_out_events_the_surest_wrong_ones_come_first():
    labels = ["bee", "fly", "fly", "bee", "fly", "bee", "bee"]
    probability = [[0.9, 0.1], [0.7, 0.3], [0.95, 0.05], [0.52, 0.48], [0.1, 0.9], [0.2, 0.8], [0.85, 0.15]]  # wrong: 1, 2, 5
    chosen = Chosen(8, HELD_OUT)
    chosen.offer(*passing(probability, labels), ["bee", "fly"], 0.0)
    assert picked(chosen) == [("wrong", "2"), ("wrong", "5"), ("wrong", "1"), ("unsure", "3"), ("right", "0"), ("right", "4")]


def test_what_is_of_two_kinds_is_shown_once_as_the_same_event():
    chosen = Chosen(4, HELD_OUT)
    chosen.offer(*passing([[0.6, 0.4]], ["fly"]), ["bee", "fly"], 0.0)  # wrong, and the least sure
    assert picked(chosen) == [("wrong", "0")]


@pytest.mark.parametrize("most", [0, 1, 5, 24, 400])
def test_the_choice_is_that_of_sorting_all_events_and_takes_no_more_memory_than_its_pictures(most):
    rng = np.random.default_rng(most)
    scores, groups = rng.choice([0.5, 0.6, 0.7, 0.8, 0.9, 1.0], 300), rng.choice(["a", "b", "c"], 300, p=[0.8, 0.19, 0.01])  # with equals
    shortlist, made = Shortlist(most), []
    for number, (score, group) in enumerate(zip(scores, groups)):
        shortlist.offer(group, score, lambda number=number: made.append(number) or number)
        assert len(shortlist.things()) <= most
    ranked = {group: sorted(np.flatnonzero(groups == group), key=lambda number: (-scores[number], number)) for group in "abc"}
    turns = sorted((rank, -scores[number], number) for own in ranked.values() for rank, number in enumerate(own))
    assert shortlist.things() == [number for *_, number in turns[:most]]
    assert set(shortlist.things()) <= set(made) and (most >= 300 or len(made) < 300)  # what is not kept is not even made


def test_the_choice_does_not_depend_on_the_blocks_that_events_come_in():
    probability = np.random.default_rng(1).dirichlet([1, 1, 1], 200)
    whole, parts = Chosen(20, PREDICTED), Chosen(20, PREDICTED)
    whole.offer(*passing(probability), ["a", "b", "c"], 0.6)
    for first in range(0, 200, 30):
        parts.offer(*passing(probability[first:first + 30], first=first), ["a", "b", "c"], 0.6)
    assert picked(whole) == picked(parts) and len(picked(whole)) > 12


def test_an_event_keeps_its_own_samples_and_lets_its_block_go():
    events, asked, probability = passing([[0.1, 0.2, 0.4, 0.3]] * 3)
    chosen = Chosen(1, PREDICTED)
    chosen.offer(events, asked, probability, ["a", "b", "c", "d"], 0.3)
    (_, event), = chosen.events()
    assert event.samples.base is None and event.samples.tolist() == [0.0] * 60 and event.sample_rate == RATE
    assert event.names == ["c", "d", "b"] and event.probabilities == [0.4, 0.3, 0.2] and event.known and event.label == ""
    assert (event.f0_hz, event.f0_confidence) == (100, 0.9)


def test_a_single_class_has_a_single_name():
    chosen = Chosen(2, PREDICTED)
    chosen.offer(*passing([[1.0], [1.0]]), ["bee"], 0.0)
    assert [event.names for _, event in chosen.events()] == [["bee"], ["bee"]] and chosen_events.NAMES == 3
