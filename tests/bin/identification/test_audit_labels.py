"""The list and the page of labels to check."""

import csv
import json
import re
import subprocess

import audit_labels
import numpy as np
import pytest
from PIL import Image

from conftest import command
from entoflow import dataset, images
from entoflow.identification import embeddings
from pages import Reader

COMPARISON = {"chosen": {"vectors": "frozen", "head": "nearest"}, "classifiers": []}


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def audit(tmp_path):
    """Return a function that audits ten classes of three specimens and returns the rows.

    One image, 4.png, has a wrong label.
    """
    rng = np.random.default_rng(2)
    labels = [f"<b>class {n // 3}" for n in range(30)]
    centres = rng.normal(size=(10, 16))
    vectors = unit(np.array([centres[n // 3] + 0.2 * rng.normal(size=16) for n in range(30)]))
    labels[4] = labels[20]
    files = []
    members = []
    for n in range(30):
        sha256 = f"{n + 1:013x}" + "a" * 51
        Image.new("RGB", (40, 20), (8 * n, 0, 0)).save(tmp_path / f"{n}.png")
        files.append((tmp_path / f"{n}.png", sha256, ".png"))
        members.append(
            dataset.Image(
                images.image_id(sha256), f"{n}.png", label=labels[n], group=f"{n}.png", part="test"
            )
        )
    images.write_pack(tmp_path / "pack.zip", files)
    dataset.write(tmp_path / "s.json", dataset.Dataset(members))
    (tmp_path / "comparison.json").write_text(json.dumps(COMPARISON))

    def _audit(vectors=vectors):
        order = np.argsort([member.id for member in members])
        embeddings.write(
            tmp_path / "e.npz", [members[k].id for k in order], {"frozen": vectors[order]}
        )
        audit_labels.main(
            [
                f"--specimens={tmp_path}/s.json",
                f"--embeddings={tmp_path}/e.npz",
                f"--comparison={tmp_path}/comparison.json",
                f"--packs={tmp_path}/pack.zip",
                f"--table={tmp_path}/t.csv",
                f"--page={tmp_path}/p.html",
            ]
        )
        with (tmp_path / "t.csv").open(newline="") as file:
            return list(csv.DictReader(file))

    return _audit


def test_the_wrong_label_is_listed_with_the_class_it_is_more_similar_to(audit):
    rows = audit()
    doubts = [float(row["doubt"]) for row in rows]
    assert (rows[0]["image"], rows[0]["label"], rows[0]["suggested"]) == (
        "4.png",
        "<b>class 6",
        "<b>class 1",
    )
    assert doubts == sorted(doubts, reverse=True) and doubts[-1] >= 0.5
    assert {row["judged_by"] for row in rows} == {"frozen"} and len(rows) < 6


def test_the_page_shows_it_beside_both_classes_and_runs_nothing(audit, tmp_path):
    audit()
    html = (tmp_path / "p.html").read_text()
    page = Reader(html)
    assert (
        "<b>class 1" in page.text
        and not page.named("b")
        and not page.named("script")
        and not re.search(r"https?://", html)
    )
    first = html.split("<tbody>")[1].split("</tr>")[0]
    assert first.count("<img") == 1 + 3 + 2 and "4.png" in first


def test_vectors_by_which_most_labels_seem_wrong_check_nothing(audit, capsys):
    noise = np.random.default_rng(7).normal(size=(30, 16))
    assert audit(unit(noise)) == []
    printed = capsys.readouterr().out
    assert (
        printed.startswith("0 of 0 labels are doubtful: ")
        and " 30 labels could not be checked: " in printed
    )


def test_equal_input_gives_equal_bytes(audit, tmp_path):
    audit()
    first = (tmp_path / "t.csv").read_bytes(), (tmp_path / "p.html").read_bytes()
    audit()
    assert ((tmp_path / "t.csv").read_bytes(), (tmp_path / "p.html").read_bytes()) == first


def test_the_command_ends_with_status_2_and_one_sentence(tmp_path):
    names = ("specimens", "embeddings", "comparison", "packs", "table", "page")
    arguments = [f"--{name}={tmp_path}/{name}" for name in names]
    done = subprocess.run([*command("audit_labels"), *arguments], capture_output=True, text=True)
    assert (
        done.returncode == 2
        and "specimens: cannot be read" in done.stderr
        and "Traceback" not in done.stderr
    )
