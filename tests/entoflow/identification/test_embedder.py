"""Embedders of timm's tiny networks, at 32 and 64 pixels."""

import json
import os
import socket
from dataclasses import replace

import numpy as np
import pytest

from entoflow.identification import embedder as embedders
from entoflow.identification.embedder import Embedder
from entoflow.identification.vectors import normalise
from entoflow.task import InputError
from small_gallery import FACTS

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")
from safetensors.torch import load_file, save_file  # noqa: E402

from entoflow.identification import pretrained  # noqa: E402
from entoflow.identification.pretrained import new_embedder  # noqa: E402
from entoflow.identification.projection import Projection  # noqa: E402

BOTH = pytest.mark.parametrize("backbone, size", [("test_resnet", 32), ("test_vit", 64)])
SHAPES = ((40, 30), (32, 32), (7, 90), (64, 64), (50, 20))

pytestmark = pytest.mark.usefixtures("one_thread")


class Evil:
    """Runs code when it is unpickled."""

    def __reduce__(self):
        return print, ("code ran",)


@pytest.fixture
def images():
    rng = np.random.default_rng(1)
    return [rng.integers(0, 256, (*shape, 3), np.uint8) for shape in SHAPES]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Return a function that writes weights of a backbone as published, and returns their path.

    They are for 160 pixels, with a classifier, and no tensor has the values of a new network.
    """
    folder = tmp_path_factory.mktemp("weights")

    def _weights(backbone, without=()):
        torch.manual_seed(7)
        tensors = {}
        for name, value in timm.create_model(backbone).state_dict().items():
            if value.is_floating_point():
                tensors[name] = (value + 0.1 * torch.rand_like(value)).contiguous()
        for name in without:
            del tensors[name]
        path = folder / f"{backbone}_{len(without)}.safetensors"
        save_file(tensors, path)
        return path

    return _weights


def with_projection(backbone, size):
    """Return an embedder with a projection that moves vectors."""
    projection = Projection(96)
    torch.nn.init.normal_(projection.move.weight, std=0.1)
    torch.nn.init.normal_(projection.move.bias, std=0.1)
    return replace(new_embedder(backbone, size), projection=projection)


def save(embedder, folder):
    """Save an embedder and return the facts of its model folder, as they are read from JSON."""
    network_input = json.loads(json.dumps(embedders.save(embedder, folder)))
    return replace(FACTS, input=network_input)


@BOTH
def test_what_is_saved_gives_the_same_vectors_to_the_last_bit_when_it_is_loaded(
    backbone, size, weights, images, tmp_path
):
    embedder = new_embedder(backbone, size, weights(backbone))
    facts = save(embedder, tmp_path)
    assert facts.input == {
        "backend": "timm",
        "backbone": backbone,
        "image_size": size,
        "mean": [0.5] * 3,
        "std": [0.5] * 3,
    }
    loaded = embedders.load(tmp_path, facts)
    assert np.array_equal(embedder.embed(images), loaded.embed(images))


def test_a_projection_is_saved_with_its_network_and_loaded_to_the_last_bit(images, tmp_path):
    embedder = with_projection("test_resnet", 32)
    facts = save(embedder, tmp_path)
    assert facts.input["projection"] == "residual_linear"
    names = load_file(tmp_path / "weights.safetensors").keys()
    assert {"projection.move.weight", "projection.move.bias"} < names
    vectors = embedders.load(tmp_path, facts).embed(images)
    assert np.array_equal(vectors, embedder.embed(images))
    bare = replace(embedder, projection=None).embed(images)
    assert not np.allclose(vectors, bare, atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_weights_without_a_head_of_ours_load(images, tmp_path):
    embedder = new_embedder("test_resnet", 32)
    facts = save(embedder, tmp_path)
    path = tmp_path / "weights.safetensors"
    save_file(load_file(path), path)
    assert "projection" not in facts.input
    vectors = embedders.load(tmp_path, facts).embed(images)
    assert np.array_equal(vectors, embedder.embed(images))


@pytest.mark.parametrize(
    "size, change, present",
    [
        (
            96,
            {"projection": "mlp"},
            r"\(mlp: move.bias \[96\], move.weight \[96, 96\]\)",
        ),
        (
            32,
            {},
            r"\(residual_linear: move.bias \[32\], move.weight \[32, 32\]\)",
        ),
        (0, {}, r"\(residual_linear: no tensor\)"),
    ],
)
def test_a_projection_that_does_not_fit_its_backbone_is_refused(tmp_path, size, change, present):
    facts = save(with_projection("test_resnet", 32), tmp_path)
    tensors = load_file(tmp_path / "weights.safetensors")
    for name in [name for name in tensors if "projection" in name]:
        value = tensors.pop(name)
        if size:
            tensors[name] = value[:size, ..., :size].clone() if value.dim() > 1 else value[:size]
    save_file({name: value.contiguous() for name, value in tensors.items()}, tmp_path / "w")
    (tmp_path / "w").replace(tmp_path / "weights.safetensors")
    sentence = (
        f"its projection {present} does not fit its backbone; "
        "wanted residual_linear for features of 96 numbers"
    )
    with pytest.raises(InputError, match=sentence):
        embedders.load(tmp_path, replace(facts, input={**facts.input, **change}))


def test_a_projection_that_model_json_does_not_name_is_not_passed_over(tmp_path):
    facts = save(with_projection("test_resnet", 32), tmp_path)
    network_input = {name: value for name, value in facts.input.items() if name != "projection"}
    sentence = "its weights cannot be loaded: Error.* in loading state_dict"
    with pytest.raises(InputError, match=sentence):
        embedders.load(tmp_path, replace(facts, input=network_input))


def test_weights_of_an_earlier_embedder_give_its_network_and_its_input(images, tmp_path):
    new = new_embedder("test_resnet", 32, seed=5)
    earlier = replace(new, mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6))
    embedders.save(earlier, tmp_path)
    path = tmp_path / "weights.safetensors"
    embedder = new_embedder("test_resnet", 32, path)
    assert embedders.same_network(earlier, embedder)
    assert np.array_equal(embedder.embed(images), earlier.embed(images))
    assert not pretrained.has_projection(path)


def test_of_an_earlier_embedder_with_a_projection_the_network_is_taken(images, tmp_path):
    earlier = with_projection("test_resnet", 32)
    embedders.save(earlier, tmp_path)
    path = tmp_path / "weights.safetensors"
    vectors = new_embedder("test_resnet", 32, path).embed(images)
    assert np.array_equal(vectors, replace(earlier, projection=None).embed(images))
    assert pretrained.has_projection(path)


@pytest.mark.parametrize("backbone, size", [("test_resnet", 32), ("test_vit", 160)])
def test_the_vectors_are_those_of_timms_network_with_the_weights_of_the_file(
    backbone, size, weights, images
):
    network = timm.create_model(backbone, num_classes=0).eval()
    network.load_state_dict(load_file(weights(backbone)), strict=False)
    squares = np.stack([embedders.pad_to_square(image, size) for image in images])
    x = torch.from_numpy(squares.transpose(0, 3, 1, 2).astype(np.float32) / 127.5 - 1)
    with torch.inference_mode():
        features = network(x).numpy()
    wanted = features / np.linalg.norm(features, axis=1, keepdims=True)
    vectors = new_embedder(backbone, size, weights(backbone)).embed(images)
    np.testing.assert_allclose(vectors, wanted, atol=1e-5)


def test_weights_of_a_vit_of_160_pixels_serve_at_64_with_its_positions_resampled(weights):
    tensors = load_file(weights("test_vit"))
    state = new_embedder("test_vit", 64, weights("test_vit")).network.state_dict()
    resampled = timm.layers.resample_abs_pos_embed(
        tensors["pos_embed"], (4, 4), num_prefix_tokens=1
    )
    assert state["pos_embed"].shape == (1, 4 * 4 + 1, 64)
    assert torch.allclose(state.pop("pos_embed"), resampled, atol=1e-6)
    assert all(torch.equal(value, tensors[name]) for name, value in state.items())


@pytest.mark.parametrize(
    "backbone, other, size", [("test_resnet", "test_vit", 32), ("test_vit", "test_resnet", 64)]
)
def test_weights_of_another_network_are_refused(backbone, other, size, weights):
    sentence = (
        rf"weights: {other}_0.safetensors lacks \d+ of the \d+ tensors of {backbone}, "
        "the first .*; wanted weights of that"
    )
    with pytest.raises(InputError, match=sentence):
        new_embedder(backbone, size, weights(other))


@pytest.mark.parametrize(
    "backbone, lacking",
    [
        ("test_resnet", "layer1.0.conv1.weight"),
        ("test_vit", "blocks.0.attn.qkv.weight"),
        ("test_resnet", "bn1.weight"),
        ("test_resnet", "bn1.running_mean"),
        ("test_vit", "norm.bias"),
    ],
)
def test_a_file_that_lacks_one_tensor_is_refused(backbone, lacking, weights):
    sentence = rf"lacks 1 of the \d+ tensors of {backbone}, the first {lacking}"
    with pytest.raises(InputError, match=sentence):
        new_embedder(backbone, 64, weights(backbone, without=[lacking]))


def test_after_weights_were_loaded_torch_is_as_it_was(weights):
    load_state_dict = torch.nn.Module.load_state_dict
    new_embedder("test_resnet", 32, weights("test_resnet"))
    with pytest.raises(InputError, match="lacks"):
        new_embedder("test_resnet", 32, weights("test_vit"))
    assert torch.nn.Module.load_state_dict is load_state_dict


def test_a_file_without_a_classifier_is_as_good(weights, images):
    vectors = []
    for without in ([], ["fc.weight", "fc.bias"]):
        embedder = new_embedder("test_resnet", 32, weights("test_resnet", without))
        vectors.append(embedder.embed(images))
    assert np.array_equal(*vectors)


def test_a_file_of_weights_that_is_absent_is_an_error(tmp_path):
    with pytest.raises(InputError, match="nowhere.safetensors is no file; wanted weights of"):
        new_embedder("test_resnet", 32, tmp_path / "nowhere.safetensors")


def test_a_damaged_file_of_weights_is_an_error(weights, tmp_path):
    half = weights("test_resnet").read_bytes()[:5000]
    (tmp_path / "half.safetensors").write_bytes(half)
    sentence = (
        "--backbone test_resnet cannot be made with the weights of half.safetensors for 32 pixels"
    )
    with pytest.raises(InputError, match=sentence):
        new_embedder("test_resnet", 32, tmp_path / "half.safetensors")


def test_a_file_of_weights_that_holds_code_is_refused_and_not_run(tmp_path, capsys):
    torch.save({"state_dict": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(InputError, match="cannot be made with the weights of evil.pth"):
        new_embedder("test_resnet", 32, tmp_path / "evil.pth")
    assert "code ran" not in capsys.readouterr().out


UNKNOWN = "--backbone is 'resnet_of_mine'; wanted a network of timm's, such as resnet18"


def test_a_backbone_that_timm_has_not_is_an_error():
    with pytest.raises(InputError, match=UNKNOWN):
        new_embedder("resnet_of_mine", 32)
    with pytest.raises(InputError, match=UNKNOWN):
        pretrained.published_url("resnet_of_mine")


def test_a_tag_that_a_backbone_has_not_is_an_error():
    sentence = (
        r"--backbone test_resnet.mine cannot be made for 32 pixels "
        r"\(Invalid pretrained tag \(mine\)"
    )
    with pytest.raises(InputError, match=sentence):
        new_embedder("test_resnet.mine", 32)
    with pytest.raises(InputError, match="--backbone .*test_resnet.mine"):
        pretrained.published_url("test_resnet.mine")


def test_a_backbone_without_published_weights_is_an_error():
    sentence = (
        "--backbone coatnet_0_224 has no published weights; "
        r".* a file \(--weights FILE\), or random ones"
    )
    with pytest.raises(InputError, match=sentence):
        pretrained.published_url("coatnet_0_224")


def test_published_weights_are_timms_safetensors_or_where_their_maker_has_them():
    backbone = "vit_small_patch14_dinov2.lvd142m"
    hub = f"https://huggingface.co/timm/{backbone}/resolve/main/model.safetensors"
    assert pretrained.published_url(backbone) == hub
    url = timm.get_pretrained_cfg("gcvit_tiny.in1k").url
    assert pretrained.published_url("gcvit_tiny.in1k") == url


def test_the_seed_decides_the_random_weights(images):
    vectors = [new_embedder("test_resnet", 32, seed=seed).embed(images) for seed in (1, 1, 2)]
    assert np.array_equal(vectors[0], vectors[1])
    assert not np.allclose(vectors[0], vectors[2], atol=1e-3)


def test_an_image_keeps_its_shape_and_its_edge_is_repeated_beside_it():
    wide = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    assert np.array_equal(embedders.pad_to_square(wide, 4), wide[[0, 0, 1, 1]])
    tall = np.arange(9, dtype=np.uint8).reshape(3, 1, 3)
    assert np.array_equal(embedders.pad_to_square(tall, 3), tall[:, [0, 0, 0]])


def test_a_large_image_is_shrunk_by_the_mean_of_its_pixels():
    grey = np.kron(np.array([[10, 20], [30, 40], [50, 60], [70, 80]]), np.ones((2, 2)))
    blocks = np.repeat(grey[..., None], 3, axis=2).astype(np.uint8)
    assert embedders.pad_to_square(blocks, 4)[..., 0].tolist() == [
        [10, 10, 20, 20],
        [30, 30, 40, 40],
        [50, 50, 60, 60],
        [70, 70, 80, 80],
    ]


@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (5000, 1), (33, 31)])
def test_every_shape_becomes_a_square(shape):
    square = embedders.pad_to_square(np.full((*shape, 3), 9, np.uint8), 32)
    assert (square.shape, square.dtype) == ((32, 32, 3), np.uint8)
    assert (square == 9).all()


def test_the_network_sees_colours_less_the_mean_by_the_deviation():
    embedder = Embedder(None, "cpu", "", 4, mean=(0.5, 0.25, 0.0), std=(0.5, 0.25, 1.0))
    x = embedder.to_input(np.full((2, 4, 4, 3), (255, 0, 51), np.uint8))
    assert x.shape == (2, 3, 4, 4)
    np.testing.assert_allclose(x[1, :, 2, 3], [1, -1, 0.2], atol=1e-6)


@BOTH
def test_equal_images_have_equal_vectors_of_length_1_whatever_is_in_their_batch(
    backbone, size, images, monkeypatch
):
    embedder = new_embedder(backbone, size)
    together = embedder.embed(images)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)
    assert together.dtype == np.float32
    monkeypatch.setattr(embedders, "PIXELS_AT_ONCE", 2 * size * size)
    in_pairs = embedder.embed([images[3], *images])[1:]
    np.testing.assert_allclose(in_pairs, together, atol=1e-5)
    for image, vector in zip(images, together):
        np.testing.assert_allclose(embedder.embed([image])[0], vector, atol=1e-5)


def test_a_vector_of_zeros_stays_so_and_others_get_length_1():
    vectors = np.array([[3, 4], [0, 0]], np.float32)
    assert normalise(vectors).tolist() == [[np.float32(0.6), np.float32(0.8)], [0, 0]]


@pytest.mark.parametrize("backbone", ["test_resnet", "mobilenetv3_small_050"])
def test_no_images_have_no_vectors_of_as_many_dimensions(backbone, images):
    embedder = new_embedder(backbone, 32)
    assert embedder.embed([]).shape == (0, embedder.embed(images[:1]).shape[1])


def test_nothing_is_asked_of_the_internet(weights, images, monkeypatch):
    def refuse(*_):
        raise AssertionError("a connection was tried")

    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    for path in (None, weights("test_resnet")):
        new_embedder("test_resnet.r160_in1k", 32, path).embed(images)
    assert os.environ["HF_HUB_OFFLINE"] == "1"


def test_a_model_of_another_kind_is_refused(tmp_path):
    facts = replace(FACTS, kind="detector", input={"backend": "yolo"})
    with pytest.raises(InputError, match="is a model of kind detector; wanted an embedder"):
        embedders.load(tmp_path, facts)


def test_a_model_folder_whose_weights_are_those_of_another_network_is_refused(tmp_path):
    facts = save(new_embedder("test_resnet", 32), tmp_path)
    other = replace(facts, input={**facts.input, "backbone": "test_vit"})
    sentence = "its weights cannot be loaded: Error.* in loading state_dict"
    with pytest.raises(InputError, match=sentence):
        embedders.load(tmp_path, other)


def test_a_model_folder_whose_weights_are_cut_off_is_refused(tmp_path):
    facts = save(new_embedder("test_resnet", 32), tmp_path)
    path = tmp_path / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(InputError, match="its weights cannot be loaded"):
        embedders.load(tmp_path, facts)
