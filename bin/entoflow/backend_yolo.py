"""The YOLO11 detector backend. ultralytics is AGPL-3.0: only this file and yolo_*.py import it, and only when a detector is asked for.

A backend is four functions, `train`, `predict`, `save` and `load`, and two facts for the model card, NAME and LICENCE.
"""
import os
import re
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from entoflow.task import InputError

NAME = "yolo"
LICENCE = "AGPL-3.0 (ultralytics code; weights trained with it carry the same terms)"
PUBLISHED = "https://github.com/ultralytics/assets/releases/download/v8.4.0/{architecture}.pt"
BUILDING_BLOCKS = re.compile(r"(torch\.nn\.modules|ultralytics\.nn\.modules|ultralytics\.nn\.tasks)\.[\w.]+|ultralytics\.utils\.IterableSimpleNamespace")
CANDIDATES = 3000  # best-scoring boxes an image keeps before overlaps are removed
MAX_DETECTIONS = 300
OVERLAP = 0.7  # boxes of one object overlap by more than this IoU


def train(samples, scratch, settings, on_epoch, checkpoint):
    """Train a one-class detector; return it with the weights of its best validation epoch, and the rows of all epochs.

    samples: {"train": [Sample], "validation": [Sample]}.
    settings: architecture, image_size, batch_size, max_epochs, patience, seed, weights (safetensors file or None).
    on_epoch(row): called after each epoch with {"epoch", "loss", "validation_ap", "validation_ap50", "best_epoch"}.
    checkpoint: file written after every epoch; training goes on from it where it exists already.
    """
    _ultralytics(scratch)
    from entoflow.yolo_trainer import Trainer

    data = {part: _write_labels(scratch / part, members) for part, members in samples.items()}
    trainer = Trainer(data, settings, scratch / "run", on_epoch, checkpoint)
    if not trainer.finished():
        trainer.train()
    return _ready(trainer.best_model(), settings["architecture"], settings["image_size"]), trainer.rows


def predict(detector, images, image_size=None):
    """Return [(boxes n x 4 float array in xyxy pixels, scores n)] of the images (H x W x 3 uint8 RGB), best first.

    Equal images give equal boxes whatever else is in the list: only images of one padded shape share a batch.
    """
    import torch

    size = image_size or detector["image_size"]
    found = [None] * len(images)
    by_shape = {}
    for index, image in enumerate(images):
        scale, shape = _fit(image.shape[:2], size)
        by_shape.setdefault(shape, []).append((index, scale))
    for shape, members in sorted(by_shape.items()):
        batch = torch.stack([_letterbox(images[index], scale, shape) for index, scale in members])
        with torch.inference_mode():
            output = _fast(detector)(batch.to(detector["device"]).float() / 255)
        output = (output[0] if isinstance(output, (tuple, list)) else output).float().cpu()
        for (index, scale), raw in zip(members, output):
            found[index] = _decode(raw, scale, images[index].shape[:2])
    return found


def save(detector, folder):
    """Write weights.safetensors to the folder and return what model.json says of the architecture."""
    from safetensors import torch as tensors

    state = detector["model"].state_dict()
    (folder / "weights.safetensors").write_bytes(tensors.save({name: value.contiguous().cpu() for name, value in state.items()}))
    return {"backend": NAME, "architecture": detector["architecture"], "image_size": detector["image_size"]}


def load(folder, input_facts, scratch):
    """Return the detector that `save` wrote. Raises KeyError or RuntimeError where the weights do not fit the architecture."""
    from safetensors.torch import load_file

    _ultralytics(scratch)
    from entoflow.yolo_trainer import new_model

    model = new_model(input_facts["architecture"])
    model.load_state_dict(load_file(folder / "weights.safetensors"))
    return _ready(model, input_facts["architecture"], input_facts["image_size"])


def read_checkpoint(path, scratch):
    """Return {name: tensor} of an ultralytics checkpoint or a plain state_dict, by torch's restricted reader.

    Raises InputError where the file holds anything but tensors, numbers and modules of torch and ultralytics.
    """
    import torch

    _ultralytics(scratch)
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


def _ultralytics(scratch):
    """Keep ultralytics off the network, silent, and out of the user's home folder; it reads these when first imported."""
    settings = {"YOLO_OFFLINE": "1", "YOLO_AUTOINSTALL": "0", "YOLO_VERBOSE": "0", "YOLO_CONFIG_DIR": str(Path(scratch).resolve())}
    os.environ.update(settings)
    os.environ.setdefault("OMP_NUM_THREADS", str(os.cpu_count()))  # unset, ultralytics makes it 1
    import logging

    from PIL import Image

    own_open = Image.open
    import ultralytics  # noqa: F401

    Image.open = own_open  # ultralytics' own would try to install a package for a file that is no image
    logging.getLogger("ultralytics").setLevel(logging.ERROR)


def _ready(model, architecture, image_size):
    import torch

    device = "cuda:0" if torch.cuda.is_available() else "cpu"
    return {"model": model.float().eval().to(device), "device": device, "architecture": architecture, "image_size": image_size}


def _fast(detector):
    """Return the network with its normalisations folded into the convolutions, made once: a fifth less time on a CPU, the same boxes."""
    import copy

    import torch

    if "fast" not in detector:
        detector["fast"] = copy.deepcopy(detector["model"]).fuse(verbose=False).to(memory_format=torch.channels_last)
    return detector["fast"]


def _write_labels(folder, samples):
    """Write YOLO label files beside the images (.../images/x.jpg, .../labels/x.txt) and return the images' folder."""
    from entoflow.yolo_loss import encoded

    (folder / "labels").mkdir(parents=True)
    for image, boxes, weights, ignored in samples:
        codes = encoded(weights, len(ignored))
        lines = [" ".join([str(code), *(f"{value:.8f}" for value in box)]) for code, box in zip(codes, [*boxes, *ignored])]
        (folder / "labels" / f"{image.stem}.txt").write_text("\n".join(lines))
    return folder / "images"


def _fit(shape, size):
    """Return the scale that fits an image (height, width) into size, and the padded shape: multiples of 32, as in training."""
    scale = size / max(shape)
    return scale, tuple(-(-max(round(side * scale), 1) // 32) * 32 for side in shape)


def _letterbox(image, scale, shape):
    import cv2
    import numpy as np
    import torch

    height, width = (max(round(side * scale), 1) for side in image.shape[:2])
    canvas = np.full((*shape, 3), 114, np.uint8)
    canvas[:height, :width] = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    return torch.from_numpy(canvas.transpose(2, 0, 1))


def _decode(raw, scale, shape):
    """Turn the network's (5, anchors) output, cx cy w h score in padded pixels, into the boxes of the image.

    Overlaps are removed by torchvision, not by ultralytics, whose own function gives up after a time limit and loses boxes.
    """
    import torch

    scores, order = raw[4].sort(descending=True, stable=True)
    keep = scores[:CANDIDATES] >= 0.001
    scores, order = scores[:CANDIDATES][keep], order[:CANDIDATES][keep]
    centre, size = raw[:2, order].T, raw[2:4, order].T
    boxes = torch.cat([centre - size / 2, centre + size / 2], 1) / scale
    boxes = torch.stack([side.clamp(0, shape[1 - k % 2]) for k, side in enumerate(boxes.unbind(1))], 1)
    inside = (boxes[:, 2:] > boxes[:, :2]).all(1)
    boxes, scores = boxes[inside], scores[inside]
    kept = _remove_overlaps()(boxes, scores, OVERLAP)[:MAX_DETECTIONS]
    return boxes[kept].numpy().astype(float), scores[kept].numpy().astype(float)


@lru_cache
def _remove_overlaps():
    """Return torchvision's nms without importing the package, which would take seconds for torch's compiler."""
    import torch

    library = next(Path(find_spec("torchvision").origin).parent.glob("_C*.so"))
    torch.ops.load_library(library)
    return torch.ops.torchvision.nms
