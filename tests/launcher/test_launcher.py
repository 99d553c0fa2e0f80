"""The real launcher and set-up, copied into a folder of their own with a cache of their own and a tiny base.lock.

`tools/bin/python` of that cache tells what it is asked to do and can be held there; then the real one does it.
"""

import hashlib
import os
import re
import shutil
import signal
import subprocess
import time
import zipfile
from pathlib import Path

import pytest

from conftest import ROOT

NEXTFLOW = 'echo "nextflow version {}"\n[ "$1" = -v ] || {{ echo "{} got: $*"; python -c "import tiny; print(tiny.WORD)" 2>/dev/null || true; }}\n'
JAVA = '[ "$1" != -version ] || {{ echo \'openjdk version "{}"\' >&2; exit; }}\n'
SAY = 'echo "java got: $*"\n'
CLOSED = "http://127.0.0.1:9"


@pytest.fixture(scope="session")
def pieces():
    """{name: folder} of the tools and the engine in the real cache; made if need be, which an installed Nextflow would spare."""
    shell = 'root=$1; . "$root/envs/setup.sh"; tools; echo "$tools"; piece engine "$envs/nextflow/jgo.lock.toml" Nextflow make_engine; echo "$piece"'
    said = subprocess.check_output(["bash", "-euc", shell, "-", ROOT], text=True, timeout=600)
    return dict(zip(["tools", "engine"], map(Path, said.splitlines())))


class Launcher:
    def __init__(self, here, pieces):
        self.here, self.cache, self.bin, self.asked = (
            here,
            here / "cache/entoflow",
            here / "bin",
            here / "asked",
        )
        self.root, self.held = here / "a suite" / "ento flow", here / "held"
        for folder in (self.root, self.bin, self.cache):
            folder.mkdir(parents=True)
        shutil.copy(ROOT / "nextflow", self.root)
        shutil.copytree(ROOT / "envs", self.root / "envs")
        self.lock("tiny")
        self.pieces = pieces
        self.env = {
            "PATH": f"{self.bin}:{os.environ['PATH']}",
            "HOME": str(here),
            "XDG_CACHE_HOME": str(here / "cache"),
            "UV_HTTP_RETRIES": "0",
            "PIP_RETRIES": "0",
            "UV_NO_CONFIG": "1",
        }

    def lock(self, word):
        """Make tiny-1.0, whose WORD is that word, the one package of base.lock."""
        wheel = self.here / "wheels/tiny-1.0-py3-none-any.whl"
        wheel.parent.mkdir(exist_ok=True)
        info = {
            "METADATA": "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n",
            "RECORD": "",
            "WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        with zipfile.ZipFile(wheel, "w") as file:
            file.writestr("tiny.py", f"WORD = {word!r}\n")
            for name, text in info.items():
                file.writestr(f"tiny-1.0.dist-info/{name}", text)
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        (self.root / "envs/base.lock").write_text(
            f"--no-index\n--find-links {wheel.parent}\ntiny==1.0 --hash=sha256:{digest}\n"
        )

    def program(self, path, text):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/usr/bin/env bash\n{text}")
        path.chmod(0o755)

    def installed(self, version, name="installed"):
        self.program(self.bin / "nextflow", NEXTFLOW.format(version, name))

    def with_tools(self):
        """Put the tools into the cache, as if an earlier start had made them."""
        real = self.pieces["tools"]
        self.program(
            self.cache / real.name / "bin/python",
            f'echo "$*" >> "{self.asked}"\n'
            f'case "$*" in *"pip sync"*) while [ -e "{self.held}" ]; do sleep 0.05; done ;; esac\nexec "{real}/bin/python" "$@"\n',
        )

    def with_engine(self):
        (self.cache / self.pieces["engine"].name).symlink_to(self.pieces["engine"])

    def start(self, *words, path=None, cwd=None, **env):
        command = [path or self.root / "nextflow", *(words or ["run", "."])]
        return subprocess.Popen(
            command,
            cwd=cwd or self.here,
            env={**self.env, **env},
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def run(self, *words, **more):
        process = self.start(*words, **more)
        out, err = process.communicate(timeout=120)
        return process.returncode, out, err

    def start_and_hold(self):
        """Start, and come back when the environment exists and is still empty."""
        self.held.touch()
        process = self.start()
        wait(lambda: self.asked.exists() and "pip sync" in self.asked.read_text())
        return process

    def hasten(self):
        """Have what is told every ten seconds told every fifth of a second."""
        sleep = shutil.which("sleep")
        self.program(self.bin / "sleep", f'[ "$1" != 10 ] || set -- 0.2\nexec {sleep} "$@"\n')

    def environments(self):
        return sorted(path.name for path in self.cache.glob("base-*"))

    def count(self, words):
        return self.asked.read_text().count(words) if self.asked.exists() else 0


def wait(true):
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def launcher(tmp_path, pieces):
    return Launcher(tmp_path, pieces)


@pytest.fixture
def ready(launcher):
    """A launcher beside an installed Nextflow, with its tools: the environment is all that a first start has to make."""
    launcher.installed("25.04.4")
    launcher.with_tools()
    return launcher


def one_sentence(err):
    """The error, which is all that a failed start says but for what it was getting."""
    *before, last = err.splitlines()
    assert all(line.startswith("entoflow: ") for line in before), err
    assert (
        last.startswith("error: ") and last.endswith(".") and ": " in last.removeprefix("error: ")
    ), err
    return last


def test_a_start_makes_the_environment_and_the_next_finds_it(ready):
    code, out, err = ready.run("run", ".", "--target", "two words")
    assert (code, out) == (
        0,
        "nextflow version 25.04.4\ninstalled got: run . --target two words\ntiny\n",
    ), err
    assert "getting the Python environment" in err
    assert ready.run()[2] == "" and ready.count("pip sync") == 1


def test_it_starts_from_any_folder_through_a_link(ready, tmp_path):
    elsewhere = tmp_path / "else where"
    elsewhere.mkdir()
    link = elsewhere / "flow"
    link.symlink_to(os.path.relpath(ready.root / "nextflow", elsewhere))
    code, out, err = ready.run(path=link, cwd=elsewhere)
    assert (code, out.splitlines()[-1]) == (0, "tiny"), err


def test_a_changed_lock_makes_a_new_environment(ready):
    ready.run()
    ready.lock("changed")
    assert ready.run()[1].splitlines()[-1] == "changed"
    assert len(ready.environments()) == 2


@pytest.mark.parametrize("whom", ["the launcher alone", "all its children too"])
def test_an_interrupted_set_up_is_never_trusted(ready, whom):
    killed = ready.start_and_hold()
    assert [name.endswith(".new") for name in ready.environments()] == [True]
    (os.kill if whom == "the launcher alone" else os.killpg)(killed.pid, signal.SIGKILL)
    killed.wait()
    ready.held.unlink()
    code, out, err = ready.run()
    assert (code, out.splitlines()[-1]) == (0, "tiny"), err
    assert [name.endswith(".new") for name in ready.environments()] == [False]


def test_two_first_starts_at_once_share_one_set_up(ready):
    first = ready.start_and_hold()
    second = ready.start()
    assert second.stderr.readline() == "entoflow: another start is setting up, waiting for it ...\n"
    ready.held.unlink()
    for process in (first, second):
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out.splitlines()[-1]) == (0, "tiny"), err
    assert ready.count("pip sync") == 1 and len(ready.environments()) == 1


def test_the_progress_of_a_set_up_counts_downloads_and_what_is_on_the_disk(ready):
    ready.hasten()
    process = ready.start_and_hold()
    with (ready.cache / "setup.log").open("a") as log:
        log.write("Downloading torch (1.1GiB)\nDownloading numpy (16.1MiB)\n Downloaded numpy\n")
    fresh = ready.here / "cache/uv/a folder/wheel"
    fresh.parent.mkdir(parents=True)
    fresh.write_bytes(bytes(40 << 20))
    lines = ([int(number) for number in re.findall(r"\d+", line)] for line in process.stderr)
    counts = (numbers for numbers in lines if len(numbers) == 6)
    _, ended, announced, done, total, on_disk = next(counts)
    assert (ended, announced, done, total) == (1, 2, 16, 1142)
    while on_disk < 40:
        on_disk = next(counts)[-1]
    assert on_disk < 50
    ready.held.unlink()
    assert process.communicate(timeout=60)[0].splitlines()[-1] == "tiny"


@pytest.mark.parametrize(
    "words",
    [
        ["-profile", "conda"],
        ["-profile", "demo,docker"],
        ["-with-apptainer", "x.sif"],
        ["--help"],
        ["-preview"],
    ],
)
def test_no_environment_is_made_where_tasks_do_not_need_ours(ready, words):
    code, out, err = ready.run("run", ".", *words)
    assert (code, err.count("entoflow:"), ready.environments(), ready.count("")) == (0, 0, [], 0), (
        err
    )
    assert f"installed got: run . {' '.join(words)}" in out


@pytest.mark.parametrize("words", [["config", "."], ["log"]])
def test_no_environment_is_made_for_a_command_that_runs_nothing(ready, words):
    assert ready.run(*words)[0] == 0
    assert ready.environments() == []


def test_a_cache_that_cannot_be_written_is_one_sentence(ready, tmp_path):
    (tmp_path / "file").touch()
    code, out, err = ready.run(XDG_CACHE_HOME=str(tmp_path / "file"))
    assert (code, out) == (1, "")
    assert (
        f"{tmp_path}/file/entoflow cannot be written" in one_sentence(err)
        and "XDG_CACHE_HOME" in err
    )


def test_a_path_without_a_fitting_python_is_one_sentence(ready):
    for name in ["python3", *(f"python3.{minor}" for minor in range(10, 15))]:
        ready.program(ready.bin / name, "exit 1")  # as the question ends in a Python 3.9
    code, out, err = ready.run()
    assert (code, out) == (1, "") and "no Python 3.10 to 3.14" in one_sentence(err)


def test_a_later_python_is_taken_where_the_first_does_not_fit(ready):
    ready.program(ready.bin / "python3", "exit 1")
    for minor in range(10, 15):
        ready.program(ready.bin / f"python3.{minor}", "exit 1")
    python = subprocess.check_output(
        ["python3", "-c", "import sys; print(sys._base_executable)"], text=True
    ).strip()
    ready.program(ready.bin / "python3.12", f'exec "{python}" "$@"')
    assert ready.run()[1].splitlines()[-1] == "tiny"


def test_no_network_for_the_tools_is_one_sentence_that_names_the_log(launcher):
    launcher.installed("25.04.4")
    code, out, err = launcher.run(PIP_INDEX_URL=f"{CLOSED}/simple")
    assert (code, out) == (1, "")
    assert "the network" in one_sentence(err) and str(launcher.cache / "setup.log") in err
    assert "127.0.0.1" in (launcher.cache / "setup.log").read_text()
    assert not [path for path in launcher.cache.glob("tools-*") if path.suffix != ".new"]


def test_no_network_for_the_environment_is_one_sentence_and_the_next_start_makes_it(ready):
    lock = ready.root / "envs/base.lock"
    offline = lock.read_text()
    lock.write_text(f"tiny==1.0 --hash=sha256:{'0' * 64}\n")
    code, out, err = ready.run(UV_INDEX_URL=f"{CLOSED}/simple")
    assert (code, out) == (1, "")
    assert (
        "the network" in one_sentence(err)
        and "127.0.0.1" in (ready.cache / "setup.log").read_text()
    )
    lock.write_text(offline)
    assert ready.run()[1].splitlines()[-1] == "tiny"


def test_no_network_for_nextflow_is_one_sentence(launcher):
    launcher.with_tools()
    launcher.program(launcher.bin / "java", JAVA.format("17.0.1") + SAY)
    launcher.installed("24.10.0")
    code, out, err = launcher.run(
        "-version", HTTPS_PROXY=CLOSED, HTTP_PROXY=CLOSED, https_proxy=CLOSED, http_proxy=CLOSED
    )
    assert (code, out) == (1, "") and "Nextflow (30 MB) could not be set up" in one_sentence(err)


@pytest.mark.parametrize("version", ["25.04.0", "25.10.2", "26.04.1", "31.01.0"])
def test_an_installed_nextflow_is_used(launcher, version):
    launcher.installed(version)
    assert launcher.run("info") == (0, f"nextflow version {version}\ninstalled got: info\n", "")


@pytest.mark.parametrize("version", ["24.10.9", "25.01.0", "25.03.1", "9.04.0", ""])
def test_a_nextflow_that_is_too_old_or_broken_is_not_used(launcher, version):
    launcher.installed(version)
    launcher.with_tools()
    launcher.with_engine()
    launcher.program(launcher.bin / "java", JAVA.format("17.0.1") + SAY)
    code, out, err = launcher.run("info")
    assert (
        code == 0 and out.startswith("java got: ") and out.endswith("nextflow.cli.Launcher info\n")
    ), out + err


def test_a_launcher_on_the_path_is_not_taken_for_an_installed_nextflow(launcher):
    (launcher.bin / "nextflow").symlink_to(launcher.root / "nextflow")
    later = launcher.here / "later"
    launcher.program(later / "nextflow", NEXTFLOW.format("25.04.4", "later"))
    code, out, err = launcher.run(
        "info", path="nextflow", PATH=f"{launcher.bin}:{later}:{os.environ['PATH']}"
    )
    assert code == 0 and "later got: info" in out, err


@pytest.mark.parametrize(
    "version, fits",
    [("1.8.0_392", False), ("11.0.2", False), ("17.0.1", True), ("24", True), ("25.0.1", False)],
)
def test_a_java_that_nextflow_runs_on_is_used(launcher, version, fits):
    launcher.with_tools()
    launcher.with_engine()
    launcher.program(launcher.bin / "java", JAVA.format(version) + SAY)
    launcher.program(launcher.bin / "nextflow", "exit 1")
    (launcher.root / "envs/java.lock").write_text((launcher.root / "envs/base.lock").read_text())
    code, out, err = launcher.run("info", NXF_JAVA_HOME="", JAVA_HOME="")
    assert out.startswith("java got: ") == fits, out + err
    assert ("getting a Java runtime" in err) != fits


@pytest.mark.parametrize(
    "asked, collector", [("", "-XX:+UseSerialGC"), ("-Xmx2g -XX:+UseG1GC", "-XX:+UseG1GC")]
)
def test_java_is_told_of_one_collector(launcher, asked, collector):
    launcher.with_tools()
    launcher.with_engine()
    launcher.program(launcher.bin / "java", JAVA.format("17.0.1") + SAY)
    launcher.program(launcher.bin / "nextflow", "exit 1")
    code, out, err = launcher.run("info", NXF_OPTS=asked)
    assert (code, [word for word in out.split() if word.endswith("GC")]) == (0, [collector]), (
        out + err
    )


def test_a_java_that_makes_no_archive_runs_without(launcher):
    launcher.with_tools()
    launcher.with_engine()
    launcher.program(
        launcher.bin / "java",
        JAVA.format("17.0.1") + "case $* in *ArchiveClassesAtExit*) exit 3 ;; esac\n" + SAY,
    )
    launcher.program(launcher.bin / "nextflow", "exit 1")
    for _ in range(2):
        code, out, err = launcher.run("info")
        assert (code, "SharedArchiveFile" in out) == (0, False), out + err
    assert err == ""


def test_nextflow_starts_from_its_archive_and_passes_over_a_broken_one(launcher, tmp_path):
    launcher.with_tools()
    launcher.with_engine()
    launcher.program(launcher.bin / "nextflow", "exit 1")
    (tmp_path / "main.nf").write_text(
        'process HELLO {\n  output: stdout\n  script: "echo hello"\n}\nworkflow {\n  HELLO().view()\n}\n'
    )

    def hello():
        code, out, err = launcher.run(
            "run",
            "main.nf",
            "-ansi-log",
            "false",
            NXF_JVM_ARGS=f"-Xlog:class+load:file={tmp_path}/classes",
        )
        assert code == 0, out + err
        return out, (tmp_path / "classes").read_text().count("shared objects file (top)"), err

    out, shared, err = hello()
    assert "hello" in out.splitlines() and shared > 0 and "start fast" in err
    [archive] = launcher.cache.glob("classes-*/classes.jsa")
    whole = archive.read_bytes()
    half = len(whole) // 2
    for broken in (whole[:-5000], whole[:half] + b"x" * 50_000 + whole[half + 50_000 :]):
        archive.chmod(0o644)
        archive.write_bytes(broken)
        out, shared, err = hello()
        assert (
            out.splitlines()[0].startswith("N E X T F L O W")
            and "hello" in out.splitlines()
            and (shared, err) == (0, "")
        )
    assert not list(archive.parent.glob("run*"))
