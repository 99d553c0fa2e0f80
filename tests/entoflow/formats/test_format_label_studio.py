import json
import math

import pytest
from PIL import Image

from entoflow.audit import Note
from entoflow.formats import box_formats


@pytest.fixture
def read(tmp_path):
    def _read(*tasks, files=("a.jpg",)):
        for name in files:
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).touch()
        (tmp_path / "export.json").write_text(json.dumps(tasks))
        return box_formats.read(tmp_path / "export.json")

    return _read


def task(*results, image="a.jpg", **more):
    return {
        "id": 1,
        "data": {"image": image},
        "annotations": [{"result": results, "was_cancelled": False, **more}],
    }


def rectangle(x, y, width, height, rotation=0, size=(200, 100), **more):
    return {
        "type": "rectanglelabels",
        "original_width": size[0],
        "original_height": size[1],
        "value": {
            "x": x,
            "y": y,
            "width": width,
            "height": height,
            "rotation": rotation,
            "rectanglelabels": ["bug"],
        },
        **more,
    }


def test_percent_become_shares(read):
    [photo] = read(task(rectangle(10, 20, 30, 40))).images
    assert photo.boxes[0].corners == pytest.approx((0.1, 0.2, 0.4, 0.6))
    [box] = photo.boxes
    assert box.corners == pytest.approx((0.1, 0.2, 0.4, 0.6))
    assert (box.label, box.iscrowd, box.row, box.relative) == ("bug", False, 1, True)


@pytest.mark.parametrize("angle", [90, 30, -45, 180, 200.5])
def test_a_turned_rectangle_gives_the_bounds_of_what_is_drawn(read, angle):
    [photo] = read(task(rectangle(40, 30, 20, 20, angle))).images
    # in pixels of a 200 x 100 image: top left corner 80, 30, sides 40 and 20, turned clockwise
    # about that corner
    turn = complex(math.cos(math.radians(angle)), math.sin(math.radians(angle)))
    ends = [complex(80, 30) + corner * turn for corner in (0, 40, 20j, 40 + 20j)]
    expected = (
        min(e.real for e in ends) / 200,
        min(e.imag for e in ends) / 100,
        max(e.real for e in ends) / 200,
        max(e.imag for e in ends) / 100,
    )
    assert photo.boxes[0].corners == pytest.approx(expected)


def test_a_turn_without_the_size_of_the_image_has_no_corners(read):
    [photo] = read(task(rectangle(40, 30, 20, 20, 30, size=(None, None)))).images
    assert all(corner != corner for corner in photo.boxes[0].corners)


def test_polygons_and_ellipses_give_their_bounds(read):
    polygon = {
        "type": "polygonlabels",
        "value": {"points": [[10, 10], [30, 20], [20, 50]], "polygonlabels": ["bug"]},
    }
    ellipse = {
        "type": "ellipselabels",
        "value": {"x": 50, "y": 50, "radiusX": 10, "radiusY": 20, "ellipselabels": ["bug"]},
    }
    [photo] = read(task(polygon, ellipse)).images
    assert photo.boxes[0].corners == pytest.approx((0.1, 0.1, 0.3, 0.5))
    assert photo.boxes[1].corners == pytest.approx((0.4, 0.3, 0.6, 0.7))


def test_a_turned_ellipse_is_bounded_as_drawn_points_are(read):
    ellipse = {
        "type": "ellipselabels",
        "original_width": 200,
        "original_height": 100,
        "value": {
            "x": 50,
            "y": 50,
            "radiusX": 10,
            "radiusY": 5,
            "rotation": 30,
            "ellipselabels": ["bug"],
        },
    }
    [photo] = read(task(ellipse)).images
    turn = complex(math.cos(math.radians(30)), math.sin(math.radians(30)))
    points = [
        100 + 50j + complex(20 * math.cos(t / 500), 5 * math.sin(t / 500)) * turn
        for t in range(3142)
    ]
    expected = (
        min(p.real for p in points) / 200,
        min(p.imag for p in points) / 100,
        max(p.real for p in points) / 200,
        max(p.imag for p in points) / 100,
    )
    assert photo.boxes[0].corners == pytest.approx(expected, abs=1e-5)


def test_a_label_beside_its_rectangle_is_found_by_their_id(read):
    plain = {"id": "r", "type": "rectangle", "value": {"x": 0, "y": 0, "width": 5, "height": 5}}
    [photo] = read(task(plain, {"id": "r", "type": "labels", "value": {"labels": ["fly"]}})).images
    assert [box.label for box in photo.boxes] == ["fly"]


@pytest.mark.parametrize(
    "image, file",
    [
        ("/data/upload/1/0a1b2c3d-Biene%201.jpg", "Biene 1.jpg"),
        ("/data/upload/1/0a1b2c3d-x.jpg", "images/0a1b2c3d-x.jpg"),
        ("/data/local-files/?d=set/x.jpg", "x.jpg"),
        ("https://host/p/x.jpg?key=1", "images/x.jpg"),
        ("s3://bucket/p/x.jpg", "x.jpg"),
    ],
)
def test_the_image_of_a_link_is_found_by_its_name(read, image, file):
    [photo] = read(task(rectangle(0, 0, 1, 1), image=image), files=[file]).images
    assert photo.file_name == file


def test_cancelled_and_missing_annotations_leave_an_image_out_and_an_empty_one_does_not(read):
    bare = {
        "data": {"image": "c.jpg"},
        "annotations": [],
        "predictions": [{"result": [rectangle(0, 0, 1, 1)]}],
    }
    content = read(
        task(rectangle(0, 0, 1, 1), was_cancelled=True),
        task(image="b.jpg"),
        bare,
        files=["a.jpg", "b.jpg", "c.jpg"],
    )
    [photo] = content.images
    assert (photo.file_name, photo.boxes) == ("b.jpg", [])
    assert [(note.file_name, note.row, note.action) for note in content.notes] == [
        ("a.jpg", 1, "left out"),
        ("c.jpg", 3, "left out"),
    ]


def test_of_two_annotations_the_ground_truth_is_used_and_a_note_tells_of_the_other(read):
    given = task(rectangle(0, 0, 1, 1))
    given["annotations"].append({"result": [], "ground_truth": True})
    [photo] = read(given).images
    assert photo.boxes == []
    assert photo.notes == [
        Note("a.jpg", 1, "note", "1 further annotations of this task are not used")
    ]


def test_a_brush_is_dropped_with_a_note_and_a_crowd_is_an_ignore_region(read):
    brush = {"type": "brushlabels", "value": {"format": "rle", "rle": [1], "brushlabels": ["bug"]}}
    [photo] = read(
        task(
            brush,
            rectangle(0, 0, 9, 9, meta={"text": ["crowd"]}),
            {"type": "choices", "value": {"choices": ["x"]}},
        )
    ).images
    assert photo.notes == [
        Note("a.jpg", 1, "dropped", "brushlabels; wanted a rectangle, polygon or ellipse")
    ]
    assert [box.iscrowd for box in photo.boxes] == [True]


def test_a_folder_with_an_export_and_images_is_read(read, tmp_path):
    read(task(rectangle(0, 0, 9, 9)))
    Image.new("RGB", (4, 4)).save(tmp_path / "extra.png")
    content = box_formats.read(tmp_path)
    [photo] = content.images
    assert (content.format, photo.file_name, [note.file_name for note in content.notes]) == (
        "label_studio",
        "a.jpg",
        ["extra.png"],
    )
