"""Training a projection, on features that a frozen network makes once of views of each image.

torch is imported here: it takes seconds.
"""

from collections.abc import Callable, Iterator

import numpy as np
import torch

from entoflow.identification import training
from entoflow.identification.embedder import Embedder
from entoflow.identification.projection import Projection
from entoflow.identification.training import OnEpoch, TrainingSettings

VIEWS = 4  # of each image beside the image itself: the network runs once for each
RATE = 1e-3
TEMPERATURE = 0.1
STIFFNESS = (
    0.001  # weight of the sum of squares: it holds still where nothing more is to be learned
)
EPOCHS = 40  # at most; none is chosen: a hundred specimens choose one that has not learned enough
AT_ONCE = 256  # images a step, each in two of its views


def view_features(
    embedder: Embedder,
    images: np.ndarray,
    settings: TrainingSettings,
    on_batch: Callable[[int], None],
) -> np.ndarray:
    """Return features (n, 1 + VIEWS, d) float32 of images: as they are, then of other views.

    images: (n, s, s, 3) uint8. on_batch(n) is called with how many images are done.
    """
    rng = np.random.default_rng(settings.seed)
    parts = []
    for start in range(0, len(images), embedder.batch_size):
        batch = images[start : start + embedder.batch_size]
        with torch.inference_mode():
            views = [embedder.to_input(batch)]
            for _ in range(VIEWS):
                views.append(training.augment(views[0], rng, settings.mirror, settings.rotation))
            parts.append(np.stack([embedder.run(view) for view in views], axis=1))
        on_batch(start + len(batch))
    return np.concatenate(parts)


def train(
    features: np.ndarray,
    labels: np.ndarray,
    validate: Callable[[Projection], float | None],
    settings: TrainingSettings,
    on_epoch: OnEpoch,
) -> Projection:
    """Return a projection trained by supervised contrast of two views of each image.

    features: (n, views, d) float32. labels: (n,). validate(projection): a metric to report, or
    None. It trains for EPOCHS, or max_epochs where that is less. on_epoch(row) is called after
    each epoch, the last one being taken for the best.
    """
    from pytorch_metric_learning.losses import SupConLoss

    torch.manual_seed(settings.seed)
    rng = np.random.default_rng(settings.seed)
    every_feature = torch.from_numpy(features)
    _, class_index = np.unique(labels, return_inverse=True)
    projection = Projection(every_feature.shape[2])
    loss_function = SupConLoss(TEMPERATURE)
    optimizer = torch.optim.Adam(projection.parameters(), RATE)
    for epoch in range(1, min(settings.max_epochs, EPOCHS) + 1):
        losses = []
        for pairs, classes in pairs_of_views(every_feature, class_index, rng):
            losses.append(_step(projection, optimizer, loss_function, pairs, classes))
        on_epoch(training.epoch_row(epoch, losses, validate(projection), epoch))
    return projection


def pairs_of_views(
    features: torch.Tensor, class_index: np.ndarray, rng: np.random.Generator
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield (features (2k, d), classes (2k,)) of an epoch: each image in two different views.

    features: (n, views, d). All images come as often as makes an epoch of fine-tuning.
    """
    n_views = features.shape[1]
    for _ in range(training.passes_of_epoch(len(class_index))):
        for rows in training.batches(class_index, AT_ONCE, rng):
            first = rng.integers(n_views, size=len(rows))
            second = (first + rng.integers(1, n_views, size=len(rows))) % n_views
            pairs = torch.cat([features[rows, first], features[rows, second]])
            yield pairs, torch.from_numpy(np.tile(class_index[rows], 2))


def _step(
    projection: Projection,
    optimizer: torch.optim.Optimizer,
    loss_function: torch.nn.Module,
    features: torch.Tensor,
    classes: torch.Tensor,
) -> float:
    sum_of_squares = sum((value**2).sum() for value in projection.parameters())
    loss = loss_function(projection(features), classes) + STIFFNESS * sum_of_squares
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return float(loss.item())
