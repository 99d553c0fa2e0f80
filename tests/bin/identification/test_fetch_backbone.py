"""Weights for a backbone of timm's: safetensors from its hub, or a person's checkpoint in one of the usual wrappings."""
import http.client
import io

import fetch_backbone
import pytest

from entoflow.task import InputError

torch = pytest.importorskip("torch")
from safetensors.torch import load_file  # noqa: E402


class Evil:
    def __reduce__(self):
        return print, ("code ran",)


@pytest.fixture
def fetch(tmp_path):
    def _fetch(*options):
        fetch_backbone.main(["--backbone=test_resnet", f"--weights={tmp_path}/w.safetensors", f"--scratch={tmp_path}/scratch", *options])
        return load_file(tmp_path / "w.safetensors")
    return _fetch


@pytest.mark.parametrize("wrapped", [lambda state: state, lambda state: {"model": state, "epoch": 3, "args": "text"},
                                     lambda state: {"state_dict": state}, lambda state: {"teacher": state, "student": {}},
                                     lambda state: {"state_dict": {"conv.weight": torch.zeros(2, 2)}, "state_dict_ema": state}])
def test_a_checkpoint_gives_its_tensors_whatever_they_are_wrapped_in(tmp_path, fetch, wrapped, capsys):
    state = {"conv.weight": torch.arange(4.0).view(2, 2), "bn.bias": torch.ones(2, dtype=torch.float16), "bn.num_batches_tracked": torch.tensor(3)}
    torch.save(wrapped(state), tmp_path / "mine.pth")
    found = fetch(f"--file={tmp_path}/mine.pth")
    assert {name: value.tolist() for name, value in found.items()} == {"conv.weight": [[0, 1], [2, 3]], "bn.bias": [1, 1]}
    assert found["bn.bias"].dtype == torch.float32
    assert capsys.readouterr().out == "2 tensors from mine.pth\n"


def test_what_is_fetched_is_what_a_new_embedder_has(tmp_path, fetch):
    timm = pytest.importorskip("timm")
    from entoflow.identification import embedder

    network = timm.create_model("test_resnet")
    torch.save({"model": network.state_dict()}, tmp_path / "mine.pth")
    fetch(f"--file={tmp_path}/mine.pth")
    found = embedder.new("test_resnet", 32, tmp_path / "w.safetensors")["network"].state_dict()
    given = network.state_dict()
    assert all(torch.equal(value, given[name]) for name, value in found.items())


def test_weights_of_an_earlier_embedder_keep_what_they_say_of_their_input(tmp_path, fetch):
    pytest.importorskip("timm")
    import numpy as np

    from entoflow.identification import embedder

    (tmp_path / "earlier").mkdir()
    made = {**embedder.new("test_resnet", 32, seed=5), "mean": (0.1, 0.2, 0.3), "std": (0.4, 0.5, 0.6)}
    embedder.save(made, tmp_path / "earlier")
    fetch(f"--file={tmp_path}/earlier/weights.safetensors")
    found, image = embedder.new("test_resnet", 32, tmp_path / "w.safetensors"), np.random.default_rng(1).integers(0, 256, (32, 32, 3), np.uint8)
    assert (found["mean"], found["std"]) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    assert np.array_equal(embedder.embed(found, [image]), embedder.embed(made, [image]))


@pytest.mark.parametrize("wrapped", [lambda evil: {"model": evil}, lambda evil: evil, lambda evil: {"conv.weight": torch.ones(2), "note": evil}])
def test_a_file_that_holds_code_is_refused_and_not_run(tmp_path, fetch, wrapped, capsys):
    torch.save(wrapped(Evil()), tmp_path / "evil.pth")
    with pytest.raises(InputError, match=r"evil.pth cannot be read as weights \(Weights only load failed.*Give a file \(--weights FILE\)"):
        fetch(f"--file={tmp_path}/evil.pth")
    assert "code ran" not in capsys.readouterr().out and not (tmp_path / "w.safetensors").exists()


@pytest.mark.parametrize("content, suffix", [
    (b"hello", ".pth"), (b"hello", ".safetensors"), (b"", ".safetensors"),
    (b"", ".pth")])
def test_a_file_that_holds_no_weights_is_told(tmp_path, fetch, content, suffix):
    (tmp_path / f"text{suffix}").write_bytes(content)
    with pytest.raises(InputError, match=f"text{suffix} cannot be read as weights"):
        fetch(f"--file={tmp_path}/text{suffix}")


@pytest.mark.parametrize("content", [
    [1, 2], {"epoch": 3}])
def test_a_checkpoint_without_tensors_is_told(tmp_path, fetch, content):
    torch.save(content, tmp_path / "numbers.pth")
    with pytest.raises(InputError, match="numbers.pth .*"):
        fetch(f"--file={tmp_path}/numbers.pth")


def test_a_checkpoint_with_two_names_for_one_tensor_gives_both(tmp_path, fetch):
    shared = torch.ones(3)
    torch.save({"a.weight": shared, "b.weight": shared}, tmp_path / "tied.pth")
    assert {name: value.tolist() for name, value in fetch(f"--file={tmp_path}/tied.pth").items()} == {"a.weight": [1] * 3, "b.weight": [1] * 3}


def test_published_weights_come_from_timms_hub(tmp_path, fetch, monkeypatch):
    from safetensors.torch import save

    asked = []
    content = save({"conv.weight": torch.ones(2)})
    monkeypatch.setattr("urllib.request.urlopen", lambda url, timeout: asked.append(url) or io.BytesIO(content))
    assert fetch()["conv.weight"].tolist() == [1, 1]
    assert asked == ["https://huggingface.co/timm/test_resnet.r160_in1k/resolve/main/model.safetensors"]


@pytest.mark.parametrize("fault", [http.client.IncompleteRead(b""), OSError("Name or service not known")])
def test_a_download_that_fails_is_told_with_the_remedy(fetch, monkeypatch, fault):
    def refuse(url, timeout):
        raise fault

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    with pytest.raises(InputError, match=r"weights: https://huggingface.co/timm/test_resnet.* cannot be downloaded \(.*\). "
                                         r"Give a file \(--weights FILE\), or start from random weights \(--weights none\)"):
        fetch()


@pytest.mark.parametrize("backbone, sentence", [
    ("coatnet_0_224", r"--backbone coatnet_0_224 has no published weights; wanted one that has, a file \(--weights FILE\), or random ones"),
    ("resnet_of_mine", "--backbone is 'resnet_of_mine'; wanted a network of timm's"),
    ("test_resnet.mine", "--backbone .*test_resnet.mine"),
])
def test_a_backbone_whose_weights_are_nowhere_is_told(fetch, backbone, sentence):
    with pytest.raises(InputError, match=sentence):
        fetch(f"--backbone={backbone}")
