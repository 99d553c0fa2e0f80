"""Weights of networks: downloaded or read so that nothing in them is run, and written as safetensors, which hold numbers only."""
import hashlib
import re

from entoflow.task import InputError, first_line

REMEDY = "Give a file (--weights FILE), or start from random weights (--weights none)"
OURS = "entoflow"  # in the head of weights of ours: how their network wants its input


def write_weights(model, folder):
    """Write weights.safetensors of a network to the folder."""
    from safetensors import torch as tensors

    state = model.state_dict()
    (folder / "weights.safetensors").write_bytes(tensors.save({name: value.contiguous().cpu() for name, value in state.items()}))


def download(url, folder):
    """Return the path of the downloaded file. Raises InputError where it cannot be had."""
    import http.client
    import urllib.request

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / url.rsplit("/", 1)[1]
    try:
        with urllib.request.urlopen(url, timeout=30) as answer, path.open("wb") as handle:
            while block := answer.read(1 << 20):
                handle.write(block)
    except (OSError, http.client.HTTPException) as error:
        raise InputError(f"weights: {url} cannot be downloaded ({error}). {REMEDY}.") from None
    promised = re.search(r"-([0-9a-f]{8,})\.pth?$", path.name)  # torch's file names end with the first digits of the SHA-256
    if promised and not hashlib.sha256(path.read_bytes()).hexdigest().startswith(promised[1]):
        raise InputError(f"weights: {url} arrived damaged: its SHA-256 does not start with {promised[1]}. {REMEDY}.")
    return path


def read_tensors(path, read_checkpoint):
    """Return {name: float tensor} of a .safetensors file, or of a .pt or .pth by read_checkpoint(path). Raises InputError for anything else."""
    import torch
    from safetensors.torch import load_file

    if not path.is_file():
        raise InputError(f"weights: {path} is no file. {REMEDY}.")
    try:
        tensors = load_file(path) if path.suffix == ".safetensors" else read_checkpoint(path)
    except InputError:
        raise
    except Exception as error:  # a damaged file can break either reader in many ways
        raise InputError(f"weights: {path} cannot be read as weights ({first_line(error)}). {REMEDY}.") from None
    numbers = {name: value.float().clone(memory_format=torch.contiguous_format) for name, value in sorted(tensors.items()) if value.is_floating_point()}
    if not numbers:
        raise InputError(f"weights: {path} holds no tensor of numbers. {REMEDY}.")
    return numbers


def own_head(path):
    """Return what the head of weights that entoflow wrote says of their input, None of others."""
    from safetensors import safe_open


    if path.suffix != ".safetensors":
        return None
    with safe_open(path, "np") as file:
        said = (file.metadata() or {}).get(OURS)
    return {OURS: said} if said else None
