"""FCOS (Tian et al. 2019) of torchvision's parts: backbone, feature pyramid, and a head that tells at each place of five grids how much
it looks like an object, how far the object's sides are, and how near its centre is. torchvision is imported here: it takes seconds.
"""
from typing import NamedTuple

import torch
from safetensors.torch import load_file
from torch import nn
from torchvision.models import resnet
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.fcos import FCOSHead
from torchvision.ops.feature_pyramid_network import LastLevelP6P7

from entoflow.detector.network import batches, cleaned
from entoflow.task import InputError

FINEST = 8  # pixels between the places of the finest grid; each further one has twice that
OVERLAP = 0.6  # boxes of one object overlap by more than this IoU
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's pixels, as published weights want them
FIRST_GUESS = 2.0  # strides from a place to each side of its box, before anything is learned


class Places(NamedTuple):
    """Where the head looks: p places of all grids, finest first."""

    centres: torch.Tensor  # p x 2, x and y in pixels
    strides: torch.Tensor  # p, pixels between a place and its neighbours
    finest: torch.Tensor  # p bool
    coarsest: torch.Tensor  # p bool


class Network(nn.Module):
    """Names of tensors are those of torchvision's FCOS, so that its published weights fit."""

    def __init__(self, architecture):
        super().__init__()
        block, width = getattr(resnet, architecture.block), architecture.width
        channels = [planes * block.expansion for planes in (128, 256, 512)]
        body = resnet.ResNet(block, architecture.repeats)
        self.backbone = BackboneWithFPN(body, {"layer2": "0", "layer3": "1", "layer4": "2"}, channels, width, LastLevelP6P7(width, width))
        self.head = FCOSHead(width, num_anchors=1, num_classes=1, num_convs=architecture.convolutions)
        nn.init.constant_(self.head.regression_head.bbox_reg.bias, FIRST_GUESS)
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1) * 255, persistent=False)
        self.register_buffer("deviation", torch.tensor(DEVIATION).view(3, 1, 1) * 255, persistent=False)

    def forward(self, images):
        """Return (logits b x p, distances of the sides b x p x 4 in strides, logits of the centre b x p, Places) of images b x 3 x h x w, 0..255."""
        grids = list(self.backbone((images - self.mean) / self.deviation).values())
        found = self.head(grids)
        logits, distances, centre = (found[name].float() for name in ("cls_logits", "bbox_regression", "bbox_ctrness"))
        return logits[..., 0], distances, centre[..., 0], places(grids)


def new_network(architecture, weights=None):
    """Return an untrained network; weights (safetensors of such a network, or of its backbone) fill the tensors whose name and shape agree.

    Raises InputError where none does.
    """
    network = Network(architecture).to(memory_format=torch.channels_last)  # a sixth less time on a CPU
    if weights:
        own = network.state_dict()
        given = {name if name in own else f"backbone.body.{name}": value for name, value in load_file(weights).items()}
        given = {name: value for name, value in given.items() if name in own and own[name].shape == value.shape}
        if not given:
            raise InputError(f"weights: no tensor of {weights} fits the network; wanted those of a detector of its architecture or of a ResNet.")
        network.load_state_dict(own | {name: value.to(own[name].dtype) for name, value in given.items()})
    return network


def places(grids):
    """Return the Places of the grids' cells (b x c x h x w each): torchvision's, whose first is at the image's corner."""
    centres, strides, levels = [], [], []
    for level, grid in enumerate(grids):
        height, width = grid.shape[-2:]
        y, x = torch.meshgrid(torch.arange(height, device=grid.device), torch.arange(width, device=grid.device), indexing="ij")
        stride = FINEST * 2 ** level
        centres.append(torch.stack([x, y], 2).reshape(-1, 2) * float(stride))
        strides.append(torch.full((height * width,), float(stride), device=grid.device))
        levels.append(torch.full((height * width,), level, device=grid.device))
    levels = torch.cat(levels)
    return Places(torch.cat(centres), torch.cat(strides), levels == 0, levels == len(grids) - 1)


def corners(distances, places):
    """Return the boxes (b x p x 4, xyxy pixels) whose sides are so many strides from their places."""
    distances = distances * places.strides[:, None]
    return torch.cat([places.centres - distances[..., :2], places.centres + distances[..., 2:]], -1)


def find(network, images, size, device):
    """Return [(boxes n x 4 float array in xyxy pixels, scores n)] of the images (H x W x 3 uint8 RGB), best first."""
    found = [None] * len(images)
    for batch, members in batches(images, size, device):
        with torch.inference_mode(), torch.autocast(device.split(":")[0], torch.bfloat16, enabled=device != "cpu"):
            logits, distances, centre, where = network(batch.to(device).float().contiguous(memory_format=torch.channels_last))
        scores, boxes = (logits.sigmoid() * centre.sigmoid()).cpu(), corners(distances, where).cpu()
        for (index, scale), own_boxes, own_scores in zip(members, boxes, scores):
            found[index] = cleaned(own_boxes, own_scores, scale, images[index].shape[:2], OVERLAP)
    return found
