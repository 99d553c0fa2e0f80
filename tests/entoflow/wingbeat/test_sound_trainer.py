"""Tiny networks on drawn tones."""

import json

import numpy as np
import pytest
from scipy.signal import spectrogram
from sklearn.metrics import f1_score

from entoflow.task import InputError
from entoflow.wingbeat import sound_networks, sound_trainer

torch = pytest.importorskip("torch")
pytest.importorskip("timm")

pytestmark = pytest.mark.usefixtures("one_thread")
TINY = {
    "image": {"widths": [8, 8, 8, 8]},
    "rnn": {"units": 12},
    "transformer": {"width": 24, "layers": 1, "heads": 2},
}
KINDS = list(TINY)
HZ = (150, 300, 450)


def draw_tones(n, seed):
    """Return (spectrograms n x 1 x 33 x 31 in dB, classes n) of noisy tones.

    Their pitch is the class; level and place say nothing of it.
    """
    rng = np.random.default_rng(seed)
    class_index = np.arange(n) % len(HZ)
    times = np.arange(1024) / 1000
    hz = np.array(HZ)[class_index] * rng.uniform(0.97, 1.03, n)
    levels = 10 ** rng.uniform(-1, 1, (n, 1))
    tones = np.sin(2 * np.pi * hz[:, None] * times) + 0.7 * rng.normal(size=(n, 1024))
    power = spectrogram(levels * tones, 1000, nperseg=64, noverlap=32)[2]
    return (10 * np.log10(power) + 80).astype(np.float32)[:, None], class_index


def fit(kind, n=30, **changes):
    """Return a tiny network that was trained on n tones."""
    x, class_index = draw_tones(n, 1)
    settings = {"n_classes": 3, "views": 64, "seed": 1, "architecture": TINY[kind], **changes}
    return sound_trainer.fit(kind, x, class_index, **settings)


def weights_of(model):
    return model.network.state_dict()


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_tells_tones_apart_that_a_guess_does_not(kind):
    model = fit(kind, n=90, views=6000)
    x, class_index = draw_tones(60, 2)
    predicted = sound_trainer.predict(model, x).argmax(axis=1)
    assert f1_score(class_index, predicted, average="macro") > 0.9
    assert f1_score(class_index, np.zeros(60), average="macro") < 0.2


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_trains_the_same_weights_and_another_others(kind):
    first = weights_of(fit(kind, seed=1))
    again = weights_of(fit(kind, seed=1))
    other = weights_of(fit(kind, seed=2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


@pytest.mark.parametrize(("n", "views"), [(30, 90), (100, 100), (7, 300)])
def test_all_kinds_are_shown_each_clip_equally_often(n, views, monkeypatch):
    original = sound_trainer.batches
    shown = {kind: [] for kind in KINDS}
    for kind in KINDS:

        def record(*args, kind=kind):
            for rows in original(*args):
                shown[kind].append(rows)
                yield rows

        monkeypatch.setattr(sound_trainer, "batches", record)
        fit(kind, n, views=views)
    times = np.bincount(np.concatenate(shown["rnn"]), minlength=n)
    assert times.sum() == -(-views // 32) * 32
    assert np.ptp(times) <= 1
    for kind in ("image", "transformer"):
        np.testing.assert_array_equal(shown[kind], shown["rnn"])


def test_classes_count_the_same_however_few_clips_they_have():
    """By hand: 6 clips / (3 classes x 4, 1 and 1 clips)."""
    weights = sound_trainer.class_weights(np.array([0, 0, 0, 0, 1, 2]), 3)
    assert weights.tolist() == pytest.approx([0.5, 2, 2])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [1, 2])
def test_one_or_two_clips_are_trained_on(kind, n):
    probabilities = sound_trainer.predict(fit(kind, n=n, n_classes=n), draw_tones(3, 2)[0])
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    if n == 1:
        assert probabilities[:, 0].tolist() == [1, 1, 1]


def test_no_clip_has_no_probabilities():
    empty = np.empty((0, 1, 33, 31), np.float32)
    assert sound_trainer.predict(fit("rnn"), empty).shape == (0, 3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_clip_is_predicted_alike_alone_and_among_others(kind, monkeypatch):
    model = fit(kind)
    x, _ = draw_tones(7, 2)
    together = sound_trainer.predict(model, x)
    monkeypatch.setattr(sound_trainer, "AT_ONCE", 1)
    np.testing.assert_allclose(sound_trainer.predict(model, x), together, atol=1e-6)


@pytest.mark.parametrize("kind", ["rnn", "transformer"])
def test_where_a_short_sound_lies_in_its_spectrogram_does_not_count(kind):
    model = fit(kind)
    x, _ = draw_tones(2, 2)
    x[..., 20:] = 0
    expected = sound_trainer.predict(model, x)
    moved = sound_trainer.predict(model, np.roll(x, 9, axis=3))
    np.testing.assert_allclose(moved, expected, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_that_is_read_again_gives_the_same_probabilities(kind, tmp_path):
    model = fit(kind, n=12)
    x, _ = draw_tones(12, 1)
    facts = json.loads(json.dumps(sound_trainer.save(model, tmp_path)))
    again = sound_trainer.load(tmp_path, facts)
    assert [path.name for path in tmp_path.iterdir()] == ["weights.safetensors"]
    expected = sound_trainer.predict(model, x)
    np.testing.assert_array_equal(sound_trainer.predict(again, x), expected)
    assert sound_trainer.save(again, tmp_path) == facts


def test_a_model_is_read_as_it_was_built_when_the_defaults_have_changed(tmp_path, monkeypatch):
    monkeypatch.setitem(sound_networks.ARCHITECTURES, "rnn", {"units": 7})
    facts = sound_trainer.save(fit("rnn", architecture={}), tmp_path)
    monkeypatch.setitem(sound_networks.ARCHITECTURES, "rnn", {"units": 9})
    assert sound_trainer.load(tmp_path, facts).network.body.units.hidden_size == 7


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"architecture": {"units": 5}}, "Error"),
        ({"n_classes": 2}, "Error"),
        ({"input_shape": [1, 8, 31]}, "Error"),
        ({"architecture": {"heads": 5}}, "unexpected keyword"),
        ({"kind": "image", "architecture": TINY["image"]}, "Error"),
    ],
)
def test_weights_of_another_network_are_refused(change, reason, tmp_path):
    facts = sound_trainer.save(fit("rnn"), tmp_path)
    with pytest.raises(InputError, match=f"{tmp_path}: its weights cannot be loaded: .*{reason}"):
        sound_trainer.load(tmp_path, {**facts, **change})


def test_damaged_or_missing_weights_and_facts_are_refused(tmp_path):
    facts = sound_trainer.save(fit("rnn"), tmp_path)
    without_classes = {name: value for name, value in facts.items() if name != "n_classes"}
    with pytest.raises(InputError, match="its weights cannot be loaded: 'n_classes'"):
        sound_trainer.load(tmp_path, without_classes)
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(b"x" * 99)
    with pytest.raises(InputError, match="its weights cannot be loaded: "):
        sound_trainer.load(tmp_path, facts)
    weights.unlink()
    with pytest.raises(InputError, match="its weights cannot be loaded: .*No such file"):
        sound_trainer.load(tmp_path, facts)


def test_spectrograms_of_another_size_are_refused():
    sentence = r"are of 1 x 33 x 40 \(channels, bins, frames\); wanted 1 x 33 x 31 "
    with pytest.raises(InputError, match=sentence):
        sound_trainer.predict(fit("rnn"), np.zeros((2, 1, 33, 40), np.float32))


def test_an_unknown_kind_is_refused():
    x, class_index = draw_tones(3, 1)
    sentence = "network is of kind 'lstm'; wanted one of image, rnn, transformer"
    with pytest.raises(InputError, match=sentence):
        sound_trainer.fit("lstm", x, class_index, n_classes=3, views=1, seed=1)
