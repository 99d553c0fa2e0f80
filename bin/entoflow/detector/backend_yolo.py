"""The YOLO11 detector backend. ultralytics is AGPL-3.0: it is imported only when a YOLO detector is asked for.

A backend is three functions, `predict`, `save` and `load`, and two facts for the model card, NAME and LICENCE. How it is trained
stands in entoflow/detection/.
"""
from entoflow.detector.load_ultralytics import load_ultralytics
from entoflow.detector.network import batches, cleaned, ready
from entoflow.weights import write_weights

NAME = "yolo"
LICENCE = "AGPL-3.0 (ultralytics code; weights trained with it carry the same terms)"
OVERLAP = 0.7  # boxes of one object overlap by more than this IoU


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

    load_ultralytics(scratch)
    from ultralytics.nn.tasks import DetectionModel

    model = DetectionModel(f"{input_facts['architecture']}.yaml", nc=1, verbose=False)
    model.load_state_dict(load_file(folder / "weights.safetensors"))
    return ready(model, input_facts["architecture"], input_facts["image_size"])


def _fast(detector):
    """Return the network with its normalisations folded into the convolutions, made once: a fifth less time on a CPU, the same boxes."""
    import copy

    import torch

    if "fast" not in detector:
        detector["fast"] = copy.deepcopy(detector["model"]).fuse(verbose=False).to(memory_format=torch.channels_last)
    return detector["fast"]


def _decode(raw, scale, shape):
    """Turn the network's (5, places) output, cx cy w h score in padded pixels, into the boxes and scores of the image."""
    import torch

    centre, size = raw[:2].T, raw[2:4].T
    return cleaned(torch.cat([centre - size / 2, centre + size / 2], 1), raw[4], scale, shape, OVERLAP)
