"""Box mathematics on numpy arrays. A box is x1, y1, x2, y2 in pixel floats, half open: x1 <= x < x2."""
import numpy as np


def iou(a, b):
    """Return the n x m intersections over union of boxes a (n x 4) and b (m x 4); 0 where both have no area."""
    shared = intersection(a, b)
    union = area(a)[:, None] + area(b)[None, :] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def ioa(a, b):
    """Return the n x m shares of each box of a (n x 4) that lie in boxes b (m x 4): COCO's overlap with a crowd b."""
    shared = intersection(a, b)
    own = np.broadcast_to(area(a)[:, None], shared.shape)
    return np.divide(shared, own, out=np.zeros_like(shared), where=own > 0)


def intersection(a, b):
    """Return the n x m areas shared by boxes a (n x 4) and b (m x 4), in square pixels."""
    a, b = _boxes(a)[:, None, :], _boxes(b)[None, :, :]
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    return np.clip(sides, 0, None).prod(axis=2)


def area(boxes):
    """Return the n areas of boxes (n x 4), in square pixels."""
    boxes = _boxes(boxes)
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def to_xywh(boxes):
    """Return boxes (n x 4) as COCO's x, y, width, height."""
    boxes = _boxes(boxes)
    return np.hstack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]])


def to_xyxy(boxes):
    """Return COCO's boxes (n x 4: x, y, width, height) as x1, y1, x2, y2."""
    boxes = _boxes(boxes)
    return np.hstack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]])


def weighted_box_fusion(boxes, scores, views, n_views, iou=0.55, power=1):
    """Fuse the detections that several views (flips, scales) gave of one image into one box per object.

    Best first, a box joins the fused box that it overlaps most, if by more than iou, and moves it to the mean weighted
    by score (Solovyev et al. 2021, conf_type "avg"). A fused score is the mean, times the share of views that saw it.
    Boxes without area are left out. Same result as ensemble_boxes.weighted_boxes_fusion.

    boxes: n x 4; scores: n, above 0; views: n whole numbers from 0 up to n_views - 1, the view of each box. power: of the scores by
    which the boxes fused are averaged in the end; above 1 the surest say more of where the object's sides are.
    Returns, best first: boxes (m x 4), scores (m), the number of views of each (m), and the standard deviation of each
    coordinate among the boxes fused (m x 4, pixels, 0 for a single box).
    """
    boxes, scores, views = _boxes(boxes), np.asarray(scores, float), np.asarray(views, int)
    order = np.argsort(scores, kind="stable")[::-1]
    order = order[area(boxes)[order] > 0]
    boxes, scores, views = boxes[order], scores[order], views[order]
    cluster, fused = _clusters(boxes, scores, iou)
    m = len(fused)
    members = np.bincount(cluster, minlength=m)
    score = np.bincount(cluster, scores, m) / members * np.minimum(members, n_views) / n_views
    seen = np.bincount(np.unique(cluster * n_views + views) // n_views, minlength=m)
    best = np.argsort(score, kind="stable")[::-1]
    if power != 1:
        fused = _average(boxes, scores**power, cluster, m)
    return fused[best], score[best], seen[best], _spread(boxes, cluster, members)[best]


def _clusters(boxes, scores, least):
    """Return the cluster of each box (n whole numbers) and the fused boxes (m x 4). boxes: best first.

    A loop, as each step depends on the last; its arrays are allocated once.
    """
    cluster = np.zeros(len(boxes), int)
    corners, areas = np.empty((4, len(boxes))), np.empty(len(boxes))
    sums = []
    for n, (box, own, score) in enumerate(zip(boxes, area(boxes), scores.tolist())):
        k = _nearest(corners[:, :len(sums)], areas[:len(sums)], box, own, least)
        if k < 0:
            k = len(sums)
            sums.append([box * score, score])
            corners[:, k], areas[k] = box, own
        else:
            total = sums[k]
            total[0] += box * score
            total[1] += score
            corners[:, k] = total[0] / total[1]
            areas[k] = (corners[2, k] - corners[0, k]) * (corners[3, k] - corners[1, k])
        cluster[n] = k
    return cluster, corners[:, :len(sums)].T


def _nearest(corners, areas, box, own, least):
    """Return which of the fused boxes (4 x m) overlaps box most, or -1 if none by more than least."""
    if not areas.size:
        return -1
    sides = np.minimum(corners[2:], box[2:, None])
    sides -= np.maximum(corners[:2], box[:2, None])
    np.maximum(sides, 0, out=sides)
    shared = sides[0] * sides[1]
    overlap = shared / (areas + own - shared)
    k = int(overlap.argmax())
    return k if overlap[k] > least else -1


def _spread(boxes, cluster, members):
    """Return the standard deviation of each coordinate within each cluster (m x 4)."""
    equal, m = np.ones(len(boxes)), len(members)
    return np.sqrt(_average((boxes - _average(boxes, equal, cluster, m)[cluster]) ** 2, equal, cluster, m))


def _average(values, weights, cluster, m):
    """Return the weighted mean of the rows (n x 4) of each of m clusters."""
    sums = [np.bincount(cluster, column * weights, m) for column in values.T]
    return np.stack(sums, axis=1) / np.bincount(cluster, weights, m)[:, None]


def _boxes(values):
    return np.asarray(values, float).reshape(-1, 4)
