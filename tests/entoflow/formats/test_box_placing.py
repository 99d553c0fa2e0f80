import math

import numpy as np
import pytest
from PIL import Image, ImageOps

from entoflow.formats.box_placing import place, turn
from entoflow.sources import SourceBox, SourceImage


def place_bugs(*corners, size=None, orientation=1, relative=False):
    """Place boxes of the class bug, in rows 1, 2, ..., on an image that is upright 60 x 40.

    Return (their corners, [(row, action, reason)]).
    """
    boxes = [SourceBox(box, "bug", False, row, relative) for row, box in enumerate(corners, 1)]
    placed, notes = place(SourceImage("a.jpg", None, boxes, size), 60, 40, orientation)
    assert {note.file_name for note in notes} <= {"a.jpg"}
    return [box.corners for box in placed], [(note.row, note.action, note.reason) for note in notes]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_box_turns_as_the_image_does(orientation):
    stored = np.zeros((40, 60), dtype=np.uint8)
    stored[5:12, 20:50] = 255
    image = Image.fromarray(stored)
    image.getexif()[274] = orientation
    rows, columns = np.nonzero(np.asarray(ImageOps.exif_transpose(image)))
    expected = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
    assert turn((20, 5, 50, 12), (60, 40), orientation) == expected


def test_boxes_given_for_the_stored_pixels_turn_with_the_image_and_a_note_says_so():
    boxes, [(_, action, reason)] = place_bugs((0, 50, 10, 60), size=(40, 60), orientation=6)
    assert boxes == [(0, 0, 10, 10)]
    assert action == "note"
    assert "stored pixels" in reason


@pytest.mark.parametrize("size", [(60, 40), None])
def test_boxes_given_for_the_upright_size_or_for_no_size_stay(size):
    assert place_bugs((0, 30, 10, 40), size=size, orientation=6) == ([(0, 30, 10, 40)], [])


def test_relative_corners_are_shares_of_the_upright_image():
    assert place_bugs((0.5, 0.25, 1, 0.75), orientation=6, relative=True) == (
        [(30, 10, 60, 30)],
        [],
    )


def test_an_image_of_another_size_than_declared_has_a_note():
    _, notes = place_bugs((0, 0, 9, 9), size=(600, 400))
    assert notes == [
        (
            None,
            "note",
            "the source says 600 x 400 pixels, the image has 60 x 40: boxes taken as they are",
        )
    ]


def test_a_half_turn_that_sizes_cannot_tell_has_a_note():
    _, notes = place_bugs((0, 0, 9, 9), size=(60, 40), orientation=3)
    assert notes == [
        (None, "note", "EXIF orientation 3: boxes taken as drawn on the upright image")
    ]


@pytest.mark.parametrize(
    "corners, expected",
    [
        ((5, 5, 5, 9), "box of bug has no area (0 x 4 pixels)"),
        ((9, 5, 5, 9), "has no area (-4 x 4 pixels)"),
        ((60, 0, 70, 10), "lies outside the image"),
        ((-9, 0, 0, 10), "lies outside the image"),
        ((0, 40, 9, 50), "lies outside the image"),
        ((0, math.nan, 9, 9), "has corners that are no numbers"),
        ((0, 0, math.inf, 9), "has corners that are no numbers"),
    ],
)
def test_a_box_that_covers_nothing_is_dropped_with_its_row(corners, expected):
    boxes, [(row, action, reason)] = place_bugs((1, 1, 2, 2), corners)
    assert (boxes, row, action) == ([(1, 1, 2, 2)], 2, "dropped")
    assert expected in reason


def test_a_box_given_twice_is_taken_once_with_a_row():
    boxes, notes = place_bugs((1, 1, 5, 5), (2, 2, 6, 6), (1, 1, 5, 5))
    assert boxes == [(1, 1, 5, 5), (2, 2, 6, 6)]
    assert notes == [(3, "dropped", "box of bug is given twice")]


def test_boxes_partly_outside_are_clipped_with_one_note_for_the_image():
    boxes, notes = place_bugs((-5, 30, 10, 45), (1, 1, 2, 2), (59.5, 0, 60.2, 1))
    assert boxes == [(0, 30, 10, 40), (1, 1, 2, 2), (59.5, 0, 60, 1)]
    assert notes == [(1, "clipped", "2 of 3 boxes reach beyond the 60 x 40 pixels of the image")]


def test_noise_of_division_is_no_clipping():
    third = 1 / 3
    _, notes = place_bugs((third * 2, third, third * 3 + 1e-12, 1), relative=True)
    assert notes == []
