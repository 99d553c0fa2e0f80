"""Non-maximum suppression by torchvision, without importing torchvision.

`from torchvision.ops import nms` imports torch's compiler, too: 1.4 s in each process that predicts
(torch 2.15 and torchvision 0.29, 2 cores; loading the compiled library alone takes 0.00 s).
Ultralytics' own function gives up after a time limit, so it is no alternative.
"""

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def nms(boxes: "torch.Tensor", scores: "torch.Tensor", max_iou: float) -> "torch.Tensor":
    """Return the rows of boxes (n x 4, xyxy) that overlap no better-scored one by more than
    max_iou, best first.
    """
    return _operator()(boxes, scores, max_iou)


@lru_cache
def _operator() -> Any:
    import torch

    package = find_spec("torchvision")
    assert (
        package is not None and package.origin is not None
    )  # torch's packages are pinned together
    library = next(Path(package.origin).parent.glob("_C*.so"))
    torch.ops.load_library(library)
    return torch.ops.torchvision.nms
