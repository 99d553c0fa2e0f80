"""From boxes as given to boxes in the upright image.

A box is turned with its image, clipped to it or dropped, each with a note.
"""

import math
from dataclasses import dataclass

from entoflow.audit import Note
from entoflow.sources import Corners, SourceBox, SourceImage
from entoflow.tables import plain_label

NOISE = 1e-6  # pixels: what a division by the width and back may add; no person's box ends there


@dataclass(frozen=True, order=True)
class PlacedBox:
    """A box inside an upright image."""

    corners: Corners  # pixels
    label: str
    iscrowd: bool


def place(
    image: SourceImage, width: int, height: int, orientation: int
) -> tuple[list[PlacedBox], list[Note]]:
    """Return (the sorted boxes in the upright image, notes on what was mended or dropped).

    width, height: of the upright image, pixels; orientation: EXIF's, 1 to 8. Boxes are taken to be
    drawn on the upright image, unless the source declares the size of the image as it is stored:
    such boxes are turned with it.
    """
    upright = (width, height)
    stored = (height, width) if orientation > 4 else upright
    is_turned = image.size == stored != upright
    placed: set[PlacedBox] = set()
    clipped: list[SourceBox] = []
    notes = _note_size(image, upright, stored, orientation) if image.boxes else []
    for box in image.boxes:
        corners = _in_pixels(box, width, height)
        if is_turned and not box.relative:
            corners = turn(corners, stored, orientation)
        reason = _unusable(corners, width, height)
        if reason:
            notes.append(Note(image.file_name, box.row, "dropped", f"box of {box.label} {reason}"))
            continue
        inside = _clip(corners, width, height)
        if max(abs(a - b) for a, b in zip(inside, corners)) > NOISE:
            clipped.append(box)
        new = PlacedBox(inside, plain_label(box.label), box.iscrowd)
        if new in placed:
            notes.append(
                Note(image.file_name, box.row, "dropped", f"box of {box.label} is given twice")
            )
        placed.add(new)
    if clipped:
        share = f"{len(clipped)} of {len(image.boxes)} boxes"
        reason = f"{share} reach beyond the {width} x {height} pixels of the image"
        notes.append(Note(image.file_name, clipped[0].row, "clipped", reason))
    return sorted(placed), notes


def turn(corners: Corners, stored: tuple[int, int], orientation: int) -> Corners:
    """Return corners on the stored image (width, height) as corners on the upright one.

    See EXIF tag 274.
    """
    x1, y1, x2, y2 = corners
    width, height = stored
    if orientation in (2, 3, 7, 8):
        x1, x2 = width - x2, width - x1
    if orientation in (3, 4, 6, 7):
        y1, y2 = height - y2, height - y1
    return (y1, x1, y2, x2) if orientation > 4 else (x1, y1, x2, y2)


def _note_size(
    image: SourceImage, upright: tuple[int, int], stored: tuple[int, int], orientation: int
) -> list[Note]:
    actual = f"{upright[0]} x {upright[1]}"
    if image.size == stored != upright:
        reason = f"boxes were given for the stored pixels and turned with the image to {actual}"
    elif image.size and image.size != upright:
        declared = f"{image.size[0]} x {image.size[1]}"
        reason = (
            f"the source says {declared} pixels, the image has {actual}: boxes taken as they are"
        )
    elif orientation in (2, 3, 4) and not all(box.relative for box in image.boxes):
        reason = f"EXIF orientation {orientation}: boxes taken as drawn on the upright image"
    else:
        return []
    return [Note(image.file_name, image.row, "note", reason)]


def _in_pixels(box: SourceBox, width: int, height: int) -> Corners:
    x1, y1, x2, y2 = box.corners
    return (x1 * width, y1 * height, x2 * width, y2 * height) if box.relative else box.corners


def _unusable(corners: Corners, width: int, height: int) -> str | None:
    x1, y1, x2, y2 = corners
    if not all(map(math.isfinite, corners)):
        return "has corners that are no numbers"
    if x2 <= x1 or y2 <= y1:
        return f"has no area ({x2 - x1:g} x {y2 - y1:g} pixels)"
    if x2 <= 0 or y2 <= 0 or x1 >= width or y1 >= height:
        return (
            f"lies outside the image ({x1:g}, {y1:g}, {x2:g}, {y2:g} in {width} x {height} pixels)"
        )
    return None


def _clip(corners: Corners, width: int, height: int) -> Corners:
    x1, y1, x2, y2 = corners
    return max(x1, 0.0), max(y1, 0.0), min(x2, float(width)), min(y2, float(height))
