"""Training of the torchvision backend."""
from entoflow.detector.architectures import FCOS
from entoflow.detector.network import ready


def train(samples, scratch, settings, on_epoch, checkpoint):
    """Train a one-class detector; return it with the weights of its best validation epoch, and the rows of all epochs.

    Arguments as those of yolo_training.train.
    """
    import torch

    from entoflow.detection.fcos_trainer import Trainer
    from entoflow.detector import fcos

    architecture = FCOS[settings["architecture"]]
    device = "cuda:0" if torch.cuda.is_available() else "cpu"
    weights, rows = Trainer(samples, architecture, settings, checkpoint, device).train(on_epoch)
    network = fcos.new_network(architecture)
    network.load_state_dict(weights)
    return ready(network, settings["architecture"], settings["image_size"]), rows
