import hashlib
import http.client
import io

import fetch_weights
import pytest
from entoflow import backend_torchvision
from entoflow.task import InputError

torch = pytest.importorskip("torch")
from safetensors.torch import load_file  # noqa: E402


class Evil:
    def __reduce__(self):
        return print, ("code ran",)


def fetch(tmp_path, path):
    fetch_weights.main(["--file", str(path), "--weights", str(tmp_path / "w.safetensors"), "--scratch", str(tmp_path)])


def test_a_checkpoint_that_holds_code_is_refused_and_not_run(tmp_path, capsys):
    torch.save({"model": Evil()}, tmp_path / "evil.pt")
    with pytest.raises(InputError, match="which can run code"):
        fetch(tmp_path, tmp_path / "evil.pt")
    assert "code ran" not in capsys.readouterr().out


def test_a_file_that_is_no_checkpoint_is_told(tmp_path):
    (tmp_path / "text.pt").write_text("hello")
    with pytest.raises(InputError, match="cannot be read as weights"):
        fetch(tmp_path, tmp_path / "text.pt")


def test_a_published_checkpoint_gives_its_tensors(tmp_path):
    from entoflow.backend_yolo import _ultralytics

    _ultralytics(tmp_path)
    from ultralytics.nn.tasks import DetectionModel

    network = DetectionModel("yolo11n.yaml", nc=80, verbose=False)
    torch.save({"model": network, "ema": None, "epoch": -1}, tmp_path / "yolo11n.pt")
    fetch(tmp_path, tmp_path / "yolo11n.pt")
    found = load_file(tmp_path / "w.safetensors")
    assert torch.equal(found["model.0.conv.weight"], network.state_dict()["model.0.conv.weight"])


@pytest.mark.parametrize("detector", ["yolo", "torchvision"])
@pytest.mark.parametrize("fault", [http.client.InvalidURL("URL can't contain control characters"), OSError("Not Found")])
def test_weights_that_cannot_be_downloaded_are_told_with_the_remedy(tmp_path, monkeypatch, detector, fault):
    def refuse(url, timeout):
        raise fault

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    with pytest.raises(InputError, match=r"cannot be downloaded \(.*\). Give a file \(--weights FILE\), or start from random weights"):
        fetch_weights.main([f"--detector={detector}", "--weights", str(tmp_path / "w"), "--scratch", str(tmp_path)])


@pytest.mark.parametrize("detector, architecture, theirs", [("yolo", "fcos_resnet18", "yolo11n, yolo11s"), ("torchvision", "yolo11n", "fcos_")])
def test_a_network_of_another_backend_is_told_with_those_of_this_one(tmp_path, detector, architecture, theirs):
    with pytest.raises(InputError, match=f"--architecture is '{architecture}'; wanted one of --detector {detector}: {theirs}"):
        fetch_weights.main([f"--detector={detector}", f"--architecture={architecture}", "--weights", str(tmp_path / "w")])


class TestTorchvisionsOwn:
    """Published weights of torchvision: a plain state_dict, whose file name ends with the start of its SHA-256."""

    @pytest.fixture
    def served(self, monkeypatch):
        """Return a function that makes the next download bring these bytes, and a list that gets its address."""
        asked = []

        def serve(content):
            monkeypatch.setattr("urllib.request.urlopen", lambda url, timeout: asked.append(url) or io.BytesIO(content))
            return asked
        return serve

    def fetch(self, tmp_path, architecture):
        fetch_weights.main(["--detector=torchvision", f"--architecture={architecture}", f"--weights={tmp_path}/w.safetensors", f"--scratch={tmp_path}"])

    @pytest.mark.parametrize("architecture, name", [("fcos_resnet50", "fcos_resnet50_fpn_coco-99b0c9b7.pth"), ("fcos_resnet18", "resnet18-f37072fd.pth")])
    def test_they_come_from_pytorch_org_and_a_damaged_download_is_told(self, tmp_path, served, architecture, name):
        asked = served(b"half of a file")
        with pytest.raises(InputError, match=f"{name} arrived damaged: its SHA-256 does not start with {name[-12:-4]}. Give a file"):
            self.fetch(tmp_path, architecture)
        assert asked == [f"https://download.pytorch.org/models/{name}"]

    def test_a_whole_download_gives_its_tensors(self, tmp_path, served, monkeypatch):
        torch.save({"conv1.weight": torch.ones(2, 2), "epoch": torch.tensor(3), "note": "text"}, tmp_path / "f.pth")
        content = (tmp_path / "f.pth").read_bytes()
        served(content)
        url = f"https://download.pytorch.org/models/net-{hashlib.sha256(content).hexdigest()[:8]}.pth"
        monkeypatch.setattr(backend_torchvision, "published", lambda architecture: url)
        self.fetch(tmp_path, "fcos_resnet18")
        assert {name: value.tolist() for name, value in load_file(tmp_path / "w.safetensors").items()} == {"conv1.weight": [[1, 1], [1, 1]]}

    def test_a_file_that_holds_code_is_refused_and_not_run(self, tmp_path, capsys):
        torch.save({"model": Evil()}, tmp_path / "evil.pth")
        with pytest.raises(InputError, match="evil.pth is damaged or holds more than tensors, which can run code"):
            fetch_weights.main(["--detector=torchvision", f"--file={tmp_path}/evil.pth", f"--weights={tmp_path}/w", f"--scratch={tmp_path}"])
        assert "code ran" not in capsys.readouterr().out


class TestAnEmbedders:
    """Weights for a backbone of timm's: safetensors from its hub, or a person's checkpoint in one of the usual wrappings."""

    @pytest.fixture
    def fetch(self, tmp_path):
        def _fetch(*options):
            fetch_weights.main(["--model_kind=embedder", "--backbone=test_resnet", f"--weights={tmp_path}/w.safetensors", f"--scratch={tmp_path}/scratch",
                                *options])
            return load_file(tmp_path / "w.safetensors")
        return _fetch

    @pytest.mark.parametrize("wrapped", [lambda state: state, lambda state: {"model": state, "epoch": 3, "args": "text"},
                                         lambda state: {"state_dict": state}, lambda state: {"teacher": state, "student": {}},
                                         lambda state: {"state_dict": {"conv.weight": torch.zeros(2, 2)}, "state_dict_ema": state}])
    def test_a_checkpoint_gives_its_tensors_whatever_they_are_wrapped_in(self, tmp_path, fetch, wrapped, capsys):
        state = {"conv.weight": torch.arange(4.0).view(2, 2), "bn.bias": torch.ones(2, dtype=torch.float16), "bn.num_batches_tracked": torch.tensor(3)}
        torch.save(wrapped(state), tmp_path / "mine.pth")
        found = fetch(f"--file={tmp_path}/mine.pth")
        assert {name: value.tolist() for name, value in found.items()} == {"conv.weight": [[0, 1], [2, 3]], "bn.bias": [1, 1]}
        assert found["bn.bias"].dtype == torch.float32
        assert capsys.readouterr().out == "2 tensors from mine.pth\n"

    def test_what_is_fetched_is_what_a_new_embedder_has(self, tmp_path, fetch):
        timm = pytest.importorskip("timm")
        from entoflow import embedder

        network = timm.create_model("test_resnet")
        torch.save({"model": network.state_dict()}, tmp_path / "mine.pth")
        fetch(f"--file={tmp_path}/mine.pth")
        found = embedder.new("test_resnet", 32, tmp_path / "w.safetensors")["network"].state_dict()
        given = network.state_dict()
        assert all(torch.equal(value, given[name]) for name, value in found.items())

    def test_weights_of_an_earlier_embedder_keep_what_they_say_of_their_input(self, tmp_path, fetch):
        pytest.importorskip("timm")
        import numpy as np
        from entoflow import embedder

        (tmp_path / "earlier").mkdir()
        made = {**embedder.new("test_resnet", 32, seed=5), "mean": (0.1, 0.2, 0.3), "std": (0.4, 0.5, 0.6)}
        embedder.save(made, tmp_path / "earlier")
        fetch(f"--file={tmp_path}/earlier/weights.safetensors")
        found, image = embedder.new("test_resnet", 32, tmp_path / "w.safetensors"), np.random.default_rng(1).integers(0, 256, (32, 32, 3), np.uint8)
        assert (found["mean"], found["std"]) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
        assert np.array_equal(embedder.embed(found, [image]), embedder.embed(made, [image]))

    @pytest.mark.parametrize("wrapped", [lambda evil: {"model": evil}, lambda evil: evil, lambda evil: {"conv.weight": torch.ones(2), "note": evil}])
    def test_a_file_that_holds_code_is_refused_and_not_run(self, tmp_path, fetch, wrapped, capsys):
        torch.save(wrapped(Evil()), tmp_path / "evil.pth")
        with pytest.raises(InputError, match=r"evil.pth cannot be read as weights \(Weights only load failed.*Give a file \(--weights FILE\)"):
            fetch(f"--file={tmp_path}/evil.pth")
        assert "code ran" not in capsys.readouterr().out and not (tmp_path / "w.safetensors").exists()

    @pytest.mark.parametrize("content, suffix", [
        (b"hello", ".pth"), (b"hello", ".safetensors"), (b"", ".safetensors"),
        (b"", ".pth")])
    def test_a_file_that_holds_no_weights_is_told(self, tmp_path, fetch, content, suffix):
        (tmp_path / f"text{suffix}").write_bytes(content)
        with pytest.raises(InputError, match=f"text{suffix} cannot be read as weights"):
            fetch(f"--file={tmp_path}/text{suffix}")

    @pytest.mark.parametrize("content", [
        [1, 2], {"epoch": 3}])
    def test_a_checkpoint_without_tensors_is_told(self, tmp_path, fetch, content):
        torch.save(content, tmp_path / "numbers.pth")
        with pytest.raises(InputError, match="numbers.pth .*"):
            fetch(f"--file={tmp_path}/numbers.pth")

    def test_a_checkpoint_with_two_names_for_one_tensor_gives_both(self, tmp_path, fetch):
        shared = torch.ones(3)
        torch.save({"a.weight": shared, "b.weight": shared}, tmp_path / "tied.pth")
        assert {name: value.tolist() for name, value in fetch(f"--file={tmp_path}/tied.pth").items()} == {"a.weight": [1] * 3, "b.weight": [1] * 3}

    def test_published_weights_come_from_timms_hub(self, tmp_path, fetch, monkeypatch):
        from safetensors.torch import save

        asked = []
        content = save({"conv.weight": torch.ones(2)})
        monkeypatch.setattr("urllib.request.urlopen", lambda url, timeout: asked.append(url) or io.BytesIO(content))
        assert fetch()["conv.weight"].tolist() == [1, 1]
        assert asked == ["https://huggingface.co/timm/test_resnet.r160_in1k/resolve/main/model.safetensors"]

    @pytest.mark.parametrize("fault", [http.client.IncompleteRead(b""), OSError("Name or service not known")])
    def test_a_download_that_fails_is_told_with_the_remedy(self, fetch, monkeypatch, fault):
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
    def test_a_backbone_whose_weights_are_nowhere_is_told(self, fetch, backbone, sentence):
        with pytest.raises(InputError, match=sentence):
            fetch(f"--backbone={backbone}")
