"""What the report shows of a results folder of identification, and that it makes nothing up."""

import pytest
from PIL import Image

from entoflow.report import view
from pages import Reader
from report_files import change_json, metric, write_json, write_rows

EVIL = "<script>alert(1)</script> Käfer & Söhne"
EPOCHS = ("embedder", "epoch", "loss", "validation", "best_epoch")
METRICS = {
    "top1": metric(0.871, 0.79, 0.93, n=50),
    "top5": metric(0.95, 0.9, 0.99, n=50),
    "macro_top1": metric(0.8, n=50),
    "unknown_auroc": metric(0.861, 0.802, 0.913, n=138),
    "recall_at_1": metric(None, n=0),
    "label_set_size": metric(2.5, n=50),
    "old_top1_change_1": metric(-0.01, -0.02, 0.0, n=50),
    "a_metric_of_tomorrow": metric(0.125, n=50),
}
COMPARISON = [
    {"vectors": "chance", "head": "", "top1": metric(1 / 25)},
    {
        "vectors": "trained_refit",
        "head": "class_mean",
        "top1": metric(0.871, 0.79, 0.93),
        "chosen_less_this": {**metric(0.0, 0.0, 0.0), "verdict": "not distinguishable"},
    },
    {
        "vectors": "colours",
        "head": "nearest",
        "top1": metric(0.2, 0.1, 0.3),
        "chosen_less_this": {**metric(0.671, 0.5, 0.8), "verdict": "better"},
    },
    {
        "vectors": "pixels",
        "head": "ridge",
        "top1": metric(0.3),
        "chosen_less_this": {**metric(0.571), "verdict": "not distinguishable"},
    },
]
CLASSIFIERS = [
    {
        "vectors": "frozen",
        "head": "class_mean",
        "top1": metric(0.7),
        "unknown_auroc": 0.75,
        "seconds": 0.31,
    }
]
ENROLMENT = {
    "enrolled": 90,
    "skipped": 2,
    "sentence": "Old specimens named right: 0.750 before, 0.500 after (4 that ...).",
    "before": 0.75,
    "after": 0.5,
    "n": 4,
    "lost": {EVIL: 1},
    "rivals": {EVIL: [["ant", 0.912], [EVIL, 0.1]]},
}
LEFT_OUT = {
    "image": "Käfer.jpg",
    "row": 7,
    "source": "labels.csv",
    "stage": "import_images",
    "action": "left out",
    "reason": "is <b>truncated</b>",
}


def epochs(name, best=None, share=1 / 40):
    """Return thirty rows of training.csv.

    best: the best epoch, None where each was better than the one before.
    """
    return [(name, n, 3 / n, n * share, best or n) for n in range(1, 31)]


@pytest.fixture
def folder(tmp_path):
    """The folder as a run with all inputs leaves it."""
    folder = tmp_path / "results" / "identification"
    (folder / "evaluation/plots").mkdir(parents=True)
    for name in ("calibration", "risk_coverage", "known_unknown"):
        Image.new("RGB", (8, 6), "red").save(folder / f"evaluation/plots/{name}.png")
    evaluation = {
        "chain": "identification",
        "n": 138,
        "metrics": METRICS,
        "comparison": COMPARISON,
        "verdict": "The trained one is used.",
    }
    write_json(folder / "evaluation/metrics.json", evaluation)
    chosen = {"vectors": "trained", "head": "class_mean"}
    write_json(
        folder / "evaluation/classifier_comparison.json",
        {"chosen": chosen, "classifiers": CLASSIFIERS},
    )
    write_json(folder / "enrolment.json", ENROLMENT)
    write_json(
        folder / "embedder/model.json",
        {"provenance": {"parameters": {"weights": "none"}, "packages": {"timm": "1.0"}}},
    )
    write_rows(folder / "training.csv", [EPOCHS, *epochs("trained", 20)])
    write_rows(
        folder / "identified.csv",
        [
            ("image", "label", "score", "second", "second_score", "verdict"),
            ("a.jpg", EVIL, 0.9, "ant", 0.1, "known"),
            ("b.jpg", EVIL, 0.9, "ant", 0.1, "known"),
            ("c.jpg", "ant", 0.2, EVIL, 0.1, "unknown"),
        ],
    )
    write_rows(
        folder / "split.csv",
        [
            ("image", "group", "part", "label", "tier"),
            ("a.jpg", "1", "train", "ant", ""),
            ("b.jpg", "2", "test", "ant", ""),
            ("c.jpg", "2", "test", "ant", ""),
            ("d.jpg", "3", "test", EVIL, ""),
            ("e.jpg", "4", "unseen", "wasp", "far"),
        ],
    )
    write_json(
        folder / "audit.json", {"summary": {"import_images: left out": 1}, "rows": [LEFT_OUT]}
    )
    return folder


@pytest.fixture
def report(folder):
    def _report(**params):
        page = Reader(view.page(view.read(folder.parent, params, {})))
        assert page.text.count("Identification of specimens") >= 2
        return page

    return _report


def test_the_first_screen_has_the_verdict_the_trust_and_what_to_do_next(report):
    text = report().text
    verdict = (
        "87 % (79 to 93) of the test specimens are identified correctly; unknown classes are "
        "separated from known ones at an "
        "AUROC of 0.86 (0.80 to 0.91)."
    )
    places = [
        text.index(words)
        for words in (
            verdict,
            "Can I trust it? For specimens like these. It was tested on 50 held-out specimens",
            "What do I do next?",
            "Measured on 50 specimens of 2 classes that were not used for training, and on 1 "
            "class held out entirely.",
            "Identified correctly 87 % 95 % interval 79 to 93",
            "Metrics On specimens",
        )
    ]
    assert places == sorted(places)
    assert "SYNTHETIC" not in text


def test_metrics_are_a_table_with_those_not_measured_and_those_without_words(report):
    text = report().text
    assert "that are identified correctly 0.871 0.790 to 0.930 50 80" in text
    assert "Top-1 accuracy, mean over classes 0.800 50 80" in text
    assert "of the same class (recall at 1) not measured no data 0 80" in text
    assert "on the old classes by that (one specimen) -0.010 -0.020 to 0.000 50" in text
    assert "a_metric_of_tomorrow 0.125 50" in text


def test_a_metric_that_is_no_share_has_no_bar(report):
    bars = [attrs for attrs in report().named("svg") if attrs.get("class") == "bar"]
    assert (
        len(bars) == 5
    )  # of the eight one is not measured, one is a number of classes and one a change


def test_beside_it_are_the_baselines_with_the_difference_and_its_verdict(report):
    text = report().text
    assert "chance (baseline) 0.04" in text
    assert (
        "test and unseen nearest class mean 0.87 (0.79 to 0.93) +0.000 (+0.000 to +0.000): not "
        "distinguishable" in text
    )
    assert (
        "colour histogram (baseline) nearest neighbour 0.20 (0.10 to 0.30) +0.671 (+0.500 to "
        "+0.800): better" in text
    )
    assert (
        "pixels, 32 x 32 (baseline) ridge regression 0.30 +0.571 (too few classes or groups for "
        "an interval)" in text
    )
    assert "embedder before training nearest class mean 0.70 0.750 0.3" in text


def test_the_effect_of_enrolling_has_similar_classes_and_losses(report):
    text = report().text
    assert (
        "90 specimens were enrolled into the gallery, 2 were already in it. Old specimens named "
        "right: 0.750" in text
    )
    assert f"{EVIL} ant (0.91), {EVIL} (0.10)" in text and f"class specimens {EVIL} 1" in text


def test_identified_images_are_counted_by_verdict_and_class(report):
    text = report().text
    assert (
        "Of 3 images, 2 are of a known class, 1 are of none (unknown), and 0 are rejected" in text
    )
    assert f"class images {EVIL} 2" in text


def test_parts_are_counted_by_images_classes_and_groups(report):
    text = report().text
    assert (
        "train the embedder is trained on them 1 1 1 test identified, to measure accuracy 3 2 2 "
        "unseen" in text
    )
    assert "Käfer.jpg 7 labels.csv import_images is <b>truncated</b>" in text


def test_labels_are_text_and_the_page_needs_no_other_file_and_no_script(report):
    page = report()
    assert not [tag for tag, _ in page.tags if tag in ("script", "b", "iframe")]
    assert len(page.sources) == 3 and all(
        source.startswith("data:image/png;base64,") for source in page.sources
    )
    assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on")]
    assert all(attrs["href"].startswith(("#", "identification/")) for attrs in page.named("a"))


def test_synthetic_data_are_marked_everywhere(report):
    page = report(demo=True)
    assert page.text.index("SYNTHETIC DATA: 87 %") < page.text.index(
        "SYNTHETIC: the images are drawn by a program"
    )
    assert "Not for real insects. The images are drawn by a program" in page.text
    assert page.text.count("SYNTHETIC data") >= 3 + len(
        page.named("figure")
    )  # the three tiles, and each picture


def test_random_weights_are_a_caution_and_other_weights_are_none(report, folder):
    assert "The embedder started from random weights." in report().text
    change_json(folder / "embedder/model.json", provenance={"parameters": {"weights": "ab" * 32}})
    assert "started from random weights" not in report().text


def test_a_training_that_still_improved_wants_more_epochs(report, folder):
    assert "was still improving" not in report().text
    write_rows(folder / "training.csv", [EPOCHS, *epochs("trained")])
    page = report()
    assert (
        "The embedder was still improving in its last epochs (30 of 30 was best): raise "
        "--max_epochs" in page.text
    )
    assert any(
        "validation recall at 1 from 0.025 to 0.75" in attrs.get("aria-label", "")
        for attrs in page.named("svg")
    )


def test_a_projection_alone_has_its_curve_and_the_hint_that_the_network_could_be_trained(
    report, folder
):
    assert "--fine_tune" not in report().text
    write_rows(folder / "training.csv", [EPOCHS, *epochs("projected", 3, 1 / 80)])
    page = report()
    assert "The network itself was not trained" in page.text and "--fine_tune true" in page.text
    assert any(
        "validation recall at 1 from 0.0125 to 0.375" in attrs.get("aria-label", "")
        for attrs in page.named("svg")
    )


def test_two_trainings_have_a_curve_each_and_a_projection_never_wants_more_epochs(report, folder):
    write_rows(
        folder / "training.csv", [EPOCHS, *epochs("projected", share=1 / 80), *epochs("trained", 3)]
    )
    page = report()
    assert "still improving" not in page.text and "--fine_tune" not in page.text
    assert (
        sum("validation recall at 1" in attrs.get("aria-label", "") for attrs in page.named("svg"))
        == 2
    )


def test_a_training_without_validation_has_no_curve_and_is_no_improvement(report, folder):
    write_rows(
        folder / "training.csv", [EPOCHS, *(("trained", n, 3 / n, "", n) for n in range(1, 4))]
    )
    page = report()
    assert "87 % (79 to 93)" in page.text and "was still improving" not in page.text
    assert not any("recall" in attrs.get("aria-label", "") for attrs in page.named("svg"))


def test_names_by_rank_are_counted_where_there_are_such_and_their_metrics_have_words(
    report, folder
):
    assert "Identified with enough confidence" not in report().text
    write_rows(
        folder / "identified.csv",
        [
            ("image", "label", "verdict", "taxon", "rank"),
            ("a", "ant", "known", "ant", "species"),
            ("b", "ant", "known", "Lasius", "genus"),
            ("c", "ant", "unknown", "Lasius", "genus"),
            ("d", "ant", "reject", "", ""),
        ],
    )
    names = {
        "genus_named": metric(0.25),
        "genus_named_right": metric(0.955),
        "near_genus_named": metric(0.125),
    }
    change_json(folder / "evaluation/metrics.json", metrics=names)
    text = report().text
    assert "Identified with enough confidence: 1 to species, 2 to genus; 1 to no rank" in text
    assert (
        "Identified to genus only, the species being uncertain, of all test and unseen images 0.250"
        in text
    )
    assert "Correct, of those identified to genus only 0.955" in text
    assert "Unseen classes with a relative in the gallery: identified to genus 0.125" in text


def test_what_to_do_next_depends_on_what_was_done(report, folder):
    assert "To identify images" not in report().text
    (folder / "identified.csv").unlink()
    text = report().text
    assert (
        "To identify images: ./nextflow run . --gallery RESULTS/identification/gallery "
        "--unlabelled FOLDER" in text
    )
    assert (
        "To add specimens, of old classes or new: ./nextflow run . --gallery "
        "RESULTS/identification/gallery --specimens NEW" in text
    )


def test_doubtful_labels_are_listed_and_are_to_be_checked_first(report, folder):
    assert "Labels to check" not in report().text
    write_rows(
        folder / "label_audit.csv",
        [
            ("image", "label", "suggested", "doubt"),
            *((f"{n}.jpg", "ant", EVIL, 0.9) for n in range(20)),
        ],
    )
    text = report().text
    assert "What do I do next? Check the 20 labels that other specimens contradict" in text
    assert f"14.jpg ant {EVIL} 0.90" in text and "15.jpg ant" not in text


def test_clusters_are_counted_the_largest_first(report, folder):
    rows = [("image", "cluster", "nearest_known", "distance")]
    for cluster, n in (("3", 2), ("5", 4), ("-1", 3)):
        rows += [(f"{cluster}-{k}.jpg", cluster, "ant", 0.25) for k in range(n)]
    write_rows(folder / "clusters.csv", rows)
    text = report().text
    assert "2 clusters hold 6 images; 3 images are similar to no other" in text
    assert "5 4 ant 0.25 3 2 ant 0.25" in text and "identification/sheet/sheet.html" in text


@pytest.mark.parametrize(
    "metrics, sentence",
    [
        (
            {"top1": metric(0.5)},
            "Only as a first impression. 55 test specimens are of fewer than 20 classes or groups",
        ),
        (
            {"top1": metric(0.5, 0.4, 0.6)},
            "For classes in the gallery. It was tested on 55 held-out specimens",
        ),
        (
            {"top1": metric(0.5, 0.4, 0.6), "unknown_auroc": metric(0.8), "ece": metric(0.052)},
            "probabilities are 5 percentage points off",
        ),
    ],
)
def test_the_trust_follows_what_was_measured(report, folder, metrics, sentence):
    change_json(folder / "evaluation/metrics.json", metrics=metrics)
    assert sentence in report().text


def test_without_unseen_classes_the_report_says_that_unknown_ones_were_not_measured(report, folder):
    change_json(
        folder / "evaluation/metrics.json",
        metrics={"top1": metric(0.5), "unknown_auroc": metric(None)},
    )
    text = report().text
    assert (
        "50 % of the test specimens are identified correctly; how well unknown classes are "
        "recognised was not measured." in text
    )
    assert "Unknown classes (AUROC) not measured" in text


@pytest.mark.parametrize(
    "missing",
    [
        "evaluation/classifier_comparison.json",
        "evaluation/plots/calibration.png",
        "enrolment.json",
        "embedder/model.json",
        "training.csv",
        "identified.csv",
        "audit.json",
    ],
)
def test_what_is_not_there_is_left_out(report, folder, missing):
    (folder / missing).unlink()
    assert "87 % (79 to 93)" in report().text


def test_without_the_split_no_number_of_classes_is_made_up(report, folder):
    (folder / "split.csv").unlink()
    text = report().text
    assert "87 % (79 to 93)" in text and "of 0 classes" not in text and "on 0 classes" not in text


def test_a_gallery_that_was_only_used_is_measured_by_nothing(report, folder):
    for name in (
        "evaluation/metrics.json",
        "evaluation/classifier_comparison.json",
        "training.csv",
        "split.csv",
    ):
        (folder / name).unlink()
    text = report().text
    assert (
        "Old specimens named right: 0.750 before, 0.500 after" in text and "Measured on" not in text
    )
    assert "Not measured in this run." in text
    (folder / "enrolment.json").unlink()
    assert "An existing gallery was used; nothing was measured." in report().text


def test_an_empty_folder_gives_a_page(tmp_path):
    (tmp_path / "identification").mkdir()
    page = Reader(view.page(view.read(tmp_path, {}, {})))
    assert "An existing gallery was used; nothing was measured." in page.text


def test_versions_are_those_of_the_models(report):
    assert "The software that trained the models. software version timm 1.0" in report().text
