"""Training images: their boxes are where the objects are, and what is cut off teaches nothing."""

import numpy as np
import pytest

from entoflow.detection import augmentation
from entoflow.detection.augmentation import training_image
from entoflow.detection.samples import Targets

SIZE = 96


def drawn(_index):
    """Return a dark image of 60 x 40 pixels with a bright box, and an ignored region elsewhere."""
    image = np.full((40, 60, 3), 20, np.uint8)
    image[10:25, 6:26] = 250
    boxes = np.array([[16 / 60, 17.5 / 40, 20 / 60, 15 / 40]])
    return image, Targets(boxes, np.array([0.5]), np.array([[0.8, 0.8, 0.2, 0.2]]))


@pytest.mark.parametrize("several", [False, True])
def test_what_is_bright_lies_in_a_box_or_where_nothing_is_learned_and_boxes_are_full_of_it(
    several, monkeypatch
):
    monkeypatch.setattr(augmentation, "recolour", lambda image, rng: image)
    n_boxes = n_ignored = 0
    for seed in range(40):
        image = training_image(drawn, 0, 5, SIZE, several, np.random.default_rng(seed))
        objects = image.objects
        assert image.pixels.shape == (SIZE, SIZE, 3)
        assert len(objects.weights) == len(objects.boxes)
        assert (objects.weights == 0.5).all()
        is_bright = image.pixels.min(2) > 200  # the ground is 20, what no image covers 114
        regions = np.concatenate([objects.boxes, objects.ignored])
        assert (regions >= 0).all()
        assert (regions <= SIZE).all()
        assert (regions[:, :2] < regions[:, 2:]).all()
        for x1, y1, x2, y2 in objects.boxes.round().astype(int):
            assert is_bright[y1 + 2 : y2 - 2, x1 + 2 : x2 - 2].all()
        for x1, y1, x2, y2 in regions.round().astype(int).clip(2):
            is_bright[y1 - 2 : y2 + 2, x1 - 2 : x2 + 2] = False
        assert not is_bright.any()
        n_boxes += len(objects.boxes)
        n_ignored += len(objects.ignored)
    assert n_boxes > 20
    assert n_ignored > 20


def test_equal_seeds_give_equal_images_and_others_do_not():
    first = training_image(drawn, 0, 5, SIZE, True, np.random.default_rng(1))
    again = training_image(drawn, 0, 5, SIZE, True, np.random.default_rng(1))
    other = training_image(drawn, 0, 5, SIZE, True, np.random.default_rng(2))
    assert np.array_equal(first.pixels, again.pixels)
    assert np.array_equal(first.objects.boxes, again.objects.boxes)
    assert np.array_equal(first.objects.ignored, again.objects.ignored)
    assert not np.array_equal(first.pixels, other.pixels)


def test_an_image_without_boxes_teaches_background():
    def empty(_index):
        targets = Targets(np.empty((0, 4)), np.empty(0), np.empty((0, 4)))
        return np.zeros((40, 60, 3), np.uint8), targets

    objects = training_image(empty, 0, 1, SIZE, True, np.random.default_rng(1)).objects
    assert objects.boxes.shape == objects.ignored.shape == (0, 4)
    assert objects.weights.shape == (0,)
