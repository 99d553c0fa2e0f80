"""Errors by kind against tidecv's stored figures (tests/data/tide), by hand, and AP50 by size
against pycocotools.
"""

import contextlib
import io
import json

import numpy as np
import pytest

from conftest import ROOT
from entoflow.detection import error_analysis
from entoflow.detection.average_precision import IOU_THRESHOLDS, average_precision
from entoflow.detection.detections import rank
from entoflow.detection.matching import Truth, match_all
from entoflow.statistics import Bootstrap

CASES = json.loads((ROOT / "tests/data/tide/tide.json").read_text())["cases"]


def matched(truth, found, crowd=None):
    """Return (Matches, Truth, Detections).

    truth: [[x, y, w, h]] of each image; found: [[x, y, w, h, score]] of each.
    """

    def columns(rows, width):
        image = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
        return image, np.array(sum(rows, []), float).reshape(-1, width)

    image, boxes = columns(truth, 4)
    is_crowd = np.zeros(len(image), bool) if crowd is None else np.array(crowd)
    known = Truth(image, boxes, is_crowd, len(truth))
    image, boxes = columns(found, 5)
    detections = rank(image, boxes[:, :4], boxes[:, 4])
    return match_all(detections, known, IOU_THRESHOLDS), known, detections


def tide(matches, truth, other=None, threshold=0.0):
    bootstrap = Bootstrap(np.arange(truth.n_images), 1)
    return error_analysis.measure_errors(matches, truth, other, threshold, bootstrap)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_counts_and_costs_equal_those_of_tidecv(case):
    matches, truth, _ = matched(case["truth"], case["found"])
    errors = tide(matches, truth)
    for kind in ("missed", "background", "duplicate", "poorly_placed"):
        assert (kind, errors[kind].n) == (kind, case["counts"][kind])
        assert errors[kind].value == pytest.approx(case["gained"][kind], abs=1e-6), kind
    assert average_precision(matches, 100)(np.ones((1, truth.n_images), int))[
        0, 0
    ] == pytest.approx(case["ap50"], abs=1e-6)


BOX, HALF, ROUGH, FAR = [0, 0, 10, 10], [0, 0, 10, 5], [0, 0, 10, 4], [50, 50, 10, 10]


def test_errors_counted_by_hand_at_any_score_and_from_the_threshold_up():
    truth = [[BOX], [BOX], [BOX], [], [BOX]]
    found = [
        [[*BOX, 0.9], [*BOX, 0.8], [*FAR, 0.2]],
        [[*ROUGH, 0.7], [*ROUGH, 0.6]],
        [[*FAR, 0.3]],
        [[*FAR, 0.65]],
        [[*BOX, 0.1]],
    ]
    matches, known, _ = matched(truth, found)
    errors = tide(matches, known, other=np.array([False, False, False, True, False]), threshold=0.5)
    counts = {kind: (error.n, error.n_at_threshold) for kind, error in errors.items()}
    assert counts == {
        "missed": (1, 2),
        "background": (3, 1),
        "look_alike": (1, 1),
        "duplicate": (1, 1),
        "poorly_placed": (2, 2),
    }
    # falling scores: right 0.9, duplicate 0.8, two poor 0.7 and 0.6, look-alike 0.65,
    # background 0.3 and 0.2, right 0.1; 4 true boxes:
    # 26 of the 101 recalls (0 to 0.25) at precision 1, 25 more (to 0.5) at 2/8
    before = (26 + 25 * 2 / 8) / 101
    assert errors["duplicate"].value == pytest.approx((26 + 25 * 2 / 7) / 101 - before)
    assert errors["look_alike"].value == pytest.approx((26 + 25 * 2 / 7) / 101 - before)
    assert errors["background"].value == pytest.approx((26 + 25 * 2 / 5) / 101 - before)
    assert errors["poorly_placed"].value == pytest.approx(
        (26 + 25 * 2 / 3 + 25 * 3 / 7) / 101 - before
    )  # the better one is right, the other gone
    assert errors["missed"].value == pytest.approx(
        (34 + 33 * 2 / 8) / 101 - before
    )  # of 3 boxes: recalls to 1/3, to 2/3


def test_what_lies_in_an_ignore_region_or_behind_the_hundredth_is_no_error():
    matches, known, _ = matched([[[40, 40, 30, 30]]], [[[*FAR, 0.9]]], crowd=[True])
    assert {kind: error.n for kind, error in tide(matches, known).items()} == dict.fromkeys(
        error_analysis.KINDS, 0
    )
    many = [[*FAR, 0.5 + k / 1000] for k in range(120)]
    matches, known, _ = matched(
        [[BOX, [200, 0, 10, 10]]], [[*many, [*BOX, 0.4], [200, 0, 10, 4, 0.3]]]
    )
    errors = tide(matches, known)
    assert (errors["background"].n, errors["missed"].n, errors["poorly_placed"].n) == (100, 2, 0)


def test_look_alikes_are_unknown_where_no_label_names_other_species_and_costs_without_truth():
    matches, known, _ = matched([[BOX], []], [[], [[*FAR, 0.9]]])
    assert tide(matches, known)["look_alike"].value is None
    assert tide(matches, known)["background"].n == 1
    matches, known, _ = matched([[]], [[[*FAR, 0.9]]])
    assert {error.value for error in tide(matches, known).values()} == {None}


def test_the_cost_has_an_interval_from_20_groups_on():
    rng = np.random.default_rng(1)
    matches, known, _ = matched(
        [[BOX]] * 30, [[[*(BOX if rng.random() < 0.5 else FAR), rng.random()]] for _ in range(30)]
    )
    cost = tide(matches, known)["background"]
    assert 0 <= cost.low < cost.value < cost.high
    assert cost.groups == 30


def test_recall_and_ap50_by_size_counted_by_hand():
    sizes = [
        [[0, 0, 1, 1], [30, 0, 20, 20]],
        [[0, 0, 4, 4]],
    ]  # of photos of 100 pixels: 1 %, 20 %, 4 %
    found = [
        [[0, 0, 1, 1, 0.9], [30, 0, 20, 20, 0.2], [60, 60, 1, 1, 0.8], [60, 60, 30, 30, 0.7]],
        [[60, 60, 1, 1, 0.95]],
    ]
    matches, known, detections = matched(sizes, found)
    figures = error_analysis.measure_by_size(
        matches, known, detections, np.array([100, 100]), 0.5, Bootstrap(np.arange(2), 1)
    )
    values = {name: (figure.value, figure.n) for name, figure in figures.items()}
    assert values == {
        "recall_below_2": (1, 1),
        "recall_2_to_5": (0, 1),
        "recall_5_to_15": (None, 0),
        "recall_above_15": (0, 1),
        "ap50_below_2": (pytest.approx(1 / 2), 1),
        "ap50_2_to_5": (0, 1),
        "ap50_5_to_15": (None, 0),
        "ap50_above_15": (pytest.approx(1 / 2), 1),
    }


@pytest.mark.parametrize("seed", range(20))
def test_ap50_by_size_equals_pycocotools_where_no_true_boxes_overlap(seed):
    rng = np.random.default_rng(seed)
    truth, found = [], []
    for _ in range(6):
        corners = np.array([(x, y) for x in (0, 100, 200) for y in (0, 100, 200)])[
            rng.random(9) < 0.6
        ]
        boxes = np.hstack(
            [
                corners,
                rng.choice([3, 8, 20, 60], (len(corners), 2))
                * rng.uniform(0.8, 1.2, (len(corners), 2)),
            ]
        )
        near = np.vstack([boxes, boxes]) + rng.normal(0, 1, (2 * len(boxes), 4))
        stray = np.hstack([rng.uniform(0, 250, (6, 2)), rng.uniform(2, 60, (6, 2))])
        near = np.maximum(np.vstack([near, stray]), 0.5)
        truth.append(boxes.tolist())
        found.append(np.hstack([near, rng.random((len(near), 1))]).tolist())
    matches, known, detections = matched(truth, found)
    figures = error_analysis.measure_by_size(
        matches, known, detections, np.full(6, 300), 0.5, Bootstrap(np.arange(6), 1)
    )
    expected = dict(zip(error_analysis.size_names(), pycocotools_by_size(known, detections, 300)))
    for name, value in expected.items():
        assert figures[f"ap50_{name}"].value == (
            None if value is None else pytest.approx(value, abs=1e-9)
        ), name


def pycocotools_by_size(truth, detections, longer_side):
    """Return the AP50 of each size, None without true boxes, by COCO's area ranges on areas in
    shares of the photo.
    """
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    from entoflow.detection.sizes import BOUNDS

    def boxes(rows, bbox):
        return [
            {
                "id": n,
                "image_id": image + 1,
                "category_id": 1,
                "bbox": box,
                "area": box[2] * box[3] / longer_side**2,
                "iscrowd": 0,
            }
            for n, (image, box) in enumerate(zip(rows.tolist(), bbox.tolist()), 1)
        ]

    def coco(annotations):
        made = COCO()
        made.dataset = {
            "images": [{"id": n + 1} for n in range(truth.n_images)],
            "categories": [{"id": 1}],
            "annotations": annotations,
        }
        made.createIndex()
        return made

    with contextlib.redirect_stdout(io.StringIO()):
        found = [
            {**box, "score": score}
            for box, score in zip(
                boxes(detections.image, detections.bbox), detections.scores.tolist()
            )
        ]
        run = COCOeval(coco(boxes(truth.image, truth.bbox)), coco(found), "bbox")
        bounds = [0, *(size**2 for size in BOUNDS), 1e10]
        run.params.maxDets, run.params.areaRng = [100], list(zip(bounds, bounds[1:]))
        run.params.areaRngLbl = error_analysis.size_names()
        run.evaluate()
        run.accumulate()
    return [
        None if (row < 0).all() else row.mean() for row in run.eval["precision"][0, :, 0, :, 0].T
    ]


def test_the_worst_false_alarms_lie_on_no_true_insect_and_come_best_score_first():
    matches, _, detections = matched(
        [[BOX], [], [BOX]],
        [[[*BOX, 0.99], [*ROUGH, 0.98], [*FAR, 0.7]], [[*FAR, 0.9]], [[*FAR, 0.8]]],
    )
    worst = error_analysis.worst_false_alarms(
        matches, detections, np.array([False, True, False]), 2
    )
    assert worst == [
        error_analysis.FalseAlarm(1, [50, 50, 60, 60], 0.9, True),
        error_analysis.FalseAlarm(2, [50, 50, 60, 60], 0.8, False),
    ]
