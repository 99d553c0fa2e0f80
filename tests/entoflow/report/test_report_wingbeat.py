"""What the report shows of a results folder of the wingbeat chain."""

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from entoflow.report import view
from pages import Reader
from report_files import change_json, metric, write_json, write_rows


def family(name, macro_f1, **values):
    return {"name": name, "baseline": False, "macro_f1": macro_f1, "p_best": 0.5, **values}


def grouped(grouped_f1, sensor_f1):
    """Return the macro-F1 of a family on new groups, and on new sensors."""
    return {
        "macro_f1": metric(grouped_f1, grouped_f1 - 0.02, grouped_f1 + 0.02),
        "sensor_macro_f1": metric(sensor_f1),
    }


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "results/wingbeat"
    families = {
        "features": family(
            "features",
            metric(0.9, 0.85, 0.95),
            balanced_accuracy=metric(0.91),
            seconds=1.25,
            optimism_gap=metric(0.01),
        ),
        "rnn": family("RNN", metric(0.8, 0.7, 0.85), optimism_gap=metric(0.004)),
        "F0 alone": {
            "name": "F0 alone",
            "baseline": True,
            "macro_f1": metric(0.4, 0.3, 0.5),
            "p_best": None,
        },
    }
    pairs = [
        {
            "a": "features",
            "b": "RNN",
            **metric(0.1, 0.05, 0.15),
            "p_holm": 0.012,
            "verdict": "better",
        },
        {
            "a": "features",
            "b": "of another run",
            **metric(0.1),
            "p_holm": None,
            "verdict": "better",
        },
    ]
    write_json(
        folder / "comparison.json",
        {
            "n": 120,
            "folds": 5,
            "seeds": [1, 2],
            "verdict": "features is best.",
            "best": ["features"],
            "families": families,
            "pairs": pairs,
        },
    )
    write_json(
        folder / "evaluation/metrics.json",
        {"metrics": {"macro_f1": metric(0.89, 0.8, 0.95), "label_set_size": metric(1.5)}},
    )
    rows = [("recording", "label", "group")]
    for n in range(24):
        rows += [(f"{n}.wav", "<b>fly", f"night {n}"), (f"{n}.wav", "bee", f"night {n}")]
    write_rows(folder / "split.csv", rows)
    return folder


@pytest.fixture
def report(folder):
    def _report(**params):
        return Reader(view.page(view.read(folder.parent, params, {})))

    return _report


def set_families(folder, **families):
    """Put other families in the comparison; the first one is the best."""
    change_json(
        folder / "comparison.json", families=families, best=[next(iter(families))], pairs=[]
    )


def test_the_first_screen_has_the_verdict_the_trust_and_how_to_use_the_model(report):
    text = report().text
    places = [
        text.index(words)
        for words in (
            "features is best.",
            "Can I trust it? For recordings like these. 120 events were each classified by models "
            "that were not trained on "
            "their group (24 groups).",
            "To use the best model: ./nextflow run . --model RESULTS/wingbeat/best --predict "
            "RECORDINGS",
            "Measured on 120 events of 24 groups",
            "Every family on the same folds",
        )
    ]
    assert places == sorted(places) and "5 folds, seeds 1, 2" in text


def test_families_and_baselines_are_a_table_and_only_pairs_of_families_of_this_run(report):
    text = report().text
    assert "features 0.90 (0.85 to 0.95) 0.50 0.91 1.2" in text
    assert "F0 alone (baseline) 0.40 (0.30 to 0.50)" in text
    assert (
        "features minus RNN 0.10 (0.05 to 0.15) 0.012 better" in text and "another run" not in text
    )
    assert (
        "Macro-F1 0.89 95 % interval 0.80 to 0.95" in text
        and "Mean number of classes in a label set 1.500" in text
    )
    assert "<b>fly 24 24" in text


@pytest.mark.parametrize(
    ("families", "sentence"),
    [
        (
            {"features": (0.97, 0.78), "rnn": (0.9, 0.88)},
            "On a sensor that it was not trained on, the features falls from 0.97 to 0.78 in "
            "macro-F1. There, the rnn is ahead (0.88): for other "
            "sensors, train it with --families rnn.",
        ),
        (
            {"features": (0.97, 0.78), "rnn": (0.9, 0.7)},
            "On a sensor that it was not trained on, the features falls from 0.97 to 0.78 in "
            "macro-F1.",
        ),
    ],
)
def test_the_loss_on_new_sensors_and_who_does_better_there_are_a_caution(
    report, folder, families, sentence
):
    set_families(
        folder,
        **{name: family(f"the {name}", **grouped(*values)) for name, values in families.items()},
    )
    text = report().text
    assert sentence in text and "For the same sensors." in text
    assert "Record with more sensors" in text
    assert ("--families" in text) == ("--families" in sentence)


def test_a_small_loss_on_new_sensors_and_sensors_that_were_not_measured_are_none(report, folder):
    set_families(
        folder,
        features=family("the features", **grouped(0.97, 0.95)),
        rnn=family("the rnn", **grouped(0.9, 0.96)),
    )
    assert "On a sensor" not in report().text
    set_families(folder, features=family("the features", metric(0.97)))
    assert "On a sensor" not in report().text


def test_the_optimism_of_a_random_split_is_a_caution_where_it_is_large(report, folder):
    assert "would be optimistic" not in report().text
    rows = {"rnn": family("RNN", metric(0.8, 0.7, 0.9), optimism_gap=metric(0.08, 0.05, 0.1))}
    set_families(folder, **rows)
    text = report().text
    assert (
        "A random split of single events would be optimistic: RNN would seem 0.08 better in "
        "macro-F1" in text
    )
    assert "RNN 0.08 (0.05 to 0.10)" in text


def test_a_baseline_within_the_interval_and_few_groups_limit_the_trust(report, folder):
    baseline = {
        "name": "F0 alone",
        "baseline": True,
        "macro_f1": metric(0.85, 0.8, 0.9),
        "p_best": None,
    }
    set_families(folder, features=family("features", metric(0.9, 0.84, 0.95)), floor=baseline)
    assert (
        "With caution. A simple baseline, F0 alone, does nearly as well (macro-F1 0.85 (0.80 to "
        "0.90))" in report().text
    )
    set_families(folder, features=family("features", metric(0.9)))
    write_rows(folder / "split.csv", [("recording", "label", "group"), ("a.wav", "fly", "1")])
    text = report().text
    assert "Only as a first impression. The recordings form 1 independent groups" in text
    assert "Record more independent groups" in text


def test_noise_at_0_db_is_beside_the_events_as_recorded_for_each_family(report, folder):
    entries = {"as recorded": metric(0.91, 0.8, 0.95), "wind": [metric(0.85), metric(0.42)]}
    change_json(
        folder / "comparison.json", robustness={"snrs_db": [10, 0], "families": {"rnn": entries}}
    )
    assert "family as recorded wind RNN 0.91 (0.80 to 0.95) 0.42" in report().text


def test_the_features_that_matter_most_come_first(report, folder):
    kinds = {"harmonics": metric(0.1), "cepstra": metric(0.3)}
    features = {f"feature {k:02}": metric(k / 100) for k in range(20)}
    change_json(folder / "comparison.json", importances={"kinds": kinds, "features": features})
    text = report().text
    assert text.index("cepstra 0.30") < text.index("harmonics 0.10")
    assert text.index("feature 19") < text.index("feature 10") and "feature 09" not in text


def test_f0_at_25_degrees_is_beside_f0_where_it_is_known(report, folder):
    path = folder / "evaluation/metrics.json"
    change_json(path, metrics={"f0_median_hz_bee": metric(220.0, n=7)})
    text = report().text
    assert "bee 220.00 7" in text and "25 °C" not in text
    known = {"f0_at_25_median_hz_bee": metric(226.0), "f0_percent_per_degc": metric(1.75)}
    change_json(path, metrics={"f0_median_hz_bee": metric(220.0, n=7), **known})
    text = report().text
    assert "bee 220.00 226.00 7" in text and "it rises by 1.75 % per °C" in text


def test_whether_more_recordings_help_is_told_and_a_next_step_where_they_do(report, folder):
    curve = {"verdict": "From 50 % of the groups to all it rose.", "gain": metric(0.03, 0.01, 0.05)}
    change_json(folder / "comparison.json", learning_curve=curve)
    text = report().text
    assert (
        "From 50 % of the groups to all it rose." in text
        and "More recordings are likely to help" in text
    )
    change_json(
        folder / "comparison.json", learning_curve={**curve, "gain": metric(0.0, -0.01, 0.01)}
    )
    assert "More recordings are likely to help" not in report().text


def test_some_events_of_each_kind_are_shown_with_words_that_cannot_become_markup(report, folder):
    assert "Some events" not in report().text
    plots = folder / "evaluation/plots"
    plots.mkdir(parents=True)
    kinds = ["wrong"] * 7 + ["unsure"] + ["right"] * 4
    for n, kind in enumerate(kinds):
        info = PngInfo()
        info.add_itxt("Description", f"<i>{n}.wav: fly ✗")
        Image.new("RGB", (8, 6)).save(plots / f"event_{n:02}_{kind}.png", pnginfo=info)
    page = report()
    assert len(page.named("figure")) == len(page.named("img")) == 6 + 1 + 3
    assert "<i>0.wav: fly ✗" in page.text and not page.named("i")
    assert all("<i>" in attrs["alt"] for attrs in page.named("img"))


def test_synthetic_sounds_are_marked(report):
    text = report(demo=True).text
    assert (
        "SYNTHETIC DATA: features is best." in text and "The sounds are made by a program" in text
    )


def test_an_empty_folder_gives_a_page(tmp_path):
    (tmp_path / "wingbeat").mkdir()
    text = Reader(view.page(view.read(tmp_path, {}, {}))).text
    assert (
        "No families of models were compared." in text and "Not yet. Nothing was measured." in text
    )
