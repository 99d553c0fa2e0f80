"""What augmentation may change and what it may not, by numpy and by hand."""

import numpy as np
import pytest

from entoflow.wingbeat import sound_augmentation

torch = pytest.importorskip("torch")
FRAMES = torch.tensor([24, 13, 1, 24, 7])


class Scripted:
    """Draws these values, one after the other."""

    def __init__(self, *values):
        self.values = list(values)

    def _next(self, *_):
        return np.array(self.values.pop(0))

    integers = uniform = beta = permutation = _next


def rng():
    return np.random.default_rng(4)


@pytest.fixture
def x():
    """Spectrograms 5 x 2 x 20 x 24, padding 0."""
    values = torch.from_numpy(rng().normal(size=(5, 2, 20, 24)).astype(np.float32))
    return values * (torch.arange(24) < FRAMES[:, None])[:, None, None]


def targets(n=5, n_classes=3):
    return torch.eye(n_classes)[torch.arange(n) % n_classes]


def test_a_sound_is_rolled_around_its_own_end(x):
    augmented = sound_augmentation.roll(x, FRAMES, Scripted([5, 5, 5, 0, 23]))
    for row, (n, shift) in enumerate(zip(FRAMES.tolist(), [5, 5, 5, 0, 23])):
        assert torch.equal(augmented[row, ..., :n], torch.roll(x[row, ..., :n], shift, 2))
    assert not augmented[1, ..., 13:].any()


def test_every_shift_is_drawn():
    ramp = torch.arange(4.0).expand(400, 1, 1, 4)
    first = sound_augmentation.roll(ramp, torch.full((400,), 4), rng())[:, 0, 0, 0].int()
    assert torch.bincount(first).min() > 60  # 100 expected, of a deviation of 9


def test_a_gain_is_the_same_at_every_bin_and_frame_of_a_sound_and_none_in_its_padding(x):
    added = (sound_augmentation.change_gain(x, FRAMES, rng()) - x).numpy()
    for row, n in enumerate(FRAMES.tolist()):
        np.testing.assert_allclose(added[row, ..., :n], added[row, 0, 0, 0], atol=1e-6)
        assert not added[row, ..., n:].any()
    assert (
        len(set(added[:, 0, 0, 0].round(4))) == 5 and np.abs(added).max() <= sound_augmentation.GAIN
    )


def test_the_bands_and_gaps_that_are_struck_out_are_as_told(x, monkeypatch):
    monkeypatch.setattr(sound_augmentation, "BANDS", 1)
    monkeypatch.setattr(sound_augmentation, "GAPS", 1)
    widths, starts = np.array([2, 0, 1, 2, 1]), np.array([0, 3, 19, 18, 7])
    augmented = sound_augmentation.mask(x, Scripted(widths, starts, widths[::-1], starts[::-1]))
    wanted = x.clone()
    for row in range(5):
        wanted[row, :, starts[row] : starts[row] + widths[row]] = 0
        wanted[row, :, :, starts[4 - row] : starts[4 - row] + widths[4 - row]] = 0
    assert torch.equal(augmented, wanted)


def test_no_more_than_the_shares_is_struck_out_and_all_of_it_is_sometimes():
    ones = torch.ones(300, 1, 40, 60)
    left = sound_augmentation.mask(ones, rng())
    bands, gaps = (left.amax(3)[:, 0] == 0).sum(1), (left.amax(2)[:, 0] == 0).sum(1)
    assert (
        bands.max() == sound_augmentation.BANDS * 40 * sound_augmentation.BAND and bands.min() == 0
    )
    assert gaps.max() == sound_augmentation.GAPS * 60 * sound_augmentation.GAP and gaps.min() == 0


def test_two_sounds_are_mixed_in_the_shares_told_and_so_are_their_classes(x):
    shares, order = np.array([1, 0.25, 0, 0.5, 0.5]), [4, 0, 3, 3, 1]
    values, frames, classes = sound_augmentation.mix_up(
        x, FRAMES, targets(), Scripted(order, shares)
    )
    assert frames.tolist() == [24, 24, 24, 24, 13]
    for row, (share, other) in enumerate(zip(shares, order)):
        np.testing.assert_allclose(values[row], share * x[row] + (1 - share) * x[other], atol=1e-6)
        np.testing.assert_allclose(
            classes[row], share * targets()[row] + (1 - share) * targets()[other], atol=1e-6
        )


def test_a_varied_batch_has_the_shapes_and_whole_classes_and_is_not_what_it_was(x):
    before, classes = x.clone(), targets()
    augmented, frames, mixed = sound_augmentation.augment(x, FRAMES, classes, rng())
    assert (
        augmented.shape == x.shape
        and augmented.dtype == x.dtype
        and frames.shape == FRAMES.shape
        and mixed.shape == classes.shape
    )
    assert (
        torch.allclose(mixed.sum(1), torch.ones(5))
        and (mixed >= 0).all()
        and (frames >= FRAMES).all()
    )
    assert (
        torch.equal(x, before) and torch.equal(classes, targets()) and not torch.equal(augmented, x)
    )
    assert torch.equal(augmented, sound_augmentation.augment(x, FRAMES, classes, rng())[0])


def test_alike_classes_stay_what_they_are_whatever_is_mixed(x):
    classes = torch.tensor([[0.0, 1.0, 0.0]]).expand(5, 3)
    assert torch.allclose(sound_augmentation.augment(x, FRAMES, classes, rng())[2], classes)
