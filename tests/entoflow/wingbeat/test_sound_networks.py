"""Networks against what their layers give one clip alone; scales and patches by hand."""

import numpy as np
import pytest

from entoflow.task import InputError

torch = pytest.importorskip("torch")
pytest.importorskip("timm")

from entoflow.wingbeat import sound_networks  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")
SHAPE = (2, 16, 24)  # channels, bins, frames
TINY = {
    "image": {"widths": [4, 4, 4, 4]},
    "rnn": {"units": 5},
    "transformer": {"width": 8, "layers": 2, "heads": 2},
}
KINDS = list(TINY)


def build(kind, shape=SHAPE, n_classes=3, **settings):
    torch.manual_seed(1)
    return sound_networks.build(kind, n_classes, shape, TINY[kind] | settings).eval()


def draw(n, shape=SHAPE):
    return torch.from_numpy(np.random.default_rng(2).normal(size=(n, *shape)).astype(np.float32))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [1, 4])
@pytest.mark.parametrize("shape", [(1, 64, 32), (2, 33, 41), (3, 40, 64)])
def test_each_kind_gives_a_finite_number_for_each_clip_and_class_also_in_training(kind, n, shape):
    network, frames = build(kind, shape), torch.arange(1, n + 1)
    assert network(draw(n, shape), frames).shape == (n, 3)
    logits = network.train()(draw(max(n, 2), shape), torch.arange(1, max(n, 2) + 1))
    logits.sum().backward()
    assert logits.shape == (max(n, 2), 3) and logits.isfinite().all()
    assert all(
        weight.grad is None or weight.grad.isfinite().all() for weight in network.parameters()
    )


@pytest.mark.parametrize("kind", KINDS)
def test_what_padding_holds_is_not_seen(kind):
    network, x, frames = build(kind), draw(3), torch.tensor([24, 10, 1])
    other = x.clone()
    other[1, :, :, 10:], other[2, :, :, 1:] = 99, -99
    with torch.inference_mode():
        assert torch.equal(
            *(network(network.normalised(values, frames), frames) for values in (x, other))
        )


@pytest.mark.parametrize("kind", ["rnn", "transformer"])
@pytest.mark.parametrize("n_frames", [8, 13])
def test_how_much_padding_there_is_does_not_count(kind, n_frames):
    network, x = build(kind), draw(1)
    x[..., n_frames:] = 0
    frames = torch.tensor([n_frames])
    alone = network(x[..., :n_frames], frames)
    beside_a_longer_one = network(torch.cat([x, draw(1)]), torch.tensor([n_frames, 24]))[:1]
    assert torch.allclose(alone, network(x, frames), atol=1e-6) and torch.allclose(
        alone, beside_a_longer_one, atol=1e-6
    )


def test_the_recurrent_network_is_torchs_units_on_one_clip_alone_weighed_by_attention():
    network, x = build("rnn"), draw(2)
    body, frames = network.body, torch.tensor([24, 9])
    for row, n in enumerate(frames.tolist()):
        states = body.units(x[row, :, :, :n].reshape(1, 32, n).transpose(1, 2))[0][0]  # n x (2 x 5)
        weights = np.exp(body.attention(states).detach().numpy())
        pooled = (weights / weights.sum() * states.detach().numpy()).sum(axis=0)
        expected = (
            body.head[1].weight.detach().numpy() @ pooled + body.head[1].bias.detach().numpy()
        )
        np.testing.assert_allclose(network(x, frames)[row].detach().numpy(), expected, atol=1e-5)


def test_a_transformer_without_layers_classifies_the_mean_of_its_patches_places_embedded():
    network, x = build("transformer", layers=0), draw(1)
    body, patches = network.body, []
    kernel = body.embed.weight.detach().numpy().reshape(8, -1)
    for row in range(2):
        for column in range(2):  # of three: the third begins at frame 16
            cut = x[0, :, 8 * row : 8 * row + 8, 8 * column : 8 * column + 8].clone()
            cut[..., max(0, 13 - 8 * column) :] = 0
            embedded = kernel @ cut.numpy().ravel() + body.embed.bias.detach().numpy()
            embedded = (
                embedded
                + body.in_frequency.detach().numpy()[:, row, 0]
                + body.in_time.detach().numpy()[:, 0, column]
            )
            patches.append((embedded - embedded.mean()) / np.sqrt(embedded.var() + 1e-5))
    expected = (
        body.head.weight.detach().numpy() @ np.mean(patches, axis=0)
        + body.head.bias.detach().numpy()
    )
    frames = torch.tensor([13])
    np.testing.assert_allclose(
        network(network.normalised(x, frames), frames)[0].detach().numpy(), expected, atol=1e-5
    )


def test_a_share_of_the_patches_is_dropped_and_padding_goes_first():
    place = torch.arange(6.0)[None, :, None].repeat(200, 1, 8)
    is_padding = torch.tensor([False, False, True, False, True, False]).repeat(200, 1)
    left, left_is_padding = sound_networks.drop_patches(place, is_padding, 0.5)
    assert left.shape == (200, 3, 8)
    assert not left_is_padding.any()
    drawn = {tuple(sorted(row)) for row in left[..., 0].int().tolist()}
    assert drawn == {(0, 1, 3), (0, 1, 5), (0, 3, 5), (1, 3, 5)}


def test_patches_are_dropped_in_training_alone():
    network = build("transformer", patchout=0.5)
    x = draw(2)
    n_sound = torch.tensor([24, 24])
    assert torch.equal(network(x, n_sound), network(x, n_sound))
    network.train()
    assert not torch.equal(network(x, n_sound), network(x, n_sound))


def test_each_bin_is_scaled_to_mean_0_and_deviation_1_over_the_sound_alone():
    values = np.random.default_rng(3).normal(5, 3, (6, *SHAPE)).astype(np.float32)
    values[:, 0, 4] = 7  # a bin that never changes
    frames, network = np.array([24, 24, 12, 6, 1, 3]), build("rnn")
    network.adapt(torch.from_numpy(values), torch.from_numpy(frames))
    scaled = network.normalised(torch.from_numpy(values), torch.from_numpy(frames)).numpy()
    sound = np.concatenate([one[:, :, :n] for one, n in zip(scaled, frames)], axis=2)
    np.testing.assert_allclose(sound.mean(axis=2), 0, atol=1e-4)
    np.testing.assert_allclose(
        sound.std(axis=2), np.where(np.arange(32).reshape(2, 16) == 4, 0, 1), atol=1e-4
    )
    assert all((one[:, :, n:] == 0).all() for one, n in zip(scaled, frames))


def test_a_sound_is_moved_to_its_start_and_zeros_around_it_are_no_part_of_it():
    values = draw(5)
    values[1, ..., :5], values[1, ..., 20:], values[2, ..., 3:], values[3, ..., :23], values[4] = (
        0,
        0,
        0,
        0,
        0,
    )
    values[1, ..., 9] = 0  # silence within
    values[1, 0, :, 5] = 0  # in one channel
    logits, frames = sound_networks.moved_to_start(values)
    assert frames.tolist() == [24, 15, 3, 1, 1]
    assert (
        torch.equal(logits[0], values[0])
        and torch.equal(logits[2], values[2])
        and not logits[4].any()
    )
    assert torch.equal(logits[1, ..., :15], values[1, ..., 5:20]) and not logits[1, ..., 15:].any()
    assert torch.equal(logits[3, ..., 0], values[3, ..., 23]) and not logits[3, ..., 1:].any()


def test_padding_is_what_lies_behind_the_frames():
    assert sound_networks.padding(torch.tensor([1, 3]), 3).tolist() == [
        [False, True, True],
        [False, False, False],
    ]


def test_a_kind_that_there_is_not_is_refused():
    with pytest.raises(
        InputError, match="network is of kind 'lstm'; wanted one of image, rnn, transformer"
    ):
        sound_networks.build("lstm", 2, SHAPE, {})
