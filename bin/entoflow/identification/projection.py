"""A projection behind a network: what a few labels teach about its features without touching it, on features that it makes once.

torch is imported here: it takes seconds.
"""
import numpy as np
import torch
from torch import nn

from entoflow.identification import embedder as embedders
from entoflow.identification import embedder_trainer

KIND = "residual_linear"  # in model.json
VIEWS = 4  # of each image beside the image itself: the network runs once for each
RATE, TEMPERATURE = 1e-3, 0.1
STIFFNESS = 0.001  # weight of the sum of squares of what differs from the identity: it holds still where nothing more is to be learned
EPOCHS = 40  # at most; no epoch is chosen, as figures of a hundred specimens choose one that has not learned enough
AT_ONCE = 256  # images a step, each in two of its views


class Projection(nn.Module):
    """Moves a feature (n x d) by what is linear in its direction, times its length: a new one moves nothing, to the last bit."""

    def __init__(self, size):
        super().__init__()
        self.move = nn.Linear(size, size)
        nn.init.zeros_(self.move.weight)
        nn.init.zeros_(self.move.bias)

    def forward(self, features):
        length = features.norm(dim=1, keepdim=True)
        return features + length * self.move(features / length.clamp(min=1e-12))


def views(embedder, images, settings, on_batch):
    """Return n x (1 + VIEWS) x d features of images (n x s x s x 3 uint8): as they are, then turned, moved and lit as in fine-tuning.

    settings: seed, mirror, rotation. on_batch(n): called with how many images are done.
    """
    rng, found = np.random.default_rng(settings["seed"]), []
    step = embedders.at_once(embedder)
    for start in range(0, len(images), step):
        with torch.inference_mode():
            x = embedders.as_input(embedder, images[start:start + step])
            seen = [x, *(embedder_trainer.view(x, rng, settings["mirror"], settings["rotation"]) for _ in range(VIEWS))]
            found.append(np.stack([embedders.run(embedder, one) for one in seen], axis=1))
        on_batch(min(start + step, len(images)))
    return np.concatenate(found)


def train(features, labels, validate, settings, on_epoch):
    """Return a projection trained by supervised contrast of two views of each image, for EPOCHS, or max_epochs where that is less.

    features: n x views x d float32. labels: n. validate(projection): a figure to tell, or None. settings: max_epochs, seed.
    on_epoch(row): called after each epoch with {"epoch", "loss", "validation", "best_epoch"}, the last epoch being taken for the best.
    """
    from pytorch_metric_learning.losses import SupConLoss

    torch.manual_seed(settings["seed"])
    rng, features = np.random.default_rng(settings["seed"]), torch.from_numpy(features)
    _, kinds = np.unique(labels, return_inverse=True)
    projection, loss_of = Projection(features.shape[2]), SupConLoss(TEMPERATURE)
    optimizer = torch.optim.Adam(projection.parameters(), RATE)
    for epoch in range(1, min(settings["max_epochs"], EPOCHS) + 1):
        losses = [_step(projection, optimizer, loss_of, *pair) for pair in _pairs(features, kinds, rng)]
        found = validate(projection)
        on_epoch({"epoch": epoch, "loss": round(float(np.mean(losses)), 5), "validation": None if found is None else round(float(found), 5),
                  "best_epoch": epoch})
    return projection


def _pairs(features, kinds, rng):
    """Yield (features 2k x d, kinds 2k) of an epoch: each image in two of its views, all images as often as makes an epoch of fine-tuning."""
    n_views = features.shape[1]
    for _ in range(-(-embedder_trainer.VIEWS_AN_EPOCH // (2 * len(kinds)))):
        for rows in embedder_trainer.batches(kinds, AT_ONCE, rng):
            first = rng.integers(n_views, size=len(rows))
            second = (first + rng.integers(1, n_views, size=len(rows))) % n_views
            yield torch.cat([features[rows, first], features[rows, second]]), torch.from_numpy(np.tile(kinds[rows], 2))


def _step(projection, optimizer, loss_of, features, kinds):
    stiff = STIFFNESS * sum((value ** 2).sum() for value in projection.parameters())
    loss = loss_of(projection(features), kinds) + stiff
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()
