#!/usr/bin/env python3
"""Get the weights that an embedder starts from: the published ones of its backbone, or a file.

Nothing in such a file is executed: safetensors hold no code, and a .pt or .pth file is read by
torch's restricted reader.
"""

import argparse
from pathlib import Path

from entoflow.identification import embedder_facts
from entoflow.task import run


def main(argv: list[str]) -> None:
    args = parser().parse_args(argv)
    from safetensors.torch import save

    from entoflow import weights
    from entoflow.identification import pretrained

    source = args.file
    if not source:
        source = weights.download(pretrained.published_url(args.backbone), args.scratch)
    tensors = weights.read_tensors(source, pretrained.read_checkpoint)
    args.weights.write_bytes(save(tensors, weights.input_metadata(source)))
    print(f"{len(tensors)} tensors from {source.name}")


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    p.add_argument(
        "--backbone",
        default=embedder_facts.BACKBONE,
        help="network of timm's (default %(default)s)",
    )
    p.add_argument(
        "--file",
        type=Path,
        help="a person's .safetensors, .pt or .pth file, taken instead of the published weights",
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
