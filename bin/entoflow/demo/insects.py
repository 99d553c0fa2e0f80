"""Draw synthetic insects seen from above, one function per kind.

No photograph and no real specimen is behind them. A kind draws with a Pen in the insect's frame:
head up, the body from y = -1 (head) to y = 1 (tail), the axis at x = 0.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from entoflow.demo.pen import Colour, Pen, Points, mirror, shade

TARGET = "halyomorpha_halys"
LOOK_ALIKES = ("nezara_viridula", "dolycoris_baccarum")
OTHERS = ("ladybird", "ground_beetle", "fly", "moth", "bee")

BLACK = (26, 23, 22)
CREAM = (226, 214, 184)
FEELER = ((0.12, -0.96), (0.27, -1.12), (0.39, -1.27), (0.48, -1.44), (0.53, -1.62))
# Hip, knee and foot of each pair of legs.
LEGS = (
    ((0.3, -0.42), (0.72, -0.72), (0.86, -1.06)),
    ((0.36, -0.1), (0.84, -0.06), (1.1, 0.16)),
    ((0.32, 0.2), (0.8, 0.5), (0.98, 0.98)),
)


def draw(kind: str, length: float, rng: np.random.Generator) -> np.ndarray:
    """Return one insect as uint8 RGBA, cropped to its alpha >= 128, in a random pose.

    length: of its body, in pixels.
    """
    pen = Pen(length, rng)
    KINDS[kind](pen, rng)
    rgba = shade(pen.finished(), length, rng)
    is_insect = rgba[..., 3] >= 128
    rows = np.flatnonzero(is_insect.any(axis=1))
    columns = np.flatnonzero(is_insect.any(axis=0))
    return rgba[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def vary(colour: Colour | np.ndarray, rng: np.random.Generator, by: float = 12) -> Colour:
    """Return the colour a little lighter or darker, and a little off in each channel."""
    varied = np.array(colour) * rng.uniform(0.85, 1.15) + rng.normal(0, by / 3, 3)
    return tuple(int(value) for value in np.clip(varied, 0, 255))


def pick(colours: Sequence[Colour], rng: np.random.Generator) -> Colour:
    """Return one of the colours, varied."""
    return vary(colours[int(rng.integers(len(colours)))], rng)


def legs(
    pen: Pen, colour: Colour, rng: np.random.Generator, reach: float = 1.0, width: float = 0.05
) -> None:
    """Draw three pairs of bent legs.

    Each joint is moved a little, so that no two insects stand alike.
    """
    for hip, knee, foot in LEGS:
        for side in (-1, 1):
            bent = [np.array(joint) * reach + rng.normal(0, 0.05, 2) for joint in (knee, foot)]
            pen.stroke(np.array([hip, *bent]) * [side, 1], width, colour)


def antennae(pen: Pen, joints: Points, colours: Sequence[Colour], width: float = 0.045) -> None:
    """Draw both antennae joint by joint, in turns of the given colours."""
    for side in (-1, 1):
        for k, ends in enumerate(pairwise(joints)):
            pen.stroke(np.array(ends) * [side, 1], width, colours[k % len(colours)])


def shield_bug(
    pen: Pen,
    wing: Colour,
    scutellum: Colour,
    pale: Colour,
    dark: Colour,
    membrane: Colour,
) -> None:
    """Draw what the three shield bugs share: outline, banded edge, triangle on the back."""
    edge = np.array(
        [(0.62, -0.42), (0.66, -0.1), (0.68, 0.2), (0.6, 0.52), (0.44, 0.8), (0.2, 0.98)]
    )
    pen.shape([*edge, *mirror(edge)[::-1]], pale, soft=1)
    for k in range(len(edge) - 1):
        band = [edge[k], edge[k] * 0.45 + edge[k + 1] * 0.55, (0.3, edge[k][1])]
        pen.pair(band, dark, soft=0)
    pen.shape(
        [
            (-0.56, -0.4),
            (0.56, -0.4),
            (0.58, 0.2),
            (0.44, 0.6),
            (0, 0.7),
            (-0.44, 0.6),
            (-0.58, 0.2),
        ],
        wing,
    )
    pen.shape([(-0.4, 0.4), (0, 0.3), (0.4, 0.4), (0.34, 0.76), (0, 1.06), (-0.34, 0.76)], membrane)
    pen.shape(
        [(-0.4, -0.34), (0.4, -0.34), (0.2, 0.1), (0.08, 0.44), (-0.08, 0.44), (-0.2, 0.1)],
        scutellum,
        soft=1,
    )
    pen.stroke([(-0.4, -0.33), (-0.09, 0.4)], 0.02, dark)
    pen.stroke([(0.4, -0.33), (0.09, 0.4)], 0.02, dark)
    pen.shape(
        [
            (-0.3, -0.78),
            (0.3, -0.78),
            (0.58, -0.58),
            (0.74, -0.42),
            (0.58, -0.3),
            (-0.58, -0.3),
            (-0.74, -0.42),
            (-0.58, -0.58),
        ],
        wing,
        soft=1,
    )
    pen.shape(
        [(-0.2, -0.7), (-0.2, -0.86), (-0.12, -1.02), (0.12, -1.02), (0.2, -0.86), (0.2, -0.7)],
        wing,
        soft=1,
    )
    pen.dots((0.2, -0.83), (0.05, 0.05), BLACK)


def halyomorpha_halys(pen: Pen, rng: np.random.Generator) -> None:
    brown = pick(((120, 94, 68), (134, 104, 74), (104, 82, 64)), rng)
    pale = vary(CREAM, rng)
    dark = vary((50, 38, 32), rng)
    legs(pen, vary((112, 84, 60), rng), rng)
    antennae(pen, FEELER, (dark, dark, pale, dark))
    shield_bug(pen, brown, vary(brown, rng), pale, BLACK, vary((84, 68, 58), rng))
    speckle(pen, rng, 90, (dark, dark, pale))


def dolycoris_baccarum(pen: Pen, rng: np.random.Generator) -> None:
    plum = pick(((134, 62, 66), (120, 54, 72), (148, 76, 66)), rng)
    pale = vary(CREAM, rng)
    legs(pen, vary((160, 116, 72), rng), rng)
    antennae(pen, FEELER, (BLACK, pale))
    shield_bug(pen, plum, vary((196, 168, 92), rng), pale, BLACK, vary((96, 70, 62), rng))
    speckle(pen, rng, 24, (vary((70, 30, 38), rng),))


def nezara_viridula(pen: Pen, rng: np.random.Generator) -> None:
    green = pick(((84, 156, 54), (104, 172, 66), (66, 138, 60)), rng)
    light = vary((150, 198, 104), rng)
    legs(pen, vary((110, 158, 70), rng), rng)
    antennae(pen, FEELER, (light, vary((92, 96, 52), rng)))
    shield_bug(
        pen, green, vary(green, rng), light, vary((60, 112, 46), rng), vary((136, 170, 104), rng)
    )
    pen.dots((0.26, -0.29), (0.04, 0.03), CREAM)
    pen.ellipse((0, -0.29), (0.04, 0.03), CREAM)


def speckle(pen: Pen, rng: np.random.Generator, count: int, colours: Sequence[Colour]) -> None:
    """Mottle a shield bug's back with small dots."""
    for _ in range(count):
        x = rng.uniform(-0.52, 0.52)
        y = rng.uniform(-0.74, 0.5)
        radius = rng.uniform(0.014, 0.034)
        pen.ellipse((x, y), (radius, radius), colours[int(rng.integers(len(colours)))])


def ladybird(pen: Pen, rng: np.random.Generator) -> None:
    red = pick(((206, 44, 30), (222, 96, 28), (228, 178, 46)), rng)
    legs(pen, BLACK, rng, reach=0.92, width=0.06)
    antennae(pen, ((0.14, -0.9), (0.3, -1.12)), (BLACK,))
    pen.ellipse((0, -0.82), (0.26, 0.2), BLACK)
    pen.ellipse((0, -0.62), (0.5, 0.24), BLACK)
    pen.dots((0.32, -0.66), (0.13, 0.1), (238, 234, 224))
    pen.ellipse((0, 0.14), (0.76, 0.8), red)
    pen.stroke([(0, -0.6), (0, 0.92)], 0.03, BLACK)
    for x, y in ((0.34, -0.24), (0.46, 0.24), (0.22, 0.56)):
        pen.dots((x + rng.normal(0, 0.03), y), (rng.uniform(0.09, 0.15),) * 2, BLACK)
    pen.ellipse((0, -0.46), (0.14, 0.1), BLACK)


def ground_beetle(pen: Pen, rng: np.random.Generator) -> None:
    shell = pick(((34, 32, 36), (48, 62, 48), (78, 56, 36), (36, 44, 74)), rng)
    line = tuple(v // 2 for v in shell)
    legs(pen, vary((52, 36, 28), rng), rng, width=0.06)
    antennae(
        pen, ((0.1, -0.96), (0.34, -1.2), (0.62, -1.34), (0.9, -1.3)), (vary((70, 46, 34), rng),)
    )
    pen.pair([(0.02, -0.98), (0.16, -0.98), (0.1, -1.2), (0.0, -1.22)], BLACK, soft=1)
    pen.ellipse((0, -0.84), (0.24, 0.2), shell)
    pen.dots((0.22, -0.86), (0.05, 0.06), BLACK)
    pen.shape(
        [(-0.28, -0.74), (0.28, -0.74), (0.4, -0.5), (0.3, -0.22), (-0.3, -0.22), (-0.4, -0.5)],
        vary(shell, rng),
        1,
    )
    pen.shape(
        [
            (-0.34, -0.24),
            (0.34, -0.24),
            (0.52, 0.2),
            (0.46, 0.66),
            (0, 1.1),
            (-0.46, 0.66),
            (-0.52, 0.2),
        ],
        shell,
    )
    for x in (-0.3, -0.15, 0, 0.15, 0.3):
        pen.stroke([(x * 0.8, -0.2), (x * 1.1, 0.2), (x * 0.7, 0.8)], 0.018, line)


def fly(pen: Pen, rng: np.random.Generator) -> None:
    body = pick(((70, 72, 78), (46, 90, 74), (52, 66, 110), (88, 74, 60)), rng)
    legs(pen, BLACK, rng, reach=0.96, width=0.05)
    pen.ellipse((0, 0.4), (0.34, 0.52), vary(body, rng))
    for y in (0.2, 0.42, 0.64):
        pen.stroke([(-0.28, y), (0.28, y)], 0.04, BLACK)
    spread = rng.uniform(0.55, 0.95)
    glass = (*vary((206, 212, 214), rng), 150)
    pen.pair(
        [
            (0.14, -0.36),
            (0.5 * spread + 0.2, 0.0),
            (spread + 0.1, 0.7),
            (spread - 0.12, 1.06),
            (0.36, 0.7),
        ],
        glass,
    )
    for tip in ((spread, 0.86), (spread - 0.2, 0.9)):
        for side in (-1, 1):
            pen.stroke([(0.16 * side, -0.3), (tip[0] * side, tip[1])], 0.02, (*BLACK, 170))
    pen.ellipse((0, -0.28), (0.36, 0.36), body)
    for x in (-0.12, 0.12):
        pen.stroke([(x, -0.52), (x, -0.06)], 0.04, BLACK)
    pen.ellipse((0, -0.76), (0.28, 0.22), BLACK)
    pen.dots((0.22, -0.76), (0.16, 0.2), pick(((150, 36, 30), (110, 50, 30)), rng))


def moth(pen: Pen, rng: np.random.Generator) -> None:
    wing = pick(((196, 178, 148), (150, 120, 88), (226, 220, 206), (176, 150, 172)), rng)
    band = tuple(int(v * rng.uniform(0.5, 0.7)) for v in wing)
    pen.pair([(0.08, 0.0), (0.7, 0.1), (0.96, 0.5), (0.7, 0.92), (0.2, 0.72)], vary(wing, rng))
    pen.pair([(0.1, -0.5), (0.8, -0.72), (1.5, -0.62), (1.34, 0.0), (0.9, 0.34), (0.1, 0.16)], wing)
    for at in (0.45, 0.78):
        pen.pair(
            [(at, -0.56), (at + 0.14, -0.56), (at + 0.04, 0.16), (at - 0.1, 0.1)], band, soft=1
        )
    pen.dots((1.14, -0.28), (0.1, 0.1), band)
    pen.dots((0.62, 0.5), (0.12, 0.12), band)
    antennae(pen, ((0.06, -0.72), (0.3, -1.06), (0.62, -1.24)), (band,), width=0.06)
    pen.ellipse((0, 0.2), (0.16, 0.64), vary(band, rng))
    pen.ellipse((0, -0.38), (0.22, 0.3), vary(wing, rng))
    pen.ellipse((0, -0.7), (0.14, 0.12), band)


def bee(pen: Pen, rng: np.random.Generator) -> None:
    amber = pick(((222, 164, 44), (206, 140, 50), (234, 196, 90)), rng)
    fur = vary((170, 124, 62), rng)
    legs(pen, BLACK, rng, reach=0.82, width=0.07)
    antennae(pen, ((0.1, -0.94), (0.24, -1.18), (0.42, -1.3)), (BLACK,), width=0.05)
    glass = (*vary((216, 214, 204), rng), 150)
    pen.pair([(0.14, -0.36), (0.7, -0.42), (1.24, -0.1), (1.16, 0.2), (0.6, 0.12)], glass)
    pen.pair([(0.14, -0.2), (0.6, 0.06), (0.92, 0.36), (0.72, 0.5), (0.3, 0.24)], glass)
    pen.shape(
        [
            (-0.34, -0.06),
            (0.34, -0.06),
            (0.46, 0.4),
            (0.3, 0.86),
            (0, 1.08),
            (-0.3, 0.86),
            (-0.46, 0.4),
        ],
        amber,
    )
    for y, half in ((0.16, 0.36), (0.42, 0.38), (0.68, 0.3)):
        pen.stroke([(-half, y), (half, y)], 0.13, BLACK)
    pen.ellipse((0, -0.34), (0.38, 0.36), fur)
    pen.ellipse((0, -0.36), (0.16, 0.16), vary((60, 46, 34), rng))
    pen.ellipse((0, -0.8), (0.26, 0.2), vary((54, 42, 32), rng))
    pen.dots((0.22, -0.8), (0.08, 0.14), BLACK)


KINDS = {
    "halyomorpha_halys": halyomorpha_halys,
    "nezara_viridula": nezara_viridula,
    "dolycoris_baccarum": dolycoris_baccarum,
    "ladybird": ladybird,
    "ground_beetle": ground_beetle,
    "fly": fly,
    "moth": moth,
    "bee": bee,
}
