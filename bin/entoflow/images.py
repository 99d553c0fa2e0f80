"""What counts as a readable image, and the packs that hand images from task to task.

Every image is upright 8-bit RGB from here on: EXIF orientation applied, 16-bit grey scaled from 0..65535 to 0..255,
an alpha channel ignored, CMYK, palettes, grey and 1-bit converted.
"""
import base64
import hashlib
import io
import struct
import zipfile
import zlib
from pathlib import Path

from entoflow.task import InputError

# HEIC is a phone's photo that Pillow cannot read: named here, it is reported and not overlooked.
SUFFIXES = {".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".avif", ".heic", ".heif"}
# What Pillow's readers were seen to raise on damaged files, beside OSError.
DAMAGE = (ArithmeticError, AttributeError, EOFError, LookupError, OSError, RuntimeError, SyntaxError, TypeError,
          ValueError, struct.error, zlib.error)
MAX_PIXELS = 200_000_000
ORIENTATION = 274  # the EXIF tag


class BadImage(Exception):
    """A file that is no usable image; the message is the reason."""


def is_image_name(name):
    """Tell by its name whether a file is meant to be an image."""
    return Path(name).suffix.lower() in SUFFIXES


def read_image(source):
    """Return an image (a path or bytes) as uint8 height x width x 3, RGB, upright. Raises BadImage."""
    import numpy as np

    return np.asarray(_decode(_bytes(source))[0])


def describe(path):
    """Check an image by full decoding and return what a dataset says of it, without its pixels. Raises BadImage.

    sha256 (of the file's bytes), id, width, height (upright), orientation (1..8), phash, mirrored (the phash of the
    mirror image), thumbnail, and suffix: that of the file if its bytes can go into a pack as they are, else None.
    """
    from PIL.Image import Transpose

    data = _bytes(path)
    image, plain, orientation = _decode(data)
    sha256 = hashlib.sha256(data).hexdigest()
    grey = image.convert("L")
    mirror = grey.transpose(Transpose.FLIP_LEFT_RIGHT)
    return {"id": image_id(sha256), "width": image.width, "height": image.height, "sha256": sha256,
            "phash": f"{phash(grey):016x}", "mirrored": f"{phash(mirror):016x}",
            "thumbnail": base64.b64encode(thumbnail(grey).tobytes()).decode(),
            "orientation": orientation, "suffix": plain}


def image_id(name):
    """Return the id of an image from its SHA-256 or its name in a pack: the first 52 bits, exact in any JSON reader."""
    return int(name[:13], 16)


def phash(image):
    """Return the 64-bit perceptual hash of an image (array or Pillow image), as imagehash.phash defines it.

    The 8 x 8 lowest frequencies of the DCT-II of the 32 x 32 grey image; a bit is 1 above their median, row by row,
    the first bit highest. Rounding makes the hash of a plain surface the same on every machine.
    """
    import numpy as np
    from PIL import Image

    pixels = np.asarray(_grey(image).resize((32, 32), Image.Resampling.LANCZOS), dtype=float)
    waves = 2 * np.cos(np.pi / 64 * np.outer(np.arange(8), 2 * np.arange(32) + 1))
    low = (waves @ pixels @ waves.T).round(6)
    return int("".join("1" if bit else "0" for bit in (low > np.median(low)).ravel()), 2)


def thumbnail(image):
    """Return an image (array or Pillow image) as 16 x 16 uint8 grey, each pixel the mean of its area."""
    import numpy as np
    from PIL import Image

    return np.asarray(_grey(image).resize((16, 16), Image.Resampling.BOX))


def write_pack(path, files):
    """Write a pack of [(path of an image, sha256, plain suffix or None)]; equal images give equal bytes.

    Nothing is compressed, as images are already; an image of no plain suffix goes in as an upright RGB PNG.
    """
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as pack:
        for source, sha256, plain in sorted(files, key=lambda file: file[1]):
            data = Path(source).read_bytes() if plain else _png(source)
            pack.writestr(zipfile.ZipInfo(member_name(sha256, plain)), data)  # ZipInfo's date is 1980-01-01


def member_name(sha256, plain):
    """Return the name of an image in its pack."""
    return sha256[:32] + (plain or ".png")


class Pack:
    """The images of some packs by id; opened when asked for, and never all in memory."""

    def __init__(self, paths):
        self._members = {}
        self._open = (None, None)
        for path in sorted(map(Path, paths)):
            try:
                with zipfile.ZipFile(path) as pack:
                    self._members.update({image_id(name): (path, name) for name in pack.namelist()} | self._members)
            except (zipfile.BadZipFile, ValueError):
                raise InputError(f"{path}: is no pack of images; wanted one that import_images.py wrote.") from None

    def ids(self):
        """Return the sorted ids."""
        return sorted(self._members)

    def together(self, ids):
        """Return those of the ids that are here, pack by pack: read in this order, each pack is opened once."""
        return sorted(set(ids) & self._members.keys(), key=lambda image: (self._members[image][0], image))

    def read(self, image):
        """Return an image by id as uint8 height x width x 3, RGB."""
        return read_image(self._bytes(image))

    def extract(self, image, folder):
        """Write an image's file into a folder and return its path."""
        path = Path(folder) / self._members[image][1]
        path.write_bytes(self._bytes(image))
        return path

    def _bytes(self, image):
        path, name = self._members[image]
        if self._open[0] != path:
            self._open = (path, zipfile.ZipFile(path))
        return self._open[1].read(name)


def _bytes(source):
    if isinstance(source, bytes):
        return source
    try:
        return Path(source).read_bytes()
    except FileNotFoundError:
        raise BadImage("is absent") from None
    except (OSError, ValueError) as error:  # ValueError: a name with a zero byte
        raise BadImage(f"cannot be read ({getattr(error, 'strerror', error)})") from None


def _decode(data):
    """Return (upright RGB Pillow image, suffix if the bytes are a plain JPEG or PNG else None, EXIF orientation)."""
    from PIL import Image, UnidentifiedImageError

    Image.MAX_IMAGE_PIXELS = None  # Pillow would warn at 90 megapixels; MAX_PIXELS below is checked before decoding
    if not data:
        raise BadImage("is empty")
    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.width * image.height > MAX_PIXELS:
                raise BadImage(f"has {image.width} x {image.height} pixels; wanted at most {MAX_PIXELS}")
            plain = _plain_suffix(image, data)
            image.load()
            orientation = _orientation(image)
            upright = _turn(_rgb(image), orientation)
    except BadImage:
        raise
    except UnidentifiedImageError:
        raise BadImage("is not an image that can be read") from None
    except DAMAGE as error:
        raise BadImage(f"is damaged ({error})") from None
    return upright, plain if orientation == 1 else None, orientation


def _plain_suffix(image, data):
    """A phone's MPO is a JPEG with more after it. Byte 24 of a PNG is its bit depth, which Pillow's mode may hide."""
    if image.mode not in ("L", "RGB"):
        return None
    if image.format in ("JPEG", "MPO"):
        return ".jpg"
    return ".png" if image.format == "PNG" and data[24] == 8 else None


def _orientation(image):
    try:
        found = image.getexif().get(ORIENTATION, 1)
    except DAMAGE:  # a damaged EXIF block says nothing of the pixels, which were read
        return 1
    return found if found in range(1, 9) else 1


def _turn(image, orientation):
    from PIL.Image import Transpose

    turns = [None, Transpose.FLIP_LEFT_RIGHT, Transpose.ROTATE_180, Transpose.FLIP_TOP_BOTTOM, Transpose.TRANSPOSE,
             Transpose.ROTATE_270, Transpose.TRANSVERSE, Transpose.ROTATE_90]
    return image if orientation == 1 else image.transpose(turns[orientation - 1])


def _rgb(image):
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


def _grey(image):
    from PIL import Image

    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    return image if image.mode == "L" else image.convert("L")


def _png(path):
    file = io.BytesIO()
    _decode(_bytes(path))[0].save(file, "PNG", compress_level=1)
    return file.getvalue()
