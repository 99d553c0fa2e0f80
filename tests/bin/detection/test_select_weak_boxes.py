import json

import numpy as np
import pytest
import select_weak_boxes

from entoflow import coco, crops
from entoflow.detection import predictions
from entoflow.task import InputError


def image(number, part="train", label=None, count=None):
    return {"id": number, "file_name": f"{number}.jpg", "part": part, "label": label, "count": count, "group": str(number)}


@pytest.fixture
def run(tmp_path):
    """Photos 1.. with one box per score, side by side; validation photo 99 with a right box at 0.6 and a wrong one at 0.4.

    Photo 50 is the one that the target's detector is validated on.
    """
    def _run(photos, scores, rule, true_box=(0, 0, 10, 10), validation=(50,), opinions=None, reviewed=None, round_=1, reference=()):
        photos = [*photos, *(image(n, "validation", "bmsb") for n in validation)]
        scores = {**scores, **{n: [0.9] for n in validation}}
        coco.write(tmp_path / "labelled.json", {"info": {}, "images": photos, "annotations": [], "categories": []})
        coco.write(tmp_path / "insect.json", {
            "info": {}, "images": [image(99, "validation"), image(98), *reference], "categories": [{"id": 1, "name": "bug"}],
            "annotations": [{"id": 1, "image_id": 99, "category_id": 1, "bbox": list(true_box), "area": 100, "iscrowd": 0}]})
        predictions.write(tmp_path / "p.npz", [(n, 0, boxes(len(found)), np.array(found)) for n, found in scores.items()])
        predictions.write(tmp_path / "v.npz", [(99, 0, boxes(2), np.array([0.6, 0.4]))])
        files = {"labelled": "labelled.json", "predictions": "p.npz", "reference": "insect.json", "validation_predictions": "v.npz",
                 "weak_boxes": "weak.json", "training": "training.json", "audit": "audit.json"}
        if reviewed:
            drawn = [{"id": 1, "image_id": n, "category_id": 1, "bbox": bbox, "area": 1, "iscrowd": crowd}
                     for n, own in reviewed.items() for bbox, crowd in own]
            coco.write(tmp_path / "r.json", {"images": [image(n) for n in reviewed], "annotations": drawn, "categories": []})
            files["reviewed"] = "r.json"
        if opinions:
            crops.write_scores(tmp_path / "c.npz", list(opinions), list(opinions.values()))
            files["crop_scores"] = "c.npz"
        given = ["--target=bmsb", "--n_views=1", f"--weak_rule={rule}", f"--round={round_}"]
        select_weak_boxes.main([*given, *(f"--{k}={tmp_path / v}" for k, v in files.items())])
        return {name: json.loads((tmp_path / f"{name}.json").read_text()) for name in ("weak", "training", "audit")}
    return _run


def boxes(n):
    return np.array([[20 * k, 0, 20 * k + 10, 10] for k in range(n)], float).reshape(-1, 4)


def bands(out):
    return [(box["image_id"], box["band"]) for box in out["weak"]["annotations"] if box["image_id"] != 50]


def test_the_threshold_is_the_score_of_the_last_right_box_on_true_boxes(run):
    out = run([image(1, label="bmsb")], {1: [0.9, 0.61, 0.3]}, "threshold")
    assert bands(out) == [(1, "accept"), (1, "accept"), (1, "drop")]
    assert out["weak"]["info"]["accept"] == pytest.approx(0.6, abs=1e-6)


def test_top1_takes_the_best_box_or_as_many_as_were_counted(run):
    out = run([image(1, label="bmsb"), image(2, label="bmsb", count=2)], {1: [0.9, 0.7, 0.1], 2: [0.3, 0.2, 0.1]}, "top1")
    assert bands(out) == [(1, "accept"), (1, "ignore"), (1, "drop"), (2, "accept"), (2, "accept"), (2, "drop")]


def test_lookalikes_get_no_box_and_a_photo_without_one_is_no_background(run):
    photos = [image(1, label="bmsb"), image(2, label="bmsb"), image(3, label="nezara"), image(4, "test", "bmsb")]
    out = run(photos, {1: [0.9], 2: [0.2], 3: [0.95], 4: [0.9]}, "threshold")
    assert {box["image_id"] for box in out["training"]["annotations"]} == {1, 50}
    assert {picture["id"] for picture in out["training"]["images"]} == {1, 3, 50, 98}
    assert [row["image"] for row in out["audit"] if row["action"] == "left out"] == ["2.jpg"]


def test_no_weak_box_at_all_is_told(run):
    with pytest.raises(InputError, match="no photo labelled bmsb got a weak box \\(1 photos\\)"):
        run([image(1, label="bmsb")], {1: [0.2]}, "threshold", validation=())


def test_a_detector_with_no_box_right_has_no_threshold_and_the_sentence_says_so(run):
    nowhere = (500, 500, 9, 9)
    with pytest.raises(InputError, match="none of the insect detector's boxes on its 1 validation images is right, so no score can be trusted"):
        run([image(1, label="bmsb")], {1: [0.9]}, "threshold", nowhere)
    assert bands(run([image(1, label="bmsb")], {1: [0.9, 0.8]}, "top1", nowhere)) == [(1, "accept"), (1, "drop")]


def test_weak_boxes_in_the_training_part_alone_leave_none_to_validate_on(run):
    with pytest.raises(InputError, match="1 of 2 photos labelled bmsb got a weak box, all in the train part; wanted some to train on and some"):
        run([image(1, label="bmsb"), image(2, "validation", "bmsb")], {1: [0.9], 2: [0.2]}, "threshold", validation=())


def test_thresholds_that_rest_on_few_true_boxes_are_told_in_the_audit(run):
    assert [row["reason"] for row in run([image(1, label="bmsb")], {1: [0.9]}, "threshold")["audit"]] == [
        "the thresholds rest on 1 true boxes of the insect detector's validation part; wanted 30 or more"]


def test_full_takes_what_looks_like_the_target_and_the_evidence_says_so(run):
    out = run([image(1, label="bmsb"), image(2, label="bmsb")], {1: [0.9, 0.8], 2: [0.3, 0.2]}, "full", opinions={(1, 1): 0.1, (1, 2): 0.9, (2, 1): 0.8})
    assert bands(out) == [(1, "drop"), (1, "accept"), (2, "accept"), (2, "drop")]
    assert [box["evidence"]["crop"] for box in out["weak"]["annotations"] if box["image_id"] == 1] == [0.1, 0.9]
    assert out["weak"]["info"]["crops"] == 3 and out["weak"]["info"]["rule"] == "full"


def test_full_goes_by_scores_where_no_classifier_was_asked_and_by_none_of_a_blind_detector(run):
    assert bands(run([image(1, label="bmsb")], {1: [0.9, 0.3]}, "full")) == [(1, "accept"), (1, "drop")]
    with pytest.raises(InputError, match="no score can be trusted"):
        run([image(1, label="bmsb")], {1: [0.9]}, "full", (500, 500, 9, 9))


def test_exactly_the_boxes_that_a_person_left_on_a_photo_are_accepted(run):
    photos = [image(1, label="bmsb"), image(2, label="bmsb"), image(3, "test", "bmsb")]
    out = run(photos, {1: [0.9, 0.5], 2: [0.9]}, "threshold", reviewed={1: [([3.25, 4, 5, 6], 0), ([0, 0, 2, 2], 1)], 3: [([1, 1, 2, 2], 0)]})
    own = [box for box in out["weak"]["annotations"] if box["image_id"] == 1]
    assert [(box["bbox"], box["band"], box["rule"], box["evidence"]["probability"]) for box in own] == [
        ([3.25, 4, 5, 6], "accept", "reviewed", 1.0), ([0, 0, 2, 2], "ignore", "reviewed", 1.0)]
    assert bands(out)[2:] == [(2, "accept")] and out["weak"]["info"]["reviewed"] == 1
    assert [(picture["id"], picture["reviewed"]) for picture in out["weak"]["images"]] == [(1, True), (2, False), (50, False)]
    taught = [(box["image_id"], box["bbox"], box["iscrowd"]) for box in out["training"]["annotations"] if box["image_id"] in (1, 3)]
    assert taught == [(1, [3.25, 4, 5, 6], 0), (1, [0, 0, 2, 2], 1)]
    assert [row["reason"] for row in out["audit"] if row["image"] == "1.jpg"] == [
        "reviewed: 1 accepted and 1 ignored boxes of a person take the place of 1 accepted and 0 ignored boxes"]


def test_a_photo_on_which_a_person_left_no_box_is_background_and_one_with_an_ignore_region_alone_is_left_out(run):
    photos = [image(1, label="bmsb"), image(2, label="bmsb"), image(3, label="bmsb")]
    out = run(photos, {1: [0.9], 2: [0.9], 3: [0.9]}, "threshold", reviewed={1: [], 2: [([0, 0, 9, 9], 1)]})
    assert {picture["id"] for picture in out["training"]["images"]} == {1, 3, 50, 98}
    assert {box["image_id"] for box in out["training"]["annotations"]} == {3, 50}
    assert [(row["image"], row["action"]) for row in out["audit"]] == [("2.jpg", "left out"), (None, "note"), ("1.jpg", "note"), ("2.jpg", "note")]
    assert "no bmsb on it, so it is background" in out["audit"][2]["reason"]


def test_a_photo_of_another_label_that_a_person_shows_to_hold_the_target_is_one_of_the_targets(run):
    photos = [image(1, label="bmsb"), image(2, label="nezara"), image(3, label="nezara")]
    out = run(photos, {1: [0.9], 2: [0.9]}, "threshold", reviewed={2: [([5, 5, 9, 9], 0)], 3: []})
    assert bands(out) == [(1, "accept"), (2, "accept")]
    assert {picture["id"] for picture in out["training"]["images"]} == {1, 2, 3, 50, 98}
    assert [row["reason"] for row in out["audit"] if row["source"] == "reviewed"] == [
        "reviewed: 1 accepted and 0 ignored boxes of a person take the place of 1 accepted and 0 ignored boxes, though it is labelled nezara",
        "reviewed: no bmsb to learn from, as its label nezara says"]


def test_every_box_says_how_likely_it_shows_the_target(run):
    """0.6 is right and 0.4 wrong: with half a box at either end 0.75 and 0.25, with the crops 0.6 and 0.225, one in three insects missed."""
    out = run([image(1, label="bmsb")], {1: [0.6, 0.4]}, "full", opinions={(1, 1): 0.8, (1, 2): 0.9})
    seen = 1 - 0.4 * 0.775 * (1 - 0.25)
    assert [box["evidence"]["probability"] for box in out["weak"]["annotations"] if box["image_id"] == 1] == pytest.approx([0.6 / seen, 0.225 / seen], abs=1e-4)


def test_a_later_round_learns_from_each_photo_once_and_says_whose_boxes_it_rests_on(run):
    photos = [image(1, label="bmsb"), image(3, label="nezara")]
    out = run(photos, {1: [0.9], 3: [0.95]}, "threshold", round_=2, reference=photos)
    assert sorted(picture["id"] for picture in out["training"]["images"]) == [1, 3, 50, 98]
    assert out["weak"]["info"]["round"] == 2
    assert [row["reason"] for row in out["audit"]] == ["the thresholds rest on 1 weak boxes of round 1's validation part; wanted 30 or more"]


def test_a_detector_that_cannot_teach_the_next_round_is_told_with_the_number_to_give(run):
    with pytest.raises(InputError, match="the target's detector of round 2 finds too little to make weak boxes from.* Give --rounds 2."):
        run([image(1, label="bmsb")], {1: [0.2]}, "threshold", validation=(), round_=3)
