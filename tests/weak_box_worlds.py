"""Weak boxes for tests: photos of 100 x 80 pixels, and boxes with evidence."""

from entoflow.dataset import Image
from entoflow.detection.candidates import Thresholds
from entoflow.detection.weak_boxes import Evidence, Selection, WeakBox, WeakBoxes

TARGET = "bmsb"
SELECTION = Selection(
    rule="full",
    round=1,
    thresholds=Thresholds(0.5, 0.2),
    true_boxes=40,
    crops=5,
    n_views=6,
    without_agreement=Thresholds(0.85, 0.2),
)


def photo(number, count=None, reviewed=False, width=100, height=80):
    return Image(
        number,
        f"{number}.jpg",
        width=width,
        height=height,
        group=str(number),
        label=TARGET,
        count=count,
        part="train",
        reviewed=reviewed,
    )


def weak_box(
    image_id,
    band,
    probability=0.9,
    bbox=(0, 0, 20, 20),
    score=0.8,
    crop=None,
    views=6,
    spread=0.0,
    rank=1,
    rule="full",
):
    x, y, width, height = bbox
    evidence = Evidence(rank, None, views, spread, crop, probability)
    corners = (x, y, x + width, y + height)
    return WeakBox(image_id, corners, width * height, score, band, rule, evidence)


def weak_boxes(photos, boxes, selection=SELECTION):
    return WeakBoxes(TARGET, selection, photos, boxes)
