import json

import numpy as np
import pytest

from entoflow import statistics
from entoflow.detection import metrics
from entoflow.detection.detections import gather
from entoflow.detection.matching import FALSE, IGNORED, TRUE, Matches

BOX, FAR = [0, 0, 10, 10], [50, 50, 10, 10]


def dataset(boxes, n_images, **info):
    """boxes: [(image, bbox, iscrowd)] of images 1 to n_images, each a group of its own."""
    annotations = [{"id": k, "image_id": n, "category_id": 1, "bbox": bbox, "area": bbox[2] * bbox[3], "iscrowd": crowd}
                   for k, (n, bbox, crowd) in enumerate(boxes, 1)]
    images = [{"id": n, "file_name": f"{n}.jpg", "group": str(n), "label": None} for n in range(1, n_images + 1)]
    return {"info": info, "images": images, "annotations": annotations, "categories": [{"id": 1, "name": "bmsb"}]}


def predicted(boxes):
    """boxes: {image: [(bbox, score)]}"""
    return [(n, 0, np.array([[x, y, x + w, y + h] for (x, y, w, h), _ in found]), np.array([score for _, score in found]))
            for n, found in boxes.items()]


def test_figures_counted_by_hand():
    truth = dataset([(1, BOX, 0), (1, FAR, 0), (2, BOX, 0), (4, [0, 0, 90, 90], 1)], 5)
    found = predicted({1: [(BOX, 0.9), (FAR, 0.2)], 2: [(FAR, 0.8)], 3: [(BOX, 0.85), (FAR, 0.4)], 4: [(BOX, 0.99)], 5: []})
    figures = metrics.detection(truth, found, 0.5, seed=1)
    value = {name: figure["value"] for name, figure in figures.items()}
    assert value["precision"] == pytest.approx(1 / 3) and figures["precision"]["n"] == 3  # that in the ignore region counts neither way
    assert value["recall"] == pytest.approx(1 / 3) and value["f1"] == pytest.approx(1 / 3)
    assert value["count_mae"] == pytest.approx((1 + 0 + 1 + 0 + 0) / 5)
    assert value["presence_auroc"] == 3 / 4  # 0.9 and 0.8 against 0.85 and nothing
    assert figures["presence_auroc"]["n"] == 4  # image 4 has an ignore region alone: nobody knows
    assert (value["false_alarms_per_empty_image"], figures["false_alarms_per_empty_image"]["n"]) == (1 / 2, 2)  # images 3 and 5
    assert value["threshold"] == 0.5 and value["recall_at_0.1_fppi"] == pytest.approx(1 / 3)
    assert {(figure["low"], figure["high"], figure["groups"]) for figure in figures.values()} == {(None, None, 5)}


def test_what_cannot_be_measured_is_null_and_never_nan():
    for truth in (dataset([], 3), dataset([(n, BOX, 0) for n in (1, 2, 3)], 3)):
        figures = metrics.detection(truth, predicted({1: [], 2: []}), 0.5, seed=1)
        assert "NaN" not in json.dumps(figures)
        assert figures["precision"]["value"] is figures["presence_auroc"]["value"] is None
    assert figures["ap"]["value"] == figures["recall"]["value"] == figures["f1"]["value"] == 0
    assert metrics.detection(dataset([], 3), [], 0.5, seed=1)["ap50"] == {
        "value": None, "low": None, "high": None, "n": 0, "groups": 3, "unit": "average precision"}


def test_with_labels_alone_only_presence_and_given_counts_are_measured():
    truth = dataset([], 4, truth="labels")
    for image, (label, count) in zip(truth["images"], [("bmsb", 2), ("bmsb", None), ("moth", 5), ("moth", None)]):
        image.update(label=label, count=count)
    found = gather(predicted({1: [(BOX, 0.9), (FAR, 0.7)], 2: [(BOX, 0.3)], 3: [(BOX, 0.6)], 4: []}), [1, 2, 3, 4])
    figures, _ = metrics.detection_figures(truth, found, 0.5, 1, "bmsb")
    assert figures["presence_auroc"]["value"] == 3 / 4 and figures["presence_auroc"]["n"] == 4
    assert figures["count_mae"]["value"] == pytest.approx(1 / 3) and figures["count_mae"]["n"] == 3
    assert figures["false_alarms_per_empty_image"]["value"] == 1 / 2 and figures["false_alarms_per_empty_image"]["n"] == 2
    assert all(figures[name]["value"] is None and figures[name]["n"] == 0
               for name in ("ap", "ap50", "ap75", "recall_at_0.1_fppi", "precision", "recall", "f1"))


def test_intervals_hold_the_value_and_appear_from_20_groups_on():
    rng = np.random.default_rng(2)
    for n, known in ((19, False), (20, True)):
        truth = dataset([(k, BOX, 0) for k in range(1, n)], n)
        found = predicted({k: [(BOX, rng.random()), (FAR, rng.random())] for k in range(1, n + 1)})
        for name, figure in metrics.detection(truth, found, 0.3, seed=1).items():
            assert (figure["low"] is not None) == (known and name != "threshold")
            assert not known or name == "threshold" or figure["low"] <= figure["value"] <= figure["high"]


def test_the_interval_of_a_share_is_that_of_the_binomial():
    hits = np.arange(400) < 120
    figure = statistics.Bootstrap(np.arange(400), seed=1).ratio(hits.astype(int), np.ones(400, int), 400, "share")
    half = 1.96 * np.sqrt(0.3 * 0.7 / 400)
    assert figure["value"] == 0.3
    assert figure["low"] == pytest.approx(0.3 - half, abs=0.006) and figure["high"] == pytest.approx(0.3 + half, abs=0.006)


def test_ten_copies_of_a_photo_in_one_group_do_not_narrow_the_interval():
    hits = (np.arange(100) < 40).astype(int)
    single = statistics.Bootstrap(np.arange(100), 1).ratio(hits, np.ones(100, int), 100, "share")
    copies = statistics.Bootstrap(np.repeat(np.arange(100), 10), 1).ratio(np.repeat(hits, 10), np.ones(1000, int), 1000, "share")
    assert copies["groups"] == 100 and (copies["low"], copies["high"]) == pytest.approx((single["low"], single["high"]))


def test_the_same_seed_gives_the_same_interval_and_another_does_not():
    low = [statistics.Bootstrap(np.arange(50), seed).ratio(np.arange(50), np.ones(50, int), 50, "")["low"] for seed in (1, 1, 2)]
    assert low[0] == low[1] != low[2]


@pytest.mark.parametrize("seed", range(10))
def test_auroc_equals_scikit_learn_with_ties_and_weights(seed):
    roc_auc_score = pytest.importorskip("sklearn.metrics").roc_auc_score
    rng = np.random.default_rng(seed)
    scores, positive, weights = rng.integers(0, 12, 60) / 12, rng.random(60) < 0.4, rng.integers(0, 4, (3, 60))
    expected = [roc_auc_score(positive, scores, sample_weight=row) for row in weights]
    assert statistics.auroc(scores, positive, weights) == pytest.approx(expected, abs=1e-12)


def test_auroc_of_one_class_or_no_image_is_undefined():
    assert np.isnan(statistics.auroc(np.array([0.1, 0.2]), np.array([True, True]), np.ones((1, 2), int))).all()
    assert np.isnan(statistics.auroc(np.zeros(0), np.zeros(0, bool), np.ones((2, 0), int))).all()


def test_recall_at_false_alarms_is_the_best_of_trying_every_threshold():
    rng = np.random.default_rng(4)
    for _ in range(20):
        scores = np.sort(rng.integers(1, 15, 60) / 15)[::-1]
        matches = Matches(rng.integers(0, 12, 60), None, scores, rng.choice([TRUE, TRUE, FALSE, IGNORED], (1, 60)), rng.integers(3, 9, 12),
                          *[None] * 4)
        weights = rng.integers(0, 3, (4, 12))
        for row, recall in zip(weights, metrics.recall_at_false_alarms(matches, 0.5)(weights)):
            each, tried = row[matches.image], [0]
            for t in set(scores):
                true, false = (each[(scores >= t) & (matches.outcome[0] == kind)].sum() for kind in (TRUE, FALSE))
                tried += [true / (row @ matches.n_truth)] if false <= 0.5 * row.sum() else []
            assert recall == pytest.approx(max(tried))


def test_the_threshold_is_the_lowest_score_let_through_by_the_best_f_score():
    truth = dataset([(1, BOX, 0), (2, BOX, 0), (3, BOX, 0)], 3)
    found = predicted({1: [(BOX, 0.9)], 2: [(BOX, 0.7), (FAR, 0.65)], 3: [(FAR, 0.6), (BOX, 0.5)]})
    assert metrics.chosen_threshold(truth, found, beta=0.5) == 0.7
    assert metrics.chosen_threshold(truth, found, beta=2) == 0.5
    assert metrics.chosen_threshold(truth, predicted({1: [(FAR, 0.9)]}), beta=1) == 1.0
