import base64
import csv
import io
import json
import subprocess
import time
from html.parser import HTMLParser

import pytest
import write_report
from PIL import Image

from conftest import command
from entoflow.report.words import false_alarms
from entoflow.task import InputError

EVIL = "<script>alert(1)</script> Käfer & Söhne"
PICTURES = ("evaluation/plots/best.png", "evaluation/plots/worst.png", "evaluation/plots/precision_recall.png",
            "evaluation/plots/confidence.png", "weak_boxes/samples.png")


def figure(value, low=None, high=None, n=55, groups=80):
    return {"value": value, "low": low, "high": high, "n": n, "groups": groups, "unit": "share"}


METRICS = {"ap50": figure(0.861, 0.802, 0.913), "recall": figure(0.871, 0.79, 0.93), "precision": figure(0.9, 0.82, 0.97, n=40),
           "threshold": figure(0.314, n=80), "count_mae": figure(None, n=0)}


@pytest.fixture
def results(tmp_path):
    """A results folder as a run with all inputs leaves it."""
    folder = tmp_path / "my results" / "detection"
    for inner in ("evaluation/plots", "weak_boxes", "insect_detector", "target_detector"):
        (folder / inner).mkdir(parents=True)
    for name, colour in zip(PICTURES, ("red", "green", "blue", "black", "white")):
        Image.new("RGB", (8, 6), colour).save(folder / name)
    dump(folder / "evaluation/metrics.json", {"chain": "detection", "n": 80, "groups": 75, "truth": "boxes", "metrics": METRICS})
    dump(folder / "weak_boxes/quality.json", {"chain": "detection", "n": 60, "metrics": {"yield": figure(0.9, 0.8, 1.0)}})
    dump(folder / "weak_boxes/weak_boxes.json", {"images": [{"id": 1}, {"id": 2}], "annotations": [
        {"image_id": 1, "band": "accept"}, {"image_id": 1, "band": "drop"}], "info": {"rule": "threshold"}, "categories": []})
    for name in ("insect_detector", "target_detector"):
        dump(folder / name / "model.json", {
            "name": name, "kind": "detector", "classes": [EVIL], "input": {"image_size": 160}, "threshold": 0.314,
            "metrics": {"ap50": figure(0.9)}, "provenance": {"seed": 1, "parameters": {"weights": "yolo11n.safetensors"}}})
        epochs = [f"{epoch},{5 / epoch:.3f},{0.08 * epoch:.2f},10" for epoch in range(1, 31)]
        (folder / name / "training.csv").write_text("\n".join(["epoch,loss,validation_ap50,best_epoch", *epochs, ""]))
    write_rows(folder / "split.csv", [("image", "group", "part", "role", "label"), ("a.jpg", "g1", "train", "labelled", EVIL),
                                      ("b.jpg", "g1", "train", "labelled", EVIL), ("c.jpg", "g2", "test", "test", "")])
    dump(folder / "audit.json", {"summary": {"import_images: left out": 53}, "rows": [
        {"image": f"Käfer {number}.jpg", "row": number, "source": "labels.csv", "stage": "import_images", "action": "left out",
         "reason": "is <b>truncated</b>"} for number in range(53)]})
    return folder.parent


def dump(path, content):
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def write_rows(path, rows):
    with open(path, "w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(rows)


class Reader(HTMLParser):
    """Collects what a browser would show, and complains about tags that are not closed in order."""

    VOID = ("meta", "img")

    def __init__(self, html):
        super().__init__()
        self.tags, self.open, self.words = [], [], []
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, words):
        if self.open and self.open[-1] != "style":
            self.words.append(words)

    def named(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


@pytest.fixture
def report(results):
    def _report(**params):
        dump(results / "params.json", params)
        write_report.main([f"--results={results}", f"--params={results / 'params.json'}", f"--report={results / 'report.html'}"])
        return Reader((results / "report.html").read_text(encoding="utf-8"))
    return _report


def change(path, **values):
    dump(path, {**json.loads(path.read_text()), **values})


def test_the_verdict_comes_first_with_intervals_and_where_it_was_measured(report):
    page = report(target="halyomorpha_halys", test_boxes="t.json")
    verdict = ("The detector of halyomorpha_halys finds 87 % (79 to 93) of the insects at 0.05 false alarms per image; AP50 0.86 (0.80 to 0.91). "
               "Measured on 80 images in 75 groups: test_boxes, never trained on.")
    assert verdict in page.text
    assert page.text.index(verdict) < page.text.index("What to do next")
    assert "SYNTHETIC" not in page.text


def test_false_alarms_per_image_follow_from_precision():
    assert false_alarms({"n": 80, "metrics": {"precision": figure(0.9, n=40)}}) == pytest.approx(4 / 80)
    assert false_alarms({"n": 80, "metrics": {"precision": figure(None, n=0)}}) == 0
    assert false_alarms({"n": 80, "metrics": {}}) is None


def test_the_page_needs_no_other_file_and_no_script(report, results):
    page = report(target="x")
    links = [value for _, attrs in page.tags for name, value in attrs.items() if name in ("src", "href")]
    assert len(links) == len(PICTURES) and all(link.startswith("data:image/png;base64,") for link in links)
    inlined = {base64.b64decode(link.partition(",")[2]) for link in links}
    assert inlined == {(results / "detection" / name).read_bytes() for name in PICTURES}
    assert all(Image.open(io.BytesIO(data)).size == (8, 6) for data in inlined)
    assert not page.named("script") and not page.named("link")
    assert "url(" not in (results / "report.html").read_text(encoding="utf-8")


def test_errors_are_told_in_plain_words_with_what_they_cost_and_unknown_look_alikes_are_unknown(report, results):
    errors = {kind: {**figure(0.1 * n, 0.05 * n, 0.15 * n, n=10 * n), "n_at_threshold": n}
              for n, kind in enumerate(("missed", "background", "poorly_placed"), 1)}
    errors["look_alike"] = {**figure(None, n=0), "n_at_threshold": 0}
    sizes = {"recall_below_2": figure(0.25, n=8), "ap50_below_2": figure(0.5, n=8), "recall_above_15": figure(None, n=0), "ap50_above_15": figure(None, n=0)}
    change(results / "detection/evaluation/metrics.json", errors=errors, metrics={**METRICS, **sizes})
    text = report(target="x").text
    assert "Missed: an insect on which no detection lies 1 10 0.10 (0.05 to 0.15)" in text
    assert "of these, on photos of other species (look-alikes) not known not known not measured" in text
    assert "less than 2 % 25 % 0.50 8" in text and "more than 15 % not measured not measured 0" in text
    assert "recall_below_2" not in text and "Much AP50 is lost to boxes that lie poorly" in text


def test_without_errors_by_kind_the_report_says_nothing_of_them(report):
    assert "What goes wrong" not in report(target="x").text and "Much AP50" not in report(target="x").text


def test_what_data_says_is_text_and_never_markup(report, results):
    page = report(target=EVIL, boxes="<img src=x onerror=alert(1)>")
    assert f"Detection of {EVIL}" in page.text
    assert "is <b>truncated</b>" in page.text and not page.named("b")
    assert "<img src=x onerror=alert(1)>" in page.text
    assert not page.named("script")


def test_headings_descend_pictures_have_words_and_tables_have_headers(report):
    page = report(target="x")
    levels = [int(tag[1]) for tag, _ in page.tags if tag in ("h1", "h2", "h3")]
    assert levels.count(1) == 1 and all(after - before <= 1 for before, after in zip(levels, levels[1:]))
    assert all(attrs["alt"] for attrs in page.named("img"))
    assert all(attrs.get("aria-label") or attrs.get("aria-hidden") for attrs in page.named("svg"))
    assert len(page.named("caption")) == len(page.named("table"))
    assert {attrs["scope"] for attrs in page.named("th")} == {"row", "col"}
    assert page.named("html") == [{"lang": "en"}]


def test_training_curves_are_drawn_and_told_in_words(report):
    told = [attrs.get("aria-label") for attrs in report(target="x").named("svg")]
    assert told.count("Loss in training: loss from 5 to 0.167") == 2


def test_the_audit_shows_fifty_rows_and_says_how_many_more(report):
    text = report(target="x").text
    assert "Käfer 49.jpg" in text and "Käfer 50.jpg" not in text and "3 more in audit.json" in text
    assert "53 given files or boxes were left out while reading" in text


def test_the_split_is_counted_by_part_with_its_groups(report):
    assert f"labelled / {EVIL} 2 0 2 test / - 0 1 1 all images 2 1 3 groups 1 1 2" in report(target="x").text


def test_what_was_not_measured_says_so_and_why(report, results):
    text = report(target="x").text
    assert "Count error: insects per image, mean absolute not measured nothing to measure it on" in text
    (results / "detection/weak_boxes/quality.json").unlink()
    assert "Not measured: no true boxes were given for labelled images" in report(target="x").text


@pytest.mark.parametrize("params, metrics, sentence", [
    ({"demo": True}, {}, "SYNTHETIC DATA: The detector of"),
    ({"weights": "none"}, {}, "Training started from random weights"),
    ({}, {"groups": 12}, "Only 12 independent groups of test images: too few for intervals"),
    ({}, {"groups": 30}, "The figures rest on 30 independent groups"),
    ({}, {"truth": "labels"}, "only presence is measured"),
    ({}, {}, "the held-out part of the given images, never trained on"),
    ({}, {"metrics": {"recall": figure(None), "ap50": figure(None)}}, "could not be measured: the test images hold none"),
    ({}, {"metrics": {**METRICS, "recall": figure(0.4)}}, "finds 40 % of the insects"),
    ({}, {"metrics": {**METRICS, "recall": figure(0.4)}}, "It misses many insects"),
    ({}, {"metrics": {**METRICS, "precision": figure(0.5)}}, "It raises many false alarms"),
    ({}, {"metrics": {**METRICS, "recall": figure(float("nan"))}}, "finds not measured of the insects"),
])
def test_the_words_follow_the_figures(report, results, params, metrics, sentence):
    change(results / "detection/evaluation/metrics.json", **metrics)
    assert sentence in report(target="x", **params).text


def test_synthetic_stands_by_every_figure_of_synthetic_data(report):
    page = report(target="x", demo=True)
    assert page.text.count("SYNTHETIC") > len(page.named("figure"))


@pytest.mark.parametrize("low_yield, said", [(0.3, True), (0.9, False)])
def test_a_low_yield_asks_for_a_better_insect_detector(report, results, low_yield, said):
    change(results / "detection/weak_boxes/quality.json", metrics={"yield": figure(low_yield)})
    assert (f"Only {100 * low_yield:.0f} % of the target's photos gave a weak box" in report(target="x").text) == said


def test_a_run_on_boxes_alone_is_told_without_weak_boxes(report, results):
    for name in ("weak_boxes", "target_detector"):
        for path in (results / "detection" / name).iterdir():
            path.unlink()
    text = report().text
    assert text.startswith("Detection of insects entoflow report Detection of insects")
    assert "Weak boxes" not in text and "--model RESULTS/detection/insect_detector --predict FOLDER" in text


def test_an_empty_chain_folder_is_told_as_not_measured(tmp_path):
    (tmp_path / "detection").mkdir()
    write_report.main([f"--results={tmp_path}", f"--report={tmp_path / 'r.html'}"])
    assert "was not measured: evaluation/metrics.json is missing" in Reader((tmp_path / "r.html").read_text()).text


def test_equal_results_give_equal_bytes(report, results):
    report(target="x", seed=1)
    first = (results / "report.html").read_bytes()
    report(seed=1, target="x")
    assert (results / "report.html").read_bytes() == first


def test_versions_are_listed(results):
    dump(results / "versions.json", {"nextflow": "25.04.4", "TRAIN_DETECTOR": {"torch": "2.9"}})
    write_report.main([f"--results={results}", f"--versions={results / 'versions.json'}", f"--report={results / 'r.html'}"])
    assert "Software that ran. what version TRAIN_DETECTOR torch 2.9 nextflow 25.04.4" in Reader((results / "r.html").read_text()).text


def test_what_is_no_results_folder_or_no_json_is_refused_in_one_sentence(results, tmp_path):
    with pytest.raises(InputError, match="holds none of detection, identification, wingbeat; wanted the results folder of a run"):
        write_report.main([f"--results={tmp_path}", f"--report={tmp_path / 'r.html'}"])
    with pytest.raises(InputError, match="nowhere.json: holds no JSON object"):
        write_report.main([f"--results={results}", f"--report={tmp_path / 'r.html'}", f"--params={tmp_path / 'nowhere.json'}"])
    (results / "detection/evaluation/metrics.json").write_text("{")
    with pytest.raises(InputError, match=r"metrics.json: is not JSON \("):
        write_report.main([f"--results={results}", f"--report={tmp_path / 'r.html'}"])


def test_the_command_exits_2_for_a_wrong_folder_and_helps_at_once(tmp_path):
    done = subprocess.run([*command("write_report"), "--results", tmp_path, "--report", "r.html"], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and done.stderr.startswith("error: ") and len(done.stderr.splitlines()) == 1
    start = time.perf_counter()
    subprocess.run([*command("write_report"), "--help"], capture_output=True, check=True)
    assert time.perf_counter() - start < 2  # 0.3 s where nothing else runs: the benchmarks measure that


@pytest.mark.parametrize("crops, sentence", [(7, "A crop classifier gave a second opinion of 7 of them."), (0, "No crop classifier gave a second opinion")])
def test_what_the_rule_full_went_by_is_told(report, results, crops, sentence):
    change(results / "detection/weak_boxes/weak_boxes.json", info={"rule": "full", "crops": crops})
    assert sentence in report(target="x").text


def test_what_each_step_of_the_weak_boxes_gives_is_a_table(report, results):
    rows = [{"boxes": "the rule full", "f1_50": figure(0.9, 0.85, 0.95), "gain": None},
            {"boxes": "without second opinion", "f1_50": figure(0.7), "gain": figure(0.2, 0.1, 0.3)}]
    dump(results / "detection/weak_boxes/ablation.json", {"chain": "detection", "rule": "full", "n": 40, "groups": 40, "rows": rows})
    text = report(target="x").text
    assert "gives on the 40 photos with audit boxes" in text
    assert "the rule full 0.90 (0.85 to 0.95) without second opinion 0.70 0.20 (0.10 to 0.30)" in text


def test_what_is_worth_a_look_is_shown_with_how_to_give_it_back(report, results):
    folder = results / "detection/weak_boxes"
    assert "No box is worth a look." in report(target="x").text
    (folder / "review").mkdir()
    Image.new("RGB", (8, 6), "yellow").save(folder / "review/review.png")
    write_rows(folder / "review/review.csv", [("rank", "image", "reason"), (1, "a.jpg", "no box accepted"), (2, "b.jpg", "score near the threshold")])
    weak = json.loads((folder / "weak_boxes.json").read_text())
    change(folder / "weak_boxes.json", info={**weak["info"], "reviewed": 3})
    page = report(target="x")
    assert "3 photos were reviewed by a person: exactly the boxes left on them are accepted. 2 boxes and photos are worth a person's look" in page.text
    assert "give the export to the same command: --reviewed EXPORT -resume" in page.text
    assert sum(attrs["src"].startswith("data:image/png") for attrs in page.named("img")) == len(PICTURES) + 1


def test_rounds_are_a_curve_and_a_table_that_say_which_is_kept_and_one_round_is_no_curve(report, results):
    head = ("round", "kept", "photos", "photos_with_box", "accepted", "ignored", "held_out_f1", "held_out_f1_low", "held_out_f1_high",
            "true_f1", "true_f1_low", "true_f1_high")
    first, second, third = ((1, "no", 9, 8, 8, 2, 0.7, "", "", 0.81, 0.7, 0.9), (2, "yes", 9, 9, 10, 1, 0.9, 0.8, 1.0, 0.85, 0.75, 0.9),
                            (3, "no", 9, 9, 9, 0, 0.88, 0.8, 1.0, 0.86, 0.7, 0.9))
    write_rows(results / "detection/weak_boxes/rounds.csv", [head, first[:1] + ("yes",) + first[2:]])
    assert "Rounds: " not in report(target="x").text
    write_rows(results / "detection/weak_boxes/rounds.csv", [head, first, second, third])
    page = report(target="x")
    assert "F1 by round: held-out F1 from 0.7 to 0.88; true F1 from 0.81 to 0.86" in [attrs.get("aria-label") for attrs in page.named("svg")]
    assert "Round 3 did not raise it and is not kept." in page.text
    assert "1 no 8 8 2 0.70 0.81 (0.70 to 0.90) 2 yes 9 10 1 0.90 (0.80 to 1.00) 0.85 (0.75 to 0.90) 3 no" in page.text
