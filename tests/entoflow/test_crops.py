from itertools import product

import numpy as np
import pytest
from PIL import Image

from entoflow import crops
from entoflow.boxes import iou


@pytest.mark.parametrize(
    "box, size", [((40, 30, 80, 50), 64), ((100, 90, 110, 110), 32), ((10, 20, 190, 150), 32)]
)
def test_a_crop_is_the_square_around_its_box_as_pillow_cuts_it(box, size):
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 256, (4, 5, 3), np.uint8))
    pixels = np.asarray(noise.resize((200, 160), Image.Resampling.BICUBIC))
    side = max(box[2] - box[0], box[3] - box[1]) * (1 + 2 * crops.MARGIN)
    pad = 80
    x = (box[0] + box[2] - side) / 2 + pad
    y = (box[1] + box[3] - side) / 2 + pad
    padded = Image.fromarray(np.pad(pixels, ((pad, pad), (pad, pad), (0, 0)), "reflect"))
    square = padded.resize((size, size), Image.Resampling.BILINEAR, box=(x, y, x + side, y + side))
    crop = crops.crop(pixels, box, size)
    assert crop.shape == (size, size, 3)
    assert crop.dtype == np.uint8
    assert abs(crop.astype(int) - np.asarray(square, int)).mean() < 4


@pytest.mark.parametrize(
    "box, size, window",
    [
        (
            (40, 30, 80, 50),
            (200, 160),
            (34, 14, 86, 66),
        ),  # 40 long, 6 of margin: 52 x 52 around (60, 40)
        ((0, 0, 20, 10), (100, 100), (0, 0, 26, 26)),  # would reach to -3 and -8: moved inwards
        ((90, 95, 100, 100), (100, 100), (87, 87, 100, 100)),
        ((0, 0, 200, 40), (200, 50), (0, 0, 200, 50)),  # 260 x 260 is more than the photo has
        ((10, 0, 50, 30), (300, 40), (4, 0, 56, 40)),  # 52 wide, and as high as the photo
        (
            (10.2, 10.2, 12.4, 12.0),
            (50, 50),
            (9, 9, 13, 13),
        ),  # 9.87 to 12.73, and 9.67 to 12.53: whole pixels outwards
    ],
)
def test_a_window_is_the_square_around_a_box_with_its_margin_inside_the_photo(box, size, window):
    assert crops.window(box, *size) == window


def test_any_window_is_inside_the_photo_holds_its_box_and_is_as_square_as_can_be():
    rng = np.random.default_rng(1)
    for _ in range(2000):
        width, height = rng.integers(1, 300, 2).tolist()
        x1, x2 = sorted(rng.uniform(0, width, 2))
        y1, y2 = sorted(rng.uniform(0, height, 2))
        window = crops.window((x1, y1, x2, y2), width, height)
        assert all(isinstance(value, int) for value in window)
        left, top, right, bottom = window
        assert 0 <= left <= x1
        assert x2 <= right <= width
        assert 0 <= top <= y1
        assert y2 <= bottom <= height
        assert left < right
        assert top < bottom
        side = max(x2 - x1, y2 - y1) * (1 + 2 * crops.MARGIN)
        for length, limit in ((right - left, width), (bottom - top, height)):
            if side >= limit:
                assert length == limit
            else:
                assert side <= length < side + 2


def test_a_square_of_background_is_inside_and_clear_of_boxes():
    boxes = np.array([[0, 0, 60, 100], [140, 0, 200, 100]], float)
    rng = np.random.default_rng(1)
    n_squares = 0
    for _ in range(50):
        square = crops.background(200, 100, boxes, rng)
        if square is None:
            continue
        n_squares += 1
        assert square.min() >= 0
        assert square[2] <= 200
        assert square[3] <= 100
        assert iou(square[None], boxes).max() < 0.1
    assert n_squares > 0


def test_a_photo_full_of_boxes_has_no_background():
    boxes = np.array(
        [[x, y, x + 30, y + 30] for x, y in product(range(0, 100, 10), repeat=2)], float
    )
    assert crops.background(100, 100, boxes, np.random.default_rng(1)) is None
