"""What the trainings of all backends share: their settings, a row for each epoch, and the
checkpoint.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from entoflow import files


@dataclass(frozen=True)
class Settings:
    """How a detector is trained."""

    architecture: str
    image_size: int  # longer side that the network sees, pixels
    batch_size: int  # images a step
    max_epochs: int
    patience: int  # epochs without a better validation AP before training stops
    seed: int
    weights: Path | None = None  # safetensors to start from, None for random weights


@dataclass(frozen=True)
class Epoch:
    """How an epoch went. Numbers are rounded to five digits; a loss that is not finite is None."""

    epoch: int  # from 1
    loss: float | None
    validation_ap: float | None
    validation_ap50: float | None
    best_epoch: int  # of best validation AP so far


OnEpoch = Callable[[Epoch], None]  # is called after each epoch


def write_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write the state of a training: tensors, numbers and text only, so that it is read without
    unpickling anything.
    """
    import torch

    with files.whole(path, "wb") as file:  # torch's own writing hides why it fails
        torch.save(state, file)


def read_checkpoint(path: Path, device: Any) -> dict[str, Any]:
    """Return the state that write_checkpoint wrote, on the device; {} without a file."""
    import torch

    if not path.exists():
        return {}
    return torch.load(path, map_location=device, weights_only=True)
