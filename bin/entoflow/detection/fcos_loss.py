"""FCOS's loss, as torchvision computes it, with weighted boxes and ignore regions."""
from typing import NamedTuple

import torch
from torch.nn.functional import binary_cross_entropy_with_logits
from torchvision.ops import generalized_box_iou_loss, sigmoid_focal_loss

from entoflow.detector.fcos import FINEST, corners

NEAR = 1.5  # strides from a box's centre within which places learn the box
REACH = (4, 8)  # strides from a place to the farthest side of its box, but on the finest and the coarsest grid


class Truth(NamedTuple):
    """What one image teaches; boxes are xyxy in pixels."""

    boxes: torch.Tensor  # n x 4
    weights: torch.Tensor  # n
    ignored: torch.Tensor  # m x 4


def loss(logits, distances, centre, places, truths):
    """Return the losses (3) of objects, boxes and centres for what Network.forward returned and the Truths of the images (b).

    What a place learns of a box counts as much as the box's weight; a place in an ignore region that learns no box counts nothing.
    """
    which, goals, worth = (torch.stack(parts) for parts in zip(*(_lesson(places, truth) for truth in truths)))
    learns = which >= 0
    objects = sigmoid_focal_loss(logits, learns.float()) * worth
    goals, worth, centres = goals[learns], worth[learns], places.centres.expand(len(truths), -1, -1)[learns]
    boxes = generalized_box_iou_loss(corners(distances, places)[learns], goals) * worth
    middle = binary_cross_entropy_with_logits(centre[learns], centredness(centres, goals), reduction="none") * worth
    return torch.stack([objects.sum(), boxes.sum(), middle.sum()]) / max(1, int(learns.sum()))


def assigned(places, boxes):
    """Return the box (n x 4) that each place learns (p), -1 for none: the smallest of those that it lies in, near the centre, on the grid of their size."""
    if not len(boxes):
        return torch.full((len(places.centres),), -1, device=boxes.device)
    off_centre = (places.centres[:, None] - (boxes[:, :2] + boxes[:, 2:]) / 2).abs().amax(2)
    farthest = _sides(places.centres, boxes).amax(2)
    least = torch.where(places.finest, 0, places.strides * REACH[0])[:, None]
    most = torch.where(places.coarsest, torch.inf, places.strides * REACH[1])[:, None]
    fits = _covers(boxes, places) & (off_centre < NEAR * places.strides[:, None]) & (farthest > least) & (farthest < most)
    size = (boxes[:, 2:] - boxes[:, :2]).prod(1).expand(len(fits), -1)
    smallest, which = torch.where(fits, size, torch.inf).min(1)
    return torch.where(smallest < torch.inf, which, -1)


def centredness(centres, boxes):
    """Return how near places (n x 2) are to the centres of their boxes (n x 4): 1 there, 0 at a side."""
    left, top, right, bottom = _sides(centres, boxes, pairs=False).clamp(min=0).unbind(1)
    across = torch.minimum(left, right) / torch.maximum(left, right)
    return (across * torch.minimum(top, bottom) / torch.maximum(top, bottom)).sqrt()


def _lesson(places, truth):
    """Return for each place: the box that it learns (p), its corners (p x 4), and what its loss is worth (p)."""
    which = assigned(places, truth.boxes)
    ignored = _covers(truth.ignored, places).any(1)
    worth = torch.where(ignored, 0.0, 1.0)
    if not len(truth.boxes):
        return which, torch.zeros_like(places.centres).repeat(1, 2), worth
    at = which.clamp(min=0)
    return which, truth.boxes[at], torch.where(which >= 0, truth.weights[at], worth)


def _covers(boxes, places):
    """Tell which boxes (n x 4) each place lies in (p x n); one smaller than a cell of the finest grid counts as that large, so that a place lies in it."""
    middle, size = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]).clamp(min=FINEST * 1.001)
    return _sides(places.centres, torch.cat([middle - size / 2, middle + size / 2], 1)).amin(2) > 0


def _sides(centres, boxes, pairs=True):
    """Return how far the left, top, right and bottom sides of boxes are from places: of all pairs (p x n x 4), or one by one (n x 4)."""
    centres = centres[:, None] if pairs else centres
    return torch.cat([centres - boxes[..., :2], boxes[..., 2:] - centres], -1)
