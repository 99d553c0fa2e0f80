"""The entry: help, the check of all parameters, and the last words of a run."""

import json
import os
import re
import subprocess

import make_demo
import pytest

from conftest import ROOT, Flow

GROUPS = json.loads((ROOT / "nextflow_schema.json").read_text())["$defs"].values()
ENTRIES = {
    name: {**entry, "chain": group["title"]}
    for group in GROUPS
    for name, entry in group["properties"].items()
}
CHEAP = ("--weights", "none", "--max_epochs", "1", "--image_size", "64", "--weak_rule", "top1")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    make_demo.main(
        [
            "--folder",
            str(folder),
            "--demo_boxes=12",
            "--demo_labelled=12",
            "--demo_test=1",
            "--demo_size=96",
        ]
    )
    return folder


@pytest.mark.parametrize("parser", ["v1", "v2"])
def test_help_tells_every_parameter_of_the_schema_and_leaves_nothing_behind(flow, parser):
    said, _ = flow.run("--help", "--outdir", "out", parser=parser)
    words = " ".join(said.split())
    for name, entry in ENTRIES.items():
        assert (f"--{name} {entry['description']}" in words) == (not entry.get("hidden")), name
        assert entry["chain"] in words
    assert "--max_epochs epochs at most (default 100)" in words
    assert not (flow.here / "out").exists()


@pytest.mark.parametrize(
    "spelling, parser", [(("--help", "--image_size"), "v1"), (("--help", "image_size"), "v2")]
)
def test_help_of_one_parameter_tells_all_that_the_schema_holds(flow, spelling, parser):
    said, _ = flow.run(*spelling, parser=parser)
    entry = ENTRIES["image_size"]
    facts = {
        "chain": entry["chain"],
        "type": f"integer, at least {entry['minimum']}, at most {entry['maximum']}",
        "default": entry["default"],
        "sets": ", ".join(entry["tasks"]),
    }
    expected = [
        f"--image_size: {entry['description']}",
        *(f"  {name:7}  {fact}" for name, fact in facts.items()),
    ]
    assert [line for line in said.splitlines() if line.strip()][-5:] == expected
    assert "--max_epochs" not in said


@pytest.mark.parametrize(
    "words, parser",
    [(("--help",), "v1"), (("--help", "--image_size"), "v2"), (("--help", "rounds"), "v1")],
)
def test_help_without_options_of_nextflow_comes_fast_and_in_the_same_words(flow, words, parser):
    command = [ROOT / "nextflow", "run", ROOT, *words]
    env = {**os.environ, "NXF_SYNTAX_PARSER": parser}
    fast = subprocess.run(
        command, cwd=flow.here, env=env, capture_output=True, text=True, timeout=120
    )
    assert fast.returncode == 0 and "main.nf" not in fast.stdout, fast.stdout + fast.stderr
    slow, _ = flow.run(*words, parser=parser)
    assert "main.nf" in slow and after_launch(fast.stdout) == after_launch(slow)


def after_launch(said):
    """The lines that hold something after Nextflow's own words, which end in the script's name and revision."""
    lines = re.split(r"^Launching .*\n", said, flags=re.MULTILINE)[1].splitlines()
    return [line for line in lines if line.strip() and "Unrecognized config option" not in line]


@pytest.mark.parametrize("parser", ["v1", "v2"])
def test_all_that_is_wrong_with_the_parameters_is_told_at_once_and_nothing_runs(flow, parser):
    (flow.here / "file").write_text("")
    said, tasks = flow.run(
        "--boxs",
        "a",
        "--max-epochs",
        "3",
        "--audit_boxes",
        "--test_boxes",
        f"nowhere.json,{flow.here}",
        "--labelled_images",
        flow.here,
        "--weak_rule",
        "best",
        "--image_size",
        "63",
        "--test_share",
        "0.6",
        "--seed",
        "1.5",
        "--batch_size",
        "many",
        "--weights",
        "nothing.pt",
        "--outdir",
        "file/results",
        "--fine_tune",
        "true",
        parser=parser,
        ok=False,
    )
    assert told(said) == [
        "--audit_boxes is given without a value",
        "--batch_size wants a whole number, got 'many'",
        "--boxs is unknown; the nearest is --boxes",
        "--image_size is at least 64, not 63",
        "--labelled_images needs --boxes: the insect detector learns from them",
        "--labelled_images needs --target: which of its labels is to be found?",
        "--maxEpochs is unknown; the nearest is --max_epochs",
        f"--outdir {flow.here}/file/results cannot be written to; wanted a folder with room and permission",
        "--seed wants a whole number, got '1.5'",
        f"--test_boxes names {flow.here}/nowhere.json, which does not exist",
        "--test_boxes needs --boxes: a detector to test",
        "--test_share is at most 0.5, not 0.6",
        "--weak_rule is one of full, threshold, top1, not 'best'",
        "--weights names nothing.pt, which does not exist; wanted pretrained, none or a file",
        "nothing to do: give --boxes, or --specimens, or --recordings, or --model with --predict, or -profile demo; --help lists all",
    ]
    assert tasks == {}


def test_parameters_that_go_wrong_together_are_told_each_with_a_sentence(flow):
    """Each case: parameters, and how the sentences about them start."""
    here = str(flow.here)
    cases = [
        (
            {
                "labelled_images": here,
                "test_boxes": here,
                "model": here,
                "weights": "none.pt",
                "architecture": "fcos_resnet18",
            },
            [
                "nothing to do: ",
                "--weights names none.pt, which does not exist",
                "--labelled_images needs --target",
                "--labelled_images needs --boxes",
                "--test_boxes needs --boxes",
                "--model needs --predict",
                "--architecture fcos_resnet18 needs --detector torchvision",
                f"--model names {here}, ",
            ],
        ),
        (
            {
                "detector": "torchvision",
                "architecture": "yolo11s",
                "target": "bug",
                "audit_boxes": here,
                "reviewed": here,
                "predict": here,
            },
            [
                "--target needs --labelled_images",
                "--audit_boxes needs --labelled_images",
                "--architecture yolo11s needs --detector yolo",
                "--predict needs --model",
                "--reviewed needs --labelled_images, ",
            ],
        ),
        (
            {
                "demo": True,
                "boxes": here,
                "reviewed": f"{here}/results/detection/weak_boxes/review/export.json",
            },
            [
                "-profile demo draws its own data",
                f"--reviewed lies in {here}/results/detection/weak_boxes/review, ",
            ],
        ),
        (
            {"unlabelled": here, "labelled_images": here, "reviewed": here, "detector_model": here},
            [
                "nothing to do: ",
                "--labelled_images needs --target",
                "--labelled_images needs --boxes",
                "--reviewed could be of --labelled_images or of --unlabelled",
                "--unlabelled needs --specimens",
                "--detector_model needs --specimens",
                f"--detector_model names {here}, ",
            ],
        ),
        (
            {"gallery": here, "detector_model": here},
            [
                "--gallery needs --specimens to enrol",
                f"--gallery names {here}, ",
                "--detector_model does not go with --gallery",
                f"--detector_model names {here}, ",
            ],
        ),
        (
            {
                "boxes": here,
                "specimens": here,
                "weights": f"{ROOT}/main.nf",
                "families": "features,guess",
            },
            [
                "--weights FILE is for one network",
                "--families names guess; wanted some of features,",
            ],
        ),
        ({"boxes": here, "weights": "none"}, []),
    ]
    parameters = [{"outdir": "results", **given} for given, _ in cases]
    (flow.here / "cases.json").write_text(json.dumps(parameters))
    (
        flow.here / "main.nf"
    ).write_text(f"""include {{ conflicts }} from '{ROOT}/modules/lib/conflicts'

workflow {{
    cases = new groovy.json.JsonSlurper().parse(file('{here}/cases.json').toFile())
    lists = cases.collect {{ parameters -> conflicts(parameters) }}
    println("sentences " + groovy.json.JsonOutput.toJson(lists))
}}
""")
    said, _ = flow.run(script=flow.here / "main.nf")
    [line] = [line for line in said.splitlines() if line.startswith("sentences ")]
    for (given, starts), sentences in zip(cases, json.loads(line.removeprefix("sentences "))):
        assert len(sentences) == len(starts), (given, sentences)
        for start in starts:
            assert any(sentence.startswith(start) for sentence in sentences), (start, sentences)


def told(said):
    """The complaints: the indented lines at the end, in the order of the alphabet."""
    return sorted(said.split("\nParameters:\n  ")[1].rstrip("\n").split("\n  "))


def test_an_unknown_target_ends_the_run_before_training_with_one_sentence(flow, world):
    said, tasks = flow.run(
        "--boxes",
        world / "boxes/annotations.json",
        "--labelled_images",
        world / "labelled/labels.csv",
        "--target",
        "bug",
        *CHEAP,
        ok=False,
    )
    assert said.splitlines()[-1].startswith(
        "error: --target is 'bug'; wanted one of the labels of the labelled images: dolycoris_baccarum, "
    )
    assert tasks["SPLIT_IMAGES"] == "FAILED" and not any(name.startswith("TRAIN") for name in tasks)


def test_a_target_of_a_single_photo_ends_the_run_before_training_with_one_sentence(flow, world):
    head, *rows = (world / "labelled/labels.csv").read_text().splitlines()
    targets = [row for row in rows if ",halyomorpha_halys," in row]
    table = world / "labelled/single.csv"
    table.write_text(
        "\n".join([head, targets[0], *(row for row in rows if row not in targets)]) + "\n"
    )
    said, tasks = flow.run(
        "--boxes",
        world / "boxes/annotations.json",
        "--labelled_images",
        table,
        "--target",
        "halyomorpha_halys",
        *CHEAP,
        ok=False,
    )
    assert said.splitlines()[-1].startswith(
        "error: --labelled_images: photos labelled halyomorpha_halys come in 1 group, "
    )
    assert not any(name.startswith("TRAIN") for name in tasks)


def test_a_target_whose_photos_are_all_unusable_ends_the_run_before_training_with_one_sentence(
    flow, world
):
    head, *rows = (world / "labelled/labels.csv").read_text().splitlines()
    broken = []
    for row in rows:
        if ",halyomorpha_halys," in row:
            row = f"broken_{row}"
            (world / "labelled" / row.split(",")[0]).write_bytes(b"")
        broken.append(row)
    table = world / "labelled/broken.csv"
    table.write_text("\n".join([head, *broken]) + "\n")
    said, tasks = flow.run(
        "--boxes",
        world / "boxes/annotations.json",
        "--labelled_images",
        table,
        "--target",
        "halyomorpha_halys",
        "--max_bad_files",
        "0.9",
        *CHEAP,
        ok=False,
    )
    assert said.splitlines()[-1].startswith(
        "error: --target is 'halyomorpha_halys'; wanted one of the labels of the labelled images: "
    )
    assert not any(name.startswith("TRAIN") for name in tasks)


def test_boxes_that_hold_no_box_end_the_run_before_training_with_one_sentence(flow, world):
    boxes = json.loads((world / "boxes/annotations.json").read_text())
    (world / "boxes/none.json").write_text(json.dumps({**boxes, "annotations": []}))
    said, tasks = flow.run("--boxes", world / "boxes/none.json", *CHEAP, ok=False)
    assert (
        said.splitlines()[-1]
        == f"error: {world}/boxes/none.json: has no box in its 12 images; wanted at least one."
    )
    assert not any(name.startswith("TRAIN") for name in tasks)


def test_boxes_that_cannot_be_parsed_end_the_run_before_any_task_with_one_sentence(flow):
    (flow.here / "half.json").write_text('{"images": [')
    said, tasks = flow.run("--boxes", "half.json", *CHEAP, ok=False)
    assert (
        said.splitlines()[-1]
        == f"{flow.here}/half.json: is not JSON (Did not find end of Json Array)"
    )
    assert tasks == {} and "\tat " not in said


def test_published_weights_that_cannot_be_downloaded_are_an_error_with_the_remedies_and_no_random_start(
    flow, world, monkeypatch
):
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody listens there
    said, tasks = flow.run("--boxes", world / "boxes/annotations.json", ok=False)
    assert re.fullmatch(
        r"error: weights: https://\S+ cannot be downloaded \(.*\)\. "
        r"Give a file \(--weights FILE\), or start from random weights \(--weights none\)\.",
        said.splitlines()[-1],
    )
    assert not any(name.startswith("TRAIN") for name in tasks)


@pytest.fixture(scope="module")
def side_by_side(ran, tmp_path_factory):
    """Both chains in one run under the other parser; one of the photos to predict on is empty."""
    flow = Flow(tmp_path_factory.mktemp("side by side"))
    photos = flow.here / "photos"
    photos.mkdir()
    for path in sorted(next(ran[0].here.glob("work/*/*/demo_data")).glob("test/*.jpg")):
        (photos / path.name).write_bytes(path.read_bytes())
    (photos / "empty.jpg").write_bytes(b"")
    model = ran[0].here / "results/detection/target_detector"
    said, _ = flow.run(
        "-profile",
        "test",
        "--model",
        model,
        "--predict",
        "photos",
        "--max_bad_files",
        "0.5",
        parser="v2",
    )
    return flow.here / "results", said


def test_both_parsers_give_the_same_results(ran, side_by_side):
    for name in (
        "evaluation/metrics.json",
        "evaluation/predictions.csv",
        "weak_boxes/weak_boxes.json",
        "target_detector/weights.safetensors",
    ):
        assert (side_by_side[0] / "detection" / name).read_bytes() == (
            ran[0].here / "results/detection" / name
        ).read_bytes(), name


def test_neither_parser_warns_of_what_is_ours(ran, side_by_side):
    """v2 of Nextflow 25.04 does not know its own selectors, and says so."""
    for said in (ran[1], side_by_side[1]):
        assert [
            line
            for line in said.splitlines()
            if "WARN" in line and "Unrecognized config option 'process.with" not in line
        ] == []


def test_a_run_of_both_chains_ends_with_what_was_left_out_and_where_the_results_lie(side_by_side):
    results, said = side_by_side
    detection, prediction, *places = said.splitlines()[-4:]
    summary = json.loads((results / "detection/audit.json").read_text())["summary"]
    lost = [
        f"{name} {n}" for name, n in summary.items() if re.search("left out|dropped|clipped", name)
    ]
    row = (
        f"left out or mended, each with a row in {results}/detection/audit.json: {', '.join(lost)}."
        if lost
        else "nothing was left out."
    )
    assert detection == f"detection: {row}"
    assert (
        prediction
        == f"prediction: left out or mended, each with a row in {results}/prediction/audit.json: import_images: left out 1."
    )
    assert places == [
        f"The report: {results}/report.html",
        f"The predictions: {results}/prediction/predictions.csv",
    ]
