"""Weighted boxes and ignore regions in ultralytics' loss and validation."""

import tempfile

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from entoflow.detector.load_ultralytics import load_ultralytics  # noqa: E402

load_ultralytics(
    tempfile.mkdtemp()
)  # as every import of ultralytics: it would change how all later tests open images
from entoflow.detection import yolo_loss  # noqa: E402

SIDE = 64


@pytest.fixture(scope="module")
def network():
    from ultralytics.cfg import get_cfg

    torch.manual_seed(0)
    network = yolo_loss.Network("yolo11n.yaml", nc=1, verbose=False).train()
    network.args = get_cfg()
    return network


def batch(*boxes):
    """Return a batch of one image with boxes (code, cx, cy, w, h)."""
    rows = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 5)
    return {
        "batch_idx": torch.zeros(len(rows)),
        "cls": rows[:, :1],
        "bboxes": rows[:, 1:],
        "img": torch.zeros(1, 3, SIDE, SIDE),
    }


def gradients(network, boxes, make=yolo_loss.WeightedLoss):
    """Return the loss's gradient at every place's box numbers (p x 64) and score (p)."""
    torch.manual_seed(1)
    feats = [torch.zeros(1, 1, SIDE // stride, SIDE // stride) for stride in (8, 16, 32)]
    places = sum(feat.numel() for feat in feats)
    output = {
        "boxes": torch.randn(1, 64, places).requires_grad_(),
        "scores": torch.randn(1, 1, places).requires_grad_(),
        "feats": feats,
    }
    loss, _ = make(network)(output, batch(*boxes))
    loss.sum().backward()
    return output["boxes"].grad[0].T, output["scores"].grad[0, 0]


def centres():
    """Return the centres of the places (p x 2), in shares of the image."""
    grids = []
    for n in (8, 4, 2):
        y, x = np.mgrid[:n, :n]
        grids.append((np.stack([x.ravel(), y.ravel()], axis=1) + 0.5) / n)
    return np.concatenate(grids)


def test_an_unlabelled_object_inside_an_ignore_region_causes_no_gradient(network):
    region = (0, 0.25, 0.25, 0.5, 0.5)
    boxes, scores = gradients(network, [region])
    inside = (centres() < 0.5).all(1)
    assert inside.sum() == 16 + 4 + 1
    assert not boxes.any() and not scores[inside].any()
    assert (scores[~inside] != 0).all()


def test_without_the_region_the_same_places_learn_background(network):
    _, scores = gradients(network, [])
    assert (scores != 0).all()


def test_a_region_smaller_than_a_cell_is_ignored_where_a_box_would_have_been_learned(network):
    _, scores = gradients(network, [(0, 0.3, 0.3, 0.01, 0.01)])
    enlarged = (np.abs(centres() - 0.3) < 8 / SIDE).all(
        1
    )  # to 16 pixels, as ultralytics enlarges a small box
    assert enlarged.sum() == 4 + 1 + 1 and ((scores == 0).numpy() == enlarged).all()


def test_whole_boxes_alone_give_ultralytics_own_gradients(network):
    from ultralytics.utils.loss import v8DetectionLoss

    boxes = [(yolo_loss.WHOLE, 0.3, 0.3, 0.4, 0.3), (yolo_loss.WHOLE, 0.7, 0.6, 0.2, 0.5)]
    ours = gradients(network, boxes)
    theirs = gradients(network, [(0, *box[1:]) for box in boxes], v8DetectionLoss)
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs))


def test_a_box_of_weight_a_quarter_gives_a_quarter_of_its_gradient(network):
    boxes, scores = gradients(network, [(100, 0.3, 0.3, 0.4, 0.3)])
    less_boxes, less_scores = gradients(network, [(25, 0.3, 0.3, 0.4, 0.3)])
    learns = boxes.any(1)
    assert 0 < learns.sum() < len(learns)
    torch.testing.assert_close(less_boxes, boxes / 4)
    torch.testing.assert_close(less_scores, torch.where(learns, scores / 4, scores))


def test_a_box_in_an_ignore_region_is_learned(network):
    box = (yolo_loss.WHOLE, 0.3, 0.3, 0.4, 0.3)
    boxes, scores = gradients(network, [box])
    covered_boxes, covered_scores = gradients(network, [box, (0, 0.5, 0.5, 1, 1)])
    assert torch.equal(boxes, covered_boxes)
    learns = boxes.any(1)
    assert torch.equal(scores[learns], covered_scores[learns])
    assert not covered_scores[~learns].any()


def test_weights_are_carried_as_codes_that_are_never_those_of_ignore_regions():
    assert yolo_loss.encode([1, 0.5, 0.0001], 2) == [100, 50, 1, 0, 0]


def test_validation_counts_neither_ignore_regions_nor_what_lies_in_them():
    measured = []
    boxes = [[0, 0, 10, 10], [30, 30, 40, 40], [52.0, 30, 62, 40], [34, 30, 44, 40]]
    detections = {
        "bboxes": torch.tensor(boxes),
        "conf": torch.tensor([0.9, 0.8, 0.7, 0.6]),
        "cls": torch.zeros(4),
    }
    box = (100, 5 / SIDE, 5 / SIDE, 10 / SIDE, 10 / SIDE)
    region = (0, 35 / SIDE, 35 / SIDE, 20 / SIDE, 20 / SIDE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            yolo_loss.DetectionValidator,
            "update_metrics",
            lambda self, preds, batch: measured.append((preds, batch)),
        )
        validator = yolo_loss.Validator.__new__(yolo_loss.Validator)
        validator.update_metrics([detections], batch(box, region))
    ((predictions, truth),) = measured
    assert predictions[0]["conf"].tolist() == pytest.approx([0.9, 0.7])
    assert truth["cls"].tolist() == [[0]]
    assert len(truth["bboxes"]) == len(truth["batch_idx"]) == 1
