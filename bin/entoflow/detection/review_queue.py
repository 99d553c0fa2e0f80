"""Which weak boxes are most worth a person's look: how likely a decision is wrong, times what a wrong one costs the training.

A wrong lesson costs 1: an accepted box that holds no target teaches one, and a dropped target is taught as background. A lost
lesson costs half of it: of an ignored target nothing is learned, nothing false either. An accepted box is wrong with 1 - p,
another one with p, its probability of showing the target. A photo is an item of its own where what its label promises was not
found: no box accepted (its lessons are lost, one for each target promised), or more or fewer than were counted (each that is
missing is taught as background, each too many as a target).
"""
import math
from typing import NamedTuple

from entoflow.detection.weak_boxes import CROP_ACCEPT

DECISIONS = {"accept": "accepted", "ignore": "ignored", "drop": "dropped"}
WRONG, LOST = 1.0, 0.5  # what a lesson costs
LEAST = 0.05  # value below which nothing is worth a look
SAME = 0.5  # share of a box that lies on an accepted one, from which it shows the same insect
ODD_SIZE, ODD_SPREAD, NEAR = 3, 0.1, 0.1  # times the usual size; spread in shares of a side; distance to the threshold in shares of it


class Item(NamedTuple):
    """A box to look at, or a photo where box is None. value: what a look may save, in wrong lessons."""

    value: float
    image: dict
    box: dict | None
    reason: str


def ranked(weak):
    """Return the Items of a set of weak boxes, the most valuable first; photos that a person reviewed have none."""
    own = {image["id"]: [] for image in weak["images"] if not image["reviewed"]}
    for box in weak["annotations"]:
        if box["image_id"] in own:
            own[box["image_id"]].append(box)
    images = {image["id"]: image for image in weak["images"]}
    sizes = sorted(size(box, images[box["image_id"]]) for boxes in own.values() for box in boxes if box["band"] == "accept")
    usual = sizes[len(sizes) // 2] if sizes else None
    items = [item for number, boxes in own.items() for item in of_photo(images[number], boxes, weak["info"], usual)]
    return sorted(items, key=lambda item: (-round(item.value, 6), item.image["file_name"], item.image["id"], item.box["id"] if item.box else 0))


def of_photo(image, boxes, info, usual):
    """Return the Items of a photo: itself if it does not hold what was promised, and its boxes if one was accepted."""
    from entoflow.boxes import ioa

    accepted = [box for box in boxes if box["band"] == "accept"]
    if not accepted:
        return [Item(LOST * (image["count"] or 1), image, None, "no box accepted, though the label promises the target")]
    items, count = [], image["count"]
    missing = count - sum(box["band"] != "drop" for box in boxes) if count else 0
    surplus = len(accepted) - count if count else 0
    if missing > 0 or surplus > 0:
        said = f"count conflict: {count} counted, {len(accepted)} boxes accepted"
        items.append(Item(WRONG * max(missing, surplus), image, None, said))
    others = [box for box in boxes if box["band"] != "accept"]
    lying = ioa(corners(others), corners(accepted)).max(axis=1, initial=0)
    for box, on in zip(accepted + others, [0.0] * len(accepted) + lying.tolist()):
        p = box["evidence"]["probability"]
        cost = {"accept": WRONG * (1 - p), "ignore": LOST * p, "drop": WRONG * p}[box["band"]]
        items += [Item(cost, image, box, reason(box, image, info, usual))] if cost >= LEAST and on < SAME else []
    return items


def reason(box, image, info, usual):
    """Return why a box is worth a look, in words."""
    evidence, score, accepted = box["evidence"], box["score"], box["band"] == "accept"
    crop, sure = evidence["crop"], score >= info["accept"]
    times = size(box, image) / usual
    said = [
        (crop is not None and sure != (crop >= CROP_ACCEPT), f"crop and score disagree (crop {crop or 0:.2f}, score {score:.2f})"),
        (accepted and not sure, "accepted on the label's promise, below the threshold"),
        (abs(score - info["accept"]) <= NEAR * info["accept"], "score near the threshold"),
        (evidence["views"] * 2 <= info["n_views"], f"view disagreement: seen in {evidence['views']} of {info['n_views']} views"),
        (evidence["spread"] > ODD_SPREAD * math.sqrt(box["area"]), "view disagreement on its sides"),
        (times >= ODD_SIZE, "unusually large"),
        (times <= 1 / ODD_SIZE, "unusually small"),
    ]
    plain = f"{DECISIONS[box['band']]} at a probability of {evidence['probability']:.2f}"
    return "; ".join([words for holds, words in said if holds][:2]) or plain


def size(box, image):
    """Return the relative size of a box: root of its area to the photo's longer side."""
    return math.sqrt(box["area"]) / max(image["width"], image["height"])


def corners(boxes):
    from entoflow.boxes import to_xyxy

    return to_xyxy([box["bbox"] for box in boxes])


def first_photos(items, most):
    """Return the images of the first Items, each once, most at most, with its best Item."""
    best = {}
    for item in items:
        if item.image["id"] in best or len(best) < most:
            best.setdefault(item.image["id"], item)
    return list(best.values())
