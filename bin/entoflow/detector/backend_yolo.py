"""The YOLO11 detector backend. ultralytics is AGPL-3.0: only this file and yolo_*.py import it, and only when a detector is asked for.

A backend is four functions, `train`, `predict`, `save` and `load`, two for the weights that it starts from, `published` and
`read_checkpoint`, two facts for the model card, NAME and LICENCE, and its ARCHITECTURES, the first of which is the default.
"""
import os
import re
from pathlib import Path

from entoflow.detector import batches, cleaned, ready, write_weights
from entoflow.task import InputError

NAME = "yolo"
LICENCE = "AGPL-3.0 (ultralytics code; weights trained with it carry the same terms)"
ARCHITECTURES = ("yolo11n", "yolo11s", "yolo11m", "yolo11l", "yolo11x")
PUBLISHED = "https://github.com/ultralytics/assets/releases/download/v8.4.0/{architecture}.pt"
BUILDING_BLOCKS = re.compile(r"(torch\.nn\.modules|ultralytics\.nn\.modules|ultralytics\.nn\.tasks)\.[\w.]+|ultralytics\.utils\.IterableSimpleNamespace")
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
    return ready(trainer.best_model(), settings["architecture"], settings["image_size"]), trainer.rows


def predict(detector, images, image_size=None):
    """Return [(boxes n x 4 float array in xyxy pixels, scores n)] of the images (H x W x 3 uint8 RGB), best first."""
    import torch

    found = [None] * len(images)
    for batch, members in batches(images, image_size or detector["image_size"], detector["device"]):
        with torch.inference_mode():
            output = _fast(detector)(batch.to(detector["device"]).float() / 255)
        output = (output[0] if isinstance(output, (tuple, list)) else output).float().cpu()
        for (index, scale), raw in zip(members, output):
            found[index] = _decode(raw, scale, images[index].shape[:2])
    return found


def save(detector, folder):
    """Write weights.safetensors to the folder and return what model.json says of the architecture."""
    write_weights(detector["model"], folder)
    return {"backend": NAME, "architecture": detector["architecture"], "image_size": detector["image_size"]}


def load(folder, input_facts, scratch):
    """Return the detector that `save` wrote. Raises KeyError or RuntimeError where the weights do not fit the architecture."""
    from safetensors.torch import load_file

    _ultralytics(scratch)
    from entoflow.yolo_trainer import new_model

    model = new_model(input_facts["architecture"])
    model.load_state_dict(load_file(folder / "weights.safetensors"))
    return ready(model, input_facts["architecture"], input_facts["image_size"])


def published(architecture):
    """Return where the published weights of an architecture can be downloaded."""
    return PUBLISHED.format(architecture=architecture)


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


def _decode(raw, scale, shape):
    """Turn the network's (5, places) output, cx cy w h score in padded pixels, into the boxes and scores of the image."""
    import torch

    centre, size = raw[:2].T, raw[2:4].T
    return cleaned(torch.cat([centre - size / 2, centre + size / 2], 1), raw[4], scale, shape, OVERLAP)
