"""The map of a small gallery and some images."""

import base64
import json
import re
import subprocess

import numpy as np
import pytest
import write_map

from conftest import command
from entoflow.task import InputError
from small_gallery import ask, direction, lay_out

IMAGES = {
    f"{n:02}.jpg": direction(*np.random.default_rng(n).normal(size=3)) for n in range(12)
}  # their ids are 7, 8, ...


@pytest.fixture
def draw(tmp_path):
    folder = lay_out(tmp_path / "shared")

    def _draw(vectors, *more):
        queries = ask(tmp_path, vectors) if vectors else []
        write_map.main([f"--gallery={folder}", *queries, f"--map={tmp_path}/map.html", *more])
        data = json.loads(
            re.search(r'id="data">(.*?)</script>', (tmp_path / "map.html").read_text())[1]
        )
        return data, {column["name"]: column for column in data["columns"]}

    return _draw


def names(column):
    codes = np.frombuffer(base64.b64decode(column["codes"]), "<u4")
    known = [*column["names"], None]
    return [known[code] for code in codes]


def test_the_gallery_and_the_images_are_on_the_map_with_the_columns_of_the_tables(draw, tmp_path):
    (tmp_path / "clusters.csv").write_text(
        "image,cluster,verdict,id\n00.jpg,4,unknown,7\n01.jpg,-1,known,8\n"
    )
    data, columns = draw(IMAGES, "--tables", f"{tmp_path}/clusters.csv")
    assert columns["image"]["values"] == ["ant.jpg", "bee.jpg", "wasp.jpg", *IMAGES]
    assert (
        names(columns["label"]) == ["ant", "bee", "wasp", *[None] * 12]
        and names(columns["part"]) == ["gallery"] * 3 + ["unlabelled"] * 12
    )
    assert names(columns["cluster"])[3:6] == ["4", "-1", None] and names(columns["verdict"])[
        3:5
    ] == ["unknown", "known"]
    assert data["colourings"] == ["label", "cluster", "verdict", "part"]
    points = np.frombuffer(base64.b64decode(data["points"])).reshape(-1, 2)
    assert len(np.unique(points, axis=0)) == 15 and np.isfinite(points).all()


def test_errors_of_test_specimens_are_a_colouring(draw, tmp_path):
    import hashlib

    from entoflow.images import image_id
    from small_gallery import GALLERY

    ids = [image_id(hashlib.sha256(label.encode()).hexdigest()) for label in GALLERY]
    rows = ["image,label,part,named,score,verdict,right,id"]
    for label, right, key in zip(GALLERY, ("yes", "no", ""), ids):
        rows.append(f"x,{label},test,ant,0.5,known,{right},{key}")
    (tmp_path / "predictions.csv").write_text("\n".join([*rows, ""]))
    data, columns = draw({}, "--tables", f"{tmp_path}/predictions.csv")
    assert (
        names(columns["error"]) == ["named right", "named wrong", None]
        and names(columns["part"]) == ["test"] * 3
    )
    assert data["colourings"] == [
        "label",
        "named",
        "verdict",
        "error",
        "part",
        "score",
    ] and columns["image"]["values"] == ["ant.jpg", "bee.jpg", "wasp.jpg"]


def test_similar_images_are_near_each_other():
    rng = np.random.default_rng(1)
    labels = np.repeat(np.arange(8), 20)
    vectors = rng.normal(size=(8, 24))[labels] + 0.3 * rng.normal(size=(160, 24))
    points = write_map.layout(vectors.astype(np.float32), 1)
    distances = np.linalg.norm(points[:, None] - points[None], axis=2) + np.eye(160) * 1e9
    assert (labels[distances.argmin(axis=1)] == labels).all()
    assert (write_map.layout(vectors.astype(np.float32), 1) == points).all()


@pytest.mark.parametrize(
    "vectors", [np.zeros((0, 4)), np.ones((1, 4)), np.eye(4)[:2], np.ones((9, 4)), np.eye(4)[:3]]
)
def test_few_or_equal_vectors_have_a_place(vectors):
    points = write_map.layout(vectors.astype(np.float32), 1)
    assert points.shape == (len(vectors), 2) and np.isfinite(points).all()


def test_of_more_images_than_are_shown_some_are_drawn(draw):
    data, columns = draw(IMAGES, "--map_images=6")
    assert data["n"] == 6 and len(set(columns["image"]["values"])) == 6
    with pytest.raises(InputError, match="--map_images is 0; wanted at least 1"):
        draw(IMAGES, "--map_images=0")


def test_the_command_ends_with_status_2_and_one_sentence(tmp_path):
    done = subprocess.run(
        [*command("write_map"), f"--gallery={tmp_path}", f"--map={tmp_path}/map.html"],
        capture_output=True,
        text=True,
    )
    assert (
        done.returncode == 2
        and "has no gallery.json; wanted the folder of a gallery" in done.stderr
        and "Traceback" not in done.stderr
    )
