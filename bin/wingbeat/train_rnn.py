#!/usr/bin/env python3
"""Train a recurrent network on the spectrograms of events: it reads them frame by frame, both ways.

All kinds of networks are shown the same spectrograms equally often (--views); see sound_trainer.py.
"""

import argparse

from entoflow.task import run
from entoflow.wingbeat import family_training, network_settings


def main(argv: list[str]) -> None:
    args = parser().parse_args(argv)
    settings = network_settings.read(args)
    from entoflow.wingbeat.family_network import NetworkFamily

    family_training.train(args, NetworkFamily("rnn", settings))


def parser() -> argparse.ArgumentParser:
    return network_settings.parser(__doc__)


if __name__ == "__main__":
    run(main)
