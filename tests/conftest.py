import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


class Flow:
    """Runs Nextflow in a folder of its own and tells what each task did."""

    def __init__(self, here):
        self.here = here

    def run(self, *options, script=ROOT, ok=True, parser="v1"):
        trace = self.here / "trace.tsv"
        trace.unlink(missing_ok=True)
        command = [ROOT / "nextflow", "-log", self.here / "log", "run", script, "-ansi-log", "false", "-with-trace", trace, *options]
        done = subprocess.run(command, cwd=self.here, capture_output=True, text=True, timeout=900, env={**os.environ, "NXF_SYNTAX_PARSER": parser})
        assert (done.returncode == 0) == ok, done.stdout + done.stderr
        head, *rows = [line.split("\t") for line in trace.read_text().splitlines()] if trace.exists() else [[]]
        tasks = [dict(zip(head, row)) for row in rows]
        return done.stdout + done.stderr, {task["name"].split(":")[-1]: task["status"] for task in tasks}


@pytest.fixture
def flow(tmp_path):
    return Flow(tmp_path)


@pytest.fixture(scope="session")
def data():
    folder = Path(os.environ.get("ENTOFLOW_DATA", ROOT.parent / "shared/data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder} (ENTOFLOW_DATA)")
    return folder
