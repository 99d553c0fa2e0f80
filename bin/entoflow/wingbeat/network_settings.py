"""The settings of the families of networks, and the parser of their scripts."""

import argparse
from dataclasses import dataclass

from entoflow.task import InputError
from entoflow.wingbeat import family_training

# As spectrogram_images has them, which takes time to import; a test compares both.
SCALES = ("linear", "mel", "pcen")
LOWEST_SPECTROGRAM_HZ = 100


@dataclass(frozen=True)
class NetworkSettings:
    """What a network is trained with, beside the seed."""

    views: int = 10000  # spectrograms that it is shown
    spectrogram: str = "linear"  # one of SCALES
    spectrogram_hz: float = 2000.0  # highest frequency


def parser(doc: str) -> argparse.ArgumentParser:
    """Return the parser of a network's script with that docstring."""
    default = NetworkSettings()
    p = family_training.parser(doc)
    p.add_argument(
        "--views",
        type=int,
        default=default.views,
        help="spectrograms shown in training, each event as often as any other "
        "(default %(default)s)",
    )
    p.add_argument(
        "--spectrogram",
        choices=SCALES,
        default=default.spectrogram,
        help="linear or mel frequencies in dB, or mel with per-channel energy normalisation "
        "(default %(default)s)",
    )
    p.add_argument(
        "--spectrogram_hz",
        type=float,
        default=default.spectrogram_hz,
        help="its highest frequency, Hz (default %(default)s)",
    )
    return p


def read(args: argparse.Namespace) -> NetworkSettings:
    """Return the settings of a command line. Raises InputError for impossible ones."""
    _check("--views", args.views, 1)
    _check("--spectrogram_hz", args.spectrogram_hz, LOWEST_SPECTROGRAM_HZ)
    return NetworkSettings(args.views, args.spectrogram, args.spectrogram_hz)


def _check(option: str, value: float, least: int) -> None:
    if not value >= least:  # NaN is not, either
        raise InputError(f"{option} is {value:g}; wanted {least} or more.")
