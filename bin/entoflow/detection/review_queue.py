"""Which weak boxes are most worth a person's look: how likely a decision is wrong, times what that
costs the training.

A wrong lesson costs 1: an accepted box that holds no target teaches one, and a dropped target is
taught as background. A lost lesson costs half of it: of an ignored target nothing is learned,
nothing false either. An accepted box is wrong with 1 - p, another one with p, its probability of
showing the target. A photo is an item of its own where what its label promises was not found: no
box accepted (its lessons are lost, one for each target promised), or more or fewer than were
counted (each that is missing is taught as background, each too many as a target).
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from entoflow.dataset import Image
from entoflow.detection.weak_boxes import CROP_ACCEPT, Selection, WeakBox, WeakBoxes

if TYPE_CHECKING:
    import numpy as np

DECISIONS = {"accept": "accepted", "ignore": "ignored", "drop": "dropped"}
WRONG_LESSON, LOST_LESSON = 1.0, 0.5  # what they cost
MIN_VALUE = 0.05  # below it nothing is worth a look
SAME_INSECT = (
    0.5  # share of a box that lies on an accepted one, from which both show the same insect
)
ODD_SIZE = 3  # times the usual size, or that part of it
ODD_SPREAD = 0.1  # in shares of a side
NEAR_THRESHOLD = 0.1  # distance of a score, in shares of the threshold
MAX_REASONS = 2


@dataclass(frozen=True)
class Item:
    """A box to look at, or a whole photo where box is None."""

    value: float  # what a look may save, in wrong lessons
    image: Image
    box: WeakBox | None
    reason: str


def rank_items(weak_boxes: WeakBoxes) -> list[Item]:
    """Return what is worth a look, the most valuable first.

    Photos that a person reviewed have no items.
    """
    images = {image.id: image for image in weak_boxes.images if not image.reviewed}
    boxes_of = {
        image_id: boxes for image_id, boxes in weak_boxes.by_image().items() if image_id in images
    }
    usual_size = _median_size(images, boxes_of)
    items = []
    for image_id, boxes in boxes_of.items():
        items += _items_of_photo(images[image_id], boxes, weak_boxes.selection, usual_size)
    return sorted(items, key=_order)


def first_photos(items: Iterable[Item], most: int) -> list[Item]:
    """Return the best item of each of the first photos, at most so many."""
    best: dict[int, Item] = {}
    for item in items:
        if len(best) < most:
            best.setdefault(item.image.id, item)
    return list(best.values())


def _order(item: Item) -> tuple[float, str, int, int]:
    return (
        -round(item.value, 6),
        item.image.file_name,
        item.image.id,
        item.box.id if item.box else 0,
    )


def _median_size(images: dict[int, Image], boxes_of: dict[int, list[WeakBox]]) -> float | None:
    """Return the median relative size of accepted boxes (of an even number the upper one), None
    without any.
    """
    sizes = []
    for image_id, boxes in boxes_of.items():
        sizes += [_relative_size(box, images[image_id]) for box in boxes if box.band == "accept"]
    return sorted(sizes)[len(sizes) // 2] if sizes else None


def _items_of_photo(
    image: Image, boxes: Sequence[WeakBox], selection: Selection, usual_size: float | None
) -> list[Item]:
    """Return the photo itself if it does not show what was promised, and its boxes if one was
    accepted.
    """
    accepted = [box for box in boxes if box.band == "accept"]
    others = [box for box in boxes if box.band != "accept"]
    if not accepted or usual_size is None:
        reason = "no box accepted, though the label promises the target"
        return [Item(LOST_LESSON * (image.count or 1), image, None, reason)]
    items = _count_conflict(image, boxes, len(accepted))
    for box in [*accepted, *_away_from(others, accepted)]:
        value = _expected_cost(box)
        if value >= MIN_VALUE:
            items.append(Item(value, image, box, _reason(box, image, selection, usual_size)))
    return items


def _count_conflict(image: Image, boxes: Sequence[WeakBox], n_accepted: int) -> list[Item]:
    """Return the photo as an item if it has fewer boxes or more accepted ones than were counted."""
    if not image.count:
        return []
    n_missing = image.count - sum(box.band != "drop" for box in boxes)
    n_surplus = n_accepted - image.count
    if n_missing <= 0 and n_surplus <= 0:
        return []
    reason = f"count conflict: {image.count} counted, {n_accepted} boxes accepted"
    return [Item(WRONG_LESSON * max(n_missing, n_surplus), image, None, reason)]


def _away_from(others: Sequence[WeakBox], accepted: Sequence[WeakBox]) -> list[WeakBox]:
    """Return the other boxes that do not show the same insect as an accepted one."""
    from entoflow.boxes import ioa

    share_on_accepted = ioa(_corners(others), _corners(accepted)).max(axis=1, initial=0)
    return [box for box, share in zip(others, share_on_accepted) if share < SAME_INSECT]


def _expected_cost(box: WeakBox) -> float:
    probability = box.evidence.probability or 0.0
    if box.band == "accept":
        return WRONG_LESSON * (1 - probability)
    if box.band == "ignore":
        return LOST_LESSON * probability
    return WRONG_LESSON * probability


def _reason(box: WeakBox, image: Image, selection: Selection, usual_size: float) -> str:
    """Return why a box is worth a look, in words: the first reasons that hold."""
    reasons = [*_reasons_of_score(box, selection), *_reasons_of_views(box, selection)]
    times_usual = _relative_size(box, image) / usual_size
    if times_usual >= ODD_SIZE:
        reasons.append("unusually large")
    if times_usual <= 1 / ODD_SIZE:
        reasons.append("unusually small")
    if not reasons:
        return f"{DECISIONS[box.band]} at a probability of {box.evidence.probability:.2f}"
    return "; ".join(reasons[:MAX_REASONS])


def _reasons_of_score(box: WeakBox, selection: Selection) -> list[str]:
    reasons = []
    accept = selection.thresholds.accept
    crop = box.evidence.crop
    is_above = box.score >= accept
    if crop is not None and is_above != (crop >= CROP_ACCEPT):
        reasons.append(f"crop and score disagree (crop {crop:.2f}, score {box.score:.2f})")
    if box.band == "accept" and not is_above:
        reasons.append("accepted on the label's promise, below the threshold")
    if abs(box.score - accept) <= NEAR_THRESHOLD * accept:
        reasons.append("score near the threshold")
    return reasons


def _reasons_of_views(box: WeakBox, selection: Selection) -> list[str]:
    reasons = []
    views = box.evidence.views
    spread = box.evidence.spread
    if views is not None and views * 2 <= selection.n_views:
        reasons.append(f"view disagreement: seen in {views} of {selection.n_views} views")
    if spread is not None and spread > ODD_SPREAD * math.sqrt(box.area):
        reasons.append("view disagreement on its sides")
    return reasons


def _relative_size(box: WeakBox, image: Image) -> float:
    """Return the root of a box's area in shares of the photo's longer side."""
    return math.sqrt(box.area) / max(image.width, image.height)


def _corners(boxes: Sequence[WeakBox]) -> "np.ndarray":
    import numpy as np

    return np.array([box.xyxy for box in boxes], float).reshape(-1, 4)
