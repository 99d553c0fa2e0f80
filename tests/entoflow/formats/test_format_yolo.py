import pytest

from entoflow.audit import Note
from entoflow.formats import box_formats

BOX = "0 0.5 0.5 0.5 0.25\n"
POLYGON = "1 0.1 0.2 0.3 0.2 0.2 0.6 0.1 0.2\n"
CORNERS = [(0.25, 0.375, 0.75, 0.625), (0.1, 0.2, 0.3, 0.6)]


@pytest.fixture
def folder(tmp_path):
    def _folder(files):
        for name, content in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(content, encoding="utf-8")
        return tmp_path

    return _folder


def test_box_and_polygon_lines_mix_in_one_file(folder):
    root = folder(
        {"images/a.jpg": "", "labels/a.txt": BOX + POLYGON, "classes.txt": "Käfer\nbug\n"}
    )
    content = box_formats.read(root)
    [photo] = content.images
    assert (content.format, photo.file_name) == ("yolo", "images/a.jpg")
    assert [(box.corners, box.label, box.row, box.relative) for box in photo.boxes] == [
        (CORNERS[0], "Käfer", 1, True),
        (CORNERS[1], "bug", 2, True),
    ]


def test_an_empty_label_file_is_no_object_and_a_missing_one_has_a_note(folder):
    root = folder({"images/a.jpg": "", "images/b.jpg": "", "labels/a.txt": "\n"})
    [a, b] = box_formats.read(root).images
    assert (a.boxes, a.notes) == ([], [])
    assert not b.boxes
    assert b.notes == [
        Note(
            "images/b.jpg",
            None,
            "note",
            "has no label file b.txt: taken as an image without objects",
        )
    ]


def test_a_table_gives_groups_and_each_image_its_label_file(folder):
    table = "file;scene;group\nimages/a, b.jpg;1;night 1\nimages/c.jpg;1;\n"
    root = folder(
        {
            "images/a, b.jpg": "",
            "images/c.jpg": "",
            "labels/a, b.txt": BOX,
            "labels/c.txt": "",
            "classes.txt": "bug\n",
            "images.csv": table,
        }
    )
    content = box_formats.read(root / "images.csv")
    assert content.format == "yolo"
    rows = [(image.file_name, image.group, image.row, len(image.boxes)) for image in content.images]
    assert rows == [("images/a, b.jpg", "night 1", 2, 1), ("images/c.jpg", None, 3, 0)]


@pytest.mark.parametrize("source", ["", "images", "images/scene", "images/list.txt"])
@pytest.mark.parametrize("names", ["classes.txt", "labels/classes.txt"])
def test_scenes_are_found_from_the_root_the_images_one_scene_or_a_list(folder, source, names):
    root = folder(
        {
            "images/scene/a b.jpg": "",
            "labels/scene/a b.txt": BOX,
            "images/list.txt": "./scene/a b.jpg\r\n",
            names: "bug\n",
        }
    )
    [photo] = box_formats.read(root / source).images
    assert (photo.boxes[0].corners, photo.boxes[0].label) == (CORNERS[0], "bug")


@pytest.mark.parametrize(
    "files",
    [
        {"a.jpg": "", "a.txt": BOX},
        {"a.jpg": "", "labels/a.txt": BOX},
        {"train/images/a.jpg": "", "train/labels/a.txt": BOX},
        {"images/x/images/a.jpg": "", "images/x/labels/a.txt": BOX},
    ],
)
def test_labels_lie_beside_in_a_folder_below_or_in_the_twin_folder(folder, files):
    [photo] = box_formats.read(folder(files)).images
    assert [box.corners for box in photo.boxes] == CORNERS[:1]


@pytest.mark.parametrize(
    "data",
    [
        "path: .\ntrain: images/train\nval: images/val\nnames: {0: bug}\n",
        "train: ../images/train\nval: ../images/val\nnames: [bug]\n",
        "path: ..\ntrain: [images/train]\nval: lists/val.txt\nnames: [bug]\n",
        "path: /nowhere/to/be/found\n"
        "train: images/train\nval: images/val\ntest:\nnames:\n  '0': bug\n",
    ],
)
def test_a_data_file_names_folders_lists_and_classes_in_many_ways(folder, data):
    place = "yaml/data.yaml" if "path: .." in data else "data.yaml"
    root = folder(
        {
            **{f"images/{part}/{part}.jpg": "" for part in ("train", "val")},
            **{f"labels/{part}/{part}.txt": BOX for part in ("train", "val")},
            "lists/val.txt": "../images/val/val.jpg\n",
            place: data,
        }
    )
    content = box_formats.read(root / place)
    photos = content.images
    assert content.format == "yolo"
    assert sorted(photo.path.name for photo in photos) == ["train.jpg", "val.jpg"]
    assert {box.label for photo in photos for box in photo.boxes} == {"bug"}
    assert content.notes == [
        Note(
            "data.yaml",
            None,
            "note",
            "train, val and test are all taken; parts are made anew, by group",
        )
    ]


@pytest.mark.parametrize("line", ["0 0.5 0.5 0.5", "0 0.5 0.5 0.5 0.5 0.9", "0 1 2 3 4 5 6 7"])
def test_a_line_of_another_length_is_dropped_with_its_row(folder, line):
    [photo] = box_formats.read(folder({"images/a.jpg": "", "labels/a.txt": BOX + line})).images
    assert len(photo.boxes) == 1
    assert photo.notes == [
        Note(
            "images/a.jpg",
            2,
            "dropped",
            f"line of {len(line.split())} values; "
            "wanted class cx cy w h, or a class and 3 or more points",
        )
    ]


def test_a_label_file_of_bytes_is_a_problem_of_its_image(folder):
    root = folder({"images/a.jpg": "", "labels/a.txt": ""})
    (root / "labels" / "a.txt").write_bytes(b"\xff\x00\xfa")
    assert box_formats.read(root).images[0].problem == "its label file a.txt is not readable text"


@pytest.mark.parametrize("word", ["-1", "0.5", "bug", "nan", "inf"])
def test_a_class_that_is_no_number_of_one_is_dropped_with_its_row(folder, word):
    [photo] = box_formats.read(
        folder(
            {"images/a.jpg": "", "labels/a.txt": f"0.0 0.5 0.5 0.5 0.25\n{word} 0.5 0.5 0.5 0.25\n"}
        )
    ).images
    assert [box.label for box in photo.boxes] == ["0"]
    assert photo.notes == [
        Note("images/a.jpg", 2, "dropped", f"class is '{word}'; wanted a whole number from 0")
    ]


def test_a_class_beyond_the_names_is_kept_by_number_with_one_note(folder):
    root = folder(
        {
            "images/a.jpg": "",
            "labels/a.txt": "7 0.5 0.5 0.5 0.25\n7 0.5 0.5 0.5 0.5\n",
            "classes.txt": "bug\n",
        }
    )
    [photo] = box_formats.read(root).images
    assert [box.label for box in photo.boxes] == ["7", "7"]
    assert photo.notes == [Note("images/a.jpg", 1, "note", "class 7 has no name: taken as it is")]


@pytest.mark.parametrize("data", ["", "train: images\nval: images/list.txt\nnames: [bug]\n"])
def test_a_label_file_of_no_image_has_a_row(folder, data):
    files = {
        "images/a.jpg": "",
        "labels/a.txt": BOX,
        "labels/gone.txt": BOX,
        "labels/classes.txt": "bug\n",
        "images/list.txt": "a.jpg\n",
    }
    notes = box_formats.read(folder({**files, **({"data.yaml": data} if data else {})})).notes
    assert [note for note in notes if note.action != "note"] == [
        Note("labels/gone.txt", None, "left out", "label file of no image")
    ]


def test_a_test_part_that_is_not_there_is_a_note(folder):
    root = folder(
        {
            "images/a.jpg": "",
            "labels/a.txt": BOX,
            "data.yaml": "train: images\nval: images\ntest: ../test/images\nnames: [bug]\n",
        }
    )
    content = box_formats.read(root)
    [photo] = content.images
    assert content.notes[1:] == [
        Note("data.yaml", None, "note", "test is '../test/images', which is not there")
    ]
