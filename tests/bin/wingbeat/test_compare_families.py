import csv
import json
from dataclasses import replace

import compare_families
import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import balanced_accuracy_score, f1_score

from entoflow import model_folder
from entoflow.model_folder import ModelFacts
from entoflow.task import InputError
from entoflow.wingbeat import (
    clip_set,
    fold_predictions,
    importances,
    learning_curves,
    robustness,
    wingbeat_features,
)
from entoflow.wingbeat.clip_set import Clip, ClipSet
from entoflow.wingbeat.fold_predictions import FoldPredictions
from entoflow.wingbeat.partitions import TRAIN_ONLY, UNUSED, Kind, Partition

CLASSES = ["bee", "bmsb", "fly"]
N = 240
N_GROUPS = 30
CLASS_INDEX = np.arange(N) % 3
GROUP = np.arange(N) % N_GROUPS
GROUPED = Partition(Kind.GROUPED, 5, 1, number=1)
RANDOM = Partition(Kind.RANDOM, 5, 1, number=1)
FOLD = GROUP // 3 % 5
RANDOM_FOLD = np.arange(N) // 3 % 5
NAMES = np.array(["f0_hz", "f0_confidence"])
LENGTHS = np.full(N, 10)


def new_clip(row):
    return Clip(
        id=row,
        recording=f"{row:03}.wav",
        start=0,
        end=0.5,
        label=CLASSES[CLASS_INDEX[row]],
        group=f"g{GROUP[row]:02}",
        sha256="",
        sample_rate=8000,
        first=10 * row,
        samples=10,
        folds={GROUPED: int(FOLD[row]), RANDOM: int(RANDOM_FOLD[row])},
    )


@pytest.fixture
def world(tmp_path):
    """Return a folder with 240 events of three classes in 30 groups and five folds.

    It has their features, and a model folder of each of two families.
    """
    clips = [new_clip(row) for row in range(N)]
    clip_set.write(tmp_path / "clips.json", ClipSet(clips, 8000, [GROUPED, RANDOM]))
    np.save(tmp_path / "samples.npy", np.zeros((N, 10), np.float32))
    f0_hz = 200 + 100 * CLASS_INDEX + np.random.default_rng(1).normal(0, 60, N)
    confidence = np.where(np.arange(N) % 10, 0.9, 0.1)
    write_features(tmp_path, np.stack([f0_hz, confidence], axis=1).astype(np.float32))
    for family in ("features", "rnn"):
        folder = tmp_path / "models" / family
        folder.mkdir(parents=True)
        (folder / "classifier.npz").write_bytes(family.encode())
        facts = ModelFacts(
            name=family,
            kind="wingbeat",
            classes=CLASSES,
            input={"family": family, "sample_rate": 8000},
            threshold=None,
            metrics={},
            metrics_of="held-out groups",
            licence="Apache-2.0",
            data={},
            parameters={},
            seed=1,
        )
        model_folder.write(folder, facts)
    return tmp_path


def write_features(world, table):
    np.savez(world / "features.npz", table=table, names=NAMES, lengths=LENGTHS)


def read_table(world):
    return np.load(world / "features.npz")["table"]


def change_clips(world, change, *more_partitions):
    """Rewrite the clips as change(row, clip) returns them, and add partitions."""
    clips = clip_set.read(world / "clips.json")
    changed = [change(row, clip) for row, clip in enumerate(clips.clips)]
    partitions = [*clips.partitions, *more_partitions]
    clip_set.write(world / "clips.json", replace(clips, clips=changed, partitions=partitions))


def write_fold(world, family, partition, fold, rows, probabilities, **more):
    """Write the predictions of a fold, which counts from 1."""
    predictions = FoldPredictions(
        family, partition.name, fold, 1.5, CLASSES, rows, probabilities, **more
    )
    fold_predictions.write(world / f"{family}_{partition.name}_{fold}.npz", predictions)


def draw_probabilities(share_right, sharp=3.0, seed=2):
    """Return probabilities (N x 3) that name a share of the events right, the others wrong."""
    rng = np.random.default_rng(seed)
    named = np.where(rng.random(N) < share_right, CLASS_INDEX, (CLASS_INDEX + 1) % 3)
    odds = np.exp(sharp * np.eye(3)[named] + 0.1 * rng.normal(size=(N, 3)))
    return (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32)


def predict(world, family, share_right, partitions=(GROUPED, RANDOM), **more):
    """Write a family's predictions of all folds and return its probabilities (N x 3)."""
    probabilities = draw_probabilities(share_right, **more)
    clips = clip_set.read(world / "clips.json").clips
    for partition in partitions:
        folds = np.array([clip.folds[partition] for clip in clips])
        for fold in range(folds.max() + 1):
            rows = np.flatnonzero(folds == fold)
            write_fold(world, family, partition, fold + 1, rows, probabilities[rows])
    return probabilities


@pytest.fixture
def run(world, capsys):
    """Return a function that compares: (comparison.json, metrics.json, what was printed)."""

    def run_script(most_pictures=0):
        predictions = sorted(world.glob("*_*_[1-5].npz"))
        models = (world / "models").iterdir()
        compare_families.main(
            [
                f"--clips={world / 'clips.json'}",
                f"--samples={world / 'samples.npy'}",
                f"--features={world / 'features.npz'}",
                f"--comparison={world / 'comparison.json'}",
                f"--metrics={world / 'metrics.json'}",
                f"--plots={world / 'plots'}",
                f"--best={world / 'best'}",
                f"--predictions_csv={world / 'predictions.csv'}",
                f"--most_pictures={most_pictures}",
                *["--predictions", *map(str, predictions)],
                *["--models", *map(str, models)],
            ]
        )
        comparison = json.loads((world / "comparison.json").read_text())
        metrics = json.loads((world / "metrics.json").read_text())
        return comparison, metrics, capsys.readouterr().out.strip()

    return run_script


def macro_f1(probabilities, rows=slice(None)):
    predicted = probabilities[rows].argmax(axis=1)
    return f1_score(CLASS_INDEX[rows], predicted, average="macro")


def test_the_better_family_ships_and_its_metrics_are_those_of_scikit_learn(world, run):
    good = predict(world, "features", 0.9)
    poor = predict(world, "rnn", 0.5, seed=3)
    comparison, content, printed = run()
    assert comparison["best"] == ["features"]
    assert printed == comparison["verdict"]
    assert printed.startswith("features is best")
    for family, probabilities in (("features", good), ("rnn", poor)):
        row = comparison["families"][family]
        accuracy = balanced_accuracy_score(CLASS_INDEX, probabilities.argmax(axis=1))
        assert row["macro_f1"]["value"] == pytest.approx(macro_f1(probabilities))
        assert row["balanced_accuracy"]["value"] == pytest.approx(accuracy)
        assert row["optimism_gap"]["value"] == pytest.approx(0, abs=1e-9)
        assert row["seconds"] == 1.5
        assert row["baseline"] is False
    assert (content["chain"], content["n"]) == ("wingbeat", N)
    metrics = content["metrics"]
    # It is the best on the other folds of each.
    assert metrics["macro_f1"]["value"] == pytest.approx(macro_f1(good))
    two_likeliest = np.argsort(-good, axis=1)[:, :2]
    top2 = (two_likeliest == CLASS_INDEX[:, None]).any(axis=1).mean()
    assert metrics["top2"]["value"] == pytest.approx(top2)
    assert metrics["macro_f1"]["low"] < metrics["macro_f1"]["value"] < metrics["macro_f1"]["high"]
    assert metrics["macro_f1"]["groups"] == N_GROUPS
    assert (world / "best/classifier.npz").read_bytes() == b"features"
    assert model_folder.read(world / "best").metrics["macro_f1"].n == N


def test_each_fold_is_predicted_by_the_family_that_was_best_on_the_other_folds(world, run):
    """Each of two families is right on one fold alone, and so is not chosen there."""
    for family, is_right in (("features", FOLD == 0), ("rnn", FOLD == 1)):
        named = np.where(is_right, CLASS_INDEX, (CLASS_INDEX + 1) % 3)
        probabilities = (0.1 + 0.7 * np.eye(3)[named]).astype(np.float32)
        for partition, folds in ((GROUPED, FOLD), (RANDOM, RANDOM_FOLD)):
            for fold in range(5):
                rows = np.flatnonzero(folds == fold)
                write_fold(world, family, partition, fold + 1, rows, probabilities[rows])
    comparison, content, _ = run()
    values = [row["macro_f1"]["value"] for row in comparison["families"].values()][:2]
    assert values == pytest.approx([0.2, 0.2])
    # rnn predicts fold 1, features fold 2, and both are wrong there; either predicts the others.
    assert content["metrics"]["macro_f1"]["value"] == 0


def test_baselines_are_compared_along_with_the_families(world, run):
    predict(world, "features", 0.9)
    comparison, *_ = run()
    baselines = {name: row for name, row in comparison["families"].items() if row["baseline"]}
    assert set(baselines) == {"most frequent class", "F0 alone"}  # no time is known
    # A third of one class's F1 of a half.
    most_frequent = baselines["most frequent class"]["macro_f1"]["value"]
    assert most_frequent == pytest.approx(1 / 6, abs=0.06)
    # Means are 100 Hz apart, deviations 60 Hz.
    assert 0.5 < baselines["F0 alone"]["macro_f1"]["value"] < 0.9


def test_a_temperature_fitted_on_other_folds_makes_overconfident_probabilities_credible(world, run):
    predict(world, "features", 0.7, sharp=12.0)
    metrics = run()[1]["metrics"]
    assert metrics["ece_before"]["value"] > 0.25
    assert metrics["ece"]["value"] < 0.1
    temperature = model_folder.read(world / "best").more["calibration"]["temperature"]
    odds = np.exp(12 / temperature)
    assert odds / (odds + 2) == pytest.approx(0.7, abs=0.05)


def test_label_sets_hold_as_many_true_classes_as_they_should(world, run):
    predict(world, "features", 0.7, sharp=3.0)
    metrics = run()[1]["metrics"]
    assert 0.85 <= metrics["label_set_coverage"]["value"] <= 1
    assert 1 <= metrics["label_set_size"]["value"] < 3
    assert 0 < model_folder.read(world / "best").more["calibration"]["conformal"] <= 1


def test_f0_is_brought_to_25_degrees_where_all_temperatures_are_known(world, run):
    """F0 rises by 4 % a degree: nights differ by more than classes, which have 200, 210, 220 Hz."""
    predict(world, "features", 0.9)
    degc = 20 + GROUP / 3
    change_clips(world, lambda row, clip: replace(clip, temperature=float(degc[row])))
    table = read_table(world)
    spread = np.random.default_rng(5).normal(0, 3, N)
    table[:, 0] = (200 + 10 * CLASS_INDEX + spread) * 1.04 ** (degc - 25)
    write_features(world, table)
    comparison, content, _ = run()
    alone = comparison["families"]["F0 alone"]["macro_f1"]["value"]
    at_25 = comparison["families"]["F0 at 25 degC alone"]["macro_f1"]["value"]
    assert at_25 > 0.75 > 0.6 > alone
    metrics = content["metrics"]
    assert metrics["f0_percent_per_degc"]["value"] == pytest.approx(4, abs=0.2)
    for column, name in enumerate(CLASSES):
        median = metrics[f"f0_at_25_median_hz_{name}"]["value"]
        assert median == pytest.approx(200 + 10 * column, abs=2)


def test_noise_learning_curves_and_importances_are_measured_beside_the_comparison(world, run):
    good = predict(world, "features", 0.9)
    groups = np.array([f"g{group:02}" for group in GROUP])
    shares = learning_curves.divide(CLASS_INDEX, groups, FOLD, 1)
    for partition, folds in shares.items():
        rows = np.flatnonzero(folds == 0)
        write_fold(world, "features", partition, 1, rows, good[rows])

    def divide(row, clip):
        more = {partition: int(folds[row]) for partition, folds in shares.items()}
        return replace(clip, folds={**clip.folds, **more})

    change_clips(world, divide, *shares)
    n_sets = len(wingbeat_features.KINDS) + 2
    for fold in range(5):
        rows = np.flatnonzero(FOLD == fold)
        noisy = np.repeat(good[None, rows], len(robustness.CONDITIONS), axis=0)
        noisy[-1] = np.roll(
            noisy[-1], 1, axis=1
        )  # wind at the lowest SNR: all wrong that was right
        predicted = good[rows].argmax(axis=1)
        shuffled = np.tile(predicted, (1 + n_sets * importances.SHUFFLES, 1))
        more = {"noisy_rows": rows, "noisy": noisy, "shuffled": shuffled}
        write_fold(world, "features", GROUPED, fold + 1, rows, good[rows], **more)
    comparison, *_ = run()
    value = comparison["families"]["features"]["macro_f1"]["value"]
    noise = comparison["robustness"]["families"]["features"]
    assert noise["white"][0]["value"] == noise["as recorded"]["value"] == pytest.approx(value)
    assert noise["wind"][-1]["value"] < 0.2
    curve = comparison["learning_curve"]
    assert curve["gain"]["value"] == 0
    assert len(curve["families"]["features"]) == 3
    assert list(comparison["importances"]["features"]) == ["f0_hz", "f0_confidence"]
    assert set(comparison["importances"]["kinds"]) == set(wingbeat_features.KINDS)
    for name in ("noise", "learning_curve"):
        with Image.open(world / "plots" / f"{name}.png") as image:
            assert min(image.size) > 200


def test_each_held_out_event_has_a_row_with_its_name_and_its_probability(world, run):
    good = predict(world, "features", 0.9, sharp=12.0)
    run()
    with (world / "predictions.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert list(rows[0]) == ["recording", "start", "end", "label", "score", "f0_hz", "verdict"]
    assert [row["recording"] for row in rows] == [f"{row:03}.wav" for row in range(N)]
    assert [row["label"] for row in rows] == [CLASSES[column] for column in good.argmax(axis=1)]
    assert all(0.4 < float(row["score"]) < 1 for row in rows)
    assert {row["verdict"] for row in rows} == {"known"}  # no class was left out
    f0_hz = [float(row["f0_hz"]) for row in rows]
    np.testing.assert_allclose(f0_hz, read_table(world)[:, 0], atol=0.06)


def test_an_event_less_certain_than_most_events_of_known_classes_is_unknown(world, run):
    """Left-out classes are named with 0.5, the others with 0.9, a fifth the other way round."""
    predict(world, "features", 0.9)
    left_out = Partition(Kind.LEFT_OUT, 1, 1, number=1)

    def divide(row, clip):
        fold = UNUSED if clip.label == "fly" else TRAIN_ONLY
        if FOLD[row] == 0:
            fold = 0
        return replace(clip, folds={**clip.folds, left_out: fold})

    change_clips(world, divide, left_out)
    rows = np.flatnonzero(FOLD == 0)
    is_turned_round = np.arange(len(rows)) % 5 == 0
    score = np.where((CLASS_INDEX[rows] == 2) ^ is_turned_round, 0.5, 0.9)
    probabilities = np.stack([score, 1 - score, 0 * score], axis=1).astype(np.float32)
    write_fold(world, "features", left_out, 1, rows, probabilities)
    auroc = run()[1]["metrics"]["unknown_auroc"]
    calibration = model_folder.read(world / "best").more["calibration"]
    at_temperature = []
    for score in (0.5, 0.9):
        odds = np.array([score, 1 - score]) ** (1 / calibration["temperature"])
        at_temperature.append(odds[0] / odds.sum())
    assert at_temperature[0] < calibration["known_above"] <= at_temperature[1] + 1e-6
    assert 0.6 < auroc["value"] < 0.9


def test_the_median_f0_is_of_the_events_where_it_is_certain(world, run):
    predict(world, "features", 0.9)
    metrics = run()[1]["metrics"]
    is_certain = np.arange(N) % 10 > 0
    for column, name in enumerate(CLASSES):
        rising = np.sort(read_table(world)[(CLASS_INDEX == column) & is_certain, 0])
        median = metrics[f"f0_median_hz_{name}"]
        assert median["value"] == pytest.approx(rising[(len(rising) - 1) // 2])
        assert median["n"] == len(rising)


def test_the_optimism_of_a_random_split_is_measured_on_the_same_events(world, run):
    """Two of five folds of the random partition are held out, as split_recordings.py leaves it."""
    two_folds = replace(RANDOM, n_folds=2)

    def divide(row, clip):
        fold = RANDOM_FOLD[row] if RANDOM_FOLD[row] < 2 else TRAIN_ONLY
        return replace(clip, folds={GROUPED: int(FOLD[row]), two_folds: int(fold)})

    clips = clip_set.read(world / "clips.json")
    changed = [divide(row, clip) for row, clip in enumerate(clips.clips)]
    clip_set.write(
        world / "clips.json", replace(clips, clips=changed, partitions=[GROUPED, two_folds])
    )
    honest = predict(world, "features", 0.5, partitions=(GROUPED,))
    optimistic = predict(world, "features", 0.95, partitions=(two_folds,), seed=3)
    row = run()[0]["families"]["features"]
    rows = np.flatnonzero(RANDOM_FOLD < 2)
    high = macro_f1(optimistic, rows)
    low = macro_f1(honest, rows)
    assert row["random_macro_f1"]["value"] == pytest.approx(high)
    assert row["optimism_gap"]["value"] == pytest.approx(high - low)
    assert row["macro_f1"]["n"] == N
    assert row["random_macro_f1"]["n"] == len(rows)


def test_equal_families_are_a_tie(world, run):
    predict(world, "features", 0.8, seed=4)
    predict(world, "rnn", 0.8, seed=5)
    comparison, *_ = run()
    assert sorted(comparison["best"]) == ["features", "rnn"]
    assert comparison["verdict"].startswith("Tie")


def test_the_pictures_can_be_opened(world, run):
    predict(world, "features", 0.8)
    run()
    for name in ("families", "confusion", "calibration"):
        with Image.open(world / "plots" / f"{name}.png") as image:
            assert min(image.size) > 200


def test_held_out_events_are_drawn_the_surest_wrong_ones_first(world, run):
    good = predict(world, "features", 0.8, sharp=12.0)
    run(most_pictures=8)
    paths = sorted((world / "plots").glob("event_*"))
    names = [path.name for path in paths]
    assert names[:4] == [f"event_{number:02}_wrong.png" for number in (1, 2, 3, 4)]
    last = len(names)
    assert names[-2:] == [f"event_{number:02}_right.png" for number in (last - 1, last)]
    is_wrong = good.argmax(axis=1) != CLASS_INDEX
    for path in paths:
        description = Image.open(path).info["Description"]
        row = int(description.split(".wav")[0])
        if "wrong" in path.name:
            assert is_wrong[row]
            assert f"known ✗ truly {CLASSES[CLASS_INDEX[row]]}" in description
        if "right" in path.name:
            assert not is_wrong[row]
            assert "known ✓ right" in description


def test_a_missing_fold_is_refused(world, run):
    predict(world, "features", 0.8)
    (world / "features_grouped_1_3.npz").unlink()
    with pytest.raises(InputError, match="features did not name all events of grouped_1; wanted"):
        run()


def test_a_family_without_its_model_is_refused(world, run):
    predict(world, "image", 0.8)
    with pytest.raises(InputError, match="holds no folder named image"):
        run()
