"""Size of a box relative to its photo: an insect that fills a tenth of a photo is no hard one,
whatever its pixels.
"""

import numpy as np

BOUNDS = (0.02, 0.05, 0.15)  # of relative size: root of a box's area to the photo's longer side


def size_names() -> list[str]:
    """Return the names of the bins that BOUNDS makes, smallest first: below_2 (per cent), 2_to_5,
    ...
    """
    percent = [f"{100 * bound:g}" for bound in BOUNDS]
    between = [f"{low}_to_{high}" for low, high in zip(percent, percent[1:])]
    return [f"below_{percent[0]}", *between, f"above_{percent[-1]}"]


def size_bin(areas: np.ndarray, longer_sides: np.ndarray | float) -> np.ndarray:
    """Return which bin each box is in (n of 0 to 3).

    areas: n, square pixels; longer_sides: n or one, pixels.
    """
    return np.digitize(np.sqrt(areas) / longer_sides, BOUNDS)
