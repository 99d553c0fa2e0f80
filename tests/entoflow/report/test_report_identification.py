"""What the report says of a results folder of identification: figures as they are, labels as text, and nothing of what is not there."""
import csv
import json
from html.parser import HTMLParser

import pytest
import write_report
from PIL import Image

from entoflow.pages import page
from entoflow.report import identification

EVIL = "<script>alert(1)</script> Käfer & Söhne"


def figure(value, low=None, high=None, n=50):
    return {"value": value, "low": low, "high": high, "n": n, "groups": 40, "unit": "share"}


EPOCHS = ("embedder", "epoch", "loss", "validation", "best_epoch")
METRICS = {"top1": figure(0.871, 0.79, 0.93), "top5": figure(0.95, 0.9, 0.99), "macro_top1": figure(0.8),
           "unknown_auroc": figure(0.861, 0.802, 0.913, n=138), "recall_at_1": figure(None, n=0), "label_set_size": figure(2.5),
           "old_top1_change_1": figure(-0.01, -0.02, 0.0), "a_figure_of_tomorrow": figure(0.125)}
COMPARISON = [{"vectors": "chance", "head": "", "top1": figure(1 / 25)},
              {"vectors": "trained_refit", "head": "class_mean", "top1": figure(0.871, 0.79, 0.93),
               "chosen_less_this": {**figure(0.0, 0.0, 0.0), "verdict": "not distinguishable"}},
              {"vectors": "colours", "head": "nearest", "top1": figure(0.2, 0.1, 0.3), "chosen_less_this": {**figure(0.671, 0.5, 0.8), "verdict": "better"}},
              {"vectors": "pixels", "head": "ridge", "top1": figure(0.3), "chosen_less_this": {**figure(0.571), "verdict": "not distinguishable"}}]


def dump(path, content):
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def write_rows(path, rows):
    with open(path, "w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(rows)


@pytest.fixture
def folder(tmp_path):
    """The folder as a run with all inputs leaves it."""
    folder = tmp_path / "results" / "identification"
    for inner in ("evaluation/plots", "embedder"):
        (folder / inner).mkdir(parents=True)
    for name in ("calibration", "risk_coverage", "known_unknown"):
        Image.new("RGB", (8, 6), "red").save(folder / f"evaluation/plots/{name}.png")
    dump(folder / "evaluation/metrics.json", {"chain": "identification", "n": 138, "metrics": METRICS, "comparison": COMPARISON,
                                              "verdict": "The trained one is used."})
    dump(folder / "evaluation/ladder.json", {"chosen": {"vectors": "trained", "head": "class_mean"}, "verdict": {"sentence": "The trained one is used."},
                                             "ladder": [{"vectors": "frozen", "head": "class_mean", "top1": figure(0.7), "unknown_auroc": 0.75,
                                                         "seconds": 0.31}]})
    dump(folder / "enrolment.json", {"enrolled": 90, "skipped": 2, "sentence": "Old specimens named right: 0.750 before, 0.500 after (4 that ...).",
                                     "before": 0.75, "after": 0.5, "n": 4, "lost": {EVIL: 1}, "rivals": {EVIL: [["ant", 0.912], [EVIL, 0.1]]}})
    dump(folder / "embedder/model.json", {"provenance": {"parameters": {"weights": "none"}}})
    write_rows(folder / "training.csv", [EPOCHS, *(("trained", n, 3 / n, n / 40, min(n, 20)) for n in range(1, 31))])
    write_rows(folder / "identified.csv", [("image", "label", "score", "second", "second_score", "verdict"), ("a.jpg", EVIL, 0.9, "ant", 0.1, "known"),
                                           ("b.jpg", EVIL, 0.9, "ant", 0.1, "known"), ("c.jpg", "ant", 0.2, EVIL, 0.1, "unknown")])
    write_rows(folder / "split.csv", [("image", "group", "part", "label", "tier"), ("a.jpg", "1", "train", "ant", ""), ("b.jpg", "2", "test", "ant", ""),
                                      ("c.jpg", "2", "test", "ant", ""), ("d.jpg", "3", "test", EVIL, ""), ("e.jpg", "4", "unseen", "wasp", "far")])
    dump(folder / "audit.json", {"summary": {"import_images: left out": 1}, "rows": [
        {"image": "Käfer.jpg", "row": 7, "source": "labels.csv", "stage": "import_images", "action": "left out", "reason": "is <b>truncated</b>"}]})
    return folder


class Reader(HTMLParser):
    """Collects what a browser would show, and complains about tags that are not closed in order."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.open, self.words = [], [], []
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, words):
        if self.open and self.open[-1] != "style":
            self.words.append(words)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


@pytest.fixture
def told(folder):
    def _told(**params):
        title, parts = identification.told(folder, params)
        assert title == "Identification of specimens"
        return Reader(page(title, "", parts))
    return _told


def change(path, **values):
    dump(path, {**json.loads(path.read_text(encoding="utf-8")), **values})


def test_the_verdict_comes_first_with_intervals_and_on_what_it_was_measured(told):
    text = told().text
    verdict = "87 % (79 to 93) of the test specimens are named right; unknown classes are told from known ones with an AUROC of 0.86 (0.80 to 0.91)."
    assert verdict + " Measured on 50 specimens of 2 classes that nothing learned from, and on 1 classes held out whole." in text
    assert text.index(verdict) < text.index("Named right 87 % 95 % interval 79 to 93") < text.index("What to do next") < text.index("Figures On specimens")
    assert "SYNTHETIC" not in text


def test_figures_are_a_table_with_those_not_measured_and_those_without_words(told):
    text = told().text
    assert "Named right: share of the test specimens of known classes 0.871 0.790 to 0.930 50" in text
    assert "Named right, each class weighing the same 0.800 50" in text
    assert "Unseen classes: the most similar image is of the class not measured 0" in text
    assert "What that changed for the old classes (1) -0.010 -0.020 to 0.000 50" in text
    assert "a_figure_of_tomorrow 0.125 50" in text


def test_a_figure_beyond_shares_has_no_bar(told):
    bars = sum(attrs.get("class") == "bar" for tag, attrs in told().tags if tag == "svg")
    assert bars == 5  # of the eight one is not measured, one is a number of names and one a change


def test_beside_it_stand_the_baselines_with_the_difference_and_its_verdict(told):
    text = told().text
    assert "chance 0.04" in text
    assert "trained embedder, refit on all but test and unseen class mean 0.87 (0.79 to 0.93) +0.000 (+0.000 to +0.000): not distinguishable" in text
    assert "colours (histogram) nearest 0.20 (0.10 to 0.30) +0.671 (+0.500 to +0.800): better" in text
    assert "pixels (32 x 32) ridge 0.30 +0.571 (too few classes or groups for an interval)" in text
    assert "embedder as given class mean 0.70 0.750 0.3" in text


def test_what_enrolling_did_is_told_with_rivals_and_losses(told):
    text = told().text
    assert "90 specimens enrolled, 2 were there already. Old specimens named right: 0.750 before, 0.500 after" in text
    assert f"{EVIL} ant (0.91), {EVIL} (0.10)" in text and f"class specimens {EVIL} 1" in text


def test_identified_images_are_counted_by_verdict_and_name(told):
    assert f"known 2, unknown 1, reject 0 of 3 images. The most frequent names among those known. class images {EVIL} 2" in told().text


def test_parts_are_counted_by_images_classes_and_groups(told):
    text = told().text
    assert "train the embedder learns from them 1 1 1 test named, to be measured 3 2 2 unseen classes held out whole 1 1 1" in text
    assert "Käfer.jpg 7 labels.csv import_images is <b>truncated</b>" in text


def test_labels_are_text_and_the_page_needs_no_other_file_and_no_script(told):
    found = told()
    assert not [tag for tag, _ in found.tags if tag in ("script", "b", "iframe")]
    links = [value for _, attrs in found.tags for name, value in attrs.items() if name in ("src", "href")]
    assert len(links) == 3 and all(link.startswith("data:image/png;base64,") for link in links)
    assert not [name for _, attrs in found.tags for name in attrs if name.startswith("on")]


def test_synthetic_data_are_said_to_be_so_everywhere(told):
    text = told(demo=True).text
    assert text.index("SYNTHETIC DATA: 87 %") < text.index("SYNTHETIC: the images are drawn by a program")
    assert text.count("SYNTHETIC data") == 3 + 1  # the three key figures and the table


def test_random_weights_are_a_caution_and_given_ones_are_none(told, folder):
    assert "The embedder started from random weights." in told().text
    change(folder / "embedder/model.json", provenance={"parameters": {"weights": "ab" * 32}})
    assert "started from random weights" not in told().text


def test_a_training_that_still_improved_wants_more_epochs(told, folder):
    assert "was still improving" not in told().text
    rows = [("trained", n, 3 / n, n / 40, n) for n in range(1, 31)]
    write_rows(folder / "training.csv", [EPOCHS, *rows])
    found = told()
    assert "The embedder was still improving in its last epochs (30 of 30 was best): raise --max_epochs" in found.text
    assert any("validation recall at 1 from 0.025 to 0.75" in attrs.get("aria-label", "") for _, attrs in found.tags)


def test_a_projection_alone_has_its_curve_and_the_word_that_the_network_could_be_trained(told, folder):
    assert "--fine_tune" not in told().text
    write_rows(folder / "training.csv", [EPOCHS, *(("projected", n, 3 / n, n / 80, 3) for n in range(1, 31))])
    found = told()
    assert "The network itself was not trained" in found.text and "--fine_tune true" in found.text and "The projection: share of the" in found.text
    assert any("validation recall at 1 from 0.0125 to 0.375" in attrs.get("aria-label", "") for _, attrs in found.tags)


def test_two_trainings_have_a_curve_each_and_a_projection_never_wants_more_epochs(told, folder):
    write_rows(folder / "training.csv", [EPOCHS, *(("projected", n, 3 / n, n / 80, n) for n in range(1, 31)),
                                         *(("trained", n, 3 / n, n / 40, 3) for n in range(1, 31))])
    found = told()
    assert "still improving" not in found.text and "--fine_tune" not in found.text
    assert sum("validation recall at 1" in attrs.get("aria-label", "") for _, attrs in found.tags) == 2


def test_a_training_without_validation_has_no_curve_and_is_no_improvement(told, folder):
    write_rows(folder / "training.csv", [EPOCHS, *(("trained", n, 3 / n, "", n) for n in range(1, 4))])
    assert "87 % (79 to 93)" in told().text and "was still improving" not in told().text


def test_names_by_rank_are_counted_where_there_are_such_and_their_figures_have_words(told, folder):
    assert "Sure enough to be named" not in told().text
    names = [("a", "ant", "known", "ant", "species"), ("b", "ant", "known", "Lasius", "genus"), ("c", "ant", "unknown", "Lasius", "genus"),
             ("d", "ant", "reject", "", "")]
    write_rows(folder / "identified.csv", [("image", "label", "verdict", "taxon", "rank"), *names])
    change(folder / "evaluation/metrics.json", metrics={"genus_named": figure(0.25), "genus_named_right": figure(0.955), "near_genus_named": figure(0.125)})
    text = told().text
    assert "Sure enough to be named: 1 by species, 2 by genus; 1 not (columns taxon and rank of identified.csv)." in text
    assert "Sure enough to be named by genus, the species being unsure, of all test and unseen images 0.250 50" in text
    assert "Named by genus, the species being unsure, and right 0.955 50" in text
    assert "Unseen classes with a sister in the gallery: named by genus 0.125 50" in text


def test_what_to_do_next_depends_on_what_was_done(told, folder):
    assert "To name images" not in told().text
    (folder / "identified.csv").unlink()
    text = told().text
    assert "To name images: ./nextflow run . --gallery RESULTS/identification/gallery --unlabelled FOLDER" in text
    assert "To enrol new specimens, of old classes or new: ./nextflow run . --gallery RESULTS/identification/gallery --specimens NEW.csv" in text


def test_without_unseen_classes_it_says_that_unknown_ones_were_not_measured(told, folder):
    change(folder / "evaluation/metrics.json", metrics={"top1": figure(0.5), "unknown_auroc": figure(None)})
    text = told().text
    assert "50 % of the test specimens are named right; unknown classes were not measured." in text and "Unknown told (AUROC) not measured" in text


@pytest.mark.parametrize("missing", ["evaluation/ladder.json", "evaluation/plots/calibration.png", "enrolment.json", "embedder/model.json", "training.csv",
                                     "identified.csv", "audit.json"])
def test_what_is_not_there_is_not_told(told, folder, missing):
    (folder / missing).unlink()
    assert "87 % (79 to 93)" in told().text


def test_without_the_split_no_number_of_classes_is_made_up(told, folder):
    (folder / "split.csv").unlink()
    text = told().text
    assert "87 % (79 to 93)" in text and "of 0 classes" not in text and "on 0 classes" not in text


def test_a_gallery_that_was_only_used_is_measured_by_nothing(told, folder):
    for name in ("evaluation/metrics.json", "evaluation/ladder.json", "training.csv", "split.csv"):
        (folder / name).unlink()
    text = told().text
    assert "Old specimens named right: 0.750 before, 0.500 after" in text and "Measured on" not in text and "Named right 87 %" not in text
    (folder / "enrolment.json").unlink()
    assert "The gallery was used as it is; nothing was measured." in told().text


def test_an_empty_folder_gives_a_page(tmp_path):
    _, parts = identification.told(tmp_path, {})
    assert "The gallery was used as it is; nothing was measured." in Reader(page("", "", parts)).text


def test_it_is_a_chapter_of_the_runs_report(folder, tmp_path):
    write_report.main([f"--results={folder.parent}", f"--report={tmp_path}/report.html"])
    assert "Identification of specimens" in Reader((tmp_path / "report.html").read_text(encoding="utf-8")).text
