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
PACKAGE = ROOT / "bin/entoflow"
SCRIPTS = [path for path in PYTHON if PACKAGE not in path.parents]
CHAINS = ("detection", "identification", "wingbeat")


def listed(path):
    """Return the names below bin/entoflow that suite.nf's imports() finds in a file, line by line."""
    found = set()
    for line in path.read_text().splitlines():
        imported = re.match(r"\s*from\s+entoflow((?:\.\w+)*)\s+import\s+([\w,\s]+)", line)
        if imported:
            found |= named(imported[1].strip("."), [word.split()[0] for word in imported[2].split(",")])
    return found


def named(module, names):
    """Return the files that `from entoflow.module import names` reads, as names below bin/entoflow."""
    if module and not (PACKAGE / module).is_dir():
        return {module.replace(".", "/")}
    return {f"{module}/{name}".lstrip("/") for name in names}


def closure(path):
    """Return all that a file imports of the package, directly or not."""
    found, left = set(), [path]
    while left:
        new = listed(left.pop()) - found
        found |= new
        left += [PACKAGE / f"{name}.py" for name in new]
    return found


@pytest.mark.parametrize("path", PYTHON, ids=lambda path: path.name)
def test_the_lines_that_suite_reads_are_all_imports_of_the_package(path):
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "entoflow":
            found |= named(node.module.removeprefix("entoflow").strip("."), [name.name for name in node.names])
    assert listed(path) == found
    assert all((PACKAGE / f"{name}.py").is_file() for name in found - {"__version__"})


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_of_one_chain_is_handed_nothing_of_another(script):
    own = script.parent.name if script.parent.name in CHAINS else None
    rooms = {name.split("/")[0] for name in closure(script) if "/" in name}
    if script.parent.name != "bin":
        assert not rooms & set(CHAINS) - {own}


@pytest.mark.parametrize("path", [path for path in PYTHON if path.parent.name in CHAINS], ids=lambda path: path.stem)
def test_no_chain_imports_a_sister_and_nothing_but_the_demo_its_worlds(path):
    others = {*CHAINS, "demo", "report"} - {path.parent.name}
    assert not {name.split("/")[0] for name in listed(path) if "/" in name} & others


def test_each_process_stages_the_code_that_its_script_imports():
    for path in sorted((ROOT / "modules/local").rglob("*.nf")):
        scripts = [ROOT / f"bin/{path.parent.name}/{path.stem}.py"]
        if path.stem == "train_family":
            scripts = [script for script in (ROOT / "bin/wingbeat").glob("train_*.py")]
        staged = re.search(r"path\(script\)((?:, path\('entoflow/(?:\w+/)?\*'\))+)", path.read_text())[1]
        for script in scripts:
            rooms = sorted({name.split("/")[0] for name in closure(script) if "/" in name})
            assert re.findall(r"path\('(.*?)'\)", staged) == ["entoflow/*", *(f"entoflow/{room}/*" for room in rooms)], path.name


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
