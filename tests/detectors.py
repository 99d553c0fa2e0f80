"""A small detector's model folder, with random weights: it finds something in any photo."""
from pathlib import Path

from entoflow import backend_torchvision, model
from entoflow.detector import ready


def random_detector(folder, threshold, image_size=64, seed=0):
    import torch
    from entoflow import fcos

    Path(folder).mkdir(parents=True)
    torch.manual_seed(seed)
    made = ready(fcos.new_network(backend_torchvision.ARCHITECTURES["fcos_resnet10"]), "fcos_resnet10", image_size)
    facts = {"name": "insect_detector", "kind": "detector", "classes": ["insect"], "input": backend_torchvision.save(made, folder),
             "threshold": threshold, "metrics": {}, "metrics_of": "validation"}
    model.write(folder, facts, {"data": {}, "parameters": {}, "seed": seed}, "BSD-3-Clause")
    return made
