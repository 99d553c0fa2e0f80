"""The house's own rules: rooms, staged imports, one default in one place, one version, types."""

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
HEAVY = ("torch", "ultralytics", "matplotlib", "sklearn", "cv2", "scipy", "librosa")


def listed_imports(path):
    """Return the names below bin/entoflow that suite.nf's imports() reads in a file."""
    names = set()
    for line in path.read_text().splitlines():
        match = re.match(r"\s*from\s+entoflow((?:\.\w+)*)\s+import\s+([\w,\s]+)", line)
        if match:
            module = match[1].strip(".")
            imported = [word.split()[0] for word in match[2].split(",")]
            names |= files_of(module, imported)
    return names


def parsed_imports(path):
    """Return the names below bin/entoflow that Python imports in a file."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "entoflow":
            module = node.module.removeprefix("entoflow").strip(".")
            names |= files_of(module, [name.name for name in node.names])
    return names


def files_of(module, imported):
    """Return the files that `from entoflow.module import imported` reads, as names below
    bin/entoflow.
    """
    if module and not (PACKAGE / module).is_dir():
        return {module.replace(".", "/")}
    return {f"{module}/{name}".lstrip("/") for name in imported}


def closure(path):
    """Return all that a file imports of the package, directly or not."""
    names = set()
    unread = [path]
    while unread:
        new = listed_imports(unread.pop()) - names
        names |= new
        unread += [PACKAGE / f"{name}.py" for name in new]
    return names


def rooms(names):
    """Return the sub-packages that files below bin/entoflow stand in."""
    return {name.split("/")[0] for name in names if "/" in name}


@pytest.mark.parametrize("path", PYTHON, ids=lambda path: path.name)
def test_the_lines_that_suite_reads_are_all_imports_of_the_package(path):
    names = listed_imports(path)
    assert names == parsed_imports(path)
    assert all((PACKAGE / f"{name}.py").is_file() for name in names - {"__version__"})


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_of_one_chain_is_handed_nothing_of_another(script):
    if script.parent.name == "bin":  # what a person runs may serve two chains
        return
    others = set(CHAINS) - {script.parent.name}
    assert not rooms(closure(script)) & others


@pytest.mark.parametrize(
    "path", [path for path in PYTHON if path.parent.name in CHAINS], ids=lambda path: path.stem
)
def test_no_chain_imports_a_sister_and_nothing_but_the_demo_its_worlds(path):
    others = {*CHAINS, "demo", "report"} - {path.parent.name}
    assert not rooms(listed_imports(path)) & others


def test_each_process_stages_the_code_that_its_script_imports():
    for path in sorted((ROOT / "modules/local").rglob("*.nf")):
        scripts = [ROOT / f"bin/{path.parent.name}/{path.stem}.py"]
        if path.stem == "train_family":
            scripts = list((ROOT / "bin/wingbeat").glob("train_*.py"))
        staged = re.findall(r"path\('entoflow/((?:\w+/)*)\*'\)", path.read_text())
        staged_rooms = {
            folder.strip("/") for folder in staged if not folder.endswith("templates/")
        } - {""}
        assert "" in staged, path.name
        for script in scripts:
            assert staged_rooms == rooms(closure(script)), path.name


def test_defaults_of_the_schema_are_those_of_the_scripts():
    groups = json.loads((ROOT / "nextflow_schema.json").read_text())["$defs"].values()
    for group in groups:
        for name, entry in group["properties"].items():
            for task in entry.get("tasks", []):
                parser = importlib.import_module(task).parser()
                action = next(action for action in parser._actions if action.dest == name)
                assert (name, action.default) == (name, entry.get("default"))
                if entry.get("enum") and action.choices:
                    assert sorted(action.choices) == sorted(entry["enum"])


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_help_of_every_script_imports_nothing_heavy(script):
    code = (
        "import sys, runpy; sys.argv = ['x', '--help']\n"
        f"sys.path.insert(0, {str(ROOT / 'bin')!r})\n"
        f"try: runpy.run_path({str(script)!r}, run_name='__main__')\n"
        "except SystemExit: pass\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


def test_one_version_in_every_file_that_names_it():
    import entoflow

    patterns = {
        "pyproject.toml": r'(?m)^version = "(.*?)"',
        "nextflow.config": r"version = '(.*?)'",
        "CHANGELOG.md": r"(?m)^## \[?([0-9.]+)",  # the newest stands first
        "CITATION.cff": r"(?m)^version: \"?([^\"\n]+)",
    }
    for name, pattern in patterns.items():
        if (ROOT / name).exists():
            match = re.search(pattern, (ROOT / name).read_text())
            assert (name, match and match[1]) == (name, entoflow.__version__)


def test_the_types_of_all_code_are_sound():
    command = [sys.executable, "-m", "mypy", "--no-error-summary"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert (done.returncode, done.stdout) == (0, "")
