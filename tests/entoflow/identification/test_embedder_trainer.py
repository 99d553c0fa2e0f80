"""Training test_resnet at 32 pixels on drawn shapes; what a batch holds and what a view shows, by hand."""
import numpy as np
import pytest

from entoflow.identification import embedder, embedder_trainer

torch = pytest.importorskip("torch")
pytest.importorskip("timm")

SETTINGS = {"specimens_per_batch": 16, "max_epochs": 3, "patience": 99, "seed": 1, "mirror": True, "rotation": 10}
SHAPES = ("frame", "cross", "bar", "disc")


class Highest:
    """Draws the top of every range, and no chance."""

    def uniform(self, low, high, size):
        return np.broadcast_to(high, size)

    def random(self, n):
        return np.ones(n)


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def still(monkeypatch):
    """Views without any movement, zoom or light."""
    for name, value in (("SHIFT", 0), ("ZOOM", (1, 1)), ("LIGHT", 0)):
        monkeypatch.setattr(embedder_trainer, name, value)


@pytest.fixture
def quick(monkeypatch):
    """Epochs of one pass."""
    monkeypatch.setattr(embedder_trainer, "VIEWS_AN_EPOCH", 1)


def drawn(n, seed):
    """Return (images n x 32 x 32 x 3, labels n): a shape is the class, while colours and places say nothing of it."""
    import cv2

    rng, labels = np.random.default_rng(seed), np.array([SHAPES[k % len(SHAPES)] for k in range(n)])
    images = np.empty((n, 32, 32, 3), np.uint8)
    for image, label in zip(images, labels):
        image[:] = rng.integers(0, 100, 3)
        colour, (x, y) = tuple(int(c) for c in rng.integers(150, 256, 3)), rng.integers(12, 20, 2).tolist()
        if label == "frame":
            cv2.rectangle(image, (x - 8, y - 8), (x + 8, y + 8), colour, 2)
        elif label == "disc":
            cv2.circle(image, (x, y), 8, colour, -1)
        else:
            cv2.line(image, (x - 8, y), (x + 8, y), colour, 3)
            if label == "cross":
                cv2.line(image, (x, y - 8), (x, y + 8), colour, 3)
    return images, labels


def trained(validate=lambda made: None, n=24, **settings):
    """Return (embedder, rows of its epochs)."""
    made, rows = embedder.new("test_resnet", 32), []
    embedder_trainer.train(made, *drawn(n, 1), validate, {**SETTINGS, **settings}, rows.append)
    return made, rows


def asymmetric(n):
    return torch.from_numpy(np.random.default_rng(5).random((n, 3, 8, 8), np.float32))


class TestView:
    def test_without_movement_it_is_the_image(self, still):
        x = asymmetric(4)
        assert torch.allclose(embedder_trainer.view(x, np.random.default_rng(1), False, 0), x, atol=1e-5)

    def test_it_is_mirrored_half_of_the_time_and_never_where_that_is_wrong(self, still):
        x = asymmetric(1).expand(200, 3, 8, 8)
        mirrored = [torch.isclose(one, x[0].flip(-1), atol=1e-5).all().item() for one in embedder_trainer.view(x, np.random.default_rng(1), True, 0)]
        assert 70 <= sum(mirrored) <= 130  # 100 expected, of a standard deviation of 7
        whole = embedder_trainer.view(x, np.random.default_rng(1), True, 0)[~np.array(mirrored)]
        assert torch.allclose(whole, x[:len(whole)], atol=1e-5)
        assert torch.allclose(embedder_trainer.view(x, np.random.default_rng(1), False, 0), x, atol=1e-5)

    @pytest.mark.parametrize("rotation", [90, 180])
    def test_it_is_turned_by_up_to_so_many_degrees(self, still, rotation):
        x = asymmetric(2)
        found = embedder_trainer.view(x, Highest(), False, rotation)
        assert any(torch.allclose(found, torch.rot90(x, turns * rotation // 90, (2, 3)), atol=1e-5) for turns in (1, -1))

    def test_it_is_as_bright_as_told_everywhere(self, still, monkeypatch):
        monkeypatch.setattr(embedder_trainer, "LIGHT", 0.2)
        x = asymmetric(2)
        assert torch.allclose(embedder_trainer.view(x, Highest(), False, 0), x * 1.2 + 0.1, atol=1e-5)

    def test_it_is_zoomed_by_its_factor(self, still, monkeypatch):
        monkeypatch.setattr(embedder_trainer, "ZOOM", (1, 2))
        x = torch.zeros(1, 3, 64, 64)
        x[:, :, 24:40, 24:40] = 1  # 16 pixels wide; twice that after
        assert embedder_trainer.view(x, Highest(), False, 0).sum().item() / 3 == pytest.approx(32 * 32, rel=0.05)

    def test_it_is_moved_by_a_share_of_the_side(self, still, monkeypatch):
        monkeypatch.setattr(embedder_trainer, "SHIFT", 0.25)
        x = asymmetric(1)
        assert torch.allclose(embedder_trainer.view(x, Highest(), False, 0)[..., :6, :6], x[..., 2:, 2:], atol=1e-5)


class TestBatches:
    @pytest.mark.parametrize("counts, size", [([2, 2, 4], 4), ([3, 5, 1, 1, 7], 6), ([1] * 9, 4), ([9], 4), ([1, 1], 64), ([5, 6], 3)])
    def test_every_row_is_in_one_batch_but_a_last_one_that_is_alone(self, counts, size):
        kinds = np.repeat(np.arange(len(counts)), counts)
        found = embedder_trainer.batches(kinds, size, np.random.default_rng(2))
        rows = np.concatenate(found).tolist()
        assert len(rows) == len(set(rows)) >= len(kinds) - 1
        assert all(size - 1 <= len(batch) <= size for batch in found[:-1]) and 2 <= len(found[-1]) <= size

    def test_two_of_a_class_stand_side_by_side(self):
        kinds = np.repeat(np.arange(20), 4)
        in_order = kinds[np.concatenate(embedder_trainer.batches(kinds, 8, np.random.default_rng(3)))]
        assert (in_order[::2] == in_order[1::2]).all()
        assert len({tuple(np.concatenate(embedder_trainer.batches(kinds, 8, np.random.default_rng(seed)))) for seed in range(5)}) == 5

    def test_two_of_a_class_stay_in_one_batch(self):
        kinds = np.repeat(np.arange(10), [1, 2] * 5)
        for seed in range(10):
            for batch in embedder_trainer.batches(kinds, 4, np.random.default_rng(seed)):
                counts = np.bincount(kinds[batch], minlength=10)
                assert set(counts[1::2]) <= {0, 2}

    def test_one_row_alone_gives_no_batch(self):
        assert embedder_trainer.batches(np.array([0]), 4, np.random.default_rng(1)) == []


    def test_like_classes_stand_side_by_side_where_vectors_are_given_six_by_six(self):
        rng = np.random.default_rng(4)
        kinds = np.repeat(rng.permutation(24), 2)
        vectors = np.eye(4)[kinds // 6] + 0.05 * rng.normal(size=(48, 4))  # classes 0 to 5 are like each other, 6 to 11, ...
        orders = set()
        for seed in range(5):
            batches = embedder_trainer.batches(kinds, 12, np.random.default_rng(seed), vectors)
            assert [sorted(set(kinds[batch] // 6)) for batch in batches] == [[of] for of in kinds[[batch[0] for batch in batches]] // 6]
            assert sorted(np.concatenate(batches).tolist()) == list(range(48)) and all(len(batch) == 12 for batch in batches)
            orders.add(tuple(np.concatenate(batches)))
        assert len(orders) == 5

    @pytest.mark.parametrize("counts, size", [([3, 5, 1, 1, 7], 6), ([1] * 9, 4), ([9], 4), ([5, 6], 3)])
    def test_with_vectors_every_row_is_in_one_batch_too_be_they_all_the_same(self, counts, size):
        kinds = np.repeat(np.arange(len(counts)), counts)
        rows = np.concatenate(embedder_trainer.batches(kinds, size, np.random.default_rng(2), np.zeros((len(kinds), 3))))
        assert len(rows) == len(set(rows.tolist())) >= len(kinds) - 1


def recall(made, n_known=64, n_asked=48):
    known, asked = drawn(n_known, 1), drawn(n_asked, 99)
    likeness = embedder.embed(made, list(asked[0])) @ embedder.embed(made, list(known[0])).T
    return (known[1][likeness.argmax(axis=1)] == asked[1]).mean()


def test_training_lowers_the_loss_and_tells_shapes_apart_that_random_weights_do_not(monkeypatch):
    monkeypatch.setattr(embedder_trainer, "VIEWS_AN_EPOCH", 1000)
    made, rows = trained(n=64, max_epochs=2)
    assert rows[-1]["loss"] < rows[0]["loss"]
    assert recall(made) > recall(embedder.new("test_resnet", 32)) + 0.2
    assert not made["network"].training


def test_the_same_seed_trains_the_same_weights_and_another_others(quick):
    first, again, other = (trained(max_epochs=2, seed=seed)[0]["network"].state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["conv1.0.weight"], other["conv1.0.weight"])


@pytest.mark.parametrize("n", [4, 5])
def test_classes_of_one_image_are_learned_from(quick, n):
    made, rows = trained(n=n, specimens_per_batch=4)
    assert [row["epoch"] for row in rows] == [1, 2, 3] and all(np.isfinite(row["loss"]) for row in rows)
    assert not torch.equal(made["network"].conv1[0].weight, embedder.new("test_resnet", 32)["network"].conv1[0].weight)


def test_passes_may_have_unlike_numbers_of_batches(quick):
    """Fifteen rows in batches of four, some pairs of a class: four or five batches."""
    rows, settings = [], {**SETTINGS, "specimens_per_batch": 4, "max_epochs": 12}
    embedder_trainer.train(embedder.new("test_resnet", 32), drawn(15, 1)[0], np.repeat(np.arange(10), [1, 2] * 5), lambda made: None, settings, rows.append)
    assert len(rows) == 12


class Scripted:
    """Validates as told, and remembers the weights it was asked about."""

    def __init__(self, *figures):
        self.figures, self.seen = iter(figures), []

    def __call__(self, made):
        assert not made["network"].training
        self.seen.append({name: value.clone() for name, value in made["network"].state_dict().items()})
        return next(self.figures)


def test_the_weights_of_the_best_epoch_are_kept(quick):
    validate = Scripted(0.1, 0.9, 0.5)
    made, rows = trained(validate)
    found = made["network"].state_dict()
    assert all(torch.equal(found[name], value) for name, value in validate.seen[1].items())
    assert not torch.equal(found["conv1.0.weight"], validate.seen[2]["conv1.0.weight"])
    assert [(row["epoch"], row["validation"], row["best_epoch"]) for row in rows] == [(1, 0.1, 1), (2, 0.9, 2), (3, 0.5, 2)]


def test_without_validation_all_epochs_are_trained_and_the_last_is_kept(quick):
    validate = Scripted(None, None, None)
    made, rows = trained(validate, patience=1)
    assert [(row["validation"], row["best_epoch"]) for row in rows] == [(None, 1), (None, 2), (None, 3)]
    assert torch.equal(made["network"].conv1[0].weight, validate.seen[2]["conv1.0.weight"])


@pytest.mark.parametrize("figures, epochs", [
    ((0.5, 0.4, 0.3, 0.9), 3), ((0.5, 0.4, 0.6, 0.5, 0.5, 0.9), 5),
    ((0.5, 0.5, 0.5, 0.5, 0.5, 0.5), 3),
])
def test_patience_ends_it_after_so_many_epochs_without_a_better_one(quick, figures, epochs):
    assert len(trained(Scripted(*figures), max_epochs=6, patience=2)[1]) == epochs


def test_a_network_with_a_layer_behind_its_features_is_trained(quick):
    made, rows = embedder.new("mobilenetv3_small_050", 32), []
    embedder_trainer.train(made, *drawn(8, 1), lambda made: None, {**SETTINGS, "max_epochs": 1}, rows.append)
    assert len(rows) == 1
