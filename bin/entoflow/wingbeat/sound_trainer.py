"""Training of the networks that name short sounds: one loop and one budget for all kinds.

A comparison of them is fair that way. Spectrograms are n x channels x bins x frames float32,
logarithms of power; frames of zeros before and after a sound are padding. Nothing is held back for
early stopping: the budget is spent, and the result is the running mean of the weights.
"""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from entoflow.task import InputError, first_line
from entoflow.weights import write_weights

if TYPE_CHECKING:
    import torch

    from entoflow.wingbeat.sound_networks import Network

BATCH = 32
LEARNING_RATES = {"image": 3e-3, "rnn": 3e-3, "transformer": 1e-3}
WARM_UP = 0.1  # share of all steps
LABEL_SMOOTHING = 0.05
LARGEST_GRADIENT = 5.0  # norm, to which that of a step is clipped
AT_ONCE = 64  # clips that are predicted together


@dataclass(frozen=True)
class SoundNetwork:
    """A network and what it was built with."""

    network: "Network"
    kind: str  # image, rnn or transformer
    input_shape: list[int]  # channels, bins, frames
    architecture: dict[str, Any]
    n_classes: int


def fit(
    kind: str,
    spectrograms: np.ndarray,
    class_index: np.ndarray,
    n_classes: int,
    views: int,
    seed: int,
    architecture: dict[str, Any] | None = None,
) -> SoundNetwork:
    """Return a network of a kind, trained on spectrograms of classes class_index (n, from 0).

    views: how many spectrograms it is shown in all. architecture: what differs from the defaults;
    see sound_networks.build.
    """
    import torch

    from entoflow import optimising
    from entoflow.wingbeat import sound_augmentation, sound_networks

    torch.manual_seed(seed)
    model = _build(kind, spectrograms.shape[1:], n_classes, architecture or {})
    network = model.network.train()
    on_device = torch.from_numpy(spectrograms).to(network.mean.device)
    values, n_frames = sound_networks.moved_to_start(on_device)
    network.adapt(values, n_frames)
    values = network.normalised(values, n_frames)
    mean_network = copy.deepcopy(network).eval()
    columns = torch.from_numpy(np.asarray(class_index)).to(values.device)
    one_hot = torch.nn.functional.one_hot(columns, n_classes).float()
    weights = class_weights(class_index, n_classes).to(values.device)
    optimiser = torch.optim.AdamW(optimising.weight_groups(network))
    n_steps = -(-views // BATCH)
    rng = np.random.default_rng(seed)
    for step, rows in enumerate(batches(len(columns), n_steps, rng)):
        rate = LEARNING_RATES[kind] * optimising.rate(step, WARM_UP * n_steps, n_steps)
        for group in optimiser.param_groups:
            group["lr"] = rate
        x, lengths, targets = sound_augmentation.augment(
            values[rows], n_frames[rows], one_hot[rows], rng
        )
        loss = torch.nn.functional.cross_entropy(
            network(x, lengths), targets, weights, label_smoothing=LABEL_SMOOTHING
        )
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), LARGEST_GRADIENT)
        optimiser.step()
        optimising.follow(mean_network, network, step + 1)
    network.load_state_dict(mean_network.state_dict())
    network.eval()
    return model


def batches(n: int, n_steps: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield the rows of each batch: all n clips in a new order, again and again."""
    waiting = np.empty(0, int)
    for _ in range(n_steps):
        while len(waiting) < BATCH:
            waiting = np.concatenate([waiting, rng.permutation(n)])
        yield waiting[:BATCH]
        waiting = waiting[BATCH:]


def class_weights(class_index: np.ndarray, n_classes: int) -> "torch.Tensor":
    """Return the factors of the loss of each class (C float32), by which all count the same."""
    import torch

    counts = np.bincount(class_index, minlength=n_classes)
    weights = len(class_index) / (len(counts) * counts.clip(1))
    return torch.tensor(weights, dtype=torch.float32)


def predict(model: SoundNetwork, spectrograms: np.ndarray) -> np.ndarray:
    """Return n x n_classes float32 probabilities. Raises InputError for another shape."""
    import torch

    from entoflow.wingbeat import sound_networks

    if list(spectrograms.shape[1:]) != model.input_shape:
        size = _size(spectrograms.shape[1:])
        raise InputError(
            f"spectrograms are of {size}; wanted {_size(model.input_shape)}, "
            "as the model was trained on."
        )
    network = model.network
    probabilities = np.zeros((len(spectrograms), model.n_classes), np.float32)
    with torch.inference_mode():
        for start in range(0, len(probabilities), AT_ONCE):
            block = slice(start, start + AT_ONCE)
            on_device = torch.from_numpy(spectrograms[block]).to(network.mean.device)
            values, n_frames = sound_networks.moved_to_start(on_device)
            logits = network(network.normalised(values, n_frames), n_frames)
            probabilities[block] = logits.softmax(1).cpu().numpy()
    return probabilities


def save(model: SoundNetwork, folder: Path) -> dict[str, Any]:
    """Write weights.safetensors to the folder and return what model.json says of the network."""
    write_weights(model.network, folder)
    return {
        "kind": model.kind,
        "input_shape": model.input_shape,
        "architecture": model.architecture,
        "n_classes": model.n_classes,
    }


def load(folder: Path, facts: dict[str, Any]) -> SoundNetwork:
    """Return the network that save() wrote; facts: what it returned.

    Raises InputError where weights and facts do not match, or either cannot be read.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        model = _build(
            facts["kind"], facts["input_shape"], facts["n_classes"], facts["architecture"]
        )
        model.network.load_state_dict(load_file(folder / "weights.safetensors"))
    except (KeyError, RuntimeError, TypeError, ValueError, OSError, SafetensorError) as error:
        raise InputError(f"{folder}: its weights cannot be loaded: {first_line(error)}") from None
    return model


def _build(
    kind: str, input_shape: Sequence[int], n_classes: int, architecture: dict[str, Any]
) -> SoundNetwork:
    import torch

    from entoflow.wingbeat import sound_networks

    network = sound_networks.build(kind, n_classes, input_shape, architecture).eval()
    network = network.to("cuda:0" if torch.cuda.is_available() else "cpu")
    complete = sound_networks.ARCHITECTURES[kind] | architecture
    return SoundNetwork(network, kind, list(input_shape), complete, n_classes)


def _size(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape)) + " (channels, bins, frames)"
