import hashlib
import subprocess
import sys

import numpy as np
import pytest

import edit_gallery
from conftest import ROOT
from entoflow.dataset import Image
from entoflow.identification import gallery
from entoflow.task import InputError


@pytest.fixture
def folder(tmp_path):
    """The folder of a gallery of four images of three classes."""
    images = []
    for n, label in enumerate(["ant", "bee", "bee", "wasp"]):
        sha256 = hashlib.sha256(bytes([n])).hexdigest()
        images.append(Image(id=n, file_name=f"{n}.jpg", label=label, sha256=sha256))
    opened = gallery.create(tmp_path / "shared", "model 1", 4)
    at = "2026-11-05T10:00:00+00:00"
    opened.enrol(np.eye(4), images, "model 1", "ada", at, "labels.csv")
    return opened.folder


@pytest.fixture
def run(folder, capsys):
    """Return a function that edits the gallery and returns what is printed."""

    def _run(*options):
        edit_gallery.main([str(folder), "--by", "bob", *options])
        return capsys.readouterr().out

    return _run


@pytest.mark.parametrize(
    "options, line, classes",
    [
        (
            ["--remove", "bee"],
            "removed class 'bee' (2 images); 2 images in 2 classes.\n",
            {"ant": 1, "wasp": 1},
        ),
        (
            ["--remove_image", "1.jpg"],
            "removed 1 image: '1.jpg'; 3 images in 3 classes.\n",
            {"ant": 1, "bee": 1, "wasp": 1},
        ),
        (
            ["--rename", "bee", "Biene"],
            "renamed 'bee' to 'Biene' (2 images); 4 images in 3 classes.\n",
            {"Biene": 2, "ant": 1, "wasp": 1},
        ),
        (
            ["--merge", "ant", "bee", "--into", "hymenoptera"],
            "merged 'ant', 'bee' into 'hymenoptera' (3 images); 4 images in 2 classes.\n",
            {"hymenoptera": 3, "wasp": 1},
        ),
        (
            ["--merge", "ant", "wasp", "--into", "wasp"],
            "merged 'ant', 'wasp' into 'wasp' (2 images); 4 images in 2 classes.\n",
            {"bee": 2, "wasp": 2},
        ),
        (
            ["--undo"],
            "undid revision 1: enrolled 4 images from labels.csv (0 skipped); "
            "0 images in 0 classes.\n",
            {},
        ),
    ],
)
def test_a_change_is_made_printed_in_a_line_and_logged_with_who(
    run, folder, options, line, classes
):
    assert run(*options) == line
    opened = gallery.read(folder)
    assert opened.classes == classes
    assert opened.revisions[-1].by == "bob"


def test_classes_are_listed_with_their_counts(run):
    assert run("--list") == "ant\t1\nbee\t2\nwasp\t1\n4 images in 3 classes.\n"


def test_the_history_says_who_did_what_and_what_was_undone(run):
    run("--rename", "bee", "fly")
    run("--undo")
    lines = [line.split("\t") for line in run("--history").splitlines()]
    enrolment = "enrolled 4 images from labels.csv (0 skipped)"
    assert lines[0] == ["1", "2026-11-05T10:00:00+00:00", "ada", enrolment]
    assert [(number, who, what) for number, _, who, what in lines[1:3]] == [
        ("2", "bob", "renamed 'bee' to 'fly' (2 images) (undone)"),
        ("3", "bob", "undid revision 2"),
    ]
    assert lines[3:] == [["4 images in 3 classes."]]


def test_verifying_counts_the_files_and_finds_a_changed_one(run, folder):
    assert run("--verify") == "2 files are as they were written; 4 images in 3 classes.\n"
    path = folder / "specimens_0001.csv"
    path.write_text(path.read_text().replace("wasp", "bees"))
    sentence = "specimens_0001.csv: has SHA-256 [0-9a-f]+; wanted [0-9a-f]+, as when it was written"
    with pytest.raises(InputError, match=sentence):
        run("--verify")


@pytest.mark.parametrize(
    "options, sentence",
    [
        (
            ["--merge", "ant", "bee"],
            "--merge was given alone; wanted --merge LABEL... --into NEW",
        ),
        (
            ["--undo", "--into", "bee"],
            "--into was given alone; wanted --merge LABEL... --into NEW",
        ),
        (
            ["--remove", "beee"],
            "shared: has no class 'beee'; wanted one of its 3 classes, such as 'bee'",
        ),
        (["--remove", ""], "shared: was given an empty label"),
        (
            ["--remove_image", ""],
            "shared: has no image ; wanted one that is in the gallery",
        ),
    ],
)
def test_what_cannot_be_done_is_an_error(run, options, sentence):
    with pytest.raises(InputError, match=sentence):
        run(*options)


def test_without_a_name_the_login_name_is_logged(folder, monkeypatch):
    monkeypatch.setenv("LOGNAME", "eve")
    edit_gallery.main([str(folder), "--undo"])
    assert gallery.read(folder).revisions[-1].by == "eve"


@pytest.mark.parametrize(
    "options, message",
    [
        (
            ["--rename", "ant", "bee"],
            "shared: has a class 'bee' already; wanted a label that is free, "
            "or to merge the two.\n",
        ),
        (["--list", "--undo"], "argument --undo: not allowed with argument --list\n"),
    ],
)
def test_the_command_ends_with_status_2_and_one_sentence(folder, options, message):
    words = [sys.executable, ROOT / "bin/edit_gallery.py", folder, *options]
    done = subprocess.run(words, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith(message)
    assert "Traceback" not in done.stderr


def test_help_imports_no_numpy():
    code = "import sys, edit_gallery\nedit_gallery.parser()\nsys.exit('numpy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT / "bin", check=True)
