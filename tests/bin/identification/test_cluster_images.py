"""Images clustered by hand-placed vectors beside a gallery of three."""
import csv
import json
import subprocess

import cluster_images
import pytest

from conftest import command
from entoflow.task import InputError
from small_gallery import ask, direction, lay_out

# Two like bees, three of no class (the opposite of ants, the known class they are least unlike being the wasp), one alone.
IMAGES = {"bee 1.jpg": direction(0, 1, 0.05), "bee 2.jpg": direction(0.05, 1, 0), "new 1.jpg": direction(-1, 0, 0.1), "new 2.jpg": direction(-1, 0.05, 0),
          "new 3.jpg": direction(-1, 0, 0.2), "alone.jpg": direction(1, 0, -1)}


@pytest.fixture
def cluster(tmp_path):
    folder = lay_out(tmp_path / "shared")

    def _cluster(vectors):
        cluster_images.main([*ask(tmp_path, vectors), f"--gallery={folder}", f"--clusters={tmp_path}/clusters.csv", f"--ranking={tmp_path}/ranking.json"])
        with (tmp_path / "clusters.csv").open(newline="", encoding="utf-8") as handle:
            return list(csv.DictReader(handle)), json.loads((tmp_path / "ranking.json").read_text())
    return _cluster


def test_images_near_each_other_are_one_cluster_with_the_columns_of_the_contract(cluster):
    rows, _ = cluster(IMAGES)
    assert list(rows[0])[:4] == ["image", "cluster", "nearest_known", "distance"]
    assert {row["image"]: int(row["cluster"]) for row in rows} == {
        "new 1.jpg": 1, "new 2.jpg": 1, "new 3.jpg": 1, "bee 1.jpg": 2, "bee 2.jpg": 2, "alone.jpg": -1}
    assert [row["image"] for row in rows] == sorted(IMAGES)
    of = {row["image"]: row for row in rows}
    assert of["bee 1.jpg"]["nearest_known"] == of["bee 2.jpg"]["nearest_known"] == "bee" and of["bee 1.jpg"]["distance"] == of["bee 2.jpg"]["distance"]
    assert of["bee 1.jpg"]["verdict"] == "known" and of["new 1.jpg"]["verdict"] == "reject" and of["alone.jpg"]["nearest_known"] == "ant"
    assert float(of["bee 1.jpg"]["distance"]) < float(of["new 1.jpg"]["distance"]) and float(of["alone.jpg"]["typical"]) == 1


def test_the_cluster_that_no_name_fits_is_most_worth_naming(cluster):
    _, ranking = cluster(IMAGES)
    assert [(entry["cluster"], entry["images"]) for entry in ranking] == [(1, 3), (2, 2)]
    assert ranking[0]["gain"] > ranking[1]["gain"] >= 0
    doubt = 1 / (1 + 2.718281828 ** 2)  # of "same": how likely an image is of another class than its cluster
    assert ranking[0]["gain"] == pytest.approx(3 * (1 - doubt) / (1 + 3 * doubt), abs=0.02)  # scores of strangers are near 0
    assert [near["label"] for near in ranking[1]["nearest"]][0] == "bee" and len(ranking[1]["nearest"]) == 3


def test_the_order_of_the_images_changes_nothing(cluster):
    (rows, ranking), (turned, again) = cluster(IMAGES), cluster(dict(reversed(IMAGES.items())))
    assert [{**row, "id": ""} for row in rows] == [{**row, "id": ""} for row in turned] and ranking == again


def test_images_that_are_all_alone_are_no_clusters(cluster, capsys):
    rows, ranking = cluster({"a.jpg": direction(1, 0, 0), "b.jpg": direction(0, 1, 0)})
    assert [row["cluster"] for row in rows] == ["-1", "-1"] and ranking == []
    assert "0 clusters of 0 images, 2 images alone" in capsys.readouterr().out


def test_an_embedder_of_an_older_version_is_told(cluster, tmp_path):
    path = tmp_path / "shared/embedder/model.json"
    facts = json.loads(path.read_text())
    del facts["clustering"]
    path.write_text(json.dumps(facts))
    with pytest.raises(InputError, match="shared: its embedder says of no way to cluster; wanted"):
        cluster(IMAGES)


def test_the_command_ends_with_status_2_and_one_sentence(tmp_path):
    done = subprocess.run([*command("cluster_images"), *(f"--{name}={tmp_path}/{name}" for name in (
        "datasets", "embeddings", "gallery", "clusters", "ranking"))], capture_output=True, text=True)
    assert done.returncode == 2 and "gallery/embedder: holds no model" in done.stderr and "Traceback" not in done.stderr
