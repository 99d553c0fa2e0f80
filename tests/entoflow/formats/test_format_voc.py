import pytest

from entoflow.formats import box_formats
from entoflow.sources import SourceBox

OBJECT = "<object><name>{0}</name><difficult>{1}</difficult><bndbox>{2}</bndbox></object>"


def bndbox(*corners):
    return "".join(
        f"<{name}>{value}</{name}>"
        for name, value in zip(("xmin", "ymin", "xmax", "ymax"), corners)
    )


def annotation(
    *objects, filename="a.jpg", size="<size><width>60</width><height>40</height></size>"
):
    return f"<annotation><filename>{filename}</filename>{size}{''.join(objects)}</annotation>"


@pytest.fixture
def folder(tmp_path):
    def _folder(files):
        for name, content in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(content.encode("utf-8"))
        return tmp_path

    return _folder


def test_corners_count_from_one_and_lie_inside_the_box(folder):
    root = folder(
        {
            "Annotations/a.xml": annotation(OBJECT.format("bug", 0, bndbox(1, 1, 60, 40))),
            "JPEGImages/a.jpg": "",
        }
    )
    content = box_formats.read(root)
    [photo] = content.images
    assert (content.format, photo.file_name, photo.size) == ("voc", "JPEGImages/a.jpg", (60, 40))
    assert photo.boxes == [SourceBox((0, 0, 60, 40), "bug", False, 1)]


def test_a_difficult_object_is_an_ignore_region(folder):
    root = folder({"a.xml": annotation(OBJECT.format("bug", 1, bndbox(1, 1, 6, 4))), "a.jpg": ""})
    assert box_formats.read(root).images[0].boxes[0].iscrowd


@pytest.mark.parametrize(
    "corners, expected", [((5, 5, 5, 5), (4, 4, 4, 4)), ((5, 5, 5, 9), (4, 4, 4, 9))]
)
def test_equal_corners_make_no_pixel(folder, corners, expected):
    root = folder({"a.xml": annotation(OBJECT.format("bug", 0, bndbox(*corners))), "a.jpg": ""})
    assert box_formats.read(root).images[0].boxes[0].corners == expected


@pytest.mark.parametrize(
    "xml, image",
    [
        ("a.xml", "a.jpg"),
        ("Annotations/a.xml", "JPEGImages/a.png"),
        ("xml/scene/a.xml", "pictures/scene/a.jpg"),
        ("VOC/Annotations/b.xml", "VOC/JPEGImages/a.jpg"),
        ("Annotations/Käfer 1.xml", "Bilder/Käfer 1.jpg"),
    ],
)
def test_the_image_is_found_by_stem_or_by_the_name_inside(folder, xml, image):
    root = folder({xml: annotation(), image: ""})
    assert [photo.file_name for photo in box_formats.read(root).images] == [image]


def test_of_two_images_of_a_name_the_nearest_is_taken(folder):
    root = folder(
        {
            f"{part}/{name}": annotation() if name.endswith("xml") else ""
            for part in ("test", "train")
            for name in ("xml/a.xml", "img/a.jpg")
        }
    )
    assert [photo.file_name for photo in box_formats.read(root).images] == [
        "test/img/a.jpg",
        "train/img/a.jpg",
    ]


def test_a_list_of_stems_takes_those_and_no_others(folder):
    root = folder(
        {
            **{f"Annotations/{k}.xml": annotation(filename=f"{k}.jpg") for k in "abc"},
            **{f"JPEGImages/{k}.jpg": "" for k in "abc"},
            "ImageSets/Main/train.txt": "a\r\nb  1\n\n",
        }
    )
    content = box_formats.read(root / "ImageSets" / "Main" / "train.txt")
    assert (content.format, content.notes) == ("voc", [])
    assert [photo.file_name for photo in content.images] == ["JPEGImages/a.jpg", "JPEGImages/b.jpg"]


def test_a_listed_image_without_an_annotation_has_a_problem(folder):
    root = folder(
        {
            "Annotations/a.xml": annotation(),
            "JPEGImages/a.jpg": "",
            "JPEGImages/b.jpg": "",
            "lists/x.txt": "a\nb\n",
        }
    )
    [_, photo] = box_formats.read(root / "lists" / "x.txt").images
    assert (photo.file_name, photo.problem) == (
        "JPEGImages/b.jpg",
        "its annotation b.xml cannot be read (No such file or directory)",
    )


def test_broken_xml_is_a_problem_of_its_image_and_other_xml_is_passed_over(folder):
    root = folder(
        {
            "a.xml": "<annotation><object>",
            "a.jpg": "",
            "b.xml": annotation(),
            "b.jpg": "",
            "c.xml": "<other/>",
        }
    )
    content = box_formats.read(root)
    [broken, fine] = content.images
    assert broken.file_name == "a.jpg"
    assert broken.problem.startswith("its annotation a.xml cannot be read (no element found")
    assert (fine.file_name, fine.problem, content.notes) == ("b.jpg", None, [])


def test_corners_that_are_no_numbers_are_kept_as_such(folder):
    root = folder(
        {"a.xml": annotation(OBJECT.format("bug", 0, bndbox("nan", 1, "six", 4))), "a.jpg": ""}
    )
    x1, y1, x2, y2 = box_formats.read(root).images[0].boxes[0].corners
    assert (x1 != x1, y1, x2 != x2, y2) == (True, 0, True, 4)


def test_an_encoding_of_an_unknown_name_is_a_problem_of_its_image(folder):
    root = folder(
        {
            "a.xml": '<?xml version="1.0" encoding="utf-99"?><annotation/>',
            "a.jpg": "",
            "b.xml": annotation(),
            "b.jpg": "",
        }
    )
    broken, fine = box_formats.read(root).images
    assert broken.problem.startswith("its annotation a.xml cannot be read (unknown encoding")
    assert (fine.file_name, fine.problem) == ("b.jpg", None)
