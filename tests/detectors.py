"""A small detector's model folder, with random weights: it finds something in any photo."""
from pathlib import Path

from entoflow import model_folder
from entoflow.detector import backend_torchvision
from entoflow.detector.architectures import FCOS
from entoflow.detector.network import ready


def random_detector(folder, threshold, image_size=64, seed=0):
    import torch

    from entoflow.detector import fcos

    Path(folder).mkdir(parents=True)
    torch.manual_seed(seed)
    made = ready(fcos.new_network(FCOS["fcos_resnet10"]), "fcos_resnet10", image_size)
    facts = {"name": "insect_detector", "kind": "detector", "classes": ["insect"], "input": backend_torchvision.save(made, folder),
             "threshold": threshold, "metrics": {}, "metrics_of": "validation"}
    model_folder.write(folder, facts, {"data": {}, "parameters": {}, "seed": seed}, "BSD-3-Clause")
    return made
