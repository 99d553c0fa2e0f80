"""Networks that name short sounds by their spectrograms: convolutional, recurrent, a transformer.

A network takes spectrograms (n x channels x bins x frames), each moved to its start and scaled, and
how many frames of each are sound (n, from 1), and gives n x classes logits. The frames after those
are 0, and the recurrent network and the transformer ignore them. torch is imported here: it takes
seconds.
"""

import os
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from entoflow.task import InputError

ARCHITECTURES: dict[str, dict[str, Any]] = {
    # A quarter of the usual widths: a quarter of the time, and few clips teach no more.
    "image": {"widths": [16, 32, 64, 128]},
    "rnn": {"units": 96},
    "transformer": {"patch": 8, "width": 96, "layers": 4, "heads": 4, "patchout": 0.5},
}
# Standard deviation of the embeddings of positions at first: as that of patches. Were it smaller,
# it would take long to learn to distinguish bands.
POSITION_DEVIATION = 0.5
DROPOUT = 0.1  # in the transformer, and in front of the recurrent network's classes


def build(
    kind: str, n_classes: int, input_shape: Sequence[int], settings: dict[str, Any]
) -> "Network":
    """Return a network with random weights, drawn from torch's generator.

    kind: image, rnn or transformer. input_shape: channels, bins, frames. settings: what differs
    from ARCHITECTURES[kind]. Raises InputError for another kind.
    """
    if kind not in ARCHITECTURES:
        raise InputError(f"network is of kind '{kind}'; wanted one of {', '.join(ARCHITECTURES)}.")
    architecture = ARCHITECTURES[kind] | settings
    body: nn.Module
    if kind == "image":
        body = Convolutional(n_classes, input_shape, **architecture)
    elif kind == "rnn":
        body = Recurrent(n_classes, input_shape, **architecture)
    else:
        body = Transformer(n_classes, input_shape, **architecture)
    return Network(body, input_shape)


def moved_to_start(values: Tensor) -> tuple[Tensor, Tensor]:
    """Return spectrograms without silence before their sound, and how many frames are sound (n).

    Frames of zeros before a sound go behind it; they are, as those after it, no part of it. A
    spectrogram of nothing but zeros has one frame.
    """
    n_frames = values.shape[3]
    has_sound = (values != 0).any(1).any(1)  # n x frames
    frames = torch.arange(n_frames, device=values.device)
    first = torch.where(has_sound, frames, n_frames - 1).amin(1, keepdim=True)
    last = torch.where(has_sound, frames, 0).amax(1, keepdim=True)
    source = ((frames + first) % n_frames)[:, None, None].expand(values.shape)
    return values.gather(3, source), (last - first).clamp(min=0)[:, 0] + 1


def padding(n_sound: Tensor, n_frames: int) -> Tensor:
    """Return n x n_frames bool: which frames are padding, where n_sound (n) of each are sound."""
    return torch.arange(n_frames, device=n_sound.device) >= n_sound[:, None]


def drop_patches(patches: Tensor, is_padding: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """Return patches (n x patches x width) less a random share of each, and which are padding.

    Padding is dropped first.
    """
    n_left = max(1, round(patches.shape[1] * (1 - share)))
    ranks = torch.rand(is_padding.shape, device=patches.device) + is_padding
    left = ranks.argsort(1)[:, :n_left]
    columns = left[..., None].expand(-1, -1, patches.shape[2])
    return patches.gather(1, columns), is_padding.gather(1, left)


class Network(nn.Module):
    """A network behind the scale of its training data.

    Each bin is brought to a mean of 0 and a deviation of 1, so that faint bins count, too.
    """

    mean: Tensor  # channels x bins x 1
    deviation: Tensor

    def __init__(self, body: nn.Module, input_shape: Sequence[int]) -> None:
        super().__init__()
        self.body = body
        self.register_buffer("mean", torch.zeros(*input_shape[:2], 1))
        self.register_buffer("deviation", torch.ones(*input_shape[:2], 1))

    def adapt(self, values: Tensor, n_sound: Tensor) -> None:
        """Take the scale from spectrograms, without their padding."""
        is_sound = ~padding(n_sound, values.shape[-1])[:, None, None]
        n = is_sound.sum()
        self.mean.copy_(((values * is_sound).sum((0, 3)) / n)[..., None])
        squares = ((values - self.mean) * is_sound).square()
        deviation = (squares.sum((0, 3)) / n).sqrt()
        self.deviation.copy_(deviation.clamp(min=1e-3)[..., None])

    def normalised(self, values: Tensor, n_sound: Tensor) -> Tensor:
        """Return spectrograms as `forward` takes them."""
        is_padding = padding(n_sound, values.shape[-1])[:, None, None]
        return ((values - self.mean) / self.deviation).masked_fill(is_padding, 0)

    def forward(self, x: Tensor, n_sound: Tensor) -> Tensor:
        """Return the logits, n x classes."""
        logits: Tensor = self.body(x, n_sound)
        return logits


class Convolutional(nn.Module):
    """A narrow ResNet of ten layers, timm's (Apache-2.0), that sees a spectrogram as an image.

    Padding is a part of the image. One channel more says how high in frequency a pixel is (Koutini
    et al. 2019): else a pattern means the same at any pitch.
    """

    def __init__(self, n_classes: int, input_shape: Sequence[int], widths: list[int]) -> None:
        super().__init__()
        os.environ["HF_HUB_OFFLINE"] = "1"  # timm is to look for no weights on the net
        import timm

        self.network = timm.create_model(
            "resnet10t",
            pretrained=False,
            in_chans=input_shape[0] + 1,
            num_classes=n_classes,
            channels=widths,
            stem_width=widths[0],
        )

    def forward(self, x: Tensor, n_sound: Tensor) -> Tensor:
        """Return the logits, n x classes."""
        n, _, n_bins, n_frames = x.shape
        height = torch.linspace(-1, 1, n_bins, device=x.device)[:, None].expand(n, 1, -1, n_frames)
        logits: Tensor = self.network(torch.cat([x, height], dim=1))
        return logits


class Recurrent(nn.Module):
    """Gated recurrent units (Cho et al. 2014) that read the frames in both directions.

    Attention (Bahdanau et al. 2015) weighs their states.
    """

    def __init__(self, n_classes: int, input_shape: Sequence[int], units: int) -> None:
        super().__init__()
        n_channels, n_bins, _ = input_shape
        self.units = nn.GRU(n_channels * n_bins, units, batch_first=True, bidirectional=True)
        self.attention = nn.Linear(2 * units, 1)
        self.head = nn.Sequential(nn.Dropout(DROPOUT), nn.Linear(2 * units, n_classes))

    def forward(self, x: Tensor, n_sound: Tensor) -> Tensor:
        """Return the logits, n x classes."""
        steps = x.flatten(1, 2).transpose(1, 2)  # n x frames x (channels bins)
        n_steps = steps.shape[1]
        packed = pack_padded_sequence(steps, n_sound.cpu(), batch_first=True, enforce_sorted=False)
        packed_states = self.units(packed)[0]
        states = pad_packed_sequence(packed_states, batch_first=True, total_length=n_steps)[0]
        is_padding = padding(n_sound, n_steps)[..., None]
        weights = self.attention(states).masked_fill(is_padding, -torch.inf).softmax(1)
        logits: Tensor = self.head((weights * states).sum(1))
        return logits


class Transformer(nn.Module):
    """An audio spectrogram transformer (Gong et al. 2021).

    Square patches attend to one another, and their mean is classified. Where a patch lies in time
    and in frequency is embedded separately, and in training a share of the patches is dropped
    (Koutini et al. 2022).
    """

    def __init__(
        self,
        n_classes: int,
        input_shape: Sequence[int],
        patch: int,
        width: int,
        layers: int,
        heads: int,
        patchout: float,
    ) -> None:
        super().__init__()
        n_channels, n_bins, n_frames = input_shape
        self.patch = patch
        self.patchout = patchout
        self.embed = nn.Conv2d(n_channels, width, patch, patch)
        self.rows = -(-n_bins // patch)
        self.columns = -(-n_frames // patch)
        self.in_frequency = nn.Parameter(POSITION_DEVIATION * torch.randn(width, self.rows, 1))
        self.in_time = nn.Parameter(POSITION_DEVIATION * torch.randn(width, 1, self.columns))
        self.layers = nn.ModuleList()
        for _ in range(layers):
            layer = nn.TransformerEncoderLayer(
                width, heads, 4 * width, DROPOUT, "gelu", batch_first=True, norm_first=True
            )
            self.layers.append(layer)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, n_classes)

    def forward(self, x: Tensor, n_sound: Tensor) -> Tensor:
        """Return the logits, n x classes."""
        more_frames = self.columns * self.patch - x.shape[3]
        more_bins = self.rows * self.patch - x.shape[2]
        x = nn.functional.pad(x, (0, more_frames, 0, more_bins))
        embedded = self.embed(x) + self.in_frequency + self.in_time
        patches = embedded.flatten(2).transpose(1, 2)  # n x patches x width
        is_padding = padding(-(-n_sound // self.patch), self.columns).repeat(1, self.rows)
        if self.training:
            patches, is_padding = drop_patches(patches, is_padding, self.patchout)
        mask = is_padding if is_padding.any() else None  # attention without a mask is faster
        for layer in self.layers:
            patches = layer(patches, src_key_padding_mask=mask)
        is_sound = ~is_padding[..., None]
        mean = (self.norm(patches) * is_sound).sum(1) / is_sound.sum(1)
        logits: Tensor = self.head(mean)
        return logits
