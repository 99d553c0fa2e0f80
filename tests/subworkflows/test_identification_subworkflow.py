"""The identification chain as a user runs it, on drawn shapes, with the commands of docs/identification.md."""

import csv
import json
import re
import shutil
import subprocess
import sys

import numpy as np

from conftest import ROOT, SMALL, Flow, commands
from shapes import draw

LAY_OUT, LEARN, REVIEW, ENROL, NAME, EDIT = commands(ROOT / "docs/identification.md")


def rows(path):
    with open(path, newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def weights(folder):
    return (folder / "weights.safetensors").read_bytes()


def keeps_the_contract(results):
    check = ROOT.parent / "shared/checks/contract.py"
    done = (
        subprocess.run(
            [sys.executable, check, results, "identification"], capture_output=True, text=True
        )
        if check.exists()
        else None
    )
    assert done is None or done.returncode == 0, done.stdout


def test_a_run_leaves_what_the_contract_names(learned):
    flow, said, tasks = learned
    results = flow.here / "results"
    keeps_the_contract(results)
    found = json.loads((results / "identification/evaluation/metrics.json").read_text())["metrics"]
    assert {
        "top1",
        "top5",
        "macro_top1",
        "recall_at_1",
        "map_at_r",
        "unknown_auroc",
        "unknown_fpr95",
        "ece",
        "cluster_ami",
    } <= found.keys()
    assert {path.name for path in (results / "identification").iterdir()} == {
        "split.csv",
        "audit.json",
        "training.csv",
        "embedder",
        "gallery",
        "enrolment.json",
        "identified.csv",
        "clusters.csv",
        "sheet",
        "map.html",
        "label_audit.csv",
        "label_audit.html",
        "evaluation",
    }
    assert "The gallery: " in said and set(tasks.values()) == {"COMPLETED"}


def test_the_demo_draws_a_collection_and_runs_the_chain_on_it(tmp_path):
    said, tasks = Flow(tmp_path).run("-profile", "test", "--demo_chains", "identification")
    assert {
        "MAKE_SPECIMENS",
        "CLUSTER_IMAGES (1)",
        "WRITE_MAP (1)",
    } <= tasks.keys() and "MAKE_DEMO" not in tasks
    keeps_the_contract(tmp_path / "results")
    split = rows(tmp_path / "results/identification/split.csv")
    assert (
        len({row["label"] for row in split if row["part"] == "unseen"}) == 10
        and len({row["label"] for row in split}) == 30
    )
    assert "SYNTHETIC DATA: " in (tmp_path / "results/report.html").read_text()


def test_no_group_is_in_two_parts_and_unseen_classes_are_in_no_other(learned):
    split = rows(learned[0].here / "results/identification/split.csv")
    parts = {}
    for row in split:
        assert parts.setdefault(row["group"], row["part"]) == row["part"]
    unseen = {row["label"] for row in split if row["part"] == "unseen"}
    assert unseen and not unseen & {
        row["label"] for row in split if row["part"] not in ("unseen", "rest")
    }
    assert {"train", "validation", "test", "unseen"} <= set(parts.values())


def test_every_image_gets_a_name_and_a_verdict(learned):
    found = rows(learned[0].here / "results/identification/identified.csv")
    assert [row["image"] for row in found] == sorted(
        path.name for path in (learned[0].here / "more_photos").iterdir()
    )
    for row in found:
        assert (
            row["verdict"] in ("known", "unknown", "reject")
            and 0 <= float(row["second_score"]) <= float(row["score"]) <= 1
        )
        assert (float(row["known"]) >= 0.5) == (row["verdict"] == "known")


def test_names_are_given_at_the_finest_rank_that_is_sure_and_that_is_measured(learned):
    here = learned[0].here / "results/identification"
    genera = {row["label"]: row["genus"] for row in rows(learned[0].here / "specimens.csv")}
    for row in rows(here / "identified.csv"):
        assert row["rank"] in ("species", "genus", "family", "") and (row["rank"] == "") == (
            row["taxon"] == ""
        )
        assert (row["rank"] == "species") == (
            row["verdict"] == "known" and float(row["score"]) >= 0.9
        )
        assert row["rank"] != "species" or row["taxon"] == row["label"]
        assert row["rank"] != "genus" or row["taxon"] in genera.values()
    log = json.loads((here / "gallery/gallery.json").read_text())["revisions"][0]["taxa"]
    assert {label: named["genus"] for label, named in log.items()} == genera and {
        named["family"] for named in log.values()
    } == {"plate 0"}
    figures = json.loads((here / "evaluation/metrics.json").read_text())["metrics"]
    named = [figures[f"{rank}_named"]["value"] for rank in ("species", "genus", "family")]
    assert (
        all(0 <= value <= 1 for value in named)
        and sum(named) <= 1 + 1e-9
        and "genus_named_right" in figures
    )
    assert "ranks" in json.loads((here / "embedder/model.json").read_text())["calibration"]


def test_all_labelled_specimens_are_in_the_gallery_that_ships(learned):
    folder = learned[0].here / "results/identification/gallery"
    table = rows(folder / "specimens_0001.csv")
    assert len(table) == 48 and np.load(folder / "embeddings_0001.npy").shape[0] == 48
    assert weights(folder / "embedder") == weights(folder.parent / "embedder")


def test_every_unlabelled_image_has_a_row_in_the_clusters_and_a_point_on_the_map(learned):
    results = learned[0].here / "results/identification"
    found = rows(results / "clusters.csv")
    assert [row["image"] for row in found] == [
        row["image"] for row in rows(results / "identified.csv")
    ]
    assert [row["verdict"] for row in found] == [
        row["verdict"] for row in rows(results / "identified.csv")
    ]
    assert {row["nearest_known"] for row in found} <= {f"shape {kind}" for kind in range(12)}
    data = json.loads(re.search(r'id="data">(.*?)</script>', (results / "map.html").read_text())[1])
    assert data["n"] == 48 + 14 and {"label", "cluster", "verdict", "error"} <= set(
        data["colourings"]
    )


def test_a_second_run_with_resume_computes_nothing(learned):
    flow, _, tasks = learned
    _, again = flow.run(
        "--specimens", "specimens.csv", "--unlabelled", "more_photos", *SMALL, "-resume"
    )
    assert again == dict.fromkeys(tasks, "CACHED")


def test_another_image_to_name_trains_and_embeds_nothing_anew(learned, tmp_path):
    flow, _, tasks = learned
    shutil.copytree(flow.here / "more_photos", flow.here / "still_more", dirs_exist_ok=True)
    draw(flow.here / "still_more/another.png", 3, np.random.default_rng(5))
    _, again = flow.run(
        "--specimens",
        "specimens.csv",
        "--unlabelled",
        "still_more",
        "--outdir",
        str(tmp_path),
        *SMALL,
        "-resume",
    )
    cached = {name for name, status in again.items() if status == "CACHED"}
    assert {
        "TRAIN_EMBEDDER (1)",
        "CHOOSE_EMBEDDER (1)",
        "EMBED_IMAGES (specimens_1_0001)",
        "ENROL_SPECIMENS (1)",
    } <= cached
    assert (
        again["IDENTIFY_IMAGES (1)"] == "COMPLETED"
        and "EMBED_IMAGES (unlabelled_1_0001)" not in cached
    )


def test_the_pages_commands_enrol_name_and_edit(learned):
    here = learned[0].here
    assert LAY_OUT.startswith(
        "python3 examples/omniglot/prepare.py --data DATA "
    ) and LEARN.startswith("./nextflow run . --specimens ")
    shutil.copytree(here / "results", here / "before")
    for command, copied in ((ENROL, ("new.csv", "new")), (NAME, ("more_photos",))):
        words = command.split()
        assert words[:3] == ["./nextflow", "run", "."] and all(
            (here / name).exists() for name in copied
        )
        learned[0].run(*words[3:])
    before, after = here / "before/identification/gallery", here / "results/identification/gallery"
    for path in before.rglob("*"):
        assert (
            path.name == "gallery.json"
            or not path.is_file()
            or path.read_bytes() == (after / path.relative_to(before)).read_bytes()
        )
    effect = json.loads((here / "results/identification/enrolment.json").read_text())
    assert (
        effect["enrolled"] == 9
        and set(effect["rivals"]) == {"shape 12", "shape 13"}
        and 0 <= effect["after"] <= 1
    )
    named = rows(here / "results/identification/identified.csv")
    assert len(named) == 14
    said = subprocess.run(
        [sys.executable, *f"{ROOT}/{EDIT}".split()], cwd=here, capture_output=True, text=True
    )
    assert said.returncode == 0 and "enrol" in said.stdout, said.stderr


def test_what_a_person_named_on_the_sheet_is_enrolled_and_conflicts_are_listed(learned, tmp_path):
    flow = learned[0]
    sheet = rows(flow.here / "before/identification/sheet/review.csv")
    mine, others, rejected = [row for row in sheet if row["image"]][:3]
    told = {mine["id"]: "my shape", rejected["id"]: "reject"}
    with (flow.here / "review.csv").open("w", newline="") as handle:
        writer = csv.DictWriter(handle, sheet[0])
        writer.writeheader()
        writer.writerows(
            [{**row, "label": told.get(row["id"], "")} for row in sheet]
            + [{**others, "label": name} for name in ("one", "two")]
        )
    words = [word.replace("results/", "before/") for word in REVIEW.split()]
    assert words[:3] == ["./nextflow", "run", "."] and words[-2:] == ["--outdir", "next"]
    _, tasks = flow.run(*words[3:-1], str(tmp_path))
    held = rows(tmp_path / "identification/gallery/specimens_0002.csv")
    assert [(row["image"], row["label"]) for row in held] == [
        (mine["image"], "my shape")
    ] and "TRAIN_EMBEDDER (1)" not in tasks
    named = {row["image"]: row for row in rows(tmp_path / "identification/identified.csv")}
    assert (
        named[mine["image"]]["label"] == "my shape" and named[mine["image"]]["verdict"] == "known"
    )
    told = [
        row
        for row in json.loads((tmp_path / "identification/audit.json").read_text())["rows"]
        if row["stage"] == "review"
    ]
    assert [(row["image"], row["action"]) for row in told] == sorted(
        [(others["image"], "left out"), (rejected["image"], "rejected")], key=lambda row: row[1]
    )
    assert re.fullmatch(
        r"review.csv, row \d+ says 'one', review.csv, row \d+ 'two'", told[0]["reason"]
    )
    again = {row["image"] for row in rows(tmp_path / "identification/sheet/review.csv")}
    assert not {mine["image"], rejected["image"]} & again


def test_a_backbone_that_timm_has_not_is_told_in_one_sentence(learned, tmp_path):
    said, _ = learned[0].run(
        "--specimens",
        "specimens.csv",
        "--weights",
        "none",
        "--backbone",
        "resnet11",
        "--outdir",
        str(tmp_path),
        "-resume",
        ok=False,
    )
    assert (
        "error: --backbone is 'resnet11'; wanted a network of timm's" in said
        and "Traceback" not in said.split("error:")[-1]
    )
