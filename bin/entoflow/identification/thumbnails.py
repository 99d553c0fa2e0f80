"""Small pictures of images, for pages that hold thousands of them."""

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

SIDE = 64  # pixels of the longer side
QUALITY = 60  # about 1.3 kB each


def read_thumbnails(
    packs: Sequence[Path], ids: Iterable[int], side: int = SIDE
) -> dict[int, bytes]:
    """Return {image id: a JPEG} of those images that the packs hold.

    Each is read once, and one is in memory at a time.
    """
    from entoflow.images import Pack

    pack = Pack(packs)
    return {image_id: jpeg(pack.read(image_id), side) for image_id in pack.together(ids)}


def jpeg(image: "np.ndarray", side: int = SIDE) -> bytes:
    """Return an image (H x W x 3 uint8 RGB) as a JPEG, its longer side at most so many pixels."""
    from PIL import Image

    small = Image.fromarray(image)
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    small.save(stream, "JPEG", quality=QUALITY, optimize=True)
    return stream.getvalue()
