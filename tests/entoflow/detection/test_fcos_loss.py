"""Weighted boxes and ignore regions in FCOS's loss, and the loss itself against torchvision's."""

import pytest

torch = pytest.importorskip("torch")
from torchvision.models.detection.fcos import FCOS  # noqa: E402
from torchvision.models.detection.image_list import ImageList  # noqa: E402

from entoflow.detection import fcos_loss  # noqa: E402
from entoflow.detector import fcos  # noqa: E402

SIDE = 256
GRIDS = [torch.zeros(2, 32, SIDE // stride, SIDE // stride) for stride in (8, 16, 32, 64, 128)]
PLACES = fcos.places_of(GRIDS)
BOXES = [[20, 30, 90, 70], [60, 40, 230, 220], [100, 100, 120, 116], [96, 90, 140, 140]]


def truth(boxes=(), weights=None, ignored=()):
    weights = torch.ones(len(boxes)) if weights is None else torch.tensor(weights)
    return fcos_loss.Truth(corners(boxes), weights, corners(ignored))


def corners(boxes):
    return torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)


def untrained_output():
    """Return what the head of a network that has learned nothing might say of two images."""
    random = torch.Generator().manual_seed(1)
    p = len(PLACES.centres)
    logits = torch.randn((2, p), generator=random)
    distances = torch.randn((2, p, 4), generator=random).abs() * 3
    centreness = torch.randn((2, p), generator=random)
    return fcos.HeadOutput(
        logits.requires_grad_(), distances.requires_grad_(), centreness.requires_grad_(), PLACES
    )


def gradients(first, second=None):
    """Return the losses, and their gradients at every place of the first image.

    Those of logits (p), distances (p x 4) and centreness (p).
    """
    output = untrained_output()
    losses = fcos_loss.loss(output, [first, second or truth()])
    return differentiated(losses, output)


def differentiated(losses, output):
    losses.sum().backward()
    values = (output.logits, output.distances, output.centreness)
    return losses.detach(), *(value.grad[0] for value in values)


class Trunk(torch.nn.Module):
    out_channels = 32


def torchvision_gradients(*truths):
    output = untrained_output()
    model = FCOS(Trunk(), num_classes=1)
    images = ImageList(torch.zeros(2, 3, SIDE, SIDE), [(SIDE, SIDE)] * 2)
    anchors = model.anchor_generator(images, GRIDS)
    head = {
        "cls_logits": output.logits[..., None],
        "bbox_regression": output.distances,
        "bbox_ctrness": output.centreness[..., None],
    }
    targets = []
    for each in truths:
        labels = torch.zeros(len(each.boxes), dtype=torch.long)
        targets.append({"boxes": each.boxes, "labels": labels})
    by_name = model.compute_loss(targets, head, anchors, [grid[0, 0].numel() for grid in GRIDS])
    names = ("classification", "bbox_regression", "bbox_ctrness")
    return differentiated(torch.stack([by_name[name] for name in names]), output)


def inside(x1, y1, x2, y2):
    x, y = PLACES.centres.T
    return (x > x1) & (x < x2) & (y > y1) & (y < y2)


@pytest.mark.parametrize("boxes", [BOXES, BOXES[:1], []])
def test_whole_boxes_alone_give_torchvisions_own_loss_and_gradients(boxes):
    second = truth([[10, 10, 250, 250]])
    for ours, theirs in zip(
        gradients(truth(boxes), second), torchvision_gradients(truth(boxes), second)
    ):
        torch.testing.assert_close(ours, theirs)


def test_an_unlabelled_object_inside_an_ignore_region_causes_no_gradient():
    _, logits, distances, centre = gradients(truth(ignored=[[60, 60, 130, 120]]))
    quiet = inside(60, 60, 130, 120)
    assert (
        quiet.sum() == 9 * 7 + 5 * 4 + 3 * 2 + 2 * 1
    )  # multiples of 8, 16, 32 and 64 in x 64..128 and y 64..112
    assert not distances.any()
    assert not centre.any()
    assert not logits[quiet].any()
    assert (logits[~quiet] != 0).all()


def test_without_the_region_the_same_places_learn_background():
    assert (gradients(truth())[1] > 0).all()


def test_a_box_in_an_ignore_region_is_learned():
    _, logits, distances, centre = gradients(truth(BOXES[:1]))
    region = [[0, 0, 200, 200]]
    _, covered_logits, covered_distances, covered_centre = gradients(
        truth(BOXES[:1], ignored=region)
    )
    learns = distances.any(1)
    assert learns.any()
    assert torch.equal(distances, covered_distances)
    assert torch.equal(centre, covered_centre)
    assert torch.equal(logits[learns], covered_logits[learns])
    assert not covered_logits[inside(0, 0, 200, 200) & ~learns].any()


def test_a_box_of_weight_a_quarter_gives_a_quarter_of_its_gradient():
    _, logits, distances, centre = gradients(truth(BOXES[:1]))
    _, less_logits, less_distances, less_centre = gradients(truth(BOXES[:1], weights=[0.25]))
    learns = distances.any(1)
    assert 0 < learns.sum() < len(learns)
    torch.testing.assert_close(less_distances, distances / 4)
    torch.testing.assert_close(less_centre, centre / 4)
    torch.testing.assert_close(less_logits, torch.where(learns, logits / 4, logits))


def test_a_box_between_all_places_is_learned_by_the_one_that_is_nearest():
    which = fcos_loss.assign(PLACES, torch.tensor([[41.0, 49, 45, 53]]))
    assert PLACES.centres[which == 0].tolist() == [[40.0, 48.0]]


def test_of_two_boxes_a_place_learns_the_smaller():
    small = [100.0, 100, 130, 130]
    large = [90.0, 90, 150, 150]
    both = fcos_loss.assign(PLACES, torch.tensor([large, small]))
    alone = fcos_loss.assign(PLACES, torch.tensor([small]))
    assert (both[alone == 0] == 1).all() and (both == 0).any()


def test_a_place_at_the_centre_of_its_box_is_central_and_one_at_a_side_is_not():
    nearness = fcos_loss.centreness(
        torch.tensor([[5.0, 5], [0, 5], [2.5, 5]]), torch.tensor([[0.0, 0, 10, 10]]).repeat(3, 1)
    )
    assert nearness.tolist() == pytest.approx([1, 0, (1 / 3) ** 0.5])
