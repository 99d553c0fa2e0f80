"""Where the published weights of a detector's network are, and what a checkpoint of it holds, read
without running it.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from entoflow.detector.architectures import FCOS
from entoflow.detector.load_ultralytics import load_ultralytics
from entoflow.task import InputError

if TYPE_CHECKING:
    import torch

YOLO_URL = "https://github.com/ultralytics/assets/releases/download/v8.4.0/{architecture}.pt"
BUILDING_BLOCKS = re.compile(
    r"(torch\.nn\.modules|ultralytics\.nn\.modules|ultralytics\.nn\.tasks)\.[\w.]+"
    r"|ultralytics\.utils\.IterableSimpleNamespace"
)

Tensors = dict[str, "torch.Tensor"]


def url_of(architecture: str) -> str:
    """Return where published weights of an architecture, or of its backbone, are."""
    if architecture not in FCOS:
        return YOLO_URL.format(architecture=architecture)
    from torchvision.models import get_weight

    return get_weight(FCOS[architecture].published).url


def read_checkpoint(path: Path, architecture: str, scratch: Path) -> Tensors:
    """Return {name: tensor} of a checkpoint of an architecture's backend, by torch's restricted
    reader.

    Raises InputError where the file holds what could run code.
    """
    if architecture in FCOS:
        return _read_torchvision_checkpoint(path)
    return _read_yolo_checkpoint(path, scratch)


def _read_yolo_checkpoint(path: Path, scratch: Path) -> Tensors:
    """Return {name: tensor} of an ultralytics checkpoint or a plain state_dict.

    Raises InputError where the file holds anything but tensors, numbers and modules of torch and
    ultralytics.
    """
    import torch

    load_ultralytics(scratch)
    names = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    for name in names:
        if not BUILDING_BLOCKS.fullmatch(name):
            wanted = "tensors and network modules only"
            raise InputError(f"weights: {path} holds {name}, which can run code; wanted {wanted}.")
    with torch.serialization.safe_globals([_import_by_name(name) for name in names]):
        content = torch.load(path, map_location="cpu", weights_only=True)
    if isinstance(content, dict):
        content = content.get("ema") or content.get("model") or content
    return content.state_dict() if isinstance(content, torch.nn.Module) else content


def _import_by_name(name: str) -> Any:
    import importlib

    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


def _read_torchvision_checkpoint(path: Path) -> Tensors:
    """Return {name: tensor} of a state_dict, or of a training's checkpoint with one as its "model".

    Raises InputError where the file holds what could run code.
    """
    import pickle

    import torch

    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:  # torch's own message advises to read such a file nevertheless
        raise InputError(
            f"weights: {path} is damaged or holds more than tensors, which can run code; "
            "wanted a state_dict."
        ) from None
    tensors = content.get("model", content)
    return {name: value for name, value in tensors.items() if isinstance(value, torch.Tensor)}
