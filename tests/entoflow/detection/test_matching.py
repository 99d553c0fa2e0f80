import numpy as np
import pytest

from entoflow.boxes import iou, to_xyxy
from entoflow.detection.detections import ranked
from entoflow.detection.matching import FALSE, IGNORED, IN_IGNORE_REGION, NO_BOX, TRUE, Truth, best_threshold, f_score, match, match_all, operating_points

NONE = np.zeros(0, bool)


def test_the_best_detection_takes_a_box_and_a_double_is_false():
    truth = np.array([[0, 0, 10, 10], [20, 0, 30, 10]])
    boxes = np.array([[0, 0, 10, 9], [0, 0, 10, 10], [21, 0, 30, 10], [50, 50, 60, 60]])
    assert match(boxes, truth, np.zeros(2, bool), [0.5]).tolist() == [[0, NO_BOX, 1, NO_BOX]]


def test_what_is_taken_at_one_overlap_is_free_at_a_stricter_one():
    boxes, truth = np.array([[0, 0, 10, 6], [0, 0, 10, 10]]), np.array([[0, 0, 10, 10]])
    assert match(boxes, truth, np.zeros(1, bool), [0.5, 0.75]).tolist() == [[0, NO_BOX], [NO_BOX, 0]]


def test_an_ignore_region_takes_any_number_but_a_true_box_comes_first():
    truth, crowd = np.array([[0, 0, 100, 100], [0, 0, 10, 10]]), np.array([True, False])
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 9], [40, 40, 60, 60], [90, 0, 115, 10]])
    assert match(boxes, truth, crowd, [0.5]).tolist() == [[1, IN_IGNORE_REGION, IN_IGNORE_REGION, NO_BOX]]


def test_of_true_boxes_overlapped_alike_the_last_is_taken():
    truth = np.array([[0, 0, 10, 10], [0, 0, 10, 10]])
    assert match(np.array([[0, 0, 10, 10]]), truth, np.zeros(2, bool), [0.5]).tolist() == [[1]]


def test_no_boxes_and_no_truth():
    assert match(np.zeros((0, 4)), np.zeros((2, 4)), np.zeros(2, bool), [0.5, 0.9]).shape == (2, 0)
    assert match(np.ones((1, 4)), np.zeros((0, 4)), NONE, [0.5]).tolist() == [[NO_BOX]]


@pytest.mark.parametrize("seed", range(30))
def test_all_images_at_once_are_matched_as_each_alone(seed):
    rng, overlaps = np.random.default_rng(seed), [0.3, 0.5, 0.8]
    n, k = 25, 60
    truth = Truth(np.sort(rng.integers(0, 5, n)), boxes(rng, n), rng.random(n) < 0.2, 6)
    found = ranked(rng.integers(0, 6, k), boxes(rng, k), rng.integers(1, 30, k) / 30)
    matches = match_all(found, truth, overlaps)
    assert (np.diff(matches.scores) <= 0).all() and matches.n_truth.tolist() == [((truth.image == i) & ~truth.crowd).sum() for i in range(6)]
    for image in range(6):
        rows, own = np.flatnonzero(found.image == image), np.flatnonzero(truth.image == image)
        at = np.argsort(matches.row)[rows]  # where in the Matches the image's detections are, best first
        expected = match(to_xyxy(found.bbox[rows]), to_xyxy(truth.bbox[own]), truth.crowd[own], overlaps)
        outcome = np.where(expected >= 0, TRUE, np.where(expected == IN_IGNORE_REGION, IGNORED, FALSE))
        assert matches.outcome[:, at].tolist() == outcome.tolist() and matches.rank[at].tolist() == list(range(len(rows)))
        finders = {own[box]: place for box, place in zip(expected[0], at) if box >= 0}
        assert matches.finder[own].tolist() == [finders.get(box, -1) for box in own]
        plain = own[~truth.crowd[own]]
        overlap = iou(to_xyxy(found.bbox[rows]), to_xyxy(truth.bbox[plain]))
        assert matches.overlap[at] == pytest.approx(overlap.max(axis=1, initial=0))
        touches = overlap.max(axis=1, initial=0) > 0
        assert (matches.nearest[at][~touches] == NO_BOX).all()
        assert matches.nearest[at][touches].tolist() == (plain[overlap[touches].argmax(axis=1)].tolist() if touches.any() else [])


def boxes(rng, n):
    """Return n boxes (x, y, w, h) of whole pixels that crowd together: areas are exact, and overlaps tie."""
    return np.hstack([rng.integers(0, 8, (n, 2)), rng.integers(1, 12, (n, 2))]).astype(float)


def test_operating_points_count_tied_detections_together():
    points = operating_points([0.5, 0.9, 0.5, 0.2, 0.3], [TRUE, FALSE, FALSE, TRUE, IGNORED])
    assert [column.tolist() for column in points] == [[0.9, 0.5, 0.3, 0.2], [0, 1, 1, 2], [1, 2, 2, 2]]


def test_f_scores_counted_by_hand():
    assert f_score(3, 1, 6) == pytest.approx(2 * 0.75 * 0.5 / 1.25)
    assert f_score(3, 1, 6, beta=0.5) == pytest.approx(1.25 * 0.75 * 0.5 / (0.25 * 0.75 + 0.5))
    assert f_score(0, 0, 0) == 0


@pytest.mark.parametrize("beta", [0.5, 1, 2])
def test_the_best_threshold_is_that_of_trying_every_score(beta):
    rng = np.random.default_rng(5)
    for _ in range(30):
        scores, outcome = rng.integers(1, 20, 40) / 20, rng.choice([TRUE, FALSE, FALSE, IGNORED], 40)
        tried = {t: f_score(sum(outcome[scores >= t] == TRUE), sum(outcome[scores >= t] == FALSE), 25, beta) for t in set(scores)}
        threshold, f = best_threshold(scores, outcome, 25, beta)
        assert f == pytest.approx(max(tried.values())) and tried[threshold] == pytest.approx(f)
        assert threshold == max(t for t in tried if tried[t] == pytest.approx(f))


def test_without_a_right_detection_nothing_is_let_through():
    assert best_threshold([0.9, 0.3], [FALSE, FALSE], 4, 1) == best_threshold([], [], 4, 1) == (1.0, 0.0)
