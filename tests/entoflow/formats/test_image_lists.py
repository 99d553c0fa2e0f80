import unicodedata

import pytest

from entoflow.audit import Note
from entoflow.formats.image_lists import read_images, read_labelled
from entoflow.sources import find_images
from entoflow.task import InputError


@pytest.fixture
def folder(tmp_path):
    def _folder(*files, table=None):
        for name in files:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
        if table:
            (tmp_path / "labels.csv").write_text(table, encoding="utf-8")
        return tmp_path / "labels.csv" if table else tmp_path

    return _folder


def test_a_table_gives_label_group_and_count_and_its_paths_start_at_it(folder, tmp_path):
    table = folder("x/a.jpg", table="image,label,group,count\nx/a.jpg,bug,tree 1,3\nb.jpg,fly,,\n")
    content = read_labelled(table)
    photos = content.images
    assert [(p.file_name, p.label, p.group, p.count, p.row) for p in photos] == [
        ("x/a.jpg", "bug", "tree 1", 3, 2),
        ("b.jpg", "fly", None, None, 3),
    ]
    assert (content.format, photos[0].path, content.notes) == (
        "table",
        tmp_path / "x" / "a.jpg",
        [],
    )


def test_a_folder_per_class_gives_its_name_as_label(folder):
    content = read_labelled(
        folder(
            "bug/a.jpg",
            "bug/2024/b.png",
            "Große Fliege/c.jpg",
            "d.jpg",
            "bug/.hidden.jpg",
            "bug/x.txt",
        )
    )
    photos = content.images
    assert [(p.file_name, p.label) for p in photos] == [
        ("Große Fliege/c.jpg", "Große Fliege"),
        ("bug/2024/b.png", "bug"),
        ("bug/a.jpg", "bug"),
    ]
    assert content.format == "folders"
    assert content.notes == [
        Note("d.jpg", None, "left out", "lies in no class folder, so it has no label")
    ]


def test_a_name_is_found_in_either_unicode_form_and_with_windows_folders(folder, tmp_path):
    stored = unicodedata.normalize("NFD", "Käfer.jpg")
    table = folder(stored, "x/a.jpg", table="image,label\nK\u00e4fer.jpg,bug\nx\\a.jpg,bug\n")
    assert [p.path for p in read_labelled(table).images] == [
        tmp_path / stored,
        tmp_path / "x" / "a.jpg",
    ]


def test_an_image_with_two_labels_is_an_error_that_names_both_rows(folder):
    table = folder(table="image,label\na.jpg,bug\nb.jpg,bug\n./a.jpg,fly\n")
    with pytest.raises(
        InputError,
        match=r"labels.csv, rows 2 and 4: ./a.jpg is labelled 'bug' and 'fly'; wanted one label",
    ):
        read_labelled(table)


def test_an_image_given_twice_with_one_label_is_taken_once(folder):
    content = read_labelled(folder(table="image,label\na.jpg,bug\na.jpg,bug\n"))
    photos = content.images
    assert [p.row for p in photos] == [2]
    assert content.notes == [Note("a.jpg", 3, "dropped", "row 2 gives the same image")]


def test_a_folder_without_class_folders_is_told(folder):
    with pytest.raises(
        InputError, match="holds 1 images and none in a folder below; wanted a folder per class"
    ):
        read_labelled(folder("a.jpg"))


def test_images_come_from_a_folder_a_table_or_one_file(folder, tmp_path):
    table = folder("x/b.jpg", "a.PNG", table="file;group\nx/b.jpg;night 1\n")
    assert [p.file_name for p in read_images(tmp_path).images] == ["a.PNG", "x/b.jpg"]
    assert [(p.file_name, p.group) for p in read_images(table).images] == [("x/b.jpg", "night 1")]
    assert [p.file_name for p in read_images(tmp_path / "a.PNG").images] == ["a.PNG"]


def test_a_folder_that_cannot_be_read_is_told(tmp_path):
    with pytest.raises(
        InputError, match=r"none: cannot be read \(No such .*\); wanted a folder of images"
    ):
        find_images(tmp_path / "none")


def test_a_link_back_up_is_not_followed_for_ever(folder, tmp_path):
    root = folder("x/a.jpg")
    (root / "x" / "up").symlink_to(root)
    assert [p.file_name for p in read_images(root).images] == ["x/a.jpg"]
