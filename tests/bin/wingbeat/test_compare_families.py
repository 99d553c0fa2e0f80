import csv
import json

import compare_families
import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import balanced_accuracy_score, f1_score

from entoflow import model_folder
from entoflow.task import InputError
from entoflow.wingbeat import importances, learning_curves, robustness, wingbeat_features

CLASSES = ["bee", "bmsb", "fly"]
N, GROUPS = 240, 30


@pytest.fixture
def world(tmp_path):
    """Return a folder with 240 events of three classes in 30 groups and five folds, features, and a model folder of each of two families."""
    rng = np.random.default_rng(1)
    columns, group = np.arange(N) % 3, np.arange(N) % GROUPS
    clips = [{"id": at, "recording": f"{at:03}.wav", "start": 0, "end": 0.5, "label": CLASSES[columns[at]], "group": f"g{group[at]:02}", "time": None,
              "sensor": None, "flags": [], "folds": {"grouped_1": int(group[at] // 3 % 5), "random_1": at // 3 % 5}} for at in range(N)]
    info = {"sample_rate": 8000, "partitions": {name: {"folds": 5, "seed": 1} for name in ("grouped_1", "random_1")}}
    (tmp_path / "clips.json").write_text(json.dumps({"info": info, "clips": clips}))
    np.save(tmp_path / "samples.npy", np.zeros((N, 10), np.float32))
    table = np.stack([200 + 100 * columns + rng.normal(0, 60, N), np.where(np.arange(N) % 10, 0.9, 0.1)], axis=1).astype(np.float32)
    np.savez(tmp_path / "features.npz", table=table, names=np.array(["f0_hz", "f0_confidence"]), lengths=np.full(N, 10))
    for family in ("features", "rnn"):
        folder = tmp_path / "models" / family
        folder.mkdir(parents=True)
        (folder / "classifier.npz").write_bytes(family.encode())
        facts = {"name": family, "kind": "wingbeat", "classes": CLASSES, "input": {"family": family, "sample_rate": 8000}, "threshold": None, "metrics": {},
                 "metrics_of": "held-out groups"}
        model_folder.write(folder, facts, {"data": {}, "parameters": {}, "seed": 1}, "Apache-2.0")
    return tmp_path


def say(world, family, right, sharp=3.0, partitions=("grouped_1", "random_1"), seed=2):
    """Let a family name a share of the events right, the others wrong, and return its probabilities (n x 3)."""
    clips, rng = json.loads((world / "clips.json").read_text())["clips"], np.random.default_rng(seed)
    columns = np.array([CLASSES.index(clip["label"]) for clip in clips])
    named = np.where(rng.random(N) < right, columns, (columns + 1) % 3)
    odds = np.exp(sharp * np.eye(3)[named] + 0.1 * rng.normal(size=(N, 3)))
    probability = (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32)
    for partition in partitions:
        for fold in range(5):
            rows = np.array([at for at, clip in enumerate(clips) if clip["folds"][partition] == fold], int)
            np.savez(world / f"{family}_{partition}_{fold + 1}.npz", rows=rows, probabilities=probability[rows], classes=np.array(CLASSES), family=family,
                     partition=partition, fold=fold + 1, seconds=1.5)
    return columns, probability


@pytest.fixture
def run(world, capsys):
    def _run(pictures=0):
        files = [f"--{name}={world / file}" for name, file in (
            ("clips", "clips.json"), ("samples", "samples.npy"), ("features", "features.npz"), ("comparison", "comparison.json"), ("metrics", "metrics.json"),
            ("plots", "plots"), ("best", "best"), ("predictions_csv", "predictions.csv"))]
        files += [f"--most_pictures={pictures}"]
        compare_families.main([*files, "--predictions", *map(str, sorted(world.glob("*_*_[1-5].npz"))), "--models", *map(str, (world / "models").iterdir())])
        read = [json.loads((world / name).read_text()) for name in ("comparison.json", "metrics.json")]
        return *read, capsys.readouterr().out.strip()
    return _run


def test_the_better_family_is_named_ships_and_its_figures_are_those_of_scikit_learn(world, run):
    truth, good = say(world, "features", 0.9)
    _, poor = say(world, "rnn", 0.5, seed=3)
    comparison, metrics, said = run()
    assert comparison["best"] == ["features"] and said == comparison["verdict"] and said.startswith("features is best")
    for family, probability in (("features", good), ("rnn", poor)):
        row = comparison["families"][family]
        assert row["macro_f1"]["value"] == pytest.approx(f1_score(truth, probability.argmax(axis=1), average="macro"))
        assert row["balanced_accuracy"]["value"] == pytest.approx(balanced_accuracy_score(truth, probability.argmax(axis=1)))
        assert row["optimism_gap"]["value"] == pytest.approx(0, abs=1e-9) and row["seconds"] == 1.5
    assert metrics["chain"] == "wingbeat" and metrics["n"] == N
    found = metrics["metrics"]
    assert found["macro_f1"]["value"] == pytest.approx(f1_score(truth, good.argmax(axis=1), average="macro"))  # best on the other folds of each
    assert found["top2"]["value"] == pytest.approx((np.argsort(-good, axis=1)[:, :2] == truth[:, None]).any(axis=1).mean())
    assert found["macro_f1"]["low"] < found["macro_f1"]["value"] < found["macro_f1"]["high"] and found["macro_f1"]["groups"] == GROUPS
    assert (world / "best/classifier.npz").read_bytes() == b"features" and model_folder.read(world / "best")["metrics"]["macro_f1"]["n"] == N


def test_ways_that_hardly_listen_stand_beside_the_families(world, run):
    say(world, "features", 0.9)
    comparison, *_ = run()
    floors = {name: row for name, row in comparison["families"].items() if row["floor"]}
    assert set(floors) == {"most frequent class", "F0 alone"}  # no time is known
    assert floors["most frequent class"]["macro_f1"]["value"] == pytest.approx(1 / 6, abs=0.06)  # a third of one class's F1 of a half
    assert 0.5 < floors["F0 alone"]["macro_f1"]["value"] < 0.9  # means 100 Hz apart, deviations of 60


def test_a_temperature_fitted_on_other_folds_makes_boasting_probabilities_credible(world, run):
    say(world, "features", 0.7, sharp=12.0)
    found = run()[1]["metrics"]
    assert found["ece_before"]["value"] > 0.25 and found["ece"]["value"] < 0.1
    temperature = model_folder.read(world / "best")["calibration"]["temperature"]
    assert np.exp(12 / temperature) / (np.exp(12 / temperature) + 2) == pytest.approx(0.7, abs=0.05)


def test_label_sets_hold_as_many_right_names_as_they_should(world, run):
    say(world, "features", 0.7, sharp=3.0)
    found = run()[1]["metrics"]
    assert 0.85 <= found["label_set_coverage"]["value"] <= 1 and 1 <= found["label_set_size"]["value"] < 3
    assert 0 < model_folder.read(world / "best")["calibration"]["conformal"] <= 1


def test_f0_is_brought_to_25_degrees_where_all_temperatures_are_told(world, run):
    """F0 of 200, 210 and 220 Hz at 25 degrees rises by 4 % a degree, and nights differ by more than kinds."""
    truth, _ = say(world, "features", 0.9)
    content, rng = json.loads((world / "clips.json").read_text()), np.random.default_rng(5)
    degc, spread = 20 + np.arange(N) % GROUPS / 3, rng.normal(0, 3, N)
    for at, clip in enumerate(content["clips"]):
        clip["temperature"] = float(degc[at])
    (world / "clips.json").write_text(json.dumps(content))
    table = np.load(world / "features.npz")["table"]
    table[:, 0] = (200 + 10 * truth + spread) * 1.04 ** (degc - 25)
    np.savez(world / "features.npz", table=table, names=np.array(["f0_hz", "f0_confidence"]), lengths=np.full(N, 10))
    comparison, metrics, _ = run()
    alone, at_25 = (comparison["families"][name]["macro_f1"]["value"] for name in ("F0 alone", "F0 at 25 degC alone"))
    assert at_25 > 0.75 > 0.6 > alone
    found = metrics["metrics"]
    assert found["f0_percent_per_degc"]["value"] == pytest.approx(4, abs=0.2)
    for column, name in enumerate(CLASSES):
        assert found[f"f0_at_25_median_hz_{name}"]["value"] == pytest.approx(200 + 10 * column, abs=2)


def test_what_was_tried_beside_the_comparison_is_told(world, run):
    truth, good = say(world, "features", 0.9)
    content = json.loads((world / "clips.json").read_text())
    columns, groups, fold = truth, [clip["group"] for clip in content["clips"]], np.array([clip["folds"]["grouped_1"] for clip in content["clips"]])
    for name, own in learning_curves.partitions(columns, np.array(groups), fold, 1).items():
        content["info"]["partitions"][name] = {"folds": 1, "seed": 1}
        for clip, number in zip(content["clips"], own):
            clip["folds"][name] = int(number)
        rows = np.flatnonzero(own == 0)
        np.savez(world / f"features_{name}_1.npz", rows=rows, probabilities=good[rows], classes=np.array(CLASSES), family="features", partition=name, fold=1,
                 seconds=1.0)
    (world / "clips.json").write_text(json.dumps(content))
    for path in world.glob("features_grouped_1_*.npz"):
        file = dict(np.load(path))
        rows = file["rows"]
        noisy = np.repeat(file["probabilities"][None], len(robustness.CONDITIONS), axis=0)
        noisy[-1] = np.roll(noisy[-1], 1, axis=1)  # wind at the lowest SNR
        sets = len(wingbeat_features.KINDS) + 2
        shuffled = np.tile(file["probabilities"].argmax(axis=1), (1 + sets * importances.SHUFFLES, 1))
        np.savez(path, **file, noisy=noisy, noisy_rows=rows, shuffled=shuffled)
    comparison, *_ = run()
    value = comparison["families"]["features"]["macro_f1"]["value"]
    noise = comparison["robustness"]["families"]["features"]
    assert noise["white"][0]["value"] == noise["as recorded"]["value"] == pytest.approx(value) and noise["wind"][-1]["value"] < 0.2
    assert comparison["learning_curve"]["gain"]["value"] == 0 and len(comparison["learning_curve"]["families"]["features"]) == 3
    assert list(comparison["importances"]["features"]) == ["f0_hz", "f0_confidence"] and set(comparison["importances"]["kinds"]) == set(wingbeat_features.KINDS)
    for name in ("noise", "learning_curve"):
        with Image.open(world / "plots" / f"{name}.png") as image:
            assert min(image.size) > 200


def test_each_held_out_event_has_a_row_with_its_name_and_how_likely_that_is(world, run):
    _, good = say(world, "features", 0.9, sharp=12.0)
    run()
    with (world / "predictions.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert list(rows[0]) == ["recording", "start", "end", "label", "score", "f0_hz", "verdict"]
    assert [row["recording"] for row in rows] == [f"{at:03}.wav" for at in range(N)]
    assert [row["label"] for row in rows] == [CLASSES[at] for at in good.argmax(axis=1)]
    assert all(0.4 < float(row["score"]) < 1 for row in rows) and {row["verdict"] for row in rows} == {"known"}  # no class was left out
    np.testing.assert_allclose([float(row["f0_hz"]) for row in rows], np.load(world / "features.npz")["table"][:, 0], atol=0.06)


def test_what_is_less_sure_than_most_events_of_learned_classes_is_of_an_unknown_one(world, run):
    """Classes that were left out are named with 0.5, the others with 0.9, a fifth of each the other way round."""
    say(world, "features", 0.9)
    content = json.loads((world / "clips.json").read_text())
    content["info"]["partitions"]["without_1"] = {"folds": 1, "seed": 1}
    for clip in content["clips"]:
        own = clip["folds"]["grouped_1"] == 0
        clip["folds"]["without_1"] = 0 if own else -2 if clip["label"] == "fly" else -1
    (world / "clips.json").write_text(json.dumps(content))
    rows = np.array([at for at, clip in enumerate(content["clips"]) if clip["folds"]["without_1"] == 0])
    sure = np.where((rows % 3 == 2) ^ (np.arange(len(rows)) % 5 == 0), 0.5, 0.9)
    np.savez(world / "features_without_1_1.npz", rows=rows, probabilities=np.stack([sure, 1 - sure, 0 * sure], axis=1).astype(np.float32),
             classes=np.array(CLASSES), family="features", partition="without_1", fold=1, seconds=1.5)
    found = run()[1]["metrics"]["unknown_auroc"]
    calibration = model_folder.read(world / "best")["calibration"]
    cold, warm = (np.float64([p, 1 - p]) ** (1 / calibration["temperature"]) for p in (0.5, 0.9))
    assert cold[0] / cold.sum() < calibration["known_above"] <= warm[0] / warm.sum() + 1e-6 and 0.6 < found["value"] < 0.9


def test_the_median_pitch_is_that_of_the_events_where_it_is_sure(world, run):
    say(world, "features", 0.9)
    found = run()[1]["metrics"]
    table, sure = np.load(world / "features.npz")["table"], np.arange(N) % 10 > 0
    for column, name in enumerate(CLASSES):
        own = np.sort(table[(np.arange(N) % 3 == column) & sure, 0])
        assert found[f"f0_median_hz_{name}"]["value"] == pytest.approx(own[(len(own) - 1) // 2]) and found[f"f0_median_hz_{name}"]["n"] == len(own)


def test_how_much_single_events_flatter_is_told_on_the_same_events(world, run):
    """Two of five folds of the random division are judged, as split_recordings.py leaves it."""
    content = json.loads((world / "clips.json").read_text())
    for clip in content["clips"]:
        clip["folds"]["random_1"] = clip["folds"]["random_1"] if clip["folds"]["random_1"] < 2 else -1
    content["info"]["partitions"]["random_1"]["folds"] = 2
    (world / "clips.json").write_text(json.dumps(content))
    truth, honest = say(world, "features", 0.5, partitions=("grouped_1",))
    _, flattered = say(world, "features", 0.95, partitions=("random_1",), seed=3)
    for fold in (3, 4, 5):
        (world / f"features_random_1_{fold}.npz").unlink()
    row = run()[0]["families"]["features"]
    rows = np.array([clip["folds"]["random_1"] >= 0 for clip in content["clips"]])
    high, low = (f1_score(truth[rows], said[rows].argmax(axis=1), average="macro") for said in (flattered, honest))
    assert row["random_macro_f1"]["value"] == pytest.approx(high) and row["optimism_gap"]["value"] == pytest.approx(high - low)
    assert row["macro_f1"]["n"] == N > row["random_macro_f1"]["n"] == rows.sum()


def test_equal_families_are_a_tie(world, run):
    say(world, "features", 0.8, seed=4)
    say(world, "rnn", 0.8, seed=5)
    comparison, *_ = run()
    assert sorted(comparison["best"]) == ["features", "rnn"] and comparison["verdict"].startswith("Tie")


def test_the_pictures_can_be_opened(world, run):
    say(world, "features", 0.8)
    run()
    for name in ("families", "confusion", "calibration"):
        with Image.open(world / "plots" / f"{name}.png") as image:
            assert min(image.size) > 200


def test_held_out_events_are_drawn_the_surest_wrong_ones_first(world, run):
    truth, good = say(world, "features", 0.8, sharp=12.0)
    run(8)
    told = {path.name: Image.open(path).info["Description"] for path in sorted((world / "plots").glob("event_*"))}
    assert list(told)[:4] == [f"event_{at:02}_wrong.png" for at in (1, 2, 3, 4)]
    assert list(told)[-2:] == [f"event_{len(told) + at:02}_right.png" for at in (-1, 0)]
    wrong = {f"{at:03}.wav": f"known ✗ truly {CLASSES[truth[at]]}" for at in np.flatnonzero(good.argmax(axis=1) != truth)}
    for name, words in told.items():
        recording = words.split(",")[0]
        assert wrong[recording] in words if "wrong" in name else "known ✓ right" in words if "right" in name else True


def test_a_fold_that_is_missing_is_refused(world, run):
    say(world, "features", 0.8)
    (world / "features_grouped_1_3.npz").unlink()
    with pytest.raises(InputError, match="features did not name all events of grouped_1; wanted every fold"):
        run()


def test_a_family_without_its_model_is_refused(world, run):
    say(world, "image", 0.8)
    with pytest.raises(InputError, match="holds no folder named image"):
        run()
