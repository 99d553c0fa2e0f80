#!/usr/bin/env python3
"""Train a convolutional network on the spectrograms of events, as images.

All kinds of networks are shown the same spectrograms equally often (--views); see sound_trainer.py.
"""
from entoflow.task import run
from entoflow.wingbeat import family_network, family_training


def main(argv):
    args = parser().parse_args(argv)
    family_training.run(args, family_network.Family("image"), family_network.settings_of(args))


def parser():
    return family_network.parser(__doc__)


if __name__ == "__main__":
    run(main)
