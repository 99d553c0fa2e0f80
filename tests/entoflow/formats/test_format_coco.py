import json

import pytest

from entoflow.audit import Note
from entoflow.formats import box_formats


@pytest.fixture
def read(tmp_path):
    def _read(
        annotations, images=({"id": 1, "file_name": "a.jpg"},), categories=(), file="boxes.json"
    ):
        path = tmp_path / file
        path.parent.mkdir(exist_ok=True)
        path.write_text(
            json.dumps({"images": images, "annotations": annotations, "categories": categories})
        )
        return box_formats.read(path)

    return _read


def test_ids_may_be_numbers_texts_or_floats(read):
    content = read(
        [
            {"image_id": 7, "category_id": "2", "bbox": [1, 2, 3, 4]},
            {"image_id": "7", "category_id": 2.0, "bbox": ["5", 6, 1, 1]},
        ],
        [{"id": "7", "file_name": "a.jpg"}],
        [{"id": 2, "name": "bug"}],
    )
    [photo] = content.images
    assert [(box.corners, box.label, box.row) for box in photo.boxes] == [
        ((1, 2, 4, 6), "bug", 1),
        ((5, 6, 6, 7), "bug", 2),
    ]
    assert content.notes == []


def test_categories_may_be_missing_or_share_a_name(read):
    [photo] = read(
        [
            {"image_id": 1, "category_id": 5, "bbox": [0, 0, 1, 1]},
            {"image_id": 1, "category_id": 6, "bbox": [0, 0, 1, 1]},
        ],
        categories=[{"id": 0, "name": "bug"}, {"id": 5, "name": "bug"}],
    ).images
    assert [box.label for box in photo.boxes] == ["bug", "6"]


def test_an_outline_without_a_box_gives_its_bounds(read):
    [photo] = read(
        [
            {
                "image_id": 1,
                "category_id": 1,
                "segmentation": [[1, 9, 5, 2, 3, 3], [8, 4, 7, 5, 6, 6]],
            }
        ]
    ).images
    assert photo.boxes[0].corners == (1, 2, 8, 9)


@pytest.mark.parametrize(
    "fields",
    [
        {"iscrowd": 1, "segmentation": {"counts": "abc", "size": [9, 9]}},
        {"iscrowd": "1"},
        {"iscrowd": True},
        {"ignore": 1},
    ],
)
def test_a_crowd_is_an_ignore_region(read, fields):
    [photo] = read([{"image_id": 1, "category_id": 1, "bbox": [0, 0, 9, 9], **fields}]).images
    assert (photo.boxes[0].iscrowd, photo.boxes[0].corners) == (True, (0, 0, 9, 9))


def test_a_box_of_an_image_that_is_not_listed_has_a_note(read):
    content = read([{"image_id": 2, "category_id": 1, "bbox": [0, 0, 9, 9]}])
    [photo] = content.images
    assert photo.boxes == []
    assert content.notes == [
        Note("boxes.json", 1, "dropped", "box of image 2, which `images` does not list")
    ]


def test_size_and_group_are_read_where_given(read):
    content = read(
        [],
        [
            {"id": 1, "file_name": "a.jpg", "width": 60, "height": "40", "group": 12},
            {"id": 2, "file_name": "b.jpg"},
        ],
    )
    assert [(photo.size, photo.group) for photo in content.images] == [
        ((60, 40), "12"),
        (None, None),
    ]


@pytest.mark.parametrize(
    "place, file",
    [
        ("a.jpg", "boxes.json"),
        ("images/a.jpg", "boxes.json"),
        ("images/a.jpg", "annotations/boxes.json"),
        ("train2017/a.jpg", "annotations/instances_train2017.json"),
        ("images/val/a.jpg", "annotations/val.json"),
    ],
)
def test_images_are_found_where_exporters_put_them(read, tmp_path, place, file):
    (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / place).touch()
    [photo] = read([], file=file).images
    assert photo.path == tmp_path / place


def test_windows_folders_are_found(read, tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "a.jpg").touch()
    [photo] = read([], [{"id": 1, "file_name": "x\\a.jpg"}]).images
    assert (photo.path, photo.file_name) == (tmp_path / "x" / "a.jpg", "x/a.jpg")


def test_an_annotation_of_a_mask_alone_is_dropped_with_a_row(read):
    [photo] = read(
        [{"image_id": 1, "category_id": 1, "segmentation": {"counts": "PPYo0", "size": [9, 9]}}]
    ).images
    assert photo.boxes == []
    assert photo.notes == [
        Note("a.jpg", 1, "dropped", "has no bbox and no polygon; wanted one of them")
    ]


def test_the_parts_of_a_roboflow_export_are_read_as_one(read, tmp_path):
    for part in ("train", "valid"):
        read(
            [{"image_id": 1, "category_id": 1, "bbox": [1, 1, 5, 5]}],
            file=f"{part}/_annotations.coco.json",
        )
        (tmp_path / part / "a.jpg").touch()
    content = box_formats.read(tmp_path)
    assert (content.format, content.notes) == ("coco", [])
    assert [(photo.file_name, len(photo.boxes)) for photo in content.images] == [
        ("train/a.jpg", 1),
        ("valid/a.jpg", 1),
    ]
