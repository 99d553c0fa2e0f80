#!/usr/bin/env python3
"""Train the family of random convolutions: 10,000 features of the samples, a ridge regression.

The strength of the ridge, out of seven, is the one that does best on groups left out of the
training.
"""

import argparse

from entoflow.task import run
from entoflow.wingbeat import family_training


def main(argv: list[str]) -> None:
    args = parser().parse_args(argv)
    from entoflow.wingbeat.family_random_convolutions import ConvolutionFamily

    family_training.train(args, ConvolutionFamily())


def parser() -> argparse.ArgumentParser:
    return family_training.parser(__doc__)


if __name__ == "__main__":
    run(main)
