"""Weighted boxes and ignore regions in FCOS's loss, and the loss itself against torchvision's."""
import pytest

torch = pytest.importorskip("torch")
from torchvision.models.detection.fcos import FCOS  # noqa: E402
from torchvision.models.detection.image_list import ImageList  # noqa: E402

from entoflow.detection import fcos_loss  # noqa: E402
from entoflow.detector import fcos  # noqa: E402

SIDE = 256
GRIDS = [torch.zeros(2, 32, SIDE // stride, SIDE // stride) for stride in (8, 16, 32, 64, 128)]
PLACES = fcos.places(GRIDS)
BOXES = [[20, 30, 90, 70], [60, 40, 230, 220], [100, 100, 120, 116], [96, 90, 140, 140]]


def truth(boxes=(), weights=None, ignored=()):
    boxes, ignored = (torch.tensor(values, dtype=torch.float32).reshape(-1, 4) for values in (boxes, ignored))
    return fcos_loss.Truth(boxes, torch.ones(len(boxes)) if weights is None else torch.tensor(weights), ignored)


def found():
    """Return what a network that has learned nothing might say of two images: logits, distances, logits of the centre."""
    random, p = torch.Generator().manual_seed(1), len(PLACES.centres)
    sizes = ((2, p), (2, p, 4), (2, p))
    logits, distances, centre = (torch.randn(size, generator=random) for size in sizes)
    return [logits.requires_grad_(), (distances.abs() * 3).detach().requires_grad_(), centre.requires_grad_()]


def gradients(first, second=None):
    """Return the losses, and their gradients at every place of the first image: logits (p), distances (p x 4), centre (p)."""
    said = found()
    losses = fcos_loss.loss(*said, PLACES, [first, second or truth()])
    losses.sum().backward()
    return losses.detach(), *(values.grad[0] for values in said)


class Trunk(torch.nn.Module):
    out_channels = 32


def torchvisions(*truths):
    said, model = found(), FCOS(Trunk(), num_classes=1)
    anchors = model.anchor_generator(ImageList(torch.zeros(2, 3, SIDE, SIDE), [(SIDE, SIDE)] * 2), GRIDS)
    outputs = {"cls_logits": said[0][..., None], "bbox_regression": said[1], "bbox_ctrness": said[2][..., None]}
    targets = [{"boxes": one.boxes, "labels": torch.zeros(len(one.boxes), dtype=torch.long)} for one in truths]
    losses = model.compute_loss(targets, outputs, anchors, [grid[0, 0].numel() for grid in GRIDS])
    losses = torch.stack([losses[name] for name in ("classification", "bbox_regression", "bbox_ctrness")])
    losses.sum().backward()
    return losses.detach(), *(values.grad[0] for values in said)


def inside(x1, y1, x2, y2):
    x, y = PLACES.centres.T
    return (x > x1) & (x < x2) & (y > y1) & (y < y2)


@pytest.mark.parametrize("boxes", [BOXES, BOXES[:1], []])
def test_whole_boxes_alone_give_torchvisions_own_loss_and_gradients(boxes):
    second = truth([[10, 10, 250, 250]])
    for ours, theirs in zip(gradients(truth(boxes), second), torchvisions(truth(boxes), second)):
        torch.testing.assert_close(ours, theirs)


def test_an_unlabelled_object_inside_an_ignore_region_causes_no_gradient():
    _, logits, distances, centre = gradients(truth(ignored=[[60, 60, 130, 120]]))
    quiet = inside(60, 60, 130, 120)
    assert quiet.sum() == 9 * 7 + 5 * 4 + 3 * 2 + 2 * 1  # multiples of 8, 16, 32 and 64 in x 64..128 and y 64..112
    assert not distances.any() and not centre.any() and not logits[quiet].any()
    assert (logits[~quiet] != 0).all()


def test_without_the_region_the_same_places_learn_background():
    assert (gradients(truth())[1] > 0).all()


def test_a_box_in_an_ignore_region_is_learned():
    alone, covered = gradients(truth(BOXES[:1])), gradients(truth(BOXES[:1], ignored=[[0, 0, 200, 200]]))
    learns = alone[2].any(1)
    assert learns.any() and torch.equal(alone[2], covered[2]) and torch.equal(alone[3], covered[3])
    assert torch.equal(alone[1][learns], covered[1][learns]) and not covered[1][inside(0, 0, 200, 200) & ~learns].any()


def test_a_box_of_weight_a_quarter_gives_a_quarter_of_its_gradient():
    _, logits, distances, centre = gradients(truth(BOXES[:1]))
    _, less_logits, less_distances, less_centre = gradients(truth(BOXES[:1], weights=[0.25]))
    learns = distances.any(1)
    assert 0 < learns.sum() < len(learns)
    torch.testing.assert_close(less_distances, distances / 4)
    torch.testing.assert_close(less_centre, centre / 4)
    torch.testing.assert_close(less_logits, torch.where(learns, logits / 4, logits))


def test_a_box_between_all_places_is_learned_by_the_one_that_is_nearest():
    which = fcos_loss.assigned(PLACES, torch.tensor([[41.0, 49, 45, 53]]))
    assert PLACES.centres[which == 0].tolist() == [[40.0, 48.0]]


def test_of_two_boxes_a_place_learns_the_smaller():
    small, large = [100.0, 100, 130, 130], [90.0, 90, 150, 150]
    both = fcos_loss.assigned(PLACES, torch.tensor([large, small]))
    alone = fcos_loss.assigned(PLACES, torch.tensor([small]))
    assert (both[alone == 0] == 1).all() and (both == 0).any()


def test_a_place_at_the_centre_of_its_box_is_central_and_one_at_a_side_is_not():
    nearness = fcos_loss.centredness(torch.tensor([[5.0, 5], [0, 5], [2.5, 5]]), torch.tensor([[0.0, 0, 10, 10]]).repeat(3, 1))
    assert nearness.tolist() == pytest.approx([1, 0, (1 / 3) ** 0.5])
