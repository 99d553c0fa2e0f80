"""What a -resume runs again: a copy of the suite on a small world, one change a test, undone behind it."""

import ast
import csv
import json
import os
import random
import shutil
from contextlib import contextmanager
from pathlib import Path

import make_demo
import pytest
from PIL import Image

from conftest import ROOT, Flow

REVIEW = {"IMPORT_IMAGES (reviewed_1)"}
SOURCES = ("boxes_1", "boxes_2", "labelled_1", "test_1", "audit_1")
IMPORTS = {f"IMPORT_IMAGES ({name})" for name in SOURCES}
MEASURED = {"PREDICT_BOXES (test_1_0001)", "EVALUATE_DETECTOR", "WRITE_REPORT"}
RETRAINED = {
    "SELECT_WEAK_BOXES",
    "MEASURE_WEAK_BOXES",
    "KEEP_ROUND",
    "WRITE_REVIEW",
    "TRAIN_TARGET_DETECTOR (target_detector)",
    *MEASURED,
}


class Run:
    """The copy at `suite`, a user's files at `data`, and runs of the one on the other in one launch folder."""

    def __init__(self, here):
        self.here, self.suite, self.data = here, here / "suite", here / "data"
        self.flow = Flow(here, pipeline=self.suite)

    def run(self, *options, boxes=("first", "second"), data=None, audit=True, **more):
        data = data or self.data
        given = {
            "boxes": ",".join(f"{data}/boxes/{name}.json" for name in boxes),
            "labelled_images": data / "labelled/labels.csv",
            "test_boxes": data / "test_boxes.json",
            **({"audit_boxes": data / "audit_boxes.json"} if audit else {}),
        }
        words = [word for name, value in given.items() for word in (f"--{name}", value)]
        self.said, tasks = self.flow.run(
            "-profile", "test", "--demo", "false", *words, *options, **more
        )
        return {name.removesuffix(" (1)"): status for name, status in tasks.items()}

    def published(self):
        """Return {path: bytes} of the results; what tells of the run itself is none."""
        files = [
            path
            for path in (self.here / "results").rglob("*")
            if path.is_file() and "pipeline_info" not in path.parts
        ]
        return {path: path.read_bytes() for path in files}

    def again(self, *options, **more):
        """Return the tasks that a -resume runs; the others are taken from the cache."""
        tasks = self.run("-resume", *options, **more)
        assert set(tasks) == self.tasks and set(tasks.values()) <= {"COMPLETED", "CACHED"}
        return {name for name, status in tasks.items() if status == "COMPLETED"}

    def reviewed(self, *options):
        """Return the tasks that a -resume with a review runs."""
        tasks = self.run("-resume", "--reviewed", *options)
        assert set(tasks) == self.tasks | REVIEW
        return {name for name, status in tasks.items() if status == "COMPLETED"}


@pytest.fixture(scope="module")
def launched(tmp_path_factory):
    run = Run(tmp_path_factory.mktemp("cache"))
    run.suite.mkdir()
    for name in ("bin", "conf", "modules", "subworkflows", "web"):
        shutil.copytree(ROOT / name, run.suite / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("main.nf", "entoflow.nf", "nextflow.config", "nextflow_schema.json"):
        shutil.copy(ROOT / name, run.suite / name)
    make_demo.main(
        [f"--folder={run.data}", "--demo_boxes=24", "--demo_labelled=24", "--demo_test=12"]
    )
    in_two(run.data / "boxes")
    run.tasks = set(run.run())
    run.results = run.published()
    return run


def in_two(folder):
    """Make two sources of one: every other image in each."""
    whole = json.loads((folder / "annotations.json").read_text())
    for name, start in (("first", 0), ("second", 1)):
        images = whole["images"][start::2]
        ids = {image["id"] for image in images}
        boxes = [box for box in whole["annotations"] if box["image_id"] in ids]
        (folder / f"{name}.json").write_text(
            json.dumps({**whole, "images": images, "annotations": boxes})
        )
    (folder / "annotations.json").unlink()


@contextmanager
def edited(path, old=None, new=None):
    """Let a file be written to, or replace a piece of its text, until the end of the block."""
    before = path.read_bytes()
    if old:
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))
    try:
        yield path
    finally:
        path.write_bytes(before)


def paint(path):
    """Change a corner of a photo."""
    with Image.open(path) as photo:
        changed = photo.convert("RGB")
    changed.paste((200, 30, 30), (0, 0, 12, 12))
    changed.save(path)


def photos(run):
    """Return (a row of the table whose photo has true boxes in the audit, one of the target that has none)."""
    audited = {
        image["file_name"]
        for image in json.loads((run.data / "audit_boxes.json").read_text())["images"]
    }
    with (run.data / "labelled/labels.csv").open() as handle:
        rows = [row for row in csv.DictReader(handle) if row["label"] == "halyomorpha_halys"]
    return (
        next(row for row in rows if (f"labelled/{row['image']}" in audited) is known)
        for known in (True, False)
    )


def test_a_second_run_has_nothing_to_do(launched):
    assert launched.again() == set()


def test_files_touched_but_unchanged_rerun_nothing(launched):
    for path in [*launched.data.rglob("*"), *launched.suite.rglob("*")]:
        os.utime(path)
    assert launched.again() == set()


def test_a_file_that_is_changed_added_removed_or_renamed_reruns_its_readers_and_a_touch_nothing(
    tmp_path,
):
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, colour in enumerate(("red", "green", "blue")):
        Image.new("RGB", (64, 48), colour).save(folder / f"{number}.png")
    (
        tmp_path / "main.nf"
    ).write_text(f"""include {{ IMPORT_IMAGES }} from '{ROOT}/modules/local/suite/import_images'
include {{ import_sources }} from '{ROOT}/modules/lib/sources'
include {{ suite }} from '{ROOT}/modules/lib/suite'

workflow {{
    importer = suite('import_images', [:])
    IMPORT_IMAGES(import_sources([predict: channel.of(file('{folder}'))], importer), importer)
}}
""")
    flow = Flow(tmp_path, pipeline=tmp_path / "main.nf")
    flow.run()
    changes = {
        "nothing": lambda: None,
        "touched": lambda: os.utime(folder / "0.png"),
        "changed": lambda: paint(folder / "0.png"),
        "added": lambda: Image.new("RGB", (64, 48), "white").save(folder / "3.png"),
        "renamed": lambda: (folder / "3.png").rename(folder / "4.png"),
        "removed": lambda: (folder / "1.png").unlink(),
    }
    statuses = {}
    for name, change in changes.items():
        change()
        _, tasks = flow.run("-resume")
        statuses[name] = tasks["IMPORT_IMAGES (predict_1)"]
    unchanged = {"nothing", "touched"}
    assert statuses == {name: "CACHED" if name in unchanged else "COMPLETED" for name in changes}


def test_a_changed_photo_reruns_what_follows_from_it_and_no_insect_training(launched):
    _, photo = photos(launched)
    with edited(launched.data / "labelled" / photo["image"]) as path:
        paint(path)
        assert launched.again() == {
            "IMPORT_IMAGES (labelled_1)",
            "SPLIT_IMAGES",
            "PREDICT_CANDIDATES (labelled_1_0001)",
            *RETRAINED,
        }


def test_a_changed_label_reruns_what_follows_from_it_and_neither_insect_training_nor_predictions(
    launched,
):
    _, photo = photos(launched)
    with edited(
        launched.data / "labelled/labels.csv",
        f"{photo['image']},{photo['label']}",
        f"{photo['image']},nezara_viridula",
    ):
        assert launched.again() == {"IMPORT_IMAGES (labelled_1)", "SPLIT_IMAGES", *RETRAINED}


def test_a_changed_test_image_retrains_nothing(launched):
    with edited(launched.data / "test/test_0001.jpg") as path:
        paint(path)
        assert launched.again() == {"IMPORT_IMAGES (test_1)", "SPLIT_IMAGES", *MEASURED}


def test_a_changed_test_box_predicts_nothing_anew(launched):
    with edited(launched.data / "test_boxes.json") as path:
        content = json.loads(path.read_text())
        content["annotations"][0]["bbox"][2] -= 3
        path.write_text(json.dumps(content))
        assert launched.again() == {
            "IMPORT_IMAGES (test_1)",
            "SPLIT_IMAGES",
            "EVALUATE_DETECTOR",
            "WRITE_REPORT",
        }


def test_a_true_box_less_in_the_audit_only_measures_the_weak_boxes_anew(launched):
    with edited(launched.data / "audit_boxes.json") as path:
        content = json.loads(path.read_text())
        content["annotations"].pop()
        path.write_text(json.dumps(content))
        assert launched.again() == {
            "IMPORT_IMAGES (audit_1)",
            "SPLIT_IMAGES",
            "MEASURE_WEAK_BOXES",
            "KEEP_ROUND",
            "WRITE_REPORT",
        }
        assert launched.published() != launched.results


def test_corrected_boxes_given_back_retrain_the_targets_detector_and_neither_find_nor_judge_anew(
    launched,
):
    """The Supervisely project of the review, one box of it moved and one deleted by a person."""
    project = launched.here / "project"
    shutil.copytree(launched.here / "results/detection/weak_boxes/review/supervisely", project)
    photos = json.loads(
        (launched.here / "results/detection/weak_boxes/weak_boxes.json").read_text()
    )["images"]
    first, second, *others = sorted((project / "dataset/ann").glob("*.json"))
    for path in others:
        path.unlink()
        (project / "dataset/img" / path.stem).unlink()
    content = json.loads(first.read_text())
    content["objects"] = [
        {
            **content["objects"][0],
            "classTitle": "halyomorpha_halys",
            "points": {"exterior": [[20, 30], [59, 69]], "interior": []},
        }
    ]
    first.write_text(json.dumps(content))
    second.write_text(json.dumps({**json.loads(second.read_text()), "objects": []}))
    assert launched.reviewed(project) == {*REVIEW, "SPLIT_IMAGES", "WRITE_AUDIT", *RETRAINED}
    weak = json.loads((launched.here / "results/detection/weak_boxes/weak_boxes.json").read_text())
    numbers = {picture["member"]: picture["id"] for picture in photos}
    for path, boxes in ((first, [[20, 30, 40, 40]]), (second, [])):
        assert [
            (box["bbox"], box["band"], box["rule"])
            for box in weak["annotations"]
            if box["image_id"] == numbers[path.stem]
        ] == [(box, "accept", "reviewed") for box in boxes]
    assert {box["rule"] for box in weak["annotations"]} == {"reviewed", "top1"}
    assert (
        sum(
            row["reason"].startswith("reviewed: ")
            for row in json.loads((launched.here / "results/detection/audit.json").read_text())[
                "rows"
            ]
        )
        == 2
    )
    assert launched.reviewed(project) == set()


def test_results_are_those_of_the_inputs_though_all_comes_from_the_cache(launched):
    with edited(launched.data / "audit_boxes.json") as path:
        content = json.loads(path.read_text())
        content["annotations"].pop()
        path.write_text(json.dumps(content))
        launched.again()
    assert launched.again() == set()
    assert launched.published() == launched.results


def test_files_of_an_earlier_run_are_told_and_not_listed(launched):
    launched.run("-resume", audit=False)
    results = launched.here / "results"
    listed = {entry["path"] for entry in json.loads((results / "index.json").read_text())["files"]}
    old = [
        "detection/weak_boxes/ablation.json",
        "detection/weak_boxes/plots/calibration.png",
        "detection/weak_boxes/plots/overlap.png",
        "detection/weak_boxes/quality.json",
    ]
    told = f"{results} holds 4 files of an earlier run, which index.json does not list: {', '.join(old)}."
    assert told in launched.said.splitlines()
    assert listed == {str(path.relative_to(results)) for path in launched.published()} - {
        *old,
        "index.json",
    }


def test_a_changed_parameter_reruns_the_tasks_it_sets(launched):
    assert launched.again("--max_bad_files", "0.1") == {
        *IMPORTS,
        "WRITE_REPORT",
    }  # the report tells every parameter


def test_an_edit_of_the_evaluation_retrains_nothing(launched):
    with edited(
        launched.suite / "bin/detection/evaluate_detector.py",
        "F1 {quality:.2f}",
        "F1 {quality:.3f}",
    ):
        assert launched.again() == {"EVALUATE_DETECTOR", "WRITE_REPORT"}


def test_a_parameter_of_the_evaluation_retrains_nothing(launched):
    host = launched.here / "host.nf"
    sources = {
        "boxes": ["boxes/first.json", "boxes/second.json"],
        "labelled_images": ["labelled/labels.csv"],
        "test_boxes": ["test_boxes.json"],
        "audit_boxes": ["audit_boxes.json"],
        "reviewed": [],
    }
    paths = {
        name: ", ".join(f"file('{launched.data}/{file}')" for file in files)
        for name, files in sources.items()
    }
    channels = ", ".join(f"{name}: channel.fromList([{listed}])" for name, listed in paths.items())
    host.write_text(f"""include {{ ENTOFLOW }} from '{launched.suite}/entoflow'

workflow {{
    settings = [train_detector: [image_size: 64, max_epochs: 1], select_weak_boxes: [weak_rule: 'top1'], evaluate_detector: [seed: 2]]
    ENTOFLOW([{channels}], ['detection'], 'halyomorpha_halys', 'none', [], settings, '{{}}')
}}
""")
    assert launched.again(script=host) == {"EVALUATE_DETECTOR", "WRITE_REPORT"}


def test_an_edited_helper_reruns_the_tasks_that_import_it(launched):
    with edited(launched.suite / "bin/entoflow/plot_style.py") as path:
        path.write_text(path.read_text() + "# edited, and nothing drawn otherwise\n")
        assert launched.again() == {
            "SELECT_WEAK_BOXES",
            "MEASURE_WEAK_BOXES",
            "WRITE_REVIEW",
            "EVALUATE_DETECTOR",
        }  # those that draw


def test_each_task_is_handed_all_that_its_script_reaches_by_imports_and_no_more(launched, tmp_path):
    scripts = [
        path
        for path in sorted((launched.suite / "bin").glob("*/*.py"))
        if path.parent.name != "entoflow"
    ]
    (
        tmp_path / "main.nf"
    ).write_text(f"""include {{ suite }} from '{launched.suite}/modules/lib/suite'

workflow {{
    {[path.stem for path in scripts]}.each {{ task -> println("handed " + json([task, paths_of(task)])) }}
}}

def paths_of(task) {{
    return suite(task, [:]).drop(2).flatten().collect {{ path -> path.toString() }}
}}

def json(value) {{
    return groovy.json.JsonOutput.toJson(value)
}}
""")
    said, _ = Flow(tmp_path).run(script=tmp_path / "main.nf")
    handed = dict(
        json.loads(line.removeprefix("handed "))
        for line in said.splitlines()
        if line.startswith("handed ")
    )
    package = launched.suite.resolve() / "bin/entoflow"
    given = {
        task: {
            str(Path(name).resolve().relative_to(package).with_suffix(""))
            for name in names
            if name.endswith(".py")
        }
        for task, names in handed.items()
    }
    assert given == {path.stem: reached(path, package) for path in scripts}


def test_a_photo_at_an_address_of_label_studio_is_part_of_its_export(launched, tmp_path):
    photo = tmp_path / "supervisely/dataset/img/a.jpg"
    photo.parent.mkdir(parents=True)
    photo.write_bytes(b"")
    (tmp_path / "export.json").write_text(
        json.dumps([{"data": {"image": "/data/local-files/?d=supervisely/dataset/img/a.jpg"}}])
    )
    (
        tmp_path / "main.nf"
    ).write_text(f"""include {{ members }} from '{launched.suite}/modules/lib/sources'

workflow {{
    members(file('{tmp_path}/export.json')).each {{ path -> println("member ${{path}}") }}
}}
""")
    said, _ = Flow(tmp_path).run(script=tmp_path / "main.nf")
    assert [line for line in said.splitlines() if line.startswith("member ")] == [
        f"member {tmp_path}/export.json",
        f"member {photo}",
    ]


def reached(script, package):
    """Return the package's files that Python's own parser finds, from a script on."""
    found, to_read = {"__init__"}, [script]
    while to_read:
        for node in ast.walk(ast.parse(to_read.pop().read_text())):
            if (
                not isinstance(node, ast.ImportFrom)
                or (node.module or "").split(".")[0] != "entoflow"
            ):
                continue
            place = Path(*node.module.split(".")[1:])
            paths = (
                [place / alias.name for alias in node.names]
                if (package / place).is_dir()
                else [place]
            )
            new = {str(path) for path in paths} - found
            to_read += [package / f"{name}.py" for name in new]
            found |= new | {f"{Path(name).parent}/__init__" for name in new if "/" in name}
    return found


def test_rows_entries_and_files_in_another_order_are_the_same_data(launched):
    shuffle(launched.data, random.Random(1))
    assert launched.again() == IMPORTS


def test_sources_named_in_another_order_are_the_same_sources(launched):
    assert launched.again(boxes=("second", "first")) == {
        "WRITE_REPORT"
    }  # it tells the parameters as they were given


def test_the_same_data_and_seed_in_another_place_and_order_give_the_same_predictions(
    launched, tmp_path
):
    shutil.copytree(launched.data, tmp_path / "elsewhere")
    shuffle(tmp_path / "elsewhere", random.Random(2))
    boxes = tmp_path / "elsewhere/boxes"
    (boxes / "first.json").rename(boxes / "third.json")  # now the last of the two by name
    other = Run(tmp_path)
    other.flow.pipeline = launched.suite
    assert set(
        other.run(boxes=("third", "second"), data=tmp_path / "elsewhere", parser="v2").values()
    ) == {"COMPLETED"}
    for name in ("predictions.json", "predictions.csv", "metrics.json"):
        first, second = (
            folder / "results/detection/evaluation" / name for folder in (launched.here, tmp_path)
        )
        assert first.read_bytes() == second.read_bytes()


def shuffle(data, rng):
    """Put the rows of the table and the lists of the JSON files into another order, and create all files anew in another."""
    table = data / "labelled/labels.csv"
    head, *rows = table.read_text().splitlines()
    table.write_text("\n".join([head, *rng.sample(rows, len(rows))]) + "\n")
    for path in data.rglob("*.json"):
        content = json.loads(path.read_text())
        path.write_text(
            json.dumps(
                {
                    name: rng.sample(value, len(value)) if isinstance(value, list) else value
                    for name, value in content.items()
                }
            )
        )
    kept = {path: path.read_bytes() for path in sorted(data.rglob("*")) if path.is_file()}
    for path in kept:
        path.unlink()
    for path in rng.sample(list(kept), len(kept)):
        path.write_bytes(kept[path])
