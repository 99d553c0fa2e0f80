"""Ultralytics' loss and validation with weighted boxes and ignore regions. AGPL-3.0 code is imported here: only yolo_trainer uses this file.

A box's class, which a detector of one class has no use for, carries its weight through loading and augmentation: in parts of
WHOLE, from 1; 0 is an ignore region.
"""
import torch
from ultralytics.models.yolo.detect import DetectionValidator
from ultralytics.nn.tasks import DetectionModel
from ultralytics.utils.loss import v8DetectionLoss
from ultralytics.utils.ops import xywh2xyxy

from entoflow.boxes import ioa, iou

WHOLE = 100
HALF = 0.5  # a detection is in an ignore region by this share of it, and finds a true box by this overlap


def encoded(weights, n_ignored):
    """Return the classes that carry weights (n, above 0 to 1) and, behind them, ignore regions."""
    return [max(1, round(float(weight) * WHOLE)) for weight in weights] + [0] * n_ignored


class Network(DetectionModel):
    """Ultralytics' network, learning by WeightedLoss."""

    def init_criterion(self):
        return WeightedLoss(self)


class WeightedLoss(v8DetectionLoss):
    """Ultralytics' loss, but what a place of the network learns of a box counts as much as the box's weight, and a place
    that would have learned an ignore region, were it a box, and learns no other box, learns nothing."""

    def __init__(self, model):
        super().__init__(model)
        self._assigner, self.assigner = self.assigner, self._assigned
        self._cross_entropy, self.bce = self.bce, lambda found, goals: self._cross_entropy(found, goals) * self._worth
        self._box_loss, self.bbox_loss = self.bbox_loss, self._weighted_box_loss

    def _assigned(self, scores, boxes, places, codes, truth, real):
        """Assign boxes to places (b x p) as ultralytics does, and keep what each place's loss is worth (b x p x 1)."""
        taught = real * (codes > 0)
        labels, targets, goals, learns, which = self._assigner(scores, boxes, places, torch.zeros_like(codes), truth, taught)
        self._worth = torch.ones_like(goals)
        if truth.shape[1]:
            regions = real * (codes == 0)
            ignored = (self._assigner.select_candidates_in_gts(places, truth, regions) & regions.bool()).any(1)
            weights = (codes[..., 0] / WHOLE).gather(1, which.long())
            self._worth[..., 0] = torch.where(learns, weights, torch.where(ignored, 0.0, 1.0))
        return labels, targets, goals, learns, which

    def _weighted_box_loss(self, distances, boxes, places, targets, goals, *others):
        return self._box_loss(distances, boxes, places, targets, goals * self._worth, *others)


class Validator(DetectionValidator):
    """Ultralytics' validation, but ignore regions are no boxes, and what lies in one without finding a box counts neither way."""

    def update_metrics(self, preds, batch):
        boxes = batch["cls"].view(-1) > 0
        height, width = batch["img"].shape[2:]
        corners = (xywh2xyxy(batch["bboxes"]).cpu() * torch.tensor([width, height, width, height])).numpy()
        for number, found in enumerate(preds):
            here = batch["batch_idx"] == number
            true, ignored = (corners[(here & kind).cpu().numpy()] for kind in (boxes, ~boxes))
            if len(ignored) and len(found["conf"]):
                counts = _counts(found["bboxes"].cpu().numpy(), true, ignored)
                preds[number] = {name: value[torch.from_numpy(counts).to(value.device)] for name, value in found.items()}
        only_boxes = {name: batch[name][boxes] for name in ("cls", "bboxes", "batch_idx")}
        super().update_metrics(preds, {**batch, **only_boxes, "cls": torch.zeros_like(only_boxes["cls"])})


def _counts(found, true, ignored):
    """Tell which detections (n x 4) count: those that find a true box, and those that lie outside all ignore regions."""
    return (iou(found, true).max(axis=1, initial=0) >= HALF) | (ioa(found, ignored).max(axis=1) < HALF)
