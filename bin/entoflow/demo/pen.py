"""A pen that draws in an insect's own frame, whatever the pose, and light on what it drew."""
import numpy as np
from PIL import Image, ImageDraw, ImageFilter

FINE = 3  # drawn this much larger, then reduced: smooth edges
REACH = 2.1  # the farthest that a leg, wing or antenna goes from the middle, in half body lengths


class Pen:
    """Draws shapes given in the insect's frame onto an RGBA image, turned, scaled and slightly tilted."""

    def __init__(self, length, rng):
        half = int(np.ceil(REACH * length / 2)) * FINE
        turn, tilt = rng.uniform(0, 2 * np.pi), rng.uniform(0.86, 1.0)
        spin = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        self.matrix = spin * [tilt, 1.0] * length / 2 * FINE
        self.scale, self.middle = length / 2 * FINE, half
        self.image = Image.new("RGBA", (2 * half, 2 * half))
        self.canvas = ImageDraw.Draw(self.image)

    def shape(self, points, colour, soft=2):
        self.canvas.polygon(self._pixels(smooth(points, soft)), fill=colour)

    def pair(self, points, colour, soft=2):
        """Draw a shape and its mirror image."""
        self.shape(points, colour, soft)
        self.shape(mirror(points), colour, soft)

    def ellipse(self, centre, radii, colour):
        angle = np.linspace(0, 2 * np.pi, 28, endpoint=False)
        self.shape(np.stack([np.cos(angle), np.sin(angle)], 1) * radii + centre, colour, soft=0)

    def dots(self, centre, radii, colour):
        self.ellipse(centre, radii, colour)
        self.ellipse((-centre[0], centre[1]), radii, colour)

    def stroke(self, points, width, colour):
        """Draw a round-ended line; `width` in the insect's frame, never thinner than about 1.3 pixels of the result."""
        wide = max(width * self.scale, 1.3 * FINE)
        pixels = self._pixels(points)
        self.canvas.line(pixels, fill=colour, width=round(wide), joint="curve")
        for x, y in pixels:
            self.canvas.ellipse([x - wide / 2, y - wide / 2, x + wide / 2, y + wide / 2], fill=colour)

    def finished(self):
        """Return the drawing at its real size, its edges smooth."""
        return self.image.reduce(FINE)

    def _pixels(self, points):
        return [tuple(point) for point in np.asarray(points, float) @ self.matrix.T + self.middle]


def smooth(points, rounds):
    """Return the closed outline with its corners cut `rounds` times (Chaikin 1974)."""
    points = np.asarray(points, float)
    for _ in range(rounds):
        ahead = np.roll(points, -1, axis=0)
        points = np.stack([0.75 * points + 0.25 * ahead, 0.25 * points + 0.75 * ahead], 1).reshape(-1, 2)
    return points


def mirror(points):
    return np.asarray(points, float) * [-1, 1]


def shade(image, length, rng):
    """Light the flat drawing from one side and mottle it finely; alpha stays as it is."""
    rgba = np.asarray(image)
    bulge = np.asarray(image.getchannel("A").filter(ImageFilter.GaussianBlur(length / 12)), np.float32) / 255
    down, right = np.gradient(bulge)
    light = rng.uniform(0, 2 * np.pi)
    relief = 1 + length / 14 * (np.cos(light) * right + np.sin(light) * down)
    grain = 1 + np.float32(0.05) * rng.standard_normal(bulge.shape, np.float32)
    colour = rgba[..., :3] * (np.clip(relief, 0.62, 1.4).astype(np.float32) * grain)[..., None]
    return np.dstack([np.clip(colour, 0, 255).astype(np.uint8), rgba[..., 3]])
