"""The house's own rules: one default in one place, and every import found."""
import ast
import importlib
import json
import re
import subprocess
import sys

import pytest
from conftest import ROOT

PYTHON = sorted((ROOT / "bin").rglob("*.py"))
SCRIPTS = sorted((ROOT / "bin").glob("*.py"))


def listed(path):
    """What suite.nf's imports() finds, line by line."""
    found = set()
    for line in path.read_text().splitlines():
        if dotted := re.match(r"\s*from\s+entoflow\.(\w+)\s+import", line):
            found.add(dotted[1])
        elif names := re.match(r"\s*from\s+entoflow\s+import\s+([\w,\s]+)", line):
            found |= {name.split()[0] for name in names[1].split(",")}
    return found


@pytest.mark.parametrize("path", PYTHON, ids=lambda path: path.name)
def test_the_lines_that_suite_reads_are_all_imports_of_the_package(path):
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "entoflow":
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("entoflow."):
            found.add(node.module.split(".")[1])
    assert listed(path) == found


def test_defaults_of_the_schema_are_those_of_the_scripts():
    groups = json.loads((ROOT / "nextflow_schema.json").read_text())["$defs"].values()
    for group in groups:
        for name, entry in group["properties"].items():
            for task in entry.get("tasks", []):
                actions = {action.dest: action for action in importlib.import_module(task).parser()._actions}
                assert (name, actions[name].default) == (name, entry.get("default"))
                assert not entry.get("enum") or not actions[name].choices or sorted(actions[name].choices) == sorted(entry["enum"])


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_help_of_every_script_imports_nothing_heavy(script):
    code = f"import sys, runpy; sys.argv = ['x', '--help']; sys.path.insert(0, {str(ROOT / 'bin')!r})\n" \
           f"try: runpy.run_path({str(script)!r}, run_name='__main__')\nexcept SystemExit: pass\n" \
           "print([name for name in ('torch', 'ultralytics', 'matplotlib', 'sklearn', 'cv2') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


def test_one_version():
    import entoflow

    assert f"version = '{entoflow.__version__}'" in (ROOT / "nextflow.config").read_text()
