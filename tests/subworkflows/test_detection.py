"""The chain on the cut-down synthetic world: real runs, whose trace says what ran."""

import csv
import json

from conftest import ROOT, Flow


def test_the_chain_runs_to_its_report_and_warns_of_nothing(ran):
    flow, said, tasks = ran
    assert set(tasks.values()) == {"COMPLETED"}
    assert "WARN" not in said
    assert (flow.here / "results/report.html").stat().st_size > 100_000


def test_the_index_lists_every_published_file(ran):
    results = ran[0].here / "results"
    listed = {entry["path"] for entry in json.loads((results / "index.json").read_text())["files"]}
    found = {str(path.relative_to(results)) for path in results.rglob("*") if path.is_file()}
    assert listed == {
        name for name in found if name != "index.json" and not name.startswith("pipeline_info/")
    }


def test_the_targets_detector_starts_from_the_insect_detector(ran):
    insect, target = (
        json.loads((ran[0].here / f"results/detection/{name}/model.json").read_text())["provenance"]
        for name in ("insect_detector", "target_detector")
    )
    assert insect["parameters"]["weights"] == "none"
    assert target["parameters"]["weights"] == insect["weights_sha256"] != target["weights_sha256"]


def test_with_torchvision_the_same_chain_goes_on_from_the_same_split(ran):
    _, tasks = ran[0].run(
        "-profile", "test", "--detector", "torchvision", "--outdir", "torchvision", "-resume"
    )
    assert tasks["SPLIT_IMAGES"] == "CACHED" and set(tasks.values()) == {"CACHED", "COMPLETED"}
    insect, target = (
        json.loads((ran[0].here / f"torchvision/detection/{name}/model.json").read_text())
        for name in ("insect_detector", "target_detector")
    )
    assert insect["input"]["backend"] == target["input"]["backend"] == "torchvision"
    assert target["provenance"]["parameters"]["weights"] == insect["provenance"]["weights_sha256"]


def test_no_group_is_in_two_parts(ran):
    parts = {}
    for row in csv.DictReader((ran[0].here / "results/detection/split.csv").open()):
        parts.setdefault(row["group"], set()).add(row["part"])
    assert {len(found) for found in parts.values()} == {1}


def test_a_model_folder_predicts_on_a_folder_with_a_bad_file(ran, tmp_path):
    flow = ran[0]
    photos = tmp_path / "my photos"
    photos.mkdir()
    world = next(flow.here.glob("work/*/*/demo_data"))
    for number, path in enumerate(sorted((world / "test").glob("*.jpg"))):
        (photos / f"käfer, {number}.jpg").write_bytes(path.read_bytes())
    (photos / "broken.jpg").write_bytes(b"")
    said, _ = Flow(tmp_path).run(
        "--model",
        flow.here / "results/detection/target_detector",
        "--predict",
        photos,
        "--max_bad_files",
        "0.5",
    )
    with (tmp_path / "results/prediction/predictions.csv").open(encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    assert {row["label"] for row in rows} == {"halyomorpha_halys"}
    assert {row["image"] for row in rows} <= {path.name for path in photos.iterdir()}
    assert "import_images: left out 1" in said


def test_the_rule_full_asks_a_second_opinion_and_a_detector_of_one_epoch_gets_no_box_on_trust(ran):
    said, tasks = ran[0].run(
        "-profile", "test", "--weak_rule", "full", "--outdir", "full", "-resume", ok=False
    )
    assert {name: status for name, status in tasks.items() if status != "CACHED"} == {
        "CLASSIFY_CROPS (1)": "COMPLETED",
        "SELECT_WEAK_BOXES (1)": "FAILED",
    }
    folder = next(
        ran[0].here.glob(
            f"work/{next(task['hash'] for task in ran[0].tasks if task['status'] == 'FAILED')}*"
        )
    )
    assert "--crop_scores crop_scores.npz" in (folder / ".command.sh").read_text()
    assert (
        "so no score can be trusted and no photo of halyomorpha_halys gets a box"
        in said.strip().splitlines()[-1]
    )


def test_a_second_round_goes_on_from_the_cache_and_the_better_one_is_published(ran):
    flow = ran[0]
    flow.run("-profile", "test", "--rounds", "2", "--outdir", "rounds", "-resume")
    statuses = {
        task["name"].removeprefix("ENTOFLOW:DETECTION:TRAIN_TARGET:").split(" ")[0]: task["status"]
        for task in flow.tasks
    }
    assert {name: status for name, status in statuses.items() if status != "CACHED"} == {
        **{
            f"ROUND_2:{name}": "COMPLETED"
            for name in (
                "PREDICT_CANDIDATES",
                "SELECT_WEAK_BOXES",
                "MEASURE_WEAK_BOXES",
                "TRAIN_TARGET_DETECTOR",
            )
        },
        "KEEP_ROUND": "COMPLETED",
        "ENTOFLOW:WRITE_REPORT": "COMPLETED",
    }
    found = flow.here / "rounds/detection"
    with (found / "weak_boxes/rounds.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    f1s = [float(row["held_out_f1"]) for row in rows]
    kept = 2 if f1s[1] > f1s[0] else 1
    assert [row["kept"] for row in rows] == ["yes" if number == kept else "no" for number in (1, 2)]
    assert json.loads((found / "weak_boxes/weak_boxes.json").read_text())["info"]["round"] == kept
    assert (
        json.loads((found / "target_detector/model.json").read_text())["metrics"]["f1"]["value"]
        == f1s[kept - 1]
    )


def test_another_round_is_worth_it_while_the_held_out_f1_rises_and_the_last_that_rose_is_kept(
    tmp_path,
):
    """Each line: F1 of the rounds so far, whether another one follows, the round kept."""
    expected = {
        "0.5": "true 1",
        "0.0": "false 1",
        "null": "false 1",
        "0.5 0.6": "true 2",
        "0.5 0.5": "false 1",
        "0.5 0.4": "false 1",
        "0.5 0.6 0.7": "true 3",
        "0.5 0.6 0.6": "false 2",
    }
    for f1 in ("0.0", "0.4", "0.5", "0.6", "0.7", "null"):
        (tmp_path / f"of_{f1}").mkdir()
        (tmp_path / f"of_{f1}/model.json").write_text(f'{{"metrics": {{"f1": {{"value": {f1}}}}}}}')
    (
        tmp_path / "main.nf"
    ).write_text(f"""include {{ best_round; is_improved }} from '{ROOT}/modules/lib/rounds'

workflow {{
    {list(expected)}.each {{ f1s ->
        def rounds = f1s.tokenize(' ').withIndex(1).collect {{ f1, number -> [number: number, model: [file("{tmp_path}/of_${{f1}}/model.json")]] }}
        println("rounds ${{f1s}}: ${{is_improved(rounds)}} ${{best_round(rounds).number}}")
    }}
}}
""")
    said, _ = Flow(tmp_path).run(script=tmp_path / "main.nf")
    assert [line for line in said.splitlines() if line.startswith("rounds ")] == [
        f"rounds {f1s}: {told}" for f1s, told in expected.items()
    ]
