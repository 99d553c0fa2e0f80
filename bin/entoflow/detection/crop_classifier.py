"""A small classifier of square crops, a network of timm's (Apache-2.0) from random weights."""
import os

import numpy as np

BATCH, RATE, WEIGHT_DECAY = 32, 3e-3, 0.05
JUDGED_AT_ONCE = 256  # crops: memory stays that of so many


def train(crops, kinds, weights, n_kinds, architecture, epochs, seed):
    """Return a network trained on crops. Each kind weighs the same in all, whatever its number.

    crops: n x size x size x 3 uint8; kinds: n whole numbers below n_kinds; weights: n, how much to trust each.
    """
    import torch

    os.environ["HF_HUB_OFFLINE"] = "1"
    import timm

    torch.manual_seed(seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = timm.create_model(architecture, num_classes=n_kinds).to(device)
    counts = np.bincount(kinds, minlength=n_kinds)
    weights = torch.tensor(weights / counts[kinds] * len(kinds) / np.count_nonzero(counts), dtype=torch.float32)
    kinds, order = torch.from_numpy(kinds), np.random.default_rng(seed)
    optimizer = torch.optim.AdamW(model.parameters(), RATE, weight_decay=WEIGHT_DECAY)
    steps = -(-len(kinds) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=epochs * steps)
    model.train()
    for _ in range(epochs):
        for batch in np.array_split(order.permutation(len(kinds)), steps):
            x = augmented(as_input(crops[batch]), order).to(device)
            loss = torch.nn.functional.cross_entropy(model(x), kinds[batch].to(device), reduction="none", label_smoothing=0.05)
            optimizer.zero_grad()
            (loss * weights[batch].to(device)).mean().backward()
            optimizer.step()
            schedule.step()
    return model.eval()


def predict(model, crops):
    """Return n x kinds probabilities of crops (n x size x size x 3 uint8)."""
    import torch

    device = next(model.parameters()).device
    with torch.inference_mode():
        found = [torch.softmax(model(as_input(crops[n:n + JUDGED_AT_ONCE]).to(device)).float(), 1).cpu()
                 for n in range(0, len(crops), JUDGED_AT_ONCE)]
    return torch.cat(found).numpy()


def as_input(crops):
    """Return crops as a float tensor n x 3 x size x size of -1 to 1."""
    import torch

    return torch.from_numpy(np.ascontiguousarray(crops.transpose(0, 3, 1, 2))).float() / 127.5 - 1


def augmented(x, rng):
    """Return a batch turned and mirrored, moved by up to 1/16 and lit differently: an insect sits any way up."""
    import torch

    x = torch.rot90(x.flip(3) if rng.random() < 0.5 else x, int(rng.integers(4)), (2, 3))
    reach = x.shape[-1] // 16
    x = torch.roll(x, tuple(rng.integers(-reach, reach + 1, 2).tolist()), (2, 3))
    contrast, light = (torch.from_numpy(rng.uniform(-0.2, 0.2, (len(x), 1, 1, 1)).astype(np.float32)) for _ in range(2))
    return x * (1 + contrast) + light / 2
