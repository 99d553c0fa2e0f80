"""A small detector's model folder, with random weights: it finds something in any photo."""

from pathlib import Path

from entoflow import model_folder
from entoflow.detector import backend_torchvision
from entoflow.detector.architectures import FCOS
from entoflow.detector.network import Detector, prepare
from entoflow.model_folder import ModelFacts


def random_detector(
    folder: Path, threshold: float, image_size: int = 64, seed: int = 0
) -> Detector:
    """Write the model folder of a detector and return the detector."""
    import torch

    from entoflow.detector import fcos

    Path(folder).mkdir(parents=True)
    torch.manual_seed(seed)
    network = fcos.new_network(FCOS["fcos_resnet10"])
    detector = prepare(network, "fcos_resnet10", image_size)
    facts = ModelFacts(
        name="insect_detector",
        kind="detector",
        classes=["insect"],
        input=backend_torchvision.save(detector, folder),
        threshold=threshold,
        metrics={},
        metrics_of="validation",
        licence="BSD-3-Clause",
        data={},
        parameters={},
        seed=seed,
    )
    model_folder.write(folder, facts)
    return detector
