from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from entoflow.detection import predictions, weak_boxes

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


def validation(rights, n_missed):
    """An image for each box, a true box in it where the box is right, and images whose true box nothing finds."""
    true = [n for n, right in enumerate(rights) if right] + [len(rights) + n for n in range(n_missed)]
    boxes = [{"id": n, "image_id": n, "category_id": 1, "bbox": [0, 0, 10, 10], "area": 100, "iscrowd": 0} for n in true]
    return {"images": [{"id": n} for n in range(len(rights) + n_missed)], "annotations": boxes, "categories": [{"id": 1, "name": "bug"}]}


def found(*scores):
    return {n: [{"xyxy": (0, 0, 10, 10), "score": score}] for n, score in enumerate(scores)}


def test_a_probability_is_the_share_of_right_boxes_of_like_score_with_half_a_box_right_at_either_end():
    """0.2: 0 of 4 right, with the half 0.5 of 5; 0.8: 3 of 4, with the half 3.5 of 5; between them a straight line."""
    curve, missed = weak_boxes.calibrated(validation([0, 0, 0, 0, 1, 1, 1, 0], 1), found(*[0.2] * 4, *[0.8] * 4))
    assert curve([0.1, 0.2, 0.5, 0.8, 0.9]).tolist() == pytest.approx([0.1, 0.1, 0.4, 0.7, 0.7])
    assert missed == pytest.approx((1 + 0.5) / (4 + 1))


def test_where_no_box_was_ever_right_or_none_found_no_probability_is_certain():
    curve, _ = weak_boxes.calibrated(validation([0] * 9, 0), found(*[0.4] * 9))
    assert curve([0.4]).tolist() == pytest.approx([0.05])
    curve, missed = weak_boxes.calibrated(validation([], 2), {})
    assert (curve([0.9]).tolist(), missed) == ([0.5], pytest.approx(2.5 / 3))


def enumerated(chances, count, missed):
    """Bayes' rule over every way in which candidates can be right or wrong."""
    whole, each = 0.0, np.zeros(len(chances))
    for rights in product((0, 1), repeat=len(chances)):
        likely = np.prod([chance if right else 1 - chance for chance, right in zip(chances, rights)])
        likely *= missed if not sum(rights) else weak_boxes.MISCOUNTED if count and sum(rights) > count else 1
        whole, each = whole + likely, each + likely * np.array(rights)
    return each / whole


@given(st.lists(st.floats(0, 0.99), min_size=1, max_size=7), st.sampled_from([None, 1, 2, 4, 9]), st.floats(0.01, 1))
def test_what_is_known_of_a_photo_changes_probabilities_as_every_case_counted_one_by_one(chances, count, missed):
    assert weak_boxes.given_photo(chances, count, missed) == pytest.approx(enumerated(chances, count, missed).tolist(), abs=1e-9)


def test_one_candidate_that_the_label_promises_is_surer_and_of_two_for_one_insect_the_likelier_gains():
    """One of 0.5: 0.5 / (0.5 + 0.5 x 0.1). Two where one was counted: both right is next to impossible, so they share what one has."""
    assert weak_boxes.given_photo([0.5], None, 0.1) == pytest.approx([0.5 / 0.55])
    first, second = weak_boxes.given_photo([0.9, 0.5], 1, 0.1)
    assert first == pytest.approx((0.45 + 0.45 * 0.01) / (0.05 * 0.1 + 0.5 + 0.45 * 0.01))
    assert second < 0.12 and weak_boxes.given_photo([], 1, 0.1) == []


def test_hundreds_of_sure_boxes_beyond_the_count_leave_numbers():
    assert 0.98 < weak_boxes.given_photo([0.99] * 1500, 3, 0.01)[0] < 1


def test_the_probability_of_a_box_is_that_of_its_score_times_that_of_its_crop():
    boxes = [{"score": 0.8, "crop": 0.5}, {"score": 0.2}]
    weak_boxes.give_probabilities([(None, boxes)], validation([0, 0, 0, 0, 1, 1, 1, 0], 1), found(*[0.2] * 4, *[0.8] * 4))
    assert [box["probability"] for box in boxes] == pytest.approx(weak_boxes.given_photo([0.35, 0.1], None, 0.3))


def test_only_the_validation_images_of_the_reference_judge_the_detector(tmp_path):
    predictions.write(tmp_path / "p.npz", [(number, 0, np.array([[0, 0, 9, 9]], float), np.array([0.5])) for number in (1, 2, 3)])
    reference = {"images": [{"id": 1, "part": "train"}, {"id": 2, "part": "validation"}], "annotations": [], "categories": []}
    validation, candidates = weak_boxes.judged_by(reference, [tmp_path / "p.npz"], 1)
    assert [image["id"] for image in validation["images"]] == [2] == list(candidates)
