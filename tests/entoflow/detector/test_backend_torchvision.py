"""The torchvision backend: the same weights for the same seed, also after a kill, and boxes that
mind no company.
"""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from conftest import ROOT
from entoflow.detection.samples import Sample, Samples, Targets
from entoflow.detection.training import Settings
from entoflow.detector import backend_torchvision as backend
from entoflow.detector.architectures import FCOS
from entoflow.task import InputError

torch = pytest.importorskip("torch")
SMALL = next(iter(FCOS))


def drawn(folder, n, seed):
    """Draw n images of noise with a bright square.

    Return their Samples, of which each second one has a region to ignore.
    """
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    samples = []
    for number in range(n):
        pixels = rng.integers(0, 80, (64, 64, 3), np.uint8)
        x, y = rng.integers(4, 36, 2)
        pixels[y : y + 24, x : x + 24] = 220
        Image.fromarray(pixels).save(folder / f"{number}.png")
        region = np.array([[0.5, 0.5, 0.2, 0.2]])[: number % 2]
        targets = Targets(np.array([[x + 12, y + 12, 24, 24]]) / 64, np.ones(1), region)
        samples.append(Sample(folder / f"{number}.png", targets))
    return samples


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    folder = tmp_path_factory.mktemp("samples")
    return Samples(drawn(folder / "train", 6, 1), drawn(folder / "validation", 3, 2))


def train(samples, checkpoint, on_epoch=lambda epoch: None, **more):
    from entoflow.detection import fcos_trainer

    settings = Settings(SMALL, image_size=64, batch_size=4, max_epochs=3, patience=30, seed=1)
    return fcos_trainer.train(samples, None, replace(settings, **more), on_epoch, checkpoint)


@pytest.fixture(scope="module")
def trained(samples, tmp_path_factory):
    return train(samples, tmp_path_factory.mktemp("trained") / "checkpoint.pt")


def same(a, b):
    return all(torch.equal(value, b[name]) for name, value in a.items())


def test_a_killed_training_ends_where_it_would_have_ended(samples, trained, tmp_path):
    def killed(epoch):
        if epoch.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(samples, tmp_path / "checkpoint.pt", killed)
    seen = []
    detector, epochs = train(samples, tmp_path / "checkpoint.pt", seen.append)
    assert [epoch.epoch for epoch in seen] == [3]
    assert epochs == trained[1]
    assert same(detector.network.state_dict(), trained[0].network.state_dict())


def test_a_training_that_is_over_is_taken_as_it_is(samples, tmp_path):
    first, epochs = train(samples, tmp_path / "checkpoint.pt", max_epochs=1)
    again, same_epochs = train(samples, tmp_path / "checkpoint.pt", pytest.fail, max_epochs=1)
    assert epochs == same_epochs
    assert same(first.network.state_dict(), again.network.state_dict())


def test_training_ends_when_validation_is_no_better_for_some_epochs(samples, tmp_path, monkeypatch):
    from entoflow.detection import fcos_trainer

    measured = iter([0.1, 0.3, 0.2, 0.3, 0.9])
    monkeypatch.setattr(fcos_trainer.Validation, "measure", lambda *_: (next(measured), 0.5))
    _, epochs = train(samples, tmp_path / "checkpoint.pt", max_epochs=9, patience=2)
    assert [epoch.best_epoch for epoch in epochs] == [1, 2, 2, 2]


def test_validation_counts_no_detection_in_an_ignore_region(samples, monkeypatch):
    from entoflow.detection import fcos_trainer
    from entoflow.detector import fcos

    results = []
    for sample in samples.validation:
        box = sample.targets.boxes[0]
        corner = (box[:2] - box[2:] / 2) * 64
        boxes = np.array([[55.0, 4, 60, 9], [*corner, *(corner + 24)]])
        results.append((boxes, np.array([0.9, 0.5])))
    monkeypatch.setattr(fcos, "predict", lambda *_: results)

    def measured(ignored):
        ignoring = [
            replace(sample, targets=replace(sample.targets, ignored=ignored))
            for sample in samples.validation
        ]
        return fcos_trainer.Validation(ignoring).measure(None, 64, "cpu")

    assert measured(np.array([[0.9, 0.1, 0.1, 0.1]])) == (1, 1)
    assert measured(np.empty((0, 4))) == (0.5, 0.5)


def test_boxes_of_an_image_are_the_same_in_any_company_and_lie_inside_it_best_first(trained):
    rng = np.random.default_rng(1)
    images = [
        rng.integers(0, 255, (*shape, 3), np.uint8)
        for shape in ((50, 80), (80, 50), (64, 64), (50, 80))
    ]
    together = backend.predict(trained[0], images, 96)
    for image, (boxes, scores) in zip(images, together):
        ((alone_boxes, alone_scores),) = backend.predict(trained[0], [image], 96)
        np.testing.assert_allclose(boxes[:20], alone_boxes[:20], atol=0.01)
        np.testing.assert_allclose(scores[:20], alone_scores[:20], atol=1e-5)
        assert 0 < len(boxes) <= 300 and (np.diff(scores) <= 0).all() and scores[-1] >= 0.001
        assert (
            (boxes >= 0).all()
            and (boxes <= np.tile(image.shape[1::-1], 2)).all()
            and (boxes[:, 2:] > boxes[:, :2]).all()
        )


def test_a_saved_detector_finds_the_same_boxes_when_loaded(trained, samples, tmp_path):
    from entoflow.images import read_image

    facts = backend.save(trained[0], tmp_path)
    assert facts == {"backend": "torchvision", "architecture": SMALL, "image_size": 64}
    images = [read_image(sample.path) for sample in samples.validation]
    for one, other in zip(
        backend.predict(trained[0], images),
        backend.predict(backend.load(tmp_path, facts, tmp_path), images),
    ):
        assert all(np.array_equal(a, b) for a, b in zip(one, other))


@pytest.mark.parametrize(
    "architecture, builder",
    [
        ("fcos_resnet10", "resnet18"),
        ("fcos_resnet18", "resnet18"),
        ("fcos_resnet50", "fcos_resnet50_fpn"),
    ],
)
def test_published_tensors_fill_the_network_or_its_backbone(architecture, builder, tmp_path):
    from safetensors.torch import save_file
    from torchvision.models import get_model_builder, get_weight

    from entoflow.detector.fcos import new_network

    chosen, whole = FCOS[architecture], builder.startswith("fcos")
    assert type(get_weight(chosen.published)).__name__.lower() == f"{builder}_weights"
    theirs = get_model_builder(builder)(
        weights=None, **({"weights_backbone": None} if whole else {})
    ).state_dict()
    theirs = {
        name: torch.full_like(value, 0.5)
        for name, value in theirs.items()
        if value.is_floating_point()
    }
    save_file(theirs, tmp_path / "w.safetensors")
    ours = new_network(chosen, tmp_path / "w.safetensors").state_dict()
    filled = {
        name for name, value in ours.items() if value.is_floating_point() and (value == 0.5).all()
    }
    body = {
        name
        for name, value in ours.items()
        if name.startswith("backbone.body") and value.is_floating_point()
    }
    wanted = (
        {
            name
            for name, value in ours.items()
            if value.is_floating_point() and "cls_logits" not in name
        }
        if whole
        else body
    )
    assert filled == wanted


def test_weights_of_another_network_are_told(tmp_path):
    from safetensors.torch import save_file

    from entoflow.detector.fcos import new_network

    save_file({"model.0.conv.weight": torch.ones(2)}, tmp_path / "w.safetensors")
    with pytest.raises(
        InputError,
        match="weights: no tensor of .*w.safetensors fits the network; wanted those of a detector",
    ):
        new_network(FCOS[SMALL], tmp_path / "w.safetensors")


def test_naming_the_backend_imports_no_torch():
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT / 'bin')!r})\n"
        "from entoflow.detector import inference; inference.load_backend('torchvision')\n"
        "print([name for name in ('torch', 'torchvision', 'ultralytics') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "[]\n", done.stderr
