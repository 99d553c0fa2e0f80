"""Tiles and what is found in them, with a detector that sees all and errs in nothing: a planted
object is found once.
"""

from functools import lru_cache

import numpy as np
import pytest

from entoflow.boxes import iou
from entoflow.detector import inference, tiles
from entoflow.detector.network import Detector
from entoflow.task import InputError


class Seer:
    """A backend that finds whatever part of each object shows in the pixels given, moved by up to
    `shift` of its size.

    Each pixel of a photo holds its own place, so the corners of any piece of it, flipped or not,
    tell which piece it is.
    """

    def __init__(self, objects, shift=0.0):
        self.objects = np.asarray(objects, float)
        self.shift = shift
        self.rng = np.random.default_rng(1)
        self.seen = []

    def predict(self, detector, images, size):
        assert len(images) <= inference.BATCH
        self.seen += [image.shape[:2] for image in images]
        return [self._boxes_between(place(image[0, 0]), place(image[-1, -1])) for image in images]

    def _boxes_between(self, first, last):
        flipped = last[0] < first[0]
        corner = np.minimum(first, last)
        end = np.maximum(first, last) + 1
        sizes = (self.objects[:, 2:] - self.objects[:, :2]).min(axis=1)[:, None]
        moved = self.objects + self.rng.uniform(-1, 1, self.objects.shape) * self.shift * sizes
        boxes = np.clip(moved, [*corner, *corner], [*end, *end]) - [*corner, *corner]
        boxes = boxes[(boxes[:, 2:] > boxes[:, :2]).all(axis=1)]
        if flipped:
            boxes[:, [0, 2]] = (end - corner)[0] - boxes[:, [2, 0]]
        return boxes, self.rng.uniform(0.5, 1, len(boxes))


class Photos(dict):
    """In a pack's place: photos of a width and height by id."""

    def read(self, image_id):
        return drawn(*self[image_id])


@lru_cache(maxsize=4)
def drawn(width, height):
    y, x = np.mgrid[:height, :width]
    return np.stack([x & 255, y & 255, (x >> 8) << 4 | y >> 8], axis=2).astype(np.uint8)


def place(pixel):
    x, y, high = map(int, pixel)
    return np.array([x | (high >> 4) << 8, y | (high & 15) << 8])


def detector(tile_size=0):
    return Detector(None, "cpu", "", image_size=64, tile_size=tile_size)


def found_by(seer, size, side, views=((1.0, False),)):
    """Return the boxes that are found in each view of an image, sorted."""
    predictions = inference.predict(detector(side), seer, Photos({7: size}), [7], views)
    return [each.xyxy[np.lexsort(each.xyxy.T)] for each in predictions]


def test_tiles_cover_an_image_overlap_by_a_quarter_and_end_flush_with_it():
    assert tiles.windows(2048, 1536, 640).tolist()[:6] == [
        [0, 0, 2048, 1536],
        [0, 0, 640, 640],
        [469, 0, 1109, 640],
        [939, 0, 1579, 640],
        [1408, 0, 2048, 640],
        [0, 448, 640, 1088],
    ]
    assert tiles.windows(2048, 1536, 640)[-1].tolist() == [1408, 896, 2048, 1536]


@pytest.mark.parametrize(
    "size, side, n",
    [
        ((960, 640), 640, 1),  # not above 1.5 tiles
        ((961, 640), 640, 3),
        ((4000, 300), 640, 9),  # a strip, 480 from tile to tile, each as high as it is
        ((2048, 1536), 0, 1),
        ((2048, 1536), None, 1),
    ],
)
def test_only_images_much_larger_than_a_tile_are_tiled(size, side, n):
    found = tiles.windows(*size, side)
    assert len(found) == n and found[0].tolist() == [0, 0, *size]
    assert (found[:, 2:] <= size).all() and (
        (found[1:, 2:] - found[1:, :2]) == np.minimum(size, side or 0)
    ).all()


@pytest.mark.parametrize("side", [64, 101])
def test_an_object_on_any_seam_is_found_once(side):
    size = (5 * side + 17, 3 * side)
    for length in (1, side // 12, side // 8, side // 5, side // 3, side, 2 * side):
        for start in range(0, size[0] - length + 1, max(1, side // 31)):
            planted = [[start, side // 3, start + length, side // 3 + max(1, length // 3)]]
            assert found_by(Seer(planted), size, side)[0].tolist() == planted


def test_objects_of_any_size_and_place_are_found_once_each_however_many():
    rng = np.random.default_rng(1)
    for _ in range(30):
        size, side = rng.integers(200, 1200, 2), int(rng.integers(64, 500))
        planted = apart(size, rng, side)
        for boxes in found_by(
            Seer(planted), tuple(size.tolist()), side, [(1.0, False), (1.0, True)]
        ):
            assert boxes.tolist() == planted[np.lexsort(planted.T)].tolist()


def apart(size, rng, side):
    """Return whole-numbered boxes (n x 4) within an image, no two alike by half, most of them
    small.
    """
    corners = rng.uniform(0, 1, (500, 2)) * size
    sides = side * 2.0 ** rng.uniform(-6, 2, (500, 1)) * rng.uniform(0.4, 1, (500, 2))
    boxes = np.round(np.hstack([corners, corners + sides])).clip(0, [*size, *size])
    chosen = []
    for box in boxes[((boxes[:, 2:] - boxes[:, :2]) >= 1).all(axis=1)]:
        if iou(chosen, box).max(initial=0) <= 0.5:
            chosen.append(box)
    return np.array(chosen)


def test_a_detector_that_places_boxes_roughly_still_counts_each_object_once():
    grid = np.stack(np.meshgrid(np.arange(20, 1900, 60), np.arange(20, 1400, 60)), axis=2).reshape(
        -1, 2
    )
    planted = np.hstack([grid, grid + 40]).astype(float)
    (boxes,) = found_by(Seer(planted, shift=0.06), (2048, 1536), 640)
    assert len(boxes) == len(planted) == 32 * 23
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    assert sorted(map(tuple, ((centres - 10) // 60).tolist())) == sorted(
        map(tuple, ((grid + 10) // 60).tolist())
    )


def test_images_are_looked_at_in_batches_of_whole_and_tiles():
    seer = Seer(np.zeros((0, 4)))
    photos = Photos({1: (90, 60), 2: (300, 300)})
    list(inference.predict(detector(64), seer, photos, [1, 2]))
    assert seer.seen[:2] == [(60, 90), (300, 300)] and len(seer.seen) == 2 + 36


def test_a_detector_that_says_no_tile_size_sees_images_whole():
    seer = Seer([[10, 10, 20, 20]])
    (prediction,) = inference.predict(detector(), seer, Photos({1: (900, 600)}), [1])
    assert seer.seen == [(600, 900)]
    assert prediction.xyxy.tolist() == [[10, 10, 20, 20]]


def test_a_tile_teaches_the_boxes_it_shows_half_of_and_ignores_the_rest_of_what_it_shows():
    windows = tiles.windows(300, 100, 100)
    boxes = np.array([[110, 20, 130, 40], [60, 20, 90, 40], [50, 0, 80, 100], [0, 0, 9, 9]], float)
    assert windows[2].tolist() == [67, 0, 167, 100]
    targets = tiles.window_targets(boxes, windows, 2, 100)
    assert targets.taught.tolist() == [True, True, False, False]
    assert targets.ignored.tolist() == [False, False, True, False]
    assert targets.boxes[:3].tolist() == [[43, 20, 63, 40], [0, 20, 23, 40], [0, 0, 13, 100]]


def test_a_whole_image_teaches_the_large_boxes_beside_tiles_and_all_without_tiles():
    boxes = np.array([[10, 10, 22, 15], [10, 10, 23, 15]], float)
    tiled = tiles.window_targets(boxes, tiles.windows(300, 100, 100), 0, 100)
    assert tiled.taught.tolist() == [False, True]
    assert tiled.ignored.tolist() == [True, False]
    whole = tiles.window_targets(boxes, tiles.windows(300, 100, 200), 0, 200)
    assert whole.taught.all()
    assert not whole.ignored.any()
    assert whole.boxes.tolist() == boxes.tolist()


def test_tiles_too_small_are_told():
    with pytest.raises(
        InputError, match="--tile_size is 31; wanted 0 for no tiles, or at least 32 pixels"
    ):
        tiles.check(31)
