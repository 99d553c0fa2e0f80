"""Training an embedder's network: supervised contrast (Khosla et al. 2020) between views of images.

The loss is between two views of each image, so that a class of one image teaches too. torch is
imported here: it takes seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from entoflow.identification import training
from entoflow.identification.embedder import Embedder
from entoflow.identification.training import OnEpoch, TrainingSettings

RATE = 2e-3  # highest learning rate
WEIGHT_DECAY = 0.05
TEMPERATURE = 0.1
PROJECTED = 128  # dimensions that the loss sees; the vectors before them serve new classes better


def train(
    embedder: Embedder,
    images: np.ndarray,
    labels: np.ndarray,
    validate: Callable[[Embedder], float | None],
    settings: TrainingSettings,
    on_epoch: OnEpoch,
) -> None:
    """Train the network of an embedder in place, and keep the weights of its best epoch.

    images: (n, s, s, 3) uint8. labels: (n,). validate(embedder): a metric, higher is better, or
    None where there is nothing to validate on: then the last epoch is the best. on_epoch(row) is
    called after each epoch.
    """
    from pytorch_metric_learning.losses import SupConLoss

    steps = _Steps.start(embedder, images, labels, settings)
    loss_function = SupConLoss(TEMPERATURE)
    best_validation = -np.inf
    best_epoch = 0
    best_state: dict[str, torch.Tensor] = {}
    last_rise = 0  # the last epoch that was better than all before
    for epoch in range(1, settings.max_epochs + 1):
        losses = steps.run_epoch(epoch, loss_function)
        validation = validate(embedder)
        if validation is None or validation > best_validation:
            last_rise = epoch
        if (
            validation is None or validation >= best_validation
        ):  # of equals the later has learned more
            best_validation = -np.inf if validation is None else validation
            best_epoch = epoch
            state = embedder.network.state_dict()
            best_state = {name: value.clone() for name, value in state.items()}
        on_epoch(training.epoch_row(epoch, losses, validation, best_epoch))
        if epoch - last_rise >= settings.patience:
            break
    embedder.network.load_state_dict(best_state)


@dataclass
class _Steps:
    """The steps of a training, and what they change."""

    embedder: Embedder
    images: np.ndarray  # (n, s, s, 3) uint8
    class_index: np.ndarray  # (n,)
    settings: TrainingSettings
    rng: np.random.Generator
    head: torch.nn.Linear  # from the network's features to what the loss sees
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.OneCycleLR
    n_steps: int  # that the schedule is made for
    last_features: np.ndarray  # (n, d) what the network last made of each image

    @classmethod
    def start(
        cls, embedder: Embedder, images: np.ndarray, labels: np.ndarray, settings: TrainingSettings
    ) -> _Steps:
        torch.manual_seed(settings.seed)
        rng = np.random.default_rng(settings.seed)
        _, class_index = np.unique(labels, return_inverse=True)
        head = torch.nn.Linear(embedder.dimension, PROJECTED).to(embedder.device)
        parameters = [*embedder.network.parameters(), *head.parameters()]
        optimizer = torch.optim.AdamW(parameters, RATE, weight_decay=WEIGHT_DECAY)
        n_batches = len(training.batches(class_index, settings.specimens_per_batch, rng))
        n_steps = settings.max_epochs * training.passes_of_epoch(len(labels)) * n_batches
        return cls(
            embedder=embedder,
            images=images,
            class_index=class_index,
            settings=settings,
            rng=rng,
            head=head,
            optimizer=optimizer,
            schedule=torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=n_steps),
            n_steps=n_steps,
            last_features=np.zeros((len(labels), embedder.dimension), np.float32),
        )

    def run_epoch(self, epoch: int, loss_function: torch.nn.Module) -> list[float]:
        """Train for an epoch (from 1) and return the loss of each step."""
        self.embedder.network.train()
        losses = [self._step(rows, loss_function) for rows in self._batches(epoch)]
        self.embedder.network.eval()
        return losses

    def _batches(self, epoch: int) -> Iterator[np.ndarray]:
        """Yield the rows of each step; in every second pass like classes are together."""
        n_passes = training.passes_of_epoch(len(self.class_index))
        for turn in range((epoch - 1) * n_passes, epoch * n_passes):
            vectors = self.last_features if turn % 2 else None
            size = self.settings.specimens_per_batch
            yield from training.batches(self.class_index, size, self.rng, vectors)

    def _step(self, rows: np.ndarray, loss_function: torch.nn.Module) -> float:
        x = self.embedder.to_input(self.images[rows])
        settings = self.settings
        views = [
            training.augment(x, self.rng, settings.mirror, settings.rotation) for _ in range(2)
        ]
        both = torch.cat(views).contiguous(memory_format=torch.channels_last)  # (2k, 3, s, s)
        features = self.embedder.network(both)  # (2k, d)
        mean_features = features.detach().view(2, len(rows), -1).mean(dim=0)
        self.last_features[rows] = mean_features.cpu().numpy()
        classes = torch.from_numpy(np.tile(self.class_index[rows], 2)).to(x.device)
        loss = loss_function(self.head(features), classes)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        # How many batches a pass has depends on the order of classes of one image.
        if self.schedule.last_epoch < self.n_steps:
            self.schedule.step()
        return float(loss.item())
