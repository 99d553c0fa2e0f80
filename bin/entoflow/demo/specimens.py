"""Photos of synthetic specimens, pinned and seen from above, and of junk that is no insect.

No photograph is behind them. A specimen is all its seed's; pose, light, ground and blur are the
view's, so that one specimen can have several photos.
"""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from entoflow.demo.body_plans import PLANS, Individual, Shape
from entoflow.demo.colours import BLACK, BROWN, CREAM, GREEN, GREY, OLIVE, RUST, SLATE, TAN, WHITE
from entoflow.demo.insects import vary
from entoflow.demo.pen import FINE, Colour, Pen, rotation, shade
from entoflow.demo.scenes import leaf, noise, pixels, uneven_light
from entoflow.demo.species import Species, make_stem

# Pale card, white foam, cork, grey board: colour, strength of the grain, and how often it is used.
GROUNDS = ((232, 226, 208), (242, 242, 240), (190, 152, 108), (186, 186, 182))
GRAINS = (5, 3, 16, 6)
GROUND_SHARES = [0.4, 0.3, 0.2, 0.1]
SKINS = ((222, 176, 148), (176, 122, 92), (104, 70, 52))


def draw(
    species: Species, specimen_seed: int | Sequence[int], view_rng: np.random.Generator, size: int
) -> np.ndarray:
    """Return a photo of one specimen of a species, uint8 RGB size x size."""
    rng = np.random.default_rng(specimen_seed)
    one = draw_individual(species, rng)
    plan = PLANS[one.plan]
    length = size * plan.length * one.growth * view_rng.uniform(0.93, 1.05)
    pen = Pinned(length, view_rng)
    plan.draw(pen, one, rng)
    if one.pinned:
        pen.ellipse((0.1, -0.3), (0.06, 0.06), SLATE)
        pen.ellipse((0.085, -0.32), (0.03, 0.03), WHITE)
    return photograph(pen.finished(), length, size, view_rng)


class Pinned(Pen):
    """A pen for an insect that is pinned nearly upright, and seen a little from one side."""

    def __init__(self, length: float, rng: np.random.Generator) -> None:
        super().__init__(length, rng)
        turn = np.deg2rad(rng.uniform(-25, 25))
        tilted = rotation(turn) * rng.uniform(0.9, 1.0, 2)
        slant = np.array([[1, rng.normal(0, 0.03)], [0, 1]])
        self.matrix = tilted @ slant * length / 2 * FINE


def draw_individual(species: Species, rng: np.random.Generator) -> Individual:
    """Return one specimen: a little larger, slimmer, paler or redder than its species, perhaps
    without a leg or antenna.
    """
    traits = species.traits
    code = species.code
    shape = {name: value * rng.normal(1, 0.035) for name, value in traits.shape.items()}
    fade = rng.normal(0, 7, 3) + rng.normal(0, 10)  # old specimens fade, all over alike

    def faded(colour: Colour) -> Colour:
        return vary(np.clip(np.array(colour) + fade, 12, 245), rng, 10)

    return Individual(
        plan=traits.plan,
        shape=Shape(**shape),
        base=faded(traits.base),
        ink=faded(traits.ink),
        trim=faded(traits.trim),
        eye=faded(traits.eye),
        limb=vary(traits.limb[code.limbs], rng),
        motif=traits.motifs[code.motif],
        count=code.count,
        place=code.place,
        size=code.size,
        second=code.second,
        collar=code.collar,
        limbs=code.limbs,
        wave=traits.wave,
        lines=traits.lines,
        ringed=traits.ringed,
        sheen=traits.sheen,
        growth=rng.normal(1, 0.04),
        pinned=bool(rng.random() < 0.5),
        lost_leg=int(rng.integers(6)) if rng.random() < 0.15 else None,
        lost_feeler=int(rng.choice([-1, 1])) if rng.random() < 0.1 else None,
    )


def photograph(
    insect: Image.Image, length: float, size: int, rng: np.random.Generator
) -> np.ndarray:
    """Return a photo, uint8 RGB size x size.

    It shows the insect (RGBA) near the middle of a ground, with its shadow.
    """
    layer = Image.new("RGBA", (size, size))
    x, y = (size - insect.width) // 2 + rng.normal(0, 0.035 * size, 2)
    layer.paste(insect, (int(x), int(y)))
    rgba = shade(layer, length, rng).astype(np.float32)
    alpha = rgba[..., 3:] / 255
    blurred = layer.getchannel("A").filter(ImageFilter.GaussianBlur(size / 30))
    shift = rng.integers(-size // 20, size // 20 + 1, 2)
    cast = np.roll(np.asarray(blurred, np.float32), shift, (0, 1))[..., None]
    dark = cast * np.float32(rng.uniform(0.2, 0.5) / 255)
    lit_ground = draw_ground(size, rng) * (1 - dark)
    return expose(lit_ground * (1 - alpha) + rgba[..., :3] * alpha, rng)


def draw_ground(size: int, rng: np.random.Generator) -> np.ndarray:
    """Return float RGB: pale card, white foam, cork or grey board, its grain, and at times dirt on
    it.
    """
    kind = rng.choice(4, p=GROUND_SHARES)
    texture = noise(size, rng, (4, size // 4, size // 2)) * GRAINS[kind] * 1.5
    image = np.array(vary(GROUNDS[kind], rng), np.float32) + texture[..., None]
    for _ in range(rng.poisson(1.5)):
        x, y = rng.integers(0, size, 2)
        dirt = image[y : y + 1 + size // 60, x : x + 1 + size // 50]
        dirt *= np.float32(rng.uniform(0.45, 0.85))
    return image


def expose(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return uint8: uneven light, balance, focus, sensor noise and the traces of JPEG, of a casual
    photo.
    """
    size = len(image)
    light = uneven_light(size, rng)
    balance = np.float32(rng.uniform(0.8, 1.1) * rng.uniform(0.95, 1.05, 3))
    lit = image * light * balance
    lit += rng.standard_normal(lit.shape, np.float32) * np.float32(rng.uniform(1, 5))
    picture = Image.fromarray(np.clip(lit, 0, 255).astype(np.uint8))
    blurred = picture.filter(ImageFilter.GaussianBlur(rng.uniform(0, 0.75) * size / 64))
    stream = io.BytesIO()
    blurred.save(stream, "JPEG", quality=int(rng.integers(70, 96)))
    return np.asarray(Image.open(stream))


def draw_junk(rng: np.random.Generator, size: int) -> np.ndarray:
    """Return a photo of what is no insect, uint8 RGB size x size."""
    ground = Image.fromarray(np.clip(draw_ground(size, rng), 0, 255).astype(np.uint8))
    image = ground.resize((size * FINE, size * FINE))
    JUNK[rng.integers(len(JUNK))](image, size * FINE, rng)
    return expose(np.asarray(image.reduce(FINE), np.float32), rng)


def leaf_piece(image: Image.Image, side: int, rng: np.random.Generator) -> None:
    middle = rng.uniform(0.3, 0.7, 2) * side
    length = rng.uniform(0.6, 1.3) * side
    leaf(image, middle, length, vary((GREEN, OLIVE, BROWN, TAN)[rng.integers(4)], rng), rng)


def stone(image: Image.Image, side: int, rng: np.random.Generator) -> None:
    grains(image, side, rng, rng.uniform(0.15, 0.34), (GREY, SLATE, TAN, BROWN), 1)


def seeds(image: Image.Image, side: int, rng: np.random.Generator) -> None:
    radius = rng.uniform(0.06, 0.16)
    grains(image, side, rng, radius, (BROWN, TAN, RUST, BLACK, CREAM), int(rng.integers(1, 6)))


def grains(
    image: Image.Image,
    side: int,
    rng: np.random.Generator,
    radius: float,
    colours: Sequence[Colour],
    count: int,
) -> None:
    """Draw uneven roundish lumps with a light and a dark side."""
    canvas = ImageDraw.Draw(image)
    colour = colours[int(rng.integers(len(colours)))]
    angle = np.linspace(0, 2 * np.pi, 14, endpoint=False)
    for _ in range(count):
        low, high = (0.3, 0.7) if count > 1 else (0.44, 0.56)
        middle = rng.uniform(low, high, 2) * side
        uneven = rng.uniform(0.82, 1.1, 14)[:, None]
        circle = np.stack([np.cos(angle), np.sin(angle) * rng.uniform(0.55, 0.95)], 1)
        edge = radius * side * uneven * circle
        for scale, light in ((1, 0.7), (0.86, 1), (0.45, 1.16)):
            points = middle + edge * scale - radius * side * 0.22 * (1 - scale)
            shaded = tuple(min(int(value * light), 255) for value in vary(colour, rng, 4))
            canvas.polygon(pixels(points), fill=shaded)


def bare_card(image: Image.Image, side: int, rng: np.random.Generator) -> None:
    """Draw nothing, or the edge of a card."""
    if rng.random() < 0.5:
        left = rng.uniform(0.1, 0.9) * side
        right = left + rng.normal(0, 0.1) * side
        corners = [(0, left), (side, right), (side, side), (0, side)]
        ImageDraw.Draw(image).polygon(corners, fill=vary(TAN, rng))


def finger(image: Image.Image, side: int, rng: np.random.Generator) -> None:
    """Draw a blurred finger from below over the picture."""
    middle = rng.uniform(0.2, 0.8) * side
    half = rng.uniform(0.2, 0.34) * side
    top = rng.uniform(0.1, 0.5) * side
    skin = vary(SKINS[rng.integers(3)], rng)
    outline = [middle - half, top, middle + half, 2 * side]
    ImageDraw.Draw(image).rounded_rectangle(outline, radius=half, fill=skin)
    image.paste(image.filter(ImageFilter.GaussianBlur(side / 22)))


def scale_bar(image: Image.Image, side: int, rng: np.random.Generator) -> None:
    canvas = ImageDraw.Draw(image)
    height = side * rng.uniform(0.06, 0.16)
    top = rng.uniform(0.25, 0.7) * side
    step = side / rng.integers(6, 13)
    for k in range(16):
        bar = [k * step, top, (k + 1) * step, top + height]
        canvas.rectangle(bar, fill=vary((BLACK, WHITE)[k % 2], rng))
        tick = 2.2 if k % 5 == 0 else 1.6
        canvas.line(
            [(k * step, top + height), (k * step, top + height * tick)], fill=BLACK, width=FINE
        )


def label_text(image: Image.Image, side: int, rng: np.random.Generator) -> None:
    """Draw a collector's label: a white paper with lines of made-up words."""
    canvas = ImageDraw.Draw(image)
    left = rng.uniform(0.02, 0.15) * side
    top = rng.uniform(0.1, 0.3) * side
    paper = [left, top, side - left, top + 0.6 * side]
    canvas.rectangle(paper, fill=vary(WHITE, rng), outline=GREY)
    for k in range(rng.integers(2, 5)):
        corner = (left + 0.05 * side, top + (0.05 + 0.13 * k) * side)
        text = f"{make_stem(rng)} {rng.integers(1, 2000)}"
        canvas.text(corner, text, fill=BLACK, font_size=0.12 * side)


JUNK = (leaf_piece, stone, seeds, bare_card, finger, scale_bar, label_text)
