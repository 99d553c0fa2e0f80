"""What trainings from random weights share: how the learning rate goes, which weights decay, and running means of the weights.

torch is imported here: it takes seconds.
"""
import math

import torch

LAST_RATE = 0.01  # share of the learning rate that is left at the end
DECAY = 0.05  # of weights, not of biases and scales


def rate(step, warm, steps):
    """Return the share of the learning rate at a step from 0: rising for `warm` of all steps, then falling along half a cosine."""
    if step < warm:
        return (step + 1) / (warm + 1)
    done = (step - warm) / max(1, steps - warm)
    return LAST_RATE + (1 - LAST_RATE) * (1 + math.cos(math.pi * done)) / 2


def weight_groups(network):
    """Return a network's parameters as AdamW takes them, those that decay first."""
    weights = list(network.parameters())
    return [{"params": [weight for weight in weights if weight.dim() > 1], "weight_decay": DECAY},
            {"params": [weight for weight in weights if weight.dim() <= 1], "weight_decay": 0.0}]


@torch.no_grad()
def follow(mean, network, steps):
    """Move the running mean of all weights towards the network: over a tenth of the steps so far, and at most a thousand."""
    share = max(0.001, 9 / (9 + steps))
    for kept, now in zip(mean.state_dict().values(), network.state_dict().values()):
        if kept.is_floating_point():
            kept.lerp_(now, share)
        else:
            kept.copy_(now)
