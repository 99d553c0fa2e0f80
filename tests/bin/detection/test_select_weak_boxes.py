"""Photos 1.. with one box per score, side by side.

On validation photo 99 a right box of 0.6 and a wrong one of 0.4.

Photo 50 is the one that the target's detector is validated on.
"""

import json

import numpy as np
import pytest
import select_weak_boxes

from entoflow import audit, dataset
from entoflow.boxes import Prediction
from entoflow.dataset import Box, Dataset, Image
from entoflow.detection import candidates, predictions, weak_boxes
from entoflow.task import InputError

NOWHERE = (500, 500, 9, 9)


def image(number, part="train", label=None, count=None):
    return Image(number, f"{number}.jpg", group=str(number), label=label, count=count, part=part)


def bmsb(number, count=None, part="train"):
    return image(number, part, "bmsb", count)


def prediction(image_id, scores):
    boxes = np.array([[20 * k, 0, 20 * k + 10, 10] for k in range(len(scores))], float)
    return Prediction.in_view(image_id, 0, boxes.reshape(-1, 4), np.array(scores))


class Outputs:
    """What select_weak_boxes.py wrote."""

    def __init__(self, folder):
        self.weak = weak_boxes.read(folder / "weak.json")
        self.training = dataset.read(folder / "training.json")
        self.audit = audit.read(folder / "audit.json")

    def bands(self):
        return [(box.image_id, box.band) for box in self.weak.boxes if box.image_id != 50]

    def boxes(self, image_id):
        return [box for box in self.weak.boxes if box.image_id == image_id]

    def trained_on(self):
        return {image.id for image in self.training.images}

    def reasons(self):
        return [row.reason for row in self.audit]


@pytest.fixture
def run(tmp_path):
    """Return f(photos, {photo: scores of its boxes}, rule, ...): the outputs."""

    def _run(
        photos,
        scores,
        rule,
        true_box=(0, 0, 10, 10),
        validation=(50,),
        crops=None,
        reviewed=None,
        round_=1,
        reference=(),
    ):
        photos = [*photos, *(bmsb(number, part="validation") for number in validation)]
        scores = {**scores, **{number: [0.9] for number in validation}}
        dataset.write(tmp_path / "labelled.json", Dataset(photos))
        insects = Dataset(
            [image(99, "validation"), image(98), *reference], [Box(99, "bug", true_box)], ["bug"]
        )
        dataset.write(tmp_path / "insect.json", insects)
        of_photos = [prediction(number, values) for number, values in scores.items()]
        predictions.write(tmp_path / "p.npz", of_photos)
        predictions.write(tmp_path / "v.npz", [prediction(99, [0.6, 0.4])])
        options = []
        if reviewed is not None:
            boxes = [
                Box(number, "bmsb", bbox, iscrowd)
                for number, drawn in reviewed.items()
                for bbox, iscrowd in drawn
            ]
            given = Dataset([image(number) for number in reviewed], boxes, ["bmsb"])
            dataset.write(tmp_path / "r.json", given)
            options.append(f"--reviewed={tmp_path}/r.json")
        if crops is not None:
            candidates.write_crop_probabilities(tmp_path / "c.npz", crops)
            options.append(f"--crop_scores={tmp_path}/c.npz")
        select_weak_boxes.main(
            [
                "--target=bmsb",
                "--n_views=1",
                f"--weak_rule={rule}",
                f"--round={round_}",
                f"--labelled={tmp_path}/labelled.json",
                f"--predictions={tmp_path}/p.npz",
                f"--reference={tmp_path}/insect.json",
                f"--validation_predictions={tmp_path}/v.npz",
                f"--weak_boxes={tmp_path}/weak.json",
                f"--training={tmp_path}/training.json",
                f"--audit={tmp_path}/audit.json",
                *options,
            ]
        )
        return Outputs(tmp_path)

    return _run


def test_the_threshold_is_the_score_of_the_last_right_box_on_true_boxes(run):
    out = run([bmsb(1)], {1: [0.9, 0.61, 0.3]}, "threshold")
    assert out.bands() == [(1, "accept"), (1, "accept"), (1, "drop")]
    assert out.weak.selection.thresholds.accept == pytest.approx(0.6, abs=1e-6)


def test_top1_takes_the_best_box_or_as_many_as_were_counted(run):
    out = run([bmsb(1), bmsb(2, count=2)], {1: [0.9, 0.7, 0.1], 2: [0.3, 0.2, 0.1]}, "top1")
    assert [band for image_id, band in out.bands() if image_id == 1] == ["accept", "ignore", "drop"]
    assert [band for image_id, band in out.bands() if image_id == 2] == ["accept", "accept", "drop"]


def test_lookalikes_get_no_box_and_a_photo_without_one_is_no_background(run):
    photos = [bmsb(1), bmsb(2), image(3, label="nezara"), bmsb(4, part="test")]
    out = run(photos, {1: [0.9], 2: [0.2], 3: [0.95], 4: [0.9]}, "threshold")
    assert {box.image_id for box in out.training.boxes} == {1, 50}
    assert out.trained_on() == {1, 3, 50, 98}
    assert [row.image for row in out.audit if row.action == "left out"] == ["2.jpg"]


def test_no_weak_box_at_all_is_an_error(run):
    with pytest.raises(InputError, match="no photo labelled bmsb got a weak box \\(1 photos\\)"):
        run([bmsb(1)], {1: [0.2]}, "threshold", validation=())


def test_a_detector_with_no_box_right_has_no_threshold(run):
    sentence = (
        "none of the insect detector's boxes on its 1 validation images is right, so no score"
    )
    with pytest.raises(InputError, match=sentence):
        run([bmsb(1)], {1: [0.9]}, "threshold", NOWHERE)
    out = run([bmsb(1)], {1: [0.9, 0.8]}, "top1", NOWHERE)
    assert out.bands() == [(1, "accept"), (1, "drop")]


def test_weak_boxes_in_the_training_part_alone_leave_none_to_validate_on(run):
    sentence = "1 of 2 photos labelled bmsb got a weak box, all in the train part; wanted some to"
    photos = [bmsb(1), bmsb(2, part="validation")]
    with pytest.raises(InputError, match=sentence):
        run(photos, {1: [0.9], 2: [0.2]}, "threshold", validation=())


def test_thresholds_that_rest_on_few_true_boxes_have_a_row_in_the_audit(run):
    assert run([bmsb(1)], {1: [0.9]}, "threshold").reasons() == [
        "the thresholds rest on 1 true boxes of the insect detector's validation part; "
        "wanted 30 or more"
    ]


def test_full_takes_what_looks_like_the_target_and_writes_it_into_the_evidence(run):
    crops = {(1, 1): 0.1, (1, 2): 0.9, (2, 1): 0.8}
    out = run([bmsb(1), bmsb(2)], {1: [0.9, 0.8], 2: [0.3, 0.2]}, "full", crops=crops)
    assert out.bands() == [(1, "drop"), (1, "accept"), (2, "accept"), (2, "drop")]
    assert [box.evidence.crop for box in out.boxes(1)] == [0.1, 0.9]
    assert (out.weak.selection.crops, out.weak.selection.rule) == (3, "full")


def test_full_uses_scores_alone_where_no_classifier_was_used(run):
    out = run([bmsb(1)], {1: [0.9, 0.3]}, "full")
    assert out.bands() == [(1, "accept"), (1, "drop")]


def test_full_takes_nothing_from_a_detector_with_no_box_right(run):
    with pytest.raises(InputError, match="no score can be trusted"):
        run([bmsb(1)], {1: [0.9]}, "full", NOWHERE)


def test_exactly_the_boxes_that_a_person_left_on_a_photo_are_accepted(run):
    photos = [bmsb(1), bmsb(2), bmsb(3, part="test")]
    drawn = [((3.25, 4, 5, 6), False), ((0, 0, 2, 2), True)]
    reviewed = {1: drawn, 3: [((1, 1, 2, 2), False)]}
    out = run(photos, {1: [0.9, 0.5], 2: [0.9]}, "threshold", reviewed=reviewed)
    first, second = out.boxes(1)
    assert (first.xyxy, first.band) == ((3.25, 4, 8.25, 10), "accept")
    assert (second.xyxy, second.band) == ((0, 0, 2, 2), "ignore")
    assert first.rule == second.rule == "reviewed"
    assert first.evidence.probability == second.evidence.probability == 1.0
    assert out.bands()[2:] == [(2, "accept")]
    assert out.weak.selection.reviewed == 1
    assert [(image.id, image.reviewed) for image in out.weak.images] == [
        (1, True),
        (2, False),
        (50, False),
    ]
    taught = [box for box in out.training.boxes if box.image_id in (1, 3)]
    assert [(box.image_id, box.bbox, box.iscrowd) for box in taught] == [
        (1, (3.25, 4, 5, 6), False),
        (1, (0, 0, 2, 2), True),
    ]
    assert [row.reason for row in out.audit if row.image == "1.jpg"] == [
        "reviewed: 1 accepted and 1 ignored boxes of a person take the place of "
        "1 accepted and 0 ignored boxes"
    ]


def test_a_photo_on_which_a_person_left_no_box_is_background(run):
    out = run([bmsb(1), bmsb(2)], {1: [0.9], 2: [0.9]}, "threshold", reviewed={1: []})
    assert out.trained_on() == {1, 2, 50, 98}
    assert {box.image_id for box in out.training.boxes} == {2, 50}
    assert [(row.image, row.action) for row in out.audit] == [(None, "note"), ("1.jpg", "note")]
    assert "no bmsb on it, so it is background" in out.audit[1].reason


def test_a_photo_with_an_ignore_region_alone_is_left_out(run):
    reviewed = {1: [((0, 0, 9, 9), True)]}
    out = run([bmsb(1), bmsb(2)], {1: [0.9], 2: [0.9]}, "threshold", reviewed=reviewed)
    assert out.trained_on() == {2, 50, 98}
    assert [(row.image, row.action) for row in out.audit] == [
        ("1.jpg", "left out"),
        (None, "note"),
        ("1.jpg", "note"),
    ]


def test_a_photo_of_another_label_that_a_person_shows_to_hold_the_target_is_one_of_the_targets(run):
    photos = [bmsb(1), image(2, label="nezara"), image(3, label="nezara")]
    reviewed = {2: [((5, 5, 9, 9), False)], 3: []}
    out = run(photos, {1: [0.9], 2: [0.9]}, "threshold", reviewed=reviewed)
    assert out.bands() == [(1, "accept"), (2, "accept")]
    assert out.trained_on() == {1, 2, 3, 50, 98}
    assert [row.reason for row in out.audit if row.source == "reviewed"] == [
        "reviewed: 1 accepted and 0 ignored boxes of a person take the place of "
        "1 accepted and 0 ignored boxes, though it is labelled nezara",
        "reviewed: no bmsb to learn from, as its label nezara says",
    ]


def test_every_box_says_how_likely_it_shows_the_target(run):
    """0.6 is right and 0.4 wrong: with half a box at either end 0.75 and 0.25, with the crops 0.6
    and 0.225.

    One in three insects is missed.
    """
    out = run([bmsb(1)], {1: [0.6, 0.4]}, "full", crops={(1, 1): 0.8, (1, 2): 0.9})
    seen = 1 - 0.4 * 0.775 * (1 - 0.25)
    probabilities = [box.evidence.probability for box in out.boxes(1)]
    assert probabilities == pytest.approx([0.6 / seen, 0.225 / seen], abs=1e-4)


def test_a_later_round_learns_from_each_photo_once_and_names_the_round_of_its_thresholds(run):
    photos = [bmsb(1), image(3, label="nezara")]
    out = run(photos, {1: [0.9], 3: [0.95]}, "threshold", round_=2, reference=photos)
    assert sorted(image.id for image in out.training.images) == [1, 3, 50, 98]
    assert out.weak.selection.round == 2
    assert out.reasons() == [
        "the thresholds rest on 1 weak boxes of round 1's validation part; wanted 30 or more"
    ]


def test_a_detector_that_cannot_teach_the_next_round_is_an_error_with_the_number_to_give(run):
    sentence = "the target's detector of round 2 finds too little to make weak boxes.* --rounds 2."
    with pytest.raises(InputError, match=sentence):
        run([bmsb(1)], {1: [0.2]}, "threshold", validation=(), round_=3)


def test_the_audit_is_a_list_of_rows(run, tmp_path):
    run([bmsb(1)], {1: [0.9]}, "threshold")
    (row,) = json.loads((tmp_path / "audit.json").read_text())
    assert (row["stage"], row["action"], row["source"]) == ("select_weak_boxes", "note", "boxes")
