"""Weights of networks.

Downloaded or read so that nothing in them is run, and written as safetensors, which hold numbers
only.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from entoflow import files
from entoflow.task import InputError, first_line

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

REMEDY = "Give a file (--weights FILE), or start from random weights (--weights none)"
OURS = "entoflow"  # in the head of weights of ours: how their network wants its input


def write_weights(model: "Module", folder: Path) -> None:
    """Write weights.safetensors of a network to the folder."""
    from safetensors import torch as safetensors

    state = {name: value.contiguous().cpu() for name, value in model.state_dict().items()}
    with files.whole(folder / "weights.safetensors", "wb") as file:
        file.write(safetensors.save(state))


def download(url: str, folder: Path) -> Path:
    """Return the path of the downloaded file.

    Raises InputError where it cannot be downloaded, or arrives damaged.
    """
    import http.client
    import urllib.request

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / url.rsplit("/", 1)[1]
    try:
        with urllib.request.urlopen(url, timeout=30) as answer, path.open("wb") as file:
            while block := answer.read(files.BLOCK):
                file.write(block)
    except (OSError, http.client.HTTPException) as error:
        raise InputError(f"weights: {url} cannot be downloaded ({error}). {REMEDY}.") from None
    # torch's file names end with the first digits of the SHA-256
    promised = re.search(r"-([0-9a-f]{8,})\.pth?$", path.name)
    if promised and not files.sha256(path).startswith(promised[1]):
        raise InputError(
            f"weights: {url} arrived damaged: its SHA-256 does not start with {promised[1]}. "
            f"{REMEDY}."
        )
    return path


def read_tensors(
    path: Path, read_checkpoint: Callable[[Path], Mapping[str, "Tensor"]]
) -> dict[str, "Tensor"]:
    """Return {name: float tensor} of a .safetensors file, or of a .pt or .pth by
    read_checkpoint(path).

    Raises InputError for a file that is absent, damaged or holds no floating-point tensor.
    """
    import torch
    from safetensors.torch import load_file

    if not path.is_file():
        raise InputError(f"weights: {path} is no file. {REMEDY}.")
    try:
        tensors = load_file(path) if path.suffix == ".safetensors" else read_checkpoint(path)
    except InputError:
        raise
    except Exception as error:  # a damaged file can break either reader in many ways
        raise InputError(
            f"weights: {path} cannot be read as weights ({first_line(error)}). {REMEDY}."
        ) from None
    numbers = {}
    for name, value in sorted(tensors.items()):
        if value.is_floating_point():
            numbers[name] = value.float().clone(memory_format=torch.contiguous_format)
    if not numbers:
        raise InputError(f"weights: {path} holds no tensor of numbers. {REMEDY}.")
    return numbers


def input_metadata(path: Path) -> dict[str, Any] | None:
    """Return the metadata in which weights that entoflow wrote describe their input, None of other
    weights.
    """
    from safetensors import safe_open

    if path.suffix != ".safetensors":
        return None
    with safe_open(path, "np") as file:
        metadata = file.metadata() or {}
    return {OURS: metadata[OURS]} if metadata.get(OURS) else None
