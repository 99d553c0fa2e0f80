"""The rules that choose weak boxes, and the file that says what was decided."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from entoflow.detection import weak_boxes
from entoflow.detection.candidates import Candidate, Thresholds
from entoflow.detection.weak_boxes import WeakBoxes
from entoflow.task import InputError
from weak_box_worlds import SELECTION, TARGET, photo, weak_box

IGNORE = 0.2


def candidates(*pairs):
    """Return candidates of (score, probability that the crop shows the target), best first."""
    return [Candidate((0, 0, 1, 1), score, 6, 0.0, crop) for score, crop in pairs]


def full(*pairs, count=None, without=None, accept=0.5):
    return weak_boxes.full(candidates(*pairs), count, Thresholds(accept, IGNORE), without)


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
    bands = full((0.9, None), (0.6, None), (0.3, None), (0.1, None))
    assert bands == ["accept", "accept", "ignore", "drop"]
    assert full((0.9, 0.1), (0.1, 0.9), without="second opinion") == ["accept", "drop"]


def test_a_box_that_the_classifier_was_not_shown_is_no_background():
    assert full((0.9, 0.9), (0.8, None)) == ["accept", "ignore"]


pairs = st.tuples(st.floats(0.001, 1), st.none() | st.floats(0, 1))
best_first = st.lists(pairs, max_size=8).map(
    lambda rows: sorted(rows, reverse=True, key=lambda row: row[0])
)


@given(best_first, st.none() | st.integers(1, 4), st.sampled_from([None, *weak_boxes.STEPS]))
def test_of_any_candidates_at_least_one_is_accepted_and_at_most_as_many_as_counted(
    rows, count, without
):
    bands = full(*rows, count=count, without=without)
    assert len(bands) == len(rows)
    assert set(bands) <= {"accept", "ignore", "drop"}
    if rows and without != "label promise":
        assert "accept" in bands
    if count and without != "count cap":
        assert bands.count("accept") <= count


@given(best_first)
def test_a_count_of_all_boxes_caps_nothing(rows):
    assert full(*rows, count=max(len(rows), 1)) == full(*rows)


def test_the_classifier_sees_what_may_be_accepted_and_the_best_box_in_any_case():
    many = candidates(*[(score, None) for score in np.linspace(0.9, 0.05, 60)])
    assert weak_boxes.select_for_classifier(many, IGNORE) == many[: weak_boxes.MAX_CLASSIFIED]
    poor = candidates((0.1, None), (0.05, None))
    assert weak_boxes.select_for_classifier(poor, IGNORE) == poor[:1]
    assert weak_boxes.select_for_classifier([], IGNORE) == []


def test_weak_boxes_are_read_as_they_were_written(tmp_path):
    of_rule = weak_box(1, "accept", 0.5, (3.25, 4, 30.5, 25), crop=0.25, spread=1.5)
    of_person = weak_box(2, "ignore", 1.0, views=None, spread=None, rule="reviewed")
    photos = [photo(1, count=2), photo(2, reviewed=True), photo(3)]
    written = WeakBoxes(TARGET, replace(SELECTION, reviewed=1), photos, [of_rule, of_person])
    weak_boxes.write(tmp_path / "w.json", written)
    boxes = [replace(of_rule, id=1), replace(of_person, id=2)]
    assert weak_boxes.read(tmp_path / "w.json") == replace(written, boxes=boxes)


def test_weak_boxes_are_published_as_coco_with_score_band_rule_and_evidence(tmp_path):
    box = weak_box(1, "ignore", 0.12345, (3.3333, 4, 30, 25), score=0.7654321, spread=0.5555)
    weak_boxes.write(tmp_path / "w.json", WeakBoxes(TARGET, SELECTION, [photo(1)], [box]))
    content = json.loads((tmp_path / "w.json").read_text())
    assert list(content) == ["info", "images", "annotations", "categories"]
    assert content["categories"] == [{"id": 1, "name": TARGET}]
    assert content["info"]["without_agreement"] == [0.85, 0.2]
    assert content["images"][0]["reviewed"] is False
    assert list(content["annotations"][0].items()) == [
        ("id", 1),
        ("image_id", 1),
        ("category_id", 1),
        ("bbox", [3.333, 4, 30, 25]),
        ("area", 750),
        ("iscrowd", 1),
        ("score", 0.765432),
        ("band", "ignore"),
        ("rule", "full"),
        (
            "evidence",
            {
                "rank": 1,
                "count": None,
                "views": 6,
                "spread": 0.555,
                "crop": None,
                "probability": 0.1235,
            },
        ),
    ]


@pytest.mark.parametrize("content", ["[]", '{"images": []}', '{"info": {}, "images": []}'])
def test_another_file_holds_no_weak_boxes(tmp_path, content):
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(InputError, match="x.json: holds no weak boxes; wanted a file that select"):
        weak_boxes.read(tmp_path / "x.json")
