"""Training test_resnet at 32 pixels on drawn shapes."""

from dataclasses import replace

import numpy as np
import pytest

from entoflow.identification import training
from entoflow.identification.training import TrainingSettings

torch = pytest.importorskip("torch")
pytest.importorskip("timm")
from entoflow.identification import embedder_trainer  # noqa: E402
from entoflow.identification.pretrained import new_embedder  # noqa: E402

SETTINGS = TrainingSettings(
    specimens_per_batch=16, max_epochs=3, patience=99, seed=1, mirror=True, rotation=10
)
SHAPES = ("frame", "cross", "bar", "disc")

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def quick(monkeypatch):
    """Epochs of one pass."""
    monkeypatch.setattr(training, "VIEWS_AN_EPOCH", 1)


def draw_shapes(n, seed):
    """Return (images (n, 32, 32, 3), labels (n,)).

    A shape is the class, while colours and places say nothing of it.
    """
    import cv2

    rng = np.random.default_rng(seed)
    labels = np.array([SHAPES[k % len(SHAPES)] for k in range(n)])
    images = np.empty((n, 32, 32, 3), np.uint8)
    for image, label in zip(images, labels):
        image[:] = rng.integers(0, 100, 3)
        colour = tuple(int(value) for value in rng.integers(150, 256, 3))
        x, y = rng.integers(12, 20, 2).tolist()
        if label == "frame":
            cv2.rectangle(image, (x - 8, y - 8), (x + 8, y + 8), colour, 2)
        elif label == "disc":
            cv2.circle(image, (x, y), 8, colour, -1)
        else:
            cv2.line(image, (x - 8, y), (x + 8, y), colour, 3)
            if label == "cross":
                cv2.line(image, (x, y - 8), (x, y + 8), colour, 3)
    return images, labels


def no_validation(embedder):
    return None


def train(validate=no_validation, n=24, **settings):
    """Return (embedder, rows of its epochs)."""
    embedder = new_embedder("test_resnet", 32)
    rows = []
    images, labels = draw_shapes(n, 1)
    changed = replace(SETTINGS, **settings)
    embedder_trainer.train(embedder, images, labels, validate, changed, rows.append)
    return embedder, rows


def first_weights(embedder):
    return embedder.network.conv1[0].weight


def recall(embedder, n_known=64, n_queries=48):
    """Return the share of new shapes whose most similar known one is of their class."""
    known_images, known_labels = draw_shapes(n_known, 1)
    images, labels = draw_shapes(n_queries, 99)
    cosines = embedder.embed(images) @ embedder.embed(known_images).T
    return (known_labels[cosines.argmax(axis=1)] == labels).mean()


def test_training_lowers_the_loss_and_tells_shapes_apart_that_random_weights_do_not(monkeypatch):
    monkeypatch.setattr(training, "VIEWS_AN_EPOCH", 1000)
    embedder, rows = train(n=64, max_epochs=2)
    assert rows[-1].loss < rows[0].loss
    assert recall(embedder) > recall(new_embedder("test_resnet", 32)) + 0.2
    assert not embedder.network.training


def test_the_same_seed_trains_the_same_weights_and_another_others(quick):
    states = []
    for seed in (1, 1, 2):
        embedder, _ = train(max_epochs=2, seed=seed)
        states.append(embedder.network.state_dict())
    first, again, other = states
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["conv1.0.weight"], other["conv1.0.weight"])


@pytest.mark.parametrize("n", [4, 5])
def test_classes_of_one_image_are_learned_from(quick, n):
    embedder, rows = train(n=n, specimens_per_batch=4)
    assert [row.epoch for row in rows] == [1, 2, 3]
    assert all(np.isfinite(row.loss) for row in rows)
    untrained = new_embedder("test_resnet", 32)
    assert not torch.equal(first_weights(embedder), first_weights(untrained))


def test_passes_may_have_unlike_numbers_of_batches(quick):
    """Fifteen rows in batches of four, some pairs of a class: four or five batches."""
    rows = []
    settings = replace(SETTINGS, specimens_per_batch=4, max_epochs=12)
    embedder = new_embedder("test_resnet", 32)
    images, _ = draw_shapes(15, 1)
    labels = np.repeat(np.arange(10), [1, 2] * 5)
    embedder_trainer.train(embedder, images, labels, no_validation, settings, rows.append)
    assert len(rows) == 12


class Scripted:
    """Validates by a list of values, and remembers the weights at each epoch."""

    def __init__(self, *values):
        self.values = iter(values)
        self.states = []

    def __call__(self, embedder):
        assert not embedder.network.training
        state = embedder.network.state_dict()
        self.states.append({name: value.clone() for name, value in state.items()})
        return next(self.values)


def test_the_weights_of_the_best_epoch_are_kept(quick):
    validate = Scripted(0.1, 0.9, 0.5)
    embedder, rows = train(validate)
    state = embedder.network.state_dict()
    _, best, last = validate.states
    assert all(torch.equal(state[name], value) for name, value in best.items())
    assert not torch.equal(state["conv1.0.weight"], last["conv1.0.weight"])
    epochs = [(row.epoch, row.validation, row.best_epoch) for row in rows]
    assert epochs == [(1, 0.1, 1), (2, 0.9, 2), (3, 0.5, 2)]


def test_of_equally_good_epochs_the_later_is_kept(quick):
    validate = Scripted(0.5, 0.5, 0.1)
    embedder, rows = train(validate)
    assert [row.best_epoch for row in rows] == [1, 2, 2]
    assert torch.equal(first_weights(embedder), validate.states[1]["conv1.0.weight"])


def test_without_validation_all_epochs_are_trained_and_the_last_is_kept(quick):
    validate = Scripted(None, None, None)
    embedder, rows = train(validate, patience=1)
    assert [(row.validation, row.best_epoch) for row in rows] == [(None, 1), (None, 2), (None, 3)]
    assert torch.equal(first_weights(embedder), validate.states[2]["conv1.0.weight"])


@pytest.mark.parametrize(
    "values, epochs",
    [
        ((0.5, 0.4, 0.3, 0.9), 3),
        ((0.5, 0.4, 0.6, 0.5, 0.5, 0.9), 5),
        ((0.5, 0.5, 0.5, 0.5, 0.5, 0.5), 3),
    ],
)
def test_patience_ends_it_after_so_many_epochs_without_a_better_one(quick, values, epochs):
    _, rows = train(Scripted(*values), max_epochs=6, patience=2)
    assert len(rows) == epochs


def test_a_network_with_a_layer_behind_its_features_is_trained(quick):
    embedder = new_embedder("mobilenetv3_small_050", 32)
    rows = []
    images, labels = draw_shapes(8, 1)
    settings = replace(SETTINGS, max_epochs=1)
    embedder_trainer.train(embedder, images, labels, no_validation, settings, rows.append)
    assert len(rows) == 1
