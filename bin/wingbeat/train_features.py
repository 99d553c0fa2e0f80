#!/usr/bin/env python3
"""Train the family of engineered features: gradient boosting, extra trees or a support vector machine on the table of extract_features.py.

Each of the three may try four settings on groups left out of the training; the best learns from all of it.
"""
from entoflow.task import run
from entoflow.wingbeat import family_features, family_training


def main(argv):
    family_training.run(parser().parse_args(argv), family_features, {})


def parser():
    return family_training.parser(__doc__)


if __name__ == "__main__":
    run(main)
