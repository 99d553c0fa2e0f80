import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def command(task):
    """Return the start of a command line that runs a task's script as Nextflow does."""
    [script] = ROOT.glob(f"bin/*/{task}.py")
    code = (
        f"import runpy, sys; sys.path.insert(0, {str(ROOT / 'bin')!r}); del sys.argv[0]; "
        f"runpy.run_path({str(script)!r}, run_name='__main__')"
    )
    return [sys.executable, "-c", code, script]


class Flow:
    """Runs Nextflow in a folder of its own; `tasks` has the trace's rows of the last run."""

    def __init__(self, here, pipeline=ROOT):
        self.here = here
        self.pipeline = pipeline
        self.tasks = []

    def run(self, *options, script=None, ok=True, parser="v1"):
        """Return (all that was printed, {task: status}).

        A task that was tried again has the status of its last attempt.
        """
        process = self.start(*options, script=script, parser=parser)
        printed = self.finish(process)
        assert (process.returncode == 0) == ok, printed
        return printed, {task["name"].split(":")[-1]: task["status"] for task in self.tasks}

    def start(self, *options, script=None, parser="v1"):
        """Start Nextflow in a process group of its own, as a terminal does."""
        trace = self.here / "trace.tsv"
        trace.unlink(missing_ok=True)
        command = [ROOT / "nextflow", "-log", self.here / "log", "run", script or self.pipeline]
        command += ["-ansi-log", "false", "-with-trace", trace, *options]
        return subprocess.Popen(
            command,
            cwd=self.here,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            env={**os.environ, "NXF_SYNTAX_PARSER": parser},
        )

    def finish(self, process):
        """Wait for the end and return all that was printed; a run that does not end is ended."""
        try:
            printed, _ = process.communicate(timeout=900)
        except BaseException:
            os.killpg(process.pid, signal.SIGTERM)
            raise
        trace = self.here / "trace.tsv"
        self.tasks = []
        if trace.exists():
            header, *rows = [line.split("\t") for line in trace.read_text().splitlines()]
            self.tasks = [dict(zip(header, row)) for row in rows]
        return printed


@pytest.fixture
def one_thread():
    """Sums in one order, and no waiting for a core that others use."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def ran(tmp_path_factory):
    """Return (flow, all that was printed, tasks) of a whole run of the test profile."""
    flow = Flow(tmp_path_factory.mktemp("a folder"))
    return flow, *flow.run("-profile", "test")


SPECIMENS = ("--specimens", "specimens.csv", "--unlabelled", "more_photos")
SMALL = "--weights none --backbone test_resnet --embedder_size 32 --max_epochs 1".split()


@pytest.fixture(scope="session")
def learned(tmp_path_factory):
    """Return (flow, all that was printed, tasks) of a run that trained an embedder.

    It learned twelve classes of four specimens, and has images to name.
    """
    import numpy as np

    from shapes import collection

    here = tmp_path_factory.mktemp("shapes")
    rng = np.random.default_rng(1)
    collection(here / "specimens", "specimens", range(12), 4, rng)
    collection(here / "more_photos", "more", range(14), 1, rng, labelled=False)
    collection(here / "new", "new", (0, 12, 13), 3, rng)
    flow = Flow(here)
    return flow, *flow.run(*SPECIMENS, *SMALL)


@pytest.fixture(scope="session")
def heard(tmp_path_factory):
    """Return (flow, all that was printed, tasks) of the demo's wingbeat chain in the test profile.

    Its recordings are in the folder `nights`, too.
    """
    flow = Flow(tmp_path_factory.mktemp("wingbeats"))
    printed, tasks = flow.run("-profile", "test", "--demo_chains", "wingbeat")
    (flow.here / "nights").symlink_to(next(flow.here.glob("work/*/*/demo_recordings")))
    return flow, printed, tasks


CHEAP = "--weights none --max_epochs 1 --image_size 64 --weak_rule top1"
CHECKOUT = (
    "nextflow",
    "main.nf",
    "entoflow.nf",
    "help.nf",
    "nextflow.config",
    "nextflow_schema.json",
    "bin",
    "conf",
    "envs",
    "examples",
    "modules",
    "subworkflows",
    "web",
)


def commands(page):
    """Return the commands of a page's shell blocks, each on one line, without explanations."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"^```(?:bash|sh|console)?\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = re.sub(r"\\\n\s*", "", "\n".join(blocks)).splitlines()
    lines = [line.strip() for line in lines if not line.startswith("#")]
    return [re.split(r"\s{2,}", line)[0] for line in lines if line]


@pytest.fixture(scope="session")
def own_data(tmp_path_factory):
    """Return (a copy of the checkout with the README's files, what its command printed)."""
    here = tmp_path_factory.mktemp("my insects") / "entoflow"
    here.mkdir()
    for name in CHECKOUT:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
        copy(ROOT / name, here / name)
    lay_out(here)
    command = next(line for line in commands(ROOT / "README.md") if "--labelled_images" in line)
    done = subprocess.run(
        f"{command} {CHEAP}", shell=True, cwd=here, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return here, done.stdout  # a first start tells of its set-up on stderr


def same_resources(
    here, direct, tasks=(("process_high", "train_detector"), ("process_medium", "predict_boxes"))
):
    """Give a host in a folder as many cpus a task as the direct run had.

    Sums in another order differ in their last bits.
    """
    scripts = [path.read_text() for path in direct.glob("work/*/*/.command.sh")]
    selectors = ""
    for label, task in tasks:
        script = next(text for text in scripts if f"-m {task} " in text)
        n_cpus = re.search(r"threads.sh (\d+)", script)[1]
        selectors += f"    withLabel: {label} {{ cpus = {n_cpus} }}\n"
    (here / "nextflow.config").write_text(f"process {{\n{selectors}}}\n")


def module(name, root=ROOT):
    """Return the path of a process's file, without its suffix, as an include has it."""
    [path] = (root / "modules/local").glob(f"*/{name}.nf")
    return path.with_suffix("")


def run_alone(here, chain, calls, labels):
    """Run processes in a pipeline that has nothing else of ours but suite().

    calls: {process: the arguments of its call}. Return {process: the folder it ran in}.
    """
    includes = [f"include {{ suite }} from '{ROOT}/modules/lib/suite'"]
    includes += [f"include {{ {name} }} from '{module(name.lower())}'" for name in calls]
    body = [f"    {name}({call})" for name, call in calls.items()]
    (here / "main.nf").write_text("\n".join([*includes, "", "workflow {", *body, "}", ""]))
    same_resources(here, chain, labels)
    flow = Flow(here, pipeline=here / "main.nf")
    flow.run()
    folders = {}
    for row in flow.tasks:
        name = row["name"].split(" ")[0]
        folders[name] = next(here.glob(f"work/{row['hash']}*"))
    return folders


def in_chain(chain, name):
    """Return the bytes of each file of a name that a task of a run wrote."""
    paths = [path for path in chain.glob(f"work/*/*/{name}") if not path.is_symlink()]
    return [path.read_bytes() for path in paths]


def lay_out(here):
    """Lay a synthetic world out under the README's names; one label has a single photo."""
    import make_demo

    sizes = ["--demo_boxes=24", "--demo_labelled=24", "--demo_test=12", "--demo_size=128"]
    make_demo.main(["--folder", str(here / "world"), *sizes])
    world = here / "world"
    (world / "boxes").rename(here / "insects")
    (world / "test").rename(here / "test")
    test = json.loads((world / "test_boxes.json").read_text())
    for image in test["images"]:
        image["file_name"] = Path(image["file_name"]).name
    (here / "test/annotations.json").write_text(json.dumps(test))
    rows = (world / "labelled/labels.csv").read_text().splitlines()
    rows[-1] = rows[-1].replace("dolycoris_baccarum", "a lone label")
    assert rows[-1].count("a lone label") == 1
    lines = [rows[0], *(f"world/labelled/{row}" for row in rows[1:])]
    (here / "photos.csv").write_text("\n".join(lines) + "\n")
    shutil.copytree(here / "test", here / "more_photos", ignore=shutil.ignore_patterns("*.json"))


@pytest.fixture
def flow(tmp_path):
    return Flow(tmp_path)


@pytest.fixture(scope="session")
def data():
    folder = Path(os.environ.get("ENTOFLOW_DATA", ROOT.parent / "shared/data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder} (ENTOFLOW_DATA)")
    return folder


SLOW = (
    "tests/launcher/",
    "tests/modules/",
    "tests/nesting/",
    "tests/subworkflows/",
    "tests/web/",
    "tests/bin/detection/test_train_detector.py",
    "tests/bin/identification/test_train_embedder.py",
    "tests/bin/wingbeat/test_name_events.py",
    "tests/bin/wingbeat/test_train_families.py",
    "tests/entoflow/wingbeat/test_sound_trainer.py",
    "tests/test_benchmarks.py",
    "tests/test_cache.py",
    "tests/test_main.py",
    "tests/test_page_assets.py",
    "tests/test_readme.py",
    "tests/test_retries.py",
)


def pytest_collection_modifyitems(items):
    """Mark as slow what runs Nextflow, a browser or a longer training: -m "not slow" skips it."""
    for item in items:
        if item.path.relative_to(ROOT).as_posix().startswith(SLOW):
            item.add_marker(pytest.mark.slow)
