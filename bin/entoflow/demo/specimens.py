"""A synthetic collection of insects to identify: families, genera and look-alike species, drawn pinned and seen from above.

A family is a body plan, a genus its proportions and colours, a species a pattern: sisters differ in a few traits that a person sees at 64
pixels. No photograph and no real species is behind them. An insect lies in its own frame: head up, the body from y = -1 to y = 1, the axis
at x = 0. What bears a pattern (wing cases, an abdomen, a wing) is a field: at(u, v) gives the frame's points for u = -1..1 across it and
v = 0..1 along it, so that one pattern fits every plan.
"""
import io
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from entoflow.demo.insects import vary
from entoflow.demo.pen import FINE, Pen, shade
from entoflow.demo.scenes import leaf, noise, uneven_light

BLACK, WHITE, CREAM, YELLOW, ORANGE, RED = (28, 25, 24), (238, 236, 228), (222, 206, 168), (232, 192, 52), (222, 122, 38), (186, 44, 36)
BROWN, TAN, RUST, GREEN, OLIVE, TEAL = (96, 66, 44), (168, 132, 88), (146, 76, 42), (78, 140, 62), (112, 114, 58), (44, 108, 104)
BLUE, PURPLE, GREY, SLATE, ROSE, SKY = (48, 72, 140), (94, 58, 100), (136, 132, 126), (70, 74, 84), (200, 132, 138), (120, 160, 206)
INKS = (BLACK, WHITE, CREAM, YELLOW, ORANGE, RED, BROWN, TEAL, BLUE)
EYES = ((122, 32, 28), (54, 36, 30), (70, 96, 60), (40, 40, 46))
# A species is a code: one choice of each. Sisters' codes lie at least APART from each other, by these weights.
CODE = {"motif": 2, "count": 3, "place": 3, "size": 2, "second": 4, "collar": 4, "limbs": 2}
WEIGHTS = {"motif": 2, "count": 2, "place": 1, "size": 1, "second": 2, "collar": 2, "limbs": 1}
APART = 3


@dataclass(frozen=True)
class Species:
    """A label genus_epithet, the genus, the family, and the traits that `draw` draws."""
    label: str
    genus: str
    family: str
    traits: dict


def taxonomy(n_species, seed):
    """Return n_species Species, family by family and genus by genus. Equal arguments give equal species."""
    rng = np.random.default_rng([seed, 0])
    families = max(1, min(n_species // 13, len(PLANS)), -(-n_species // 64))
    plans = np.resize(rng.permutation(list(PLANS)), families)  # a very large collection has several families of one plan
    taken, species = set(), []
    for plan, in_family in zip(plans, parts(n_species, len(plans), rng)):
        family = name(taken, rng, ["idae"])
        for in_genus in parts(in_family, min(8, max(1, round(in_family / 4.5))), rng):
            genus, shared = name(taken, rng, ["us", "a", "ops", "is", "ella", "oma", "ites"]), genus_traits(str(plan), rng)
            for code in codes(in_genus, rng):
                epithet = name(taken, rng, ["ata", "osa", "ensis", "alis", "icola", "ina", "ula"])
                species.append(Species(f"{genus}_{epithet}", genus, family, {**shared, **code}))
    return species


def parts(total, count, rng):
    """Return `count` numbers of sum `total`, even but for a few moved from one to another."""
    sizes = [total // count + (k < total % count) for k in range(count)]
    for giver, taker in rng.integers(count, size=(count, 2)):
        if sizes[giver] > 3 and sizes[taker] < 8:
            sizes[giver] -= 1
            sizes[taker] += 1
    return sizes


def stem(rng):
    """Return two syllables and a consonant, as in velmor-."""
    onset = ["b", "c", "d", "f", "g", "l", "m", "n", "p", "r", "s", "t", "v", "z", "br", "cl", "cr", "dr", "gr", "pl", "pr", "st", "th", "tr", "ph", "ch"]
    syllables = (onset, list("aeiou"), ["", "l", "m", "n", "r", "s"], onset[:14], list("aeiou"), list("bcdlmnrstv"))
    return "".join(str(rng.choice(choices)) for choices in syllables)


def name(taken, rng, endings):
    """Return a made-up Latin name with one of the endings that is not taken yet, and take it."""
    while (word := stem(rng) + str(rng.choice(endings))) in taken:
        pass
    taken.add(word)
    return word


def genus_traits(plan, rng):
    """Return what the species of a genus share: plan, proportions, colours and two motifs."""
    body = PLANS[plan]
    base = body["colours"][rng.integers(len(body["colours"]))]
    inks = [ink for ink in INKS if np.abs(np.subtract(ink, base)).sum() > 190]
    ink, trim = (inks[k] for k in rng.permutation(len(inks))[:2])
    return {"plan": plan, "shape": {name: rng.uniform(*span) for name, span in body["shape"].items()}, "base": vary(base, rng, 30), "ink": ink,
            "trim": trim, "limb": [(BLACK, RUST), (BROWN, YELLOW), (BLACK, CREAM)][rng.integers(3)], "eye": EYES[rng.integers(4)],
            "motifs": rng.permutation(body["motifs"])[:2].tolist(), "wave": rng.choice([0, 0, 0.05, -0.08]), "lines": int(rng.choice([0, 3, 5])),
            "ringed": bool(rng.random() < 0.4), "sheen": bool(rng.random() < 0.4)}


def codes(count, rng):
    """Return the codes of a genus's species: its first one with two or three choices changed, far enough apart to be told."""
    found = [{name: int(rng.integers(choices)) for name, choices in CODE.items()}]
    while len(found) < count:
        code = dict(found[0])
        for name in rng.permutation(list(CODE))[:rng.integers(2, 4)]:
            code[str(name)] = int(rng.integers(CODE[str(name)]))
        if all(sum(WEIGHTS[name] for name in CODE if code[name] != other[name]) >= APART for other in found):
            found.append(code)
    return found


def draw(species, specimen_seed, view_rng, size):
    """Return a photo, uint8 RGB size x size. The specimen is all its seed's; pose, light, ground and blur are the view's."""
    rng = np.random.default_rng(specimen_seed)
    one = individual(species.traits, rng)
    length = size * PLANS[one.plan]["length"] * one.growth * view_rng.uniform(0.93, 1.05)
    pen = Pinned(length, view_rng)
    PLANS[one.plan]["story"](pen, one, rng)
    if one.pinned:
        pen.ellipse((0.1, -0.3), (0.06, 0.06), SLATE)
        pen.ellipse((0.085, -0.32), (0.03, 0.03), WHITE)
    return photo(pen.finished(), length, size, view_rng)


class Pinned(Pen):
    """A pen for an insect that is pinned nearly upright, and seen a little from one side."""

    def __init__(self, length, rng):
        super().__init__(length, rng)
        turn = np.deg2rad(rng.uniform(-25, 25))
        spin = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        self.matrix = (spin * rng.uniform(0.9, 1.0, 2)) @ [[1, rng.normal(0, 0.03)], [0, 1]] * length / 2 * FINE


def individual(traits, rng):
    """Return one specimen's traits: a little larger, slimmer, paler or redder than its species, perhaps without a leg or antenna."""
    shape = {name: value * rng.normal(1, 0.035) for name, value in traits["shape"].items()}
    fade = rng.normal(0, 7, 3) + rng.normal(0, 10)  # old specimens fade, all over alike
    colours = {name: vary(np.clip(traits[name] + fade, 12, 245), rng, 10) for name in ("base", "ink", "trim", "eye")}
    limb = vary(traits["limb"][traits["limbs"]], rng)
    return SimpleNamespace(**{**traits, **shape, **colours, "limb": limb, "growth": rng.normal(1, 0.04), "pinned": rng.random() < 0.5,
                              "lost_leg": rng.integers(6) if rng.random() < 0.15 else None,
                              "lost_feeler": rng.choice([-1, 1]) if rng.random() < 0.1 else None})


def body_field(top, bottom, wide, shoulder, crest, point):
    """Return at(u, v) of a symmetric body part from y = top to y = bottom, `wide` at v = crest, pointed at its end where point > 0.5."""
    v_known = np.linspace(0, 1, 25)
    before = shoulder + (1 - shoulder) * np.sin(np.pi / 2 * np.minimum(v_known / crest, 1))
    after = (1 - np.clip((v_known - crest) / (1 - crest), 0, 1) ** 2.2) ** point
    half = wide * before * after

    def at(u, v):
        return np.stack([u * np.interp(v, v_known, half), top + (bottom - top) * v + 0 * u], -1)
    return at


def wing_field(root, first, last, reach, slim):
    """Return at(u, v) of a wing: u turns from the angle `first` to `last` (degrees behind sideways), v goes from the root out to `reach`.

    reach is a pair, of the fore and the hind edge; slim above 0 makes the wing a drop or blade rather than a sector.
    """
    middle, half = np.deg2rad((first + last) / 2), np.deg2rad((last - first) / 2)

    def at(u, v):
        turn = middle + half * u * np.maximum(v, 0.02) ** -slim
        far = v * (reach[0] + (reach[1] - reach[0]) * (u + 1) / 2) * (1 - 0.14 * u ** 4)
        return np.stack([root[0] + far * np.cos(turn), root[1] + far * np.sin(turn)], -1)
    return at


def region(put, at, colour, u=(-1, 1), v=(0, 1), wave=0):
    """Fill the part of a field between two u and two v; `wave` bends a band forwards at the middle."""
    step = np.linspace(0, 1, 14)
    across, along, still = u[0] + (u[1] - u[0]) * step, v[0] + (v[1] - v[0]) * step, np.ones(14)
    bend = wave * np.cos(np.pi * across)
    us = np.concatenate([across, u[1] * still, across[::-1], u[0] * still])
    vs = np.concatenate([v[0] + bend, along, v[1] + bend[::-1], along[::-1]])
    put(at(us, np.clip(vs, 0, 1)), colour, soft=0)


ROUND = np.linspace(0, 2 * np.pi, 18, endpoint=False)


def spot(put, at, middle, radius, colour):
    """Fill a round spot at (u, v); the radius is in half widths of the field, where it is cut off."""
    wide, long = np.linalg.norm(at(np.array([1, 0]), np.array([0.5, 1])) - at(np.array([-1, 0]), np.array([0.5, 0])), axis=1)
    u, v = middle[0] + radius * np.cos(ROUND), middle[1] + radius * wide / 2 / long * np.sin(ROUND)
    put(at(np.clip(u, -1, 1), np.clip(v, 0, 1)), colour, soft=0)


def pattern(put, at, one, rng, sides=(1, -1)):
    """Draw the species' motif on a field; on a body with two sides, spots come in pairs."""
    jitter = np.clip(rng.normal(0, 1, (3, 3)), -2, 2)
    middles = np.linspace(0, 1, 2 * one.count + 3)[1::2] * 0.9 + 0.02 + 0.09 * (one.place - 1)
    for v, (across, along, grow) in zip(middles, jitter):
        MOTIFS[one.motifs[one.motif]](put, at, one, v + 0.02 * along, 0.03 * across, 1 + 0.1 * grow, sides)


def spots(put, at, one, v, off, grow, sides):
    for side in sides:
        spot(put, at, (side * (0.5 if len(sides) > 1 else 0) + off, v), (0.25 + 0.15 * one.size) * grow, one.ink)


def rings(put, at, one, v, off, grow, sides):
    for side in sides:
        for radius, colour in ((0.34 + 0.1 * one.size, one.ink), (0.17 + 0.03 * one.size, one.trim)):
            spot(put, at, (side * (0.5 if len(sides) > 1 else 0) + off, v), radius * grow, colour)


def bands(put, at, one, v, off, grow, sides):
    half = (0.035 + 0.035 * one.size) * grow
    region(put, at, one.ink, v=(v - half, v + half), wave=one.wave)


def half_bands(put, at, one, v, off, grow, sides):
    half = (0.04 + 0.035 * one.size) * grow
    for side in sides:
        region(put, at, one.ink, u=(side * (0.34 + off), side), v=(v - half, v + half))


def diamonds(put, at, one, v, off, grow, sides):
    wide, long = (0.4 + 0.25 * one.size) * grow, 0.09 + 0.05 * one.size
    put(at(np.array([0, wide, 0, -wide]) + off, np.clip(v + np.array([-long, 0, long, 0]), 0, 1)), one.ink, soft=0)


def stripes(put, at, one, v, off, grow, sides):
    """Draw a pair of stripes, each species' count of them nearer the margin, over a length that its place sets."""
    u, half = 1.1 * v - 0.1, (0.07 + 0.06 * one.size) * grow
    for side in sides:
        region(put, at, one.ink, u=(side * (u - half), side * min(u + half, 1)), v=(0.06, 0.62 + 0.14 * one.place))


MOTIFS = {motif.__name__: motif for motif in (spots, rings, bands, half_bands, diamonds, stripes)}


def collar(put, at, one):
    """Draw a pronotum or thorax as the species has it: plain, of the trim's colour, edged with it, or with two spots of it."""
    region(put, at, one.trim if one.collar in (1, 2) else one.base)
    if one.collar == 2:
        region(put, at, one.base, u=(-0.6, 0.6), v=(0.12, 0.88))
    if one.collar == 3:
        for side in (-1, 1):
            spot(put, at, (side * 0.5, 0.5), 0.26, one.trim)


def back(pen, at, one, rng):
    """Draw wing cases: margin, lines and gloss, the motif, and a tip or a base."""
    region(pen.shape, at, one.trim if one.second == 1 else one.base)
    if one.second == 1:
        region(pen.shape, at, one.base, u=(-0.78, 0.78), v=(0, 0.93))
    dark = tuple(int(0.72 * value) for value in one.base)
    for u in np.linspace(0.18, 0.85, one.lines):
        for side in (-1, 1):
            pen.stroke(at(side * u * np.ones(4), np.linspace(0.05, 0.9, 4)), 0.012, dark)
    if one.sheen:
        region(pen.shape, at, tuple(min(int(value * 1.3) + 26, 255) for value in one.base), u=(-0.5, -0.3), v=(0.12, 0.6))
    pattern(pen.shape, at, one, rng)
    if one.second == 2:
        region(pen.shape, at, one.trim, v=(0.84, 1))
    if one.second == 3:
        region(pen.shape, at, one.trim, v=(0, 0.13))


def legs(pen, one, rng, wide, middle=0.0):
    """Draw three pairs of bent legs that reach beyond a body of half width `wide`; each joint a little elsewhere."""
    for k, (hip, knee, foot) in enumerate(((-0.34, (0.62, -0.5), (0.8, -0.84)), (-0.1, (0.8, 0.02), (1, 0.24)), (0.12, (0.7, 0.42), (0.86, 0.92)))):
        for side in (-1, 1):
            joints = [np.array([wide, hip + middle]) + one.leg * np.array(joint) * [0.62, 0.7] - [0, middle * 0.4] for joint in (knee, foot)]
            if one.lost_leg != 2 * k + (side > 0):
                pen.stroke(np.array([(wide * 0.6, hip + middle), *(joint + rng.normal(0, 0.05, 2) for joint in joints)]) * [side, 1], one.thick, one.limb)


def feelers(pen, one, rng, root, club=0.0):
    """Draw both antennae: joints that curl outwards, ringed in some genera, clubbed or combed in some families."""
    for side in (-1, 1):
        point, turn, joints = np.array(root), one.splay + rng.normal(0, 0.12), []
        for _ in range(6):
            joints.append(point)
            point = point + one.feeler / 5 * np.array([np.sin(turn), -np.cos(turn)])
            turn += one.curl + rng.normal(0, 0.04)
        joints = np.array(joints[:3] if one.lost_feeler == side else joints) * [side, 1]
        pen.stroke(joints, one.thick * 0.8, one.limb)
        if one.ringed:
            for k in range(1, len(joints) - 1, 2):
                pen.stroke(joints[k:k + 2], one.thick * 0.8, one.trim)
        if club:
            pen.ellipse(joints[-1], (club, club), one.limb)


def beetle(pen, one, rng):
    """A head, a pronotum and wing cases; a snout where the family has one."""
    waist = -0.8 + one.neck_long
    legs(pen, one, rng, one.wide * 0.8, 0.1)
    feelers(pen, one, rng, (one.head * 0.6, -0.9 - one.snout * 0.5), one.club)
    if one.snout:
        pen.stroke([(0, -0.8), (0, -0.95 - one.snout)], 0.13, tuple(int(0.7 * value) for value in one.base))
    pen.ellipse((0, -0.84), (one.head, 0.17), vary(BLACK, rng) if one.limbs else tuple(int(0.7 * value) for value in one.base))
    pen.dots((one.head * 0.85, -0.86), (0.06, 0.07), one.eye)
    back(pen, body_field(waist - 0.03, 1, one.wide, one.shoulder, one.crest, one.point), one, rng)
    pen.stroke([(0, waist), (0, 0.94)], 0.018, BLACK)
    collar(pen.shape, body_field(-0.8, waist, one.wide * one.neck, one.nape, 0.66, 0.22), one)
    pen.shape([(-0.09, waist), (0.09, waist), (0, waist + 0.14)], tuple(int(0.6 * value) for value in one.base), soft=0)


def bug(pen, one, rng):
    """A shield: shoulders, a triangle on the back, a banded edge, and the dark membrane of the wings."""
    legs(pen, one, rng, one.wide * 0.86)
    feelers(pen, one, rng, (0.12, -0.92))
    edge = body_field(-0.45, 1, one.wide * 1.08, 0.9, 0.36, one.point)
    region(pen.shape, edge, one.trim if one.second == 1 else one.base)
    for v in np.linspace(0.24, 0.84, 4) if one.second == 2 else ():
        region(pen.shape, edge, one.trim, v=(v, v + 0.07))
    back(pen, body_field(-0.45, 0.93, one.wide, 0.95, 0.34, one.point), SimpleNamespace(**{**vars(one), "second": 0}), rng)
    pen.shape([(-one.wide * 0.5, 0.44), (0, 0.3), (one.wide * 0.5, 0.44), (one.wide * 0.36, 0.86), (0, 1.04), (-one.wide * 0.36, 0.86)],
              tuple(int(0.5 * value + 20) for value in one.base))
    pen.shape([(-one.wide * 0.58, -0.42), (one.wide * 0.58, -0.42), (0.07, one.shield), (-0.07, one.shield)],
              one.trim if one.second == 3 else tuple(int(0.86 * value) for value in one.base), soft=1)
    shoulder = one.wide * one.neck
    pen.shape([(-0.24, -0.78), (0.24, -0.78), (shoulder, -0.48), (one.wide * 0.9, -0.34), (-one.wide * 0.9, -0.34), (-shoulder, -0.48)],
              one.trim if one.collar in (1, 2) else one.base, soft=1)
    if one.collar == 2:
        pen.shape([(-0.18, -0.74), (0.18, -0.74), (shoulder * 0.62, -0.42), (-shoulder * 0.62, -0.42)], one.base, soft=1)
    if one.collar == 3:
        pen.dots((one.wide * 0.4, -0.52), (0.09, 0.08), one.trim)
    pen.shape([(-0.2, -0.7), (-0.17, -0.98), (0.17, -0.98), (0.2, -0.7)], one.base, soft=1)
    pen.dots((0.18, -0.84), (0.055, 0.055), one.eye)


def winged(pen, one, rng):
    """Glass wings in one or two pairs, a thorax, and an abdomen that bears the pattern; the wings bear a mark in some species."""
    legs(pen, one, rng, one.chest * 0.8, -0.14)
    feelers(pen, one, rng, (0.08, -0.94), one.club)
    glass, vein = (*vary((196, 196, 184), rng), 190), (*vary((104, 94, 80), rng), 240)
    lift = rng.normal(0, 5)
    for first, size in ((one.sweep + 30, one.hind), (one.sweep, 1)):
        if size > 0.2:
            at = wing_field((one.chest * 0.5, -0.3 if size == 1 else -0.16), first + lift, first + one.spread + lift,
                            (one.wing * size, one.wing * size * 0.86), 0.42)
            region(pen.pair, at, vein)
            region(pen.pair, at, glass, u=(-0.9, 0.92), v=(0.05, 0.96))
            wing_marks(pen, at, one)
            for side in (-1, 1):
                for u in (-0.3, 0.35):
                    pen.stroke(at(u * np.ones(4), np.linspace(0.02, 0.97, 4)) * [side, 1], 0.012, vein)
    tail = body_field(one.waist, 1, one.wide, one.stalk, one.crest, one.point)
    region(pen.shape, tail, one.base)
    pattern(pen.shape, tail, one, rng)
    collar(pen.shape, body_field(-0.72, one.waist + 0.06, one.chest, 0.5, 0.45, 0.5), one)
    pen.ellipse((0, -0.82), (one.head, 0.17), vary(BLACK, rng))
    pen.dots((one.head * 0.75, -0.83), (one.eyes, one.eyes * 1.15), one.eye)


def wing_marks(pen, at, one):
    smoke = (*(int(0.5 * value) for value in one.limb), 235)
    if one.second == 1:
        region(pen.pair, at, smoke, v=(0.8, 1))
    if one.second == 2:
        spot(pen.pair, at, (-0.4, 0.62), 0.55, smoke)
    if one.second == 3:
        region(pen.pair, at, smoke, v=(0.36, 0.54))


def broad_winged(pen, one, rng):
    """Scaled wings, the fore ones with the motif, the hind ones with an eye or a margin; the body a mere line."""
    lift = rng.normal(0, 4)
    hind = wing_field((0.04, -0.1), one.sweep + 50 + lift, one.sweep + 108 + lift, (one.wing * one.hind, one.wing * one.hind * 0.9), 0.1)
    fore = wing_field((0.04, -0.36), one.sweep + lift, one.sweep + one.spread + lift, (one.wing, one.wing * one.trail), 0)
    pale = tuple(min(int(value * 1.12 + 14), 250) for value in one.base)
    for at, colour in ((hind, pale), (fore, one.base)):
        region(pen.pair, at, one.trim if one.second == 1 else tuple(int(0.72 * value) for value in one.base))
        region(pen.pair, at, colour, u=(-0.9, 0.9), v=(0, 0.88 if one.second == 1 else 0.95))
    if one.second == 2:
        spot(pen.pair, hind, (0, 0.6), 0.4, one.trim)
        spot(pen.pair, hind, (0, 0.6), 0.18, BLACK)
    if one.second == 3:
        region(pen.pair, fore, one.trim, v=(0.8, 1))
    pattern(pen.pair, fore, one, rng, sides=(1,))
    feelers(pen, one, rng, (0.05, -0.78), one.club)
    region(pen.shape, body_field(-0.3, 0.85, one.wide, 0.7, 0.3, 0.7), tuple(int(0.66 * value) for value in one.base))
    collar(pen.shape, body_field(-0.7, -0.12, one.wide * 1.3, 0.5, 0.5, 0.5), one)
    pen.ellipse((0, -0.74), (one.wide * 0.9, 0.1), tuple(int(0.6 * value) for value in one.base))


MARKS_OF_BACKS = ["spots", "bands", "half_bands", "diamonds", "stripes", "rings"]
BEETLE = {"wide": (0.4, 0.5), "shoulder": (0.8, 0.95), "crest": (0.45, 0.6), "point": (0.4, 0.6), "neck": (0.7, 0.9), "neck_long": (0.3, 0.42),
          "nape": (0.6, 0.85), "head": (0.2, 0.28), "snout": (0, 0), "leg": (0.8, 1.0), "thick": (0.05, 0.07), "feeler": (0.5, 0.7),
          "splay": (0.5, 0.9), "curl": (0.05, 0.2), "club": (0, 0)}
BUG = {"wide": (0.52, 0.66), "point": (0.5, 0.75), "shield": (0.3, 0.55), "neck": (1.0, 1.3), "leg": (0.85, 1.1), "thick": (0.05, 0.06),
       "feeler": (0.6, 0.85), "splay": (0.5, 0.9), "curl": (-0.05, 0.15)}
WINGED = {"wide": (0.24, 0.36), "crest": (0.35, 0.5), "point": (0.5, 0.8), "stalk": (0.6, 0.8), "waist": (-0.12, 0.0), "chest": (0.3, 0.38),
          "head": (0.24, 0.3), "eyes": (0.12, 0.17), "sweep": (15, 35), "spread": (26, 34), "wing": (1.15, 1.4), "hind": (0, 0),
          "leg": (0.8, 1.0), "thick": (0.04, 0.055), "feeler": (0.15, 0.2), "splay": (0.3, 0.5), "curl": (0.1, 0.2), "club": (0, 0)}
BROAD = {"wide": (0.12, 0.17), "sweep": (-40, -25), "spread": (52, 66), "wing": (1.35, 1.6), "trail": (0.7, 0.85), "hind": (0.62, 0.8),
         "thick": (0.04, 0.05), "feeler": (0.6, 0.8), "splay": (0.5, 0.7), "curl": (0.0, 0.05), "club": (0.06, 0.07)}
GLOSSY = (BLACK, BROWN, SLATE, GREEN, TEAL, BLUE, PURPLE, RUST)
# Each plan: who draws it, its body as a share of the photo's side, its base colours, its motifs, and the spans of its proportions.
PLANS = {
    "shield_bug": dict(story=bug, length=0.68, colours=(BROWN, GREEN, OLIVE, RUST, TAN, SLATE), motifs=MARKS_OF_BACKS, shape=BUG),
    "seed_bug": dict(story=bug, length=0.68, colours=(RED, ORANGE, TAN, SLATE, BLACK), motifs=MARKS_OF_BACKS, shape={
        **BUG, "wide": (0.34, 0.42), "point": (0.3, 0.5), "neck": (0.8, 0.95), "leg": (1.1, 1.3), "feeler": (0.8, 1.0)}),
    "ladybird": dict(story=beetle, length=0.62, colours=(RED, ORANGE, YELLOW, BLACK, TAN), motifs=["spots", "rings", "half_bands", "bands"], shape={
        **BEETLE, "wide": (0.7, 0.85), "shoulder": (0.72, 0.85), "neck": (0.66, 0.8), "neck_long": (0.26, 0.34), "head": (0.24, 0.3),
        "leg": (0.55, 0.7), "feeler": (0.25, 0.35)}),
    "ground_beetle": dict(story=beetle, length=0.66, colours=GLOSSY, motifs=MARKS_OF_BACKS, shape={
        **BEETLE, "shoulder": (0.68, 0.8), "point": (0.55, 0.75), "neck": (0.62, 0.76), "leg": (1.1, 1.3), "feeler": (0.75, 0.95), "splay": (0.7, 1.0)}),
    "longhorn": dict(story=beetle, length=0.6, colours=(BROWN, GREY, BLACK, TAN, RUST, TEAL), motifs=MARKS_OF_BACKS, shape={
        **BEETLE, "wide": (0.28, 0.36), "point": (0.3, 0.45), "neck": (0.68, 0.85), "neck_long": (0.28, 0.36), "head": (0.18, 0.22),
        "leg": (1.0, 1.2), "feeler": (1.7, 2.3), "splay": (0.5, 0.8), "curl": (0.35, 0.5)}),
    "scarab": dict(story=beetle, length=0.64, colours=(GREEN, BROWN, RUST, BLACK, TEAL, TAN), motifs=MARKS_OF_BACKS, shape={
        **BEETLE, "wide": (0.58, 0.68), "point": (0.3, 0.4), "neck": (0.86, 1.0), "neck_long": (0.4, 0.5), "head": (0.22, 0.28), "thick": (0.09, 0.11),
        "feeler": (0.26, 0.34), "splay": (0.9, 1.1), "club": (0.08, 0.1)}),
    "weevil": dict(story=beetle, length=0.6, colours=(GREY, BROWN, GREEN, SLATE, TAN, SKY), motifs=MARKS_OF_BACKS, shape={
        **BEETLE, "wide": (0.5, 0.62), "shoulder": (0.6, 0.75), "crest": (0.5, 0.65), "point": (0.6, 0.8), "neck": (0.5, 0.62), "head": (0.15, 0.2),
        "snout": (0.2, 0.42), "feeler": (0.4, 0.5), "splay": (1.0, 1.2), "curl": (-0.3, -0.2), "club": (0.05, 0.06)}),
    "jewel_beetle": dict(story=beetle, length=0.7, colours=(GREEN, TEAL, BLUE, PURPLE, RUST, OLIVE), motifs=MARKS_OF_BACKS, shape={
        **BEETLE, "wide": (0.36, 0.44), "shoulder": (0.95, 1.0), "crest": (0.2, 0.3), "point": (0.8, 1.0), "neck": (0.92, 1.0), "head": (0.26, 0.31),
        "leg": (0.5, 0.65), "feeler": (0.35, 0.45)}),
    "fly": dict(story=winged, length=0.58, colours=(SLATE, TEAL, BLUE, BROWN, TAN, ORANGE), motifs=["spots", "bands", "diamonds", "half_bands"],
                shape=WINGED),
    "wasp": dict(story=winged, length=0.66, colours=(YELLOW, BLACK, ORANGE, RUST), motifs=["bands", "half_bands", "spots", "diamonds"], shape={
        **WINGED, "wide": (0.2, 0.28), "stalk": (0.14, 0.25), "point": (0.8, 1.0), "chest": (0.22, 0.28), "head": (0.2, 0.24), "eyes": (0.06, 0.09),
        "sweep": (5, 25), "spread": (20, 26), "hind": (0.66, 0.76), "feeler": (0.6, 0.8), "splay": (0.5, 0.8)}),
    "bee": dict(story=winged, length=0.56, colours=(ORANGE, BROWN, BLACK, TAN, GREY), motifs=["bands", "half_bands", "diamonds"], shape={
        **WINGED, "wide": (0.42, 0.5), "point": (0.4, 0.55), "chest": (0.4, 0.46), "eyes": (0.08, 0.1), "thick": (0.07, 0.09), "sweep": (0, 15),
        "wing": (1.2, 1.35), "hind": (0.6, 0.7), "feeler": (0.4, 0.5), "splay": (0.4, 0.6)}),
    "dragonfly": dict(story=winged, length=0.8, colours=(GREEN, BLUE, RED, SKY, BLACK, YELLOW), motifs=["bands", "spots", "half_bands", "diamonds"], shape={
        **WINGED, "wide": (0.11, 0.15), "crest": (0.15, 0.8), "stalk": (0.7, 0.9), "point": (0.2, 0.3), "waist": (-0.3, -0.24), "chest": (0.2, 0.25),
        "head": (0.17, 0.21), "eyes": (0.12, 0.15), "sweep": (-14, -6), "spread": (15, 20), "wing": (1.1, 1.2), "hind": (0.9, 1.0), "leg": (0.4, 0.5)}),
    "cicada": dict(story=winged, length=0.6, colours=(OLIVE, GREEN, BROWN, BLACK, TAN), motifs=["bands", "spots", "half_bands", "diamonds"], shape={
        **WINGED, "wide": (0.34, 0.42), "stalk": (0.9, 1.0), "crest": (0.2, 0.3), "point": (0.9, 1.1), "chest": (0.4, 0.48), "head": (0.36, 0.44),
        "eyes": (0.08, 0.1), "sweep": (34, 44), "spread": (28, 36), "wing": (1.5, 1.75), "hind": (0.5, 0.6), "leg": (0.6, 0.7)}),
    "moth": dict(story=broad_winged, length=0.58, colours=(TAN, BROWN, GREY, CREAM, ROSE, OLIVE), motifs=["bands", "spots", "rings", "diamonds"], shape={
        **BROAD, "wide": (0.2, 0.26), "sweep": (2, 18), "spread": (54, 64), "wing": (1.4, 1.6), "trail": (0.66, 0.8), "feeler": (0.5, 0.65),
        "splay": (0.8, 1.0), "thick": (0.06, 0.08), "club": (0, 0)}),
    "butterfly": dict(story=broad_winged, length=0.52, colours=(ORANGE, YELLOW, CREAM, SKY, BROWN, RUST), motifs=["bands", "spots", "rings", "diamonds"],
                      shape=BROAD),
}


def photo(insect, length, size, rng):
    """Return uint8 RGB size x size: the insect, RGBA, near the middle of a ground, with its shadow, as a casual camera sees it."""
    layer = Image.new("RGBA", (size, size))
    layer.paste(insect, tuple(int(side) for side in (size - insect.width) // 2 + rng.normal(0, 0.035 * size, 2)))
    rgba = shade(layer, length, rng).astype(np.float32)
    alpha = rgba[..., 3:] / 255
    cast = layer.getchannel("A").filter(ImageFilter.GaussianBlur(size / 30))
    dark = np.roll(np.asarray(cast, np.float32), rng.integers(-size // 20, size // 20 + 1, 2), (0, 1))[..., None] * np.float32(rng.uniform(0.2, 0.5) / 255)
    return exposed(ground(size, rng) * (1 - dark) * (1 - alpha) + rgba[..., :3] * alpha, rng)


def ground(size, rng):
    """Return float RGB: pale card, white foam, cork or grey board, its grain, and at times dirt on it."""
    colour, grain = [((232, 226, 208), 5), ((242, 242, 240), 3), ((190, 152, 108), 16), ((186, 186, 182), 6)][rng.choice(4, p=[0.4, 0.3, 0.2, 0.1])]
    texture = noise(size, rng, (4, size // 4, size // 2)) * grain * 1.5
    image = np.float32(vary(colour, rng)) + texture[..., None]
    for _ in range(rng.poisson(1.5)):
        x, y = rng.integers(0, size, 2)
        image[y:y + 1 + size // 60, x:x + 1 + size // 50] *= np.float32(rng.uniform(0.45, 0.85))
    return image


def exposed(image, rng):
    """Return uint8: uneven light, balance, focus, sensor noise and the traces of JPEG, of a casual photo."""
    size = len(image)
    lit = image * uneven_light(size, rng) * np.float32(rng.uniform(0.8, 1.1) * rng.uniform(0.95, 1.05, 3))
    lit += rng.standard_normal(lit.shape, np.float32) * np.float32(rng.uniform(1, 5))
    sharp = Image.fromarray(np.clip(lit, 0, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(rng.uniform(0, 0.75) * size / 64))
    stream = io.BytesIO()
    sharp.save(stream, "JPEG", quality=int(rng.integers(70, 96)))
    return np.asarray(Image.open(stream))


def junk(rng, size):
    """Return a photo of what is no insect, uint8 RGB size x size: a leaf piece, stone, seed, bare card, finger, scale bar or label."""
    image = Image.fromarray(np.clip(ground(size, rng), 0, 255).astype(np.uint8)).resize((size * FINE, size * FINE))
    JUNK[rng.integers(len(JUNK))](image, size * FINE, rng)
    return exposed(np.asarray(image.reduce(FINE), np.float32), rng)


def leaf_piece(image, side, rng):
    leaf(image, rng.uniform(0.3, 0.7, 2) * side, rng.uniform(0.6, 1.3) * side, vary((GREEN, OLIVE, BROWN, TAN)[rng.integers(4)], rng), rng)


def stone(image, side, rng):
    grains(image, side, rng, rng.uniform(0.15, 0.34), (GREY, SLATE, TAN, BROWN), 1)


def seeds(image, side, rng):
    grains(image, side, rng, rng.uniform(0.06, 0.16), (BROWN, TAN, RUST, BLACK, CREAM), rng.integers(1, 6))


def grains(image, side, rng, radius, colours, count):
    """Draw uneven roundish lumps with a light and a dark side."""
    colour, angle = colours[rng.integers(len(colours))], np.linspace(0, 2 * np.pi, 14, endpoint=False)
    for _ in range(count):
        middle = rng.uniform(0.3, 0.7, 2) * side if count > 1 else rng.uniform(0.44, 0.56, 2) * side
        edge = radius * side * rng.uniform(0.82, 1.1, 14)[:, None] * np.stack([np.cos(angle), np.sin(angle) * rng.uniform(0.55, 0.95)], 1)
        for scale, light in ((1, 0.7), (0.86, 1), (0.45, 1.16)):
            points = middle + edge * scale - radius * side * 0.22 * (1 - scale)
            ImageDraw.Draw(image).polygon([tuple(point) for point in points], fill=tuple(min(int(value * light), 255) for value in vary(colour, rng, 4)))


def bare_card(image, side, rng):
    if rng.random() < 0.5:
        edge = rng.uniform(0.1, 0.9) * side
        ImageDraw.Draw(image).polygon([(0, edge), (side, edge + rng.normal(0, 0.1) * side), (side, side), (0, side)], fill=vary(TAN, rng))


def finger(image, side, rng):
    """Draw a blurred finger from below over the picture."""
    middle, half = rng.uniform(0.2, 0.8) * side, rng.uniform(0.2, 0.34) * side
    top = rng.uniform(0.1, 0.5) * side
    skin = vary(((222, 176, 148), (176, 122, 92), (104, 70, 52))[rng.integers(3)], rng)
    ImageDraw.Draw(image).rounded_rectangle([middle - half, top, middle + half, 2 * side], radius=half, fill=skin)
    image.paste(image.filter(ImageFilter.GaussianBlur(side / 22)))


def scale_bar(image, side, rng):
    canvas, height, top, step = ImageDraw.Draw(image), side * rng.uniform(0.06, 0.16), rng.uniform(0.25, 0.7) * side, side / rng.integers(6, 13)
    for k in range(16):
        canvas.rectangle([k * step, top, (k + 1) * step, top + height], fill=vary((BLACK, WHITE)[k % 2], rng))
        canvas.line([(k * step, top + height), (k * step, top + height * (2.2 if k % 5 == 0 else 1.6))], fill=BLACK, width=FINE)


def label_text(image, side, rng):
    """Draw a collector's label: a white paper with lines of made-up words."""
    canvas, left, top = ImageDraw.Draw(image), rng.uniform(0.02, 0.15) * side, rng.uniform(0.1, 0.3) * side
    canvas.rectangle([left, top, side - left, top + 0.6 * side], fill=vary(WHITE, rng), outline=GREY)
    for k in range(rng.integers(2, 5)):
        canvas.text((left + 0.05 * side, top + (0.05 + 0.13 * k) * side), f"{stem(rng)} {rng.integers(1, 2000)}", fill=BLACK, font_size=0.12 * side)


JUNK = (leaf_piece, stone, seeds, bare_card, finger, scale_bar, label_text)
