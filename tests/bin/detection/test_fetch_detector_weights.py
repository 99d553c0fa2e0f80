import hashlib
import http.client
import io

import fetch_detector_weights
import pytest

from entoflow.detection import published_weights
from entoflow.task import InputError

torch = pytest.importorskip("torch")
from safetensors.torch import load_file  # noqa: E402


class Evil:
    def __reduce__(self):
        return print, ("code ran",)


def fetch(tmp_path, path):
    fetch_detector_weights.main(
        [
            f"--file={path}",
            f"--weights={tmp_path}/w.safetensors",
            f"--scratch={tmp_path}",
        ]
    )


def test_a_checkpoint_that_holds_code_is_refused_and_not_run(tmp_path, capsys):
    torch.save({"model": Evil()}, tmp_path / "evil.pt")
    with pytest.raises(InputError, match="which can run code"):
        fetch(tmp_path, tmp_path / "evil.pt")
    assert "code ran" not in capsys.readouterr().out


def test_a_file_that_is_no_checkpoint_is_an_error(tmp_path):
    (tmp_path / "text.pt").write_text("hello")
    with pytest.raises(InputError, match="cannot be read as weights"):
        fetch(tmp_path, tmp_path / "text.pt")


def test_a_published_checkpoint_gives_its_tensors(tmp_path):
    from entoflow.detector.load_ultralytics import load_ultralytics

    load_ultralytics(tmp_path)
    from ultralytics.nn.tasks import DetectionModel

    network = DetectionModel("yolo11n.yaml", nc=80, verbose=False)
    torch.save({"model": network, "ema": None, "epoch": -1}, tmp_path / "yolo11n.pt")
    fetch(tmp_path, tmp_path / "yolo11n.pt")
    tensors = load_file(tmp_path / "w.safetensors")
    name = "model.0.conv.weight"
    assert torch.equal(tensors[name], network.state_dict()[name])


@pytest.mark.parametrize("detector", ["yolo", "torchvision"])
@pytest.mark.parametrize(
    "fault", [http.client.InvalidURL("URL can't contain control characters"), OSError("Not Found")]
)
def test_weights_that_cannot_be_downloaded_are_an_error_with_the_remedy(
    tmp_path, monkeypatch, detector, fault
):
    def refuse(url, timeout):
        raise fault

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    options = [f"--detector={detector}", f"--weights={tmp_path}/w", f"--scratch={tmp_path}"]
    sentence = r"cannot be downloaded \(.*\). Give a file \(--weights FILE\), or start from random"
    with pytest.raises(InputError, match=sentence):
        fetch_detector_weights.main(options)


@pytest.mark.parametrize(
    "detector, architecture, theirs",
    [("yolo", "fcos_resnet18", "yolo11n, yolo11s"), ("torchvision", "yolo11n", "fcos_")],
)
def test_a_network_of_another_backend_is_an_error_with_those_of_this_one(
    tmp_path, detector, architecture, theirs
):
    options = [
        f"--detector={detector}",
        f"--architecture={architecture}",
        f"--weights={tmp_path}/w",
    ]
    sentence = f"--architecture is '{architecture}'; wanted one of --detector {detector}: {theirs}"
    with pytest.raises(InputError, match=sentence):
        fetch_detector_weights.main(options)


class TestTorchvisionsOwn:
    """Published weights of torchvision: a plain state_dict, whose file name ends with the start of
    its SHA-256.
    """

    @pytest.fixture
    def served(self, monkeypatch):
        """Return a function that makes the next download bring these bytes, and a list that gets
        its address.
        """
        urls = []

        def serve(content):
            def download(url, timeout):
                urls.append(url)
                return io.BytesIO(content)

            monkeypatch.setattr("urllib.request.urlopen", download)
            return urls

        return serve

    def fetch(self, tmp_path, architecture):
        fetch_detector_weights.main(
            [
                "--detector=torchvision",
                f"--architecture={architecture}",
                f"--weights={tmp_path}/w.safetensors",
                f"--scratch={tmp_path}",
            ]
        )

    @pytest.mark.parametrize(
        "architecture, name",
        [
            ("fcos_resnet50", "fcos_resnet50_fpn_coco-99b0c9b7.pth"),
            ("fcos_resnet18", "resnet18-f37072fd.pth"),
        ],
    )
    def test_they_come_from_pytorch_org_and_a_damaged_download_is_an_error(
        self, tmp_path, served, architecture, name
    ):
        urls = served(b"half of a file")
        digits = name[-12:-4]
        sentence = f"{name} arrived damaged: its SHA-256 does not start with {digits}. Give a file"
        with pytest.raises(InputError, match=sentence):
            self.fetch(tmp_path, architecture)
        assert urls == [f"https://download.pytorch.org/models/{name}"]

    def test_a_whole_download_gives_its_tensors(self, tmp_path, served, monkeypatch):
        content = {"conv1.weight": torch.ones(2, 2), "epoch": torch.tensor(3), "note": "text"}
        torch.save(content, tmp_path / "f.pth")
        content = (tmp_path / "f.pth").read_bytes()
        served(content)
        digits = hashlib.sha256(content).hexdigest()[:8]
        url = f"https://download.pytorch.org/models/net-{digits}.pth"
        monkeypatch.setattr(published_weights, "url_of", lambda architecture: url)
        self.fetch(tmp_path, "fcos_resnet18")
        tensors = load_file(tmp_path / "w.safetensors")
        assert list(tensors) == ["conv1.weight"]
        assert tensors["conv1.weight"].tolist() == [[1, 1], [1, 1]]

    def test_a_file_that_holds_code_is_refused_and_not_run(self, tmp_path, capsys):
        torch.save({"model": Evil()}, tmp_path / "evil.pth")
        options = ["--detector=torchvision", f"--file={tmp_path}/evil.pth"]
        options += [f"--weights={tmp_path}/w", f"--scratch={tmp_path}"]
        sentence = "evil.pth is damaged or holds more than tensors, which can run code"
        with pytest.raises(InputError, match=sentence):
            fetch_detector_weights.main(options)
        assert "code ran" not in capsys.readouterr().out
