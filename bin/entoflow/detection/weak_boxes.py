"""Which candidates on a photo show what its label says: the rules, and weak_boxes.json, which says
what was decided.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from entoflow import dataset
from entoflow.dataset import Image
from entoflow.detection.candidates import Candidate, Corners, Thresholds
from entoflow.tables import read_json
from entoflow.task import InputError

Band = Literal["accept", "ignore", "drop"]
Rule = Callable[[Sequence[Candidate], "int | None", Thresholds], "list[Band]"]

MAX_CLASSIFIED = 30  # candidates of a photo that the crop classifier sees
CROP_ACCEPT = 0.5  # probability of the target from which a crop is taken for one
CROP_IGNORE = 0.2  # probability from which it may be one
STEPS = ("second opinion", "view agreement", "label promise", "count cap")  # of the rule full
REVIEWED = "reviewed"  # what stands for the rule of a box that a person drew


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a weak box was chosen by; of a person's box most of it is unknown."""

    rank: int  # among the photo's candidates, from 1
    count: int | None  # of targets on the photo, where somebody counted
    views: int | None  # number of views that the box was found in
    spread: float | None  # pixels: mean standard deviation of its sides among the views
    crop: float | None  # probability of the target by the crop classifier
    probability: float | None  # of the target, all evidence taken together


@dataclass(frozen=True, slots=True)
class WeakBox:
    """A box on a photo of the target, and what was decided about it."""

    image_id: int
    xyxy: Corners
    area: float  # square pixels
    score: float
    band: Band
    rule: str  # that decided, or REVIEWED
    evidence: Evidence
    id: int = 0  # place in weak_boxes.json, from 1


@dataclass(frozen=True)
class Selection:
    """How the weak boxes of a round were chosen."""

    rule: str
    round: int  # from 1
    thresholds: Thresholds
    true_boxes: int  # that the thresholds rest on
    crops: int  # candidates that the crop classifier saw
    n_views: int
    without_agreement: Thresholds  # of scores as if every view had seen each candidate
    reviewed: int = 0  # photos whose boxes a person corrected


@dataclass(frozen=True)
class WeakBoxes:
    """The photos of the target with their weak boxes."""

    target: str
    selection: Selection
    images: list[Image]
    boxes: list[WeakBox]

    def by_image(self) -> dict[int, list[WeakBox]]:
        """Return {image id: its boxes}, for every image."""
        boxes: dict[int, list[WeakBox]] = {image.id: [] for image in self.images}
        for box in self.boxes:
            boxes[box.image_id].append(box)
        return boxes


def select_for_classifier(candidates: Sequence[Candidate], min_score: float) -> list[Candidate]:
    """Return the candidates that a crop classifier is to see: those that may be accepted, and the
    best one in any case.
    """
    return [
        candidate
        for place, candidate in enumerate(candidates[:MAX_CLASSIFIED])
        if place == 0 or candidate.score >= min_score
    ]


def top1(candidates: Sequence[Candidate], count: int | None, thresholds: Thresholds) -> list[Band]:
    """Accept the best `count` candidates (1 where no count is known), ignore others from the accept
    threshold up.
    """
    n_accepted = count or 1
    bands: list[Band] = []
    for place, candidate in enumerate(candidates):
        if place < n_accepted:
            bands.append("accept")
        elif candidate.score >= thresholds.accept:
            bands.append("ignore")
        else:
            bands.append("drop")
    return bands


def threshold(
    candidates: Sequence[Candidate], count: int | None, thresholds: Thresholds
) -> list[Band]:
    """Accept every candidate from the accept threshold up, ignore from the ignore threshold up.

    Count plays no part.
    """
    bands: list[Band] = []
    for candidate in candidates:
        if candidate.score >= thresholds.accept:
            bands.append("accept")
        elif candidate.score >= thresholds.ignore:
            bands.append("ignore")
        else:
            bands.append("drop")
    return bands


def full(
    candidates: Sequence[Candidate],
    count: int | None,
    thresholds: Thresholds,
    without: str | None = None,
) -> list[Band]:
    """Accept what score and crop agree on, at least one and at most `count`.

    Ignore what else may be a target.

    candidates: of one photo, best first. without: a step of STEPS to leave out ("view agreement" is
    left out by the caller, who passes other scores and thresholds).
    """
    crops = [None if without == "second opinion" else candidate.crop for candidate in candidates]
    has_crops = any(crop is not None for crop in crops)
    accepted = _accepted_by_full(candidates, crops, count, thresholds, without)
    bands: list[Band] = []
    for place, (candidate, crop) in enumerate(zip(candidates, crops)):
        crop_may_show_target = not has_crops or crop is None or crop >= CROP_IGNORE
        if place in accepted:
            bands.append("accept")
        elif candidate.score >= thresholds.ignore and crop_may_show_target:
            bands.append("ignore")
        else:
            bands.append("drop")
    return bands


def _accepted_by_full(
    candidates: Sequence[Candidate],
    crops: Sequence[float | None],
    count: int | None,
    thresholds: Thresholds,
    without: str | None,
) -> list[int]:
    """Return the places of the candidates that the rule full accepts, likeliest first."""
    has_crops = any(crop is not None for crop in crops)
    crop_factor = [(crop or 0.0) if has_crops else 1.0 for crop in crops]
    likelihood = [candidate.score * factor for candidate, factor in zip(candidates, crop_factor)]
    likeliest_first = sorted(range(len(candidates)), key=lambda place: -likelihood[place])
    accepted = []
    for place in likeliest_first:
        if candidates[place].score >= thresholds.accept and crop_factor[place] >= CROP_ACCEPT:
            accepted.append(place)
    detector_can_be_right = (
        thresholds.accept < 1
    )  # else no box of it is taken on the label's promise
    if not accepted and without != "label promise" and detector_can_be_right:
        accepted = likeliest_first[:1]
    if count and without != "count cap":
        accepted = accepted[:count]
    return accepted


RULES: dict[str, Rule] = {"full": full, "threshold": threshold, "top1": top1}


def write(path: Path, weak_boxes: WeakBoxes) -> None:
    """Write weak_boxes.json: COCO, each box with its score, band, rule and evidence."""
    selection = weak_boxes.selection
    info = {
        "rule": selection.rule,
        "round": selection.round,
        "accept": selection.thresholds.accept,
        "ignore": selection.thresholds.ignore,
        "true_boxes": selection.true_boxes,
        "crops": selection.crops,
        "n_views": selection.n_views,
        "without_agreement": [
            selection.without_agreement.accept,
            selection.without_agreement.ignore,
        ],
        "reviewed": selection.reviewed,
    }
    images = (_image_entry(image) for image in weak_boxes.images)
    categories = [{"id": 1, "name": weak_boxes.target}]
    dataset.write_coco(path, info, images, _box_entries(weak_boxes.boxes), categories)


def read(path: Path) -> WeakBoxes:
    """Return the weak boxes that select_weak_boxes.py wrote. Raises InputError for another file."""
    content = read_json(path)
    try:
        info = content["info"]
        selection = Selection(
            rule=info["rule"],
            round=info["round"],
            thresholds=Thresholds(info["accept"], info["ignore"]),
            true_boxes=info["true_boxes"],
            crops=info["crops"],
            n_views=info["n_views"],
            without_agreement=Thresholds(*info["without_agreement"]),
            reviewed=info["reviewed"],
        )
        images = [dataset.image_from_entry(entry) for entry in content["images"]]
        boxes = [_box_from_entry(entry) for entry in content["annotations"]]
        return WeakBoxes(content["categories"][0]["name"], selection, images, boxes)
    except (LookupError, TypeError):
        wanted = "a file that select_weak_boxes.py wrote"
        raise InputError(f"{path}: holds no weak boxes; wanted {wanted}.") from None


def rounded_bbox(xyxy: Corners) -> tuple[float, float, float, float]:
    """Return a box as COCO's x, y, width, height, to a thousandth of a pixel."""
    x1, y1, x2, y2 = xyxy
    return round(x1, 3), round(y1, 3), round(x2 - x1, 3), round(y2 - y1, 3)


def rounded_area(xyxy: Corners) -> float:
    """Return the area of a box, to a thousandth of a square pixel."""
    x1, y1, x2, y2 = xyxy
    return round((x2 - x1) * (y2 - y1), 3)


def _image_entry(image: Image) -> dict[str, Any]:
    """Return an image as COCO's JSON lists it.

    Whether it was reviewed, and its group named, always stand in it.
    """
    entry = dataset.image_entry(replace(image, given=True, reviewed=True))
    return {**entry, "given": image.given, "reviewed": image.reviewed}


def _box_entries(boxes: Sequence[WeakBox]) -> Iterator[dict[str, Any]]:
    """Yield the boxes as COCO's JSON lists them: one by one, as a list would double the memory of a
    million boxes.
    """
    for number, box in enumerate(boxes, 1):
        yield {
            "id": number,
            "image_id": box.image_id,
            "category_id": 1,
            "bbox": list(rounded_bbox(box.xyxy)),
            "area": box.area,
            "iscrowd": int(box.band == "ignore"),
            "score": round(box.score, 6),
            "band": box.band,
            "rule": box.rule,
            "evidence": _evidence_entry(box.evidence),
        }


def _evidence_entry(evidence: Evidence) -> dict[str, float | None]:
    return {
        "rank": evidence.rank,
        "count": evidence.count,
        "views": evidence.views,
        "spread": _rounded(evidence.spread, 3),
        "crop": _rounded(evidence.crop, 4),
        "probability": _rounded(evidence.probability, 4),
    }


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def _box_from_entry(entry: dict[str, Any]) -> WeakBox:
    x, y, width, height = map(float, entry["bbox"])
    return WeakBox(
        image_id=entry["image_id"],
        xyxy=(x, y, x + width, y + height),
        area=entry["area"],
        score=entry["score"],
        band=entry["band"],
        rule=entry["rule"],
        evidence=Evidence(**entry["evidence"]),
        id=entry["id"],
    )
