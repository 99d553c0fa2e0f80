"""Where the published weights of a detector's network are, and what a checkpoint of it holds, read without running any of it."""
import re

from entoflow.detector.architectures import FCOS
from entoflow.detector.load_ultralytics import load_ultralytics
from entoflow.task import InputError

PUBLISHED = "https://github.com/ultralytics/assets/releases/download/v8.4.0/{architecture}.pt"
BUILDING_BLOCKS = re.compile(r"(torch\.nn\.modules|ultralytics\.nn\.modules|ultralytics\.nn\.tasks)\.[\w.]+|ultralytics\.utils\.IterableSimpleNamespace")


def published(architecture):
    """Return where the published weights of an architecture, or of its backbone, can be downloaded."""
    if architecture not in FCOS:
        return PUBLISHED.format(architecture=architecture)
    from torchvision.models import get_weight

    return get_weight(FCOS[architecture].published).url


def read_checkpoint(path, architecture, scratch):
    """Return {name: tensor} of a checkpoint of an architecture's backend, by torch's restricted reader.

    Raises InputError where the file holds what could run code.
    """
    return read_torchvision_checkpoint(path) if architecture in FCOS else read_yolo_checkpoint(path, scratch)


def read_yolo_checkpoint(path, scratch):
    """Return {name: tensor} of an ultralytics checkpoint or a plain state_dict, by torch's restricted reader.

    Raises InputError where the file holds anything but tensors, numbers and modules of torch and ultralytics.
    """
    import torch

    load_ultralytics(scratch)
    names = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    for name in names:
        if not BUILDING_BLOCKS.fullmatch(name):
            raise InputError(f"weights: {path} holds {name}, which can run code; wanted tensors and network modules only.")
    with torch.serialization.safe_globals([_named(name) for name in names]):
        content = torch.load(path, map_location="cpu", weights_only=True)
    network = (content.get("ema") or content.get("model") or content) if isinstance(content, dict) else content
    return network.state_dict() if isinstance(network, torch.nn.Module) else network


def _named(name):
    import importlib

    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


def read_torchvision_checkpoint(path):
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
