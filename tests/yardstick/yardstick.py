"""Compare what the working tree computes with what a base commit computed.

    tests/yardstick/run                              all scenarios, against e0d0b52
    tests/yardstick/run --only wingbeat              one chain alone
    tests/yardstick/run --only identification,naming chains or single scenarios
    tests/yardstick/run --base COMMIT

Both sides run on this machine, in one Python environment (the working tree's), with one thread
everywhere, on the same inputs and in the same folder, so that paths are equal too. The inputs are
drawn once by the base commit's make_* scripts. They and the base commit's results are kept in
~/.cache/entoflow/yardstick (XDG_CACHE_HOME moves it) and used again while the base commit, the
scenarios and the environment stay as they are: a later call costs the working tree's runs alone.

Every published file is compared: see compare.py for how, and declared.json for what the rewrite
may rename and what is not compared, with the reason. Pages (HTML), pictures (PNG) and model cards
are compared and listed, and do not decide. The exit status is 0 where every table, metric and
weight file is equal, 1 where one is not or a run of the working tree failed, 2 where the base
commit could not be run or the command line is wrong.

It takes minutes, so neither CI nor pytest runs it.
"""

import argparse
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import compare
import inputs
import scenarios
from scenarios import Scenario, Side

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BASE = "e0d0b52"
DECIDING_FILES = ("inputs.py", "scenarios.py")
OUTPUT_LINES = 15
CHAINS_AT_ONCE = 2  # a chain's tasks mostly wait for each other


class RunError(Exception):
    """A run failed. The message is what a person needs to go on."""


@dataclass(frozen=True)
class Outcome:
    """How a side ended: seconds of the scenarios that are done (some perhaps in an earlier call),
    reasons of those that failed, and seconds of this call."""

    seconds: dict[str, float]
    failures: dict[str, str]
    wall: float


@dataclass(frozen=True)
class Cache:
    """The folder of one base commit: its code, the inputs, and the results of each side.

    A side's results lie in a folder of its own. It has the name `run` while the side runs,
    so that both sides run at the same paths.
    """

    folder: Path

    @property
    def code(self) -> Path:
        return self.folder / "code"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def config(self) -> Path:
        return self.folder / "nextflow.config"

    @property
    def run(self) -> Path:
        return self.folder / "run"

    @property
    def base(self) -> Path:
        return self.folder / "base"

    @property
    def tree(self) -> Path:
        root = hashlib.sha256(str(ROOT).encode()).hexdigest()
        return self.folder / f"tree-{root[:8]}"


def main(argv: list[str]) -> int:
    args = parser().parse_args(argv)
    try:
        chosen = scenarios.choose(args.only.split(","))
        commit = resolve(args.base)
        cache = Cache(cache_folder(commit))
    except (ValueError, RunError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    declared = compare.read_declared(HERE / "declared.json")
    with locked(cache.folder):
        restore(cache)
        try:
            prepare(cache, commit)
            base_side = Side(cache.code, cache.data, cache.run, {})
            base = run_side(cache, cache.base, base_side, chosen, {})
        except RunError as error:
            print(f"error: the base commit {commit[:7]}: {error}", file=sys.stderr)
            return 2
        if base.failures:
            reasons = "\n".join(base.failures.values())
            print(f"error: the base commit {commit[:7]}: {reasons}", file=sys.stderr)
            return 2
        shutil.rmtree(cache.tree, ignore_errors=True)
        tree_side = Side(ROOT, cache.data, cache.run, declared.files)
        tree = run_side(cache, cache.tree, tree_side, chosen, declared.options)
        names = [scenario.name for scenario in chosen if scenario.name in tree.seconds]
        comparisons = compare.compare_sides(cache.base, cache.tree, names, declared)
    summary = compare.Summary(comparisons, declared, tree.failures)
    print_times(commit, chosen, base, tree)
    report = cache.tree / "comparison.txt"
    report.write_text("\n".join(summary.lines(None)) + "\n", encoding="utf-8")
    print("\n".join(summary.lines(args.lines)))
    print(f"In full: {report}; the results: {cache.base} and {cache.tree}")
    return 0 if summary.equal() else 1


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(
        prog="tests/yardstick/run",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument(
        "--base", default=BASE, metavar="COMMIT", help="base commit (default %(default)s)"
    )
    p.add_argument(
        "--only",
        default=",".join(scenarios.CHAINS),
        metavar="NAMES",
        help="scenarios or chains, joined by commas; what they need runs too (default %(default)s)."
        f" Scenarios: {', '.join(scenario.name for scenario in scenarios.SCENARIOS)}",
    )
    p.add_argument(
        "--lines", type=int, default=8, help="lines printed of each file (default %(default)s)"
    )
    return p


def resolve(commit: str) -> str:
    """Return the full hash of a commit. Raises RunError where there is none."""
    command = ["git", "-C", str(ROOT), "rev-parse", "--verify", f"{commit}^{{commit}}"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RunError(f"--base is {commit}; wanted a commit of {ROOT}.")
    return done.stdout.strip()


def cache_folder(commit: str) -> Path:
    """Return the folder for a base commit, these scenarios and this Python environment."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    digest = hashlib.sha256(Path(sys.prefix).name.encode())
    for name in DECIDING_FILES:
        digest.update((HERE / name).read_bytes())
    return cache / "entoflow/yardstick" / f"{commit[:12]}-{digest.hexdigest()[:12]}"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock: another worktree's call may use the same folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("another call uses the same folder; waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def restore(cache: Cache) -> None:
    """Give a side's folder its name back where an earlier call was killed as the side ran."""
    if not cache.run.exists():
        return
    owner = cache.run / "side.txt"
    place = cache.folder / owner.read_text() if owner.exists() else None
    if place == cache.base and not cache.base.exists():
        cache.run.rename(cache.base)
    else:
        shutil.rmtree(cache.run)


def prepare(cache: Cache, commit: str) -> None:
    """Check the base commit out and draw the inputs, where that is not done yet."""
    cache.config.write_text(scenarios.CONFIG)
    if not cache.code.exists():
        new = fresh_folder(cache.folder / "code.new")
        archive = ["git", "-C", str(ROOT), "archive", commit]
        content = subprocess.run(archive, check=True, capture_output=True).stdout
        subprocess.run(["tar", "-x", "-C", str(new)], input=content, check=True)
        new.rename(cache.code)
    if not cache.data.exists():
        progress("drawing the inputs, and training the detector that some scenarios start from")
        new = fresh_folder(cache.folder / "data.new")
        inputs.draw(cache.code, new / "drawn")
        inputs.derive(new / "drawn", new)
        boxes = inputs.draw_lesson(cache.code, new / "lesson")
        options = ["--boxes", str(boxes), *scenarios.LESSON_OPTIONS]
        folder = fresh_folder(new / "training")
        run_pipeline(cache, cache.code, folder, options)
        shutil.copytree(folder / "results/detection/insect_detector", new / "detector")
        inputs.derive_cropper(new / "detector", new / "cropper")
        shutil.rmtree(folder)
        new.rename(cache.data)


def fresh_folder(path: Path) -> Path:
    """Return an empty folder of this path; what was there is removed."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path


def run_side(
    cache: Cache, place: Path, side: Side, chosen: list[Scenario], renamed_options: dict[str, str]
) -> Outcome:
    """Run the scenarios of one side that are not done, two chains side by side."""
    if place.exists():
        place.rename(cache.run)
    else:
        cache.run.mkdir()
    (cache.run / "side.txt").write_text(place.name)
    chains: dict[str, list[Scenario]] = {}
    for scenario in chosen:
        chains.setdefault(scenario.chain, []).append(scenario)
    start = time.monotonic()
    outcome = Outcome({}, {}, 0)
    try:
        with ThreadPoolExecutor(CHAINS_AT_ONCE) as threads:
            run_one = partial(run_chain, cache, side, outcome, renamed_options)
            list(threads.map(run_one, chains.values()))
    finally:
        cache.run.rename(place)
    return replace(outcome, wall=time.monotonic() - start)


def run_chain(
    cache: Cache,
    side: Side,
    outcome: Outcome,
    renamed_options: dict[str, str],
    chain: list[Scenario],
) -> None:
    """Run a chain's scenarios one after the other; none needs one of another chain."""
    for scenario in chain:
        lacking = [name for name in scenario.needs if name in outcome.failures]
        if lacking:
            outcome.failures[scenario.name] = f"{scenario.name} was not run, as {lacking[0]} failed"
            continue
        try:
            seconds = run_scenario(cache, side, scenario, renamed_options)
            outcome.seconds[scenario.name] = seconds
        except RunError as error:
            outcome.failures[scenario.name] = str(error)


def run_scenario(
    cache: Cache, side: Side, scenario: Scenario, renamed_options: dict[str, str]
) -> float:
    """Run one scenario where it is not done, and return how many seconds it took."""
    folder = side.run / scenario.name
    done = folder / "done.json"
    if done.exists():
        return json.loads(done.read_text())["seconds"]
    progress(f"{scenario.name}, {'base commit' if side.code == cache.code else 'working tree'}")
    fresh_folder(folder)
    start = time.monotonic()
    try:
        if scenario.options is None:
            scenarios.make_worlds(side, folder / "results")
        else:
            options = scenario.options(side, folder / "given")
            options = [renamed_options.get(option, option) for option in options]
            run_pipeline(cache, side.code, folder, options)
    except (OSError, LookupError, subprocess.CalledProcessError) as error:
        raise RunError(f"{scenario.name}: {type(error).__name__}: {error}") from None
    seconds = time.monotonic() - start
    done.write_text(json.dumps({"seconds": seconds}))
    return seconds


def run_pipeline(cache: Cache, code: Path, folder: Path, options: list[str]) -> None:
    """Run a checkout's pipeline in a folder; its results come to `results` there.

    Nextflow and the Python environment are the working tree's for both sides.
    Raises RunError with the last lines of what the run printed.
    """
    command = [str(ROOT / "nextflow"), "-log", "nextflow.log", "run", str(code)]
    command += ["-c", str(cache.config), "-ansi-log", "false"]
    command += ["-work-dir", "work", "--outdir", str(folder / "results"), *options]
    environment = {**os.environ, **scenarios.THREADS}
    output = folder / "output.txt"
    with output.open("w") as handle:
        done = subprocess.run(
            command, cwd=folder, env=environment, stdout=handle, stderr=subprocess.STDOUT
        )
    if done.returncode != 0:
        last = output.read_text(errors="replace").splitlines()[-OUTPUT_LINES:]
        raise RunError("\n    ".join([f"{folder.name} failed:", *last]))
    shutil.rmtree(folder / "work")


def progress(text: str) -> None:
    print(f"yardstick: {text} ...", file=sys.stderr, flush=True)


def print_times(commit: str, chosen: list[Scenario], base: Outcome, tree: Outcome) -> None:
    """Print the seconds of each scenario by side; the base's may be those of an earlier call."""
    print(f"{'seconds':24}{'base ' + commit[:7]:>14}{'working tree':>14}")
    for scenario in chosen:
        name = scenario.name
        right = f"{tree.seconds[name]:.0f}" if name in tree.seconds else "failed"
        print(f"{name:24}{base.seconds[name]:14.0f}{right:>14}")
    print(f"{'sum':24}{sum(base.seconds.values()):14.0f}{sum(tree.seconds.values()):14.0f}")
    print(f"{'wall time of this call':24}{base.wall:14.0f}{tree.wall:14.0f}")
    print()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
