"""The scripts of the families on tones that tell their class, and on noise that does not."""
import importlib
import json

import numpy as np
import pytest
from sklearn.metrics import f1_score

from entoflow import model_folder
from entoflow.task import InputError
from entoflow.wingbeat import clips as events_of
from entoflow.wingbeat import families, importances, robustness, wingbeat_features

NETWORKS = ("image", "rnn", "transformer")
FAMILIES = ("features", "random_convolutions", *NETWORKS)
VIEWS = 3000
pytestmark = pytest.mark.usefixtures("one_thread")
CLASSES, N, RATE, SAMPLES = ("bee", "bmsb", "fly"), 90, 2000, 400


@pytest.fixture
def world(tmp_path):
    """Return a folder with 90 tones of three classes in 15 groups and five folds, and a table of their frequency with noise."""
    rng, columns = np.random.default_rng(1), np.arange(N) % 3
    hz = np.array([120, 230, 340])[columns] + rng.normal(0, 6, N)
    samples = np.sin(2 * np.pi * hz[:, None] * np.arange(SAMPLES) / RATE + rng.uniform(0, 6, (N, 1))) + 0.3 * rng.normal(size=(N, SAMPLES))
    lengths = rng.integers(SAMPLES // 2, SAMPLES + 1, N)
    samples[np.arange(SAMPLES) >= lengths[:, None]] = 0
    np.save(tmp_path / "samples.npy", samples.astype(np.float32))
    table = np.stack([hz, rng.normal(size=N)], axis=1).astype(np.float32)
    np.savez(tmp_path / "features.npz", table=table, names=np.array(["f0_hz", "asymmetry"]), lengths=lengths)
    partitions = {"grouped_1": {"folds": 5, "seed": 1}, "without_1": {"folds": 1, "seed": 1}}
    clips = [{"label": CLASSES[columns[at]], "group": f"g{at % 15}", "recording": f"{at}.wav", "start": 0, "end": 0.2, "id": at,
              "folds": {"grouped_1": at % 15 // 3, "without_1": 0 if at % 15 < 3 else -2 if columns[at] == 2 else -1}} for at in range(N)]
    (tmp_path / "clips.json").write_text(json.dumps({"info": {"sample_rate": RATE, "partitions": partitions}, "clips": clips}))
    return tmp_path


@pytest.fixture
def run(world):
    """Return a function that runs the script of a family on the world."""
    def _run(family, *options):
        files = [f"--{name}={world / file}" for name, file in (("clips", "clips.json"), ("samples", "samples.npy"), ("features", "features.npz"))]
        short = [f"--views={VIEWS}"] if family in NETWORKS else []
        importlib.import_module(f"train_{family}").main([*files, *short, *options])
    return _run


def loaded(world):
    return events_of.load(world / "clips.json", world / "samples.npy", world / "features.npz")


@pytest.mark.parametrize("family", FAMILIES)
def test_the_events_of_a_fold_are_named_by_what_learned_from_the_others(world, run, family, capsys):
    run(family, "--partition=grouped_1", "--fold=2", f"--predictions={world / 'p.npz'}")
    with np.load(world / "p.npz") as file:
        found = {name: file[name] for name in file.files}
    assert found["rows"].tolist() == [at for at in range(N) if at % 15 // 3 == 1] and found["classes"].tolist() == list(CLASSES)
    assert (str(found["family"]), str(found["partition"]), int(found["fold"])) == (family, "grouped_1", 2) and found["seconds"] > 0
    np.testing.assert_allclose(found["probabilities"].sum(axis=1), 1, rtol=1e-4)
    assert f1_score(found["rows"] % 3, found["probabilities"].argmax(axis=1), average="macro") > 0.9
    noisy = found["noisy"]  # white noise at 20 dB first
    assert noisy.shape == (len(robustness.CONDITIONS), 18, 3) and found["noisy_rows"].tolist() == found["rows"].tolist()
    np.testing.assert_allclose(noisy.sum(axis=2), 1, rtol=1e-4)
    assert f1_score(found["rows"] % 3, noisy[0].argmax(axis=1), average="macro") > 0.8
    assert "learned from 72 events" in capsys.readouterr().out


def test_the_family_of_features_tells_what_it_goes_by(world, run):
    run("features", "--partition=grouped_1", "--fold=2", f"--predictions={world / 'p.npz'}")
    with np.load(world / "p.npz") as file:
        rows, shuffled = file["rows"], file["shuffled"]
    kinds = list(wingbeat_features.KINDS)
    found = [one["value"] for one in importances.falls(shuffled, rows % 3, rows % 15, 1)]
    assert found[kinds.index("fundamental frequency")] == found[len(kinds)] > 0.3  # f0_hz, the only one of its kind here
    assert abs(found[kinds.index("envelope")]) < 0.2 and found[kinds.index("cepstra")] == 0


@pytest.mark.parametrize("family", FAMILIES)
def test_a_class_that_is_left_out_of_learning_has_no_chance(world, run, family):
    run(family, "--partition=without_1", "--fold=1", f"--predictions={world / 'p.npz'}")
    with np.load(world / "p.npz") as file:
        assert (file["probabilities"][:, 2] == 0).all() and file["rows"].tolist() == [at for at in range(N) if at % 15 < 3]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_folder_names_events_as_it_did_when_it_was_made(world, run, family):
    run(family, f"--model={world / family}")
    facts, module = model_folder.read(world / family), families.of(family)
    assert facts["name"] == family and facts["kind"] == "wingbeat" and facts["classes"] == list(CLASSES) and facts["input"]["sample_rate"] == RATE
    assert facts["provenance"]["data"] == {"events": N, "groups": 15, "classes": 3} and "Names the sound" in (world / family / "README.md").read_text()
    events = loaded(world)
    fitted, _ = module.fit(events, np.arange(N), {"seed": 1, "views": VIEWS, "spectrogram": "linear", "spectrogram_hz": 2000.0})
    expected, classes = module.probabilities(fitted, events, np.arange(N))
    found, _ = module.probabilities(module.load(world / family, facts), events, np.arange(N))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert classes == list(CLASSES)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_same_seed_gives_the_same_bytes(world, run, family):
    made = []
    for name in ("a.npz", "b.npz"):
        run(family, "--partition=grouped_1", "--fold=1", f"--predictions={world / name}")
        with np.load(world / name) as file:
            made.append(file["probabilities"])
    np.testing.assert_array_equal(*made)


@pytest.mark.parametrize("family", FAMILIES)
def test_shuffled_labels_are_named_as_by_chance(world, run, family):
    content = json.loads((world / "clips.json").read_text())
    for clip, column in zip(content["clips"], np.random.default_rng(3).permutation(np.arange(N) % 3)):
        clip["label"] = CLASSES[column]
    (world / "clips.json").write_text(json.dumps(content))
    truth, named = loaded(world).labels, np.empty(N, object)
    for fold in range(1, 6):
        run(family, "--partition=grouped_1", f"--fold={fold}", f"--predictions={world / 'p.npz'}")
        with np.load(world / "p.npz") as file:
            named[file["rows"]] = np.array(CLASSES)[file["probabilities"].argmax(axis=1)]
    assert (named == truth).mean() < 1 / 3 + 3 * np.sqrt(2 / 9 / N)


@pytest.mark.parametrize("options, sentence", [
    ([], "wanted --model, or --predictions"),
    (["--partition=grouped_1", "--predictions=p.npz"], "wanted --model, or --predictions"),
    (["--partition=other", "--fold=1", "--predictions=p.npz"], "--partition is 'other'; wanted one of grouped_1, without_1"),
    (["--partition=grouped_1", "--fold=6", "--predictions=p.npz"], "--fold 6 of grouped_1 leaves 90 events to learn from and 0 to name"),
])
def test_a_fold_that_is_none_is_told(run, options, sentence):
    with pytest.raises(InputError, match=sentence):
        run("features", *options)


def test_features_of_other_events_are_refused(world, run):
    np.save(world / "samples.npy", np.zeros((5, 10), np.float32))
    with pytest.raises(InputError, match="has 90 events, and .*samples.npy 5"):
        run("features", f"--model={world / 'm'}")


@pytest.mark.parametrize("options, sentence", [
    (["--views=0"], "--views is 0; wanted 1 or more"), (["--spectrogram_hz=50"], "--spectrogram_hz is 50; wanted 100 or more"),
    (["--spectrogram_hz=nan"], "--spectrogram_hz is nan; wanted 100 or more"),
])
def test_settings_that_no_network_can_learn_with_are_told(run, options, sentence):
    with pytest.raises(InputError, match=sentence):
        run("rnn", *options, "--model=m")


@pytest.mark.parametrize("name", ["classifier.npz", "convolutions.npz"])
def test_a_model_whose_file_is_broken_is_refused(world, run, name):
    family = "features" if name == "classifier.npz" else "random_convolutions"
    run(family, f"--model={world / 'm'}")
    (world / "m" / name).write_bytes((world / "m" / name).read_bytes()[:200])
    with pytest.raises(InputError, match=f"{name}: holds no"):
        families.of(family).load(world / "m", model_folder.read(world / "m"))
