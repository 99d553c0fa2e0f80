"""The torchvision detector backend: FCOS, without any AGPL code. See backend_yolo.py for what a backend is."""
from typing import NamedTuple

from entoflow.detector import ready, write_weights
from entoflow.task import InputError

NAME = "torchvision"
LICENCE = "BSD-3-Clause (torchvision code); weights trained from random values are their trainer's own, others carry the terms of those they started from"


class Architecture(NamedTuple):
    """A ResNet, and the pyramid and head on it."""

    block: str  # torchvision's name of what its stages repeat
    repeats: tuple  # of the block, in each of the four stages
    width: int  # channels of pyramid and head
    convolutions: int  # of the head, before its outputs
    published: str  # torchvision's name of published weights: of the whole network, or of a backbone that holds this one's tensors


ARCHITECTURES = {
    "fcos_resnet10": Architecture("BasicBlock", (1, 1, 1, 1), 128, 2, "ResNet18_Weights.IMAGENET1K_V1"),
    "fcos_resnet18": Architecture("BasicBlock", (2, 2, 2, 2), 128, 2, "ResNet18_Weights.IMAGENET1K_V1"),
    "fcos_resnet50": Architecture("Bottleneck", (3, 4, 6, 3), 256, 4, "FCOS_ResNet50_FPN_Weights.COCO_V1"),
}


def train(samples, scratch, settings, on_epoch, checkpoint):
    """Train a one-class detector; return it with the weights of its best validation epoch, and the rows of all epochs.

    Arguments as those of backend_yolo.train.
    """
    import torch

    from entoflow import fcos
    from entoflow.fcos_trainer import Trainer

    architecture = ARCHITECTURES[settings["architecture"]]
    device = "cuda:0" if torch.cuda.is_available() else "cpu"
    weights, rows = Trainer(samples, architecture, settings, checkpoint, device).train(on_epoch)
    network = fcos.new_network(architecture)
    network.load_state_dict(weights)
    return ready(network, settings["architecture"], settings["image_size"]), rows


def predict(detector, images, image_size=None):
    """Return [(boxes n x 4 float array in xyxy pixels, scores n)] of the images (H x W x 3 uint8 RGB), best first."""
    from entoflow import fcos

    return fcos.find(detector["model"], images, image_size or detector["image_size"], detector["device"])


def save(detector, folder):
    """Write weights.safetensors to the folder and return what model.json says of the architecture."""
    write_weights(detector["model"], folder)
    return {"backend": NAME, "architecture": detector["architecture"], "image_size": detector["image_size"]}


def load(folder, input_facts, scratch):
    """Return the detector that `save` wrote. Raises KeyError or RuntimeError where the weights do not fit the architecture."""
    from safetensors.torch import load_file

    from entoflow import fcos

    network = fcos.new_network(ARCHITECTURES[input_facts["architecture"]])
    network.load_state_dict(load_file(folder / "weights.safetensors"))
    return ready(network, input_facts["architecture"], input_facts["image_size"])


def published(architecture):
    """Return where the published weights of an architecture, or of its backbone, can be downloaded."""
    from torchvision.models import get_weight

    return get_weight(ARCHITECTURES[architecture].published).url


def read_checkpoint(path, scratch):
    """Return {name: tensor} of a state_dict, or of a training's checkpoint with one as its "model", by torch's restricted reader.

    Raises InputError where the file holds what could run code.
    """
    import pickle

    import torch

    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:  # torch's own message advises to read such a file nevertheless
        raise InputError(f"weights: {path} is damaged or holds more than tensors, which can run code; wanted a state_dict.") from None
    return {name: value for name, value in content.get("model", content).items() if isinstance(value, torch.Tensor)}
