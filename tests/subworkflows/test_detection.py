"""The chain on the cut-down synthetic world: real runs, whose trace says what ran."""
import csv
import json

from conftest import Flow


def test_the_chain_runs_to_its_report_and_warns_of_nothing(ran):
    flow, said, tasks = ran
    assert set(tasks.values()) == {"COMPLETED"}
    assert "WARN" not in said
    assert (flow.here / "results/report.html").stat().st_size > 100_000


def test_the_index_lists_every_published_file(ran):
    results = ran[0].here / "results"
    listed = {entry["path"] for entry in json.loads((results / "index.json").read_text())["files"]}
    found = {str(path.relative_to(results)) for path in results.rglob("*") if path.is_file()}
    assert listed == {name for name in found if name != "index.json" and not name.startswith("pipeline_info/")}


def test_the_targets_detector_starts_from_the_insect_detector(ran):
    insect, target = (json.loads((ran[0].here / f"results/detection/{name}/model.json").read_text())["provenance"]
                      for name in ("insect_detector", "target_detector"))
    assert insect["parameters"]["weights"] == "none"
    assert target["parameters"]["weights"] == insect["weights_sha256"] != target["weights_sha256"]


def test_with_torchvision_the_same_chain_goes_on_from_the_same_split(ran):
    _, tasks = ran[0].run("-profile", "test", "--detector", "torchvision", "--outdir", "torchvision", "-resume")
    assert tasks["SPLIT_IMAGES"] == "CACHED" and set(tasks.values()) == {"CACHED", "COMPLETED"}
    insect, target = (json.loads((ran[0].here / f"torchvision/detection/{name}/model.json").read_text()) for name in ("insect_detector", "target_detector"))
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
    said, _ = Flow(tmp_path).run("--model", flow.here / "results/detection/target_detector", "--predict", photos, "--max_bad_files", "0.5")
    with (tmp_path / "results/prediction/predictions.csv").open(encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    assert {row["label"] for row in rows} == {"halyomorpha_halys"}
    assert {row["image"] for row in rows} <= {path.name for path in photos.iterdir()}
    assert "import_images: left out 1" in said


def test_the_rule_full_asks_a_second_opinion_and_a_detector_of_one_epoch_gets_no_box_on_trust(ran):
    said, tasks = ran[0].run("-profile", "test", "--weak_rule", "full", "--outdir", "full", "-resume", ok=False)
    assert {name: status for name, status in tasks.items() if status != "CACHED"} == {"CLASSIFY_CROPS (1)": "COMPLETED", "SELECT_WEAK_BOXES (1)": "FAILED"}
    folder = next(ran[0].here.glob(f"work/{next(task['hash'] for task in ran[0].tasks if task['status'] == 'FAILED')}*"))
    assert "--crop_scores crop_scores.npz" in (folder / ".command.sh").read_text()
    assert "so no score can be trusted and no photo of halyomorpha_halys gets a box" in said.strip().splitlines()[-1]
