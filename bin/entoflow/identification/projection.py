"""A projection behind a network: what a few labels teach about its features without touching it.

torch is imported here: it takes seconds.
"""

import torch
from torch import nn

KIND = "residual_linear"  # in model.json


class Projection(nn.Module):
    """Moves a feature (n, d) by what is linear in its direction, times its length.

    A new one moves nothing, to the last bit.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.move = nn.Linear(size, size)
        nn.init.zeros_(self.move.weight)
        nn.init.zeros_(self.move.bias)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        length = features.norm(dim=1, keepdim=True)
        return features + length * self.move(features / length.clamp(min=1e-12))
