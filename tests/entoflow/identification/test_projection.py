"""Projections of drawn features whose nuisance is known, and of the features that test_resnet makes of noise."""
import numpy as np
import pytest

from entoflow.identification import embedder

torch = pytest.importorskip("torch")
pytest.importorskip("timm")
from entoflow.identification import embedder_trainer, projection  # noqa: E402

SETTINGS = {"max_epochs": 12, "seed": 1, "mirror": True, "rotation": 20}


pytestmark = pytest.mark.usefixtures("one_thread")


def drawn(labels, n_views, seed):
    """Return len(labels) x n_views x 24: a class is in the first twelve numbers, and three times as much of no meaning in the last twelve."""
    means = np.random.default_rng(9).normal(size=(100, 12))
    rng = np.random.default_rng(seed)
    found = np.empty((len(labels), n_views, 24), np.float32)
    found[..., :12] = means[labels][:, None] + 0.3 * rng.normal(size=(len(labels), n_views, 12))
    found[..., 12:] = 3 * rng.normal(size=(len(labels), n_views, 12))
    return found


def recall(vectors, labels):
    """Return the share of the vectors whose most similar other one has their label, counted one by one."""
    right = 0
    for row, vector in enumerate(vectors):
        likeness = [(float(vector @ other), label) for place, (other, label) in enumerate(zip(vectors, labels)) if place != row]
        right += max(likeness)[1] == labels[row]
    return right / len(vectors)


def vectors_of(made, features):
    return embedder.finished({"projection": made}, features)


def test_a_new_projection_leaves_every_vector_as_it_is_to_the_last_bit():
    features = np.concatenate([drawn(np.arange(50), 1, 1)[:, 0] * 1e3, drawn(np.arange(50), 1, 2)[:, 0] * 1e-3, np.zeros((1, 24), np.float32)])
    new = projection.Projection(24)
    assert np.array_equal(vectors_of(new, features), vectors_of(None, features))
    with torch.no_grad():
        assert torch.equal(new(torch.from_numpy(features)), torch.from_numpy(features))


def test_a_projection_moves_by_the_direction_alone():
    made = projection.Projection(24)
    torch.nn.init.normal_(made.move.weight, std=0.3)
    torch.nn.init.normal_(made.move.bias, std=0.3)
    features = drawn(np.arange(20), 1, 1)[:, 0]
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    wanted = unit + unit @ made.move.weight.detach().numpy().T + made.move.bias.detach().numpy()
    np.testing.assert_allclose(vectors_of(made, features), wanted / np.linalg.norm(wanted, axis=1, keepdims=True), atol=1e-5)
    np.testing.assert_allclose(vectors_of(made, features * 7), vectors_of(made, features), atol=1e-5)


def test_it_learns_what_says_nothing_and_serves_classes_that_it_never_saw(monkeypatch):
    monkeypatch.setattr(projection, "RATE", 1e-2)  # fewer numbers than a network makes take longer steps
    labels, strangers = np.repeat(np.arange(60), 3), np.repeat(np.arange(60, 100), 3)
    made = projection.train(drawn(labels, 5, 1), labels.astype(str), lambda made: None, SETTINGS, lambda row: None)
    seen = drawn(strangers, 1, 2)[:, 0]
    before, after = recall(vectors_of(None, seen), strangers), recall(vectors_of(made, seen), strangers)
    assert before < 0.25 and after > 0.75


def test_the_last_epoch_stays_and_there_are_no_more_than_enough(monkeypatch):
    monkeypatch.setattr(projection, "EPOCHS", 3)
    labels, rows, shown = np.repeat(np.arange(9), 3), [], []

    def validate(made):
        shown.append({name: value.clone() for name, value in made.state_dict().items()})
        return 1 / len(shown)

    made = projection.train(drawn(labels, 3, 1), labels, validate, SETTINGS, rows.append)
    assert [(row["epoch"], row["validation"], row["best_epoch"]) for row in rows] == [(1, 1, 1), (2, 0.5, 2), (3, 0.33333, 3)]
    assert rows[2]["loss"] < rows[0]["loss"] and all(torch.equal(value, shown[2][name]) for name, value in made.state_dict().items())


def test_fewer_epochs_can_be_asked_for_and_none_leaves_all_as_it_is():
    labels, rows = np.repeat(np.arange(9), 3), []
    for epochs, moved in ((2, True), (0, False)):
        made = projection.train(drawn(labels, 3, 1), labels, lambda made: None, {**SETTINGS, "max_epochs": epochs}, rows.append)
        assert made.move.weight.any() == moved
    assert [(row["epoch"], row["validation"]) for row in rows] == [(1, None), (2, None)]


def test_where_classes_mean_nothing_the_projection_stays_near_what_was_there():
    features, labels = drawn(np.arange(90), 3, 1), np.random.default_rng(2).permutation(np.repeat(np.arange(30), 3))
    features[..., 12:] = 0  # views of an image are alike, images of a class are not
    made = projection.train(features, labels, lambda made: None, {**SETTINGS, "max_epochs": 40}, lambda row: None)
    seen, strangers = drawn(np.repeat(np.arange(40), 3), 1, 3)[:, 0], np.repeat(np.arange(40), 3)
    seen[:, 12:] = 0
    assert recall(vectors_of(made, seen), strangers) > 0.8 * recall(vectors_of(None, seen), strangers)


def test_the_same_seed_learns_the_same():
    labels = np.repeat(np.arange(9), 3)
    first, again, other = (projection.train(drawn(labels, 3, 1), labels, lambda made: None, {**SETTINGS, "max_epochs": 1, "seed": seed}, lambda row: None)
                           for seed in (1, 1, 2))
    assert torch.equal(first.move.weight, again.move.weight) and not torch.equal(first.move.weight, other.move.weight)


def test_a_step_contrasts_two_different_views_of_each_image():
    features, kinds = np.arange(4 * 3, dtype=np.float32).reshape(4, 3, 1), np.array([0, 0, 1, 1])
    for pair, labels in projection._pairs(torch.from_numpy(features), kinds, np.random.default_rng(1)):
        image, view = np.divmod(pair.numpy().ravel(), 3)
        assert sorted(image[:4]) == [0, 1, 2, 3] and np.array_equal(image[:4], image[4:]) and (view[:4] != view[4:]).all()
        assert labels.tolist() == [kinds[int(row)] for row in image]


def test_views_are_the_networks_features_of_the_image_and_of_it_moved(monkeypatch):
    made, done = embedder.new("test_resnet", 32), []
    images = np.random.default_rng(1).integers(0, 256, (5, 32, 32, 3), np.uint8)
    monkeypatch.setattr(embedder, "AT_ONCE", 2 * 32 * 32)
    found = projection.views(made, images, SETTINGS, done.append)
    assert found.shape == (5, 1 + projection.VIEWS, embedder.dimension(made["network"])) and done == [2, 4, 5]
    np.testing.assert_allclose(found[:, 0], embedder.features(made, list(images)), atol=1e-5)
    assert len({row.tobytes() for row in found[0]}) == 1 + projection.VIEWS
    still = {"SHIFT": 0, "ZOOM": (1, 1), "LIGHT": 0}
    for name, value in still.items():
        monkeypatch.setattr(embedder_trainer, name, value)
    unmoved = projection.views(made, images, {**SETTINGS, "mirror": False, "rotation": 0}, done.append)
    np.testing.assert_allclose(unmoved, np.repeat(unmoved[:, :1], 1 + projection.VIEWS, axis=1), atol=1e-3)
