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
from entoflow import coco, images
from entoflow.identification import embeddings

LADDER = {"chosen": {"vectors": "frozen", "head": "nearest"}, "ladder": [{"vectors": "frozen", "head": "nearest", "top1": {"value": 0.5}}]}


@pytest.fixture
def audited(tmp_path):
    """Return the rows of the list for ten classes of three, of which one image, 4.png, has a wrong label."""
    rng = np.random.default_rng(2)
    labels = [f"<b>class {n // 3}" for n in range(30)]
    middle = rng.normal(size=(10, 16))
    vectors = np.array([middle[n // 3] + 0.2 * rng.normal(size=16) for n in range(30)])
    labels[4] = labels[20]
    files = []
    for n in range(30):
        Image.new("RGB", (40, 20), (8 * n, 0, 0)).save(tmp_path / f"{n}.png")
        files.append((tmp_path / f"{n}.png", f"{n + 1:013x}" + "a" * 51, ".png"))
    images.write_pack(tmp_path / "pack.zip", files)
    members = [{"id": images.image_id(sha256), "file_name": path.name, "label": label, "group": path.name, "part": "test"}
               for (path, sha256, _), label in zip(files, labels)]
    coco.write(tmp_path / "s.json", {"info": {}, "images": members, "annotations": [], "categories": []})
    own = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    order = np.argsort([image["id"] for image in members])
    embeddings.write(tmp_path / "e.npz", [members[k]["id"] for k in order], {"frozen": own[order]})
    (tmp_path / "ladder.json").write_text(json.dumps(LADDER))
    audit_labels.main([f"--specimens={tmp_path}/s.json", f"--embeddings={tmp_path}/e.npz", f"--ladder={tmp_path}/ladder.json", f"--packs={tmp_path}/pack.zip",
                       f"--table={tmp_path}/t.csv", f"--page={tmp_path}/p.html"])
    with (tmp_path / "t.csv").open(newline="") as handle:
        return list(csv.DictReader(handle))


def test_the_wrong_label_is_listed_with_the_class_it_is_more_like(audited):
    assert audited[0]["image"] == "4.png" and audited[0]["label"] == "<b>class 6" and audited[0]["suggested"] == "<b>class 1"
    assert [float(row["doubt"]) for row in audited] == sorted((float(row["doubt"]) for row in audited), reverse=True) and float(audited[-1]["doubt"]) >= 0.5
    assert {row["judged_by"] for row in audited} == {"frozen"} and len(audited) < 6


def test_the_page_shows_it_beside_both_classes_and_runs_nothing(audited, tmp_path):
    html = (tmp_path / "p.html").read_text()
    assert "&lt;b&gt;class 1" in html and "<b>class" not in html and "<script" not in html and not re.search(r"https?://", html)
    first = html.split("<tbody>")[1].split("</tr>")[0]
    assert first.count("<img") == 1 + 3 + 2 and "4.png" in first


def test_vectors_by_which_most_labels_seem_wrong_judge_nothing(audited, tmp_path, capsys):
    file = embeddings.read([tmp_path / "e.npz"])
    noise = np.random.default_rng(7).normal(size=(30, 16)).astype(np.float32)
    embeddings.write(tmp_path / "e.npz", file[0], {"frozen": noise / np.linalg.norm(noise, axis=1, keepdims=True)})
    capsys.readouterr()
    audit_labels.main([f"--specimens={tmp_path}/s.json", f"--embeddings={tmp_path}/e.npz", f"--ladder={tmp_path}/ladder.json", f"--packs={tmp_path}/pack.zip",
                       f"--table={tmp_path}/t.csv", f"--page={tmp_path}/p.html"])
    assert (tmp_path / "t.csv").read_text().splitlines()[1:] == []
    assert capsys.readouterr().out.startswith("0 of 0 labels are doubtful: other specimens say another class. Nothing is said of 30: ")


def test_the_command_ends_with_status_2_and_one_sentence(tmp_path):
    done = subprocess.run([*command("audit_labels"), *(f"--{name}={tmp_path}/{name}" for name in (
        "specimens", "embeddings", "ladder", "packs", "table", "page"))], capture_output=True, text=True)
    assert done.returncode == 2 and "specimens: cannot be read" in done.stderr and "Traceback" not in done.stderr
