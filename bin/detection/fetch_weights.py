#!/usr/bin/env python3
"""Get the weights that training starts from: the published ones of an architecture, or a person's file.

Nothing in such a file is executed: safetensors hold no code, and a .pt or .pth file is read by torch's restricted reader,
which here builds tensors, and for yolo modules of torch and ultralytics, and refuses anything else.
"""
import argparse
import hashlib
import re
from pathlib import Path

from entoflow import model
from entoflow.task import InputError, first_line, run

REMEDY = "Give a file (--weights FILE), or start from random weights (--weights none)"


def main(argv):
    args = parser().parse_args(argv)
    backend, architecture = chosen(args)
    source = args.file or download(backend.published(architecture), args.scratch)
    tensors = read_tensors(source, backend, args.scratch)
    from safetensors.torch import save

    args.weights.write_bytes(save(tensors, own_head(source)))
    print(f"{len(tensors)} tensors from {source.name}")


def chosen(args):
    """Return (what knows the published weights of an architecture and reads its checkpoints, the architecture)."""
    if args.model_kind == "embedder":
        from entoflow import embedder

        return embedder, args.backbone
    backend = model.backend(args.detector)
    return backend, model.architecture(backend, args.architecture)


def parser():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--detector", choices=["yolo", "torchvision"], default="yolo", help="backend (default %(default)s)")
    p.add_argument("--architecture", help="network whose published weights are wanted (default: the backend's smallest)")
    p.add_argument("--model_kind", choices=["detector", "embedder"], default="detector", help="what the weights are for (default %(default)s)")
    p.add_argument("--backbone", default=model.BACKBONE, help="network of timm's, of an embedder (default %(default)s)")
    p.add_argument("--file", type=Path, help="a person's .safetensors, .pt or .pth file, taken instead of the published weights")
    p.add_argument("--scratch", type=Path, default=Path("scratch"), help="folder to download to (default %(default)s)")
    p.add_argument("--weights", type=Path, required=True, help="safetensors to write")
    return p


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


def read_tensors(path, backend, scratch):
    """Return {name: float tensor} of a .safetensors or .pt file. Raises InputError for anything else."""
    import torch

    if not path.is_file():
        raise InputError(f"weights: {path} is no file. {REMEDY}.")
    try:
        tensors = read_safetensors(path) if path.suffix == ".safetensors" else backend.read_checkpoint(path, scratch)
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
    from entoflow.embedder import OURS
    from safetensors import safe_open

    if path.suffix != ".safetensors":
        return None
    with safe_open(path, "np") as file:
        said = (file.metadata() or {}).get(OURS)
    return {OURS: said} if said else None


def read_safetensors(path):
    from safetensors.torch import load_file

    return load_file(path)


if __name__ == "__main__":
    run(main)
