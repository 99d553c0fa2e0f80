"""conf/results.json and what follows from it."""

import json
import re
import shutil
import subprocess
import sys

import pytest

from conftest import ROOT

ROWS = json.loads((ROOT / "conf/results.json").read_text())
SCRIPT = ROOT / "conf/write_results.py"


def write_results(*options):
    return subprocess.run([sys.executable, SCRIPT, *options], capture_output=True, text=True)


def test_the_configuration_and_the_pages_are_what_the_table_says_byte_for_byte():
    done = write_results("--check")
    assert (done.returncode, done.stdout) == (0, "")


def test_a_changed_row_is_reported_by_the_check_and_written_without_it(tmp_path):
    for name in ("conf", "docs"):
        shutil.copytree(ROOT / name, tmp_path / name)
    table = tmp_path / "conf/results.json"
    table.write_text(table.read_text().replace("group and part of each image", "a new line"))
    check = write_results("--root", str(tmp_path), "--check")
    assert check.returncode == 1 and str(tmp_path / "docs/detection.md") in check.stdout
    assert write_results("--root", str(tmp_path)).returncode == 0
    assert "| `split.csv` | a new line |\n" in (tmp_path / "docs/detection.md").read_text()
    assert write_results("--root", str(tmp_path), "--check").returncode == 0


def test_a_page_gets_the_table_of_a_chain_between_its_marks_and_nothing_else_changes(tmp_path):
    shutil.copytree(ROOT / "conf", tmp_path / "conf")
    page = tmp_path / "README.md"
    page.write_text("before\n<!-- results of suite -->\nold\n<!-- end of results -->\nafter\n")
    assert write_results("--root", str(tmp_path)).returncode == 0
    head, table, tail = re.split(r"<!-- .* -->\n", page.read_text())
    assert (head, tail) == ("before\n", "after\n")
    assert [line.split(" | ")[0] for line in table.splitlines()[2:]] == ["| `report.html`"]


def included_processes():
    """Return {name in the workflows: name of the process}."""
    names = {}
    for path in [ROOT / "entoflow.nf", *(ROOT / "subworkflows").rglob("*.nf")]:
        for block, source in re.findall(r"include \{([^}]*)\} from '([^']*)'", path.read_text()):
            if "modules/local/" not in source:
                continue
            for name in re.split(r"[;\n]", block):
                process, _, alias = (word.strip() for word in name.partition(" as "))
                names[alias or process] = process
    names.pop("", None)
    return names


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['process']} {row['output']}")
def test_each_row_names_a_process_and_what_its_output_says(row):
    process = included_processes()[row["process"]]
    [module] = (ROOT / "modules/local").glob(f"*/{process.lower()}.nf")
    output = re.search(r"output:\n(.*?)\n    script:", module.read_text(), re.DOTALL)[1]
    written = re.findall(r"path[ (]['\"]([^'\"]+)['\"]", output)
    folder, _, name = row["output"].rstrip("/").rpartition("/")
    candidates = [path for path in written if path.rpartition("/")[0] == folder]
    stem = name.split(".")[0]
    assert any(stem in path or "*" in path or "*" in name for path in candidates)
    task = "train_*" if process == "TRAIN_FAMILY" else row["task"]
    assert list((ROOT / "bin").glob(f"*/{task}.py"))


def test_no_line_of_nextflow_is_longer_than_100_columns():
    paths = [path for ending in ("nf", "config") for path in ROOT.rglob(f"*.{ending}")]
    ours = [path for path in paths if "work" not in path.relative_to(ROOT).parts]
    long = [path for path in ours if any(len(line) > 100 for line in path.read_text().split("\n"))]
    assert ours and long == []
