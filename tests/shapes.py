"""A small collection of drawn shapes, to identify."""
import csv

from PIL import Image, ImageDraw


def draw(path, kind, rng):
    """A regular polygon with 3 + kind % 6 corners, in one of the colours by kind // 6, somewhere."""
    image = Image.new("RGB", (48, 48), tuple(rng.integers(215, 245, 3).tolist()))
    colour = ((200, 40, 40), (40, 60, 200), (30, 140, 60))[kind // 6]
    ImageDraw.Draw(image).regular_polygon((*rng.uniform(20, 28, 2), rng.uniform(11, 15)), 3 + kind % 6, rotation=int(rng.integers(0, 360)), fill=colour)
    image.save(path)


def collection(folder, name, kinds, n, rng, labelled=True):
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for kind in kinds:
        for k in range(n):
            path = folder / f"{name}_{kind}_{k}.png"
            draw(path, kind, rng)
            rows.append((path.relative_to(folder.parent), f"shape {kind}", f"{name} {kind} {k}", f"colour {kind // 6}", f"plate {kind // 12}"))
    if labelled:
        with open(folder.parent / f"{name}.csv", "w", newline="") as handle:
            csv.writer(handle).writerows([("image", "label", "group", "genus", "family"), *rows])
