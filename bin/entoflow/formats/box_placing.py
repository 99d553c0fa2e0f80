"""From boxes as given to boxes in the upright image: turned with it, clipped to it or dropped, each with a note."""
import math

from entoflow.tables import plain_label

NOISE = 1e-6  # pixels: what a division by the width and back may add; no person's box ends there


def place(photo, width, height, orientation):
    """Return ([(corners, label, crowd)] in pixels of the upright image, sorted; [(row, action, reason)]).

    `orientation` is EXIF's, 1 to 8. Boxes are taken to be drawn on the upright image, unless the source declares
    the size of the image as it is stored: such boxes are turned with it.
    """
    stored = (height, width) if orientation > 4 else (width, height)
    turned = photo.size == stored != (width, height)
    boxes, notes = {}, _note_size(photo, (width, height), stored, orientation) if photo.boxes else []
    clipped = []
    for box in photo.boxes:
        corners = _in_pixels(box, width, height)
        corners = turn(corners, stored, orientation) if turned and not box.shares else corners
        reason = _unusable(corners, width, height)
        if reason:
            notes.append((box.row, "dropped", f"box of {box.label} {reason}"))
            continue
        inside = _clip(corners, width, height)
        clipped += [box] if max(abs(a - b) for a, b in zip(inside, corners)) > NOISE else []
        placed = inside, plain_label(box.label), box.crowd
        if boxes.setdefault(placed, box) is not box:
            notes.append((box.row, "dropped", f"box of {box.label} is given twice"))
    if clipped:
        reason = f"{len(clipped)} of {len(photo.boxes)} boxes reach beyond the {width} x {height} pixels of the image"
        notes.append((clipped[0].row, "clipped", reason))
    return sorted(boxes), notes


def turn(corners, stored, orientation):
    """Return corners on the stored image (width, height) as corners on the upright one; see EXIF tag 274."""
    x1, y1, x2, y2 = corners
    width, height = stored
    if orientation in (2, 3, 7, 8):
        x1, x2 = width - x2, width - x1
    if orientation in (3, 4, 6, 7):
        y1, y2 = height - y2, height - y1
    return (y1, x1, y2, x2) if orientation > 4 else (x1, y1, x2, y2)


def _note_size(photo, upright, stored, orientation):
    found = f"{upright[0]} x {upright[1]}"
    if photo.size == stored != upright:
        return [(photo.row, "note", f"boxes were given for the stored pixels and turned with the image to {found}")]
    if photo.size and photo.size != upright:
        declared = f"{photo.size[0]} x {photo.size[1]}"
        reason = f"the source says {declared} pixels, the image has {found}: boxes taken as they are"
        return [(photo.row, "note", reason)]
    if orientation in (2, 3, 4) and not all(box.shares for box in photo.boxes):
        return [(photo.row, "note", f"EXIF orientation {orientation}: boxes taken as drawn on the upright image")]
    return []


def _in_pixels(box, width, height):
    sides = (width, height) * 2 if box.shares else (1, 1, 1, 1)
    return tuple(value * side for value, side in zip(box.corners, sides))


def _unusable(corners, width, height):
    x1, y1, x2, y2 = corners
    if not all(map(math.isfinite, corners)):
        return "has corners that are no numbers"
    if x2 <= x1 or y2 <= y1:
        return f"has no area ({x2 - x1:g} x {y2 - y1:g} pixels)"
    if x2 <= 0 or y2 <= 0 or x1 >= width or y1 >= height:
        return f"lies outside the image ({x1:g}, {y1:g}, {x2:g}, {y2:g} in {width} x {height} pixels)"
    return None


def _clip(corners, width, height):
    x1, y1, x2, y2 = corners
    return max(x1, 0.0), max(y1, 0.0), min(x2, float(width)), min(y2, float(height))
