import numpy as np
import pytest

from entoflow.boxes import area, intersection, ioa, iou, to_xywh, to_xyxy, weighted_box_fusion


def test_iou_and_ioa_of_boxes_counted_by_hand():
    box, others = [[0, 0, 4, 4]], [[0, 0, 4, 4], [2, 2, 6, 6], [4, 0, 8, 4], [1, 1, 3, 3]]
    assert intersection(box, others).tolist() == [[16, 4, 0, 4]]
    assert iou(box, others).tolist() == [[1, 4 / 28, 0, 4 / 16]]
    assert ioa(box, others).tolist() == [[1, 4 / 16, 0, 4 / 16]]
    assert ioa(others, box).ravel().tolist() == [1, 4 / 16, 0, 1]


def test_no_boxes_and_boxes_without_area_overlap_nothing():
    assert iou([], [[0, 0, 1, 1]]).shape == (0, 1)
    assert iou([[0, 0, 1, 1]], []).shape == (1, 0)
    assert iou([[1, 1, 1, 5]], [[1, 1, 1, 5]]).tolist() == [[0]]
    assert ioa([[1, 1, 1, 5]], [[0, 0, 9, 9]]).tolist() == [[0]]


def test_coco_boxes_and_back():
    boxes = np.array([[1.5, 2, 4, 8], [0, 0, 1, 1]])
    assert to_xywh(boxes).tolist() == [[1.5, 2, 2.5, 6], [0, 0, 1, 1]]
    assert (to_xyxy(to_xywh(boxes)) == boxes).all()
    assert area(boxes).tolist() == [15, 1]
    assert to_xyxy([]).shape == to_xywh([]).shape == (0, 4)


def test_iou_equals_pycocotools():
    mask = pytest.importorskip("pycocotools.mask")
    a = random_boxes(1, 40)
    b = random_boxes(2, 30)
    crowd = np.arange(30) % 2
    expected = mask.iou(to_xywh(a), to_xywh(b), crowd)
    assert np.allclose(np.where(crowd, ioa(a, b), iou(a, b)), expected, rtol=0, atol=1e-12)


def test_fusion_counted_by_hand():
    boxes = [[0, 0, 10, 10], [0, 0, 10, 12], [50, 50, 60, 60], [3, 3, 3, 9]]
    fused = weighted_box_fusion(boxes, [0.6, 0.3, 0.8, 0.9], [0, 1, 1, 0], n_views=2)
    lower_side = (0.6 * 10 + 0.3 * 12) / 0.9
    assert np.allclose(fused.xyxy, [[0, 0, 10, lower_side], [50, 50, 60, 60]])
    assert np.allclose(
        fused.scores, [0.45, 0.4]
    )  # the box without area is gone; one view of two halves a score
    assert fused.n_views.tolist() == [2, 1]
    assert np.allclose(fused.deviation, [[0, 0, 0, 1], [0, 0, 0, 0]])


def test_a_power_of_the_scores_moves_the_fused_box_to_the_surest_and_nothing_else():
    boxes = [[0, 0, 10, 10], [0, 0, 10, 12], [50, 50, 60, 60]]
    scores = [0.6, 0.3, 0.8]
    views = [0, 1, 1]
    plain = weighted_box_fusion(boxes, scores, views, n_views=2)
    sharp = weighted_box_fusion(boxes, scores, views, n_views=2, power=2)
    lower_side = (0.36 * 10 + 0.09 * 12) / 0.45
    assert np.allclose(sharp.xyxy, [[0, 0, 10, lower_side], [50, 50, 60, 60]])
    assert np.array_equal(plain.scores, sharp.scores)
    assert np.array_equal(plain.n_views, sharp.n_views)
    assert np.array_equal(plain.deviation, sharp.deviation)


def test_two_boxes_of_one_view_count_as_one_view():
    fused = weighted_box_fusion([[0, 0, 10, 10], [0, 0, 10, 11]], [0.9, 0.8], [2, 2], n_views=3)
    assert fused.n_views.tolist() == [1]


def test_fusing_nothing_gives_nothing():
    fused = weighted_box_fusion([], [], [], n_views=4)
    assert fused.xyxy.shape == fused.deviation.shape == (0, 4)
    assert fused.scores.shape == fused.n_views.shape == (0,)


@pytest.mark.parametrize("seed", range(25))
def test_fusion_equals_ensemble_boxes(seed):
    ensemble_boxes = pytest.importorskip("ensemble_boxes")
    boxes, scores, views, n_views = random_views(seed)
    is_of_view = [views == view for view in range(n_views)]
    expected, expected_scores, _ = ensemble_boxes.weighted_boxes_fusion(
        [boxes[chosen] / 1000 for chosen in is_of_view],
        [scores[chosen] for chosen in is_of_view],
        [np.zeros(chosen.sum()) for chosen in is_of_view],
        iou_thr=0.55,
        conf_type="avg",
    )
    fused = weighted_box_fusion(boxes, scores, views, n_views)
    assert np.allclose(
        fused.xyxy / 1000, expected, rtol=0, atol=2e-6
    )  # the peer keeps its means in 32 bits
    assert np.allclose(fused.scores, expected_scores, rtol=0, atol=2e-6)
    assert fused.n_views.min(initial=1) >= 1
    assert fused.n_views.max(initial=1) <= n_views


def random_boxes(seed, n):
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 80, (n, 2))
    return np.hstack([corners, corners + rng.uniform(1, 60, (n, 2))])


def random_views(seed):
    """Return what up to 6 views might give of up to 40 objects, with doubles, misses and false
    alarms.
    """
    rng = np.random.default_rng(seed)
    n_views = int(rng.integers(1, 7))
    objects = random_boxes(seed, int(rng.integers(0, 40))) * 7
    boxes = np.concatenate([objects + rng.normal(0, 15, objects.shape) for _ in range(2 * n_views)])
    boxes = np.clip(boxes, 0, 1000)
    has_area = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    boxes = boxes[(rng.uniform(size=len(boxes)) < 0.8) & has_area]
    return boxes, rng.uniform(0.001, 1, len(boxes)), rng.integers(0, n_views, len(boxes)), n_views
