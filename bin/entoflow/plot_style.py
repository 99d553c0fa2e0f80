"""The one style of all pictures.

Colours that the colour-blind tell apart (Okabe and Ito), equal input gives equal bytes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from entoflow import files

BLUE = "#0072B2"
ORANGE = "#E69F00"
GREEN = "#00B383"
RED = "#E8383D"
PINK = "#E377C2"
GREY = "#707070"
SKY = "#56B4E9"  # for detections: seen on leaves, bark and yellow traps alike, where orange is not
LINES = (
    BLUE,
    ORANGE,
    GREEN,
    PINK,
    GREY,
    RED,
)  # of lines in one picture, which the eye tells apart by colour
MARKERS = "osD^vP"  # and by marker
STYLE: Any = {
    "font.size": 12,
    "axes.titlesize": 13,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#E4E4E4",
    "axes.axisbelow": True,
    "lines.linewidth": 2.2,
    "legend.frameon": False,
    "figure.facecolor": "white",
}


@contextmanager
def drawing(
    path: Path, rows: int = 1, columns: int = 1, size: tuple[float, float] = (6.4, 4.8)
) -> Iterator[np.ndarray]:
    """Yield the axes (rows x columns) of a new figure of a size in inches, and write it as PNG."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=size, dpi=110, layout="constrained")
        yield figure.subplots(rows, columns, squeeze=False)
        with files.whole(path, "wb") as file:
            figure.savefig(file, format="png", metadata={"Software": None})
