"""The page of a map: images as points in the plane, in one HTML file that opens offline.

web/map.js draws it.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from entoflow import pages

Kind = Literal["class", "number"]  # how a column colours the map
Value = str | float | bool | None

KINDS = ("class", "number")
STYLES = ("palette.css", "app.css", "map.css")
# With more classes colours repeat: an eye tells some twenty apart, legend and search do the rest
MOST_COLOURS = 360
SCALE_STEPS = 64
PAPERS = (
    (0.986, 0.0, 0.0),
    (0.222, 0.0, 0.0),
)  # background of the light and the dark scheme, in OKLab


@dataclass(frozen=True)
class MapImage:
    """One image of the map."""

    name: str
    x: float  # in any unit, y upwards
    y: float
    values: Mapping[str, Value] = field(default_factory=dict)  # what else is known of it, by column
    thumbnail: bytes | None = None  # a JPEG


def page(title: str, images: Sequence[MapImage], colourings: Mapping[str, Kind]) -> str:
    """Return the map as a page.

    colourings: the columns that can colour the map, and how; the first one does when the page
    opens. Raises ValueError for a place that is not finite, an image without a name, or a colouring
    that no image has.
    """
    check(images, colourings)
    columns = [_text_column("image", [image.name for image in images])] if images else []
    for name in column_names(images, colourings):
        columns.append(
            _column(name, [image.values.get(name) for image in images], colourings.get(name))
        )
    n_classes = max((len(column.get("names", ())) for column in columns), default=0)
    places = np.array([(image.x, image.y) for image in images], dtype="<f8")
    data = {
        "n": len(images),
        "points": pages.base64_text(places.tobytes()),
        "columns": columns,
        "colourings": list(colourings),
        "palette": palette(min(MOST_COLOURS, n_classes)),
        "scale": sequential_colours(),
    }
    content = {
        "title": title,
        "subtitle": "1 image" if len(images) == 1 else f"{len(images):,} images",
        "data": pages.embedded_json(data),
        "thumbnails": pages.embedded_lines([image.thumbnail for image in images]),
    }
    return pages.render("map.html.j2", STYLES, content, "map.js")


def check(images: Sequence[MapImage], colourings: Mapping[str, Kind]) -> None:
    """Raise ValueError for what cannot be drawn."""
    for number, image in enumerate(images):
        if not (math.isfinite(image.x) and math.isfinite(image.y)):
            raise ValueError(
                f"image {number} is at {image.x}, {image.y}; wanted finite coordinates."
            )
        if not image.name:
            raise ValueError(f"image {number} has no name; wanted one for each.")
    known = column_names(images, {})
    for column, kind in colourings.items():
        if kind not in KINDS:
            raise ValueError(
                f"colouring {column} is of kind {kind!r}; wanted {' or '.join(KINDS)}."
            )
        if images and column not in known:
            raise ValueError(
                f"colouring {column} is no column of the images; wanted one of "
                f"{', '.join(known) or 'none'}."
            )


def column_names(images: Sequence[MapImage], colourings: Mapping[str, Kind]) -> list[str]:
    """Return the names of all columns, label first."""
    names: dict[str, None] = {}
    for image in images:
        names.update(dict.fromkeys(image.values))
    names.update(dict.fromkeys(colourings))
    return sorted(names, key=lambda name: name != "label")


def _column(name: str, values: Sequence[Value], kind: Kind | None) -> dict[str, Any]:
    """Return a column as the page holds it: texts, numbers (NaN for none), or codes of names."""
    if kind == "number":
        numbers = [math.nan if value is None or value == "" else float(value) for value in values]
        return {
            "name": name,
            "kind": kind,
            "values": pages.base64_text(np.array(numbers, dtype="<f8").tobytes()),
        }
    texts = [_text(value) for value in values]
    return _class_column(name, texts) if kind == "class" else _text_column(name, texts)


def _text_column(name: str, texts: Sequence[str]) -> dict[str, Any]:
    return {"name": name, "kind": "text", "values": list(texts)}


def _class_column(name: str, texts: Sequence[str]) -> dict[str, Any]:
    """Return a column of classes: their names by falling frequency, and the code of each image.

    One more code stands for no class.
    """
    counts = Counter(text for text in texts if text)
    names = sorted(counts, key=lambda text: (-counts[text], text))
    codes = {text: code for code, text in enumerate(names)}
    of_images = np.array([codes.get(text, len(names)) for text in texts], dtype="<u4")
    return {
        "name": name,
        "kind": "class",
        "names": names,
        "codes": pages.base64_text(of_images.tobytes()),
    }


def _text(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    return str(value)


def palette(n: int) -> list[str]:
    """Return n colours that differ as much as possible, the first ones most.

    Each is as far as possible from both backgrounds and from those before it. Greedy in OKLab,
    among calm colours that stand out on light and dark. The first ones are the same for any n.
    """
    lightness, chroma, hue = np.meshgrid(
        np.arange(0.48, 0.79, 0.03),
        np.arange(0.03, 0.19, 0.03),
        np.arange(0, 360, 7.5),
        indexing="ij",
    )
    lab = oklab(lightness.ravel(), chroma.ravel(), hue.ravel())
    rgb = srgb(lab)
    is_displayable = ((rgb >= 0) & (rgb <= 1)).all(axis=1)
    lab = lab[is_displayable]
    rgb = rgb[is_displayable]
    nearest = np.min([_distances(lab, np.array(paper)) for paper in PAPERS], axis=0)
    chosen: list[int] = []
    for _ in range(n):
        chosen.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, _distances(lab, lab[chosen[-1]]))
    return [_hexadecimal(colour) for colour in rgb[chosen]]


def sequential_colours() -> list[str]:
    """Return colours for low to high numbers: from a deep blue to a bright ochre.

    Their lightness rises in even steps.
    """
    share = np.linspace(0, 1, SCALE_STEPS)
    chroma = 0.13 - 0.06 * np.sin(
        np.pi * share
    )  # less in the middle, which a screen could not show
    return [
        _hexadecimal(colour)
        for colour in srgb(oklab(0.40 + 0.40 * share, chroma, 270 - 190 * share))
    ]


def oklab(lightness: np.ndarray, chroma: np.ndarray, hue: np.ndarray) -> np.ndarray:
    """Return n x 3 OKLab of lightness in 0-1, chroma, and hue in degrees."""
    angle = np.radians(hue)
    return np.stack([lightness, chroma * np.cos(angle), chroma * np.sin(angle)], axis=1)


def srgb(lab: np.ndarray) -> np.ndarray:
    """Return n x 3 sRGB of OKLab, in 0-1 where a screen can show it (Ottosson 2020, "A perceptual
    color space for image processing").
    """
    to_cones = np.array(
        [
            [1, 1, 1],
            [0.3963377774, -0.1055613458, -0.0894841775],
            [0.2158037573, -0.0638541728, -1.2914855480],
        ]
    )
    to_linear = np.array(
        [
            [4.0767416621, -1.2684380046, -0.0041960863],
            [-3.3077115913, 2.6097574011, -0.7034186147],
            [0.2309699292, -0.3413193965, 1.7076147010],
        ]
    )
    linear = (lab @ to_cones) ** 3 @ to_linear
    bright = 1.055 * np.maximum(linear, 0.0031308) ** (1 / 2.4) - 0.055
    return np.where(linear <= 0.0031308, 12.92 * linear, bright)


def _distances(lab: np.ndarray, colour: np.ndarray) -> np.ndarray:
    return np.linalg.norm(lab - colour, axis=1)


def _hexadecimal(colour: np.ndarray) -> str:
    return "#" + "".join(f"{round(255 * float(part)):02x}" for part in colour)
