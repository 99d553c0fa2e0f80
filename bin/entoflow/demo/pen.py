"""A pen that draws in an insect's own frame, whatever the pose, and light on what it drew."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

FINE = 3  # the drawing is this much larger, then reduced, so that its edges are smooth
# The farthest that a leg, wing or antenna goes from the middle, in half body lengths.
REACH = 2.1

Colour = tuple[int, ...]  # RGB or RGBA
Points = Sequence[Sequence[float]] | Sequence[np.ndarray] | np.ndarray  # k x 2
Point = Sequence[float] | np.ndarray


class Pen:
    """Draws shapes given in the insect's frame onto an RGBA image, turned, scaled and slightly
    tilted.
    """

    def __init__(self, length: float, rng: np.random.Generator) -> None:
        half = int(np.ceil(REACH * length / 2)) * FINE
        turn = rng.uniform(0, 2 * np.pi)
        tilt = rng.uniform(0.86, 1.0)
        self.scale = length / 2 * FINE  # pixels of half a body length
        self.matrix = rotation(turn) * [tilt, 1.0] * length / 2 * FINE
        self.middle = half
        self.image = Image.new("RGBA", (2 * half, 2 * half))
        self.canvas = ImageDraw.Draw(self.image)

    def shape(self, points: Points, colour: Colour, soft: int = 2) -> None:
        """Draw a filled outline, its corners cut `soft` times."""
        self.canvas.polygon(self._pixels(smooth(points, soft)), fill=colour)

    def pair(self, points: Points, colour: Colour, soft: int = 2) -> None:
        """Draw a shape and its mirror image."""
        self.shape(points, colour, soft)
        self.shape(mirror(points), colour, soft)

    def ellipse(self, centre: Point, radii: Point, colour: Colour) -> None:
        """Draw a filled ellipse along the axes of the frame."""
        angle = np.linspace(0, 2 * np.pi, 28, endpoint=False)
        circle = np.stack([np.cos(angle), np.sin(angle)], 1)
        self.shape(circle * radii + centre, colour, soft=0)

    def dots(self, centre: Point, radii: Point, colour: Colour) -> None:
        """Draw an ellipse and its mirror image."""
        self.ellipse(centre, radii, colour)
        self.ellipse((-centre[0], centre[1]), radii, colour)

    def stroke(self, points: Points, width: float, colour: Colour) -> None:
        """Draw a round-ended line; `width` in the frame, never thinner than about 1.3 pixels of the
        result.
        """
        thickness = max(width * self.scale, 1.3 * FINE)
        pixels = self._pixels(points)
        self.canvas.line(pixels, fill=colour, width=round(thickness), joint="curve")
        for x, y in pixels:
            end = [x - thickness / 2, y - thickness / 2, x + thickness / 2, y + thickness / 2]
            self.canvas.ellipse(end, fill=colour)

    def finished(self) -> Image.Image:
        """Return the drawing at its real size, its edges smooth."""
        return self.image.reduce(FINE)

    def _pixels(self, points: Points) -> list[tuple[float, float]]:
        pixels = np.asarray(points, float) @ self.matrix.T + self.middle
        return [(x, y) for x, y in pixels]


def rotation(turn: float) -> np.ndarray:
    """Return the 2 x 2 matrix that turns by an angle in radians."""
    return np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])


def smooth(points: Points, rounds: int) -> np.ndarray:
    """Return the closed outline with its corners cut `rounds` times (Chaikin 1974)."""
    outline = np.asarray(points, float)
    for _ in range(rounds):
        ahead = np.roll(outline, -1, axis=0)
        cuts = [0.75 * outline + 0.25 * ahead, 0.25 * outline + 0.75 * ahead]
        outline = np.stack(cuts, 1).reshape(-1, 2)
    return outline


def mirror(points: Points) -> np.ndarray:
    """Return points on the other side of the axis."""
    return np.asarray(points, float) * [-1, 1]


def shade(image: Image.Image, length: float, rng: np.random.Generator) -> np.ndarray:
    """Light the flat drawing from one side and mottle it finely; alpha stays as it is.

    Returns uint8 RGBA, height x width x 4.
    """
    rgba = np.asarray(image)
    blurred = image.getchannel("A").filter(ImageFilter.GaussianBlur(length / 12))
    bulge = np.asarray(blurred, np.float32) / 255
    down, right = np.gradient(bulge)
    light = rng.uniform(0, 2 * np.pi)
    relief = 1 + length / 14 * (np.cos(light) * right + np.sin(light) * down)
    grain = 1 + np.float32(0.05) * rng.standard_normal(bulge.shape, np.float32)
    brightness = np.clip(relief, 0.62, 1.4).astype(np.float32) * grain
    colour = rgba[..., :3] * brightness[..., None]
    return np.dstack([np.clip(colour, 0, 255).astype(np.uint8), rgba[..., 3]])
