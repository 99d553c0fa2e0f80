"""Weights for a backbone of timm's: safetensors from its hub, or a person's checkpoint."""

import http.client
import io
from dataclasses import replace

import fetch_backbone
import numpy as np
import pytest

from entoflow.task import InputError

torch = pytest.importorskip("torch")
from safetensors.torch import load_file, save  # noqa: E402


class Evil:
    """Runs code when it is unpickled."""

    def __reduce__(self):
        return print, ("code ran",)


@pytest.fixture
def fetch(tmp_path):
    """Return a function that fetches weights and returns their tensors."""

    def _fetch(*options):
        paths = [f"--weights={tmp_path}/w.safetensors", f"--scratch={tmp_path}/scratch"]
        fetch_backbone.main(["--backbone=test_resnet", *paths, *options])
        return load_file(tmp_path / "w.safetensors")

    return _fetch


STATE = {
    "conv.weight": torch.arange(4.0).view(2, 2),
    "bn.bias": torch.ones(2, dtype=torch.float16),
    "bn.num_batches_tracked": torch.tensor(3),
}


@pytest.mark.parametrize(
    "checkpoint",
    [
        STATE,
        {"model": STATE, "epoch": 3, "args": "text"},
        {"state_dict": STATE},
        {"teacher": STATE, "student": {}},
        {"state_dict": {"conv.weight": torch.zeros(2, 2)}, "state_dict_ema": STATE},
    ],
    ids=["bare", "model", "state_dict", "teacher", "ema"],
)
def test_a_checkpoint_gives_its_tensors_whatever_they_are_wrapped_in(
    tmp_path, fetch, checkpoint, capsys
):
    torch.save(checkpoint, tmp_path / "mine.pth")
    tensors = fetch(f"--file={tmp_path}/mine.pth")
    values = {name: value.tolist() for name, value in tensors.items()}
    assert values == {"conv.weight": [[0, 1], [2, 3]], "bn.bias": [1, 1]}
    assert tensors["bn.bias"].dtype == torch.float32
    assert capsys.readouterr().out == "2 tensors from mine.pth\n"


def test_what_is_fetched_is_what_a_new_embedder_has(tmp_path, fetch):
    timm = pytest.importorskip("timm")
    from entoflow.identification.pretrained import new_embedder

    state = timm.create_model("test_resnet").state_dict()
    torch.save({"model": state}, tmp_path / "mine.pth")
    fetch(f"--file={tmp_path}/mine.pth")
    embedder = new_embedder("test_resnet", 32, tmp_path / "w.safetensors")
    for name, value in embedder.network.state_dict().items():
        assert torch.equal(value, state[name])


def test_weights_of_an_earlier_embedder_say_how_their_input_is_normalised(tmp_path, fetch):
    pytest.importorskip("timm")
    from entoflow.identification.embedder import save as save_embedder
    from entoflow.identification.pretrained import new_embedder

    (tmp_path / "earlier").mkdir()
    new = new_embedder("test_resnet", 32, seed=5)
    earlier = replace(new, mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6))
    save_embedder(earlier, tmp_path / "earlier")
    fetch(f"--file={tmp_path}/earlier/weights.safetensors")
    embedder = new_embedder("test_resnet", 32, tmp_path / "w.safetensors")
    image = np.random.default_rng(1).integers(0, 256, (32, 32, 3), np.uint8)
    assert (embedder.mean, embedder.std) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    assert np.array_equal(embedder.embed([image]), earlier.embed([image]))


@pytest.mark.parametrize(
    "checkpoint",
    [{"model": Evil()}, Evil(), {"conv.weight": torch.ones(2), "note": Evil()}],
    ids=["wrapped", "bare", "beside tensors"],
)
def test_a_file_that_holds_code_is_refused_and_not_run(tmp_path, fetch, checkpoint, capsys):
    torch.save(checkpoint, tmp_path / "evil.pth")
    sentence = (
        r"evil.pth cannot be read as weights \(Weights only load failed.*"
        r"Give a file \(--weights FILE\)"
    )
    with pytest.raises(InputError, match=sentence):
        fetch(f"--file={tmp_path}/evil.pth")
    assert "code ran" not in capsys.readouterr().out
    assert not (tmp_path / "w.safetensors").exists()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("content", [b"hello", b""])
def test_a_file_without_weights_is_refused(tmp_path, fetch, content, suffix):
    (tmp_path / f"text{suffix}").write_bytes(content)
    with pytest.raises(InputError, match=f"text{suffix} cannot be read as weights"):
        fetch(f"--file={tmp_path}/text{suffix}")


@pytest.mark.parametrize("content", [[1, 2], {"epoch": 3}])
def test_a_checkpoint_without_tensors_is_refused(tmp_path, fetch, content):
    torch.save(content, tmp_path / "numbers.pth")
    with pytest.raises(InputError, match="numbers.pth (cannot be read as weights|holds no tensor)"):
        fetch(f"--file={tmp_path}/numbers.pth")


def test_a_checkpoint_with_two_names_for_one_tensor_gives_both(tmp_path, fetch):
    shared = torch.ones(3)
    torch.save({"a.weight": shared, "b.weight": shared}, tmp_path / "tied.pth")
    tensors = fetch(f"--file={tmp_path}/tied.pth")
    values = {name: value.tolist() for name, value in tensors.items()}
    assert values == {"a.weight": [1] * 3, "b.weight": [1] * 3}


def test_published_weights_come_from_timms_hub(fetch, monkeypatch):
    urls = []

    def answer(url, timeout):
        urls.append(url)
        return io.BytesIO(save({"conv.weight": torch.ones(2)}))

    monkeypatch.setattr("urllib.request.urlopen", answer)
    assert fetch()["conv.weight"].tolist() == [1, 1]
    hub = "https://huggingface.co/timm/test_resnet.r160_in1k/resolve/main/model.safetensors"
    assert urls == [hub]


@pytest.mark.parametrize(
    "fault", [http.client.IncompleteRead(b""), OSError("Name or service not known")]
)
def test_a_download_that_fails_is_an_error_with_the_remedy(fetch, monkeypatch, fault):
    def refuse(url, timeout):
        raise fault

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    sentence = (
        r"weights: https://huggingface.co/timm/test_resnet.* cannot be downloaded \(.*\). "
        r"Give a file \(--weights FILE\), or start from random weights \(--weights none\)"
    )
    with pytest.raises(InputError, match=sentence):
        fetch()


@pytest.mark.parametrize(
    "backbone, sentence",
    [
        (
            "coatnet_0_224",
            r"--backbone coatnet_0_224 has no published weights; wanted one that has, "
            r"a file \(--weights FILE\), or random ones",
        ),
        (
            "resnet_of_mine",
            "--backbone is 'resnet_of_mine'; wanted a network of timm's",
        ),
        ("test_resnet.mine", "--backbone .*test_resnet.mine"),
    ],
)
def test_a_backbone_whose_weights_are_nowhere_is_refused(fetch, backbone, sentence):
    with pytest.raises(InputError, match=sentence):
        fetch(f"--backbone={backbone}")
