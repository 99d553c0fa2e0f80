"""Tiny networks on drawn tones; what is kept, what is said and what is written, by hand."""
import json

import numpy as np
import pytest
from scipy.signal import spectrogram
from sklearn.metrics import f1_score

from entoflow.task import InputError
from entoflow.wingbeat import sound_trainer

torch = pytest.importorskip("torch")
pytest.importorskip("timm")

pytestmark = pytest.mark.usefixtures("one_thread")
TINY = {"image": {"widths": [8, 8, 8, 8]}, "rnn": {"units": 12}, "transformer": {"width": 24, "layers": 1, "heads": 2}}
KINDS = list(TINY)
HZ = (150, 300, 450)


def tones(n, seed):
    """Return (spectrograms n x 1 x 33 x 31 in dB, classes n) of noisy tones: their pitch is the class, level and place say nothing of it."""
    rng, kinds = np.random.default_rng(seed), np.arange(n) % len(HZ)
    times = np.arange(1024) / 1000
    hz = np.array(HZ)[kinds] * rng.uniform(0.97, 1.03, n)
    clips = 10 ** rng.uniform(-1, 1, (n, 1)) * (np.sin(2 * np.pi * hz[:, None] * times) + 0.7 * rng.normal(size=(n, 1024)))
    power = spectrogram(clips, 1000, nperseg=64, noverlap=32)[2]
    return (10 * np.log10(power) + 80).astype(np.float32)[:, None], kinds


def fitted(kind, n=30, data=None, **settings):
    """Return a model."""
    return sound_trainer.fit(kind, *(data or tones(n, 1)), {"n_classes": 3, "views": 64, "seed": 1, "architecture": TINY[kind], **settings})


def weights(model):
    return model["network"].state_dict()


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_tells_tones_apart_that_a_guess_does_not(kind):
    model = fitted(kind, n=90, views=6000)
    x, kinds = tones(60, 2)
    assert f1_score(kinds, sound_trainer.predict(model, x).argmax(axis=1), average="macro") > 0.9
    assert f1_score(kinds, np.zeros(60), average="macro") < 0.2


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_trains_the_same_weights_and_another_others(kind):
    first, again, other = (weights(fitted(kind, seed=seed)) for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


@pytest.mark.parametrize("n, views", [(30, 90), (100, 100), (7, 300)])
def test_all_kinds_are_shown_each_clip_equally_often(n, views, monkeypatch):
    shown, step = {}, sound_trainer.Training.step
    for kind in KINDS:
        seen = shown.setdefault(kind, [])
        monkeypatch.setattr(sound_trainer.Training, "step", lambda self, rows, seen=seen: seen.append(rows) or step(self, rows))
        fitted(kind, n, views=views)
    times = np.bincount(np.concatenate(shown["rnn"]), minlength=n)
    assert times.sum() == -(-views // 32) * 32 and np.ptp(times) <= 1
    assert all(np.array_equal(one, other) for kind in ("image", "transformer") for one, other in zip(shown["rnn"], shown[kind]))


def test_what_a_class_weighs_does_not_depend_on_its_clips():
    x, kinds = tones(12, 1)
    kept = np.r_[0:12:3, 1, 2]  # four of the first class, one of each other
    training = sound_trainer.Training(fitted("rnn"), x[kept], kinds[kept], {"seed": 1, "views": 1})
    assert training.weights.tolist() == pytest.approx([0.5, 2, 2])  # 6 clips / (3 classes x 4, 1, 1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [1, 2])
def test_one_or_two_clips_are_learned_from(kind, n):
    found = sound_trainer.predict(fitted(kind, n=n, n_classes=n), tones(3, 2)[0])
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)
    assert n == 2 or found[:, 0].tolist() == [1, 1, 1]


def test_no_clip_has_no_probabilities():
    model = fitted("rnn")
    assert sound_trainer.predict(model, np.empty((0, 1, 33, 31), np.float32)).shape == (0, 3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_clip_is_named_alike_alone_and_among_others(kind, monkeypatch):
    model, (x, _) = fitted(kind), tones(7, 2)
    together = sound_trainer.predict(model, x)
    monkeypatch.setattr(sound_trainer, "AT_ONCE", 1)
    np.testing.assert_allclose(sound_trainer.predict(model, x), together, atol=1e-6)


@pytest.mark.parametrize("kind", ["rnn", "transformer"])
def test_where_a_short_sound_lies_in_its_spectrogram_does_not_count(kind):
    model, x = fitted(kind), tones(2, 2)[0]
    x[..., 20:] = 0
    np.testing.assert_allclose(sound_trainer.predict(model, np.roll(x, 9, axis=3)), sound_trainer.predict(model, x), atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_that_is_read_again_gives_the_same_probabilities(kind, tmp_path):
    x, kinds = tones(12, 1)
    model = fitted(kind, data=(x, kinds))
    facts = json.loads(json.dumps(sound_trainer.save(model, tmp_path)))
    again = sound_trainer.load(tmp_path, facts)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["weights.safetensors"]
    assert np.array_equal(sound_trainer.predict(again, x), sound_trainer.predict(model, x))
    assert sound_trainer.save(again, tmp_path) == facts


def test_a_model_is_read_as_it_was_built_when_the_defaults_are_others_by_then(tmp_path, monkeypatch):
    from entoflow.wingbeat import sound_networks

    monkeypatch.setitem(sound_networks.ARCHITECTURES, "rnn", {"units": 7})
    facts = sound_trainer.save(fitted("rnn", architecture={}), tmp_path)
    monkeypatch.setitem(sound_networks.ARCHITECTURES, "rnn", {"units": 9})
    assert sound_trainer.load(tmp_path, facts)["network"].body.units.hidden_size == 7


@pytest.mark.parametrize("change, reason", [
    ({"architecture": {"units": 5}}, "size mismatch"), ({"n_classes": 2}, "size mismatch"), ({"input_shape": [1, 8, 31]}, "size mismatch"),
    ({"architecture": {"heads": 5}}, "unexpected keyword"), ({"kind": "image", "architecture": TINY["image"]}, "Missing key|Error"),
])
def test_weights_of_another_network_are_told(change, reason, tmp_path):
    facts = sound_trainer.save(fitted("rnn"), tmp_path)
    with pytest.raises(InputError, match=f"{tmp_path}: its weights cannot be loaded: .*"):
        sound_trainer.load(tmp_path, {**facts, **change})


def test_damaged_or_absent_weights_and_facts_are_told(tmp_path):
    facts = sound_trainer.save(fitted("rnn"), tmp_path)
    with pytest.raises(InputError, match="its weights cannot be loaded: 'n_classes'"):
        sound_trainer.load(tmp_path, {name: value for name, value in facts.items() if name != "n_classes"})
    (tmp_path / "weights.safetensors").write_bytes(b"x" * 99)
    with pytest.raises(InputError, match="its weights cannot be loaded: "):
        sound_trainer.load(tmp_path, facts)
    (tmp_path / "weights.safetensors").unlink()
    with pytest.raises(InputError, match="its weights cannot be loaded: .*No such file"):
        sound_trainer.load(tmp_path, facts)


def test_spectrograms_of_another_size_than_those_learned_from_are_told():
    with pytest.raises(InputError, match=r"spectrograms are of 1 x 33 x 40 \(channels, bins, frames\); wanted 1 x 33 x 31 .*, as the model learned from"):
        sound_trainer.predict(fitted("rnn"), np.zeros((2, 1, 33, 40), np.float32))


def test_an_unknown_kind_is_told():
    with pytest.raises(InputError, match="network is of kind 'lstm'; wanted one of image, rnn, transformer"):
        sound_trainer.fit("lstm", *tones(3, 1), {"n_classes": 3, "views": 1, "seed": 1})
