"""The network that turns an image into a vector: a backbone of timm's (Apache-2.0), and its file.

Behind the network there may be a projection. Vectors have length 1, so that their dot product is
the cosine of their angle.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from entoflow.identification.vectors import normalise
from entoflow.model_folder import ModelFacts
from entoflow.task import InputError, first_line
from entoflow.weights import OURS

if TYPE_CHECKING:
    import torch

    from entoflow.identification.projection import Projection

PIXELS_AT_ONCE = 4 * 640 * 640  # of a batch on a CPU, as for detectors
IMAGES_AT_ONCE = 256  # of a batch on a GPU
PROJECTION = "projection."  # before the names of a projection's tensors
KNOWN = "a network of timm's, such as resnet18 or vit_small_patch14_dinov2.lvd142m"


@dataclass(frozen=True)
class Embedder:
    """A network with its input, on the device that it runs on, and maybe a projection behind it."""

    network: torch.nn.Module
    device: str
    backbone: str  # name of timm's
    image_size: int  # pixels of the side of the square that the network sees
    mean: tuple[float, ...]  # 3, subtracted from pixels in 0..1
    std: tuple[float, ...]  # 3, that they are divided by
    projection: Projection | None = None

    @property
    def dimension(self) -> int:
        """The number of features of the network."""
        return feature_dimension(self.network)

    @property
    def batch_size(self) -> int:
        """How many images go through the network together."""
        if self.device != "cpu":
            return IMAGES_AT_ONCE
        return max(1, PIXELS_AT_ONCE // self.image_size**2)

    def embed(self, images: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
        """Return vectors (n, d) float32 of length 1 of images (H, W, 3) uint8 RGB, of any sizes."""
        return self.project(self.features(images))

    def features(self, images: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
        """Return what the network makes of images, before any projection: (n, d) float32."""
        import torch

        parts = []
        for start in range(0, len(images), self.batch_size):
            some = images[start : start + self.batch_size]
            batch = np.stack([pad_to_square(image, self.image_size) for image in some])
            with torch.inference_mode():
                parts.append(self.run(self.to_input(batch)))
        if not parts:
            return np.empty((0, self.dimension), np.float32)
        return np.concatenate(parts)

    def project(self, features: np.ndarray) -> np.ndarray:
        """Return the vectors (n, d) float32 of length 1 of the network's features (n, d)."""
        import torch

        if self.projection is None:
            return normalise(features)
        with torch.inference_mode():
            return normalise(self.projection(torch.from_numpy(features)).numpy())

    def run(self, x: torch.Tensor) -> np.ndarray:
        """Return what the network makes of its input (n, 3, size, size): (n, d) float32."""
        return self.network(x).float().cpu().numpy()

    def to_input(self, batch: np.ndarray) -> torch.Tensor:
        """Return a batch (n, size, size, 3) uint8 as the network's input (n, 3, size, size)."""
        import torch

        pixels = torch.from_numpy(np.ascontiguousarray(batch)).to(self.device)
        x = pixels.permute(0, 3, 1, 2).float().div(255)
        mean = torch.tensor(self.mean, device=x.device).view(1, 3, 1, 1)
        std = torch.tensor(self.std, device=x.device).view(1, 3, 1, 1)
        return ((x - mean) / std).contiguous(memory_format=torch.channels_last)


def place(
    network: torch.nn.Module,
    backbone: str,
    image_size: int,
    mean: Sequence[float],
    std: Sequence[float],
) -> Embedder:
    """Return the embedder of a network, on the GPU where there is one."""
    import torch

    device = "cuda:0" if torch.cuda.is_available() else "cpu"
    network = network.float().eval()
    network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Embedder(network, device, backbone, image_size, tuple(mean), tuple(std))


def save(embedder: Embedder, folder: Path) -> dict[str, Any]:
    """Write weights.safetensors to a folder and return what model.json says of the input."""
    from safetensors import torch as safetensors

    normalisation = {"mean": embedder.mean, "std": embedder.std}
    state = dict(embedder.network.state_dict())
    facts: dict[str, Any] = {
        "backend": "timm",
        "backbone": embedder.backbone,
        "image_size": embedder.image_size,
        **normalisation,
    }
    if embedder.projection is not None:
        from entoflow.identification.projection import KIND

        for name, value in embedder.projection.state_dict().items():
            state[PROJECTION + name] = value
        facts["projection"] = KIND
    tensors = {name: value.contiguous().cpu() for name, value in state.items()}
    head = {OURS: json.dumps(normalisation)}
    (folder / "weights.safetensors").write_bytes(safetensors.save(tensors, head))
    return facts


def load(folder: Path, facts: ModelFacts) -> Embedder:
    """Return the embedder that `save` wrote; facts: of its model.json.

    Raises InputError where weights, backbone and projection do not go together.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    settings = facts.input
    if settings.get("backend") != "timm":
        raise InputError(f"{folder}: is a model of kind {facts.kind}; wanted an embedder.")
    projection = None
    try:
        backbone = settings["backbone"]
        image_size = settings["image_size"]
        network = create_network(backbone, image_size)
        tensors = load_file(folder / "weights.safetensors")
        if "projection" in settings:
            size = feature_dimension(network)
            projection = _take_projection(folder, settings["projection"], tensors, size)
        network.load_state_dict(tensors)
        embedder = place(network, backbone, image_size, settings["mean"], settings["std"])
    except (KeyError, RuntimeError, ValueError, OSError, SafetensorError) as error:
        reason = first_line(error)
        raise InputError(f"{folder}: its weights cannot be loaded: {reason}") from None
    return replace(embedder, projection=projection)


def _take_projection(
    folder: Path, kind: str, tensors: dict[str, torch.Tensor], size: int
) -> Projection:
    """Take the projection's tensors out of those of an embedder, and return it."""
    from entoflow.identification.projection import KIND, Projection

    names = [name for name in tensors if name.startswith(PROJECTION)]
    state = {name.removeprefix(PROJECTION): tensors.pop(name) for name in names}
    projection = Projection(size)
    shapes = {name: value.shape for name, value in state.items()}
    wanted_shapes = {name: value.shape for name, value in projection.state_dict().items()}
    if kind != KIND or shapes != wanted_shapes:
        present = [f"{name} {list(value.shape)}" for name, value in sorted(state.items())]
        raise InputError(
            f"{folder}: its projection ({kind}: {', '.join(present) or 'no tensor'}) does not fit "
            f"its backbone; wanted {KIND} for features of {size} numbers."
        )
    projection.load_state_dict(state)
    return projection.eval()


def feature_dimension(network: torch.nn.Module) -> int:
    """Return the number of features of a network: some have a layer behind their features."""
    size: Any = getattr(network, "head_hidden_size", None) or network.num_features
    return int(size)


def same_network(one: Embedder, other: Embedder) -> bool:
    """Tell whether two embedders differ by nothing but their projections."""
    import torch

    if (one.backbone, one.image_size) != (other.backbone, other.image_size):
        return False
    if (one.mean, one.std) != (other.mean, other.std):
        return False
    state = other.network.state_dict()
    tensors = one.network.state_dict().items()
    return all(torch.equal(value, state[name]) for name, value in tensors)


def create_network(backbone: str, image_size: int, weights: Path | None = None) -> torch.nn.Module:
    """Return a network of timm's without a classifier, with the weights of a file or random ones.

    timm fits weights of another image size. Raises InputError where it cannot be made.
    """
    timm = import_timm()
    options: dict[str, Any] = {"pretrained": False}
    if weights:
        overlay = {"file": str(weights), "hf_hub_id": None}
        options = {"pretrained": True, "pretrained_cfg_overlay": overlay}
    # A convolutional network takes any size, and does not know the word.
    for size in ({"img_size": image_size}, {}):
        try:
            return timm.create_model(backbone, num_classes=0, **options, **size)
        except TypeError:
            continue
        except InputError:
            raise
        except Exception as error:  # weights of another network, a damaged file, a size: many kinds
            with_weights = f"with the weights of {weights.name} " if weights else ""
            raise InputError(
                f"--backbone {backbone} cannot be made {with_weights}for {image_size} pixels "
                f"({first_line(error)[:200]}); wanted weights and a size that fit it."
            ) from None
    raise InputError(f"--backbone {backbone} cannot be made; wanted another network of timm's.")


def import_timm() -> Any:
    """Return timm, which then asks nothing of the internet and prints errors alone."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    import timm

    logging.getLogger("timm").setLevel(logging.ERROR)
    return timm


def pad_to_square(image: np.ndarray, size: int) -> np.ndarray:
    """Return an image (H, W, 3) as (size, size, 3) uint8: its shape stays, its edge is repeated."""
    import cv2

    height, width = image.shape[:2]
    scale = size / max(height, width)
    new_width = max(1, round(width * scale))
    new_height = max(1, round(height * scale))
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    resized = cv2.resize(image, (new_width, new_height), interpolation=interpolation)
    left = (size - new_width) // 2
    top = (size - new_height) // 2
    right = size - new_width - left
    bottom = size - new_height - top
    return cv2.copyMakeBorder(resized, top, bottom, left, right, cv2.BORDER_REPLICATE)
