"""Time until a person sees something: --help of scripts and of the suite, and the launcher's share of a start."""

import statistics
import sys

from measuring import ROOT, Row, run

# The launcher ends in `exec`, which Nextflow's start replaces; a function of that name takes its place, so that what is
# timed is the launcher alone, with all that it looks up for this run.
NO_EXEC = {"BASH_FUNC_exec%%": "() { builtin exit; }"}


HELLO = """process HELLO {
    output:
    stdout

    script:
    "echo hello"
}

workflow {
    HELLO().view()
}
"""


def ask(folder, full):
    repetitions = 5 if full else 1
    bare = median(repetitions, [sys.executable, "-c", "pass"], folder)
    scripts = sorted((ROOT / "bin").glob("*.py"))
    seconds, slowest = max(
        (median(repetitions, [sys.executable, script, "--help"], folder), script.name)
        for script in scripts
    )
    yield Row(
        f"`--help`, the slowest of {len(scripts)} scripts ({slowest})",
        f"{seconds:.2f} s",
        f"{bare:.2f} s (python that does nothing)",
        f"{seconds / bare:.1f}",
        "< 0.3 s",
        seconds < 0.3,
    )
    own = median(repetitions, [ROOT / "nextflow", "run", ROOT, "-profile", "demo"], folder, NO_EXEC)
    nextflow = median(repetitions, [ROOT / "nextflow", "-v"], folder)
    yield Row(
        "warm start of the launcher alone",
        f"{own:.2f} s",
        f"{nextflow:.2f} s (`./nextflow -v`, with Nextflow's own)",
        f"{own / nextflow:.2f}",
        "< 0.5 s",
        own < 0.5,
    )
    (folder / "hello.nf").write_text(HELLO)
    hello = [ROOT / "nextflow", "run", "hello.nf"]
    for parser in ["v1", "v2"]:
        yield suite_help(folder, repetitions, hello, {"NXF_SYNTAX_PARSER": parser})


def suite_help(folder, repetitions, hello, env):
    """Return the row of `./nextflow run . --help`; it and hello take turns, so that other work meets both."""
    commands = {"help": [ROOT / "nextflow", "run", ROOT, "--help"], "hello": hello}
    seconds = {name: [] for name in commands}
    for _ in range(repetitions + 1):
        for name, command in commands.items():
            seconds[name].append(run(command, folder, env).seconds)
    ours, peer = (
        statistics.median(seconds[name][1:]) for name in ["help", "hello"]
    )  # the first is not counted
    return Row(
        f"`./nextflow run . --help`, parser {env['NXF_SYNTAX_PARSER']}",
        f"{ours:.2f} s",
        f"{peer:.2f} s (a pipeline of one process that says hello)",
        f"{ours / peer:.2f}",
        "<= 1.3",
        ours / peer <= 1.3,
    )


def median(repetitions, command, folder, env=None):
    """Return the median seconds of a command, after one run that is not counted."""
    run(command, folder, env)
    return statistics.median(run(command, folder, env).seconds for _ in range(repetitions))
