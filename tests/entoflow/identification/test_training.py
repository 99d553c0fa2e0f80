"""What a batch holds and what a view of an image shows, by hand."""

import numpy as np
import pytest

from entoflow.identification import training

torch = pytest.importorskip("torch")


class Highest:
    """Draws the top of every range, and no chance."""

    def uniform(self, low, high, size):
        return np.broadcast_to(high, size)

    def random(self, n):
        return np.ones(n)


@pytest.fixture
def still(monkeypatch):
    """Views without any movement, zoom or light."""
    monkeypatch.setattr(training, "SHIFT", 0)
    monkeypatch.setattr(training, "ZOOM", (1, 1))
    monkeypatch.setattr(training, "LIGHT", 0)


def noise_images(n):
    """Return (n, 3, 8, 8), which no turn or mirror leaves as they are."""
    return torch.from_numpy(np.random.default_rng(5).random((n, 3, 8, 8), np.float32))


def rng():
    return np.random.default_rng(1)


def test_a_view_without_movement_is_the_image(still):
    x = noise_images(4)
    assert torch.allclose(training.augment(x, rng(), False, 0), x, atol=1e-5)


def test_a_view_is_mirrored_half_of_the_time_and_never_where_that_is_wrong(still):
    x = noise_images(1).expand(200, 3, 8, 8)
    views = training.augment(x, rng(), True, 0)
    flipped = x[0].flip(-1)
    mirrored = np.array([torch.allclose(view, flipped, atol=1e-5) for view in views])
    assert 70 <= mirrored.sum() <= 130  # 100 expected, of a standard deviation of 7
    whole = views[~mirrored]
    assert torch.allclose(whole, x[: len(whole)], atol=1e-5)
    assert torch.allclose(training.augment(x, rng(), False, 0), x, atol=1e-5)


@pytest.mark.parametrize("rotation", [90, 180])
def test_a_view_is_turned_by_up_to_so_many_degrees(still, rotation):
    x = noise_images(2)
    view = training.augment(x, Highest(), False, rotation)
    turns = rotation // 90
    turned = [torch.rot90(x, direction * turns, (2, 3)) for direction in (1, -1)]
    assert any(torch.allclose(view, one, atol=1e-5) for one in turned)


def test_a_view_is_as_bright_as_drawn_everywhere(still, monkeypatch):
    monkeypatch.setattr(training, "LIGHT", 0.2)
    x = noise_images(2)
    view = training.augment(x, Highest(), False, 0)
    assert torch.allclose(view, x * 1.2 + 0.1, atol=1e-5)


def test_a_view_is_zoomed_by_its_factor(still, monkeypatch):
    monkeypatch.setattr(training, "ZOOM", (1, 2))
    x = torch.zeros(1, 3, 64, 64)
    x[:, :, 24:40, 24:40] = 1  # 16 pixels wide; twice that after
    area = training.augment(x, Highest(), False, 0).sum().item() / 3
    assert area == pytest.approx(32 * 32, rel=0.05)


def test_a_view_is_moved_by_a_share_of_the_side(still, monkeypatch):
    monkeypatch.setattr(training, "SHIFT", 0.25)
    x = noise_images(1)
    view = training.augment(x, Highest(), False, 0)
    assert torch.allclose(view[..., :6, :6], x[..., 2:, 2:], atol=1e-5)


def classes_of(counts):
    return np.repeat(np.arange(len(counts)), counts)


@pytest.mark.parametrize(
    "counts, size",
    [
        ([2, 2, 4], 4),
        ([3, 5, 1, 1, 7], 6),
        ([1] * 9, 4),
        ([9], 4),
        ([1, 1], 64),
        ([5, 6], 3),
    ],
)
def test_every_row_is_in_one_batch_but_a_last_one_that_is_alone(counts, size):
    classes = classes_of(counts)
    batches = training.batches(classes, size, np.random.default_rng(2))
    rows = np.concatenate(batches).tolist()
    assert len(rows) == len(set(rows)) >= len(classes) - 1
    assert all(size - 1 <= len(batch) <= size for batch in batches[:-1])
    assert 2 <= len(batches[-1]) <= size


def test_two_of_a_class_stand_side_by_side():
    classes = np.repeat(np.arange(20), 4)
    rows = np.concatenate(training.batches(classes, 8, np.random.default_rng(3)))
    in_order = classes[rows]
    assert (in_order[::2] == in_order[1::2]).all()


def test_the_order_of_batches_is_random():
    classes = np.repeat(np.arange(20), 4)
    orders = set()
    for seed in range(5):
        batches = training.batches(classes, 8, np.random.default_rng(seed))
        orders.add(tuple(np.concatenate(batches)))
    assert len(orders) == 5


def test_two_of_a_class_stay_in_one_batch():
    classes = classes_of([1, 2] * 5)
    for seed in range(10):
        for batch in training.batches(classes, 4, np.random.default_rng(seed)):
            counts = np.bincount(classes[batch], minlength=10)
            assert set(counts[1::2]) <= {0, 2}


def test_one_row_alone_gives_no_batch():
    assert training.batches(np.array([0]), 4, rng()) == []


def test_like_classes_stand_together_six_by_six_where_vectors_are_given():
    draw = np.random.default_rng(4)
    classes = np.repeat(draw.permutation(24), 2)
    likeness = classes // 6  # classes 0 to 5 are like each other, 6 to 11, ...
    vectors = np.eye(4)[likeness] + 0.05 * draw.normal(size=(48, 4))
    orders = set()
    for seed in range(5):
        batches = training.batches(classes, 12, np.random.default_rng(seed), vectors)
        for batch in batches:
            assert len(batch) == 12
            assert len(set(likeness[batch])) == 1
        rows = np.concatenate(batches)
        assert sorted(rows.tolist()) == list(range(48))
        orders.add(tuple(rows))
    assert len(orders) == 5


@pytest.mark.parametrize(
    "counts, size", [([3, 5, 1, 1, 7], 6), ([1] * 9, 4), ([9], 4), ([5, 6], 3)]
)
def test_with_equal_vectors_every_row_is_in_one_batch_too(counts, size):
    classes = classes_of(counts)
    vectors = np.zeros((len(classes), 3))
    batches = training.batches(classes, size, np.random.default_rng(2), vectors)
    rows = np.concatenate(batches)
    assert len(rows) == len(set(rows.tolist())) >= len(classes) - 1
