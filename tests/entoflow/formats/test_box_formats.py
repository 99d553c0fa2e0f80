import json
import random

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import box_writers
from entoflow.audit import Note
from entoflow.formats import box_formats
from entoflow.formats.box_placing import PlacedBox, place
from entoflow.sources import AnnotatedImage, SourceBox
from entoflow.task import InputError

PARTS_OF_A_PIXEL = ("coco", "voc", "yolo", "label_studio")
IGNORE_REGIONS = ("coco", "voc", "supervisely", "label_studio")
SEARCH = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@st.composite
def drawn_image(draw, whole_pixels, crowds):
    """Draw (size, boxes) of an image. No two boxes lie closer than a format can tell apart."""
    width = draw(st.integers(2, 5000))
    height = draw(st.integers(2, 5000))
    parts = 1 if whole_pixels else 200  # of a pixel

    def side(length):
        start = draw(st.integers(0, length * parts - 1))
        end = draw(st.integers(start + 1, length * parts))
        return start / parts, end / parts

    sides = [(side(width), side(height)) for _ in range(draw(st.integers(0, 4)))]
    boxes = []
    for (x1, x2), (y1, y2) in sides:
        label = draw(st.sampled_from(["Käfer, groß", "bug"]))
        boxes.append(SourceBox((x1, y1, x2, y2), label, draw(st.sampled_from(crowds))))
    return (width, height), list(dict.fromkeys(boxes))  # one given twice is taken once


def write_and_read(name, folder, drawn):
    """Write images in a format.

    Return the boxes read and the notes on each, placed in the upright images.
    """
    images = [
        AnnotatedImage(f"szene {k % 2}/bild {k}.jpg", size, boxes)
        for k, (size, boxes) in enumerate(drawn)
    ]
    box_writers.touch_images(box_writers.write(name, folder, images), images)
    content = box_formats.read(folder)
    assert content.format == name
    by_name = {"/".join(image.file_name.split("/")[-2:]): image for image in content.images}
    assert by_name.keys() == {image.file_name for image in images}
    return [place(by_name[image.file_name], *image.size, 1) for image in images]


def assert_same_boxes(placed, boxes, tolerance):
    left = [PlacedBox(box.corners, box.label, box.iscrowd) for box in boxes]
    assert len(placed) == len(left)
    for box in placed:
        candidates = [
            other for other in left if (other.label, other.iscrowd) == (box.label, box.iscrowd)
        ]
        nearest = min(candidates, key=lambda other: largest_difference(other.corners, box.corners))
        assert largest_difference(nearest.corners, box.corners) <= tolerance
        left.remove(nearest)


def largest_difference(a, b):
    return max(abs(x - y) for x, y in zip(a, b))


@pytest.mark.parametrize("name", PARTS_OF_A_PIXEL)
@SEARCH
@given(data=st.data())
def test_what_is_written_is_read_to_a_thousandth_of_a_pixel(name, tmp_path_factory, data):
    crowds = [False, True] if name in IGNORE_REGIONS else [False]
    drawn = data.draw(
        st.lists(drawn_image(False, crowds), min_size=1, max_size=3).filter(has_a_box)
    )
    results = write_and_read(name, tmp_path_factory.mktemp(name), drawn)
    for (_, boxes), (placed, notes) in zip(drawn, results):
        assert notes == []
        assert_same_boxes(placed, boxes, 1e-3)


@pytest.mark.parametrize("name", box_writers.WRITERS)
@SEARCH
@given(data=st.data())
def test_boxes_of_whole_pixels_down_to_one_survive_every_format(name, tmp_path_factory, data):
    crowds = [False, True] if name in IGNORE_REGIONS else [False]
    drawn = data.draw(st.lists(drawn_image(True, crowds), min_size=1, max_size=3).filter(has_a_box))
    results = write_and_read(name, tmp_path_factory.mktemp(name), drawn)
    for (_, boxes), (placed, notes) in zip(drawn, results):
        assert notes == []
        assert_same_boxes(placed, boxes, 0 if name == "supervisely" else 1e-3)


def has_a_box(drawn):
    return any(boxes for _, boxes in drawn)


def test_supervisely_takes_every_pixel_that_a_box_touches(tmp_path):
    [(placed, _)] = write_and_read(
        "supervisely", tmp_path, [((60, 40), [SourceBox((10.2, 5.0, 19.6, 14.1), "bug")])]
    )
    assert placed == [PlacedBox((10, 5, 20, 15), "bug", False)]


@pytest.mark.parametrize(
    "name, content, sentence",
    [
        ("a.txt", "", "a.txt: is empty; wanted COCO json"),
        ("a.txt", "hello\n", "row 1: is 'hello'; wanted the path of an image"),
        (
            "a.json",
            "[1, 2]",
            "is JSON, but neither COCO nor a Label Studio export; wanted COCO json",
        ),
        (
            "a.json",
            '{"images": []}',
            "has no list `annotations`; wanted COCO with images, annotations and categories",
        ),
        ("a.json", '{"annotations": []}', "has no list `images`; wanted COCO"),
        (
            "a.json",
            '{"images": [{"id": 1, "file_name": "a"}, {"id": "1", "file_name": "b"}], '
            '"annotations": []}',
            "entries 1 and 2 of `images` have the id 1 for a and b; wanted an id for each",
        ),
        (
            "a.json",
            '{"images": [], "annotations": [], '
            '"categories": [{"id": 2, "name": "a"}, {"id": 2.0, "name": "b"}]}',
            "entries 1 and 2 of `categories` have the id 2.0 for a and b",
        ),
        (
            "a.json",
            '{"images": [3], "annotations": []}',
            "entry 1 of `images` is 3; wanted an object",
        ),
        (
            "a.json",
            '{"images": [{"id": 1}], "annotations": []}',
            "entry 1 of `images` has no id or no file_name",
        ),
        ("a.json", '[{"data": {"text": "x"}}]', "task 1 names no image in `data`"),
        ("a.json", '[{"data": {"image": "a.jpg"}}, 3]', "task 2 has no `data`"),
        ("a.json", '{"images": [', "row 1: is not JSON"),
        ("a.yaml", "a: 1\n", "is YAML without names, train and val"),
        ("a.yaml", "a: [1\n", "row 2: is not YAML"),
        (
            "a.yaml",
            "names: bug\ntrain: a\n",
            "names is 'bug'; wanted a list of class names, or number: name",
        ),
        (
            "a.yaml",
            "names: [bug]\ntrain: nowhere\n",
            "train is 'nowhere', which is not there; wanted a folder or a list",
        ),
        (
            "a.xml",
            '<!DOCTYPE x [<!ENTITY a "b">]><annotation>&a;</annotation>',
            "has a DOCTYPE; wanted a plain Pascal VOC",
        ),
        (
            "a.jpg",
            b"\xff\xd8\xff\xe0\0\x10JFIF",
            "a.jpg: is no text .an archive, a spreadsheet, a picture, a video",
        ),
        ("a.zip", b"PK\x03\x04\x14\0\0\0", "a.zip: is no text .an archive"),
        (
            "a.mp4",
            b"\0\0\0\x20ftypisom",
            "a.mp4: is no text .*; wanted text saved as UTF-8, or a folder",
        ),
        (
            "a.json",
            '[{"image": "a.jpg", "label": []}]',
            "a Label Studio export .its JSON, not JSON-MIN or CSV",
        ),
    ],
)
def test_a_file_of_no_known_format_is_told_with_what_was_found_and_wanted(
    tmp_path, name, content, sentence
):
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=sentence):
        box_formats.read(tmp_path / name)


def test_a_folder_without_boxes_and_an_absent_source_are_told(tmp_path):
    (tmp_path / "a.jpg").touch()
    with pytest.raises(
        InputError,
        match="holds 1 images and no boxes in a known format; wanted COCO json, a Pascal VOC",
    ):
        box_formats.read(tmp_path)
    with pytest.raises(
        InputError,
        match=r"none: cannot be read \(No such file or directory\); wanted a file or folder",
    ):
        box_formats.read(tmp_path / "none")


def test_two_coco_files_in_a_folder_are_told_by_name(tmp_path):
    for name in ("a.json", "b.json"):
        (tmp_path / name).write_text('{"images": [], "annotations": []}')
    with pytest.raises(
        InputError, match="holds a.json, b.json; wanted one JSON file of boxes: name the file"
    ):
        box_formats.read(tmp_path)


def test_a_label_studio_export_next_to_a_coco_file_is_told_by_name(tmp_path):
    (tmp_path / "a.json").write_text('{"images": [], "annotations": []}')
    (tmp_path / "b.json").write_text(
        '[{"data": {"image": "a.jpg"}, "annotations": [{"result": []}]}]'
    )
    with pytest.raises(
        InputError, match="holds a.json, b.json; wanted one JSON file of boxes: name the file"
    ):
        box_formats.read(tmp_path)


def test_an_image_that_no_annotation_mentions_is_left_out_with_a_note(tmp_path):
    (tmp_path / "a.json").write_text(
        '{"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": []}'
    )
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).touch()
    content = box_formats.read(tmp_path)
    assert [image.file_name for image in content.images] == ["a.jpg"]
    assert content.notes == [
        Note("b.jpg", None, "left out", "no annotation mentions it: not known to be empty")
    ]


def test_two_records_of_one_image_are_joined_and_equal_boxes_taken_once(tmp_path):
    listed = [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "./a.jpg"}]
    boxes = [{"image_id": image, "bbox": [x, x, 1, 1]} for image, x in ((1, 0), (2, 0), (2, 5))]
    (tmp_path / "a.json").write_text(json.dumps({"images": listed, "annotations": boxes}))
    (tmp_path / "a.jpg").touch()
    [image] = box_formats.read(tmp_path / "a.json").images
    assert [box.corners for box in image.boxes] == [(0, 0, 1, 1), (5, 5, 6, 6)]
    reason = "is annotated twice: 1 boxes added to the first record's"
    assert image.notes == [Note("a.jpg", 2, "joined", reason)]


VALUES = [
    None,
    True,
    -1,
    0,
    3.5,
    10**400,
    float("nan"),
    "",
    "x",
    "//[",
    "a.jpg",
    [],
    [1],
    [[1]],
    {},
    {"a": 1},
    [None, "d"],
]


def spoiled(value, rng, depth=0):
    """Return a copy of a JSON value with one part of it replaced by something else."""
    if depth and (not isinstance(value, (dict, list)) or not value or rng.random() < 0.15):
        return rng.choice(VALUES)
    key = rng.choice(list(value)) if isinstance(value, dict) else rng.randrange(len(value))
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[key] = spoiled(copy[key], rng, depth + 1)
    return copy


@pytest.mark.parametrize(
    "name, file",
    [
        ("coco", "annotations.json"),
        ("label_studio", "tasks.json"),
        ("yolo", "data.yaml"),
        ("supervisely", "dataset/ann/a.jpg.json"),
        ("supervisely", "meta.json"),
    ],
)
def test_a_wrong_value_anywhere_is_told_or_noted_and_never_a_traceback(tmp_path, name, file):
    boxes = [SourceBox((1, 1, 5, 5), "bug"), SourceBox((2, 2, 6, 6), "fly")]
    images = [AnnotatedImage("a.jpg", (20, 10), boxes)]
    box_writers.touch_images(box_writers.write(name, tmp_path, images), images)
    content = yaml.safe_load((tmp_path / file).read_text())
    rng = random.Random(3)
    for _ in range(300):
        wrong = spoiled(content, rng)
        (tmp_path / file).write_text(yaml.safe_dump(wrong) if name == "yolo" else json.dumps(wrong))
        try:
            for image in box_formats.read(tmp_path).images:
                assert all(len(box.corners) == 4 for box in image.boxes)
                place(image, 20, 10, 6)
        except InputError as error:
            assert str(error)
