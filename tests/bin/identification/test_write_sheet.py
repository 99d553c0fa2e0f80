"""The sheet of a few clusters beside a small gallery."""

import csv
import hashlib
import json
import re
import subprocess

import pytest
import write_sheet
from PIL import Image

from conftest import command
from entoflow import files, images
from entoflow.task import InputError
from small_gallery import GALLERY, lay_out

# image -> cluster, how typical; ids are 1, 2, ...
IMAGES = {
    "a.jpg": (1, 0.9),
    "b.jpg": (1, 0.95),
    "c.jpg": (2, 0.9),
    "=d.jpg": (2, 0.8),
    "e.jpg": (-1, 1),
    "f.jpg": (3, 0.7),
    "g.jpg": (3, 0.6),
}
NEAREST = [{"label": "bee", "likeness": 0.8}, {"label": "ant", "likeness": -0.1}]
GAINS = {2: 1.5, 3: 1.0, 1: 0.2}
RANKING = [
    {"cluster": cluster, "images": 2, "gain": gain, "nearest": NEAREST}
    for cluster, gain in GAINS.items()
]
COLUMNS = ("image", "cluster", "nearest_known", "distance", "verdict", "score", "typical", "id")


def key(number):
    return f"{number:013x}" + "0" * 51


@pytest.fixture
def write(tmp_path):
    """Return a function that writes the sheet, and returns review.csv and the page's data."""
    folder = lay_out(tmp_path / "shared")
    members = []
    for n, name in enumerate([*IMAGES, *GALLERY], 1):
        Image.new("RGB", (90, 60), (20 * n, 0, 0)).save(tmp_path / f"{n}.png")
        sha256 = hashlib.sha256(name.encode()).hexdigest() if name in GALLERY else key(n)
        members.append((tmp_path / f"{n}.png", sha256, ".png"))
    images.write_pack(tmp_path / "pack.zip", members)

    def _write(*more, keys=(1, 2, 3, 4, 5, 6, 7)):
        rows = []
        for (name, (cluster, typical)), image_id in zip(IMAGES.items(), keys):
            rows.append((name, cluster, "bee", 0.2, "unknown", 0.1, typical, image_id))
        files.write_csv(tmp_path / "clusters.csv", COLUMNS, rows)
        (tmp_path / "ranking.json").write_text(json.dumps(RANKING))
        write_sheet.main(
            [
                f"--clusters={tmp_path}/clusters.csv",
                f"--ranking={tmp_path}/ranking.json",
                f"--gallery={folder}",
                f"--packs={tmp_path}/pack.zip",
                f"--sheet={tmp_path}/sheet",
                *more,
            ]
        )
        data = re.search(r'id="data">(.*?)</script>', (tmp_path / "sheet/sheet.html").read_text())[
            1
        ]
        with (tmp_path / "sheet/review.csv").open(newline="") as file:
            return list(csv.DictReader(file)), json.loads(data)

    return _write


def images_of(rows):
    return [(row["cluster"], row["image"]) for row in rows]


def test_the_cluster_most_worth_naming_comes_first_and_its_most_typical_image(write):
    rows, data = write()
    assert images_of(rows) == [
        ("2", ""),
        ("2", "c.jpg"),
        ("2", "'=d.jpg"),
        ("3", ""),
        ("3", "f.jpg"),
        ("3", "g.jpg"),
        ("1", ""),
        ("1", "b.jpg"),
        ("1", "a.jpg"),
    ]
    assert {(row["nearest_known"], row["distance"], row["label"]) for row in rows} == {
        ("bee", "0.2000", "")
    }
    assert data["labels"] == ["ant", "bee", "wasp"] and data["images"][:2] == ["c.jpg", "=d.jpg"]
    nearest = data["clusters"][0]["nearest"]
    assert [known["similarity"] for known in nearest] == [0.8, 0] and len(
        nearest[0]["pictures"]
    ) == 1


def test_images_in_the_gallery_or_rejected_are_done(write, tmp_path):
    (tmp_path / "r.csv").write_text(
        "cluster,image,label,id\n3,,reject,\n3,f.jpg,,6\n3,g.jpg,bee,7\n"
    )
    in_gallery = images.image_id(hashlib.sha256(b"ant").hexdigest())
    rows, _ = write("--reviewed", f"{tmp_path}/r.csv", keys=(1, in_gallery, 3, 4, 5, 6, 7))
    assert images_of(rows) == [
        ("2", ""),
        ("2", "c.jpg"),
        ("2", "'=d.jpg"),
        ("3", ""),
        ("3", "g.jpg"),
        ("1", ""),
        ("1", "a.jpg"),
    ]


def test_of_more_images_than_fit_the_clusters_worth_most_are_taken(write, capsys):
    rows, _ = write("--sheet_images=3")
    assert {row["cluster"] for row in rows} == {"2"}
    assert (
        capsys.readouterr().out
        == "1 clusters of 2 images to name; 2 more clusters, worth less, are for the next round\n"
    )
    assert {row["cluster"] for row in write("--sheet_images=1")[0]} == {"2"}  # one at least
    with pytest.raises(InputError, match="--sheet_images is 0; wanted at least 1"):
        write("--sheet_images=0")


def test_one_image_in_two_folders_is_there_once(write):
    rows, _ = write(keys=(1, 1, 3, 4, 5, 6, 7))
    assert [row["image"] for row in rows if row["cluster"] == "1"] == ["", "a.jpg"]


def test_the_command_ends_with_status_2_and_one_sentence(tmp_path):
    names = ("clusters", "ranking", "gallery", "packs", "sheet")
    done = subprocess.run(
        [*command("write_sheet"), *(f"--{name}={tmp_path}" for name in names)],
        capture_output=True,
        text=True,
    )
    assert (
        done.returncode == 2
        and "has no gallery.json; wanted the folder of a gallery" in done.stderr
        and "Traceback" not in done.stderr
    )
