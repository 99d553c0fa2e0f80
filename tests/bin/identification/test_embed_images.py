"""Vectors of the images of two packs, by test networks, by their colours and by their pixels."""

import hashlib
import json
import subprocess
from dataclasses import replace

import embed_images
import numpy as np
import pytest
from PIL import Image

from conftest import command
from entoflow import images, model_folder
from entoflow.identification import embedder as embedders
from entoflow.identification import embeddings
from entoflow.task import InputError
from small_gallery import FACTS

torch = pytest.importorskip("torch")
pytest.importorskip("timm")
from entoflow.identification.pretrained import new_embedder  # noqa: E402
from entoflow.identification.projection import Projection  # noqa: E402

RED = (255, 0, 0)
BLUE = (0, 0, 255)
RED_AND_BLUE = np.array([[RED] * 4, [RED] * 4, [RED] * 4, [BLUE] * 4], np.uint8)  # 12 and 4 pixels
GREY = np.full((8, 8, 3), 90, np.uint8)

pytestmark = pytest.mark.usefixtures("one_thread")


def write_model(folder, embedder, kind="embedder"):
    folder.mkdir(parents=True)
    facts = replace(FACTS, name=folder.name, kind=kind, input=embedders.save(embedder, folder))
    model_folder.write(folder, facts)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """The folder of the embedders resnet and vit, and of two packs."""
    folder = tmp_path_factory.mktemp("world")
    rng = np.random.default_rng(1)
    write_model(folder / "resnet", new_embedder("test_resnet", 32))
    write_model(folder / "vit", new_embedder("test_vit", 64))
    noise = [rng.integers(0, 256, (20, 30, 3), np.uint8) for _ in range(3)]
    for name, pictures in {"a": [RED_AND_BLUE, GREY], "b": noise}.items():
        members = []
        for number, pixels in enumerate(pictures):
            path = folder / f"{name}{number}.png"
            Image.fromarray(pixels).save(path)
            sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
            members.append((path, sha256, ".png"))
        images.write_pack(folder / f"{name}.zip", members)
    return folder


@pytest.fixture
def embed(world, tmp_path):
    """Return a function that embeds the images and returns {name: {image id: vector}}."""

    def _embed(*options, models=("resnet", "vit"), packs=("a", "b")):
        folders = [str(world / name) for name in models]
        paths = [f"{world}/{name}.zip" for name in packs]
        output = f"--embeddings={tmp_path}/e.npz"
        embed_images.main(["--models", *folders, "--packs", *paths, output, *options])
        ids, vectors = embeddings.read([tmp_path / "e.npz"])
        return {name: dict(zip(ids.tolist(), rows)) for name, rows in vectors.items()}

    return _embed


def id_of(world, name):
    sha256 = hashlib.sha256((world / f"{name}.png").read_bytes()).hexdigest()
    return images.image_id(sha256)


def test_every_image_of_the_packs_has_a_vector_by_each_model(embed, world, monkeypatch, capsys):
    monkeypatch.setattr(embed_images, "READ_AT_ONCE", 2)
    vectors = embed()
    progress = ["2 of 5 images", "4 of 5 images", "5 of 5 images"]
    assert capsys.readouterr().out.splitlines() == progress
    assert set(vectors) == {"resnet", "vit"}
    pack = images.Pack([world / "a.zip", world / "b.zip"])
    ids = sorted(id_of(world, image) for image in ("a0", "a1", "b0", "b1", "b2"))
    for name, vector_of in vectors.items():
        assert sorted(vector_of) == ids
        embedder = embedders.load(world / name, model_folder.read(world / name))
        for image_id, vector in vector_of.items():
            alone = embedder.embed([pack.read(image_id)])[0]
            np.testing.assert_allclose(vector, alone, atol=1e-5)


@pytest.fixture(scope="module")
def twins(world):
    """The names of embedders with the network of resnet, and of a stranger with another one.

    again has no projection; projected and projected_refit have two different ones.
    """
    embedder = new_embedder("test_resnet", 32)
    write_model(world / "again", embedder)
    for seed, name in enumerate(("projected", "projected_refit"), 1):
        torch.manual_seed(seed)
        projection = Projection(embedder.dimension)
        torch.nn.init.normal_(projection.move.weight, std=0.1)
        write_model(world / name, replace(embedder, projection=projection))
    write_model(world / "stranger", new_embedder("test_resnet", 32, seed=2))
    return ("resnet", "again", "projected", "projected_refit", "stranger")


def test_embedders_of_one_network_let_it_see_each_image_once(embed, twins, monkeypatch):
    n_seen = []
    run = embedders.Embedder.run

    def counted_run(embedder, x):
        n_seen.append(len(x))
        return run(embedder, x)

    monkeypatch.setattr(embedders.Embedder, "run", counted_run)
    vectors = embed(models=twins)
    assert sum(n_seen) == 2 * 5  # two networks, five images
    monkeypatch.undo()
    for name in twins:
        for image_id, vector in embed(models=[name])[name].items():
            assert np.array_equal(vector, vectors[name][image_id]), name
    first = {name: tuple(next(iter(vectors[name].values()))) for name in twins}
    assert first["resnet"] == first["again"]
    assert len(set(first.values())) == 4


@pytest.mark.parametrize(
    "change",
    [
        {"image_size": 64},
        {"mean": (0.4, 0.5, 0.5)},
        {"std": (0.4, 0.5, 0.5)},
        {"backbone": "test_vit"},
        {},
    ],
)
def test_networks_are_the_same_only_with_the_same_input_and_weights(change):
    one = new_embedder("test_resnet", 32)
    other = replace(new_embedder("test_resnet", 32), **change)
    assert embedders.same_network(one, other) == (not change)
    with torch.no_grad():
        next(other.network.parameters())[0, 0, 0, 0] += 1e-6
    assert not embedders.same_network(one, other)


def test_equal_input_gives_equal_bytes(embed, tmp_path):
    embed("--baselines=true")
    first = (tmp_path / "e.npz").read_bytes()
    embed("--baselines=true")
    assert (tmp_path / "e.npz").read_bytes() == first


def test_colours_are_the_roots_of_the_shares_of_pixels_by_hue_saturation_and_value(embed, world):
    vectors = embed("--baselines=true")["colours"]
    wanted = np.zeros((8, 8, 8))
    wanted[0, 7, 7] = np.sqrt(12 / 16)
    wanted[120 * 8 // 180, 7, 7] = np.sqrt(4 / 16)  # OpenCV's hue of blue is 240 / 2
    np.testing.assert_allclose(vectors[id_of(world, "a0")], wanted.ravel(), atol=1e-6)
    grey = np.zeros((8, 8, 8))
    grey[0, 0, 90 // 32] = 1
    np.testing.assert_allclose(vectors[id_of(world, "a1")], grey.ravel(), atol=1e-6)


def test_pixels_are_the_image_at_32_pixels_less_its_mean_and_zeros_where_it_is_plain(embed, world):
    vectors = embed("--baselines=true")["pixels"]
    assert vectors[id_of(world, "a1")].tolist() == [0] * 3072
    image = images.Pack([world / "b.zip"]).read(id_of(world, "b0"))
    pixels = embedders.pad_to_square(image, 32).astype(float).ravel()
    pixels -= pixels.mean()
    wanted = pixels / np.sqrt((pixels**2).sum())
    np.testing.assert_allclose(vectors[id_of(world, "b0")], wanted, atol=1e-5)


def test_baselines_are_there_when_they_are_wanted_alone(embed):
    assert set(embed()) == {"resnet", "vit"}
    assert set(embed("--baselines=true")) == {"resnet", "vit", "colours", "pixels"}


def test_a_detectors_folder_is_refused(embed, world, tmp_path):
    if not (world / "finder").exists():
        write_model(world / "finder", new_embedder("test_resnet", 32), kind="detector")
    with pytest.raises(InputError, match="finder: is a model of kind detector; wanted an embedder"):
        embed(models=["resnet", "finder"])
    assert not (tmp_path / "e.npz").exists()


def test_a_file_that_is_no_pack_is_refused(embed, world):
    (world / "text.zip").write_text("hello")
    with pytest.raises(InputError, match="text.zip: is no pack of images"):
        embed(packs=["a", "text"])


@pytest.mark.parametrize("name", ["resnet", "colours", "image_id"])
def test_a_model_whose_name_is_taken_is_refused(embed, world, name):
    if not (world / "other" / name).exists():
        write_model(world / "other" / name, new_embedder("test_resnet", 32, seed=2))
    with pytest.raises(InputError, match=f"--models: the name {name} is taken; wanted folders"):
        embed("--baselines=true", models=["resnet", f"other/{name}"])


def test_the_command_ends_with_status_2_and_one_sentence(world, tmp_path):
    options = [
        f"--models={tmp_path}/nowhere",
        f"--packs={world}/a.zip",
        f"--embeddings={tmp_path}/e.npz",
    ]
    done = subprocess.run([*command("embed_images"), *options], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert "nowhere: holds no model" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_input_of_an_embedder_is_read_from_its_folder(world):
    content = json.loads((world / "vit/model.json").read_text())
    embedder = embed_images.load_embedder(world / "vit")
    assert embedder.image_size == content["input"]["image_size"] == 64
