"""The scripts of the families on tones that tell their class, and on noise that does not."""

import importlib
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import f1_score

from entoflow import model_folder
from entoflow.task import InputError
from entoflow.wingbeat import (
    clip_set,
    event_arrays,
    families,
    fold_predictions,
    importances,
    network_settings,
    robustness,
    spectrogram_images,
    wingbeat_features,
)
from entoflow.wingbeat.clip_set import Clip, ClipSet
from entoflow.wingbeat.family_network import NetworkFamily
from entoflow.wingbeat.network_settings import NetworkSettings
from entoflow.wingbeat.partitions import TRAIN_ONLY, UNUSED, Kind, Partition

NETWORKS = ("image", "rnn", "transformer")
FAMILIES = ("features", "random_convolutions", *NETWORKS)
VIEWS = 3000
CLASSES = ("bee", "bmsb", "fly")
N = 90
RATE = 2000
SAMPLES = 400
GROUPED = Partition(Kind.GROUPED, 5, 1, number=1)
LEFT_OUT = Partition(Kind.LEFT_OUT, 1, 1, number=1)
CLASS_INDEX = np.arange(N) % 3
GROUP = np.arange(N) % 15
FOLD = GROUP // 3
pytestmark = pytest.mark.usefixtures("one_thread")


def clip(row):
    left_out_fold = TRAIN_ONLY
    if FOLD[row] == 0:
        left_out_fold = 0
    elif CLASS_INDEX[row] == 2:
        left_out_fold = UNUSED
    return Clip(
        id=row,
        recording=f"{row}.wav",
        start=0.0,
        end=0.2,
        label=CLASSES[CLASS_INDEX[row]],
        group=f"g{GROUP[row]}",
        sha256="",
        sample_rate=RATE,
        first=row * SAMPLES,
        samples=SAMPLES,
        folds={GROUPED: int(FOLD[row]), LEFT_OUT: left_out_fold},
    )


@pytest.fixture
def world(tmp_path):
    """Return a folder with 90 tones of three classes in 15 groups and five folds.

    The table of features has their frequency, and noise.
    """
    rng = np.random.default_rng(1)
    hz = np.array([120, 230, 340])[CLASS_INDEX] + rng.normal(0, 6, N)
    times = np.arange(SAMPLES) / RATE
    tones = np.sin(2 * np.pi * hz[:, None] * times + rng.uniform(0, 6, (N, 1)))
    samples = tones + 0.3 * rng.normal(size=(N, SAMPLES))
    lengths = rng.integers(SAMPLES // 2, SAMPLES + 1, N)
    samples[np.arange(SAMPLES) >= lengths[:, None]] = 0
    np.save(tmp_path / "samples.npy", samples.astype(np.float32))
    table = np.stack([hz, rng.normal(size=N)], axis=1).astype(np.float32)
    names = np.array(["f0_hz", "asymmetry"])
    np.savez(tmp_path / "features.npz", table=table, names=names, lengths=lengths)
    clips = [clip(row) for row in range(N)]
    clip_set.write(tmp_path / "clips.json", ClipSet(clips, RATE, [GROUPED, LEFT_OUT]))
    return tmp_path


@pytest.fixture
def run(world):
    """Return a function that runs the script of a family on the world."""

    def run_script(family, *options):
        files = [
            f"--clips={world / 'clips.json'}",
            f"--samples={world / 'samples.npy'}",
            f"--features={world / 'features.npz'}",
        ]
        short = [f"--views={VIEWS}"] if family in NETWORKS else []
        importlib.import_module(f"train_{family}").main([*files, *short, *options])

    return run_script


def load_events(world):
    return event_arrays.load(world / "clips.json", world / "samples.npy", world / "features.npz")


@pytest.mark.parametrize("family", FAMILIES)
def test_the_events_of_a_fold_are_predicted_by_a_model_of_the_others(world, run, family, capsys):
    run(family, "--partition=grouped_1", "--fold=2", f"--predictions={world / 'p.npz'}")
    predictions = fold_predictions.read(world / "p.npz")
    assert predictions.rows.tolist() == np.flatnonzero(FOLD == 1).tolist()
    assert predictions.classes == list(CLASSES)
    assert predictions.family == family
    assert (predictions.partition, predictions.fold) == ("grouped_1", 2)
    assert predictions.seconds > 0
    np.testing.assert_allclose(predictions.probabilities.sum(axis=1), 1, rtol=1e-4)
    true_class = CLASS_INDEX[predictions.rows]
    predicted = predictions.probabilities.argmax(axis=1)
    assert f1_score(true_class, predicted, average="macro") > 0.9
    assert predictions.noisy.shape == (len(robustness.CONDITIONS), 18, 3)
    assert predictions.noisy_rows.tolist() == predictions.rows.tolist()
    np.testing.assert_allclose(predictions.noisy.sum(axis=2), 1, rtol=1e-4)
    in_least_noise = predictions.noisy[0].argmax(axis=1)  # white noise at 20 dB
    assert f1_score(true_class, in_least_noise, average="macro") > 0.8
    assert "72 events" in capsys.readouterr().out


def test_the_family_of_features_relies_on_the_one_that_tells_the_classes(world, run):
    run("features", "--partition=grouped_1", "--fold=2", f"--predictions={world / 'p.npz'}")
    predictions = fold_predictions.read(world / "p.npz")
    rows = predictions.rows
    falls = importances.measure_falls(predictions.shuffled, CLASS_INDEX[rows], GROUP[rows], 1)
    values = [fall.value for fall in falls]
    kinds = list(wingbeat_features.KINDS)
    f0_alone = values[len(kinds)]  # the only feature of its kind here
    assert values[kinds.index("fundamental frequency")] == f0_alone > 0.3
    assert abs(values[kinds.index("envelope")]) < 0.2
    assert values[kinds.index("cepstra")] == 0


@pytest.mark.parametrize("family", FAMILIES)
def test_a_class_that_is_left_out_of_the_training_has_no_chance(world, run, family):
    run(family, "--partition=without_1", "--fold=1", f"--predictions={world / 'p.npz'}")
    predictions = fold_predictions.read(world / "p.npz")
    assert (predictions.probabilities[:, 2] == 0).all()
    assert predictions.rows.tolist() == np.flatnonzero(FOLD == 0).tolist()


@pytest.mark.parametrize("name", FAMILIES)
def test_a_model_folder_predicts_as_the_model_that_was_trained(world, run, name):
    run(name, f"--model={world / name}")
    facts = model_folder.read(world / name)
    assert (facts.name, facts.kind, facts.classes) == (name, "wingbeat", list(CLASSES))
    assert facts.input["sample_rate"] == RATE
    assert facts.data == {"events": N, "groups": 15, "classes": 3}
    assert "Names the sound" in (world / name / "README.md").read_text()
    events = load_events(world)
    rows = np.arange(N)
    family = families.by_name(name)
    if name in NETWORKS:
        family = NetworkFamily(name, NetworkSettings(views=VIEWS))
    trained = family.fit(events, rows, 1).model
    loaded = family.load(world / name, facts)
    expected = trained.predict_proba(events, rows)
    np.testing.assert_allclose(loaded.predict_proba(events, rows), expected, atol=1e-5)
    assert loaded.classes == trained.classes == list(CLASSES)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_same_seed_gives_the_same_probabilities(world, run, family):
    both = []
    for name in ("a.npz", "b.npz"):
        run(family, "--partition=grouped_1", "--fold=1", f"--predictions={world / name}")
        both.append(fold_predictions.read(world / name).probabilities)
    np.testing.assert_array_equal(*both)


@pytest.mark.parametrize("family", FAMILIES)
def test_shuffled_labels_are_predicted_as_by_chance(world, run, family):
    clips = clip_set.read(world / "clips.json")
    shuffled = np.random.default_rng(3).permutation(CLASS_INDEX)
    relabelled = [replace(clip, label=CLASSES[shuffled[clip.id]]) for clip in clips.clips]
    clip_set.write(world / "clips.json", replace(clips, clips=relabelled))
    predicted = np.zeros(N, int)
    for fold in range(1, 6):
        run(family, "--partition=grouped_1", f"--fold={fold}", f"--predictions={world / 'p.npz'}")
        predictions = fold_predictions.read(world / "p.npz")
        predicted[predictions.rows] = predictions.probabilities.argmax(axis=1)
    assert (predicted == shuffled).mean() < 1 / 3 + 3 * np.sqrt(2 / 9 / N)


FOLD_6 = "--fold 6 of grouped_1 leaves 90 events to train on and 0 to predict"
OTHER = "--partition is 'other'; wanted one of grouped_1, without_1"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ([], "wanted --model, or --predictions"),
        (["--partition=grouped_1", "--predictions=p.npz"], "wanted --model, or --predictions"),
        (["--partition=other", "--fold=1", "--predictions=p.npz"], OTHER),
        (["--partition=grouped_1", "--fold=6", "--predictions=p.npz"], FOLD_6),
    ],
)
def test_a_fold_that_there_is_not_is_an_error(run, options, sentence):
    with pytest.raises(InputError, match=sentence):
        run("features", *options)


def test_features_of_other_events_are_refused(world, run):
    np.save(world / "samples.npy", np.zeros((5, 10), np.float32))
    with pytest.raises(InputError, match=r"has 90 events, and .*samples.npy 5"):
        run("features", f"--model={world / 'm'}")


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("--views=0", "--views is 0; wanted 1 or more"),
        ("--spectrogram_hz=50", "--spectrogram_hz is 50; wanted 100 or more"),
        ("--spectrogram_hz=nan", "--spectrogram_hz is nan; wanted 100 or more"),
    ],
)
def test_settings_that_no_network_can_learn_with_are_an_error(run, option, sentence):
    with pytest.raises(InputError, match=sentence):
        run("rnn", option, "--model=m")


def test_the_parser_of_networks_offers_the_spectrograms_that_there_are():
    default = NetworkSettings()
    assert network_settings.SCALES == spectrogram_images.SCALES
    assert default.spectrogram == spectrogram_images.PICTURE.scale
    assert default.spectrogram_hz == spectrogram_images.PICTURE.high_hz


@pytest.mark.parametrize(
    ("family", "name"),
    [("features", "classifier.npz"), ("random_convolutions", "convolutions.npz")],
)
def test_a_model_whose_file_is_broken_is_refused(world, run, family, name):
    run(family, f"--model={world / 'm'}")
    path = world / "m" / name
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match=f"{name}: holds no"):
        families.by_name(family).load(world / "m", model_folder.read(world / "m"))
