"""Networks that name short sounds by their spectrograms: a convolutional one, a recurrent one, a transformer.

A network takes spectrograms (n x channels x bins x frames), each moved to its start and scaled, and how many frames of each are sound (n, from 1),
and gives n x classes logits. The frames after those are 0, and the recurrent network and the transformer pass over them.
torch is imported here: it takes seconds.
"""
import os

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from entoflow.task import InputError

ARCHITECTURES = {
    "image": {"widths": [16, 32, 64, 128]},  # a quarter of the usual: a quarter of the time, and few clips teach no more
    "rnn": {"units": 96},
    "transformer": {"patch": 8, "width": 96, "layers": 4, "heads": 4, "patchout": 0.5},
}
PLACES = 0.5  # deviation of what places are embedded as at first: as that of patches, without which a band is long not told from another
DROPOUT = 0.1  # in the transformer, and in front of the recurrent network's classes


def build(kind, n_classes, input_shape, settings):
    """Return a network with random weights, drawn from torch's generator.

    kind: image, rnn or transformer. input_shape: channels, bins, frames. settings: what differs from ARCHITECTURES[kind]. Raises InputError for
    another kind.
    """
    if kind not in ARCHITECTURES:
        raise InputError(f"network is of kind '{kind}'; wanted one of {', '.join(ARCHITECTURES)}.")
    body = {"image": Convolutional, "rnn": Recurrent, "transformer": Transformer}[kind]
    return Network(body(n_classes, input_shape, **ARCHITECTURES[kind] | settings), input_shape)


def moved_to_start(values):
    """Return (spectrograms, frames n): frames of zeros before a sound go behind it, and are, as those after it, no part of it.

    Of a spectrogram of nothing but zeros, one frame is.
    """
    heard, n_frames = (values != 0).any(1).any(1), values.shape[3]
    place = torch.arange(n_frames, device=values.device)
    first = torch.where(heard, place, n_frames - 1).amin(1, keepdim=True)
    last = torch.where(heard, place, 0).amax(1, keepdim=True)
    source = ((place + first) % n_frames)[:, None, None].expand(values.shape)
    return values.gather(3, source), (last - first).clamp(min=0)[:, 0] + 1


def padding(frames, n_frames):
    """Return n x n_frames bool: which frames are padding."""
    return torch.arange(n_frames, device=frames.device) >= frames[:, None]


class Network(nn.Module):
    """A network behind the scale of its training data: each bin at a mean of 0 and a deviation of 1, so that no bin is unheard for being faint."""

    def __init__(self, body, input_shape):
        super().__init__()
        self.body = body
        self.register_buffer("mean", torch.zeros(*input_shape[:2], 1))
        self.register_buffer("deviation", torch.ones(*input_shape[:2], 1))

    def adapt(self, values, frames):
        """Take the scale from spectrograms, their padding left out."""
        sound = ~padding(frames, values.shape[-1])[:, None, None]
        n = sound.sum()
        self.mean.copy_(((values * sound).sum((0, 3)) / n)[..., None])
        spread = (((values - self.mean) * sound).square().sum((0, 3)) / n).sqrt()
        self.deviation.copy_(spread.clamp(min=1e-3)[..., None])

    def normalised(self, values, frames):
        """Return spectrograms as `forward` takes them."""
        return ((values - self.mean) / self.deviation).masked_fill(padding(frames, values.shape[-1])[:, None, None], 0)

    def forward(self, x, frames):
        return self.body(x, frames)


class Convolutional(nn.Module):
    """A narrow ResNet of ten layers, timm's (Apache-2.0), that sees a spectrogram as an image, and padding as a part of it.

    One channel more says how high in frequency a pixel is (Koutini et al. 2019): else a pattern means the same at any pitch.
    """

    def __init__(self, n_classes, input_shape, widths):
        super().__init__()
        os.environ["HF_HUB_OFFLINE"] = "1"
        import timm

        self.network = timm.create_model("resnet10t", pretrained=False, in_chans=input_shape[0] + 1, num_classes=n_classes, channels=widths,
                                         stem_width=widths[0])

    def forward(self, x, _frames):
        height = torch.linspace(-1, 1, x.shape[2], device=x.device)[:, None].expand(len(x), 1, -1, x.shape[3])
        return self.network(torch.cat([x, height], dim=1))


class Recurrent(nn.Module):
    """Gated recurrent units (Cho et al. 2014) that read the frames in both directions; attention (Bahdanau et al. 2015) weighs their states."""

    def __init__(self, n_classes, input_shape, units):
        super().__init__()
        channels, bins, _ = input_shape
        self.units = nn.GRU(channels * bins, units, batch_first=True, bidirectional=True)
        self.attention = nn.Linear(2 * units, 1)
        self.head = nn.Sequential(nn.Dropout(DROPOUT), nn.Linear(2 * units, n_classes))

    def forward(self, x, frames):
        steps = x.flatten(1, 2).transpose(1, 2)  # n x frames x (channels bins)
        packed = pack_padded_sequence(steps, frames.cpu(), batch_first=True, enforce_sorted=False)
        states = pad_packed_sequence(self.units(packed)[0], batch_first=True, total_length=steps.shape[1])[0]
        hidden = padding(frames, steps.shape[1])[..., None]
        weights = self.attention(states).masked_fill(hidden, -torch.inf).softmax(1)
        return self.head((weights * states).sum(1))


class Transformer(nn.Module):
    """An audio spectrogram transformer (Gong et al. 2021): attention among square patches, whose mean is classified.

    Where a patch lies in time and in frequency is embedded apart, and in training a share of the patches is left out (Koutini et al. 2022).
    """

    def __init__(self, n_classes, input_shape, patch, width, layers, heads, patchout):
        super().__init__()
        channels, bins, frames = input_shape
        self.patchout = patchout
        self.embed = nn.Conv2d(channels, width, patch, patch)
        self.rows, self.columns = -(-bins // patch), -(-frames // patch)
        self.in_frequency = nn.Parameter(PLACES * torch.randn(width, self.rows, 1))
        self.in_time = nn.Parameter(PLACES * torch.randn(width, 1, self.columns))
        self.layers = nn.ModuleList(nn.TransformerEncoderLayer(width, heads, 4 * width, DROPOUT, "gelu", batch_first=True, norm_first=True)
                                    for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, n_classes)

    def forward(self, x, frames):
        patch = self.embed.kernel_size[0]
        x = nn.functional.pad(x, (0, self.columns * patch - x.shape[3], 0, self.rows * patch - x.shape[2]))
        x = (self.embed(x) + self.in_frequency + self.in_time).flatten(2).transpose(1, 2)  # n x patches x width
        hidden = padding(-(-frames // patch), self.columns).repeat(1, self.rows)
        if self.training:
            x, hidden = self._thinned(x, hidden)
        mask = hidden if hidden.any() else None  # attention without a mask is faster
        for layer in self.layers:
            x = layer(x, src_key_padding_mask=mask)
        seen = ~hidden[..., None]
        return self.head((self.norm(x) * seen).sum(1) / seen.sum(1))

    def _thinned(self, x, hidden):
        """Return the patches that stay, and which of them are padding: that goes first."""
        n_kept = max(1, round(x.shape[1] * (1 - self.patchout)))
        kept = (torch.rand(hidden.shape, device=x.device) + hidden).argsort(1)[:, :n_kept]
        return x.gather(1, kept[..., None].expand(-1, -1, x.shape[2])), hidden.gather(1, kept)
