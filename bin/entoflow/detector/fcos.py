"""FCOS (Tian et al. 2019) of torchvision's parts: backbone, feature pyramid and head.

At each place of five grids the head says how much it looks like an object, how far the object's
sides are, and how near its centre is. torchvision is imported here: it takes seconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn
from torchvision.models import resnet
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.fcos import FCOSHead
from torchvision.ops.feature_pyramid_network import LastLevelP6P7

from entoflow.detector.architectures import Fcos
from entoflow.detector.network import BoxesAndScores, batches, select_boxes
from entoflow.task import InputError

FINEST_STRIDE = 8  # pixels between the places of the finest grid; each further grid has twice that
MAX_IOU = 0.6  # boxes that overlap by more are of one object
MEAN = (0.485, 0.456, 0.406)  # of ImageNet's pixels, as published weights want them
DEVIATION = (0.229, 0.224, 0.225)
INITIAL_DISTANCE = 2.0  # strides from a place to each side of its box, before anything is learned


@dataclass(frozen=True)
class Places:
    """Where the head looks: p places of all grids, finest first."""

    centres: torch.Tensor  # (p, 2) x and y in pixels
    strides: torch.Tensor  # (p,) pixels between a place and its neighbours
    finest: torch.Tensor  # (p,) bool
    coarsest: torch.Tensor  # (p,) bool


@dataclass(frozen=True)
class HeadOutput:
    """What the head says of b images at p places."""

    logits: torch.Tensor  # (b, p) of an object
    distances: torch.Tensor  # (b, p, 4) of its sides, in strides
    centreness: torch.Tensor  # (b, p) logits
    places: Places


class Network(nn.Module):
    """FCOS. Names of tensors are those of torchvision's FCOS, so that its published weights fit."""

    mean: torch.Tensor  # of ImageNet's pixels, (3, 1, 1)
    deviation: torch.Tensor

    def __init__(self, architecture: Fcos) -> None:
        super().__init__()
        block = getattr(resnet, architecture.block)
        width = architecture.width
        channels = [planes * block.expansion for planes in (128, 256, 512)]
        body = resnet.ResNet(block, list(architecture.repeats))
        layers = {"layer2": "0", "layer3": "1", "layer4": "2"}
        self.backbone = BackboneWithFPN(body, layers, channels, width, LastLevelP6P7(width, width))
        self.head = FCOSHead(
            width, num_anchors=1, num_classes=1, num_convs=architecture.convolutions
        )
        nn.init.constant_(self.head.regression_head.bbox_reg.bias, INITIAL_DISTANCE)
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1) * 255, persistent=False)
        self.register_buffer(
            "deviation", torch.tensor(DEVIATION).view(3, 1, 1) * 255, persistent=False
        )

    def forward(self, images: torch.Tensor) -> HeadOutput:
        """Return what the head says of images (b x 3 x h x w, 0 to 255)."""
        grids = list(self.backbone((images - self.mean) / self.deviation).values())
        output = self.head(grids)
        return HeadOutput(
            output["cls_logits"].float()[..., 0],
            output["bbox_regression"].float(),
            output["bbox_ctrness"].float()[..., 0],
            places_of(grids),
        )


def new_network(architecture: Fcos, weights: Path | None = None) -> Network:
    """Return an untrained network; weights fill the tensors whose name and shape agree.

    weights: safetensors of such a network, or of its backbone. Raises InputError where none of them
    fits.
    """
    network = Network(architecture).to(
        memory_format=torch.channels_last
    )  # a sixth less time on a CPU
    if not weights:
        return network
    state = network.state_dict()
    fitting = {}
    for published_name, value in load_file(weights).items():
        name = published_name if published_name in state else f"backbone.body.{published_name}"
        if name in state and state[name].shape == value.shape:
            fitting[name] = value.to(state[name].dtype)
    if not fitting:
        wanted = "those of a detector of its architecture or of a ResNet"
        raise InputError(f"weights: no tensor of {weights} fits the network; wanted {wanted}.")
    network.load_state_dict(state | fitting)
    return network


def places_of(grids: Sequence[torch.Tensor]) -> Places:
    """Return the places of the grids' cells (b x c x h x w each): torchvision's, whose first is at
    the image's corner.
    """
    centres = []
    strides = []
    levels = []
    for level, grid in enumerate(grids):
        height, width = grid.shape[-2:]
        rows = torch.arange(height, device=grid.device)
        columns = torch.arange(width, device=grid.device)
        y, x = torch.meshgrid(rows, columns, indexing="ij")
        stride = float(FINEST_STRIDE * 2**level)
        centres.append(torch.stack([x, y], 2).reshape(-1, 2) * stride)
        strides.append(torch.full((height * width,), stride, device=grid.device))
        levels.append(torch.full((height * width,), level, device=grid.device))
    level_of_place = torch.cat(levels)
    is_finest = level_of_place == 0
    is_coarsest = level_of_place == len(grids) - 1
    return Places(torch.cat(centres), torch.cat(strides), is_finest, is_coarsest)


def corners(distances: torch.Tensor, places: Places) -> torch.Tensor:
    """Return the boxes (b x p x 4, xyxy pixels) whose sides are so many strides (b x p x 4) from
    their places.
    """
    pixels = distances * places.strides[:, None]
    return torch.cat([places.centres - pixels[..., :2], places.centres + pixels[..., 2:]], -1)


def predict(
    network: nn.Module, images: Sequence[np.ndarray], size: int, device: str
) -> list[BoxesAndScores]:
    """Return the boxes of images (H x W x 3 uint8 RGB), best first."""
    results: dict[int, BoxesAndScores] = {}
    for batch in batches(images, size, device):
        pixels = batch.pixels.to(device).float().contiguous(memory_format=torch.channels_last)
        with torch.inference_mode(), mixed_precision(device):
            output = network(pixels)
        scores = (output.logits.sigmoid() * output.centreness.sigmoid()).cpu()
        boxes = corners(output.distances, output.places).cpu()
        for row, (index, scale) in enumerate(zip(batch.index, batch.scale)):
            results[index] = select_boxes(
                boxes[row], scores[row], scale, images[index].shape[:2], MAX_IOU
            )
    return [results[index] for index in range(len(images))]


def mixed_precision(device: str) -> torch.autocast:
    """Return the context in which a GPU computes with 16 bits; on a CPU it changes nothing."""
    return torch.autocast(device.split(":")[0], torch.bfloat16, enabled=device != "cpu")
