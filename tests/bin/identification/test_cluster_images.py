"""Images clustered by hand-placed vectors beside a gallery of three."""

import csv
import json
import subprocess

import cluster_images
import numpy as np
import pytest

from conftest import command
from entoflow.task import InputError
from small_gallery import ask, direction, lay_out

# Two like bees, three of no class (the opposite of ants, the known class they are least unlike
# being the wasp), and one alone.
IMAGES = {
    "bee 1.jpg": direction(0, 1, 0.05),
    "bee 2.jpg": direction(0.05, 1, 0),
    "new 1.jpg": direction(-1, 0, 0.1),
    "new 2.jpg": direction(-1, 0.05, 0),
    "new 3.jpg": direction(-1, 0, 0.2),
    "alone.jpg": direction(1, 0, -1),
}


@pytest.fixture
def cluster(tmp_path):
    """Return a function that clusters {image: vector}: (rows of clusters.csv, the ranking)."""
    folder = lay_out(tmp_path / "shared")

    def _cluster(vectors):
        options = [
            f"--gallery={folder}",
            f"--clusters={tmp_path}/clusters.csv",
            f"--ranking={tmp_path}/ranking.json",
        ]
        cluster_images.main([*ask(tmp_path, vectors), *options])
        with (tmp_path / "clusters.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        return rows, json.loads((tmp_path / "ranking.json").read_text())

    return _cluster


def test_images_near_each_other_are_one_cluster_with_the_columns_of_the_contract(cluster):
    rows, _ = cluster(IMAGES)
    assert list(rows[0])[:4] == ["image", "cluster", "nearest_known", "distance"]
    assert [row["image"] for row in rows] == sorted(IMAGES)
    row_of = {row["image"]: row for row in rows}
    assert {image: int(row["cluster"]) for image, row in row_of.items()} == {
        "new 1.jpg": 1,
        "new 2.jpg": 1,
        "new 3.jpg": 1,
        "bee 1.jpg": 2,
        "bee 2.jpg": 2,
        "alone.jpg": -1,
    }
    bee = row_of["bee 1.jpg"]
    assert bee["nearest_known"] == row_of["bee 2.jpg"]["nearest_known"] == "bee"
    assert bee["distance"] == row_of["bee 2.jpg"]["distance"]
    assert float(bee["distance"]) < float(row_of["new 1.jpg"]["distance"])
    assert bee["verdict"] == "known"
    assert row_of["new 1.jpg"]["verdict"] == "reject"
    assert row_of["alone.jpg"]["nearest_known"] == "ant"
    assert float(row_of["alone.jpg"]["typical"]) == 1


def test_the_cluster_that_no_name_fits_is_most_worth_naming(cluster):
    _, ranking = cluster(IMAGES)
    assert [(entry["cluster"], entry["images"]) for entry in ranking] == [(1, 3), (2, 2)]
    assert ranking[0]["gain"] > ranking[1]["gain"] >= 0
    p_other = 1 / (1 + np.exp(2))  # by "same": that an image is of another class than its cluster
    gain = 3 * (1 - p_other) / (1 + 3 * p_other)  # scores of images of no class are near 0
    assert ranking[0]["gain"] == pytest.approx(gain, abs=0.02)
    assert ranking[1]["nearest"][0]["label"] == "bee"
    assert len(ranking[1]["nearest"]) == 3


def test_the_order_of_the_images_changes_nothing(cluster):
    rows, ranking = cluster(IMAGES)
    turned_rows, turned_ranking = cluster(dict(reversed(IMAGES.items())))
    for row in (*rows, *turned_rows):
        row["id"] = ""
    assert rows == turned_rows
    assert ranking == turned_ranking


def test_images_that_are_all_alone_are_no_clusters(cluster, capsys):
    rows, ranking = cluster({"a.jpg": direction(1, 0, 0), "b.jpg": direction(0, 1, 0)})
    assert [row["cluster"] for row in rows] == ["-1", "-1"]
    assert ranking == []
    assert "0 clusters of 0 images, 2 images alone" in capsys.readouterr().out


def test_an_embedder_that_says_nothing_of_clustering_is_refused(cluster, tmp_path):
    path = tmp_path / "shared/embedder/model.json"
    facts = json.loads(path.read_text())
    del facts["clustering"]
    path.write_text(json.dumps(facts))
    with pytest.raises(InputError, match="shared: its embedder says of no way to cluster; wanted"):
        cluster(IMAGES)


def test_the_command_ends_with_status_2_and_one_sentence(tmp_path):
    names = ("datasets", "embeddings", "gallery", "clusters", "ranking")
    options = [f"--{name}={tmp_path}/{name}" for name in names]
    done = subprocess.run([*command("cluster_images"), *options], capture_output=True, text=True)
    assert done.returncode == 2
    assert "gallery/embedder: holds no model" in done.stderr
    assert "Traceback" not in done.stderr
