"""Synthetic outdoor scenes: a cluttered background, and insects pasted into it with their shadows
and true boxes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from entoflow.demo import insects
from entoflow.demo.pen import Colour

GREENS = ((74, 118, 48), (98, 142, 66), (54, 92, 46), (132, 160, 82), (88, 128, 96), (156, 164, 78))
EARTHS = ((112, 84, 60), (88, 70, 54), (142, 118, 90), (124, 108, 96), (164, 140, 104))
WALLS = (
    (206, 200, 188),
    (178, 186, 192),
    (216, 196, 166),
    (160, 152, 146),
    (190, 170, 160),
    (140, 160, 172),
)
PETALS = ((232, 210, 92), (214, 128, 164), (238, 232, 226), (150, 118, 188), (226, 132, 82))
SMALL = ((146, 34, 40), (58, 44, 66), (150, 130, 104), (92, 74, 58), (196, 186, 168), (70, 92, 46))


@dataclass(frozen=True)
class TrueBox:
    """Where an insect was drawn."""

    kind: str
    bbox: list[int]  # x, y, width, height in pixels


def scene(
    kinds: Sequence[str], size: int, rng: np.random.Generator
) -> tuple[np.ndarray, list[TrueBox]]:
    """Return (uint8 RGB size x size, true boxes).

    A background with one insect per kind, none overlapping.
    A box is tight around body and wings; legs and antennae, thin lines, stay outside, as most
    annotators leave them. An insect for which there is no room is not drawn, and has no box.
    """
    ground = background(size, rng)
    share = rng.uniform(0.3, 0.5) if len(kinds) < 2 else rng.uniform(0.22, 0.34)
    taken: list[tuple[int, int, int, int]] = []
    boxes = []
    for kind in kinds:
        rgba = insects.draw(kind, share * size * rng.uniform(0.9, 1.1), rng)
        height, width = rgba.shape[:2]
        corner = free_corner((height, width), size, taken, rng)
        if corner is None:
            continue
        x, y = corner
        paste(ground, rgba, corner, rng.uniform(0.25, 0.55))
        taken.append((x, y, x + width, y + height))
        left, top, right, bottom = body_corners(rgba[..., 3])
        boxes.append(TrueBox(kind, [x + left, y + top, right - left, bottom - top]))
    return expose(ground, rng), boxes


def body_corners(alpha: np.ndarray) -> tuple[int, int, int, int]:
    """Return x1, y1, x2, y2 of what is at least 7 pixels thick in an insect's alpha.

    They are those of the whole insect where nothing is so thick.
    """
    solid = Image.fromarray(np.where(alpha >= 128, 255, 0).astype(np.uint8))
    thick = solid.filter(ImageFilter.MinFilter(7)).filter(ImageFilter.MaxFilter(7))
    corners = thick.getbbox() or solid.getbbox()
    assert corners is not None, "an insect is cropped to its own pixels"
    return corners


def free_corner(
    shape: tuple[int, int],
    size: int,
    taken: Sequence[tuple[int, int, int, int]],
    rng: np.random.Generator,
) -> tuple[int, int] | None:
    """Return (x, y) where an insect of a shape (height, width) lies inside and clear of the others,
    or None.

    taken: x1, y1, x2, y2 of the others.
    """
    height, width = shape
    if max(shape) >= size - 4:
        return None
    for _ in range(60):
        x = int(rng.integers(2, size - width - 1))
        y = int(rng.integers(2, size - height - 1))
        is_clear = [
            x + width <= x1 or y + height <= y1 or x >= x2 or y >= y2 for x1, y1, x2, y2 in taken
        ]
        if all(is_clear):
            return x, y
    return None


def paste(ground: np.ndarray, rgba: np.ndarray, corner: tuple[int, int], shadow: float) -> None:
    """Lay the insect on the float RGB ground in place, over its own blurred shadow (0 none, 1
    black).
    """
    x, y = corner
    height, width = rgba.shape[:2]
    if shadow:
        cast = Image.new("L", (width + 24, height + 24))
        cast.paste(Image.fromarray(rgba[..., 3]), (width // 24 + 1, height // 24 + 2))
        blurred = np.asarray(cast.filter(ImageFilter.GaussianBlur(3)), np.float32)
        dark = np.float32(shadow / 255) * blurred[..., None]
        below = ground[y : y + height + 24, x : x + width + 24]
        below *= 1 - dark[: below.shape[0], : below.shape[1]]
    part = ground[y : y + height, x : x + width]
    alpha = rgba[..., 3:].astype(np.float32) / 255
    part += alpha * (rgba[..., :3] - part)


def background(size: int, rng: np.random.Generator) -> np.ndarray:
    """Return float RGB: leaves, soil, bark, a wall, a flower or grass, with clutter, out of focus
    by a random amount.
    """
    painters = (foliage, foliage, big_leaf, soil, bark, wall, flower, grass)
    image = painters[rng.integers(len(painters))](size, rng)
    for _ in range(rng.integers(1, 6)):
        clutter(image, rng)
    image = image.resize((size, size), Image.Resampling.BOX)
    image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.2, 1.6)))
    return np.asarray(image, np.float32) * uneven_light(size, rng)


def uneven_light(size: int, rng: np.random.Generator) -> np.ndarray:
    """Return factors around 1 (size x size x 1).

    They are a slope of light, and soft shade as under a tree.
    """
    across = np.linspace(-0.5, 0.5, size, dtype=np.float32)
    slope = 1 + rng.uniform(-0.4, 0.4) * across[:, None] + rng.uniform(-0.4, 0.4) * across
    shade = 1 + rng.uniform(0, 0.25) * noise(size, rng, (3, 5))
    return (slope * shade)[..., None].astype(np.float32)


def expose(ground: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return uint8 RGB: white balance, exposure and sensor noise of a casual photo."""
    balance = np.float32(rng.uniform(0.9, 1.1) * rng.uniform(0.95, 1.05, 3))
    grain = rng.standard_normal(ground.shape, np.float32) * np.float32(rng.uniform(1.5, 5))
    return np.clip(ground * balance + grain, 0, 255).astype(np.uint8)


def noise(size: int, rng: np.random.Generator, cells: Sequence[int]) -> np.ndarray:
    """Return size x size smooth noise of about -1..1, a sum over grids of the given numbers of
    cells per side.
    """
    grids = [Image.fromarray(rng.standard_normal((n, n), np.float32)) for n in cells]
    layers = [np.asarray(grid.resize((size, size), Image.Resampling.BICUBIC)) for grid in grids]
    return sum(layers) / len(cells) ** 0.5 / 2


def tinted(colour: Colour, texture: np.ndarray, strength: float) -> Image.Image:
    """Return an RGB image of one colour, lighter and darker by a texture of about -1..1."""
    grey = Image.fromarray(np.clip(texture * 80 + 128, 0, 255).astype(np.uint8))
    levels = 1 + strength * (np.arange(256) - 128) / 80
    bands = [grey.point(np.clip(value * levels, 0, 255).astype(int).tolist()) for value in colour]
    return Image.merge("RGB", bands)


def plain(
    colours: Sequence[Colour],
    size: int,
    rng: np.random.Generator,
    cells: Sequence[int],
    strength: float,
) -> Image.Image:
    """Return a textured ground twice as fine as `size`, for smooth edges of what is drawn on it."""
    return tinted(insects.pick(colours, rng), noise(2 * size, rng, cells), strength)


def foliage(size: int, rng: np.random.Generator) -> Image.Image:
    image = plain(GREENS[:3], size, rng, (4, 9), 0.4)
    for _ in range(rng.integers(7, 16)):
        middle = rng.uniform(0, 2 * size, 2)
        length = rng.uniform(0.35, 0.9) * size
        leaf(image, middle, length, insects.pick(GREENS, rng), rng)
    return image


def big_leaf(size: int, rng: np.random.Generator) -> Image.Image:
    image = plain(EARTHS + GREENS, size, rng, (3, 6), 0.35)
    middle = rng.uniform(0.75, 1.25, 2) * size
    length = rng.uniform(2.0, 2.8) * size
    leaf(image, middle, length, insects.pick(GREENS, rng), rng)
    return image


def leaf(
    image: Image.Image,
    middle: np.ndarray,
    length: float,
    colour: Colour,
    rng: np.random.Generator,
) -> None:
    """Draw a pointed leaf with its midrib and side veins."""
    turn = rng.uniform(0, 2 * np.pi)
    width = rng.uniform(0.2, 0.34)
    along = np.array([np.cos(turn), np.sin(turn)])
    across = np.array([-along[1], along[0]])
    step = np.linspace(0, 1, 16)
    half = width * np.sin(np.pi * step**0.8)
    rib = middle + length * (step[:, None] - 0.5) * along
    side = length * half[:, None] * across
    canvas = ImageDraw.Draw(image)
    canvas.polygon(pixels([*(rib + side), *(rib - side)[::-1]]), fill=colour)
    vein = tuple(int(value * rng.uniform(1.12, 1.25)) for value in colour)
    canvas.line(pixels(rib), fill=vein, width=max(int(length / 60), 2))
    for k in range(2, 13, 2):
        for way in (1, -1):
            tip = rib[k + 2] + way * 0.85 * side[k + 2]
            canvas.line(pixels([rib[k], tip]), fill=vein, width=max(int(length / 130), 1))


def pixels(points: Sequence[np.ndarray] | np.ndarray) -> list[tuple[float, float]]:
    """Return points as Pillow draws them."""
    return [(point[0], point[1]) for point in points]


def soil(size: int, rng: np.random.Generator) -> Image.Image:
    image = plain(EARTHS, size, rng, (6, 24, 90), 0.45)
    canvas = ImageDraw.Draw(image)
    for _ in range(rng.integers(40, 130)):
        middle = rng.uniform(0, 2 * size, 2)
        radii = rng.uniform(3, 16, 2)
        blob(canvas, middle, radii, insects.pick(EARTHS, rng))
    return image


def blob(
    canvas: ImageDraw.ImageDraw, middle: np.ndarray, radii: np.ndarray, colour: Colour
) -> None:
    canvas.ellipse([*(middle - radii), *(middle + radii)], fill=colour)


def bark(size: int, rng: np.random.Generator) -> Image.Image:
    fine = 2 * size
    lines = Image.fromarray(rng.standard_normal((4, 40), np.float32))
    lines = lines.resize((2 * fine, 2 * fine), Image.Resampling.BICUBIC)
    turned = lines.rotate(rng.uniform(0, 180))
    inner = turned.crop((fine // 2, fine // 2, fine // 2 + fine, fine // 2 + fine))
    colour = insects.pick(EARTHS, rng)
    return tinted(colour, np.asarray(inner) * 0.7 + noise(fine, rng, (12, 60)), 0.32)


def wall(size: int, rng: np.random.Generator) -> Image.Image:
    image = plain(WALLS, size, rng, (5, 80, 160), rng.uniform(0.05, 0.14))
    canvas = ImageDraw.Draw(image)
    shade = insects.pick(EARTHS, rng)
    gap = rng.uniform(0.5, 1.1) * size
    turn = rng.uniform(-1, 1) * size
    for start in np.arange(rng.uniform(-1, 0) * size, 3 * size, gap):
        ends = [(start, 0), (start + turn, 2 * size)]
        canvas.line(ends, fill=shade, width=int(rng.integers(3, 8)))
    return image


def flower(size: int, rng: np.random.Generator) -> Image.Image:
    image = plain(GREENS, size, rng, (4, 10), 0.4)
    colour = insects.pick(PETALS, rng)
    heart = rng.uniform(0.2, 1.8, 2) * size
    canvas = ImageDraw.Draw(image)
    for turn in np.arange(0, 2 * np.pi, rng.uniform(0.4, 0.7)):
        tip = heart + rng.uniform(0.6, 0.9) * size * np.array([np.cos(turn), np.sin(turn)])
        canvas.line(pixels([heart, tip]), fill=insects.vary(colour, rng), width=int(0.2 * size))
        blob(canvas, tip, np.full(2, 0.1 * size), insects.vary(colour, rng))
    radii = np.full(2, rng.uniform(0.12, 0.25) * size)
    blob(canvas, heart, radii, insects.vary((190, 140, 40), rng))
    return image


def grass(size: int, rng: np.random.Generator) -> Image.Image:
    image = plain(EARTHS + GREENS, size, rng, (5, 12), 0.4)
    canvas = ImageDraw.Draw(image)
    lean = rng.uniform(-1.5, 1.5)
    for _ in range(rng.integers(25, 60)):
        x = rng.uniform(-0.5, 2.5) * size
        tilt = lean + rng.normal(0, 0.35)
        tip = (x + tilt * size, rng.uniform(-0.5, 0.8) * size)
        blade = [(x, 2 * size), (x + tilt * size * 0.4, size), tip]
        colour = insects.pick(GREENS, rng)
        canvas.line(blade, fill=colour, width=int(rng.integers(5, 22)), joint="curve")
    return image


def clutter(image: Image.Image, rng: np.random.Generator) -> None:
    """Draw something that is no insect: a twig, or a berry, seed or pebble with a highlight."""
    canvas = ImageDraw.Draw(image)
    size = image.width
    colour = insects.pick(SMALL, rng)
    start = rng.uniform(0, size, 2)
    if rng.random() < 0.35:
        end = start + rng.normal(0, 0.5, 2) * size
        canvas.line(pixels([start, end]), fill=colour, width=int(rng.integers(5, 16)))
        return
    radii = rng.uniform(0.015, 0.06) * size * rng.uniform(0.6, 1, 2)
    blob(canvas, start, radii, colour)
    highlight = tuple(min(value + 60, 255) for value in colour)
    blob(canvas, start - radii * 0.35, radii * 0.3, highlight)
