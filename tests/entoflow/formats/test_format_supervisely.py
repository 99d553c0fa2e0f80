import base64
import io
import json
import zlib

import pytest
from PIL import Image

from entoflow.audit import Note
from entoflow.formats import box_formats
from entoflow.sources import SourceBox


@pytest.fixture
def read(tmp_path):
    def _read(*objects, source=""):
        (tmp_path / "meta.json").write_text('{"classes": [{"title": "bug"}]}')
        for part in ("img", "ann"):
            (tmp_path / "ds 1" / part).mkdir(parents=True)
        (tmp_path / "ds 1" / "img" / "a.jpg").touch()
        content = {"size": {"width": 60, "height": 40}, "objects": objects}
        (tmp_path / "ds 1" / "ann" / "a.jpg.json").write_text(json.dumps(content))
        return box_formats.read(tmp_path / source)

    return _read


def shape(kind, exterior, **more):
    return {
        "classTitle": "bug",
        "geometryType": kind,
        "points": {"exterior": exterior, "interior": []},
        **more,
    }


def test_both_corners_lie_inside_a_rectangle(read):
    content = read(shape("rectangle", [[10, 5], [19, 14]]))
    [photo] = content.images
    assert (content.format, photo.file_name, photo.size) == (
        "supervisely",
        "ds 1/img/a.jpg",
        (60, 40),
    )
    assert photo.boxes == [SourceBox((10, 5, 20, 15), "bug", False, 1)]


def test_corners_come_in_any_order(read):
    assert read(shape("rectangle", [[19, 5], [10, 14]])).images[0].boxes[0].corners == (
        10,
        5,
        20,
        15,
    )


def test_a_polygon_gives_its_bounds(read):
    assert read(shape("polygon", [[3, 9], [8, 2], [5, 5]])).images[0].boxes[0].corners == (
        3,
        2,
        9,
        10,
    )


def test_a_bitmap_gives_its_place_and_size(read):
    file = io.BytesIO()
    Image.new("1", (7, 4)).save(file, "PNG")
    data = base64.b64encode(zlib.compress(file.getvalue())).decode()
    [photo] = read(
        {
            "classTitle": "bug",
            "geometryType": "bitmap",
            "bitmap": {"data": data, "origin": [20, 30]},
        }
    ).images
    assert photo.boxes[0].corners == (20, 30, 27, 34)


def test_a_bitmap_that_cannot_be_read_has_no_corners(read):
    [photo] = read(
        {
            "classTitle": "bug",
            "geometryType": "bitmap",
            "bitmap": {"data": "xx", "origin": [20, 30]},
        }
    ).images
    assert all(corner != corner for corner in photo.boxes[0].corners)


def test_a_crowd_tag_makes_an_ignore_region(read):
    assert (
        read(shape("rectangle", [[1, 1], [2, 2]], tags=[{"name": "Crowd"}]))
        .images[0]
        .boxes[0]
        .iscrowd
    )


def test_a_line_is_dropped_with_a_note(read):
    [photo] = read(shape("line", [[1, 1], [2, 2]])).images
    assert photo.boxes == []
    assert photo.notes == [
        Note("ds 1/img/a.jpg", 1, "dropped", "line of bug; wanted a rectangle, polygon or bitmap")
    ]


def test_one_dataset_may_be_given_by_itself(read):
    assert (
        read(shape("rectangle", [[1, 1], [2, 2]]), source="ds 1").images[0].file_name == "img/a.jpg"
    )


def test_an_image_without_an_annotation_is_left_out_and_a_broken_annotation_is_a_problem(
    read, tmp_path
):
    read()
    (tmp_path / "ds 1" / "img" / "b.jpg").touch()
    (tmp_path / "ds 1" / "ann" / "a.jpg.json").write_text("{}")
    content = box_formats.read(tmp_path)
    [photo] = content.images
    assert photo.problem == "its annotation a.jpg.json is not one of Supervisely's"
    assert [note.file_name for note in content.notes] == ["ds 1/img/b.jpg"]


def test_a_dataset_without_its_projects_meta_is_known_by_its_folders(read, tmp_path):
    read(shape("rectangle", [[1, 1], [2, 2]]))
    (tmp_path / "meta.json").unlink()
    assert box_formats.read(tmp_path).format == "supervisely"
