"""Runs and tasks that are cut off: interrupted, killed, out of memory, wrong by a person's mistake, without room to write."""

import csv
import os
import re
import signal
import subprocess
import time

import make_demo
import psutil
import pytest

from conftest import ROOT, Flow

# Whatever this machine has, what the base asks for is granted, and small tasks run side by side.
ROOM = """
executor { cpus = 8; memory = '256 GB' }
process.resourceLimits = [cpus: 2, memory: 256.GB]
trace.fields = 'name,status,exit,attempt,memory,workdir'
"""


class Run(Flow):
    """A training on boxes alone."""

    def __init__(self, here, config=""):
        super().__init__(here)
        (here / "room.config").write_text(ROOM + config)
        make_demo.main(
            [f"--folder={here / 'data'}", "--demo_boxes=16", "--demo_labelled=8", "--demo_test=4"]
        )
        self.options = [
            "-c",
            here / "room.config",
            "--boxes",
            here / "data/boxes/annotations.json",
            "--weights",
            "none",
            "--image_size",
            "64",
            "--max_epochs",
            "4",
        ]

    def attempts(self, task):
        """Return the trace's rows of a task, the first attempt first."""
        found = [row for row in self.tasks if row["name"].split(":")[-1].startswith(task)]
        return sorted(found, key=lambda row: row["attempt"])

    def trainer(self, process):
        """Wait until a training of this run has ended an epoch, and return its process."""
        old, end = set(self.checkpoints()), time.monotonic() + 120
        while time.monotonic() < end and process.poll() is None:
            for path in set(self.checkpoints()) - old:
                pythons = [one for one in inside(path.parent) if "python" in one.name()]
                return min(
                    pythons, key=lambda one: one.create_time()
                )  # the others load images for it
            time.sleep(0.02)
        raise AssertionError("no training ended an epoch")

    def checkpoints(self):
        return self.here.glob("work/*/*/checkpoint.pt")


def inside(folder):
    """Return the processes that work in a folder or below it."""
    found = []
    for one in psutil.process_iter():
        try:
            if f"{one.cwd()}/".startswith(f"{folder.resolve()}/"):
                found.append(one)
        except psutil.Error:
            continue
    return found


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory):
    """A run that gets a terminal's Ctrl-C while it trains: it, its exit status, what it said, how long it and its tasks went on."""
    run = Run(tmp_path_factory.mktemp("interrupted"))
    before = signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # where tests run in a shell's background, it is ignored
    process = run.start(*run.options)
    signal.signal(signal.SIGINT, before)
    run.trainer(process)
    os.killpg(process.pid, signal.SIGINT)
    start = time.monotonic()
    said = run.finish(process)
    while inside(run.here / "work") and time.monotonic() - start < 60:
        time.sleep(0.1)
    return run, process.returncode, said, time.monotonic() - start


@pytest.fixture(scope="module")
def killed(interrupted):
    """The same run taken up again, its trainer killed after an epoch: it, and the tasks that had ended before."""
    run = interrupted[0]
    ended = {row["name"] for row in run.tasks if row["status"] == "COMPLETED"}
    process = run.start(*run.options, "-resume")
    run.trainer(process).kill()
    said = run.finish(process)
    assert process.returncode == 0, said
    return run, ended


def test_an_interrupted_run_ends_soon_with_one_sentence_and_leaves_nothing_running(interrupted):
    run, status, said, seconds = interrupted
    assert status == 128 + signal.SIGINT and not (run.here / "results/report.html").exists()
    assert seconds < 10
    assert "SIGINT" in last_sentence(said)


@pytest.mark.parametrize("parser, begun", [("v1", "log"), ("v2", "work/*/*/.command.begin")])
def test_a_terminated_run_ends_with_one_sentence_whether_its_tasks_have_begun_or_not(
    tmp_path, parser, begun
):
    run = Run(tmp_path)
    process = run.start(*run.options, parser=parser)
    while not any(
        "Session start" in path.read_text() or path.name != "log" for path in tmp_path.glob(begun)
    ):
        time.sleep(0.05)
        assert process.poll() is None
    process.terminate()
    said = run.finish(process)
    assert process.returncode == 128 + signal.SIGTERM and "SIGTERM" in last_sentence(said)
    assert not inside(tmp_path / "work")


def last_sentence(said):
    """Return the last line, which alone follows what tells of the start and of each task."""
    lines = [
        line for line in said.splitlines() if line and "Unrecognized config option" not in line
    ]
    *before, last = lines
    assert all(
        re.match(r"N E X T F L O W|Launching|\[../......\] Submitted", line) for line in before
    ), said
    assert last.startswith("error: ") and last.endswith(".")
    return last


def test_an_interrupted_run_goes_on_with_what_had_not_ended(killed):
    run, ended = killed
    assert {row["name"] for row in run.tasks if row["status"] == "CACHED"} == ended
    assert {"IMPORT_IMAGES (boxes_1)", "SPLIT_IMAGES"} <= {name.split(":")[-1] for name in ended}
    assert (run.here / "results/report.html").exists()


def test_a_killed_training_goes_on_from_its_checkpoint_with_more_memory(killed):
    run, _ = killed
    first, second = run.attempts("TRAIN_INSECT_DETECTOR")
    assert [(row["status"], row["exit"], row["memory"]) for row in (first, second)] == [
        ("FAILED", "137", "16 GB"),
        ("COMPLETED", "0", "32 GB"),
    ]
    begun, resumed = (epochs_told(run.here / row["workdir"]) for row in (first, second))
    assert begun[0] == 1 and 1 < resumed[0] <= begun[-1] + 1
    with (run.here / "results/detection/insect_detector/training.csv").open() as handle:
        assert [row["epoch"] for row in csv.DictReader(handle)] == ["1", "2", "3", "4"]


def epochs_told(workdir):
    lines = (workdir / ".command.log").read_text().splitlines()
    return [int(line.split()[1].split("/")[0]) for line in lines if line.startswith("epoch ")]


@pytest.fixture
def policy(tmp_path):
    """Run one process of the text given under conf/base.config: (seconds, {tag: [(status, exit, memory) of each attempt]})."""

    def run(script, values, **more):
        flow = Flow(tmp_path)
        (tmp_path / "room.config").write_text(ROOM)
        (tmp_path / "main.nf").write_text(f"""process TRY {{
    tag "${{value}}"
    label 'process_single'

    input:
    val value

    script:
    \"\"\"
    {script}
    \"\"\"
}}

workflow {{
    TRY(channel.fromList({values}))
}}
""")
        flow.run(
            "-c",
            ROOT / "conf/base.config",
            "-c",
            tmp_path / "room.config",
            script=tmp_path / "main.nf",
            **more,
        )
        told = {}
        for row in sorted(flow.tasks, key=lambda row: row["attempt"]):
            told.setdefault(row["name"].split("(")[1].rstrip(")"), []).append(
                (row["status"], row["exit"], row["memory"])
            )
        return told

    return run


@pytest.mark.parametrize("parser", ["v1", "v2"])
def test_what_a_machine_may_do_to_a_task_is_tried_again_with_more_memory(policy, parser):
    codes = [104, 134, 137, 139, 140, 143, 175, 247]
    told = policy("[ ${task.attempt} -gt 1 ] || exit ${value}", codes, parser=parser)
    assert told == {
        str(code): [("FAILED", str(code), "4 GB"), ("COMPLETED", "0", "8 GB")] for code in codes
    }


def test_a_task_that_is_killed_every_time_ends_the_run_after_four_attempts(policy):
    told = policy("kill -9 \\$\\$", [0], ok=False)
    assert told == {"0": [("FAILED", "137", f"{memory} GB") for memory in (4, 8, 12, 16)]}


def test_a_crash_is_not_tried_again_and_lets_running_tasks_finish(policy):
    told = policy("sleep ${value}; exit ${value == 2 ? 1 : 0}", [2, 6], ok=False)
    assert told == {"2": [("FAILED", "1", "4 GB")], "6": [("COMPLETED", "0", "4 GB")]}


def test_a_mistake_ends_running_tasks_too(policy):
    told = policy("sleep ${value}; exit ${value == 2 ? 2 : 0}", [2, 60], ok=False)
    assert told == {"2": [("FAILED", "2", "4 GB")], "60": [("ABORTED", "-", "4 GB")]}


def test_a_training_that_finds_no_room_ends_the_run_with_one_sentence_that_names_the_file(tmp_path):
    run = Run(
        tmp_path, "process { withName: TRAIN_INSECT_DETECTOR { beforeScript = 'ulimit -f 8192' } }"
    )  # no file grows beyond 8 MB
    said, _ = run.run(*run.options, ok=False)
    [task] = run.attempts("TRAIN_INSECT_DETECTOR")
    assert (
        said.splitlines()[-1]
        == f"error: checkpoint.pt: File too large; wanted more room on the disk of {task['workdir']}."
    )
    assert (task["status"], task["exit"]) == ("FAILED", "1")
    assert not any(word in said for word in ("Traceback", "WARN", "unexpected"))


def test_a_full_disk_under_the_work_folder_is_told_in_one_sentence(tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", small], capture_output=True
    ).returncode:
        pytest.skip("a small disk can be mounted by root alone")
    try:
        run = Run(tmp_path)
        said, _ = run.run(*run.options, "-w", small, ok=False)
    finally:
        subprocess.run(["umount", small], check=True)
    assert re.fullmatch(
        rf"error: .+: No space left on device; wanted more room on (its disk|the disk of {small}/.*)\.",
        said.splitlines()[-1],
    )
    assert "Traceback" not in said
