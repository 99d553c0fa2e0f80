#!/usr/bin/env python3
"""Train the family of engineered features on the table of extract_features.py.

Gradient boosting, extra trees and a support vector machine try four settings each on groups left
out of the training; the best is trained on all of it.
"""

import argparse

from entoflow.task import run
from entoflow.wingbeat import family_training


def main(argv: list[str]) -> None:
    args = parser().parse_args(argv)
    from entoflow.wingbeat.family_features import FeatureFamily

    family_training.train(args, FeatureFamily())


def parser() -> argparse.ArgumentParser:
    return family_training.parser(__doc__)


if __name__ == "__main__":
    run(main)
