"""The training loop of the torchvision backend: AdamW with a warm-up and a falling rate, and running means of the weights, which are what is kept.

All that is random in an epoch is drawn from the seed and the epoch's number, so that a training that was cut off and goes on ends where it would have.
"""
import copy
import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from entoflow.detection import checkpoint, matching
from entoflow.detection.augmentation import training_image
from entoflow.detection.average_precision import OVERLAPS, average_precision, max_detections
from entoflow.detection.detections import gather
from entoflow.detection.fcos_loss import Truth, loss
from entoflow.detector import fcos
from entoflow.images import read_image
from entoflow.optimising import follow, rate, weight_groups

RATE = 0.002  # of AdamW
WARM_UP = 3  # epochs, at most a fifth of all
ALONE = 0.25  # share of the epochs, the last ones, whose images are not pasted together
STEEPEST = 10.0  # largest norm of a step's gradient
KEPT = ("network", "mean", "optimiser")  # whose state goes into the checkpoint
AT_ONCE = 16  # images that are read to be looked at
READ_AHEAD = 4  # threads that make training images


class Trainer:
    def __init__(self, samples, architecture, settings, path, device):
        torch.manual_seed(settings["seed"])
        if device != "cpu":
            torch.use_deterministic_algorithms(True, warn_only=True)
        self.samples, self.settings, self.path, self.device = samples["train"], settings, path, device
        self.network = fcos.new_network(architecture, settings["weights"]).to(device)
        self.mean = copy.deepcopy(self.network)
        self.optimiser = torch.optim.AdamW(weight_groups(self.network))
        self.state = {"epoch": 0, "steps": 0, "rows": [], "best": 0.0, "best_epoch": 0, "best_state": {}, "finished": False}
        self.size = -(-settings["image_size"] // 32) * 32
        self.judge = Validation(samples["validation"])
        self._go_on(checkpoint.read(path, device))

    def train(self, on_epoch):
        """Train to the end; return the best epoch's weights and the rows of all epochs."""
        state, settings = self.state, self.settings
        while not state["finished"]:
            lost = self._epoch(np.random.default_rng([settings["seed"], state["epoch"]]))
            state["epoch"] += 1
            ap, ap50 = self.judge(self.mean.eval(), settings["image_size"], self.device)
            if ap > state["best"] or state["best"] == 0:
                state["best"], state["best_epoch"] = ap, state["epoch"]
                state["best_state"] = {name: value.clone() for name, value in self.mean.state_dict().items()}
            state["rows"].append({"epoch": state["epoch"], "loss": lost, "validation_ap": ap, "validation_ap50": ap50, "best_epoch": state["best_epoch"]})
            state["finished"] = state["epoch"] in (settings["max_epochs"], state["best_epoch"] + settings["patience"])
            checkpoint.write(self.path, {**state, **{name: getattr(self, name).state_dict() for name in KEPT}})
            on_epoch(state["rows"][-1])
        return state["best_state"], state["rows"]

    def _go_on(self, saved):
        if saved:
            for name in KEPT:
                getattr(self, name).load_state_dict(saved.pop(name))
            self.state = saved

    def _epoch(self, rng):
        """Learn each image once; return the mean loss of a step."""
        self.network.train()
        order, lost = rng.permutation(len(self.samples)), []
        seeds = rng.integers(0, 2**63, len(order))
        batches = [list(zip(order[k:k + self.settings["batch_size"]], seeds[k:])) for k in range(0, len(order), self.settings["batch_size"])]
        for made in loaded(self._made, batches):
            lost.append(self._step(made, len(batches)))
        return round(sum(lost) / len(lost), 5) if math.isfinite(sum(lost)) else None

    def _step(self, made, steps_an_epoch):
        epochs = self.settings["max_epochs"]
        for group in self.optimiser.param_groups:
            group["lr"] = RATE * rate(self.state["steps"], min(WARM_UP, epochs / 5) * steps_an_epoch, epochs * steps_an_epoch)
        images = torch.from_numpy(np.stack([image for image, *_ in made])).to(self.device).permute(0, 3, 1, 2).float()
        truths = [Truth(*(torch.from_numpy(values).float().to(self.device) for values in truth)) for _, *truth in made]
        with torch.autocast(self.device.split(":")[0], torch.bfloat16, enabled=self.device != "cpu"):
            found = self.network(images)
        lost = loss(*found, truths).sum()
        self.optimiser.zero_grad()
        lost.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), STEEPEST)
        self.optimiser.step()
        self.state["steps"] += 1
        follow(self.mean, self.network, self.state["steps"])
        return lost.item()

    def _made(self, index_and_seed):
        index, seed = index_and_seed
        several = self.state["epoch"] < self.settings["max_epochs"] * (1 - ALONE)
        return training_image(self._read, index, len(self.samples), self.size, several, np.random.default_rng(seed))

    def _read(self, index):
        return read_image(self.samples[index].path), self.samples[index]


class Validation:
    """Average precision on validation images, as the suite measures it everywhere: nothing counts in an ignore region."""

    def __init__(self, samples):
        self.samples = samples
        images, boxes, ignored = zip(*(_truth(index, sample) for index, sample in enumerate(samples)))
        self.truth = matching.Truth(np.concatenate(images), np.concatenate(boxes), np.concatenate(ignored), len(samples))

    def __call__(self, network, size, device):
        """Return (AP, AP50), rounded; 0 where the images hold no box."""
        if self.truth.crowd.all():
            return 0.0, 0.0
        found = []
        for start in range(0, len(self.samples), AT_ONCE):
            images = [read_image(sample.path) for sample in self.samples[start:start + AT_ONCE]]
            found += [(start + n, 0, *boxes) for n, boxes in enumerate(fcos.find(network, images, size, device))]
        matches = matching.match_all(gather(found, range(len(self.samples))), self.truth, OVERLAPS)
        (precision,) = average_precision(matches, max_detections(matches.n_truth))(np.ones((1, len(self.samples)), int))
        return round(float(precision.mean()), 5), round(float(precision[0]), 5)


def loaded(make, batches):
    """Yield [make(item)] of each batch, in order, while the next one is being made."""
    with ThreadPoolExecutor(READ_AHEAD) as threads:
        coming = []
        for batch in [*batches, []]:
            ready, coming = coming, [threads.submit(make, item) for item in batch]
            if ready:
                yield [result.result() for result in ready]


def _truth(index, sample):
    """Return the rows in the list of images (n), the COCO boxes in pixels (n x 4) and the ignore regions (n bool) of a sample."""
    shares = np.concatenate([sample.boxes, sample.ignored])
    height, width = read_image(sample.path).shape[:2]
    bbox = np.hstack([shares[:, :2] - shares[:, 2:] / 2, shares[:, 2:]]) * [width, height, width, height]
    return np.full(len(bbox), index), bbox, np.arange(len(bbox)) >= len(sample.boxes)
