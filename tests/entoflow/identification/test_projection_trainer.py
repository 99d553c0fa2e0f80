"""Projections of drawn features whose nuisance is known, and of features of noise."""

from dataclasses import replace

import numpy as np
import pytest

from entoflow.identification import embedder as embedders
from entoflow.identification import training
from entoflow.identification.embedder import Embedder
from entoflow.identification.training import TrainingSettings

torch = pytest.importorskip("torch")
pytest.importorskip("timm")
from entoflow.identification import projection_trainer  # noqa: E402
from entoflow.identification.pretrained import new_embedder  # noqa: E402
from entoflow.identification.projection import Projection  # noqa: E402

SETTINGS = TrainingSettings(
    specimens_per_batch=64, max_epochs=12, patience=30, seed=1, mirror=True, rotation=20
)

pytestmark = pytest.mark.usefixtures("one_thread")


def draw_features(labels, n_views, seed):
    """Return (n, n_views, 24) float32.

    A class is in the first twelve numbers, and three times as much of no meaning in the others.
    """
    means = np.random.default_rng(9).normal(size=(100, 12))
    rng = np.random.default_rng(seed)
    features = np.empty((len(labels), n_views, 24), np.float32)
    noise = rng.normal(size=(len(labels), n_views, 12))
    features[..., :12] = means[labels][:, None] + 0.3 * noise
    features[..., 12:] = 3 * rng.normal(size=(len(labels), n_views, 12))
    return features


def recall(vectors, labels):
    """Return the share of vectors whose most similar other one has their label, one by one."""
    right = 0
    for row, vector in enumerate(vectors):
        others = [place for place in range(len(vectors)) if place != row]
        nearest = max(others, key=lambda place: float(vector @ vectors[place]))  # noqa: B023
        right += labels[nearest] == labels[row]
    return right / len(vectors)


def project(projection, features):
    """Return the vectors of features (n, d) behind a projection, or none."""
    embedder = Embedder(None, "cpu", "", 32, (0.5,) * 3, (0.5,) * 3, projection)
    return embedder.project(features)


def no_validation(projection):
    return None


def train(features, labels, validate=no_validation, **settings):
    """Return (projection, rows of its epochs)."""
    rows = []
    changed = replace(SETTINGS, **settings)
    projection = projection_trainer.train(features, labels, validate, changed, rows.append)
    return projection, rows


def test_a_new_projection_leaves_every_vector_as_it_is_to_the_last_bit():
    large = draw_features(np.arange(50), 1, 1)[:, 0] * 1e3
    small = draw_features(np.arange(50), 1, 2)[:, 0] * 1e-3
    features = np.concatenate([large, small, np.zeros((1, 24), np.float32)])
    projection = Projection(24)
    assert np.array_equal(project(projection, features), project(None, features))
    with torch.no_grad():
        moved = projection(torch.from_numpy(features))
    assert torch.equal(moved, torch.from_numpy(features))


def test_a_projection_moves_by_the_direction_alone():
    projection = Projection(24)
    torch.nn.init.normal_(projection.move.weight, std=0.3)
    torch.nn.init.normal_(projection.move.bias, std=0.3)
    features = draw_features(np.arange(20), 1, 1)[:, 0]
    weight = projection.move.weight.detach().numpy()
    direction = features / np.linalg.norm(features, axis=1, keepdims=True)
    moved = direction + direction @ weight.T + projection.move.bias.detach().numpy()
    wanted = moved / np.linalg.norm(moved, axis=1, keepdims=True)
    vectors = project(projection, features)
    np.testing.assert_allclose(vectors, wanted, atol=1e-5)
    np.testing.assert_allclose(project(projection, features * 7), vectors, atol=1e-5)


def test_it_learns_what_has_no_meaning_and_serves_classes_that_it_never_saw(monkeypatch):
    # Fewer numbers than a network makes take longer steps.
    monkeypatch.setattr(projection_trainer, "RATE", 1e-2)
    labels = np.repeat(np.arange(60), 3)
    new_labels = np.repeat(np.arange(60, 100), 3)
    projection, _ = train(draw_features(labels, 5, 1), labels.astype(str))
    features = draw_features(new_labels, 1, 2)[:, 0]
    assert recall(project(None, features), new_labels) < 0.25
    assert recall(project(projection, features), new_labels) > 0.75


def test_the_last_epoch_stays_and_there_are_no_more_than_enough(monkeypatch):
    monkeypatch.setattr(projection_trainer, "EPOCHS", 3)
    labels = np.repeat(np.arange(9), 3)
    states = []

    def validate(projection):
        state = projection.state_dict()
        states.append({name: value.clone() for name, value in state.items()})
        return 1 / len(states)

    projection, rows = train(draw_features(labels, 3, 1), labels, validate)
    epochs = [(row.epoch, row.validation, row.best_epoch) for row in rows]
    assert epochs == [(1, 1, 1), (2, 0.5, 2), (3, 0.33333, 3)]
    assert rows[2].loss < rows[0].loss
    for name, value in projection.state_dict().items():
        assert torch.equal(value, states[2][name])


@pytest.mark.parametrize("epochs", [2, 0])
def test_fewer_epochs_can_be_wanted_and_none_leaves_all_as_it_is(epochs):
    labels = np.repeat(np.arange(9), 3)
    projection, rows = train(draw_features(labels, 3, 1), labels, max_epochs=epochs)
    assert projection.move.weight.any() == (epochs > 0)
    assert [(row.epoch, row.validation) for row in rows] == [
        (epoch, None) for epoch in range(1, epochs + 1)
    ]


def test_where_classes_mean_nothing_the_projection_stays_near_what_was_there():
    features = draw_features(np.arange(90), 3, 1)
    features[..., 12:] = 0  # views of an image are alike, images of a class are not
    labels = np.random.default_rng(2).permutation(np.repeat(np.arange(30), 3))
    projection, _ = train(features, labels, max_epochs=40)
    new_labels = np.repeat(np.arange(40), 3)
    new = draw_features(new_labels, 1, 3)[:, 0]
    new[:, 12:] = 0
    before = recall(project(None, new), new_labels)
    assert recall(project(projection, new), new_labels) > 0.8 * before


def test_the_same_seed_learns_the_same():
    labels = np.repeat(np.arange(9), 3)
    features = draw_features(labels, 3, 1)
    weights = []
    for seed in (1, 1, 2):
        projection, _ = train(features, labels, max_epochs=1, seed=seed)
        weights.append(projection.move.weight)
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_a_step_contrasts_two_different_views_of_each_image():
    features = torch.arange(4.0 * 3).view(4, 3, 1)
    classes = np.array([0, 0, 1, 1])
    rng = np.random.default_rng(1)
    for pairs, labels in projection_trainer.pairs_of_views(features, classes, rng):
        image, view = np.divmod(pairs.numpy().ravel(), 3)
        assert sorted(image[:4]) == [0, 1, 2, 3]
        assert np.array_equal(image[:4], image[4:])
        assert (view[:4] != view[4:]).all()
        assert labels.tolist() == [classes[int(row)] for row in image]


def test_views_are_the_networks_features_of_the_image_and_of_it_moved(monkeypatch):
    embedder = new_embedder("test_resnet", 32)
    images = np.random.default_rng(1).integers(0, 256, (5, 32, 32, 3), np.uint8)
    monkeypatch.setattr(embedders, "PIXELS_AT_ONCE", 2 * 32 * 32)
    done = []
    features = projection_trainer.view_features(embedder, images, SETTINGS, done.append)
    assert features.shape == (5, 1 + projection_trainer.VIEWS, embedder.dimension)
    assert done == [2, 4, 5]
    np.testing.assert_allclose(features[:, 0], embedder.features(images), atol=1e-5)
    assert len({row.tobytes() for row in features[0]}) == 1 + projection_trainer.VIEWS


def test_views_without_movement_are_all_the_image(monkeypatch):
    monkeypatch.setattr(training, "SHIFT", 0)
    monkeypatch.setattr(training, "ZOOM", (1, 1))
    monkeypatch.setattr(training, "LIGHT", 0)
    embedder = new_embedder("test_resnet", 32)
    images = np.random.default_rng(1).integers(0, 256, (5, 32, 32, 3), np.uint8)
    still = replace(SETTINGS, mirror=False, rotation=0)
    features = projection_trainer.view_features(embedder, images, still, lambda n: None)
    every_view = np.repeat(features[:, :1], 1 + projection_trainer.VIEWS, axis=1)
    np.testing.assert_allclose(features, every_view, atol=1e-3)
