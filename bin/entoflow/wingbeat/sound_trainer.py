"""Training of the networks that name short sounds: one loop and one budget for all kinds, so that a comparison of them is fair.

Spectrograms are n x channels x bins x frames float32, logarithms of power; frames of zeros before and after a sound are padding.
A model is {"network", "kind", "input_shape", "architecture", "n_classes"}. Nothing is held back to stop by: the budget is spent, and what is kept is the
running mean of the weights.
"""
import copy

import numpy as np

from entoflow.task import InputError, first_line
from entoflow.weights import write_weights

BATCH = 32
RATES = {"image": 3e-3, "rnn": 3e-3, "transformer": 1e-3}
WARM_UP = 0.1  # share of all steps
SMOOTHING = 0.05  # of classes
STEEPEST = 5.0  # largest norm of a step's gradient
AT_ONCE = 64  # clips that are named together


def fit(kind, spectrograms, columns, settings):
    """Return a model of a kind (image, rnn, transformer) that learned from spectrograms of classes `columns` (n, from 0).

    settings: n_classes, views (how many spectrograms it is shown in all), seed and, where it is not the default, architecture (see sound_networks.build).
    """
    import torch

    torch.manual_seed(settings["seed"])
    training = Training(_new(kind, spectrograms.shape[1:], settings["n_classes"], settings.get("architecture", {})), spectrograms, columns, settings)
    for rows in training.batches():
        training.step(rows)
    training.network.load_state_dict(training.mean.state_dict())
    training.network.eval()
    return training.model


class Training:
    """A network, what it learns from, and the running mean of its weights, which is what is kept."""

    def __init__(self, model, spectrograms, columns, settings):
        import torch

        from entoflow.optimising import weight_groups
        from entoflow.wingbeat import sound_networks

        self.model, self.network = model, model["network"].train()
        self.rng, device = np.random.default_rng(settings["seed"]), device_of(model)
        values, self.frames = sound_networks.moved_to_start(torch.from_numpy(spectrograms).to(device))
        self.network.adapt(values, self.frames)
        self.values = self.network.normalised(values, self.frames)
        self.mean = copy.deepcopy(self.network).eval()
        counts = np.bincount(columns, minlength=model["n_classes"])
        self.columns = torch.from_numpy(np.asarray(columns)).to(device)
        self.weights = torch.tensor(len(columns) / (len(counts) * counts.clip(1)), dtype=torch.float32, device=device)  # all classes weigh the same
        self.optimiser = torch.optim.AdamW(weight_groups(self.network))
        self.steps, self.done = -(-settings["views"] // BATCH), 0

    def batches(self):
        """Yield rows of each batch: all clips in a new order, again and again."""
        left = np.empty(0, int)
        for _ in range(self.steps):
            while len(left) < BATCH:
                left = np.concatenate([left, self.rng.permutation(len(self.columns))])
            yield left[:BATCH]
            left = left[BATCH:]

    def step(self, rows):
        """Learn from a batch; return its loss."""
        import torch

        from entoflow import optimising
        from entoflow.wingbeat import sound_augmentation

        for group in self.optimiser.param_groups:
            group["lr"] = RATES[self.model["kind"]] * optimising.rate(self.done, WARM_UP * self.steps, self.steps)
        targets = torch.nn.functional.one_hot(self.columns[rows], len(self.weights)).float()
        x, frames, targets = sound_augmentation.varied(self.values[rows], self.frames[rows], targets, self.rng)
        loss = torch.nn.functional.cross_entropy(self.network(x, frames), targets, self.weights, label_smoothing=SMOOTHING)
        self.optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), STEEPEST)
        self.optimiser.step()
        self.done += 1
        optimising.follow(self.mean, self.network, self.done)
        return loss.item()


def predict(model, spectrograms):
    """Return n x n_classes float32 probabilities. Raises InputError for another shape of spectrograms."""
    import torch

    from entoflow.wingbeat import sound_networks

    found, wanted = spectrograms.shape[1:], tuple(model["input_shape"])
    if found != wanted:
        raise InputError(f"spectrograms are of {_size(found)}; wanted {_size(wanted)}, as the model learned from.")
    probabilities = np.zeros((len(spectrograms), model["n_classes"]), np.float32)
    with torch.inference_mode():
        for start in range(0, len(probabilities), AT_ONCE):
            rows = slice(start, start + AT_ONCE)
            values, frames = sound_networks.moved_to_start(torch.from_numpy(spectrograms[rows]).to(device_of(model)))
            probabilities[rows] = model["network"](model["network"].normalised(values, frames), frames).softmax(1).cpu().numpy()
    return probabilities


def save(model, folder):
    """Write weights.safetensors to the folder and return what model.json says of the network."""
    write_weights(model["network"], folder)
    return {name: model[name] for name in ("kind", "input_shape", "architecture", "n_classes")}


def load(folder, facts):
    """Return the model that `save` wrote; facts: what it returned. Raises InputError where weights and facts do not go together."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        model = _new(*(facts[name] for name in ("kind", "input_shape", "n_classes", "architecture")))
        model["network"].load_state_dict(load_file(folder / "weights.safetensors"))
    except (KeyError, RuntimeError, TypeError, ValueError, OSError, SafetensorError) as error:
        raise InputError(f"{folder}: its weights cannot be loaded: {first_line(error)}") from None
    return model


def device_of(model):
    """Return where a model's network runs."""
    return model["network"].mean.device


def _new(kind, input_shape, n_classes, architecture):
    import torch

    from entoflow.wingbeat import sound_networks

    network = sound_networks.build(kind, n_classes, input_shape, architecture).eval()
    return {"network": network.to("cuda:0" if torch.cuda.is_available() else "cpu"), "kind": kind, "input_shape": list(input_shape),
            "architecture": sound_networks.ARCHITECTURES[kind] | architecture, "n_classes": n_classes}


def _size(shape):
    return " x ".join(map(str, shape)) + " (channels, bins, frames)"
