"""Ultralytics' training loop with our data, our checkpoint and our log.

AGPL-3.0 code is imported here: only yolo_training uses this file. Four things differ from a plain
`yolo train` of the same data and settings. Boxes have weights, and in ignore regions nothing is
learned (yolo_loss.py). A checkpoint holds tensors and numbers only, so that it is read without
unpickling anything. The best epoch's weights keep full precision. And where ultralytics would
gather the gradients of 64 images before each step, which leaves a few photos a few dozen steps, a
short training steps every batch.
"""

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from ultralytics.models.yolo.detect import DetectionTrainer
from ultralytics.utils.torch_utils import unwrap_model

from entoflow.detection.training import Epoch, OnEpoch, Settings, read_checkpoint, write_checkpoint
from entoflow.detection.yolo_loss import WHOLE, Network, Validator

GATHERED = 64  # images to a step, as ultralytics has it
FEW_STEPS = 2000  # fewer such steps in all are too few


def new_network(architecture: str, weights: Path | None = None) -> Network:
    """Return an untrained one-class network.

    Weights (safetensors) fill the tensors whose name and shape agree.
    """
    network = Network(f"{architecture}.yaml", nc=1, verbose=False)
    if weights:
        state = network.state_dict()
        fitting = {}
        for name, value in load_file(weights).items():
            if name in state and state[name].shape == value.shape:
                fitting[name] = value.to(state[name].dtype)
        network.load_state_dict(state | fitting)
    return network


class Trainer(DetectionTrainer):
    """A training that writes a checkpoint after each epoch, and resumes from one that is there."""

    model: Any  # ultralytics sets these in the course of a training; its own types say None
    ema: Any
    optimizer: Any
    stopper: Any
    tloss: Any
    metrics: Any
    fitness: Any
    best_fitness: Any

    def __init__(
        self,
        image_folders: dict[str, Path],
        settings: Settings,
        folder: Path,
        on_epoch: OnEpoch,
        checkpoint: Path,
    ) -> None:
        self.image_folders = image_folders  # of train and validation
        self.settings = settings
        self.on_epoch = on_epoch
        self.checkpoint = checkpoint
        self.best_weights: dict[str, torch.Tensor] | None = None
        self.epochs_done: list[Epoch] = []
        threads = torch.get_num_threads()
        super().__init__(
            overrides=_overrides(settings, folder, len(list(image_folders["train"].iterdir())))
        )
        torch.set_num_threads(threads)  # ultralytics leaves one core idle

    def get_dataset(self) -> dict[str, Any]:
        """Return the data set as ultralytics describes one.

        Nc decides the learning rate, names the codes allowed.
        """
        return {
            "train": str(self.image_folders["train"]),
            "val": str(self.image_folders["validation"]),
            "nc": 1,
            "names": {code: str(code) for code in range(WHOLE + 1)},
            "channels": 3,
        }

    def setup_model(self) -> None:
        self.model = new_network(self.settings.architecture, self.settings.weights)

    def set_model_attributes(self) -> None:
        self.model.nc = 1
        self.model.names = {0: "object"}
        self.model.args = self.args

    def get_validator(self) -> Validator:
        plain = super().get_validator()
        return Validator(
            plain.dataloader, save_dir=plain.save_dir, args=plain.args, _callbacks=plain.callbacks
        )

    def save_model(self) -> bool:
        """Keep the best epoch's weights, note the epoch, and write the checkpoint."""
        if self.fitness == self.best_fitness or self.best_weights is None:
            self.best_weights = {
                name: value.clone() for name, value in self.ema.ema.state_dict().items()
            }
        self.epochs_done.append(self.describe_epoch())
        write_checkpoint(
            self.checkpoint,
            {
                "epoch": self.epoch,
                "epochs": [asdict(epoch) for epoch in self.epochs_done],
                "best_fitness": float(self.best_fitness),
                "best_weights": self.best_weights,
                "stopper_best_fitness": float(self.stopper.best_fitness),
                "stopper_best_epoch": self.stopper.best_epoch,
                "model": unwrap_model(self.model).state_dict(),
                "ema": self.ema.ema.state_dict(),
                "updates": self.ema.updates,
                "optimizer": self.optimizer.state_dict(),
                "is_finished": bool(self.stop),
            },
        )
        self.on_epoch(self.epochs_done[-1])
        return True

    def is_finished(self) -> bool:
        """Return whether an earlier attempt trained to the end.

        Its best weights are then taken over.
        """
        state = read_checkpoint(self.checkpoint, self.device)
        if not state:
            return False
        self.best_weights = state["best_weights"]
        self.epochs_done = [Epoch(**epoch) for epoch in state["epochs"]]
        return state["is_finished"]

    def resume_training(self, ckpt: Any) -> None:
        state = read_checkpoint(self.checkpoint, self.device)
        if not state:
            return
        unwrap_model(self.model).load_state_dict(state["model"])
        self.ema.ema.load_state_dict(state["ema"])
        self.ema.updates = state["updates"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.best_fitness = state["best_fitness"]
        self.best_weights = state["best_weights"]
        self.epochs_done = [Epoch(**epoch) for epoch in state["epochs"]]
        self.stopper.best_fitness = state["stopper_best_fitness"]
        self.stopper.best_epoch = state["stopper_best_epoch"]
        self.start_epoch = state["epoch"] + 1

    def final_eval(self) -> None:
        """Do nothing: the trained detector is evaluated by entoflow's own metrics."""

    def best_network(self) -> Network:
        """Return the network with the weights of the best validation epoch."""
        network = new_network(self.settings.architecture)
        network.load_state_dict(self.best_weights or {})
        return network

    def describe_epoch(self) -> Epoch:
        """Return how the current epoch went."""
        return Epoch(
            self.epoch + 1,
            _rounded(sum(float(value) for value in self.tloss.values())),
            _rounded(float(self.metrics["metrics/mAP50-95(B)"])),
            _rounded(float(self.metrics["metrics/mAP50(B)"])),
            self.stopper.best_epoch,
        )


def _overrides(settings: Settings, folder: Path, n_images: int) -> dict[str, Any]:
    """Return the settings that ultralytics' trainer takes, by its names."""
    steps = settings.max_epochs * n_images / GATHERED
    has_cuda = torch.cuda.is_available()
    return {
        "mode": "train",
        "task": "detect",
        "model": f"{settings.architecture}.yaml",
        "data": "detector.yaml",
        "project": str(folder.parent),
        "name": folder.name,
        "exist_ok": True,
        "plots": False,
        "verbose": False,
        "imgsz": settings.image_size,
        "batch": settings.batch_size,
        "epochs": settings.max_epochs,
        "nbs": GATHERED if steps >= FEW_STEPS else settings.batch_size,
        "patience": settings.patience,
        "seed": settings.seed,
        "deterministic": True,
        "device": "0" if has_cuda else "cpu",
        "amp": "bf16" if has_cuda else False,  # fp16 would want a downloaded file to check itself
    }


def _rounded(value: float) -> float | None:
    return round(value, 5) if math.isfinite(value) else None
