"""Body plans of synthetic insects, drawn pinned and seen from above.

An insect lies in its own frame: head up, the body from y = -1 to y = 1, the axis at x = 0. What
bears a pattern (wing cases, an abdomen, a wing) is a field: field(u, v) gives the frame's points
for u = -1..1 across it and v = 0..1 along it, so that one pattern fits every plan.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from entoflow.demo import colours
from entoflow.demo.insects import vary
from entoflow.demo.pen import Colour, Pen, Point

Field = Callable[[np.ndarray, np.ndarray], np.ndarray]  # (u, v), k each -> k x 2
Put = Callable[..., None]  # Pen.shape or Pen.pair: fills an outline
Span = tuple[float, float]  # lowest and highest value of a proportion

ROUND = np.linspace(0, 2 * np.pi, 18, endpoint=False)  # angles of a spot's outline


@dataclass(frozen=True)
class Shape:
    """Proportions in the frame, angles in degrees (wings) or radians (antennae).

    0 where a plan has none.
    """

    wide: float = 0  # half width of the abdomen or the wing cases
    shoulder: float = 0  # width at the front of the wing cases, as a share
    crest: float = 0  # where along it a part is widest
    point: float = 0  # how pointed its end is
    neck: float = 0  # width of the pronotum
    neck_long: float = 0  # its length
    nape: float = 0  # its width at the front
    head: float = 0
    snout: float = 0
    shield: float = 0  # length of the triangle on a bug's back
    stalk: float = 0  # width of an abdomen at its front
    waist: float = 0  # where the abdomen begins
    chest: float = 0  # half width of the thorax
    eyes: float = 0
    sweep: float = 0  # angle of a wing's front edge behind sideways
    spread: float = 0  # angle of a wing
    wing: float = 0  # length
    trail: float = 0  # length at its hind edge, as a share
    hind: float = 0  # size of the hind wing, as a share; 0 for none
    leg: float = 0
    thick: float = 0  # of legs and antennae
    feeler: float = 0  # length of antennae
    splay: float = 0
    curl: float = 0
    club: float = 0


@dataclass(frozen=True)
class Individual:
    """One specimen: its species' traits, a little different."""

    plan: str
    shape: Shape
    base: Colour
    ink: Colour
    trim: Colour
    eye: Colour
    limb: Colour
    motif: str  # of MOTIFS
    count: int  # these six as in species.Code
    place: int
    size: int
    second: int
    collar: int
    limbs: int
    wave: float
    lines: int
    ringed: bool
    sheen: bool
    growth: float  # its size, as a share of its species'
    pinned: bool  # whether the head of a pin is seen
    lost_leg: int | None  # of six, from the front left
    lost_feeler: int | None  # -1 left, 1 right


@dataclass(frozen=True)
class Plan:
    """What the species of a family have in common."""

    draw: Callable[[Pen, Individual, np.random.Generator], None]
    length: float  # of the body, as a share of the photo's side
    colours: Sequence[Colour]
    motifs: Sequence[str]
    spans: Mapping[str, Span]  # of the proportions, by name of Shape


def body_field(
    top: float, bottom: float, wide: float, shoulder: float, crest: float, point: float
) -> Field:
    """Return the field of a symmetric body part from y = top to y = bottom.

    It is `wide` at v = crest, and pointed at its end where point > 0.5.
    """
    known = np.linspace(0, 1, 25)
    front = shoulder + (1 - shoulder) * np.sin(np.pi / 2 * np.minimum(known / crest, 1))
    end = (1 - np.clip((known - crest) / (1 - crest), 0, 1) ** 2.2) ** point
    half = wide * front * end

    def field(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        x = u * np.interp(v, known, half)
        return np.stack([x, top + (bottom - top) * v + 0 * u], -1)

    return field


def wing_field(root: Point, first: float, last: float, reach: Span, slim: float) -> Field:
    """Return the field of a wing.

    U turns from the angle `first` to `last`, v goes from the root outwards.
    Angles are degrees behind sideways. reach: how far the fore and the hind edge go; slim above 0
    makes the wing a drop or blade rather than a sector.
    """
    middle = np.deg2rad((first + last) / 2)
    half = np.deg2rad((last - first) / 2)

    def field(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        turn = middle + half * u * np.maximum(v, 0.02) ** -slim
        edge = reach[0] + (reach[1] - reach[0]) * (u + 1) / 2
        far = v * edge * (1 - 0.14 * u**4)
        return np.stack([root[0] + far * np.cos(turn), root[1] + far * np.sin(turn)], -1)

    return field


def region(
    put: Put,
    field: Field,
    colour: Colour,
    u: Span = (-1, 1),
    v: Span = (0, 1),
    wave: float = 0,
) -> None:
    """Fill the part of a field between two u and two v.

    `wave` bends a band forwards at the middle.
    """
    step = np.linspace(0, 1, 14)
    still = np.ones(14)
    across = u[0] + (u[1] - u[0]) * step
    along = v[0] + (v[1] - v[0]) * step
    bend = wave * np.cos(np.pi * across)
    us = np.concatenate([across, u[1] * still, across[::-1], u[0] * still])
    vs = np.concatenate([v[0] + bend, along, v[1] + bend[::-1], along[::-1]])
    put(field(us, np.clip(vs, 0, 1)), colour, soft=0)


def spot(put: Put, field: Field, middle: Point, radius: float, colour: Colour) -> None:
    """Fill a round spot at (u, v), cut off at the field's edge.

    The radius is in half widths of the field.
    """
    right_and_end = field(np.array([1, 0]), np.array([0.5, 1]))
    left_and_front = field(np.array([-1, 0]), np.array([0.5, 0]))
    wide, long = np.linalg.norm(right_and_end - left_and_front, axis=1)
    u = middle[0] + radius * np.cos(ROUND)
    v = middle[1] + radius * wide / 2 / long * np.sin(ROUND)
    put(field(np.clip(u, -1, 1), np.clip(v, 0, 1)), colour, soft=0)


def pattern(
    put: Put,
    field: Field,
    one: Individual,
    rng: np.random.Generator,
    sides: Sequence[int] = (1, -1),
) -> None:
    """Draw the species' motif on a field; on a body with two sides, spots come in pairs."""
    jitter = np.clip(rng.normal(0, 1, (3, 3)), -2, 2)
    evenly = np.linspace(0, 1, 2 * one.count + 3)[1::2]
    middles = evenly * 0.9 + 0.02 + 0.09 * (one.place - 1)
    for v, (across, along, grow) in zip(middles, jitter):
        mark = Mark(v + 0.02 * along, 0.03 * across, 1 + 0.1 * grow, sides)
        MOTIFS[one.motif](put, field, one, mark)


@dataclass(frozen=True)
class Mark:
    """Where one mark of a motif is drawn."""

    v: float
    off: float  # from its usual u
    grow: float  # its size, as a share of the usual one
    sides: Sequence[int]  # 1 and -1, or 1 alone on a wing


def spots(put: Put, field: Field, one: Individual, mark: Mark) -> None:
    for side in mark.sides:
        u = _side_of(side, mark) + mark.off
        spot(put, field, (u, mark.v), (0.25 + 0.15 * one.size) * mark.grow, one.ink)


def rings(put: Put, field: Field, one: Individual, mark: Mark) -> None:
    for side in mark.sides:
        u = _side_of(side, mark) + mark.off
        spot(put, field, (u, mark.v), (0.34 + 0.1 * one.size) * mark.grow, one.ink)
        spot(put, field, (u, mark.v), (0.17 + 0.03 * one.size) * mark.grow, one.trim)


def _side_of(side: int, mark: Mark) -> float:
    """Return the u of a spot: on a field of one side it is in the middle."""
    return side * (0.5 if len(mark.sides) > 1 else 0)


def bands(put: Put, field: Field, one: Individual, mark: Mark) -> None:
    half = (0.035 + 0.035 * one.size) * mark.grow
    region(put, field, one.ink, v=(mark.v - half, mark.v + half), wave=one.wave)


def half_bands(put: Put, field: Field, one: Individual, mark: Mark) -> None:
    half = (0.04 + 0.035 * one.size) * mark.grow
    for side in mark.sides:
        inner = side * (0.34 + mark.off)
        region(put, field, one.ink, u=(inner, side), v=(mark.v - half, mark.v + half))


def diamonds(put: Put, field: Field, one: Individual, mark: Mark) -> None:
    wide = (0.4 + 0.25 * one.size) * mark.grow
    long = 0.09 + 0.05 * one.size
    u = np.array([0, wide, 0, -wide]) + mark.off
    v = np.clip(mark.v + np.array([-long, 0, long, 0]), 0, 1)
    put(field(u, v), one.ink, soft=0)


def stripes(put: Put, field: Field, one: Individual, mark: Mark) -> None:
    """Draw a pair of stripes, each further one nearer the margin, over a length that the place
    sets.
    """
    u = 1.1 * mark.v - 0.1
    half = (0.07 + 0.06 * one.size) * mark.grow
    for side in mark.sides:
        across = (side * (u - half), side * min(u + half, 1))
        region(put, field, one.ink, u=across, v=(0.06, 0.62 + 0.14 * one.place))


MOTIFS = {
    "spots": spots,
    "rings": rings,
    "bands": bands,
    "half_bands": half_bands,
    "diamonds": diamonds,
    "stripes": stripes,
}


def darker(colour: Colour, share: float, more: int = 0) -> Colour:
    """Return a share of each channel, and so much more."""
    return tuple(int(share * value + more) for value in colour)


def lighter(colour: Colour, factor: float, more: float, most: int) -> Colour:
    """Return each channel times a factor and so much more, `most` at the most."""
    return tuple(min(int(value * factor + more), most) for value in colour)


def collar(put: Put, field: Field, one: Individual) -> None:
    """Draw a pronotum or thorax.

    Plain, of the trim's colour, edged with it, or with two spots of it.
    """
    region(put, field, one.trim if one.collar in (1, 2) else one.base)
    if one.collar == 2:
        region(put, field, one.base, u=(-0.6, 0.6), v=(0.12, 0.88))
    if one.collar == 3:
        for side in (-1, 1):
            spot(put, field, (side * 0.5, 0.5), 0.26, one.trim)


def back(pen: Pen, field: Field, one: Individual, rng: np.random.Generator) -> None:
    """Draw wing cases: margin, lines and gloss, the motif, and a tip or a base."""
    region(pen.shape, field, one.trim if one.second == 1 else one.base)
    if one.second == 1:
        region(pen.shape, field, one.base, u=(-0.78, 0.78), v=(0, 0.93))
    dark = darker(one.base, 0.72)
    for u in np.linspace(0.18, 0.85, one.lines):
        for side in (-1, 1):
            pen.stroke(field(side * u * np.ones(4), np.linspace(0.05, 0.9, 4)), 0.012, dark)
    if one.sheen:
        gloss = tuple(min(int(value * 1.3) + 26, 255) for value in one.base)
        region(pen.shape, field, gloss, u=(-0.5, -0.3), v=(0.12, 0.6))
    pattern(pen.shape, field, one, rng)
    if one.second == 2:
        region(pen.shape, field, one.trim, v=(0.84, 1))
    if one.second == 3:
        region(pen.shape, field, one.trim, v=(0, 0.13))


# Where a leg leaves the body, and its knee and foot, from the front pair to the hind one.
LEGS = (
    (-0.34, (0.62, -0.5), (0.8, -0.84)),
    (-0.1, (0.8, 0.02), (1, 0.24)),
    (0.12, (0.7, 0.42), (0.86, 0.92)),
)


def legs(
    pen: Pen, one: Individual, rng: np.random.Generator, wide: float, middle: float = 0.0
) -> None:
    """Draw three pairs of bent legs that reach beyond a body of half width `wide`.

    Each joint a little elsewhere.
    """
    for k, (hip, knee, foot) in enumerate(LEGS):
        start = np.array([wide, hip + middle])
        joints = [
            start + one.shape.leg * np.array(joint) * [0.62, 0.7] - [0, middle * 0.4]
            for joint in (knee, foot)
        ]
        for side in (-1, 1):
            if one.lost_leg == 2 * k + (side > 0):
                continue
            moved = [joint + rng.normal(0, 0.05, 2) for joint in joints]
            points = np.array([(wide * 0.6, hip + middle), *moved]) * [side, 1]
            pen.stroke(points, one.shape.thick, one.limb)


def feelers(
    pen: Pen, one: Individual, rng: np.random.Generator, root: Point, club: float = 0.0
) -> None:
    """Draw both antennae: joints that curl outwards, ringed in some genera, clubbed in some
    families.
    """
    for side in (-1, 1):
        point = np.array(root)
        turn = one.shape.splay + rng.normal(0, 0.12)
        points = []
        for _ in range(6):
            points.append(point)
            point = point + one.shape.feeler / 5 * np.array([np.sin(turn), -np.cos(turn)])
            turn += one.shape.curl + rng.normal(0, 0.04)
        left = points[:3] if one.lost_feeler == side else points
        joints = np.array(left) * [side, 1]
        pen.stroke(joints, one.shape.thick * 0.8, one.limb)
        if one.ringed:
            for k in range(1, len(joints) - 1, 2):
                pen.stroke(joints[k : k + 2], one.shape.thick * 0.8, one.trim)
        if club:
            pen.ellipse(joints[-1], (club, club), one.limb)


def draw_beetle(pen: Pen, one: Individual, rng: np.random.Generator) -> None:
    """Draw a head, a pronotum and wing cases; a snout where the family has one."""
    shape = one.shape
    waist = -0.8 + shape.neck_long
    legs(pen, one, rng, shape.wide * 0.8, 0.1)
    feelers(pen, one, rng, (shape.head * 0.6, -0.9 - shape.snout * 0.5), shape.club)
    if shape.snout:
        pen.stroke([(0, -0.8), (0, -0.95 - shape.snout)], 0.13, darker(one.base, 0.7))
    head = vary(colours.BLACK, rng) if one.limbs else darker(one.base, 0.7)
    pen.ellipse((0, -0.84), (shape.head, 0.17), head)
    pen.dots((shape.head * 0.85, -0.86), (0.06, 0.07), one.eye)
    cases = body_field(waist - 0.03, 1, shape.wide, shape.shoulder, shape.crest, shape.point)
    back(pen, cases, one, rng)
    pen.stroke([(0, waist), (0, 0.94)], 0.018, colours.BLACK)
    pronotum = body_field(-0.8, waist, shape.wide * shape.neck, shape.nape, 0.66, 0.22)
    collar(pen.shape, pronotum, one)
    scutellum = [(-0.09, waist), (0.09, waist), (0, waist + 0.14)]
    pen.shape(scutellum, darker(one.base, 0.6), soft=0)


def draw_bug(pen: Pen, one: Individual, rng: np.random.Generator) -> None:
    """Draw a shield: shoulders, a triangle on the back, a banded edge, the dark membrane of the
    wings.
    """
    shape = one.shape
    wide = shape.wide
    legs(pen, one, rng, wide * 0.86)
    feelers(pen, one, rng, (0.12, -0.92))
    edge = body_field(-0.45, 1, wide * 1.08, 0.9, 0.36, shape.point)
    region(pen.shape, edge, one.trim if one.second == 1 else one.base)
    if one.second == 2:
        for v in np.linspace(0.24, 0.84, 4):
            region(pen.shape, edge, one.trim, v=(v, v + 0.07))
    wings = body_field(-0.45, 0.93, wide, 0.95, 0.34, shape.point)
    back(pen, wings, replace(one, second=0), rng)
    side = [(wide * 0.5, 0.44), (wide * 0.36, 0.86)]
    membrane = [(-side[0][0], 0.44), (0, 0.3), side[0], side[1], (0, 1.04), (-side[1][0], 0.86)]
    pen.shape(membrane, darker(one.base, 0.5, 20))
    front = wide * 0.58
    triangle = [(-front, -0.42), (front, -0.42), (0.07, shape.shield), (-0.07, shape.shield)]
    pen.shape(triangle, one.trim if one.second == 3 else darker(one.base, 0.86), soft=1)
    _draw_bug_pronotum(pen, one)
    pen.shape([(-0.2, -0.7), (-0.17, -0.98), (0.17, -0.98), (0.2, -0.7)], one.base, soft=1)
    pen.dots((0.18, -0.84), (0.055, 0.055), one.eye)


def _draw_bug_pronotum(pen: Pen, one: Individual) -> None:
    shoulder = one.shape.wide * one.shape.neck
    behind = one.shape.wide * 0.9
    right = [(0.24, -0.78), (shoulder, -0.48), (behind, -0.34)]
    left = [(-behind, -0.34), (-shoulder, -0.48)]
    pen.shape(
        [(-0.24, -0.78), *right, *left], one.trim if one.collar in (1, 2) else one.base, soft=1
    )
    if one.collar == 2:
        inner = shoulder * 0.62
        pen.shape(
            [(-0.18, -0.74), (0.18, -0.74), (inner, -0.42), (-inner, -0.42)], one.base, soft=1
        )
    if one.collar == 3:
        pen.dots((one.shape.wide * 0.4, -0.52), (0.09, 0.08), one.trim)


def draw_winged(pen: Pen, one: Individual, rng: np.random.Generator) -> None:
    """Draw glass wings in one or two pairs, a thorax, and an abdomen that bears the pattern."""
    shape = one.shape
    legs(pen, one, rng, shape.chest * 0.8, -0.14)
    feelers(pen, one, rng, (0.08, -0.94), shape.club)
    glass = (*vary((196, 196, 184), rng), 190)
    vein = (*vary((104, 94, 80), rng), 240)
    lift = rng.normal(0, 5)
    if shape.hind > 0.2:
        hind = _glass_wing(shape, -0.16, shape.sweep + 30, shape.hind, lift)
        _draw_glass_wing(pen, hind, one, glass, vein)
    fore = _glass_wing(shape, -0.3, shape.sweep, 1, lift)
    _draw_glass_wing(pen, fore, one, glass, vein)
    abdomen = body_field(shape.waist, 1, shape.wide, shape.stalk, shape.crest, shape.point)
    region(pen.shape, abdomen, one.base)
    pattern(pen.shape, abdomen, one, rng)
    collar(pen.shape, body_field(-0.72, shape.waist + 0.06, shape.chest, 0.5, 0.45, 0.5), one)
    pen.ellipse((0, -0.82), (shape.head, 0.17), vary(colours.BLACK, rng))
    pen.dots((shape.head * 0.75, -0.83), (shape.eyes, shape.eyes * 1.15), one.eye)


def _glass_wing(shape: Shape, root_y: float, first: float, size: float, lift: float) -> Field:
    last = first + shape.spread
    reach = (shape.wing * size, shape.wing * size * 0.86)
    return wing_field((shape.chest * 0.5, root_y), first + lift, last + lift, reach, 0.42)


def _draw_glass_wing(pen: Pen, field: Field, one: Individual, glass: Colour, vein: Colour) -> None:
    region(pen.pair, field, vein)
    region(pen.pair, field, glass, u=(-0.9, 0.92), v=(0.05, 0.96))
    _mark_glass_wing(pen, field, one)
    for side in (-1, 1):
        for u in (-0.3, 0.35):
            points = field(u * np.ones(4), np.linspace(0.02, 0.97, 4))
            pen.stroke(points * [side, 1], 0.012, vein)


def _mark_glass_wing(pen: Pen, field: Field, one: Individual) -> None:
    """Draw the mark that the wings of some species bear: a tip, a spot or a band."""
    smoke = (*darker(one.limb, 0.5), 235)
    if one.second == 1:
        region(pen.pair, field, smoke, v=(0.8, 1))
    if one.second == 2:
        spot(pen.pair, field, (-0.4, 0.62), 0.55, smoke)
    if one.second == 3:
        region(pen.pair, field, smoke, v=(0.36, 0.54))


def draw_broad_winged(pen: Pen, one: Individual, rng: np.random.Generator) -> None:
    """Draw a body that is a mere line, and scaled wings.

    The motif is on the fore wings, an eye or a margin on the hind ones.
    """
    shape = one.shape
    lift = rng.normal(0, 4)
    hind_reach = (shape.wing * shape.hind, shape.wing * shape.hind * 0.9)
    hind = wing_field(
        (0.04, -0.1), shape.sweep + 50 + lift, shape.sweep + 108 + lift, hind_reach, 0.1
    )
    fore_reach = (shape.wing, shape.wing * shape.trail)
    fore_last = shape.sweep + shape.spread + lift
    fore = wing_field((0.04, -0.36), shape.sweep + lift, fore_last, fore_reach, 0)
    for field, colour in ((hind, lighter(one.base, 1.12, 14, 250)), (fore, one.base)):
        region(pen.pair, field, one.trim if one.second == 1 else darker(one.base, 0.72))
        inner = 0.88 if one.second == 1 else 0.95
        region(pen.pair, field, colour, u=(-0.9, 0.9), v=(0, inner))
    if one.second == 2:
        spot(pen.pair, hind, (0, 0.6), 0.4, one.trim)
        spot(pen.pair, hind, (0, 0.6), 0.18, colours.BLACK)
    if one.second == 3:
        region(pen.pair, fore, one.trim, v=(0.8, 1))
    pattern(pen.pair, fore, one, rng, sides=(1,))
    feelers(pen, one, rng, (0.05, -0.78), shape.club)
    abdomen = body_field(-0.3, 0.85, shape.wide, 0.7, 0.3, 0.7)
    region(pen.shape, abdomen, darker(one.base, 0.66))
    collar(pen.shape, body_field(-0.7, -0.12, shape.wide * 1.3, 0.5, 0.5, 0.5), one)
    pen.ellipse((0, -0.74), (shape.wide * 0.9, 0.1), darker(one.base, 0.6))


BACK_MOTIFS = ["spots", "bands", "half_bands", "diamonds", "stripes", "rings"]
BEETLE: dict[str, Span] = {
    "wide": (0.4, 0.5),
    "shoulder": (0.8, 0.95),
    "crest": (0.45, 0.6),
    "point": (0.4, 0.6),
    "neck": (0.7, 0.9),
    "neck_long": (0.3, 0.42),
    "nape": (0.6, 0.85),
    "head": (0.2, 0.28),
    "snout": (0, 0),
    "leg": (0.8, 1.0),
    "thick": (0.05, 0.07),
    "feeler": (0.5, 0.7),
    "splay": (0.5, 0.9),
    "curl": (0.05, 0.2),
    "club": (0, 0),
}
BUG: dict[str, Span] = {
    "wide": (0.52, 0.66),
    "point": (0.5, 0.75),
    "shield": (0.3, 0.55),
    "neck": (1.0, 1.3),
    "leg": (0.85, 1.1),
    "thick": (0.05, 0.06),
    "feeler": (0.6, 0.85),
    "splay": (0.5, 0.9),
    "curl": (-0.05, 0.15),
}
WINGED: dict[str, Span] = {
    "wide": (0.24, 0.36),
    "crest": (0.35, 0.5),
    "point": (0.5, 0.8),
    "stalk": (0.6, 0.8),
    "waist": (-0.12, 0.0),
    "chest": (0.3, 0.38),
    "head": (0.24, 0.3),
    "eyes": (0.12, 0.17),
    "sweep": (15, 35),
    "spread": (26, 34),
    "wing": (1.15, 1.4),
    "hind": (0, 0),
    "leg": (0.8, 1.0),
    "thick": (0.04, 0.055),
    "feeler": (0.15, 0.2),
    "splay": (0.3, 0.5),
    "curl": (0.1, 0.2),
    "club": (0, 0),
}
BROAD: dict[str, Span] = {
    "wide": (0.12, 0.17),
    "sweep": (-40, -25),
    "spread": (52, 66),
    "wing": (1.35, 1.6),
    "trail": (0.7, 0.85),
    "hind": (0.62, 0.8),
    "thick": (0.04, 0.05),
    "feeler": (0.6, 0.8),
    "splay": (0.5, 0.7),
    "curl": (0.0, 0.05),
    "club": (0.06, 0.07),
}
PLANS = {
    "shield_bug": Plan(
        draw=draw_bug,
        length=0.68,
        colours=(
            colours.BROWN,
            colours.GREEN,
            colours.OLIVE,
            colours.RUST,
            colours.TAN,
            colours.SLATE,
        ),
        motifs=BACK_MOTIFS,
        spans=BUG,
    ),
    "seed_bug": Plan(
        draw=draw_bug,
        length=0.68,
        colours=(colours.RED, colours.ORANGE, colours.TAN, colours.SLATE, colours.BLACK),
        motifs=BACK_MOTIFS,
        spans={
            **BUG,
            "wide": (0.34, 0.42),
            "point": (0.3, 0.5),
            "neck": (0.8, 0.95),
            "leg": (1.1, 1.3),
            "feeler": (0.8, 1.0),
        },
    ),
    "ladybird": Plan(
        draw=draw_beetle,
        length=0.62,
        colours=(colours.RED, colours.ORANGE, colours.YELLOW, colours.BLACK, colours.TAN),
        motifs=["spots", "rings", "half_bands", "bands"],
        spans={
            **BEETLE,
            "wide": (0.7, 0.85),
            "shoulder": (0.72, 0.85),
            "neck": (0.66, 0.8),
            "neck_long": (0.26, 0.34),
            "head": (0.24, 0.3),
            "leg": (0.55, 0.7),
            "feeler": (0.25, 0.35),
        },
    ),
    "ground_beetle": Plan(
        draw=draw_beetle,
        length=0.66,
        colours=colours.GLOSSY,
        motifs=BACK_MOTIFS,
        spans={
            **BEETLE,
            "shoulder": (0.68, 0.8),
            "point": (0.55, 0.75),
            "neck": (0.62, 0.76),
            "leg": (1.1, 1.3),
            "feeler": (0.75, 0.95),
            "splay": (0.7, 1.0),
        },
    ),
    "longhorn": Plan(
        draw=draw_beetle,
        length=0.6,
        colours=(
            colours.BROWN,
            colours.GREY,
            colours.BLACK,
            colours.TAN,
            colours.RUST,
            colours.TEAL,
        ),
        motifs=BACK_MOTIFS,
        spans={
            **BEETLE,
            "wide": (0.28, 0.36),
            "point": (0.3, 0.45),
            "neck": (0.68, 0.85),
            "neck_long": (0.28, 0.36),
            "head": (0.18, 0.22),
            "leg": (1.0, 1.2),
            "feeler": (1.7, 2.3),
            "splay": (0.5, 0.8),
            "curl": (0.35, 0.5),
        },
    ),
    "scarab": Plan(
        draw=draw_beetle,
        length=0.64,
        colours=(
            colours.GREEN,
            colours.BROWN,
            colours.RUST,
            colours.BLACK,
            colours.TEAL,
            colours.TAN,
        ),
        motifs=BACK_MOTIFS,
        spans={
            **BEETLE,
            "wide": (0.58, 0.68),
            "point": (0.3, 0.4),
            "neck": (0.86, 1.0),
            "neck_long": (0.4, 0.5),
            "head": (0.22, 0.28),
            "thick": (0.09, 0.11),
            "feeler": (0.26, 0.34),
            "splay": (0.9, 1.1),
            "club": (0.08, 0.1),
        },
    ),
    "weevil": Plan(
        draw=draw_beetle,
        length=0.6,
        colours=(
            colours.GREY,
            colours.BROWN,
            colours.GREEN,
            colours.SLATE,
            colours.TAN,
            colours.SKY,
        ),
        motifs=BACK_MOTIFS,
        spans={
            **BEETLE,
            "wide": (0.5, 0.62),
            "shoulder": (0.6, 0.75),
            "crest": (0.5, 0.65),
            "point": (0.6, 0.8),
            "neck": (0.5, 0.62),
            "head": (0.15, 0.2),
            "snout": (0.2, 0.42),
            "feeler": (0.4, 0.5),
            "splay": (1.0, 1.2),
            "curl": (-0.3, -0.2),
            "club": (0.05, 0.06),
        },
    ),
    "jewel_beetle": Plan(
        draw=draw_beetle,
        length=0.7,
        colours=(
            colours.GREEN,
            colours.TEAL,
            colours.BLUE,
            colours.PURPLE,
            colours.RUST,
            colours.OLIVE,
        ),
        motifs=BACK_MOTIFS,
        spans={
            **BEETLE,
            "wide": (0.36, 0.44),
            "shoulder": (0.95, 1.0),
            "crest": (0.2, 0.3),
            "point": (0.8, 1.0),
            "neck": (0.92, 1.0),
            "head": (0.26, 0.31),
            "leg": (0.5, 0.65),
            "feeler": (0.35, 0.45),
        },
    ),
    "fly": Plan(
        draw=draw_winged,
        length=0.58,
        colours=(
            colours.SLATE,
            colours.TEAL,
            colours.BLUE,
            colours.BROWN,
            colours.TAN,
            colours.ORANGE,
        ),
        motifs=["spots", "bands", "diamonds", "half_bands"],
        spans=WINGED,
    ),
    "wasp": Plan(
        draw=draw_winged,
        length=0.66,
        colours=(colours.YELLOW, colours.BLACK, colours.ORANGE, colours.RUST),
        motifs=["bands", "half_bands", "spots", "diamonds"],
        spans={
            **WINGED,
            "wide": (0.2, 0.28),
            "stalk": (0.14, 0.25),
            "point": (0.8, 1.0),
            "chest": (0.22, 0.28),
            "head": (0.2, 0.24),
            "eyes": (0.06, 0.09),
            "sweep": (5, 25),
            "spread": (20, 26),
            "hind": (0.66, 0.76),
            "feeler": (0.6, 0.8),
            "splay": (0.5, 0.8),
        },
    ),
    "bee": Plan(
        draw=draw_winged,
        length=0.56,
        colours=(colours.ORANGE, colours.BROWN, colours.BLACK, colours.TAN, colours.GREY),
        motifs=["bands", "half_bands", "diamonds"],
        spans={
            **WINGED,
            "wide": (0.42, 0.5),
            "point": (0.4, 0.55),
            "chest": (0.4, 0.46),
            "eyes": (0.08, 0.1),
            "thick": (0.07, 0.09),
            "sweep": (0, 15),
            "wing": (1.2, 1.35),
            "hind": (0.6, 0.7),
            "feeler": (0.4, 0.5),
            "splay": (0.4, 0.6),
        },
    ),
    "dragonfly": Plan(
        draw=draw_winged,
        length=0.8,
        colours=(
            colours.GREEN,
            colours.BLUE,
            colours.RED,
            colours.SKY,
            colours.BLACK,
            colours.YELLOW,
        ),
        motifs=["bands", "spots", "half_bands", "diamonds"],
        spans={
            **WINGED,
            "wide": (0.11, 0.15),
            "crest": (0.15, 0.8),
            "stalk": (0.7, 0.9),
            "point": (0.2, 0.3),
            "waist": (-0.3, -0.24),
            "chest": (0.2, 0.25),
            "head": (0.17, 0.21),
            "eyes": (0.12, 0.15),
            "sweep": (-14, -6),
            "spread": (15, 20),
            "wing": (1.1, 1.2),
            "hind": (0.9, 1.0),
            "leg": (0.4, 0.5),
        },
    ),
    "cicada": Plan(
        draw=draw_winged,
        length=0.6,
        colours=(colours.OLIVE, colours.GREEN, colours.BROWN, colours.BLACK, colours.TAN),
        motifs=["bands", "spots", "half_bands", "diamonds"],
        spans={
            **WINGED,
            "wide": (0.34, 0.42),
            "stalk": (0.9, 1.0),
            "crest": (0.2, 0.3),
            "point": (0.9, 1.1),
            "chest": (0.4, 0.48),
            "head": (0.36, 0.44),
            "eyes": (0.08, 0.1),
            "sweep": (34, 44),
            "spread": (28, 36),
            "wing": (1.5, 1.75),
            "hind": (0.5, 0.6),
            "leg": (0.6, 0.7),
        },
    ),
    "moth": Plan(
        draw=draw_broad_winged,
        length=0.58,
        colours=(
            colours.TAN,
            colours.BROWN,
            colours.GREY,
            colours.CREAM,
            colours.ROSE,
            colours.OLIVE,
        ),
        motifs=["bands", "spots", "rings", "diamonds"],
        spans={
            **BROAD,
            "wide": (0.2, 0.26),
            "sweep": (2, 18),
            "spread": (54, 64),
            "wing": (1.4, 1.6),
            "trail": (0.66, 0.8),
            "feeler": (0.5, 0.65),
            "splay": (0.8, 1.0),
            "thick": (0.06, 0.08),
            "club": (0, 0),
        },
    ),
    "butterfly": Plan(
        draw=draw_broad_winged,
        length=0.52,
        colours=(
            colours.ORANGE,
            colours.YELLOW,
            colours.CREAM,
            colours.SKY,
            colours.BROWN,
            colours.RUST,
        ),
        motifs=["bands", "spots", "rings", "diamonds"],
        spans=BROAD,
    ),
}
