#!/usr/bin/env python3
"""Ask the questions of speed and memory, each against a peer in the same call, and print one Markdown table.

A question is a file beside this one: `ask(folder, full)` gives its rows, and its docstring says what is compared.
"""

import argparse
import importlib
import os
import platform
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import record

QUESTIONS = (
    "pipeline",
    "resume",
    "training",
    "prediction",
    "start",
    "memory",
    "evaluation",
    "fusion",
    "embedding",
    "search",
    "gallery",
    "wingbeat_features",
)
HEAD = "| question | entoflow | compared with | ratio | wanted | holds |\n|---|---|---|---|---|---|"


def main(argv):
    args = parser().parse_args(argv)
    start = time.monotonic()
    print(HEAD, flush=True)
    with tempfile.TemporaryDirectory(prefix="entoflow_benchmarks_", dir=args.folder) as folder:
        for name in [name for name in QUESTIONS if name in (args.questions or QUESTIONS)]:
            print(f"{name} ...", file=sys.stderr, flush=True)
            rows = []
            for row in importlib.import_module(name).ask(Path(folder), not args.least):
                print(line(row), flush=True)
                rows.append(row)
            if args.write:
                record.write(args.write, name, rows, machine())
    print(f"\n{machine()}; {(time.monotonic() - start) / 60:.0f} min in all.")


def parser():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument(
        "questions",
        nargs="*",
        type=known,
        help=f"those to ask, of {', '.join(QUESTIONS)} (default: all)",
    )
    p.add_argument(
        "--least",
        action="store_true",
        help="smallest sizes: to see that all of it runs, not to measure",
    )
    p.add_argument(
        "--write",
        type=Path,
        metavar="FOLDER",
        help="folder to write a file of figures to for each question, as benchmarks/figures has them",
    )
    p.add_argument(
        "--folder",
        type=Path,
        help="folder to work in, which needs 1 GB (default: that of temporary files)",
    )
    return p


def known(name):
    """choices= would refuse an empty list in older Pythons."""
    if name not in QUESTIONS:
        raise argparse.ArgumentTypeError(
            f"'{name}' is no question; wanted some of {', '.join(QUESTIONS)}"
        )
    return name


def line(row):
    holds = {None: "", True: "yes", False: "**no**"}[row.holds]
    return f"| {' | '.join([*row[:-1], holds])} |"


def machine():
    packages = ", ".join(
        f"{name} {version(name)}"
        for name in ("torch", "ultralytics-opencv-headless", "numpy", "pillow")
    )
    return f"{processor()}, {os.cpu_count()} cores, {platform.system()}; Python {platform.python_version()}, {packages}"


def processor():
    """Return the model of the processor as Linux names it, else what Python knows."""
    listed = Path("/proc/cpuinfo")
    names = (
        [
            text.split(":")[1].strip()
            for text in listed.read_text().splitlines()
            if text.startswith("model name")
        ]
        if listed.exists()
        else []
    )
    return names[0] if names else platform.processor() or platform.machine()


if __name__ == "__main__":
    main(sys.argv[1:])
