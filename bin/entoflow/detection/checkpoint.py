"""The state of a training on disk: tensors, numbers and text only, so that it is read without unpickling anything."""
import torch


def write(path, state):
    """Write the state: the file is whole or the last one, should the process end meanwhile."""
    unfinished = path.with_suffix(".unfinished")
    with open(unfinished, "wb") as file:  # torch's own writing hides why it fails
        torch.save(state, file)
    unfinished.replace(path)


def read(path, device):
    """Return the state that `write` wrote, on the device; {} without a file."""
    return torch.load(path, map_location=device, weights_only=True) if path.exists() else {}
