import numpy as np
import pytest

from entoflow.boxes import iou, to_xyxy
from entoflow.detection.detections import rank
from entoflow.detection.matching import (
    FALSE,
    IGNORED,
    IN_IGNORE_REGION,
    NO_BOX,
    TRUE,
    Truth,
    best_threshold,
    f_score,
    match,
    match_all,
    operating_points,
)

NONE = np.zeros(0, bool)


def test_the_best_detection_takes_a_box_and_a_double_is_false():
    truth = np.array([[0, 0, 10, 10], [20, 0, 30, 10]])
    boxes = np.array([[0, 0, 10, 9], [0, 0, 10, 10], [21, 0, 30, 10], [50, 50, 60, 60]])
    assert match(boxes, truth, np.zeros(2, bool), [0.5]).tolist() == [[0, NO_BOX, 1, NO_BOX]]


def test_what_is_taken_at_one_overlap_is_free_at_a_stricter_one():
    boxes, truth = np.array([[0, 0, 10, 6], [0, 0, 10, 10]]), np.array([[0, 0, 10, 10]])
    assert match(boxes, truth, np.zeros(1, bool), [0.5, 0.75]).tolist() == [
        [0, NO_BOX],
        [NO_BOX, 0],
    ]


def test_an_ignore_region_takes_any_number_but_a_true_box_comes_first():
    truth, crowd = np.array([[0, 0, 100, 100], [0, 0, 10, 10]]), np.array([True, False])
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 9], [40, 40, 60, 60], [90, 0, 115, 10]])
    assert match(boxes, truth, crowd, [0.5]).tolist() == [
        [1, IN_IGNORE_REGION, IN_IGNORE_REGION, NO_BOX]
    ]


def test_of_true_boxes_overlapped_alike_the_last_is_taken():
    truth = np.array([[0, 0, 10, 10], [0, 0, 10, 10]])
    assert match(np.array([[0, 0, 10, 10]]), truth, np.zeros(2, bool), [0.5]).tolist() == [[1]]


def test_no_boxes_and_no_truth():
    assert match(np.zeros((0, 4)), np.zeros((2, 4)), np.zeros(2, bool), [0.5, 0.9]).shape == (2, 0)
    assert match(np.ones((1, 4)), np.zeros((0, 4)), NONE, [0.5]).tolist() == [[NO_BOX]]


@pytest.mark.parametrize("seed", range(30))
def test_all_images_at_once_are_matched_as_each_alone(seed):
    rng = np.random.default_rng(seed)
    thresholds = [0.3, 0.5, 0.8]
    n_truth, n_detections = 25, 60
    image = np.sort(rng.integers(0, 5, n_truth))
    truth = Truth(image, boxes(rng, n_truth), rng.random(n_truth) < 0.2, 6)
    image = rng.integers(0, 6, n_detections)
    detections = rank(image, boxes(rng, n_detections), rng.integers(1, 30, n_detections) / 30)
    matches = match_all(detections, truth, thresholds)
    assert (np.diff(matches.scores) <= 0).all()
    for image in range(6):
        rows = np.flatnonzero(detections.image == image)
        true_rows = np.flatnonzero(truth.image == image)
        crowd = truth.crowd[true_rows]
        places = np.argsort(matches.row)[
            rows
        ]  # of the image's detections in the matches, best first
        corners = to_xyxy(detections.bbox[rows])
        expected = match(corners, to_xyxy(truth.bbox[true_rows]), crowd, thresholds)
        outcome = np.full(expected.shape, FALSE)
        outcome[expected >= 0] = TRUE
        outcome[expected == IN_IGNORE_REGION] = IGNORED
        assert matches.n_truth[image] == (~crowd).sum()
        assert matches.outcome[:, places].tolist() == outcome.tolist()
        assert matches.rank[places].tolist() == list(range(len(rows)))
        finders = {true_rows[box]: place for box, place in zip(expected[0], places) if box >= 0}
        assert matches.finder[true_rows].tolist() == [finders.get(row, -1) for row in true_rows]
        plain = true_rows[~crowd]
        overlap = iou(corners, to_xyxy(truth.bbox[plain]))
        best = overlap.max(axis=1, initial=0)
        assert matches.overlap[places] == pytest.approx(best)
        assert (matches.nearest[places][best == 0] == NO_BOX).all()
        for place, row in zip(places[best > 0], overlap[best > 0]):
            assert matches.nearest[place] == plain[row.argmax()]


def boxes(rng, n):
    """Return n boxes (x, y, w, h) of whole pixels that crowd together: areas are exact, and
    overlaps tie.
    """
    return np.hstack([rng.integers(0, 8, (n, 2)), rng.integers(1, 12, (n, 2))]).astype(float)


def test_operating_points_count_tied_detections_together():
    points = operating_points([0.5, 0.9, 0.5, 0.2, 0.3], [TRUE, FALSE, FALSE, TRUE, IGNORED])
    assert [column.tolist() for column in points] == [
        [0.9, 0.5, 0.3, 0.2],
        [0, 1, 1, 2],
        [1, 2, 2, 2],
    ]


def test_f_scores_counted_by_hand():
    assert f_score(3, 1, 6) == pytest.approx(2 * 0.75 * 0.5 / 1.25)
    assert f_score(3, 1, 6, beta=0.5) == pytest.approx(1.25 * 0.75 * 0.5 / (0.25 * 0.75 + 0.5))
    assert f_score(0, 0, 0) == 0


@pytest.mark.parametrize("beta", [0.5, 1, 2])
def test_the_best_threshold_is_that_of_trying_every_score(beta):
    rng = np.random.default_rng(5)
    for _ in range(30):
        scores = rng.integers(1, 20, 40) / 20
        outcome = rng.choice([TRUE, FALSE, FALSE, IGNORED], 40)
        f_of_threshold = {}
        for score in set(scores):
            shown = outcome[scores >= score]
            f_of_threshold[score] = f_score(sum(shown == TRUE), sum(shown == FALSE), 25, beta)
        threshold, f = best_threshold(scores, outcome, 25, beta)
        assert f == pytest.approx(max(f_of_threshold.values()))
        best = [score for score in f_of_threshold if f_of_threshold[score] == pytest.approx(f)]
        assert threshold == max(best)


def test_without_a_right_detection_nothing_is_let_through():
    assert (
        best_threshold([0.9, 0.3], [FALSE, FALSE], 4, 1)
        == best_threshold([], [], 4, 1)
        == (1.0, 0.0)
    )
