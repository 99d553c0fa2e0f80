"""Embedders of timm's tiny networks, at 32 and 64 pixels."""
import json
import os
import socket

import numpy as np
import pytest

from entoflow.identification import embedder
from entoflow.task import InputError

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")
from safetensors.torch import load_file, save_file  # noqa: E402

BOTH = pytest.mark.parametrize("backbone, size", [("test_resnet", 32), ("test_vit", 64)])
SHAPES = ((40, 30), (32, 32), (7, 90), (64, 64), (50, 20))


class Evil:
    def __reduce__(self):
        return print, ("code ran",)


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def images():
    rng = np.random.default_rng(1)
    return [rng.integers(0, 256, (*shape, 3), np.uint8) for shape in SHAPES]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Return a function: a file of weights for 160 pixels with a classifier, as published, in which no tensor has the values a new network has."""
    folder = tmp_path_factory.mktemp("weights")

    def _weights(backbone, without=()):
        torch.manual_seed(7)
        state = timm.create_model(backbone).state_dict()
        state = {name: (value + 0.1 * torch.rand_like(value)).contiguous() for name, value in state.items() if value.is_floating_point()}
        path = folder / f"{backbone}_{len(without)}.safetensors"
        save_file({name: value for name, value in state.items() if name not in without}, path)
        return path
    return _weights


def projecting(backbone, size):
    """Return an embedder with a projection that moves."""
    from entoflow.identification.projection import Projection

    made, own = embedder.new(backbone, size), Projection(96)
    torch.nn.init.normal_(own.move.weight, std=0.1)
    torch.nn.init.normal_(own.move.bias, std=0.1)
    return {**made, "projection": own}


def facts_of(made, folder):
    return {"kind": "embedder", "input": json.loads(json.dumps(embedder.save(made, folder)))}


@BOTH
def test_what_is_saved_gives_the_same_vectors_to_the_last_bit_when_it_is_loaded(backbone, size, weights, images, tmp_path):
    made = embedder.new(backbone, size, weights(backbone))
    facts = facts_of(made, tmp_path)
    assert facts["input"] == {"backend": "timm", "backbone": backbone, "image_size": size, "mean": [0.5] * 3, "std": [0.5] * 3}
    loaded = embedder.load(tmp_path, facts)
    assert np.array_equal(embedder.embed(made, images), embedder.embed(loaded, images))


def test_a_projection_is_saved_with_its_network_and_loaded_to_the_last_bit(images, tmp_path):
    made = projecting("test_resnet", 32)
    facts = facts_of(made, tmp_path)
    assert facts["input"]["projection"] == "residual_linear" and {"projection.move.weight", "projection.move.bias"} < load_file(
        tmp_path / "weights.safetensors").keys()
    found = embedder.embed(embedder.load(tmp_path, facts), images)
    assert np.array_equal(found, embedder.embed(made, images))
    assert not np.allclose(found, embedder.embed({**made, "projection": None}, images), atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)


def test_a_folder_from_before_projections_still_loads(images, tmp_path):
    made = embedder.new("test_resnet", 32)
    facts = facts_of(made, tmp_path)
    save_file(load_file(tmp_path / "weights.safetensors"), tmp_path / "weights.safetensors")  # its head said nothing
    assert "projection" not in facts["input"] and np.array_equal(embedder.embed(embedder.load(tmp_path, facts), images), embedder.embed(made, images))


@pytest.mark.parametrize("size, change, found", [
    (96, {"projection": "mlp"}, r"\(mlp: move.bias \[96\], move.weight \[96, 96\]\)"),
    (32, {}, r"\(residual_linear: move.bias \[32\], move.weight \[32, 32\]\)"), (None, {}, r"\(residual_linear: no tensor\)"),
])
def test_a_projection_that_does_not_fit_its_backbone_is_refused(tmp_path, size, change, found):
    made = projecting("test_resnet", 32)
    facts = facts_of(made, tmp_path)
    tensors = {name: value for name, value in load_file(tmp_path / "weights.safetensors").items() if size or "projection" not in name}
    tensors |= {name: value[..., :size].clone()[:size].clone() for name, value in tensors.items() if "projection" in name}
    save_file(tensors, tmp_path / "weights.safetensors")
    with pytest.raises(InputError, match=f"its projection {found} does not fit its backbone; wanted residual_linear for features of 96 numbers"):
        embedder.load(tmp_path, {**facts, "input": {**facts["input"], **change}})


def test_a_projection_of_which_the_folder_says_nothing_is_not_passed_over(tmp_path):
    facts = facts_of(projecting("test_resnet", 32), tmp_path)
    del facts["input"]["projection"]
    with pytest.raises(InputError, match="its weights cannot be loaded: Error.* in loading state_dict"):
        embedder.load(tmp_path, facts)


def test_weights_of_an_earlier_embedder_give_its_network_and_its_input(images, tmp_path):
    made = {**embedder.new("test_resnet", 32, seed=5), "mean": (0.1, 0.2, 0.3), "std": (0.4, 0.5, 0.6)}
    embedder.save(made, tmp_path)
    found = embedder.new("test_resnet", 32, tmp_path / "weights.safetensors")
    assert embedder.same_network(made, found) and np.array_equal(embedder.embed(found, images), embedder.embed(made, images))
    assert not embedder.has_projection(tmp_path / "weights.safetensors")


def test_of_an_earlier_embedder_with_a_projection_the_network_is_taken(images, tmp_path):
    made = projecting("test_resnet", 32)
    embedder.save(made, tmp_path)
    found = embedder.new("test_resnet", 32, tmp_path / "weights.safetensors")
    assert np.array_equal(embedder.embed(found, images), embedder.embed({**made, "projection": None}, images))
    assert embedder.has_projection(tmp_path / "weights.safetensors")


@pytest.mark.parametrize("backbone, size", [("test_resnet", 32), ("test_vit", 160)])
def test_the_vectors_are_those_of_timms_network_with_the_weights_of_the_file(backbone, size, weights, images):
    network = timm.create_model(backbone, num_classes=0).eval()
    network.load_state_dict(load_file(weights(backbone)), strict=False)
    squares = np.stack([embedder.squared(image, size) for image in images]).transpose(0, 3, 1, 2).astype(np.float32)
    with torch.inference_mode():
        wanted = network(torch.from_numpy(squares / 127.5 - 1)).numpy()
    found = embedder.embed(embedder.new(backbone, size, weights(backbone)), images)
    np.testing.assert_allclose(found, wanted / np.linalg.norm(wanted, axis=1, keepdims=True), atol=1e-5)


def test_weights_of_a_vit_of_160_pixels_serve_at_64_with_its_places_resampled(weights):
    given = load_file(weights("test_vit"))
    found = embedder.new("test_vit", 64, weights("test_vit"))["network"].state_dict()
    resampled = timm.layers.resample_abs_pos_embed(given["pos_embed"], (4, 4), num_prefix_tokens=1)
    assert found["pos_embed"].shape == (1, 4 * 4 + 1, 64) and torch.allclose(found["pos_embed"], resampled, atol=1e-6)
    assert all(torch.equal(value, given[name]) for name, value in found.items() if name != "pos_embed")


@pytest.mark.parametrize("backbone, other, size", [("test_resnet", "test_vit", 32), ("test_vit", "test_resnet", 64)])
def test_weights_of_another_network_are_refused(backbone, other, size, weights):
    with pytest.raises(InputError, match=rf"weights: {other}_0.safetensors lacks \d+ of the \d+ tensors of {backbone}, the first .*; wanted weights of that"):
        embedder.new(backbone, size, weights(other))


@pytest.mark.parametrize("backbone, lacking", [
    ("test_resnet", "layer1.0.conv1.weight"), ("test_vit", "blocks.0.attn.qkv.weight"),
    ("test_resnet", "bn1.weight"),
    ("test_resnet", "bn1.running_mean"),
    ("test_vit", "norm.bias"),
])
def test_a_file_that_lacks_one_tensor_is_refused(backbone, lacking, weights):
    with pytest.raises(InputError, match=rf"lacks 1 of the \d+ tensors of {backbone}, the first {lacking}"):
        embedder.new(backbone, 64, weights(backbone, without=[lacking]))


def test_a_file_without_a_classifier_is_as_good(weights, images):
    whole, bare = (embedder.new("test_resnet", 32, weights("test_resnet", without)) for without in ([], ["fc.weight", "fc.bias"]))
    assert np.array_equal(embedder.embed(whole, images), embedder.embed(bare, images))


def test_a_file_of_weights_that_is_absent_is_told(tmp_path):
    with pytest.raises(InputError, match="nowhere.safetensors"):
        embedder.new("test_resnet", 32, tmp_path / "nowhere.safetensors")


def test_a_damaged_file_of_weights_is_told(weights, tmp_path):
    (tmp_path / "half.safetensors").write_bytes(weights("test_resnet").read_bytes()[:5000])
    with pytest.raises(InputError, match="--backbone test_resnet cannot be made with the weights of half.safetensors for 32 pixels"):
        embedder.new("test_resnet", 32, tmp_path / "half.safetensors")


def test_a_file_of_weights_that_holds_code_is_refused_and_not_run(tmp_path, capsys):
    torch.save({"state_dict": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(InputError, match="cannot be made with the weights of evil.pth"):
        embedder.new("test_resnet", 32, tmp_path / "evil.pth")
    assert "code ran" not in capsys.readouterr().out


@pytest.mark.parametrize("make", [lambda name: embedder.new(name, 32), embedder.published])
def test_a_backbone_that_timm_has_not_is_told(make):
    with pytest.raises(InputError, match="--backbone is 'resnet_of_mine'; wanted a network of timm's, such as resnet18"):
        make("resnet_of_mine")


def test_a_tag_that_a_backbone_has_not_is_told():
    with pytest.raises(InputError, match=r"--backbone test_resnet.mine cannot be made for 32 pixels \(Invalid pretrained tag \(mine\)"):
        embedder.new("test_resnet.mine", 32)


def test_a_tag_that_a_backbone_has_not_is_told_when_its_weights_are_asked_for():
    with pytest.raises(InputError, match="--backbone .*test_resnet.mine"):
        embedder.published("test_resnet.mine")


def test_a_backbone_without_published_weights_is_told():
    with pytest.raises(InputError, match=r"--backbone coatnet_0_224 has no published weights; .* a file \(--weights FILE\), or random ones"):
        embedder.published("coatnet_0_224")


def test_published_weights_are_timms_safetensors_or_where_their_maker_keeps_them():
    assert embedder.published("vit_small_patch14_dinov2.lvd142m") == (
        "https://huggingface.co/timm/vit_small_patch14_dinov2.lvd142m/resolve/main/model.safetensors")
    assert embedder.published("gcvit_tiny.in1k") == timm.get_pretrained_cfg("gcvit_tiny.in1k").url


def test_the_seed_decides_the_random_weights(images):
    first, again, other = (embedder.embed(embedder.new("test_resnet", 32, seed=seed), images) for seed in (1, 1, 2))
    assert np.array_equal(first, again) and not np.allclose(first, other, atol=1e-3)


def test_an_image_keeps_its_shape_and_its_edge_is_repeated_beside_it():
    wide = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    assert np.array_equal(embedder.squared(wide, 4), wide[[0, 0, 1, 1]])
    tall = np.arange(9, dtype=np.uint8).reshape(3, 1, 3)
    assert np.array_equal(embedder.squared(tall, 3), tall[:, [0, 0, 0]])
    blocks = np.kron(np.array([[10, 20], [30, 40], [50, 60], [70, 80]]), np.ones((2, 2)))[..., None].repeat(3, 2).astype(np.uint8)
    assert embedder.squared(blocks, 4)[..., 0].tolist() == [[10, 10, 20, 20], [30, 30, 40, 40], [50, 50, 60, 60], [70, 70, 80, 80]]


@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (5000, 1), (33, 31)])
def test_every_shape_becomes_a_square(shape):
    found = embedder.squared(np.full((*shape, 3), 9, np.uint8), 32)
    assert found.shape == (32, 32, 3) and found.dtype == np.uint8 and (found == 9).all()


def test_the_network_sees_colours_less_the_mean_by_the_spread():
    made = {"device": "cpu", "mean": (0.5, 0.25, 0.0), "std": (0.5, 0.25, 1.0)}
    found = embedder.as_input(made, np.full((2, 4, 4, 3), (255, 0, 51), np.uint8))
    assert found.shape == (2, 3, 4, 4)
    np.testing.assert_allclose(found[1, :, 2, 3], [1, -1, 0.2], atol=1e-6)


@BOTH
def test_equal_images_have_equal_vectors_of_length_1_whatever_is_in_their_batch(backbone, size, images, monkeypatch):
    made = embedder.new(backbone, size)
    together = embedder.embed(made, images)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)
    assert together.dtype == np.float32
    monkeypatch.setattr(embedder, "AT_ONCE", 2 * size * size)
    np.testing.assert_allclose(embedder.embed(made, [images[3], *images])[1:], together, atol=1e-5)
    for image, vector in zip(images, together):
        np.testing.assert_allclose(embedder.embed(made, [image])[0], vector, atol=1e-5)


def test_a_vector_of_zeros_stays_so_and_others_get_length_1():
    assert embedder.normalised(np.array([[3, 4], [0, 0]])).tolist() == [[np.float32(0.6), np.float32(0.8)], [0, 0]]


@pytest.mark.parametrize("backbone", ["test_resnet", "mobilenetv3_small_050"])
def test_no_images_have_no_vectors_of_as_many_dimensions(backbone, images):
    made = embedder.new(backbone, 32)
    assert embedder.embed(made, []).shape == (0, embedder.embed(made, images[:1]).shape[1])


def test_nothing_is_asked_of_the_internet(weights, images, monkeypatch):
    def refuse(*_):
        raise AssertionError("a connection was tried")

    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    for given in (None, weights("test_resnet")):
        embedder.embed(embedder.new("test_resnet.r160_in1k", 32, given), images)
    assert os.environ["HF_HUB_OFFLINE"] == "1"


def test_a_model_of_another_kind_is_told(tmp_path):
    with pytest.raises(InputError, match="is a model of kind detector; wanted an embedder"):
        embedder.load(tmp_path, {"kind": "detector", "input": {"backend": "yolo"}})


def test_a_model_folder_whose_weights_are_those_of_another_network_is_told(tmp_path):
    facts = facts_of(embedder.new("test_resnet", 32), tmp_path)
    facts["input"]["backbone"] = "test_vit"
    with pytest.raises(InputError, match="its weights cannot be loaded: Error.* in loading state_dict"):
        embedder.load(tmp_path, facts)


def test_a_model_folder_whose_weights_are_cut_off_is_told(tmp_path):
    facts = facts_of(embedder.new("test_resnet", 32), tmp_path)
    path = tmp_path / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(InputError, match="its weights cannot be loaded"):
        embedder.load(tmp_path, facts)
