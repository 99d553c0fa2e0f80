"""Ultralytics' training loop with our data, our checkpoint and our log. AGPL-3.0 code is imported here: only backend_yolo uses this file.

Four things differ from a plain `yolo train` of the same data and settings. Boxes have weights, and in ignore regions nothing is
learned (yolo_loss.py). A checkpoint holds tensors and numbers only, so
that it is read without unpickling anything. The best epoch's weights keep full precision. And where ultralytics would gather
the gradients of 64 images before each step, which leaves a few photos a few dozen steps, a short training steps every batch.
"""
import math

import torch
from safetensors.torch import load_file
from ultralytics.models.yolo.detect import DetectionTrainer
from ultralytics.utils.torch_utils import unwrap_model

from entoflow.detection import checkpoint
from entoflow.detection.yolo_loss import WHOLE, Network, Validator

GATHERED, FEW_STEPS = 64, 2000  # images to a step as ultralytics has it; fewer such steps are too few


def new_model(architecture, weights=None):
    """Return an untrained one-class network; weights (safetensors) fill the tensors whose name and shape agree."""
    model = Network(f"{architecture}.yaml", nc=1, verbose=False)
    if weights:
        own = model.state_dict()
        given = {name: value for name, value in load_file(weights).items() if name in own and own[name].shape == value.shape}
        model.load_state_dict(own | {name: value.to(own[name].dtype) for name, value in given.items()})
    return model


class Trainer(DetectionTrainer):
    def __init__(self, data, settings, folder, on_epoch, checkpoint):
        self.folders, self.settings, self.on_epoch, self.checkpoint = data, settings, on_epoch, checkpoint
        self.best_state, self.rows = None, []
        steps = settings["max_epochs"] * len(list(data["train"].iterdir())) / GATHERED
        cuda, threads = torch.cuda.is_available(), torch.get_num_threads()
        super().__init__(overrides={
            "mode": "train", "task": "detect", "model": f"{settings['architecture']}.yaml", "data": "detector.yaml",
            "project": str(folder.parent), "name": folder.name, "exist_ok": True, "plots": False, "verbose": False,
            "imgsz": settings["image_size"], "batch": settings["batch_size"], "epochs": settings["max_epochs"],
            "nbs": GATHERED if steps >= FEW_STEPS else settings["batch_size"], "patience": settings["patience"],
            "seed": settings["seed"], "deterministic": True,
            "device": "0" if cuda else "cpu", "amp": "bf16" if cuda else False,  # fp16 would want a downloaded file to check itself
        })
        torch.set_num_threads(threads)  # ultralytics leaves one core idle

    def get_dataset(self):
        folders = {"train": str(self.folders["train"]), "val": str(self.folders["validation"])}
        codes = {code: str(code) for code in range(WHOLE + 1)}
        return {**folders, "nc": 1, "names": codes, "channels": 3}  # nc decides the learning rate, names which codes may be read

    def setup_model(self):
        self.model = new_model(self.settings["architecture"], self.settings["weights"])

    def set_model_attributes(self):
        self.model.nc, self.model.names, self.model.args = 1, {0: "object"}, self.args

    def get_validator(self):
        own = super().get_validator()
        return Validator(own.dataloader, save_dir=own.save_dir, args=own.args, _callbacks=own.callbacks)

    def save_model(self):
        if self.fitness == self.best_fitness or self.best_state is None:
            self.best_state = {name: value.clone() for name, value in self.ema.ema.state_dict().items()}
        self.rows.append(self._row())
        state = {
            "epoch": self.epoch, "rows": self.rows, "best_fitness": float(self.best_fitness), "best_state": self.best_state,
            "stopper": {"best_fitness": float(self.stopper.best_fitness), "best_epoch": self.stopper.best_epoch},
            "model": unwrap_model(self.model).state_dict(), "ema": self.ema.ema.state_dict(), "updates": self.ema.updates,
            "optimizer": self.optimizer.state_dict(), "finished": bool(self.stop),
        }
        checkpoint.write(self.checkpoint, state)
        self.on_epoch(self.rows[-1])
        return True

    def finished(self):
        """Tell whether an earlier attempt trained to the end; its best weights are then taken over."""
        state = checkpoint.read(self.checkpoint, self.device)
        self.best_state, self.rows = state.get("best_state"), state.get("rows", [])
        return state.get("finished", False)

    def resume_training(self, ckpt):
        state = checkpoint.read(self.checkpoint, self.device)
        if not state:
            return
        unwrap_model(self.model).load_state_dict(state["model"])
        self.ema.ema.load_state_dict(state["ema"])
        self.ema.updates = state["updates"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.best_fitness, self.best_state, self.rows = state["best_fitness"], state["best_state"], state["rows"]
        self.stopper.best_fitness, self.stopper.best_epoch = state["stopper"]["best_fitness"], state["stopper"]["best_epoch"]
        self.start_epoch = state["epoch"] + 1

    def final_eval(self):
        """Nothing: the trained detector is evaluated by entoflow's own metrics."""

    def best_model(self):
        model = new_model(self.settings["architecture"])
        model.load_state_dict(self.best_state)
        return model

    def _row(self):
        numbers = {"loss": sum(float(value) for value in self.tloss.values())}
        numbers["validation_ap"] = float(self.metrics["metrics/mAP50-95(B)"])
        numbers["validation_ap50"] = float(self.metrics["metrics/mAP50(B)"])
        numbers = {name: round(value, 5) if math.isfinite(value) else None for name, value in numbers.items()}
        return {"epoch": self.epoch + 1, **numbers, "best_epoch": self.stopper.best_epoch}
