#!/usr/bin/env python3
"""Train a convolutional network on the spectrograms of events, as images.

All kinds of networks are shown the same spectrograms equally often (--views); see sound_trainer.py.
"""

import argparse

from entoflow.task import run
from entoflow.wingbeat import family_training, network_settings


def main(argv: list[str]) -> None:
    args = parser().parse_args(argv)
    settings = network_settings.read(args)
    from entoflow.wingbeat.family_network import NetworkFamily

    family_training.train(args, NetworkFamily("image", settings))


def parser() -> argparse.ArgumentParser:
    return network_settings.parser(__doc__)


if __name__ == "__main__":
    run(main)
