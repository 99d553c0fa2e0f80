"""Weighted boxes and ignore regions in ultralytics' loss and validation."""
import tempfile

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from entoflow.detector.load_ultralytics import load_ultralytics  # noqa: E402

load_ultralytics(tempfile.mkdtemp())  # as every import of ultralytics: it would change how all later tests open images
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
    return {"batch_idx": torch.zeros(len(rows)), "cls": rows[:, :1], "bboxes": rows[:, 1:], "img": torch.zeros(1, 3, SIDE, SIDE)}


def gradients(network, boxes, make=yolo_loss.WeightedLoss):
    """Return the loss's gradient at every place's box numbers (p x 64) and score (p)."""
    torch.manual_seed(1)
    feats = [torch.zeros(1, 1, SIDE // stride, SIDE // stride) for stride in (8, 16, 32)]
    places = sum(feat.numel() for feat in feats)
    found = {"boxes": torch.randn(1, 64, places).requires_grad_(), "scores": torch.randn(1, 1, places).requires_grad_(), "feats": feats}
    loss, _ = make(network)(found, batch(*boxes))
    loss.sum().backward()
    return found["boxes"].grad[0].T, found["scores"].grad[0, 0]


def centres():
    """Return the centres of the places (p x 2), in shares of the image."""
    return np.concatenate([[(x + 0.5, y + 0.5) for y in range(n) for x in range(n)] / np.array(n) for n in (8, 4, 2)])


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
    enlarged = (np.abs(centres() - 0.3) < 8 / SIDE).all(1)  # to 16 pixels, as ultralytics enlarges a small box
    assert enlarged.sum() == 4 + 1 + 1 and ((scores == 0).numpy() == enlarged).all()


def test_whole_boxes_alone_give_ultralytics_own_gradients(network):
    from ultralytics.utils.loss import v8DetectionLoss

    boxes = [(yolo_loss.WHOLE, 0.3, 0.3, 0.4, 0.3), (yolo_loss.WHOLE, 0.7, 0.6, 0.2, 0.5)]
    ours, theirs = gradients(network, boxes), gradients(network, [(0, *box[1:]) for box in boxes], v8DetectionLoss)
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs))


def test_a_box_of_weight_a_quarter_gives_a_quarter_of_its_gradient(network):
    whole, quarter = ([(code, 0.3, 0.3, 0.4, 0.3)] for code in (100, 25))
    (boxes, scores), (less_boxes, less_scores) = gradients(network, whole), gradients(network, quarter)
    learns = boxes.any(1)
    assert 0 < learns.sum() < len(learns)
    torch.testing.assert_close(less_boxes, boxes / 4)
    torch.testing.assert_close(less_scores, torch.where(learns, scores / 4, scores))


def test_a_box_in_an_ignore_region_is_learned(network):
    box = (yolo_loss.WHOLE, 0.3, 0.3, 0.4, 0.3)
    alone, covered = gradients(network, [box]), gradients(network, [box, (0, 0.5, 0.5, 1, 1)])
    assert torch.equal(alone[0], covered[0])
    learns = alone[0].any(1)
    assert torch.equal(alone[1][learns], covered[1][learns]) and not covered[1][~learns].any()


def test_weights_are_carried_as_codes_that_are_never_those_of_ignore_regions():
    assert yolo_loss.encoded([1, 0.5, 0.0001], 2) == [100, 50, 1, 0, 0]


def test_validation_counts_neither_ignore_regions_nor_what_lies_in_them():
    seen = []
    found = [{"bboxes": torch.tensor([[0, 0, 10, 10], [30, 30, 40, 40], [52.0, 30, 62, 40], [34, 30, 44, 40]]),
              "conf": torch.tensor([0.9, 0.8, 0.7, 0.6]), "cls": torch.zeros(4)}]
    truth = batch((100, 5 / SIDE, 5 / SIDE, 10 / SIDE, 10 / SIDE), (0, 35 / SIDE, 35 / SIDE, 20 / SIDE, 20 / SIDE))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(yolo_loss.DetectionValidator, "update_metrics", lambda self, preds, batch: seen.append((preds, batch)))
        yolo_loss.Validator.update_metrics.__get__(yolo_loss.Validator.__new__(yolo_loss.Validator))(found, truth)
    (preds, kept), = seen
    assert preds[0]["conf"].tolist() == pytest.approx([0.9, 0.7])
    assert kept["cls"].tolist() == [[0]] and len(kept["bboxes"]) == len(kept["batch_idx"]) == 1

