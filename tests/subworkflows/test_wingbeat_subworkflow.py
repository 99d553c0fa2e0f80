"""The wingbeat chain on synthetic recordings: as the demo runs it, and as a user does."""

import csv
import json
import re
import subprocess
import sys
from datetime import datetime, timedelta

import pytest

from conftest import ROOT

FAMILIES = ("features", "random_convolutions", "rnn")


@pytest.fixture(scope="module")
def results(heard):
    return heard[0].here / "results/wingbeat"


def test_everything_that_the_contract_lists_is_there_and_in_the_index(results):
    wanted = {
        "split.csv",
        "audit.json",
        "features.csv",
        "best/model.json",
        "best/README.md",
        "evaluation/metrics.json",
        "comparison.json",
        "evaluation/predictions.csv",
        *(f"evaluation/plots/{name}.png" for name in ("families", "confusion", "calibration")),
        *(f"models/{name}/model.json" for name in FAMILIES),
    }
    there = {path.relative_to(results).as_posix() for path in results.rglob("*") if path.is_file()}
    assert wanted <= there
    check = ROOT.parent / "shared/checks/contract.py"
    done = (
        subprocess.run(
            [sys.executable, check, results.parent, "wingbeat"], capture_output=True, text=True
        )
        if check.exists()
        else None
    )
    assert done is None or done.returncode == 0, done.stdout
    index = json.loads((results.parent / "index.json").read_text())
    listed = {
        entry["path"].removeprefix("wingbeat/"): entry
        for entry in index["files"]
        if entry["chain"] == "wingbeat"
    }
    assert set(listed) == there and all(entry["description"] for entry in listed.values())


def test_no_night_of_a_sensor_is_learned_from_and_judged_on(results):
    with (results / "split.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    part, nights = {}, set()
    for row in rows:
        sensor, name = row["recording"].split("/")
        nights.add(
            (
                sensor,
                (datetime.strptime(name[:17], "%y-%m-%d_%H.%M.%S") - timedelta(hours=12)).date(),
            )
        )
        assert part.setdefault(row["group"], row["part"]) == row["part"] and row[
            "group"
        ].startswith(row["recording"][:8])
    assert (
        len(rows) == 72
        and len(part) == len(nights)
        and set(part.values()) == {"fold 1", "fold 2", "fold 3"}
    )


def test_the_families_stand_on_the_same_events_beside_ways_that_hardly_listen(results):
    comparison = json.loads((results / "comparison.json").read_text())
    assert set(comparison["families"]) == {
        *FAMILIES,
        "most frequent class",
        "F0 alone",
        "F0 at 25 degC alone",
        "time of day alone",
    }
    assert (
        set(comparison["robustness"]["families"])
        == set(comparison["learning_curve"]["families"])
        == set(FAMILIES)
        and comparison["importances"]
    )
    assert (
        {row["macro_f1"]["n"] for row in comparison["families"].values()} == {72}
        and comparison["folds"] == 3
        and comparison["seeds"] == [1]
    )
    assert (
        comparison["families"]["features"]["macro_f1"]["value"]
        > comparison["families"]["most frequent class"]["macro_f1"]["value"] + 0.2
    )
    assert set(comparison["families"]["features"]) >= {
        "optimism_gap",
        "random_macro_f1",
        "sensor_macro_f1",
        "seconds",
        "balanced_accuracy",
    }
    metrics = json.loads((results / "evaluation/metrics.json").read_text())
    assert metrics["chain"] == "wingbeat" and set(metrics["metrics"]) >= {
        "macro_f1",
        "balanced_accuracy",
        "top2",
        "ece",
        "unknown_auroc",
        "f0_median_hz_bee",
    }


def test_the_report_opens_with_the_verdict(results, heard):
    page = (results.parent / "report.html").read_text()
    verdict = json.loads((results / "comparison.json").read_text())["verdict"]
    assert verdict in page and page.index(verdict) < page.index("Every family on the same folds")
    assert all(
        heading in page
        for heading in (
            "Some events",
            "More recordings, or another family?",
            "In noise",
            "Which features matter",
        )
    )
    assert re.search(r"The comparison: .*comparison.json; the report: .*report.html", heard[1])


def test_the_demo_draws_recordings_runs_no_other_chain_on_them_and_says_that_they_are_synthetic(
    results, heard
):
    assert {task.split(" ")[0] for task in heard[2]} == {
        "MAKE_RECORDINGS",
        "IMPORT_RECORDINGS",
        "SPLIT_RECORDINGS",
        "EXTRACT_FEATURES",
        "TRAIN_FAMILY",
        "COMPARE_FAMILIES",
        "WRITE_WINGBEAT_AUDIT",
        "WRITE_REPORT",
    }
    assert "SYNTHETIC" in (results.parent / "report.html").read_text()
    assert {path.name for path in results.parent.iterdir()} == {
        "index.json",
        "pipeline_info",
        "report.html",
        "wingbeat",
    }


def test_a_second_run_redoes_nothing_and_one_of_fewer_families_on_recordings_given_by_hand_trains_none(
    heard,
):
    _, tasks = heard[0].run("-profile", "test", "--demo_chains", "wingbeat", "-resume")
    assert set(tasks.values()) == {"CACHED"}
    table = (heard[0].here / "nights").resolve() / "recordings.csv"
    heard[0].run(
        "--recordings",
        table,
        "--date_order",
        "ymd",
        "--folds",
        "3",
        "--families",
        "features",
        "-resume",
    )
    ran = {row["name"].split(":")[-1] for row in heard[0].tasks if row["status"] == "COMPLETED"}
    assert ran == {"COMPARE_FAMILIES", "WRITE_REPORT"}


def test_the_model_names_the_events_of_other_recordings(heard):
    flow, here = heard[0], heard[0].here
    said, tasks = flow.run(
        "--model",
        here / "results/wingbeat/best",
        "--predict",
        "nights",
        "--date_order",
        "ymd",
        "--outdir",
        "named",
    )
    assert {task.split(":")[-1] for task in tasks} >= {
        "IMPORT_RECORDINGS (predict_1)",
        "NAME_EVENTS",
    } and "The events and their names: " in said
    with (here / "named/prediction/predictions.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert list(rows[0]) == ["recording", "start", "end", "label", "score", "f0_hz", "verdict"]
    assert json.loads((here / "named/prediction/predictions.json").read_text()) == [
        {**row, **{name: float(row[name]) for name in ("start", "end", "score", "f0_hz")}}
        for row in rows
    ]
    with (here / "nights/recordings.csv").open(newline="") as handle:
        truth = {row["recording"]: row["label"] for row in csv.DictReader(handle)}
    assert len(rows) == 72 and sum(truth[row["recording"]] == row["label"] for row in rows) > 50
    assert {row["verdict"] for row in rows} <= {"known", "unknown"}


def test_every_family_of_the_schema_has_its_script():
    default = json.loads((ROOT / "nextflow_schema.json").read_text())["$defs"]["wingbeat"][
        "properties"
    ]["families"]["default"]
    assert set(FAMILIES) < set(default.split(",")) and all(
        (ROOT / f"bin/wingbeat/train_{name}.py").is_file() for name in default.split(",")
    )
