"""Size of a box relative to its photo: an insect that fills a tenth of a photo is no hard one, whatever its pixels."""
import numpy as np

SIZES = (0.02, 0.05, 0.15)  # bounds of relative size: root of a box's area to the photo's longer side


def size_names():
    """Return the names of the bins that SIZES bound, smallest first: below_2 (per cent), 2_to_5, ..."""
    bounds = [f"{100 * bound:g}" for bound in SIZES]
    return [f"below_{bounds[0]}", *(f"{low}_to_{high}" for low, high in zip(bounds, bounds[1:])), f"above_{bounds[-1]}"]


def size_bin(areas, longer_sides):
    """Return which bin each box is in (n of 0 to 3). areas: n, square pixels; longer_sides: n or one, pixels."""
    return np.digitize(np.sqrt(areas) / longer_sides, SIZES)
