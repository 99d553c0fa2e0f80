import hashlib
import json
import subprocess

import embed_images
import numpy as np
import pytest
from PIL import Image

from conftest import command
from entoflow import images, model_folder
from entoflow.identification import embedder, embeddings
from entoflow.task import InputError

torch = pytest.importorskip("torch")
pytest.importorskip("timm")
from entoflow.identification import projection  # noqa: E402

RED_AND_BLUE = np.repeat(np.array([[[255, 0, 0]], [[0, 0, 255]]], np.uint8), [3, 1], axis=0).repeat(4, axis=1)  # 12 and 4 pixels
GREY = np.full((8, 8, 3), 90, np.uint8)


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Model folders resnet and vit, and two packs."""
    folder, rng = tmp_path_factory.mktemp("world"), np.random.default_rng(1)
    for name, backbone, size in (("resnet", "test_resnet", 32), ("vit", "test_vit", 64)):
        write_model(folder / name, "embedder", embedder.new(backbone, size))
    pictures = {"a": [RED_AND_BLUE, GREY], "b": [rng.integers(0, 256, (20, 30, 3), np.uint8) for _ in range(3)]}
    for name, members in pictures.items():
        files = []
        for number, pixels in enumerate(members):
            path = folder / f"{name}{number}.png"
            Image.fromarray(pixels).save(path)
            files.append((path, hashlib.sha256(path.read_bytes()).hexdigest(), ".png"))
        images.write_pack(folder / f"{name}.zip", files)
    return folder


def write_model(folder, kind, made):
    folder.mkdir()
    facts = {"name": folder.name, "kind": kind, "classes": [], "input": embedder.save(made, folder), "threshold": 0.5, "metrics": {}, "metrics_of": "test"}
    model_folder.write(folder, facts, {"data": {}, "parameters": {}, "seed": 1}, "none")


@pytest.fixture
def embed(world, tmp_path):
    """Return a function that embeds and returns {name: {image id: vector}}."""
    def _embed(*options, models=("resnet", "vit"), packs=("a", "b")):
        embed_images.main(["--models", *(str(world / name) for name in models), "--packs", *(f"{world}/{name}.zip" for name in packs),
                           f"--embeddings={tmp_path}/found.npz", *options])
        ids, vectors = embeddings.read([tmp_path / "found.npz"])
        return {name: dict(zip(ids.tolist(), rows)) for name, rows in vectors.items()}
    return _embed


def id_of(world, name):
    return images.image_id(hashlib.sha256((world / f"{name}.png").read_bytes()).hexdigest())


def test_every_image_of_the_packs_has_a_vector_by_each_model(embed, world, monkeypatch, capsys):
    monkeypatch.setattr(embed_images, "READ_AT_ONCE", 2)
    found = embed()
    assert capsys.readouterr().out.splitlines() == ["2 of 5 images", "4 of 5 images", "5 of 5 images"]
    assert set(found) == {"resnet", "vit"}
    pack = images.Pack([world / "a.zip", world / "b.zip"])
    for name, rows in found.items():
        assert sorted(rows) == sorted(id_of(world, image) for image in ("a0", "a1", "b0", "b1", "b2"))
        made = embedder.load(world / name, model_folder.read(world / name))
        for image, vector in rows.items():
            np.testing.assert_allclose(vector, embedder.embed(made, [pack.read(image)])[0], atol=1e-5)


@pytest.fixture(scope="module")
def twins(world):
    """Model folders with the network of resnet: alone once more, and with two projections; and one of another network."""
    made = embedder.new("test_resnet", 32)
    write_model(world / "again", "embedder", made)
    for seed, name in enumerate(("projected", "projected_refit"), 1):
        torch.manual_seed(seed)
        own = projection.Projection(embedder.dimension(made["network"]))
        torch.nn.init.normal_(own.move.weight, std=0.1)
        write_model(world / name, "embedder", {**made, "projection": own})
    write_model(world / "stranger", "embedder", embedder.new("test_resnet", 32, seed=2))
    return ("resnet", "again", "projected", "projected_refit", "stranger")


def test_embedders_of_one_network_let_it_see_each_image_once(embed, world, twins, monkeypatch):
    seen, run = [], embedder.run
    monkeypatch.setattr(embedder, "run", lambda made, x: seen.append(len(x)) or run(made, x))
    found = embed(models=twins)
    assert sum(seen) == 2 * 5  # two networks, five images
    monkeypatch.undo()
    for name in twins:
        for image, vector in embed(models=[name])[name].items():
            assert np.array_equal(vector, found[name][image]), name
    first = {name: next(iter(found[name].values())).tolist() for name in twins}
    assert first["resnet"] == first["again"] and len({tuple(vector) for vector in first.values()}) == 4


@pytest.mark.parametrize("change", [{"image_size": 64}, {"mean": (0.4, 0.5, 0.5)}, {"std": (0.4, 0.5, 0.5)}, {"backbone": "test_vit"}, {}])
def test_networks_are_the_same_only_with_the_same_input_and_weights(change):
    one, other = embedder.new("test_resnet", 32), {**embedder.new("test_resnet", 32), **change}
    assert embedder.same_network(one, other) == (not change)
    if not change:
        with torch.no_grad():
            next(other["network"].parameters())[0, 0, 0, 0] += 1e-6
        assert not embedder.same_network(one, other)


def test_equal_input_gives_equal_bytes(embed, tmp_path):
    embed("--baselines=true")
    first = (tmp_path / "found.npz").read_bytes()
    embed("--baselines=true")
    assert (tmp_path / "found.npz").read_bytes() == first


def test_colours_are_the_roots_of_the_shares_of_pixels_by_hue_saturation_and_value(embed, world):
    vector = embed("--baselines=true")["colours"][id_of(world, "a0")]
    wanted = np.zeros((8, 8, 8))
    wanted[0, 7, 7], wanted[120 * 8 // 180, 7, 7] = np.sqrt(12 / 16), np.sqrt(4 / 16)  # OpenCV's hue of blue is 240 / 2
    np.testing.assert_allclose(vector, wanted.ravel(), atol=1e-6)
    grey = np.zeros((8, 8, 8))
    grey[0, 0, 90 // 32] = 1
    np.testing.assert_allclose(embed("--baselines=true")["colours"][id_of(world, "a1")], grey.ravel(), atol=1e-6)


def test_pixels_are_the_image_at_32_pixels_less_its_mean_and_zeros_where_it_is_plain(embed, world):
    found = embed("--baselines=true")["pixels"]
    assert found[id_of(world, "a1")].tolist() == [0] * 3072
    pixels = embedder.squared(images.Pack([world / "b.zip"]).read(id_of(world, "b0")), 32).astype(float).ravel()
    pixels -= pixels.mean()
    np.testing.assert_allclose(found[id_of(world, "b0")], pixels / np.sqrt((pixels ** 2).sum()), atol=1e-5)


def test_baselines_are_there_when_they_are_wanted_alone(embed):
    assert set(embed()) == {"resnet", "vit"} and set(embed("--baselines=true")) == {"resnet", "vit", "colours", "pixels"}


def test_a_detectors_folder_is_refused(embed, world, tmp_path):
    if not (world / "finder").exists():
        write_model(world / "finder", "detector", embedder.new("test_resnet", 32))
    with pytest.raises(InputError, match="finder: is a model of kind detector; wanted an embedder"):
        embed(models=["resnet", "finder"])
    assert not (tmp_path / "found.npz").exists()


def test_a_file_that_is_no_pack_is_told(embed, world):
    (world / "text.zip").write_text("hello")
    with pytest.raises(InputError, match="text.zip: is no pack of images"):
        embed(packs=["a", "text"])


@pytest.mark.parametrize("name", ["resnet", "colours", "image_id"])
def test_a_model_whose_name_is_taken_is_told_and_not_lost(embed, world, name):
    if not (world / "other" / name).exists():
        (world / "other").mkdir(exist_ok=True)
        write_model(world / "other" / name, "embedder", embedder.new("test_resnet", 32, seed=2))
    with pytest.raises(InputError, match=f"{name}.*; wanted"):
        embed("--baselines=true", models=["resnet", f"other/{name}"])


def test_the_command_ends_with_status_2_and_one_sentence(world, tmp_path):
    done = subprocess.run([*command("embed_images"), f"--models={tmp_path}/nowhere", f"--packs={world}/a.zip",
                           f"--embeddings={tmp_path}/found.npz"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ") and "nowhere: holds no model" in done.stderr and len(done.stderr.splitlines()) == 1


def test_the_facts_of_a_model_are_read_from_its_folder(world):
    facts = json.loads((world / "vit/model.json").read_text())
    assert embed_images.loaded(world / "vit")["image_size"] == facts["input"]["image_size"] == 64
