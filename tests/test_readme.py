"""Every command that README.md and docs/ show is run here as it stands, or by the tests that are named here."""

import csv
import json
import re
import subprocess

import pytest

from conftest import ROOT, SPECIMENS, commands

SHOWN = commands(ROOT / "README.md")
DEMO, TESTS, OWN_DATA, IDENTIFY, WINGBEAT, PREDICT, FOLLOW = SHOWN
MEASURED = commands(ROOT / "docs/results.md")
# Run by tests/subworkflows/test_identification_subworkflow.py.
GALLERY = commands(ROOT / "docs/identification.md")[2:]


@pytest.fixture(scope="module")
def predicted(own_data):
    here, _ = own_data
    done = subprocess.run(
        PREDICT, shell=True, cwd=here, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return here, done.stdout


def test_no_page_shows_a_command_that_no_test_runs():
    assert (DEMO, TESTS, FOLLOW) == (
        "./nextflow run . -profile demo",
        "./tests/run",
        "tail -f work/ab/123456*/.command.log",
    )
    assert "--labelled_images" in OWN_DATA and "--predict" in PREDICT
    questions = {path.stem for path in (ROOT / "benchmarks").glob("*.py")}
    for page in (ROOT / "docs").rglob("*.md"):
        for command in set(commands(page)) - set(SHOWN + MEASURED + GALLERY):
            program, *words = command.split()
            assert program == "./benchmarks/run" and set(words) <= questions, (
                f"{page}: {command}"
            )  # too long for CI


def test_the_commands_of_the_measured_figures_lay_out_real_data_and_have_sound_parameters(
    own_data, data
):
    assert MEASURED
    for command in MEASURED:
        if command.startswith("./nextflow run "):
            command += " -preview"  # minutes of training else
        done = subprocess.run(
            command.replace(" DATA ", f" '{data}' "),
            shell=True,
            cwd=own_data[0],
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, command + done.stdout + done.stderr


def test_the_command_for_specimens_is_the_one_that_the_tests_of_the_chain_run():
    assert IDENTIFY == f"./nextflow run . {' '.join(SPECIMENS)}"


def test_the_command_for_recordings_starts_on_a_table_of_recordings(heard):
    heard[0].run(*WINGBEAT.split()[3:], "-preview")  # the tests of the chain run it to its end


def test_ci_runs_the_tests_by_the_command_of_the_readme():
    assert f"exec {TESTS}\n" in (ROOT / ".ci/run").read_text()


def test_the_demo_is_the_tested_profile_with_more_of_everything(flow):
    flow.run(*DEMO.split()[3:], "-preview")
    demo, test = (
        {
            line.split(" = ")[0].strip()
            for line in (ROOT / f"conf/{name}.config").read_text().splitlines()
            if " = " in line
        }
        for name in ("demo", "test")
    )
    assert test - demo == {
        "weak_rule",
        "demo_chains",
        "demo_boxes",
        "demo_labelled",
        "demo_test",
        "demo_species",
        "views",
    }
    assert demo <= test


def test_own_data_give_a_report_and_what_the_readme_lists(own_data):
    here, said = own_data
    named = re.findall(r"^\| (`.*?) \|", (ROOT / "README.md").read_text(), re.MULTILINE)
    listed = [name for row in named for name in re.findall(r"`([^`]+)`", row)]
    assert len(listed) == 4
    for name in listed:
        found = [
            folder / name
            for folder in (here / "results", here / "results/detection")
            if (folder / name).exists()
        ]
        assert found, name
    assert said.strip().splitlines()[-2:] == [
        "detection: nothing was left out.",
        f"The report: {here}/results/report.html",
    ]


def test_a_label_of_a_single_photo_is_learned_from_and_never_tested_on(own_data):
    rows = list(csv.DictReader((own_data[0] / "results/detection/split.csv").open()))
    assert [row["part"] for row in rows if row["label"] == "a lone label"] == ["train"]


def test_the_log_of_a_training_can_be_followed_by_the_folder_that_nextflow_names(own_data):
    here, said = own_data
    folders = [path.parent for path in here.glob("work/*/*/training.csv") if not path.is_symlink()]
    named = [f"{folder.parent.name}/{folder.name[:6]}" for folder in folders]
    assert len(named) == 2 and all(f"[{name}]" in said for name in named)
    command = FOLLOW.replace("ab/123456", named[0]).replace("tail -f", "tail")
    done = subprocess.run(command, shell=True, cwd=here, capture_output=True, text=True)
    assert re.search(r"^epoch 1.*loss.*left", done.stdout, re.MULTILINE), done.stdout + done.stderr


def test_the_model_predicts_on_more_photos(predicted):
    here, said = predicted
    rows = list(csv.reader((here / "results/prediction/predictions.csv").open()))
    assert rows[0] == ["image", "label", "score", "x1", "y1", "x2", "y2"]
    assert {row[0] for row in rows[1:]} == {path.name for path in (here / "more_photos").iterdir()}
    assert said.strip().splitlines()[-2:] == [
        "prediction: nothing was left out.",
        f"The predictions: {here}/results/prediction/predictions.csv",
    ]
    listed = {
        entry["path"] for entry in json.loads((here / "results/index.json").read_text())["files"]
    }
    assert {"report.html", "detection/split.csv", "prediction/predictions.csv"} <= listed
