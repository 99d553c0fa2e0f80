#!/usr/bin/env python3
"""Get the weights that a detector's training starts from: published ones, or a user's file.

Nothing in such a file is executed: safetensors hold no code, and a .pt or .pth file is read by
torch's restricted reader, which here builds tensors, and for yolo modules of torch and ultralytics,
and refuses anything else.
"""

import argparse
from pathlib import Path

from entoflow.detector import architectures
from entoflow.task import run


def main(argv: list[str]) -> None:
    args = parser().parse_args(argv)
    architecture = architectures.choose(args.detector, args.architecture)
    from safetensors.torch import save

    from entoflow import weights
    from entoflow.detection import published_weights

    source = args.file or weights.download(published_weights.url_of(architecture), args.scratch)
    tensors = weights.read_tensors(
        source, lambda path: published_weights.read_checkpoint(path, architecture, args.scratch)
    )
    args.weights.write_bytes(save(tensors, weights.input_metadata(source)))
    print(f"{len(tensors)} tensors from {source.name}")


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument(
        "--detector",
        choices=list(architectures.BACKENDS),
        default="yolo",
        help="backend (default %(default)s)",
    )
    p.add_argument(
        "--architecture",
        help="network whose published weights are wanted (default: the backend's smallest)",
    )
    p.add_argument(
        "--file",
        type=Path,
        help="a user's .safetensors, .pt or .pth file, taken instead of the published weights",
    )
    p.add_argument(
        "--scratch",
        type=Path,
        default=Path("scratch"),
        help="folder to download to (default %(default)s)",
    )
    p.add_argument("--weights", type=Path, required=True, help="safetensors to write")
    return p


if __name__ == "__main__":
    run(main)
