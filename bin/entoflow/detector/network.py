"""What the detector backends share: a network on its device, batches of images into it, and boxes
out of it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    import torch

MAX_CANDIDATES = 3000  # best-scoring boxes that an image keeps before overlapping ones are removed
MAX_DETECTIONS = 300
MIN_SCORE = 0.001
MAX_PIXELS = (
    4 * 640 * 640
)  # of a batch on a CPU: beyond, it takes longer an image, and only more memory
STRIDE = 32  # pixels: sides of what a network sees are multiples of it, as in training
GREY = 114  # of the padding

BoxesAndScores = tuple[
    "np.ndarray", "np.ndarray"
]  # (n x 4 floats, xyxy pixels), (n floats), best first


@dataclass(frozen=True)
class Detector:
    """A network that finds objects of one class, on the device that it runs on."""

    network: "torch.nn.Module"
    device: str  # as torch names it
    architecture: str
    image_size: int  # longer side that the network sees, pixels
    tile_size: int = (
        0  # side of the tiles that large images are seen in as well, pixels; 0 for none
    )


class Backend(Protocol):
    """A module that runs the networks of one library.

    How they are trained stands in entoflow/detection/.
    """

    NAME: str
    LICENCE: str  # what the model card says of code and weights

    def predict(
        self, detector: Detector, images: "Sequence[np.ndarray]", image_size: int | None = None
    ) -> list[BoxesAndScores]:
        """Return the boxes of images (H x W x 3 uint8 RGB)."""

    def save(self, detector: Detector, folder: Path) -> dict[str, Any]:
        """Write weights.safetensors to the folder and return what model.json says of the
        architecture.
        """

    def load(self, folder: Path, input_facts: dict[str, Any], scratch: Path) -> Detector:
        """Return the detector that `save` wrote.

        Raises KeyError or RuntimeError where the weights do not fit the architecture.
        """


@dataclass(frozen=True)
class Batch:
    """Images fitted to one size and padded to one shape."""

    pixels: "torch.Tensor"  # (b, 3, height, width) uint8
    index: list[int]  # (b) which of the images each is
    scale: list[float]  # (b) by which each was resized


def prepare(network: "torch.nn.Module", architecture: str, image_size: int) -> Detector:
    """Return the detector of a network, moved to the device that it runs on."""
    import torch

    device = "cuda:0" if torch.cuda.is_available() else "cpu"
    return Detector(network.float().eval().to(device), device, architecture, image_size)


def batches(images: "Sequence[np.ndarray]", size: int, device: str) -> Iterator[Batch]:
    """Yield batches of images (H x W x 3 uint8 RGB), each fitted to size and padded.

    Equal images give equal boxes whatever else is in the list: only images of one padded shape
    share a batch.
    """
    import torch

    by_shape: dict[tuple[int, int], list[tuple[int, float]]] = {}
    for index, image in enumerate(images):
        scale, shape = fit(image.shape[:2], size)
        by_shape.setdefault(shape, []).append((index, scale))
    for shape, members in sorted(by_shape.items()):
        n = len(members)
        if device == "cpu":
            n = max(1, MAX_PIXELS // (shape[0] * shape[1]))
        for start in range(0, len(members), n):
            chunk = members[start : start + n]
            pixels = torch.stack(
                [_letterbox(images[index], scale, shape) for index, scale in chunk]
            )
            yield Batch(pixels, [index for index, _ in chunk], [scale for _, scale in chunk])


def fit(shape: Sequence[int], size: int) -> tuple[float, tuple[int, int]]:
    """Return the scale that fits an image (height, width) into size, and the padded shape (height,
    width).
    """
    scale = size / max(shape)
    height, width = _resized(shape, scale)
    return scale, (_padded(height), _padded(width))


def select_boxes(
    boxes: "torch.Tensor",
    scores: "torch.Tensor",
    scale: float,
    shape: Sequence[int],
    max_iou: float,
) -> BoxesAndScores:
    """Return the boxes of one image, best first, of what a network finds at all places.

    boxes: places x 4 in padded pixels; scores: places; shape: height and width of the image. Of
    boxes that overlap by more than max_iou, the best stays.
    """
    import torch

    from entoflow.detector.nms import nms

    ordered_scores, order = scores.sort(descending=True, stable=True)
    best_scores = ordered_scores[:MAX_CANDIDATES]
    is_high = best_scores >= MIN_SCORE
    best_scores = best_scores[is_high]
    best_boxes = boxes[order[:MAX_CANDIDATES][is_high]] / scale
    height, width = shape
    limits = (width, height, width, height)
    sides = [side.clamp(0, limit) for side, limit in zip(best_boxes.unbind(1), limits)]
    best_boxes = torch.stack(sides, 1)
    has_area = (best_boxes[:, 2:] > best_boxes[:, :2]).all(1)
    best_boxes = best_boxes[has_area]
    best_scores = best_scores[has_area]
    chosen = nms(best_boxes, best_scores, max_iou)[:MAX_DETECTIONS]
    return best_boxes[chosen].numpy().astype(float), best_scores[chosen].numpy().astype(float)


def _resized(shape: Sequence[int], scale: float) -> tuple[int, int]:
    return max(round(shape[0] * scale), 1), max(round(shape[1] * scale), 1)


def _padded(length: int) -> int:
    return -(-length // STRIDE) * STRIDE


def _letterbox(image: "np.ndarray", scale: float, shape: tuple[int, int]) -> "torch.Tensor":
    """Return an image (H x W x 3) resized and padded at its right and lower side, 3 x height x
    width.
    """
    import cv2
    import numpy as np
    import torch

    height, width = _resized(image.shape[:2], scale)
    canvas = np.full((*shape, 3), GREY, np.uint8)
    canvas[:height, :width] = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    return torch.from_numpy(canvas.transpose(2, 0, 1))
