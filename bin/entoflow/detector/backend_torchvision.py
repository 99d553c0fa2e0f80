"""The torchvision detector backend: FCOS, without any AGPL code.

network.Backend says what a backend is.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from entoflow.detector.architectures import FCOS
from entoflow.detector.network import BoxesAndScores, Detector, prepare
from entoflow.weights import write_weights

if TYPE_CHECKING:
    import numpy as np

NAME = "torchvision"
LICENCE = (
    "BSD-3-Clause (torchvision code); weights trained from random values are their trainer's own, "
    "others carry the terms of those they started from"
)


def predict(
    detector: Detector, images: "Sequence[np.ndarray]", image_size: int | None = None
) -> list[BoxesAndScores]:
    """Return the boxes of images (H x W x 3 uint8 RGB), best first."""
    from entoflow.detector import fcos

    return fcos.predict(
        detector.network, images, image_size or detector.image_size, detector.device
    )


def save(detector: Detector, folder: Path) -> dict[str, Any]:
    """Write weights.safetensors to the folder; return what model.json says of the network."""
    write_weights(detector.network, folder)
    return {
        "backend": NAME,
        "architecture": detector.architecture,
        "image_size": detector.image_size,
    }


def load(folder: Path, input_facts: dict[str, Any], scratch: Path) -> Detector:
    """Return the detector that `save` wrote.

    Raises KeyError or RuntimeError where the weights do not fit the architecture.
    """
    from safetensors.torch import load_file

    from entoflow.detector import fcos

    network = fcos.new_network(FCOS[input_facts["architecture"]])
    network.load_state_dict(load_file(folder / "weights.safetensors"))
    return prepare(network, input_facts["architecture"], input_facts["image_size"])
