#!/usr/bin/env python3
"""Train the family of random convolutions: some 10,000 features of the samples that nobody chose, and a ridge regression on them.

How strong the ridge is, out of seven strengths, is what does best on groups left out of the training.
"""
from entoflow.task import run
from entoflow.wingbeat import family_random_convolutions, family_training


def main(argv):
    family_training.run(parser().parse_args(argv), family_random_convolutions, {})


def parser():
    return family_training.parser(__doc__)


if __name__ == "__main__":
    run(main)
