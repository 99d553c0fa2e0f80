"""What a person said of clusters, as specimens, and what is not taken of it."""
import json
import subprocess

import label_reviewed
import pytest

from conftest import command
from entoflow import coco
from entoflow.identification import gallery
from entoflow.images import image_id
from entoflow.task import InputError
from small_gallery import ask, direction, lay_out

HEADER = "cluster,image,label,nearest_known,distance,verdict,id\n"
IMAGES = {f"{name}.jpg": direction(1, n, 0) for n, name in enumerate("abcde")}  # their ids are 7, 8, ...


@pytest.fixture
def label(tmp_path):
    """Return a function that writes tables of reviews and returns ({image: label} of the new specimens, rows of the audit)."""
    asked = ask(tmp_path, IMAGES)[:3]

    def _label(*tables, more=()):
        paths = [tmp_path / f"review_{n}.csv" for n in range(len(tables))]
        for path, table in zip(paths, tables):
            path.write_text(HEADER + table)
        label_reviewed.main(["--reviewed", *map(str, paths), *asked, *more, f"--dataset={tmp_path}/new.json", f"--audit={tmp_path}/audit.json"])
        return {image["file_name"]: image["label"] for image in coco.read(tmp_path / "new.json")["images"]}, json.loads((tmp_path / "audit.json").read_text())
    return _label


def test_names_become_labels_and_the_rest_of_an_image_stays(label, tmp_path, capsys):
    found, rows = label("1,,bee,,,,\n1,a.jpg,,,,,7\n1,b.jpg,wasp,,,,8\n2,c.jpg,,,,,9\n")
    assert found == {"a.jpg": "bee", "b.jpg": "wasp"} and rows == []
    dataset = coco.read(tmp_path / "new.json")
    assert dataset["info"]["role"] == "specimens" and dataset["images"][0]["group"] == "a.jpg" and dataset["images"][0]["id"] == 7
    assert capsys.readouterr().out == "2 images of 2 classes named by a person, 0 not taken (each in audit.json)\n"


def test_specimens_of_cropped_images_are_cropped_ones(label, tmp_path):
    for half in (0, 1):
        coco.write(tmp_path / f"{half}.json", {**coco.read(tmp_path / f"{half}.json"), "info": {"role": "unlabelled", "cropped_by": "abc"}})
    label("1,a.jpg,bee,,,,7\n")
    assert coco.read(tmp_path / "new.json")["info"]["cropped_by"] == "abc"


def test_what_two_reviewers_say_differently_is_left_out_with_both_rows(label):
    found, rows = label("1,a.jpg,bee,,,,7\n1,b.jpg,bee,,,,8\n", "1,a.jpg,wasp,,,,7\n1,b.jpg,bee,,,,8\n")
    assert found == {"b.jpg": "bee"}
    assert [(row["image"], row["action"], row["reason"]) for row in rows] == [
        ("a.jpg", "left out", "review_0.csv, row 2 says 'bee', review_1.csv, row 2 'wasp'")]


def test_rejected_and_open_images_are_no_specimens_and_have_a_row(label):
    found, rows = label("1,,bee,,,,\n1,a.jpg,reject,,,,7\n1,b.jpg,?,,,,8\n1,c.jpg,,,,,9\n")
    assert found == {"c.jpg": "bee"}
    assert [(row["image"], row["action"]) for row in rows] == [("a.jpg", "rejected"), ("b.jpg", "left open")]


def test_a_label_that_the_specimens_or_the_gallery_contradict_is_left_out(label, tmp_path):
    coco.write(tmp_path / "s.json", {"info": {"role": "specimens", "source": "mine.csv"}, "images": [
        {"id": 7, "label": "ant"}, {"id": 8, "label": "bee"}], "annotations": [], "categories": []})
    folder = lay_out(tmp_path / "shared")
    held = gallery.read(folder)
    held.enrol(held.embeddings()[:1], [{"image": "old.jpg", "label": "fly", "group": "x", "sha256": f"{9:013x}" + "0" * 51}], held.embedder, "ada",
               "2026-11-05T10:00:00+00:00", "more.csv")
    assert image_id(f"{9:013x}") == 9
    table = "1,,bee,,,,\n1,a.jpg,,,,,7\n1,b.jpg,,,,,8\n1,c.jpg,,,,,9\n1,d.jpg,,,,,10\n"
    found, rows = label(table, more=["--specimens", f"{tmp_path}/s.json", f"--gallery={folder}"])
    assert found == {"b.jpg": "bee", "d.jpg": "bee"}
    assert [row["reason"] for row in rows] == ["review_0.csv, row 3 says 'bee', mine.csv 'ant'", "review_0.csv, row 5 says 'bee', the gallery 'fly'"]


def test_an_image_that_is_not_there_has_a_row(label):
    found, rows = label("1,a.jpg,bee,,,,7\n1,z.jpg,bee,,,,99\n")
    assert found == {"a.jpg": "bee"} and [(row["image"], row["reason"]) for row in rows] == [("z.jpg", "is no image of --unlabelled (review_0.csv, row 3)")]


def test_a_review_of_other_photos_is_told(label):
    with pytest.raises(InputError, match="review_0.csv: names no image of --unlabelled .the first is z.jpg.; wanted the photos"):
        label("1,z.jpg,bee,,,,99\n")


def test_a_review_that_says_nothing_gives_no_specimens(label):
    assert label("1,,,,,,\n1,a.jpg,,,,,7\n") == ({}, [])


def test_the_command_ends_with_status_2_and_one_sentence(tmp_path):
    done = subprocess.run([*command("label_reviewed"), *(f"--{name}={tmp_path}/{name}" for name in (
        "reviewed", "datasets", "dataset", "audit"))], capture_output=True, text=True)
    assert done.returncode == 2 and "datasets: cannot be read" in done.stderr and "Traceback" not in done.stderr
