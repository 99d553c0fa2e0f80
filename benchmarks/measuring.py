"""What the questions share: running a command with its time and memory, and a row of the table."""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
# A process starts with the peak of the one that made it, so that one has to be small.
LEAN = """import os, sys
_, status, usage = os.wait4(os.spawnv(os.P_NOWAIT, sys.argv[1], sys.argv[1:]), 0)
print(usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status) != 0)"""


class Run(NamedTuple):
    """A command that ended well."""

    seconds: float
    lines: list  # what it said: (seconds since its start, text)


class Row(NamedTuple):
    """A row of the table, as text; holds is None where nothing is wanted."""

    question: str
    ours: str
    peer: str
    ratio: str
    wanted: str
    holds: bool | None


def run(command, cwd, env=None):
    """Run a command in a folder and return its Run; end with what it said where it fails."""
    start = time.monotonic()
    process = subprocess.Popen(
        [str(word) for word in command],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT / "bin"), **(env or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    lines = [(time.monotonic() - start, line.rstrip()) for line in process.stdout]
    if process.wait():
        sys.exit(
            "\n".join(
                [
                    f"error: {' '.join(map(str, command))} failed:",
                    *(text for _, text in lines[-20:]),
                ]
            )
        )
    return Run(time.monotonic() - start, lines)


def peak(command, cwd):
    """Run a command and return (MB of the largest of its processes at its peak, seconds)."""
    done = run([sys.executable, "-I", "-S", "-c", LEAN, *command], cwd)
    return int(done.lines[-1][1]) / (1e6 if sys.platform == "darwin" else 1e3), done.seconds


def task(name, /, **options):
    """Return the command of a task's script, as a user would type it; lists are several values."""
    words = []
    for key, value in options.items():
        words += [f"--{key}", *(value if isinstance(value, list) else [value])]
    (path,) = ROOT.glob(f"bin/*/{name}.py")
    return [sys.executable, path, *words]


def script(name, cwd, /, **options):
    """Run a task's script and return its Run."""
    return run(task(name, **options), cwd)


def span(values, digits=1):
    """Return the median of values and their range as text."""
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"
