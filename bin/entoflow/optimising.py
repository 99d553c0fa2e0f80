"""What trainings from random weights share: the learning rate's schedule, weight decay, and running
means of the weights.

torch is imported here: it takes seconds.
"""

import math
from typing import Any

import torch

LAST_RATE = 0.01  # share of the learning rate that is left at the end
WEIGHT_DECAY = 0.05  # of weights; biases and scales do not decay


def rate(step: int, warm_up: float, steps: int) -> float:
    """Return the share of the learning rate at a step from 0.

    It rises for `warm_up` of all steps, then falls along half a cosine to LAST_RATE.
    """
    if step < warm_up:
        return (step + 1) / (warm_up + 1)
    progress = (step - warm_up) / max(1, steps - warm_up)
    return LAST_RATE + (1 - LAST_RATE) * (1 + math.cos(math.pi * progress)) / 2


def weight_groups(network: torch.nn.Module) -> list[dict[str, Any]]:
    """Return a network's parameters as AdamW takes them, those that decay first."""
    weights = list(network.parameters())
    return [
        {
            "params": [weight for weight in weights if weight.dim() > 1],
            "weight_decay": WEIGHT_DECAY,
        },
        {"params": [weight for weight in weights if weight.dim() <= 1], "weight_decay": 0.0},
    ]


@torch.no_grad()
def follow(mean: torch.nn.Module, network: torch.nn.Module, steps: int) -> None:
    """Move the running mean of all weights towards the network, by 9 / (9 + steps so far) but at
    least a thousandth.

    Whole numbers, such as the counts of batch normalisation, are copied.
    """
    share = max(0.001, 9 / (9 + steps))
    for averaged, current in zip(mean.state_dict().values(), network.state_dict().values()):
        if averaged.is_floating_point():
            averaged.lerp_(current, share)
        else:
            averaged.copy_(current)
