"""Ultralytics' loss and validation with weighted boxes and ignore regions.

AGPL-3.0 code is imported here: only yolo_trainer uses this file. It was written for ultralytics
8.4.190, whose loss has no place to weigh a box or to leave a region out: WeightedLoss therefore
wraps three attributes of it (assigner, bce, bbox_loss), and a test compares its gradients with
those of the loss itself, which fails where another version names or calls them otherwise.

A box's class, which a detector of one class has no use for, carries its weight through loading and
augmentation: in parts of WHOLE, from 1; IGNORE_CODE is an ignore region.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from ultralytics.models.yolo.detect import DetectionValidator
from ultralytics.nn.tasks import DetectionModel
from ultralytics.utils.loss import v8DetectionLoss
from ultralytics.utils.ops import xywh2xyxy

from entoflow.boxes import ioa, iou

WHOLE = 100
IGNORE_CODE = 0
HALF = (
    0.5  # a detection is in an ignore region by this share of it, and finds a true box by this IoU
)


def encode(weights: Sequence[float] | np.ndarray, n_ignored: int) -> list[int]:
    """Return the classes that carry weights (n, above 0 to 1) and, behind them, ignore regions."""
    codes = [max(1, round(float(weight) * WHOLE)) for weight in weights]
    return codes + [IGNORE_CODE] * n_ignored


class Network(DetectionModel):
    """Ultralytics' network, learning by WeightedLoss."""

    def init_criterion(self) -> "WeightedLoss":
        return WeightedLoss(self)


class WeightedLoss(v8DetectionLoss):
    """Ultralytics' loss, but what a place of the network learns of a box counts as much as the
    box's weight.

    A place that would have learned an ignore region, were it a box, and learns no other box, learns
    nothing.
    """

    assigner: Any  # each is replaced by a method that calls it
    bce: Any
    bbox_loss: Any

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__(model)
        self._plain_assigner = self.assigner
        self.assigner = self._assign
        self._plain_bce = self.bce
        self.bce = self._weighted_bce
        self._plain_bbox_loss = self.bbox_loss
        self.bbox_loss = self._weighted_bbox_loss
        self._weights = torch.empty(
            0
        )  # (b, p, 1) how much each place's loss counts, since the last assignment

    def _assign(
        self,
        scores: torch.Tensor,
        boxes: torch.Tensor,
        places: torch.Tensor,
        codes: torch.Tensor,
        truth: torch.Tensor,
        is_real: torch.Tensor,
    ) -> tuple[torch.Tensor, ...]:
        """Assign boxes to places (b x p) as ultralytics does, and keep what each place's loss
        counts.
        """
        is_box = is_real * (codes != IGNORE_CODE)
        labels, targets, goals, learns_box, box = self._plain_assigner(
            scores, boxes, places, torch.zeros_like(codes), truth, is_box
        )
        self._weights = torch.ones_like(goals)
        if truth.shape[1]:
            is_region = is_real * (codes == IGNORE_CODE)
            in_region = (
                self._plain_assigner.select_candidates_in_gts(places, truth, is_region)
                & is_region.bool()
            )
            box_weights = (codes[..., 0] / WHOLE).gather(1, box.long())
            background_weights = torch.where(in_region.any(1), 0.0, 1.0)
            self._weights[..., 0] = torch.where(learns_box, box_weights, background_weights)
        return labels, targets, goals, learns_box, box

    def _weighted_bce(self, logits: torch.Tensor, goals: torch.Tensor) -> torch.Tensor:
        return self._plain_bce(logits, goals) * self._weights

    def _weighted_bbox_loss(
        self,
        distances: torch.Tensor,
        boxes: torch.Tensor,
        places: torch.Tensor,
        targets: torch.Tensor,
        goals: torch.Tensor,
        *others: Any,
    ) -> Any:
        return self._plain_bbox_loss(
            distances, boxes, places, targets, goals * self._weights, *others
        )


class Validator(DetectionValidator):
    """Ultralytics' validation, but ignore regions are no boxes, and what lies in one without
    finding a box is left out.
    """

    def update_metrics(self, preds: list[dict[str, torch.Tensor]], batch: dict[str, Any]) -> None:
        is_box = batch["cls"].view(-1) != IGNORE_CODE
        height, width = batch["img"].shape[2:]
        sides = torch.tensor([width, height, width, height])
        corners = (xywh2xyxy(batch["bboxes"]).cpu() * sides).numpy()
        for number, detections in enumerate(preds):
            of_image = batch["batch_idx"] == number
            true = corners[(of_image & is_box).cpu().numpy()]
            ignored = corners[(of_image & ~is_box).cpu().numpy()]
            if len(ignored) and len(detections["conf"]):
                counts = _counts(detections["bboxes"].cpu().numpy(), true, ignored)
                preds[number] = {
                    name: value[torch.from_numpy(counts).to(value.device)]
                    for name, value in detections.items()
                }
        only_boxes = {name: batch[name][is_box] for name in ("cls", "bboxes", "batch_idx")}
        only_boxes["cls"] = torch.zeros_like(only_boxes["cls"])
        super().update_metrics(preds, {**batch, **only_boxes})


def _counts(detections: np.ndarray, true: np.ndarray, ignored: np.ndarray) -> np.ndarray:
    """Return which detections (n x 4) count: those that find a true box, and those outside all
    ignore regions.
    """
    finds_box = iou(detections, true).max(axis=1, initial=0) >= HALF
    is_outside = ioa(detections, ignored).max(axis=1) < HALF
    return finds_box | is_outside
