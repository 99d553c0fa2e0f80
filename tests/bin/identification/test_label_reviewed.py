"""A person's review of clusters, as specimens, and what is not taken of it."""

import json
import subprocess

import label_reviewed
import pytest

from conftest import command
from entoflow import dataset
from entoflow.dataset import Dataset, Image
from entoflow.identification import gallery
from entoflow.images import image_id
from entoflow.task import InputError
from small_gallery import ask, direction, lay_out

HEADER = "cluster,image,label,nearest_known,distance,verdict,id\n"
# Their ids are 7, 8 ...
IMAGES = {f"{name}.jpg": direction(1, n, 0) for n, name in enumerate("abcde")}


@pytest.fixture
def label(tmp_path):
    """Return a function that reviews by tables: ({image: label} of the specimens, audit rows)."""
    datasets = ask(tmp_path, IMAGES)[:3]

    def _label(*tables, more=()):
        paths = [tmp_path / f"review_{n}.csv" for n in range(len(tables))]
        for path, table in zip(paths, tables):
            path.write_text(HEADER + table)
        outputs = [f"--dataset={tmp_path}/new.json", f"--audit={tmp_path}/audit.json"]
        label_reviewed.main(["--reviewed", *map(str, paths), *datasets, *more, *outputs])
        images = dataset.read(tmp_path / "new.json").images
        rows = json.loads((tmp_path / "audit.json").read_text())
        return {image.file_name: image.label for image in images}, rows

    return _label


def test_names_become_labels_and_the_rest_of_an_image_stays(label, tmp_path, capsys):
    labels, rows = label("1,,bee,,,,\n1,a.jpg,,,,,7\n1,b.jpg,wasp,,,,8\n2,c.jpg,,,,,9\n")
    assert labels == {"a.jpg": "bee", "b.jpg": "wasp"}
    assert rows == []
    specimens = dataset.read(tmp_path / "new.json")
    assert (specimens.role, specimens.source) == ("specimens", "review_0.csv")
    assert (specimens.images[0].group, specimens.images[0].id) == ("a.jpg", 7)
    sentence = "2 images of 2 classes named by a person, 0 not taken (each in audit.json)\n"
    assert capsys.readouterr().out == sentence


def test_specimens_of_cropped_images_are_cropped_ones(label, tmp_path):
    for half in (0, 1):
        images = dataset.read(tmp_path / f"{half}.json").images
        cropped = Dataset(images, role="unlabelled", cropped_by="abc")
        dataset.write(tmp_path / f"{half}.json", cropped)
    label("1,a.jpg,bee,,,,7\n")
    assert dataset.read(tmp_path / "new.json").cropped_by == "abc"


def test_an_image_that_two_reviewers_name_differently_is_left_out_with_both_rows(label):
    one = "1,a.jpg,bee,,,,7\n1,b.jpg,bee,,,,8\n"
    other = "1,a.jpg,wasp,,,,7\n1,b.jpg,bee,,,,8\n"
    labels, rows = label(one, other)
    assert labels == {"b.jpg": "bee"}
    reason = "review_0.csv, row 2 says 'bee', review_1.csv, row 2 'wasp'"
    assert [(row["image"], row["action"], row["reason"]) for row in rows] == [
        ("a.jpg", "left out", reason)
    ]
    assert (rows[0]["source"], rows[0]["stage"]) == ("review_0.csv and review_1.csv", "review")


def test_rejected_and_open_images_are_no_specimens_and_have_a_row(label):
    labels, rows = label("1,,bee,,,,\n1,a.jpg,reject,,,,7\n1,b.jpg,?,,,,8\n1,c.jpg,,,,,9\n")
    assert labels == {"c.jpg": "bee"}
    actions = [(row["image"], row["action"]) for row in rows]
    assert actions == [("a.jpg", "rejected"), ("b.jpg", "left open")]


def test_a_label_that_the_specimens_or_the_gallery_contradict_is_left_out(label, tmp_path):
    labelled = [Image(id=7, file_name="", label="ant"), Image(id=8, file_name="", label="bee")]
    specimens = Dataset(labelled, role="specimens", source="mine.csv")
    dataset.write(tmp_path / "s.json", specimens)
    folder = lay_out(tmp_path / "shared")
    opened = gallery.read(folder)
    sha256 = f"{9:013x}" + "0" * 51
    assert image_id(sha256) == 9
    fly = Image(id=9, file_name="old.jpg", label="fly", group="x", sha256=sha256)
    at = "2026-11-05T10:00:00+00:00"
    opened.enrol(opened.embeddings()[:1], [fly], opened.embedder, "ada", at, "more.csv")
    table = "1,,bee,,,,\n1,a.jpg,,,,,7\n1,b.jpg,,,,,8\n1,c.jpg,,,,,9\n1,d.jpg,,,,,10\n"
    more = ["--specimens", f"{tmp_path}/s.json", f"--gallery={folder}"]
    labels, rows = label(table, more=more)
    assert labels == {"b.jpg": "bee", "d.jpg": "bee"}
    assert [row["reason"] for row in rows] == [
        "review_0.csv, row 3 says 'bee', mine.csv 'ant'",
        "review_0.csv, row 5 says 'bee', the gallery 'fly'",
    ]


def test_an_image_that_is_not_there_has_a_row(label):
    labels, rows = label("1,a.jpg,bee,,,,7\n1,z.jpg,bee,,,,99\n")
    assert labels == {"a.jpg": "bee"}
    reason = "is no image of --unlabelled (review_0.csv, row 3)"
    assert [(row["image"], row["reason"]) for row in rows] == [("z.jpg", reason)]


def test_a_review_of_other_photos_is_refused(label):
    sentence = r"review_0.csv: names no image of --unlabelled \(the first is z.jpg\); wanted the"
    with pytest.raises(InputError, match=sentence):
        label("1,z.jpg,bee,,,,99\n")


def test_a_review_without_labels_gives_no_specimens(label):
    assert label("1,,,,,,\n1,a.jpg,,,,,7\n") == ({}, [])


def test_the_command_ends_with_status_2_and_one_sentence(tmp_path):
    names = ("reviewed", "datasets", "dataset", "audit")
    options = [f"--{name}={tmp_path}/{name}" for name in names]
    done = subprocess.run([*command("label_reviewed"), *options], capture_output=True, text=True)
    assert done.returncode == 2
    assert "datasets: cannot be read" in done.stderr
    assert "Traceback" not in done.stderr
