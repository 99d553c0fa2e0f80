"""Templates, styles and scripts of pages are inputs of exactly the tasks that write with them."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from jinja2 import meta

from conftest import ROOT, Flow
from entoflow import pages
from report_files import metric, write_json
from test_house import PACKAGE, SCRIPTS, closure

QUOTED = re.compile(r"""["'](?:\./)?([\w-]+\.(?:html\.j2|css|js))["']""")
KINDS = (".html.j2", ".css", ".js")


def shelved():
    """Return {name: path} of all page files of the repository. A name is used once."""
    paths = [
        path for folder in pages.folders() for path in folder.iterdir() if path.name.endswith(KINDS)
    ]
    assert len({path.name for path in paths}) == len(paths)
    return {path.name: path for path in paths}


def page_files(script):
    """Return the names of the page files that suite.nf's rule finds for a script."""
    modules = closure(script)
    if "pages" not in modules:
        return set()
    files = shelved()
    to_read = [script, *(PACKAGE / f"{name}.py" for name in modules)]
    names = set()
    while to_read:
        named = {
            name
            for name in QUOTED.findall(to_read.pop().read_text(encoding="utf-8"))
            if name in files
        }
        to_read += [files[name] for name in named - names]
        names |= named
    return names


WRITERS = [script for script in SCRIPTS if page_files(script)]


def module_of(script):
    """Return the text of the Nextflow module that runs a script, "" for none."""
    path = ROOT / f"modules/local/{script.parent.name}/{script.stem}.nf"
    return path.read_text() if path.exists() else ""


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_process_declares_page_files_where_its_script_writes_a_page(script):
    assert ("path('page_files/*')" in module_of(script)) == (script in WRITERS)


def test_the_pages_are_those_of_four_tasks_and_no_file_is_without_a_page():
    assert {script.stem for script in WRITERS} == {
        "write_report",
        "write_map",
        "write_sheet",
        "audit_labels",
    }
    assert set.union(*(page_files(script) for script in WRITERS)) == set(shelved())


def test_scripts_and_style_sheets_go_to_their_own_page_alone():
    files = {script.stem: page_files(script) for script in WRITERS}
    assert {name for name, names in files.items() if "map.js" in names or "map.css" in names} == {
        "write_map"
    }
    assert {
        name for name, names in files.items() if "sheet.js" in names or "review.js" in names
    } == {"write_sheet"}
    assert {name for name, names in files.items() if "detection.html.j2" in names} == {
        "write_report"
    }
    assert all("palette.css" in names and "page.html.j2" in names for names in files.values())


def test_the_rule_finds_what_templates_and_scripts_refer_to():
    files = shelved()
    environment = pages.environment()
    for name, path in files.items():
        text = path.read_text(encoding="utf-8")
        if name.endswith(".html.j2"):
            assert set(meta.find_referenced_templates(environment.parse(text))) <= set(
                QUOTED.findall(text)
            ), name
        n_imports = len(re.findall(r"^import\b", text, re.MULTILINE))
        assert len(pages.IMPORT.findall(text)) == n_imports, name


@pytest.mark.parametrize("parser", ["v1", "v2"])
def test_suite_hands_on_these_files(parser, tmp_path):
    names = sorted(
        script.stem
        for script in SCRIPTS
        if script.parent.name != "bin" and script.parent.name != "demo"
    )
    (tmp_path / "main.nf").write_text(f"""
include {{ suite }} from '{ROOT}/modules/lib/suite'

workflow {{
    {json.dumps(names)}.each {{ name ->
        def names = suite(name, [:]).drop(1).flatten().collect {{ path -> path.name }}
        println("FILES ${{name}} ${{names.findAll {{ file -> !file.endsWith('.py') }}.join(' ')}}")
    }}
}}
""")
    printed = Flow(tmp_path, pipeline=tmp_path / "main.nf").run(parser=parser)[0]
    handed_on = {}
    for line in printed.splitlines():
        if line.startswith("FILES "):
            name, *files = line.split()[1:]
            handed_on[name] = set(files) - {"threads.sh"}  # which every task has
    scripts = {script.stem: script for script in SCRIPTS}
    assert handed_on == {name: page_files(scripts[name]) for name in names}


@pytest.mark.parametrize("script", WRITERS, ids=lambda path: path.stem)
def test_a_task_has_all_that_it_writes_with_in_its_folder(script, tmp_path):
    """Lay a task's folder out as suite() does, by links, and import and render from there alone."""
    (tmp_path / "page_files").mkdir()
    for name in page_files(script):
        (tmp_path / "page_files" / name).symlink_to(shelved()[name])
    (tmp_path / script.name).symlink_to(script)
    for name in {"__init__", *closure(script)}:
        for inner in (name, f"{Path(name).parent}/__init__"):
            link = tmp_path / f"entoflow/{inner}.py"
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.is_symlink():
                link.symlink_to(PACKAGE / f"{inner}.py")
    code = f"""
import sys
from pathlib import Path
sys.path.insert(0, ".")
import {script.stem}
from entoflow import pages
assert pages.folders() == [Path.cwd() / "page_files"], pages.folders()
for path in sorted(Path("page_files").iterdir()):
    text = pages.read(path.name)
    if path.suffix == ".js":
        pages.bundle(path.name)
"""
    environment = {**os.environ, "PYTHONPATH": ""}
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    helped = subprocess.run(
        [sys.executable, "-m", script.stem, "--help"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert helped.returncode == 0, helped.stderr


def test_the_report_is_written_by_hand_from_the_repository(tmp_path):
    write_json(
        tmp_path / "results/detection/evaluation/metrics.json",
        {"n": 5, "metrics": {"ap50": metric(0.5)}},
    )
    command = [
        sys.executable,
        "bin/suite/write_report.py",
        "--results",
        tmp_path / "results",
        "--report",
        tmp_path / "r.html",
    ]
    subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": "bin"}, check=True, capture_output=True
    )
    assert "AP50 is 0.50" in (tmp_path / "r.html").read_text()


HOST = """
include { suite } from './entoflow/modules/lib/suite'
include { WRITE_REPORT } from './entoflow/modules/local/suite/write_report'

workflow {
    metrics = [file("${projectDir}/metrics.json")]
    code = suite('write_report', [:])
    WRITE_REPORT([['detection/evaluation'], metrics], '{}', code)
}
"""


def test_in_a_host_an_edited_template_writes_its_page_anew_and_that_of_another_page_does_not(
    tmp_path,
):
    for name in ("bin", "modules", "web", "envs"):
        shutil.copytree(
            ROOT / name, tmp_path / "entoflow" / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    (tmp_path / "main.nf").write_text(HOST)
    write_json(tmp_path / "metrics.json", {"n": 5, "metrics": {"ap50": metric(0.5)}})
    flow = Flow(tmp_path, pipeline=tmp_path / "main.nf")

    def status():
        return flow.run("-resume")[1]["WRITE_REPORT"]

    assert status() == "COMPLETED"
    for name in ("web/map.js", "bin/entoflow/identification/templates/map.html.j2"):
        with (tmp_path / "entoflow" / name).open("a") as file:
            file.write("\n")
    assert status() == "CACHED"
    template = tmp_path / "entoflow/bin/entoflow/report/templates/report.html.j2"
    template.write_text(template.read_text().replace("Can I trust it?", "How good is it?"))
    assert status() == "COMPLETED"
    written = max(tmp_path.glob("work/*/*/report.html"), key=lambda path: path.stat().st_mtime)
    assert "How good is it?" in written.read_text()
