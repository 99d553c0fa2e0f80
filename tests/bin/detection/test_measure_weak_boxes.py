"""Weak boxes on photos of 100 x 50 pixels against true boxes."""

import json
from dataclasses import replace

import measure_weak_boxes
import pytest

from entoflow import dataset
from entoflow.dataset import Box, Dataset
from entoflow.detection import weak_boxes as weak_boxes_file
from entoflow.task import InputError
from weak_box_worlds import SELECTION, TARGET, photo, weak_box, weak_boxes

TEN = (0, 0, 10, 10)  # a box of ten pixels at the corner


def accepted(image_id, bbox=TEN, score=0.8, probability=0.9, rank=1):
    return weak_box(image_id, "accept", probability, bbox, score, rank=rank)


def dropped(image_id, probability=0.9):
    return weak_box(image_id, "drop", probability, TEN, score=0.1)


def true_box(image_id, bbox=TEN, iscrowd=False):
    return Box(image_id, TARGET, bbox, iscrowd)


def photos(n, counts=None, reviewed=()):
    counts = counts or {}
    return [photo(k, counts.get(k), reviewed=k in reviewed, height=50) for k in range(1, n + 1)]


def run(tmp_path, weak, truth, *options):
    """Return the metrics of weak boxes."""
    weak_boxes_file.write(tmp_path / "weak.json", weak)
    dataset.write(tmp_path / "audit.json", Dataset(weak.images, truth, [TARGET]))
    measure_weak_boxes.main(
        [
            f"--weak_boxes={tmp_path}/weak.json",
            f"--audit_boxes={tmp_path}/audit.json",
            f"--target={TARGET}",
            f"--quality={tmp_path}/q.json",
            *options,
        ]
    )
    return json.loads((tmp_path / "q.json").read_text())["metrics"]


def measure(tmp_path, boxes, truth):
    return run(tmp_path, weak_boxes(photos(4), boxes), truth)


def ablate(tmp_path, weak, truth):
    """Return (metrics, the content of the ablation)."""
    metrics = run(tmp_path, weak, truth, f"--ablation={tmp_path}/a.json", f"--plots={tmp_path}")
    return metrics, json.loads((tmp_path / "a.json").read_text())


def test_metrics_counted_by_hand(tmp_path):
    boxes = [accepted(1), accepted(1, (50, 0, 10, 10)), accepted(2, (0, 0, 10, 6)), dropped(3)]
    metrics = measure(tmp_path, boxes, [true_box(n) for n in (1, 2, 3)])
    value = {name: entry["value"] for name, entry in metrics.items()}
    assert value["corloc50"] == pytest.approx(2 / 3)
    assert value["corloc75"] == pytest.approx(1 / 3)
    assert value["precision50"] == pytest.approx(2 / 3)
    assert value["recall50"] == pytest.approx(2 / 3)
    assert value["f1_50"] == pytest.approx(2 / 3)
    assert value["yield"] == pytest.approx(2 / 4)
    assert value["mean_iou"] == pytest.approx((1 + 0.6) / 2)


def test_the_best_of_two_boxes_on_one_insect_is_the_right_one(tmp_path):
    boxes = [accepted(1, (0, 0, 10, 7), score=0.6), accepted(1, score=0.9)]
    metrics = measure(tmp_path, boxes, [true_box(1)])
    assert metrics["mean_iou"]["value"] == 1
    assert metrics["precision50"]["value"] == 0.5
    assert metrics["yield"]["n"] == 4


def test_boxes_on_a_photo_that_the_audit_knows_to_be_empty_are_wrong(tmp_path):
    metrics = measure(tmp_path, [accepted(1), accepted(4)], [true_box(1)])
    assert metrics["precision50"]["value"] == 0.5
    assert metrics["recall50"]["value"] == 1
    assert (metrics["corloc50"]["value"], metrics["corloc50"]["n"]) == (1, 1)


def test_a_box_where_the_audit_ignores_counts_neither_way(tmp_path):
    boxes = [accepted(1), accepted(1, (50, 10, 9, 9)), accepted(2, (0, 0, 9, 9))]
    truth = [
        true_box(1),
        true_box(1, (40, 0, 50, 50), iscrowd=True),
        true_box(2, (0, 0, 50, 50), iscrowd=True),
    ]
    assert measure(tmp_path, boxes, truth)["precision50"] == {
        "value": 1,
        "low": None,
        "high": None,
        "n": 1,
        "groups": 3,
        "unit": "share of weak boxes",
    }


def test_no_accepted_box_has_no_precision_and_a_recall_of_0(tmp_path):
    metrics = measure(tmp_path, [dropped(1)], [true_box(1)])
    assert metrics["precision50"]["value"] is None
    assert metrics["mean_iou"]["value"] is None
    for name in ("recall50", "corloc50", "yield"):
        assert metrics[name]["value"] == 0


def test_without_true_boxes_of_the_target_nothing_can_be_measured(tmp_path):
    with pytest.raises(InputError, match="holds no true box of a photo labelled bmsb"):
        measure(tmp_path, [accepted(1)], [])


def test_each_step_is_measured_by_leaving_it_out(tmp_path):
    """Photo 1: the second box is the target's, as its crop says.

    Photo 2: the one box is below the threshold. Photo 3: a count of one.
    """
    far = (50, 0, 10, 10)
    boxes = [
        weak_box(1, "drop", bbox=far, score=0.9, crop=0.1, views=2, rank=1),
        weak_box(1, "accept", bbox=TEN, score=0.8, crop=0.9, views=2, rank=2),
        weak_box(2, "accept", bbox=TEN, score=0.3, crop=0.9, views=2, rank=1),
        weak_box(3, "accept", bbox=TEN, score=0.8, crop=0.9, views=2, rank=1),
        weak_box(3, "ignore", bbox=far, score=0.7, crop=0.8, views=2, rank=2),
    ]
    weak = weak_boxes(photos(3, counts={3: 1}), boxes, replace(SELECTION, n_views=2))
    metrics, ablation = ablate(tmp_path, weak, [true_box(n) for n in (1, 2, 3)])
    rows = {row["boxes"]: row for row in ablation["rows"]}
    assert {name: row["f1_50"]["value"] for name, row in rows.items()} == pytest.approx(
        {
            "the rule full": 1,
            "without second opinion": 6 / 7,
            "without view agreement": 1,
            "without label promise": 4 / 5,
            "without count cap": 6 / 7,
            "the rule threshold": 4 / 7,
            "the rule top1": 2 / 3,
        }
    )
    assert rows["the rule full"]["gain"] is None
    assert rows["the rule top1"]["gain"]["value"] == pytest.approx(1 / 3)
    assert rows["the rule full"]["f1_50"]["value"] == metrics["f1_50"]["value"]


def test_a_bias_is_how_far_a_side_lies_outside_the_true_one(tmp_path):
    boxes = [accepted(1, (7, 10, 23, 10)), accepted(2, (10, 11, 20, 9))]
    metrics = measure(tmp_path, boxes, [true_box(n, (10, 10, 20, 10)) for n in (1, 2, 3)])
    assert metrics["bias_left"]["value"] == pytest.approx(0.15 / 2)
    assert metrics["bias_top"]["value"] == pytest.approx(-0.1 / 2)
    assert metrics["bias_right"]["value"] == pytest.approx(0)
    assert metrics["bias_bottom"]["value"] == pytest.approx(0)


def test_recall_by_the_size_of_the_true_box_in_its_photo(tmp_path):
    boxes = [accepted(1, (0, 0, 4, 4)), accepted(2, (0, 0, 30, 30))]
    truth = [
        true_box(1, (0, 0, 4, 4)),
        true_box(1, (50, 0, 4, 4)),
        true_box(2, (0, 0, 30, 30)),
        true_box(3, (0, 0, 1, 1)),
        true_box(3, (0, 0, 50, 50), iscrowd=True),
    ]
    metrics = measure(tmp_path, boxes, truth)
    by_size = {name: entry for name, entry in metrics.items() if name.startswith("recall50_")}
    assert {name: (entry["value"], entry["n"]) for name, entry in by_size.items()} == {
        "recall50_below_2": (0, 1),
        "recall50_2_to_5": (0.5, 2),
        "recall50_above_15": (1, 1),
    }


def test_the_calibration_error_is_how_far_probabilities_and_shares_of_right_boxes_are_apart(
    tmp_path,
):
    """Two boxes near 0.9, one of them right: 0.5 for 0.92 of two; one of 0.3, wrong: 0 for 0.3.

    Dropped and unsure ones do not count.
    """
    boxes = [
        accepted(1, TEN, 0.8, probability=0.94),
        accepted(1, (30, 0, 10, 10), 0.7, probability=0.9),
        weak_box(2, "ignore", 0.3, (50, 0, 10, 10)),
        dropped(3, probability=0.01),
        accepted(2, (30, 30, 10, 10), 0.6, probability=0.9),
    ]
    truth = [true_box(1), true_box(2), true_box(2, (29, 29, 12, 12), iscrowd=True), true_box(3)]
    metrics = measure(tmp_path, boxes, truth)
    assert metrics["ece"]["value"] == pytest.approx((2 * 0.42 + 0.3) / 3)
    assert metrics["ece"]["n"] == 3


@pytest.mark.parametrize("reviewed, n, n_rows, ece", [((1,), 1, 6, 0.2), ((1, 2), 0, 0, None)])
def test_probabilities_and_steps_of_the_rule_are_not_measured_on_what_a_person_reviewed(
    tmp_path, reviewed, n, n_rows, ece
):
    boxes = [
        weak_box(1, "accept", 1.0, TEN, views=None, spread=None, rule="reviewed"),
        accepted(2, probability=0.8),
    ]
    selection = replace(SELECTION, crops=0)
    weak = weak_boxes(photos(2, reviewed=reviewed), boxes, selection)
    metrics, ablation = ablate(tmp_path, weak, [true_box(1, (50, 0, 10, 10)), true_box(2)])
    assert metrics["precision50"]["value"] == 0.5
    assert metrics["ece"]["n"] == n
    assert metrics["ece"]["value"] == (None if ece is None else pytest.approx(ece))
    assert (ablation["n"], len(ablation["rows"])) == (n, n_rows)
    assert (tmp_path / "calibration.png").stat().st_size > 1000
