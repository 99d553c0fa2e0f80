"""A small collection of drawn shapes, to identify."""

import csv

from PIL import Image, ImageDraw

COLOURS = ((200, 40, 40), (40, 60, 200), (30, 140, 60))


def draw(path, kind, rng):
    """Draw a regular polygon of 3 + kind % 6 corners in the colour kind // 6, somewhere."""
    image = Image.new("RGB", (48, 48), tuple(rng.integers(215, 245, 3).tolist()))
    circle = (*rng.uniform(20, 28, 2), rng.uniform(11, 15))
    rotation = int(rng.integers(0, 360))
    corners = 3 + kind % 6
    ImageDraw.Draw(image).regular_polygon(circle, corners, rotation, fill=COLOURS[kind // 6])
    image.save(path)


def collection(folder, name, kinds, n, rng, labelled=True):
    """Draw n shapes of each kind and, if labelled, a table of them beside the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for kind in kinds:
        for k in range(n):
            path = folder / f"{name}_{kind}_{k}.png"
            draw(path, kind, rng)
            image = path.relative_to(folder.parent)
            taxa = (f"colour {kind // 6}", f"plate {kind // 12}")
            rows.append((image, f"shape {kind}", f"{name} {kind} {k}", *taxa))
    if labelled:
        with open(folder.parent / f"{name}.csv", "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("image", "label", "group", "genus", "family"))
            writer.writerows(rows)
