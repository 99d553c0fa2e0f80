"""The torchvision detector backend: FCOS, without any AGPL code. See backend_yolo.py for what a backend is."""
from entoflow.detector.architectures import FCOS
from entoflow.detector.network import ready
from entoflow.weights import write_weights

NAME = "torchvision"
LICENCE = "BSD-3-Clause (torchvision code); weights trained from random values are their trainer's own, others carry the terms of those they started from"


def predict(detector, images, image_size=None):
    """Return [(boxes n x 4 float array in xyxy pixels, scores n)] of the images (H x W x 3 uint8 RGB), best first."""
    from entoflow.detector import fcos

    return fcos.find(detector["model"], images, image_size or detector["image_size"], detector["device"])


def save(detector, folder):
    """Write weights.safetensors to the folder and return what model.json says of the architecture."""
    write_weights(detector["model"], folder)
    return {"backend": NAME, "architecture": detector["architecture"], "image_size": detector["image_size"]}


def load(folder, input_facts, scratch):
    """Return the detector that `save` wrote. Raises KeyError or RuntimeError where the weights do not fit the architecture."""
    from safetensors.torch import load_file

    from entoflow.detector import fcos

    network = fcos.new_network(FCOS[input_facts["architecture"]])
    network.load_state_dict(load_file(folder / "weights.safetensors"))
    return ready(network, input_facts["architecture"], input_facts["image_size"])
