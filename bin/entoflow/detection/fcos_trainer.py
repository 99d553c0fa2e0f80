"""Training of the torchvision backend: AdamW with a warm-up and a falling rate, and running means
of the weights.

The means are what is measured and returned. All that is random in an epoch is drawn from the seed
and the epoch's number, so that a training that was cut off and resumes ends where it would have.
"""

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from entoflow.boxes import Prediction
from entoflow.detection.augmentation import TrainingImage, training_image
from entoflow.detection.average_precision import IOU_THRESHOLDS, average_precision, max_detections
from entoflow.detection.detections import gather
from entoflow.detection.fcos_loss import Truth, loss
from entoflow.detection.matching import Truth as MatchingTruth
from entoflow.detection.matching import match_all
from entoflow.detection.samples import Sample, Samples, Targets
from entoflow.detection.training import Epoch, OnEpoch, Settings, read_checkpoint, write_checkpoint
from entoflow.detector import fcos
from entoflow.detector.architectures import FCOS
from entoflow.detector.network import Detector, prepare
from entoflow.images import read_image
from entoflow.optimising import follow, rate, weight_groups

LEARNING_RATE = 0.002  # of AdamW
WARM_UP = 3  # epochs, at most a fifth of all
SINGLE_IMAGES = 0.25  # share of the epochs, the last ones, whose images are not pasted together
MAX_GRADIENT_NORM = 10.0
VALIDATED_AT_ONCE = 16  # images
THREADS = 4  # that make training images

Item = TypeVar("Item")
Result = TypeVar("Result")
IndexAndSeed = tuple[int, int]  # of an image, and of what is random in its training image


def train(
    samples: Samples, scratch: Path, settings: Settings, on_epoch: OnEpoch, checkpoint: Path
) -> tuple[Detector, list[Epoch]]:
    """Train a one-class detector.

    Return it with the weights of its best validation epoch, and all epochs.

    Arguments as those of yolo_training.train.
    """
    architecture = FCOS[settings.architecture]
    device = "cuda:0" if torch.cuda.is_available() else "cpu"
    weights, epochs = Trainer(samples, settings, checkpoint, device).train(on_epoch)
    network = fcos.new_network(architecture)
    network.load_state_dict(weights)
    return prepare(network, settings.architecture, settings.image_size), epochs


class Trainer:
    """A training that writes a checkpoint after each epoch, and resumes from one that is there."""

    def __init__(self, samples: Samples, settings: Settings, checkpoint: Path, device: str) -> None:
        torch.manual_seed(settings.seed)
        if device != "cpu":
            torch.use_deterministic_algorithms(True, warn_only=True)
        self.samples = samples.train
        self.settings = settings
        self.checkpoint = checkpoint
        self.device = device
        self.network = fcos.new_network(FCOS[settings.architecture], settings.weights).to(device)
        self.mean_network = copy.deepcopy(self.network)
        self.optimiser = torch.optim.AdamW(weight_groups(self.network))
        self.size = -(-settings.image_size // 32) * 32
        self.validation = Validation(samples.validation)
        self.n_epochs = 0
        self.n_steps = 0
        self.epochs: list[Epoch] = []
        self.best_ap = 0.0
        self.best_epoch = 0
        self.best_weights: dict[str, torch.Tensor] = {}
        self.is_finished = False
        self._restore(read_checkpoint(checkpoint, device))

    def train(self, on_epoch: OnEpoch) -> tuple[dict[str, torch.Tensor], list[Epoch]]:
        """Train to the end; return the best epoch's weights and all epochs."""
        settings = self.settings
        while not self.is_finished:
            mean_loss = self._train_epoch(np.random.default_rng([settings.seed, self.n_epochs]))
            self.n_epochs += 1
            ap, ap50 = self.validation.measure(
                self.mean_network.eval(), settings.image_size, self.device
            )
            if ap > self.best_ap or self.best_ap == 0:
                self.best_ap = ap
                self.best_epoch = self.n_epochs
                self.best_weights = {
                    name: value.clone() for name, value in self.mean_network.state_dict().items()
                }
            self.epochs.append(Epoch(self.n_epochs, mean_loss, ap, ap50, self.best_epoch))
            last_epoch = min(settings.max_epochs, self.best_epoch + settings.patience)
            self.is_finished = self.n_epochs >= last_epoch
            write_checkpoint(self.checkpoint, self._state())
            on_epoch(self.epochs[-1])
        return self.best_weights, self.epochs

    def _state(self) -> dict[str, Any]:
        return {
            "n_epochs": self.n_epochs,
            "n_steps": self.n_steps,
            "epochs": [asdict(epoch) for epoch in self.epochs],
            "best_ap": self.best_ap,
            "best_epoch": self.best_epoch,
            "best_weights": self.best_weights,
            "is_finished": self.is_finished,
            "network": self.network.state_dict(),
            "mean_network": self.mean_network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }

    def _restore(self, state: dict[str, Any]) -> None:
        if not state:
            return
        self.n_epochs = state["n_epochs"]
        self.n_steps = state["n_steps"]
        self.epochs = [Epoch(**epoch) for epoch in state["epochs"]]
        self.best_ap = state["best_ap"]
        self.best_epoch = state["best_epoch"]
        self.best_weights = state["best_weights"]
        self.is_finished = state["is_finished"]
        self.network.load_state_dict(state["network"])
        self.mean_network.load_state_dict(state["mean_network"])
        self.optimiser.load_state_dict(state["optimiser"])

    def _train_epoch(self, rng: np.random.Generator) -> float | None:
        """Learn each image once; return the mean loss of a step, None where it is not finite."""
        self.network.train()
        order = rng.permutation(len(self.samples)).tolist()
        seeds = rng.integers(0, 2**63, len(order)).tolist()
        images = list(zip(order, seeds))
        n = self.settings.batch_size
        batches = [images[start : start + n] for start in range(0, len(images), n)]
        losses = [
            self._step(batch, len(batches)) for batch in make_ahead(self._make_image, batches)
        ]
        if not math.isfinite(sum(losses)):
            return None
        return round(sum(losses) / len(losses), 5)

    def _step(self, batch: Sequence[TrainingImage], steps_per_epoch: int) -> float:
        """Learn from a batch and return its loss."""
        epochs = self.settings.max_epochs
        warm_up = min(WARM_UP, epochs / 5) * steps_per_epoch
        share = rate(self.n_steps, warm_up, epochs * steps_per_epoch)
        for group in self.optimiser.param_groups:
            group["lr"] = LEARNING_RATE * share
        pixels = np.stack([image.pixels for image in batch])
        images = torch.from_numpy(pixels).to(self.device).permute(0, 3, 1, 2).float()
        truths = [self._truth(image) for image in batch]
        with fcos.mixed_precision(self.device):
            output = self.network(images)
        batch_loss = loss(output, truths).sum()
        self.optimiser.zero_grad()
        batch_loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), MAX_GRADIENT_NORM)
        self.optimiser.step()
        self.n_steps += 1
        follow(self.mean_network, self.network, self.n_steps)
        return batch_loss.item()

    def _truth(self, image: TrainingImage) -> Truth:
        objects = image.objects
        return Truth(
            self._tensor(objects.boxes),
            self._tensor(objects.weights),
            self._tensor(objects.ignored),
        )

    def _tensor(self, values: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(values).float().to(self.device)

    def _make_image(self, index_and_seed: IndexAndSeed) -> TrainingImage:
        index, seed = index_and_seed
        several = self.n_epochs < self.settings.max_epochs * (1 - SINGLE_IMAGES)
        rng = np.random.default_rng(seed)
        return training_image(self._read, index, len(self.samples), self.size, several, rng)

    def _read(self, index: int) -> tuple[np.ndarray, Targets]:
        sample = self.samples[index]
        return read_image(sample.path), sample.targets


class Validation:
    """Average precision on validation images, as the suite measures it everywhere: nothing counts
    in an ignore region.
    """

    def __init__(self, samples: Sequence[Sample]) -> None:
        self.samples = samples
        self.truth = _validation_truth(samples)

    def measure(self, network: torch.nn.Module, size: int, device: str) -> tuple[float, float]:
        """Return (AP, AP50), rounded; 0 where the images hold no box."""
        if self.truth.crowd.all():
            return 0.0, 0.0
        predictions = []
        for start in range(0, len(self.samples), VALIDATED_AT_ONCE):
            images = [
                read_image(sample.path)
                for sample in self.samples[start : start + VALIDATED_AT_ONCE]
            ]
            for n, (boxes, scores) in enumerate(fcos.predict(network, images, size, device)):
                predictions.append(Prediction.in_view(start + n, 0, boxes, scores))
        detections = gather(predictions, range(len(self.samples)))
        matches = match_all(detections, self.truth, IOU_THRESHOLDS)
        each_once = np.ones((1, len(self.samples)), int)
        precision = average_precision(matches, max_detections(matches.n_truth))(each_once)[0]
        return round(float(precision.mean()), 5), round(float(precision[0]), 5)


def _validation_truth(samples: Sequence[Sample]) -> MatchingTruth:
    image = []
    bbox = []
    crowd = []
    for row, sample in enumerate(samples):
        n_boxes = len(sample.targets.boxes)
        shares = np.concatenate([sample.targets.boxes, sample.targets.ignored])
        height, width = read_image(sample.path).shape[:2]
        sides = [width, height, width, height]
        image.append(np.full(len(shares), row))
        bbox.append(np.hstack([shares[:, :2] - shares[:, 2:] / 2, shares[:, 2:]]) * sides)
        crowd.append(np.arange(len(shares)) >= n_boxes)
    return MatchingTruth(
        np.concatenate(image), np.concatenate(bbox), np.concatenate(crowd), len(samples)
    )


def make_ahead(
    make: Callable[[Item], Result], batches: Sequence[Sequence[Item]]
) -> Iterator[list[Result]]:
    """Yield make(item) of all items of each batch, in order, while the next batch is being made."""
    with ThreadPoolExecutor(THREADS) as threads:
        coming: list[Future[Result]] = []
        for batch in [*batches, []]:
            ready = coming
            coming = [threads.submit(make, item) for item in batch]
            if ready:
                yield [result.result() for result in ready]
