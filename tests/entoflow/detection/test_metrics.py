import numpy as np
import pytest

from entoflow import files, statistics
from entoflow.boxes import Prediction, to_xyxy
from entoflow.dataset import Box, Dataset, Image
from entoflow.detection import metrics
from entoflow.detection.detections import gather
from entoflow.detection.matching import FALSE, IGNORED, TRUE, Matches
from entoflow.metric import Metric

BOX = (0, 0, 10, 10)
FAR = (50, 50, 10, 10)


def dataset(boxes, n_images):
    """Return images 1 to n_images, each a group of its own.

    boxes: [(image, bbox, whether a crowd)].
    """
    images = [Image(n, f"{n}.jpg", group=str(n)) for n in range(1, n_images + 1)]
    return Dataset(images, [Box(n, "bmsb", bbox, crowd) for n, bbox, crowd in boxes], ["bmsb"])


def predicted(boxes):
    """Return predictions. boxes: {image: [(bbox, score)]}."""
    predictions = []
    for image_id, found in boxes.items():
        corners = to_xyxy([bbox for bbox, _ in found])
        scores = np.array([score for _, score in found])
        predictions.append(Prediction.in_view(image_id, 0, corners, scores))
    return predictions


def measured(truth, predictions, threshold):
    detections = gather(predictions, metrics.image_ids(truth))
    return metrics.measure_detector(truth, detections, threshold, seed=1)[0]


def test_figures_counted_by_hand():
    truth = dataset([(1, BOX, 0), (1, FAR, 0), (2, BOX, 0), (4, [0, 0, 90, 90], 1)], 5)
    found = predicted(
        {
            1: [(BOX, 0.9), (FAR, 0.2)],
            2: [(FAR, 0.8)],
            3: [(BOX, 0.85), (FAR, 0.4)],
            4: [(BOX, 0.99)],
            5: [],
        }
    )
    figures = measured(truth, found, 0.5)
    value = {name: figure.value for name, figure in figures.items()}
    assert value["precision"] == pytest.approx(1 / 3)
    assert figures["precision"].n == 3  # that in the ignore region counts neither way
    assert value["recall"] == pytest.approx(1 / 3)
    assert value["f1"] == pytest.approx(1 / 3)
    assert value["count_mae"] == pytest.approx((1 + 0 + 1 + 0 + 0) / 5)
    assert value["presence_auroc"] == 3 / 4  # 0.9 and 0.8 against 0.85 and nothing
    assert figures["presence_auroc"].n == 4  # image 4 has an ignore region alone: nobody knows
    assert value["false_alarms_per_empty_image"] == 1 / 2
    assert figures["false_alarms_per_empty_image"].n == 2  # images 3 and 5
    assert value["threshold"] == 0.5
    assert value["recall_at_0.1_fppi"] == pytest.approx(1 / 3)
    assert {(figure.low, figure.high, figure.groups) for figure in figures.values()} == {
        (None, None, 5)
    }


def test_what_cannot_be_measured_is_null_and_never_nan():
    for truth in (dataset([], 3), dataset([(n, BOX, 0) for n in (1, 2, 3)], 3)):
        figures = measured(truth, predicted({1: [], 2: []}), 0.5)
        assert "NaN" not in files.json_text(figures)
        assert figures["precision"].value is None
        assert figures["presence_auroc"].value is None
    assert figures["ap"].value == figures["recall"].value == figures["f1"].value == 0
    expected = Metric(None, None, None, n=0, groups=3, unit="average precision")
    assert measured(dataset([], 3), [], 0.5)["ap50"] == expected


def test_with_labels_alone_only_presence_and_given_counts_are_measured():
    known = [("bmsb", 2), ("bmsb", None), ("moth", 5), ("moth", None)]
    images = [
        Image(n, f"{n}.jpg", group=str(n), label=label, count=count)
        for n, (label, count) in enumerate(known, 1)
    ]
    truth = Dataset(images, truth="labels")
    found = gather(
        predicted({1: [(BOX, 0.9), (FAR, 0.7)], 2: [(BOX, 0.3)], 3: [(BOX, 0.6)], 4: []}),
        [1, 2, 3, 4],
    )
    figures, _ = metrics.measure_detector(truth, found, 0.5, 1, "bmsb")
    value_and_n = {name: (figure.value, figure.n) for name, figure in figures.items()}
    assert value_and_n["presence_auroc"] == (3 / 4, 4)
    assert value_and_n["count_mae"] == (pytest.approx(1 / 3), 3)
    assert value_and_n["false_alarms_per_empty_image"] == (1 / 2, 2)
    for name in ("ap", "ap50", "ap75", "recall_at_0.1_fppi", "precision", "recall", "f1"):
        assert value_and_n[name] == (None, 0)


def test_intervals_hold_the_value_and_appear_from_20_groups_on():
    rng = np.random.default_rng(2)
    for n, known in ((19, False), (20, True)):
        truth = dataset([(k, BOX, 0) for k in range(1, n)], n)
        found = predicted({k: [(BOX, rng.random()), (FAR, rng.random())] for k in range(1, n + 1)})
        for name, figure in measured(truth, found, 0.3).items():
            has_interval = known and name != "threshold"
            assert (figure.low is not None) == has_interval
            if has_interval:
                assert figure.low <= figure.value <= figure.high


def test_the_interval_of_a_share_is_that_of_the_binomial():
    hits = np.arange(400) < 120
    figure = statistics.Bootstrap(np.arange(400), seed=1).ratio(
        hits.astype(int), np.ones(400, int), 400, "share"
    )
    half = 1.96 * np.sqrt(0.3 * 0.7 / 400)
    assert figure.value == 0.3
    assert figure.low == pytest.approx(0.3 - half, abs=0.006)
    assert figure.high == pytest.approx(0.3 + half, abs=0.006)


def test_ten_copies_of_a_photo_in_one_group_do_not_narrow_the_interval():
    hits = (np.arange(100) < 40).astype(int)
    single = statistics.Bootstrap(np.arange(100), 1).ratio(hits, np.ones(100, int), 100, "share")
    copies = statistics.Bootstrap(np.repeat(np.arange(100), 10), 1).ratio(
        np.repeat(hits, 10), np.ones(1000, int), 1000, "share"
    )
    assert copies.groups == 100
    assert (copies.low, copies.high) == pytest.approx((single.low, single.high))


def test_the_same_seed_gives_the_same_interval_and_another_does_not():
    def lower_end(seed):
        bootstrap = statistics.Bootstrap(np.arange(50), seed)
        return bootstrap.ratio(np.arange(50), np.ones(50, int), 50, "").low

    assert lower_end(1) == lower_end(1) != lower_end(2)


@pytest.mark.parametrize("seed", range(10))
def test_auroc_equals_scikit_learn_with_ties_and_weights(seed):
    roc_auc_score = pytest.importorskip("sklearn.metrics").roc_auc_score
    rng = np.random.default_rng(seed)
    scores, positive, weights = (
        rng.integers(0, 12, 60) / 12,
        rng.random(60) < 0.4,
        rng.integers(0, 4, (3, 60)),
    )
    expected = [roc_auc_score(positive, scores, sample_weight=row) for row in weights]
    assert statistics.auroc(scores, positive, weights) == pytest.approx(expected, abs=1e-12)


def test_auroc_of_one_class_or_no_image_is_undefined():
    assert np.isnan(
        statistics.auroc(np.array([0.1, 0.2]), np.array([True, True]), np.ones((1, 2), int))
    ).all()
    assert np.isnan(statistics.auroc(np.zeros(0), np.zeros(0, bool), np.ones((2, 0), int))).all()


def test_recall_at_false_alarms_is_the_best_of_trying_every_threshold():
    rng = np.random.default_rng(4)
    for _ in range(20):
        scores = np.sort(rng.integers(1, 15, 60) / 15)[::-1]
        image = rng.integers(0, 12, 60)
        outcome = rng.choice([TRUE, TRUE, FALSE, IGNORED], (1, 60))
        n_truth = rng.integers(3, 9, 12)
        matches = Matches(image, None, scores, outcome, n_truth, *[None] * 4)
        weights = rng.integers(0, 3, (4, 12))
        recalls = metrics.recall_at_false_alarms(matches, 0.5)(weights)
        for row, recall in zip(weights, recalls):
            allowed = [0]
            for threshold in set(scores):
                is_shown = scores >= threshold
                n_true = row[image[is_shown & (outcome[0] == TRUE)]].sum()
                n_false = row[image[is_shown & (outcome[0] == FALSE)]].sum()
                if n_false <= 0.5 * row.sum():
                    allowed.append(n_true / (row @ n_truth))
            assert recall == pytest.approx(max(allowed))


def test_the_threshold_is_the_lowest_score_let_through_by_the_best_f_score():
    truth = dataset([(1, BOX, 0), (2, BOX, 0), (3, BOX, 0)], 3)
    found = predicted({1: [(BOX, 0.9)], 2: [(BOX, 0.7), (FAR, 0.65)], 3: [(FAR, 0.6), (BOX, 0.5)]})
    assert metrics.choose_threshold(truth, found, beta=0.5) == 0.7
    assert metrics.choose_threshold(truth, found, beta=2) == 0.5
    assert metrics.choose_threshold(truth, predicted({1: [(FAR, 0.9)]}), beta=1) == 1.0
