import http.client

import fetch_weights
import pytest
from entoflow.task import InputError

torch = pytest.importorskip("torch")


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
    from safetensors.torch import load_file
    from ultralytics.nn.tasks import DetectionModel

    network = DetectionModel("yolo11n.yaml", nc=80, verbose=False)
    torch.save({"model": network, "ema": None, "epoch": -1}, tmp_path / "yolo11n.pt")
    fetch(tmp_path, tmp_path / "yolo11n.pt")
    found = load_file(tmp_path / "w.safetensors")
    assert torch.equal(found["model.0.conv.weight"], network.state_dict()["model.0.conv.weight"])


@pytest.mark.parametrize("architecture", ["yolo11 n", "none/such"])
def test_weights_that_cannot_be_downloaded_are_told_with_the_remedy(tmp_path, monkeypatch, architecture):
    def refuse(url, timeout):
        if " " in url:
            raise http.client.InvalidURL("URL can't contain control characters")
        raise OSError("Not Found")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    with pytest.raises(InputError, match=r"cannot be downloaded \(.*\). Give a file \(--weights FILE\), or start from random weights"):
        fetch_weights.main([f"--architecture={architecture}", "--weights", str(tmp_path / "w"), "--scratch", str(tmp_path)])
