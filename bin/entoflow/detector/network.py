"""What the detector backends share: a network on its device, images into it, and boxes out of it."""
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

CANDIDATES = 3000  # best-scoring boxes an image keeps before overlaps are removed
MAX_DETECTIONS = 300
LEAST_SCORE = 0.001
AT_ONCE = 4 * 640 * 640  # pixels of a batch on a CPU: beyond, it takes longer an image, and only more memory


def ready(model, architecture, image_size):
    """Return the detector of a network, on the device that it runs on."""
    import torch

    device = "cuda:0" if torch.cuda.is_available() else "cpu"
    return {"model": model.float().eval().to(device), "device": device, "architecture": architecture, "image_size": image_size}


def batches(images, size, device):
    """Yield (batch b x 3 x h x w uint8, [(index, scale)]) of images (H x W x 3 uint8 RGB), each fitted to size and padded.

    Equal images give equal boxes whatever else is in the list: only images of one padded shape share a batch.
    """
    import torch

    by_shape = {}
    for index, image in enumerate(images):
        scale, shape = fit(image.shape[:2], size)
        by_shape.setdefault(shape, []).append((index, scale))
    for shape, members in sorted(by_shape.items()):
        n = max(1, AT_ONCE // (shape[0] * shape[1])) if device == "cpu" else len(members)
        for start in range(0, len(members), n):
            some = members[start:start + n]
            yield torch.stack([_letterbox(images[index], scale, shape) for index, scale in some]), some


def fit(shape, size):
    """Return the scale that fits an image (height, width) into size, and the padded shape: multiples of 32, as in training."""
    scale = size / max(shape)
    return scale, tuple(-(-max(round(side * scale), 1) // 32) * 32 for side in shape)


def cleaned(boxes, scores, scale, shape, overlap):
    """Return (boxes n x 4 float array in xyxy pixels, scores n), best first, of what a network found in one image.

    boxes: places x 4 in padded pixels; scores: places; shape: height and width of the image. Of boxes that overlap by more
    than an IoU of overlap, the best stays: by torchvision, as ultralytics' own function gives up after a time limit.
    """
    import torch

    scores, order = scores.sort(descending=True, stable=True)
    keep = scores[:CANDIDATES] >= LEAST_SCORE
    scores, boxes = scores[:CANDIDATES][keep], boxes[order[:CANDIDATES][keep]] / scale
    boxes = torch.stack([side.clamp(0, shape[1 - k % 2]) for k, side in enumerate(boxes.unbind(1))], 1)
    inside = (boxes[:, 2:] > boxes[:, :2]).all(1)
    boxes, scores = boxes[inside], scores[inside]
    kept = _remove_overlaps()(boxes, scores, overlap)[:MAX_DETECTIONS]
    return boxes[kept].numpy().astype(float), scores[kept].numpy().astype(float)


def _letterbox(image, scale, shape):
    import cv2
    import numpy as np
    import torch

    height, width = (max(round(side * scale), 1) for side in image.shape[:2])
    canvas = np.full((*shape, 3), 114, np.uint8)
    canvas[:height, :width] = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    return torch.from_numpy(canvas.transpose(2, 0, 1))


@lru_cache
def _remove_overlaps():
    """Return torchvision's nms without importing the package, which would take seconds for torch's compiler."""
    import torch

    library = next(Path(find_spec("torchvision").origin).parent.glob("_C*.so"))
    torch.ops.load_library(library)
    return torch.ops.torchvision.nms
