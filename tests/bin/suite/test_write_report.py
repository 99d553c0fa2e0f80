"""The report of a run: what it shows of the detection chain, and the command."""

import base64
import io
import json
import subprocess
import time

import pytest
import write_report
from PIL import Image

from conftest import command
from entoflow.task import InputError
from pages import Reader
from report_files import change_json, metric, write_json, write_rows

EVIL = "<script>alert(1)</script> Käfer & Söhne"
PICTURES = {
    "evaluation/plots/best.png": "red",
    "evaluation/plots/worst.png": "green",
    "evaluation/plots/precision_recall.png": "blue",
    "evaluation/plots/confidence.png": "black",
    "weak_boxes/samples.png": "white",
}
METRICS = {
    "ap50": metric(0.861, 0.802, 0.913),
    "recall": metric(0.871, 0.79, 0.93),
    "precision": metric(0.9, 0.82, 0.97, n=40),
    "threshold": metric(0.314, n=80),
    "count_mae": metric(None, n=0),
}


def audit_row(number):
    return {
        "image": f"Käfer {number}.jpg",
        "row": number,
        "source": "labels.csv",
        "stage": "import_images",
        "action": "left out",
        "reason": "is <b>truncated</b>",
    }


@pytest.fixture
def results(tmp_path):
    """A results folder as a run with all inputs leaves it."""
    folder = tmp_path / "my results" / "detection"
    for name, colour in PICTURES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 6), colour).save(folder / name)
    evaluation = {"chain": "detection", "n": 80, "groups": 75, "truth": "boxes", "metrics": METRICS}
    write_json(folder / "evaluation/metrics.json", evaluation)
    write_json(
        folder / "weak_boxes/quality.json",
        {"chain": "detection", "n": 60, "metrics": {"yield": metric(0.9, 0.8, 1.0)}},
    )
    boxes = [{"image_id": 1, "band": "accept"}, {"image_id": 1, "band": "drop"}]
    images = [{"id": 1}, {"id": 2}]
    weak = {"images": images, "annotations": boxes, "info": {"rule": "threshold"}, "categories": []}
    write_json(folder / "weak_boxes/weak_boxes.json", weak)
    for name in ("insect_detector", "target_detector"):
        provenance = {
            "seed": 1,
            "parameters": {"weights": "yolo11n.safetensors"},
            "packages": {"torch": "2.9"},
        }
        facts = {
            "name": name,
            "kind": "detector",
            "classes": [EVIL],
            "input": {"image_size": 160},
            "threshold": 0.314,
        }
        write_json(
            folder / name / "model.json",
            {**facts, "metrics": {"ap50": metric(0.9)}, "provenance": provenance},
        )
        epochs = [
            (epoch, round(5 / epoch, 3), round(0.08 * epoch, 2), 10) for epoch in range(1, 31)
        ]
        write_rows(
            folder / name / "training.csv",
            [("epoch", "loss", "validation_ap50", "best_epoch"), *epochs],
        )
    write_rows(
        folder / "split.csv",
        [
            ("image", "group", "part", "role", "label"),
            ("a.jpg", "g1", "train", "labelled", EVIL),
            ("b.jpg", "g1", "train", "labelled", EVIL),
            ("c.jpg", "g2", "test", "test", ""),
        ],
    )
    rows = [audit_row(number) for number in range(53)]
    write_json(folder / "audit.json", {"summary": {"import_images: left out": 53}, "rows": rows})
    return folder.parent


@pytest.fixture
def report(results):
    def _report(**params):
        write_json(results / "params.json", params)
        write_report.main(
            [
                f"--results={results}",
                f"--params={results / 'params.json'}",
                f"--report={results / 'report.html'}",
            ]
        )
        return Reader((results / "report.html").read_text(encoding="utf-8"))

    return _report


def change(results, **values):
    """Change evaluation/metrics.json."""
    change_json(results / "detection/evaluation/metrics.json", **values)


def test_the_first_screen_has_the_verdict_the_trust_and_what_to_do_next(report):
    text = report(target="halyomorpha_halys", test_boxes="t.json").text
    places = [
        text.index(words)
        for words in (
            "The detector finds 87 % (79 to 93) of the test insects with 0.05 false alarms per "
            "image; AP50 is 0.86 (0.80 to 0.91).",
            "Can I trust it? Yes, for images like the test images. It was tested on 75 "
            "independent groups that took no part in training.",
            "What do I do next?",
            "To use the detector: ./nextflow run . --model RESULTS/detection/target_detector "
            "--predict FOLDER",
            "Measured on 80 images in 75 groups that were given as test images (--test_boxes); "
            "none of them was used for training.",
        )
    ]
    assert places == sorted(places)
    assert "SYNTHETIC" not in text


@pytest.mark.parametrize(
    "precision, alarms",
    [
        (metric(0.9, n=40), "with 0.05 false alarms per image"),
        (metric(None, n=0), "with 0.00 false alarms per image"),
        (metric(None, n=3), "of the test insects; AP50"),
    ],
)
def test_false_alarms_per_image_follow_from_precision(report, results, precision, alarms):
    change(results, metrics={**METRICS, "precision": precision})
    assert alarms in report(target="x").text


def test_the_page_needs_no_other_file_and_no_script(report, results):
    page = report(target="x")
    assert len(page.sources) == len(PICTURES) and all(
        source.startswith("data:image/png;base64,") for source in page.sources
    )
    within = {base64.b64decode(source.partition(",")[2]) for source in page.sources}
    assert within == {(results / "detection" / name).read_bytes() for name in PICTURES}
    assert all(Image.open(io.BytesIO(data)).size == (8, 6) for data in within)
    assert not page.named("script") and not page.named("link")
    assert "url(" not in (results / "report.html").read_text(encoding="utf-8")


def test_errors_have_what_they_cost_and_unknown_look_alikes_are_unknown(report, results):
    errors = {}
    for n, kind in enumerate(("missed", "background", "poorly_placed"), 1):
        errors[kind] = {**metric(0.1 * n, 0.05 * n, 0.15 * n, n=10 * n), "n_at_threshold": n}
    errors["look_alike"] = {**metric(None, n=0), "n_at_threshold": 0}
    sizes = {
        "recall_below_2": metric(0.25, n=8),
        "ap50_below_2": metric(0.5, n=8),
        "recall_above_15": metric(None, n=0),
        "ap50_above_15": metric(None, n=0),
    }
    change(results, errors=errors, metrics={**METRICS, **sizes})
    text = report(target="x").text
    assert "Missed: an insect without any detection on it 1 10 0.10 (0.05 to 0.15)" in text
    assert "of these, on photos of other species (look-alikes) unknown unknown not measured" in text
    assert (
        "less than 2 % 25 % 0.50 8" in text and "more than 15 % not measured not measured 0" in text
    )
    assert "recall_below_2" not in text and "Poorly placed boxes cost much AP50" in text


def test_without_errors_by_kind_the_report_has_none(report):
    text = report(target="x").text
    assert "Errors by kind" not in text and "much AP50" not in text


def test_data_are_text_and_never_markup(report, results):
    page = report(target=EVIL, boxes="<img src=x onerror=alert(1)>")
    assert f"Detection of {EVIL}" in page.text
    assert "is <b>truncated</b>" in page.text and not page.named("b")
    assert "<img src=x onerror=alert(1)>" in page.text
    assert not page.named("script")


def test_headings_descend_pictures_have_words_and_tables_have_headers(report):
    page = report(target="x")
    levels = [int(tag[1]) for tag, _ in page.tags if tag in ("h1", "h2", "h3", "h4")]
    assert levels.count(1) == 1 and all(
        after - before <= 1 for before, after in zip(levels, levels[1:])
    )
    assert all(attrs["alt"] for attrs in page.named("img"))
    assert all(attrs.get("aria-label") or attrs.get("aria-hidden") for attrs in page.named("svg"))
    assert len(page.named("caption")) == len(page.named("table"))
    assert {attrs["scope"] for attrs in page.named("th")} == {"row", "col"}
    assert page.named("html") == [{"lang": "en"}]


def test_each_link_within_the_page_has_its_target(report):
    page = report(target="x")
    ids = {attrs["id"] for _, attrs in page.tags if "id" in attrs}
    links = {
        attrs["href"].removeprefix("#")
        for attrs in page.named("a")
        if attrs["href"].startswith("#")
    }
    assert links and links <= ids


def test_training_curves_are_drawn_and_described(report):
    descriptions = [attrs.get("aria-label") for attrs in report(target="x").named("svg")]
    assert descriptions.count("Training loss: loss from 5 to 0.167") == 2
    assert descriptions.count("Validation: AP50 from 0.08 to 2.4") == 2


def test_a_single_epoch_is_a_dot(report, results):
    rows = [("epoch", "loss", "best_epoch"), (1, 5.0, 1)]
    write_rows(results / "detection/insect_detector/training.csv", rows)
    dots = [
        attrs
        for attrs in report(target="x").named("circle")
        if attrs.get("class") == "series series-0"
    ]
    assert len(dots) == 1


def test_the_audit_shows_fifty_rows_and_says_how_many_more(report):
    text = report(target="x").text
    assert (
        "Käfer 49.jpg" in text and "Käfer 50.jpg" not in text and "3 more are in audit.json" in text
    )
    assert "53 files or boxes were left out while the input was read" in text


def test_the_split_is_counted_by_part_with_its_groups(report):
    assert (
        f"labelled / {EVIL} 2 0 2 test / - 0 1 1 all images 2 1 3 groups 1 1 2"
        in report(target="x").text
    )


def test_what_was_not_measured_says_so_and_why(report, results):
    text = report(target="x").text
    assert "Count error: mean absolute error of the insects per image not measured no data" in text
    (results / "detection/weak_boxes/quality.json").unlink()
    assert "Not measured: no true boxes were given for labelled images" in report(target="x").text


@pytest.mark.parametrize(
    "params, values, sentence",
    [
        ({"demo": True}, {}, "SYNTHETIC DATA: The detector finds"),
        ({"demo": True}, {}, "Not for real insects."),
        ({"weights": "none"}, {}, "Training started from random weights"),
        (
            {},
            {"groups": 12},
            "The test images form only 12 independent groups: too few for confidence intervals",
        ),
        ({}, {"groups": 12}, "Only as a first impression."),
        ({}, {"groups": 30}, "The metrics rest on 30 independent groups"),
        ({}, {"groups": 30}, "Roughly."),
        ({}, {"truth": "labels"}, "The test images have labels but no boxes"),
        ({}, {}, "held out from the images that were given; none of them was used for training"),
        ({}, {}, "For images from the same sources."),
        (
            {},
            {"metrics": {"recall": metric(None), "ap50": metric(None)}},
            "could not be measured: there is no insect on the test images",
        ),
        ({}, {"metrics": {**METRICS, "recall": metric(0.4)}}, "finds 40 % of the test insects"),
        ({}, {"metrics": {**METRICS, "recall": metric(0.4)}}, "Many insects are missed"),
        (
            {},
            {"metrics": {**METRICS, "precision": metric(0.5)}},
            "Many detections are false alarms",
        ),
        (
            {},
            {"metrics": {**METRICS, "recall": metric(float("nan"))}},
            "finds not measured of the test insects",
        ),
    ],
)
def test_the_words_follow_the_numbers(report, results, params, values, sentence):
    change(results, **values)
    assert sentence in report(target="x", **params).text


def test_synthetic_is_beside_every_figure_of_synthetic_data(report):
    page = report(target="x", demo=True)
    assert page.text.count("SYNTHETIC") > len(page.named("figure"))


@pytest.mark.parametrize("low_yield, is_low", [(0.3, True), (0.9, False)])
def test_a_low_yield_asks_for_a_better_insect_detector(report, results, low_yield, is_low):
    change_json(results / "detection/weak_boxes/quality.json", metrics={"yield": metric(low_yield)})
    assert (
        f"Only {100 * low_yield:.0f} % of the target's photos got a weak box"
        in report(target="x").text
    ) == is_low


def test_a_training_that_still_improved_wants_more_epochs(report, results):
    assert "was still improving" not in report(target="x").text
    epochs = [(epoch, 0.03 * epoch, epoch) for epoch in range(1, 31)]
    write_rows(
        results / "detection/insect_detector/training.csv",
        [("epoch", "validation_ap50", "best_epoch"), *epochs],
    )
    assert (
        "The insect detector was still improving in its last epochs (30 of 30 was best)."
        in report(target="x").text
    )


def test_a_run_on_boxes_alone_is_reported_without_weak_boxes(report, results):
    for name in ("weak_boxes", "target_detector"):
        for path in (results / "detection" / name).iterdir():
            path.unlink()
    text = report().text
    assert text.startswith("entoflow report Detection of insects")
    assert (
        "Weak boxes" not in text
        and "--model RESULTS/detection/insect_detector --predict FOLDER" in text
    )


def test_an_empty_chain_folder_is_reported_as_not_measured(tmp_path):
    (tmp_path / "detection").mkdir()
    write_report.main([f"--results={tmp_path}", f"--report={tmp_path / 'r.html'}"])
    text = Reader((tmp_path / "r.html").read_text()).text
    assert (
        "was not tested: evaluation/metrics.json is missing" in text
        and "Not yet. Nothing was measured." in text
    )


def test_several_chains_have_a_card_and_a_chapter_each(report, results):
    (results / "wingbeat").mkdir()
    (results / "identification").mkdir()
    page = report(target="x")
    assert page.text.startswith("entoflow report Results of this run")
    assert page.text.count("Can I trust it?") == page.text.count("What do I do next?") == 3
    assert {"detection", "identification", "wingbeat"} <= {
        attrs.get("id") for attrs in page.named("section")
    }


def test_equal_results_give_equal_bytes(report, results):
    report(target="x", seed=1)
    first = (results / "report.html").read_bytes()
    report(seed=1, target="x")
    assert (results / "report.html").read_bytes() == first


def test_versions_of_the_models_packages_and_of_other_software_are_listed(results):
    write_json(results / "versions.json", {"nextflow": "25.04.4"})
    write_report.main(
        [
            f"--results={results}",
            f"--versions={results / 'versions.json'}",
            f"--report={results / 'r.html'}",
        ]
    )
    assert (
        "software version nextflow 25.04.4 torch 2.9"
        in Reader((results / "r.html").read_text()).text
    )


def test_what_is_no_results_folder_or_no_json_is_refused_in_one_sentence(results, tmp_path):
    with pytest.raises(
        InputError,
        match="holds none of detection, identification, wingbeat; wanted the results folder",
    ):
        write_report.main([f"--results={tmp_path}", f"--report={tmp_path / 'r.html'}"])
    with pytest.raises(InputError, match="nowhere.json: holds no JSON object"):
        write_report.main(
            [
                f"--results={results}",
                f"--report={tmp_path / 'r.html'}",
                f"--params={tmp_path / 'nowhere.json'}",
            ]
        )
    (results / "detection/evaluation/metrics.json").write_text("{")
    with pytest.raises(InputError, match=r"metrics.json: is not JSON \("):
        write_report.main([f"--results={results}", f"--report={tmp_path / 'r.html'}"])


def test_the_command_exits_2_for_a_wrong_folder_and_helps_at_once(tmp_path):
    done = subprocess.run(
        [*command("write_report"), "--results", tmp_path, "--report", "r.html"],
        capture_output=True,
        text=True,
    )
    assert (
        done.returncode == 2
        and done.stderr.startswith("error: ")
        and len(done.stderr.splitlines()) == 1
    )
    start = time.perf_counter()
    subprocess.run([*command("write_report"), "--help"], capture_output=True, check=True)
    assert (
        time.perf_counter() - start < 2
    )  # 0.1 s where nothing else runs: the benchmarks measure that


@pytest.mark.parametrize(
    "crops, sentence",
    [
        (7, "A crop classifier gave a second opinion on 7 of the photos."),
        (0, "There was no second opinion by a crop classifier"),
    ],
)
def test_the_report_says_whether_the_rule_full_had_a_second_opinion(
    report, results, crops, sentence
):
    change_json(
        results / "detection/weak_boxes/weak_boxes.json", info={"rule": "full", "crops": crops}
    )
    assert sentence in report(target="x").text


def test_the_contribution_of_each_step_of_the_weak_boxes_is_a_table(report, results):
    rows = [
        {"boxes": "the rule full", "f1_50": metric(0.9, 0.85, 0.95), "gain": None},
        {"boxes": "without second opinion", "f1_50": metric(0.7), "gain": metric(0.2, 0.1, 0.3)},
    ]
    ablation = {"chain": "detection", "rule": "full", "n": 40, "groups": 40, "rows": rows}
    write_json(results / "detection/weak_boxes/ablation.json", ablation)
    text = report(target="x").text
    assert "contributes on the 40 photos with audit boxes" in text
    assert (
        "the rule full 0.90 (0.85 to 0.95) without second opinion 0.70 0.20 (0.10 to 0.30)" in text
    )


def test_what_is_worth_checking_is_shown_with_how_to_give_it_back(report, results):
    folder = results / "detection/weak_boxes"
    assert "No box needs checking." in report(target="x").text
    rows = [
        ("rank", "image", "reason"),
        (1, "a.jpg", "no box accepted"),
        (2, "b.jpg", "score near the threshold"),
    ]
    write_rows(folder / "review/review.csv", rows)
    Image.new("RGB", (8, 6), "yellow").save(folder / "review/review.png")
    info = json.loads((folder / "weak_boxes.json").read_text())["info"]
    change_json(folder / "weak_boxes.json", info={**info, "reviewed": 3})
    page = report(target="x")
    assert (
        "A person reviewed 3 photos: exactly the boxes left on them are accepted. 2 boxes and "
        "photos are worth checking" in page.text
    )
    assert "run the same command with the export: --reviewed EXPORT -resume" in page.text
    assert len(page.sources) == len(PICTURES) + 1


def test_rounds_are_a_curve_and_a_table_that_say_which_is_kept_and_one_round_is_no_curve(
    report, results
):
    path = results / "detection/weak_boxes/rounds.csv"
    head = (
        "round",
        "kept",
        "photos",
        "photos_with_box",
        "accepted",
        "ignored",
        "held_out_f1",
        "held_out_f1_low",
        "held_out_f1_high",
        "true_f1",
        "true_f1_low",
        "true_f1_high",
    )
    first = (1, "no", 9, 8, 8, 2, 0.7, "", "", 0.81, 0.7, 0.9)
    second = (2, "yes", 9, 9, 10, 1, 0.9, 0.8, 1.0, 0.85, 0.75, 0.9)
    third = (3, "no", 9, 9, 9, 0, 0.88, 0.8, 1.0, 0.86, 0.7, 0.9)
    write_rows(path, [head, first[:1] + ("yes",) + first[2:]])
    assert "Rounds: " not in report(target="x").text
    write_rows(path, [head, first, second, third])
    page = report(target="x")
    descriptions = [attrs.get("aria-label") for attrs in page.named("svg")]
    assert "F1 by round: held-out F1 from 0.7 to 0.88; true F1 from 0.81 to 0.86" in descriptions
    assert "Round 3 did not raise it and is not kept." in page.text
    assert (
        "1 no 8 8 2 0.70 0.81 (0.70 to 0.90) 2 yes 9 10 1 0.90 (0.80 to 1.00) 0.85 (0.75 to 0.90) "
        "3 no" in page.text
    )
