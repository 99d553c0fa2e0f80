"""FCOS's loss, as torchvision computes it, with weighted boxes and ignore regions."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn.functional import binary_cross_entropy_with_logits
from torchvision.ops import generalized_box_iou_loss, sigmoid_focal_loss

from entoflow.detector.fcos import FINEST_STRIDE, HeadOutput, Places, corners

NEAR = 1.5  # strides from a box's centre within which places learn the box
REACH = (
    4,
    8,
)  # strides from a place to the farthest side of its box, but on the finest and the coarsest grid
NO_BOX = -1


@dataclass(frozen=True)
class Truth:
    """What one image teaches; boxes are xyxy in pixels."""

    boxes: torch.Tensor  # (n, 4)
    weights: torch.Tensor  # (n,)
    ignored: torch.Tensor  # (m, 4)


@dataclass(frozen=True)
class PlaceTargets:
    """What the places learn of an image, or of b images."""

    box: torch.Tensor  # (p,) row of the box that each learns, or NO_BOX
    corners: torch.Tensor  # (p, 4) of that box
    weights: torch.Tensor  # (p,) how much its loss counts


def loss(output: HeadOutput, truths: Sequence[Truth]) -> torch.Tensor:
    """Return the losses (3) of objects, boxes and centres of what the head says of images, by their
    truths.

    What a place learns of a box counts as much as the box's weight; a place in an ignore region
    that learns no box counts nothing.
    """
    places = output.places
    targets = [_place_targets(places, truth) for truth in truths]
    weights = torch.stack([each.weights for each in targets])
    learns_box = torch.stack([each.box for each in targets]) != NO_BOX
    object_loss = sigmoid_focal_loss(output.logits, learns_box.float()) * weights

    true_corners = torch.stack([each.corners for each in targets])[learns_box]
    box_weights = weights[learns_box]
    centres = places.centres.expand(len(truths), -1, -1)[learns_box]
    predicted_corners = corners(output.distances, places)[learns_box]
    box_loss = generalized_box_iou_loss(predicted_corners, true_corners) * box_weights
    centre_loss = binary_cross_entropy_with_logits(
        output.centreness[learns_box], centreness(centres, true_corners), reduction="none"
    )
    sums = torch.stack([object_loss.sum(), box_loss.sum(), (centre_loss * box_weights).sum()])
    return sums / max(1, int(learns_box.sum()))


def assign(places: Places, boxes: torch.Tensor) -> torch.Tensor:
    """Return the box (n x 4) that each place learns (p), NO_BOX for none.

    It is the smallest of those that the place lies in, near the centre, on the grid of the box's
    size.
    """
    if not len(boxes):
        return torch.full((len(places.centres),), NO_BOX, device=boxes.device)
    box_centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    off_centre = (places.centres[:, None] - box_centres).abs().amax(2)
    is_near = off_centre < NEAR * places.strides[:, None]
    farthest_side = _distances(places.centres[:, None], boxes).amax(2)
    least = torch.where(places.finest, 0, places.strides * REACH[0])[:, None]
    most = torch.where(places.coarsest, torch.inf, places.strides * REACH[1])[:, None]
    fits = _covers(boxes, places) & is_near & (farthest_side > least) & (farthest_side < most)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1).expand(len(fits), -1)
    smallest, box = torch.where(fits, areas, torch.inf).min(1)
    return torch.where(smallest < torch.inf, box, NO_BOX)


def centreness(centres: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
    """Return how near places (n x 2) are to the centres of their boxes (n x 4): 1 there, 0 at a
    side.
    """
    left, top, right, bottom = _distances(centres, boxes).clamp(min=0).unbind(1)
    across = torch.minimum(left, right) / torch.maximum(left, right)
    return (across * torch.minimum(top, bottom) / torch.maximum(top, bottom)).sqrt()


def _place_targets(places: Places, truth: Truth) -> PlaceTargets:
    box = assign(places, truth.boxes)
    is_ignored = _covers(truth.ignored, places).any(1)
    weights = torch.where(is_ignored, 0.0, 1.0)
    if not len(truth.boxes):
        return PlaceTargets(box, torch.zeros_like(places.centres).repeat(1, 2), weights)
    row = box.clamp(min=0)
    weights = torch.where(box != NO_BOX, truth.weights[row], weights)
    return PlaceTargets(box, truth.boxes[row], weights)


def _covers(boxes: torch.Tensor, places: Places) -> torch.Tensor:
    """Return which boxes (n x 4) each place lies in (p x n).

    One smaller than a cell of the finest grid counts as that large, so that a place lies in it.
    """
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    size = (boxes[:, 2:] - boxes[:, :2]).clamp(min=FINEST_STRIDE * 1.001)
    enlarged = torch.cat([middle - size / 2, middle + size / 2], 1)
    return _distances(places.centres[:, None], enlarged).amin(2) > 0


def _distances(centres: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
    """Return how far the left, top, right and bottom sides of boxes are from places (... x 4)."""
    return torch.cat([centres - boxes[..., :2], boxes[..., 2:] - centres], -1)
