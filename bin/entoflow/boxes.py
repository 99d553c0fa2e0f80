"""Boxes on numpy arrays. A box is x1, y1, x2, y2 in pixels, as floats, half open: x1 <= x < x2."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Prediction:
    """The n boxes that a detector finds on one image, in one view of it or in several."""

    image_id: int
    views: (
        np.ndarray
    )  # (n,) whole numbers: the view (scale, flip) of the image that each box was found in
    xyxy: np.ndarray  # (n, 4)
    scores: np.ndarray  # (n,)

    @classmethod
    def in_view(
        cls, image_id: int, view: int, xyxy: np.ndarray, scores: np.ndarray
    ) -> "Prediction":
        """Return the prediction of boxes that were all found in one view."""
        return cls(image_id, np.full(len(scores), view), xyxy, scores)


@dataclass(frozen=True)
class FusedBoxes:
    """The m boxes that the boxes of several views were fused to, best first."""

    xyxy: np.ndarray  # (m, 4)
    scores: np.ndarray  # (m,)
    n_views: np.ndarray  # (m,) number of views that saw each
    deviation: (
        np.ndarray
    )  # (m, 4) pixels: standard deviation of each coordinate, 0 for a single box


def iou(a: ArrayLike, b: ArrayLike) -> np.ndarray:
    """Return the n x m intersections over union of boxes a (n x 4) and b (m x 4).

    0 where both have no area.
    """
    shared = intersection(a, b)
    union = area(a)[:, None] + area(b)[None, :] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def ioa(a: ArrayLike, b: ArrayLike) -> np.ndarray:
    """Return the n x m shares of each box of a (n x 4) that lie in boxes b (m x 4): COCO's overlap
    with a crowd b.
    """
    shared = intersection(a, b)
    areas = np.broadcast_to(area(a)[:, None], shared.shape)
    return np.divide(shared, areas, out=np.zeros_like(shared), where=areas > 0)


def intersection(a: ArrayLike, b: ArrayLike) -> np.ndarray:
    """Return the n x m areas shared by boxes a (n x 4) and b (m x 4), in square pixels."""
    first = _as_boxes(a)[:, None, :]
    second = _as_boxes(b)[None, :, :]
    upper_left = np.maximum(first[..., :2], second[..., :2])
    lower_right = np.minimum(first[..., 2:], second[..., 2:])
    return np.clip(lower_right - upper_left, 0, None).prod(axis=2)


def area(boxes: ArrayLike) -> np.ndarray:
    """Return the n areas of boxes (n x 4), in square pixels."""
    xyxy = _as_boxes(boxes)
    return (xyxy[:, 2] - xyxy[:, 0]) * (xyxy[:, 3] - xyxy[:, 1])


def to_xywh(boxes: ArrayLike) -> np.ndarray:
    """Return boxes (n x 4) as COCO's x, y, width, height."""
    xyxy = _as_boxes(boxes)
    return np.hstack([xyxy[:, :2], xyxy[:, 2:] - xyxy[:, :2]])


def to_xyxy(boxes: ArrayLike) -> np.ndarray:
    """Return COCO's boxes (n x 4: x, y, width, height) as x1, y1, x2, y2."""
    xywh = _as_boxes(boxes)
    return np.hstack([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]])


def weighted_box_fusion(
    boxes: ArrayLike,
    scores: ArrayLike,
    views: ArrayLike,
    n_views: int,
    min_iou: float = 0.55,
    power: float = 1,
) -> FusedBoxes:
    """Fuse the detections that several views (flips, scales) gave of one image into one box per
    object.

    Best first, a box joins the fused box that it overlaps most, if by more than min_iou, and moves
    it to the mean weighted by score (Solovyev et al. 2021, conf_type "avg"). A fused score is the
    mean, times the share of views that saw it. Boxes without area are left out. Same result as
    ensemble_boxes.weighted_boxes_fusion.

    boxes: n x 4; scores: n, above 0; views: n whole numbers from 0 up to n_views - 1, the view of
    each box. power: of the scores by which the coordinates are averaged in the end; above 1 the
    best-scored boxes count more.
    """
    xyxy = _as_boxes(boxes)
    score_of_box = np.asarray(scores, float)
    order = np.argsort(score_of_box, kind="stable")[::-1]
    order = order[area(xyxy)[order] > 0]
    xyxy = xyxy[order]
    score_of_box = score_of_box[order]
    view_of_box = np.asarray(views, int)[order]

    cluster, fused = _cluster_boxes(xyxy, score_of_box, min_iou)
    n_clusters = len(fused)
    n_members = np.bincount(cluster, minlength=n_clusters)
    mean_scores = np.bincount(cluster, score_of_box, n_clusters) / n_members
    fused_scores = mean_scores * np.minimum(n_members, n_views) / n_views
    pairs = np.unique(cluster * n_views + view_of_box)  # of a cluster and a view that saw it
    seen_by = np.bincount(pairs // n_views, minlength=n_clusters)
    if power != 1:
        fused = _cluster_means(xyxy, score_of_box**power, cluster, n_clusters)
    deviation = _cluster_deviations(xyxy, cluster, n_clusters)
    best_first = np.argsort(fused_scores, kind="stable")[::-1]
    return FusedBoxes(
        fused[best_first], fused_scores[best_first], seen_by[best_first], deviation[best_first]
    )


def _cluster_boxes(
    boxes: np.ndarray, scores: np.ndarray, min_iou: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the cluster of each box (n whole numbers) and the fused boxes (m x 4).

    boxes: best first.

    A loop, as each step depends on the last; its arrays are allocated once.
    """
    cluster = np.zeros(len(boxes), int)
    corners = np.empty((4, len(boxes)))  # of the fused boxes so far, a column each
    areas = np.empty(len(boxes))
    corner_sums: list[np.ndarray] = []  # of the boxes of each cluster, weighted by score
    score_sums: list[float] = []
    for n, (box, box_area, score) in enumerate(zip(boxes, area(boxes), scores.tolist())):
        m = len(score_sums)
        k = _most_overlapping(corners[:, :m], areas[:m], box, box_area, min_iou)
        if k < 0:
            k = m
            corner_sums.append(box * score)
            score_sums.append(score)
            corners[:, k] = box
            areas[k] = box_area
        else:
            corner_sums[k] += box * score
            score_sums[k] += score
            corners[:, k] = corner_sums[k] / score_sums[k]
            areas[k] = (corners[2, k] - corners[0, k]) * (corners[3, k] - corners[1, k])
        cluster[n] = k
    return cluster, corners[:, : len(score_sums)].T


def _most_overlapping(
    corners: np.ndarray, areas: np.ndarray, box: np.ndarray, box_area: float, min_iou: float
) -> int:
    """Return which of the fused boxes (4 x m) overlaps a box most, or -1 if none by more than
    min_iou.
    """
    if not areas.size:
        return -1
    sides = np.minimum(corners[2:], box[2:, None])
    sides -= np.maximum(corners[:2], box[:2, None])
    np.maximum(sides, 0, out=sides)
    shared = sides[0] * sides[1]
    overlap = shared / (areas + box_area - shared)
    k = int(overlap.argmax())
    return k if overlap[k] > min_iou else -1


def _cluster_deviations(boxes: np.ndarray, cluster: np.ndarray, n_clusters: int) -> np.ndarray:
    """Return the standard deviation of each coordinate within each cluster (m x 4)."""
    equal = np.ones(len(boxes))
    means = _cluster_means(boxes, equal, cluster, n_clusters)
    squares = (boxes - means[cluster]) ** 2
    return np.sqrt(_cluster_means(squares, equal, cluster, n_clusters))


def _cluster_means(
    values: np.ndarray, weights: np.ndarray, cluster: np.ndarray, n_clusters: int
) -> np.ndarray:
    """Return the weighted mean of the rows (n x 4) of each cluster (m x 4)."""
    sums = [np.bincount(cluster, column * weights, n_clusters) for column in values.T]
    return np.stack(sums, axis=1) / np.bincount(cluster, weights, n_clusters)[:, None]


def _as_boxes(values: ArrayLike) -> np.ndarray:
    return np.asarray(values, float).reshape(-1, 4)
