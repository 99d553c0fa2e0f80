"""The boxes that come out of the network's numbers."""

import subprocess
import sys

import pytest

from conftest import ROOT
from entoflow.detector import backend_yolo
from entoflow.detector.load_ultralytics import load_ultralytics
from entoflow.detector.network import Detector

torch = pytest.importorskip("torch")


def test_overlaps_are_removed_and_boxes_clipped_as_torchvision_does():
    from torchvision.ops import clip_boxes_to_image, nms

    random = torch.Generator().manual_seed(1)
    numbers = torch.rand(5, 400, generator=random) * torch.tensor([[160.0], [120], [60], [60], [1]])
    boxes, scores = backend_yolo.decode(numbers, 0.5, (200, 300))
    centre = numbers[:2]
    half_size = numbers[2:4] / 2
    corners = torch.cat([centre - half_size, centre + half_size]).T / 0.5
    corners = clip_boxes_to_image(corners, (200, 300))
    expected = nms(corners, numbers[4], 0.7)
    has_area = (corners[expected, 2:] > corners[expected, :2]).all(
        1
    )  # it has none outside the image
    expected = expected[(numbers[4][expected] >= 0.001) & has_area]
    assert 100 < len(expected) < 400
    assert scores.tolist() == numbers[4][expected][:300].tolist()
    assert torch.equal(torch.from_numpy(boxes).float(), corners[expected][:300])


def test_removing_overlaps_does_not_import_torchs_compiler():
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT / 'bin')!r})\n"
        "import torch; from entoflow.detector import backend_yolo\n"
        "backend_yolo.decode(torch.rand(5, 9), 1.0, (9, 9)); print('torch._dynamo' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout == "False\n", done.stderr


def test_predicting_leaves_the_weights_to_save_as_they_are_and_finds_what_they_say(tmp_path):
    import numpy as np

    load_ultralytics(tmp_path)
    from entoflow.detection.yolo_loss import Network

    torch.manual_seed(0)
    network = Network("yolo11n.yaml", nc=1, verbose=False).eval()
    for norm in (
        module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)
    ):
        norm.running_var.uniform_(0.5, 2)
    detector = Detector(network, "cpu", "yolo11n", 64)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    image = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    boxes, scores = backend_yolo.predict(detector, [image])[0]
    with torch.inference_mode():
        numbers = network(torch.from_numpy(image.transpose(2, 0, 1))[None].float() / 255)[0][0]
        plain = backend_yolo.decode(numbers, 1.0, (64, 64))
    np.testing.assert_allclose(boxes, plain[0], atol=1e-2)
    np.testing.assert_allclose(scores, plain[1], atol=1e-5)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
