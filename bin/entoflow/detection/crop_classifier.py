"""A small classifier of square crops, a network of timm's (Apache-2.0) from random weights."""

import os
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

BATCH = 32
LEARNING_RATE = 3e-3
WEIGHT_DECAY = 0.05
LABEL_SMOOTHING = 0.05
PREDICTED_AT_ONCE = 256  # crops: memory stays that of so many


def train(
    crops: np.ndarray,
    kinds: np.ndarray,
    weights: np.ndarray,
    n_kinds: int,
    architecture: str,
    epochs: int,
    seed: int,
) -> "torch.nn.Module":
    """Return a network trained on crops. Each kind weighs the same in all, whatever its number.

    crops: n x size x size x 3 uint8; kinds: n whole numbers below n_kinds; weights: n, how much to
    trust each.
    """
    import torch

    os.environ["HF_HUB_OFFLINE"] = "1"
    import timm

    torch.manual_seed(seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    network = timm.create_model(architecture, num_classes=n_kinds).to(device)
    crop_weights = torch.tensor(_balanced(weights, kinds, n_kinds), dtype=torch.float32)
    crop_kinds = torch.from_numpy(kinds)
    rng = np.random.default_rng(seed)
    optimizer = torch.optim.AdamW(network.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    steps = -(-len(kinds) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, LEARNING_RATE, total_steps=epochs * steps
    )
    criterion = torch.nn.CrossEntropyLoss(reduction="none", label_smoothing=LABEL_SMOOTHING)
    network.train()
    for _ in range(epochs):
        for batch in np.array_split(rng.permutation(len(kinds)), steps):
            x = _augment(_as_input(crops[batch]), rng).to(device)
            losses = criterion(network(x), crop_kinds[batch].to(device))
            optimizer.zero_grad()
            (losses * crop_weights[batch].to(device)).mean().backward()
            optimizer.step()
            schedule.step()
    return network.eval()


def predict(network: "torch.nn.Module", crops: np.ndarray) -> np.ndarray:
    """Return n x kinds probabilities of crops (n x size x size x 3 uint8)."""
    import torch

    device = next(network.parameters()).device
    probabilities = []
    with torch.inference_mode():
        for start in range(0, len(crops), PREDICTED_AT_ONCE):
            x = _as_input(crops[start : start + PREDICTED_AT_ONCE]).to(device)
            probabilities.append(torch.softmax(network(x).float(), 1).cpu())
    return torch.cat(probabilities).numpy()


def _balanced(weights: np.ndarray, kinds: np.ndarray, n_kinds: int) -> np.ndarray:
    """Return the weights of crops (n), scaled so that each kind weighs the same in all."""
    counts = np.bincount(kinds, minlength=n_kinds)
    return weights / counts[kinds] * len(kinds) / np.count_nonzero(counts)


def _as_input(crops: np.ndarray) -> "torch.Tensor":
    """Return crops as a float tensor n x 3 x size x size of -1 to 1."""
    import torch

    return torch.from_numpy(np.ascontiguousarray(crops.transpose(0, 3, 1, 2))).float() / 127.5 - 1


def _augment(x: "torch.Tensor", rng: np.random.Generator) -> "torch.Tensor":
    """Return a batch turned and mirrored, moved by up to 1/16 and lit differently: an insect sits
    any way up.
    """
    import torch

    if rng.random() < 0.5:
        x = x.flip(3)
    x = torch.rot90(x, int(rng.integers(4)), (2, 3))
    reach = x.shape[-1] // 16
    x = torch.roll(x, tuple(rng.integers(-reach, reach + 1, 2).tolist()), (2, 3))
    contrast = _random_change(len(x), rng)
    brightness = _random_change(len(x), rng)
    return x * (1 + contrast) + brightness / 2


def _random_change(n: int, rng: np.random.Generator) -> "torch.Tensor":
    import torch

    return torch.from_numpy(rng.uniform(-0.2, 0.2, (n, 1, 1, 1)).astype(np.float32))
