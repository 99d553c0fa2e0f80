"""What counts as a readable image, and the packs that hand images from task to task.

Every image is upright 8-bit RGB from here on: EXIF orientation applied, 16-bit grey scaled from
0..65535 to 0..255, an alpha channel ignored, CMYK, palettes, grey and 1-bit converted.
"""

import base64
import hashlib
import io
import struct
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from entoflow import files
from entoflow.task import InputError

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image as PillowImage

    Pixels = np.ndarray | PillowImage  # height x width (x 3), uint8

# HEIC is a phone's photo that Pillow cannot read: named here, it is reported and not overlooked.
SUFFIXES = {
    ".jpg",
    ".jpeg",
    ".jfif",
    ".png",
    ".bmp",
    ".tif",
    ".tiff",
    ".webp",
    ".gif",
    ".avif",
    ".heic",
    ".heif",
}
# What Pillow's readers were seen to raise on damaged files, besides OSError.
DAMAGE = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
MAX_PIXELS = 200_000_000
ORIENTATION = 274  # the EXIF tag


class BadImage(Exception):  # noqa: N818
    """A file that is no usable image; the message is the reason."""


@dataclass(frozen=True)
class ImageFacts:
    """What a data set says of an image, without its pixels."""

    id: int  # see image_id
    width: int  # pixels, upright
    height: int
    sha256: str  # of the file's bytes
    phash: str  # 16 hex digits
    mirrored: str  # the phash of the mirror image
    thumbnail: str  # base64 of 16 x 16 grey bytes
    orientation: int  # EXIF's, 1 to 8
    suffix: str | None  # .jpg or .png where the file's bytes can go into a pack as they are


def is_image_name(name: str | Path) -> bool:
    """Return whether a file is meant to be an image, by its name."""
    return Path(name).suffix.lower() in SUFFIXES


def read_image(source: Path | str | bytes) -> "np.ndarray":
    """Return an image (a path or bytes) as uint8 height x width x 3, RGB, upright.

    Raises BadImage.
    """
    import numpy as np

    image, _, _ = _decode(_bytes(source))
    return np.asarray(image)


def describe(path: Path) -> ImageFacts:
    """Check an image by full decoding and describe it. Raises BadImage."""
    from PIL.Image import Transpose

    data = _bytes(path)
    image, suffix, orientation = _decode(data)
    sha256 = hashlib.sha256(data).hexdigest()
    grey = image.convert("L")
    mirror = grey.transpose(Transpose.FLIP_LEFT_RIGHT)
    return ImageFacts(
        id=image_id(sha256),
        width=image.width,
        height=image.height,
        sha256=sha256,
        phash=f"{phash(grey):016x}",
        mirrored=f"{phash(mirror):016x}",
        thumbnail=base64.b64encode(thumbnail(grey).tobytes()).decode(),
        orientation=orientation,
        suffix=suffix,
    )


def image_id(name: str) -> int:
    """Return the id of an image from its SHA-256 or its name in a pack.

    The first 52 bits, exact in any JSON reader.
    """
    return int(name[:13], 16)


def phash(image: "Pixels") -> int:
    """Return the 64-bit perceptual hash of an image (array or Pillow image), as imagehash.phash
    defines it.

    The 8 x 8 lowest frequencies of the DCT-II of the 32 x 32 grey image; a bit is 1 above their
    median, row by row, the first bit highest. Rounding makes the hash of a plain surface the same
    on every machine.
    """
    import numpy as np
    from PIL import Image

    pixels = np.asarray(_grey(image).resize((32, 32), Image.Resampling.LANCZOS), dtype=float)
    waves = 2 * np.cos(np.pi / 64 * np.outer(np.arange(8), 2 * np.arange(32) + 1))
    low = (waves @ pixels @ waves.T).round(6)
    bits = (low > np.median(low)).ravel()
    return int("".join("1" if bit else "0" for bit in bits), 2)


def thumbnail(image: "Pixels") -> "np.ndarray":
    """Return an image (array or Pillow image) as 16 x 16 uint8 grey, each pixel the mean of its
    area.
    """
    import numpy as np
    from PIL import Image

    return np.asarray(_grey(image).resize((16, 16), Image.Resampling.BOX))


def write_pack(path: Path, members: Iterable[tuple[Path, str, str | None]]) -> None:
    """Write a pack of images (path, SHA-256, suffix as in ImageFacts).

    Equal images give equal bytes.

    Nothing is compressed, as images are already; an image without a suffix goes in as an upright
    RGB PNG.
    """
    ordered = sorted(members, key=lambda member: member[1])
    with files.whole(path, "wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as pack:
        for source, sha256, suffix in ordered:
            data = Path(source).read_bytes() if suffix else _png(source)
            pack.writestr(
                zipfile.ZipInfo(member_name(sha256, suffix)), data
            )  # ZipInfo's date is 1980-01-01


def member_name(sha256: str, suffix: str | None) -> str:
    """Return the name of an image in its pack."""
    return sha256[:32] + (suffix or ".png")


class Pack:
    """The images of some packs by id.

    Each is read when it is asked for, and one pack is open at a time.
    """

    def __init__(self, paths: Iterable[Path | str]) -> None:
        """Look at the names in the packs. Raises InputError for a file that is no pack."""
        self._members: dict[int, tuple[Path, str]] = {}  # id -> (pack, name in it)
        self._open_path: Path | None = None
        self._open_pack: zipfile.ZipFile | None = None
        for path in sorted(map(Path, paths)):
            for name in _names_in_pack(path):
                self._members.setdefault(image_id(name), (path, name))

    def ids(self) -> list[int]:
        """Return the sorted ids."""
        return sorted(self._members)

    def together(self, ids: Iterable[int]) -> list[int]:
        """Return those of the ids that are here, pack by pack.

        Read in this order, each pack is opened once.
        """
        here = set(ids) & self._members.keys()
        return sorted(here, key=lambda image: (self._members[image][0], image))

    def read(self, image: int) -> "np.ndarray":
        """Return an image by id as uint8 height x width x 3, RGB."""
        return read_image(self._bytes(image))

    def extract(self, image: int, folder: Path) -> Path:
        """Write an image's file into a folder and return its path."""
        path = Path(folder) / self._members[image][1]
        path.write_bytes(self._bytes(image))
        return path

    def _bytes(self, image: int) -> bytes:
        path, name = self._members[image]
        if self._open_pack is None or self._open_path != path:
            self._open_path = path
            self._open_pack = zipfile.ZipFile(path)
        return self._open_pack.read(name)


def _names_in_pack(path: Path) -> list[str]:
    try:
        with zipfile.ZipFile(path) as pack:
            names = pack.namelist()
        for name in names:
            image_id(name)
    except (zipfile.BadZipFile, ValueError):
        raise InputError(
            f"{path}: is no pack of images; wanted one that import_images.py wrote."
        ) from None
    return names


def _bytes(source: Path | str | bytes) -> bytes:
    if isinstance(source, bytes):
        return source
    try:
        return Path(source).read_bytes()
    except FileNotFoundError:
        raise BadImage("is absent") from None
    except (OSError, ValueError) as error:  # ValueError: a name with a zero byte
        raise BadImage(f"cannot be read ({getattr(error, 'strerror', error)})") from None


def _decode(data: bytes) -> tuple["PillowImage", str | None, int]:
    """Return (upright RGB image, suffix where the bytes are an upright plain JPEG or PNG, EXIF
    orientation).
    """
    from PIL import Image, UnidentifiedImageError

    Image.MAX_IMAGE_PIXELS = (
        None  # Pillow would warn at 90 megapixels; MAX_PIXELS below is checked before decoding
    )
    if not data:
        raise BadImage("is empty")
    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.width * image.height > MAX_PIXELS:
                raise BadImage(
                    f"has {image.width} x {image.height} pixels; wanted at most {MAX_PIXELS}"
                )
            suffix = _plain_suffix(image, data)
            image.load()
            orientation = _orientation(image)
            upright = _turn(_rgb(image), orientation)
    except BadImage:
        raise
    except UnidentifiedImageError:
        raise BadImage("is not an image that can be read") from None
    except DAMAGE as error:
        raise BadImage(f"is damaged ({error})") from None
    return upright, suffix if orientation == 1 else None, orientation


def _plain_suffix(image: "PillowImage", data: bytes) -> str | None:
    """Return the suffix of a file that any reader takes for 8-bit grey or RGB, else None."""
    if image.mode not in ("L", "RGB"):
        return None
    if image.format in ("JPEG", "MPO"):  # a phone's MPO is a JPEG with more after it
        return ".jpg"
    bit_depth = data[24]  # of a PNG; Pillow's mode may hide it
    return ".png" if image.format == "PNG" and bit_depth == 8 else None


def _orientation(image: "PillowImage") -> int:
    try:
        orientation = image.getexif().get(ORIENTATION, 1)
    except DAMAGE:  # a damaged EXIF block says nothing of the pixels, which were read
        return 1
    return orientation if orientation in range(1, 9) else 1


def _turn(image: "PillowImage", orientation: int) -> "PillowImage":
    """Return the upright image.

    ImageOps.exif_transpose would write the EXIF block anew, and fail where it is damaged.
    """
    from PIL.Image import Transpose

    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    return image.transpose(turns[orientation]) if orientation in turns else image


def _rgb(image: "PillowImage") -> "PillowImage":
    import numpy as np
    from PIL import Image

    if image.mode == "F":
        raise BadImage("has float pixels; wanted 8 or 16 bits")
    if image.mode.startswith("I"):
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65535:
            raise BadImage("has 32-bit pixels; wanted 8 or 16 bits")
        image = Image.fromarray((values.astype(np.uint32) * 255 // 65535).astype(np.uint8))
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    return image if image.mode == "RGB" else image.convert("RGB")


def _grey(image: "Pixels") -> "PillowImage":
    from PIL import Image

    pillow = image if isinstance(image, Image.Image) else Image.fromarray(image)
    return pillow if pillow.mode == "L" else pillow.convert("L")


def _png(path: Path) -> bytes:
    file = io.BytesIO()
    image, _, _ = _decode(_bytes(path))
    image.save(file, "PNG", compress_level=1)
    return file.getvalue()
