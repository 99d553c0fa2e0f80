"""Training images: their boxes are where the objects are, and what is cut off teaches nothing."""
import numpy as np
import pytest

from entoflow.detection import augmentation
from entoflow.detection.augmentation import training_image
from entoflow.detection.samples import Sample

SIZE = 96


def drawn(_index):
    """Return a dark image of 60 x 40 pixels with a bright box, and an ignored region elsewhere."""
    image = np.full((40, 60, 3), 20, np.uint8)
    image[10:25, 6:26] = 250
    return image, Sample(None, np.array([[16 / 60, 17.5 / 40, 20 / 60, 15 / 40]]), np.array([0.5]), np.array([[0.8, 0.8, 0.2, 0.2]]))


@pytest.mark.parametrize("several", [False, True])
def test_what_is_bright_lies_in_a_box_or_where_nothing_is_learned_and_boxes_are_full_of_it(several, monkeypatch):
    monkeypatch.setattr(augmentation, "_recoloured", lambda image, rng: image)
    shown = cut = 0
    for seed in range(40):
        image, boxes, weights, ignored = training_image(drawn, 0, 5, SIZE, several, np.random.default_rng(seed))
        assert image.shape == (SIZE, SIZE, 3) and len(weights) == len(boxes) and (weights == 0.5).all()
        bright = image.min(2) > 200  # the ground is 20, what no image covers 114
        assert all(0 <= x1 < x2 <= SIZE and 0 <= y1 < y2 <= SIZE for x1, y1, x2, y2 in [*boxes, *ignored])
        assert all(bright[y1 + 2:y2 - 2, x1 + 2:x2 - 2].all() for x1, y1, x2, y2 in boxes.round().astype(int))
        for x1, y1, x2, y2 in np.concatenate([boxes, ignored]).round().astype(int).clip(2):
            bright[y1 - 2:y2 + 2, x1 - 2:x2 + 2] = False
        assert not bright.any()
        shown, cut = shown + len(boxes), cut + len(ignored)
    assert shown > 20 and cut > 20


def test_equal_seeds_give_equal_images_and_others_do_not():
    first, again, other = (training_image(drawn, 0, 5, SIZE, True, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again)) and not np.array_equal(first[0], other[0])


def test_an_image_without_boxes_teaches_background():
    def empty(_index):
        return np.zeros((40, 60, 3), np.uint8), Sample(None, np.empty((0, 4)), np.empty(0), np.empty((0, 4)))

    image, boxes, weights, ignored = training_image(empty, 0, 1, SIZE, True, np.random.default_rng(1))
    assert boxes.shape == (0, 4) and weights.shape == (0,) and ignored.shape == (0, 4)
