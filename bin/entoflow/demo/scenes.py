"""Synthetic outdoor scenes: a cluttered background, and insects pasted into it with their shadows and true boxes."""
import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from entoflow.demo import insects

GREENS = ((74, 118, 48), (98, 142, 66), (54, 92, 46), (132, 160, 82), (88, 128, 96), (156, 164, 78))
EARTHS = ((112, 84, 60), (88, 70, 54), (142, 118, 90), (124, 108, 96), (164, 140, 104))
WALLS = ((206, 200, 188), (178, 186, 192), (216, 196, 166), (160, 152, 146), (190, 170, 160), (140, 160, 172))
PETALS = ((232, 210, 92), (214, 128, 164), (238, 232, 226), (150, 118, 188), (226, 132, 82))
SMALL = ((146, 34, 40), (58, 44, 66), (150, 130, 104), (92, 74, 58), (196, 186, 168), (70, 92, 46))


def scene(kinds, size, rng):
    """Return (uint8 RGB size x size, [(kind, xywh box)]): a background with one insect per kind, none overlapping.

    A box is tight around body and wings; legs and antennae, thin lines, stay outside, as most annotators leave them.
    """
    ground = background(size, rng)
    share = rng.uniform(0.3, 0.5) if len(kinds) < 2 else rng.uniform(0.22, 0.34)
    taken, found = [], []
    for kind in kinds:
        rgba = insects.draw(kind, share * size * rng.uniform(0.9, 1.1), rng)
        corner = free_corner(rgba.shape[:2], size, taken, rng)
        if corner is None:  # what does not fit is not there, and has no box
            continue
        paste(ground, rgba, corner, rng.uniform(0.25, 0.55))
        taken.append((*corner, corner[0] + rgba.shape[1], corner[1] + rgba.shape[0]))
        left, top, right, bottom = body(rgba[..., 3])
        found.append((kind, [corner[0] + left, corner[1] + top, right - left, bottom - top]))
    return exposed(ground, rng), found


def body(alpha):
    """Return x1, y1, x2, y2 of what is at least 7 pixels thick in an insect's alpha; of all of it where nothing is."""
    solid = Image.fromarray(np.where(alpha >= 128, 255, 0).astype(np.uint8))
    return solid.filter(ImageFilter.MinFilter(7)).filter(ImageFilter.MaxFilter(7)).getbbox() or solid.getbbox()


def free_corner(shape, size, taken, rng):
    """Return (x, y) where an insect of shape (height, width) lies inside and clear of the others, or None."""
    high, wide = shape
    if max(shape) >= size - 4:
        return None
    for _ in range(60):
        x, y = int(rng.integers(2, size - wide - 1)), int(rng.integers(2, size - high - 1))
        if all(x + wide <= a or y + high <= b or x >= c or y >= d for a, b, c, d in taken):
            return x, y
    return None


def paste(ground, rgba, corner, shadow):
    """Lay the insect on the float RGB ground in place, over its own blurred shadow (0 none, 1 black)."""
    x, y = corner
    high, wide = rgba.shape[:2]
    if shadow:
        cast = Image.new("L", (wide + 24, high + 24))
        cast.paste(Image.fromarray(rgba[..., 3]), (wide // 24 + 1, high // 24 + 2))
        dark = np.float32(shadow / 255) * np.asarray(cast.filter(ImageFilter.GaussianBlur(3)), np.float32)[..., None]
        below = ground[y:y + high + 24, x:x + wide + 24]
        below *= 1 - dark[:below.shape[0], :below.shape[1]]
    part = ground[y:y + high, x:x + wide]
    alpha = rgba[..., 3:].astype(np.float32) / 255
    part += alpha * (rgba[..., :3] - part)


def background(size, rng):
    """Return float RGB: leaves, soil, bark, a wall, a flower or grass, with clutter, out of focus by a random amount."""
    painters = (foliage, foliage, big_leaf, soil, bark, wall, flower, grass)
    image = painters[rng.integers(len(painters))](size, rng)
    for _ in range(rng.integers(1, 6)):
        clutter(image, rng)
    image = image.resize((size, size), Image.Resampling.BOX).filter(ImageFilter.GaussianBlur(rng.uniform(0.2, 1.6)))
    return np.asarray(image, np.float32) * uneven_light(size, rng)


def uneven_light(size, rng):
    """Return factors around 1: a slope of light, and soft shade as under a tree."""
    across = np.linspace(-0.5, 0.5, size, dtype=np.float32)
    slope = 1 + rng.uniform(-0.4, 0.4) * across[:, None] + rng.uniform(-0.4, 0.4) * across
    return (slope * (1 + rng.uniform(0, 0.25) * noise(size, rng, (3, 5))))[..., None].astype(np.float32)


def exposed(ground, rng):
    """Return uint8: white balance, exposure and sensor noise of a casual photo."""
    balance = np.float32(rng.uniform(0.9, 1.1) * rng.uniform(0.95, 1.05, 3))
    grain = rng.standard_normal(ground.shape, np.float32) * np.float32(rng.uniform(1.5, 5))
    return np.clip(ground * balance + grain, 0, 255).astype(np.uint8)


def noise(size, rng, cells):
    """Return size x size smooth noise of about -1..1, a sum over grids of the given numbers of cells per side."""
    grids = [Image.fromarray(rng.standard_normal((n, n), np.float32)) for n in cells]
    return sum(np.asarray(grid.resize((size, size), Image.Resampling.BICUBIC)) for grid in grids) / len(cells) ** 0.5 / 2


def tinted(colour, texture, strength):
    """Return an RGB image of one colour, lighter and darker by a texture of about -1..1."""
    grey = Image.fromarray(np.clip(texture * 80 + 128, 0, 255).astype(np.uint8))
    levels = 1 + strength * (np.arange(256) - 128) / 80
    return Image.merge("RGB", [grey.point(list(np.clip(value * levels, 0, 255).astype(int))) for value in colour])


def plain(colours, size, rng, cells, strength):
    """Return a textured ground twice as fine as `size`, for smooth edges of what is drawn on it."""
    return tinted(insects.pick(colours, rng), noise(2 * size, rng, cells), strength)


def foliage(size, rng):
    image = plain(GREENS[:3], size, rng, (4, 9), 0.4)
    for _ in range(rng.integers(7, 16)):
        leaf(image, rng.uniform(0, 2 * size, 2), rng.uniform(0.35, 0.9) * size, insects.pick(GREENS, rng), rng)
    return image


def big_leaf(size, rng):
    image = plain(EARTHS + GREENS, size, rng, (3, 6), 0.35)
    leaf(image, rng.uniform(0.75, 1.25, 2) * size, rng.uniform(2.0, 2.8) * size, insects.pick(GREENS, rng), rng)
    return image


def leaf(image, middle, length, colour, rng):
    """Draw a pointed leaf with its midrib and side veins."""
    turn, width = rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 0.34)
    along = np.array([np.cos(turn), np.sin(turn)])
    across = np.array([-along[1], along[0]])
    step = np.linspace(0, 1, 16)
    half = width * np.sin(np.pi * step ** 0.8)
    rib = middle + length * (step[:, None] - 0.5) * along
    side = length * half[:, None] * across
    canvas = ImageDraw.Draw(image)
    canvas.polygon([tuple(p) for p in np.vstack([rib + side, (rib - side)[::-1]])], fill=colour)
    vein = tuple(int(v * rng.uniform(1.12, 1.25)) for v in colour)
    canvas.line([tuple(p) for p in rib], fill=vein, width=max(int(length / 60), 2))
    for k in range(2, 13, 2):
        for way in (1, -1):
            canvas.line([tuple(rib[k]), tuple(rib[k + 2] + way * 0.85 * side[k + 2])], fill=vein, width=max(int(length / 130), 1))


def soil(size, rng):
    image = plain(EARTHS, size, rng, (6, 24, 90), 0.45)
    canvas = ImageDraw.Draw(image)
    for _ in range(rng.integers(40, 130)):
        blob(canvas, rng.uniform(0, 2 * size, 2), rng.uniform(3, 16, 2), insects.pick(EARTHS, rng))
    return image


def blob(canvas, middle, radii, colour):
    canvas.ellipse([*(middle - radii), *(middle + radii)], fill=colour)


def bark(size, rng):
    fine = 2 * size
    lines = Image.fromarray(rng.standard_normal((4, 40), np.float32)).resize((2 * fine, 2 * fine), Image.Resampling.BICUBIC)
    turned = lines.rotate(rng.uniform(0, 180)).crop((fine // 2, fine // 2, fine // 2 + fine, fine // 2 + fine))
    return tinted(insects.pick(EARTHS, rng), np.asarray(turned) * 0.7 + noise(fine, rng, (12, 60)), 0.32)


def wall(size, rng):
    image = plain(WALLS, size, rng, (5, 80, 160), rng.uniform(0.05, 0.14))
    canvas, shade = ImageDraw.Draw(image), insects.pick(EARTHS, rng)
    gap, turn = rng.uniform(0.5, 1.1) * size, rng.uniform(-1, 1) * size
    for start in np.arange(rng.uniform(-1, 0) * size, 3 * size, gap):
        canvas.line([(start, 0), (start + turn, 2 * size)], fill=shade, width=int(rng.integers(3, 8)))
    return image


def flower(size, rng):
    image = plain(GREENS, size, rng, (4, 10), 0.4)
    colour, heart = insects.pick(PETALS, rng), rng.uniform(0.2, 1.8, 2) * size
    for turn in np.arange(0, 2 * np.pi, rng.uniform(0.4, 0.7)):
        tip = heart + rng.uniform(0.6, 0.9) * size * np.array([np.cos(turn), np.sin(turn)])
        canvas = ImageDraw.Draw(image)
        canvas.line([tuple(heart), tuple(tip)], fill=insects.vary(colour, rng), width=int(0.2 * size))
        blob(canvas, tip, np.full(2, 0.1 * size), insects.vary(colour, rng))
    blob(ImageDraw.Draw(image), heart, np.full(2, rng.uniform(0.12, 0.25) * size), insects.vary((190, 140, 40), rng))
    return image


def grass(size, rng):
    image = plain(EARTHS + GREENS, size, rng, (5, 12), 0.4)
    canvas, lean = ImageDraw.Draw(image), rng.uniform(-1.5, 1.5)
    for _ in range(rng.integers(25, 60)):
        x, tilt = rng.uniform(-0.5, 2.5) * size, lean + rng.normal(0, 0.35)
        blade = [(x, 2 * size), (x + tilt * size * 0.4, size), (x + tilt * size, rng.uniform(-0.5, 0.8) * size)]
        canvas.line(blade, fill=insects.pick(GREENS, rng), width=int(rng.integers(5, 22)), joint="curve")
    return image


def clutter(image, rng):
    """Draw something that is no insect: a twig, or a berry, seed or pebble with a highlight."""
    canvas, size, colour = ImageDraw.Draw(image), image.width, insects.pick(SMALL, rng)
    start = rng.uniform(0, size, 2)
    if rng.random() < 0.35:
        canvas.line([tuple(start), tuple(start + rng.normal(0, 0.5, 2) * size)], fill=colour, width=int(rng.integers(5, 16)))
        return
    radii = rng.uniform(0.015, 0.06) * size * rng.uniform(0.6, 1, 2)
    blob(canvas, start, radii, colour)
    blob(canvas, start - radii * 0.35, radii * 0.3, tuple(min(v + 60, 255) for v in colour))
