import numpy as np
import pytest
from entoflow import weak_boxes
from hypothesis import given
from hypothesis import strategies as st

ACCEPT, IGNORE = 0.5, 0.2


def candidates(*pairs):
    """Candidates of (score, probability that the crop shows the target), best first."""
    return [{"score": score, "crop": crop, "views": 6} for score, crop in pairs]


def full(*pairs, count=None, without=None, accept=ACCEPT):
    return weak_boxes.full(candidates(*pairs), count, accept, IGNORE, without)


def test_a_sure_box_whose_crop_shows_something_else_is_dropped_and_a_doubtful_one_ignored():
    assert full((0.9, 0.1), (0.8, 0.9), (0.7, 0.3)) == ["drop", "accept", "ignore"]


def test_the_label_promises_one_the_likeliest_by_score_and_crop():
    assert full((0.4, 0.1), (0.3, 0.4), (0.1, 0.9)) == ["drop", "accept", "drop"]
    assert full((0.4, 0.1), (0.3, 0.4), without="label promise") == ["drop", "ignore"]


def test_of_a_detector_with_no_right_box_nothing_is_taken_on_trust():
    assert "accept" not in full((0.9, 0.9), accept=1.0)


def test_no_more_are_accepted_than_were_counted_and_those_behind_may_be_targets():
    assert full((0.9, 0.6), (0.8, 0.9), (0.7, 0.8), count=1) == ["ignore", "accept", "ignore"]
    assert full((0.9, 0.6), (0.8, 0.9), count=1, without="count cap") == ["accept", "accept"]


def test_without_crops_the_scores_alone_decide():
    assert full((0.9, None), (0.6, None), (0.3, None), (0.1, None)) == ["accept", "accept", "ignore", "drop"]
    assert full((0.9, 0.1), (0.1, 0.9), without="second opinion") == ["accept", "drop"]


def test_a_box_that_the_classifier_was_not_shown_is_no_background():
    assert full((0.9, 0.9), (0.8, None)) == ["accept", "ignore"]


scored = st.lists(st.tuples(st.floats(0.001, 1), st.none() | st.floats(0, 1)), max_size=8).map(lambda rows: sorted(rows, reverse=True, key=lambda row: row[0]))


@given(scored, st.none() | st.integers(1, 4), st.sampled_from([None, *weak_boxes.STEPS]))
def test_of_any_candidates_at_least_one_is_accepted_and_at_most_as_many_as_counted(rows, count, without):
    bands = full(*rows, count=count, without=without)
    assert len(bands) == len(rows) and set(bands) <= {"accept", "ignore", "drop"}
    assert rows == [] or without == "label promise" or "accept" in bands
    assert not count or without == "count cap" or bands.count("accept") <= count


@given(scored)
def test_a_count_of_all_boxes_caps_nothing(rows):
    assert full(*rows, count=max(len(rows), 1)) == full(*rows)


def test_scores_without_agreement_are_those_of_boxes_that_every_view_saw():
    found = weak_boxes.without_agreement([{"score": 0.5, "views": 6}, {"score": 0.3, "views": 3}, {"score": 0.4, "views": 1}], 6)
    assert [(box["views"], box["score"]) for box in found] == [(1, 1.0), (3, pytest.approx(0.6)), (6, 0.5)]


def test_the_classifier_sees_what_may_be_accepted_and_the_best_box_in_any_case():
    boxes = candidates(*[(score, None) for score in np.linspace(0.9, 0.05, 60)])
    seen = weak_boxes.looked_at(boxes, IGNORE)
    assert len(seen) == weak_boxes.LOOKED_AT and seen[0] is boxes[0]
    assert weak_boxes.looked_at(candidates((0.1, None), (0.05, None)), IGNORE) == candidates((0.1, None))
    assert weak_boxes.looked_at([], IGNORE) == []
