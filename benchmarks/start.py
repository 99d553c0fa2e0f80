"""Time until a person sees something: --help of every script, and the launcher's own share of a start."""
import statistics
import sys

from measuring import ROOT, Row, run

# The launcher ends in `exec`, which Nextflow's start replaces; a function of that name takes its place, so that what is
# timed is the launcher alone, with all that it looks up for this run.
NO_EXEC = {"BASH_FUNC_exec%%": "() { builtin exit; }"}


def ask(folder, full):
    repetitions = 5 if full else 1
    bare = median(repetitions, [sys.executable, "-c", "pass"], folder)
    scripts = sorted((ROOT / "bin").glob("*.py"))
    seconds, slowest = max((median(repetitions, [sys.executable, script, "--help"], folder), script.name) for script in scripts)
    yield Row(f"`--help`, the slowest of {len(scripts)} scripts ({slowest})", f"{seconds:.2f} s", f"{bare:.2f} s (python that does nothing)",
              f"{seconds / bare:.1f}", "< 0.3 s", seconds < 0.3)
    own = median(repetitions, [ROOT / "nextflow", "run", ROOT, "-profile", "demo"], folder, NO_EXEC)
    nextflow = median(repetitions, [ROOT / "nextflow", "-v"], folder)
    yield Row("warm start of the launcher alone", f"{own:.2f} s", f"{nextflow:.2f} s (`./nextflow -v`, with Nextflow's own)", f"{own / nextflow:.2f}",
              "< 0.5 s", own < 0.5)


def median(repetitions, command, folder, env=None):
    """Return the median seconds of a command, after one run that is not counted."""
    run(command, folder, env)
    return statistics.median(run(command, folder, env).seconds for _ in range(repetitions))
