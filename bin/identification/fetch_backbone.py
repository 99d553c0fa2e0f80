#!/usr/bin/env python3
"""Get the weights that an embedder starts from: the published ones of its backbone, or a person's file.

Nothing in such a file is executed: safetensors hold no code, and a .pt or .pth file is read by torch's restricted reader.
"""
import argparse
from pathlib import Path

from entoflow.identification import embedder_facts
from entoflow.task import run


def main(argv):
    args = parser().parse_args(argv)
    from safetensors.torch import save

    from entoflow import weights
    from entoflow.identification import embedder

    source = args.file or weights.download(embedder.published(args.backbone), args.scratch)
    tensors = weights.read_tensors(source, embedder.read_checkpoint)
    args.weights.write_bytes(save(tensors, weights.own_head(source)))
    print(f"{len(tensors)} tensors from {source.name}")


def parser():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--backbone", default=embedder_facts.BACKBONE, help="network of timm's (default %(default)s)")
    p.add_argument("--file", type=Path, help="a person's .safetensors, .pt or .pth file, taken instead of the published weights")
    p.add_argument("--scratch", type=Path, default=Path("scratch"), help="folder to download to (default %(default)s)")
    p.add_argument("--weights", type=Path, required=True, help="safetensors to write")
    return p


if __name__ == "__main__":
    run(main)
