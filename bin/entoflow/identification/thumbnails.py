"""Small pictures of images, for pages that hold thousands of them."""
import io

SIDE, QUALITY = 64, 60  # pixels of the longer side; about 1.3 kB each


def jpegs(packs, ids, side=SIDE):
    """Return {id: the bytes of a JPEG} of the images that the packs hold, each read once and only one held at a time."""
    from entoflow.images import Pack

    pack = Pack(packs)
    return {image: jpeg(pack.read(image), side) for image in pack.together(ids)}


def jpeg(image, side=SIDE):
    """Return an image (H x W x 3 uint8 RGB) as the bytes of a JPEG, its longer side cut to so many pixels."""
    from PIL import Image

    small = Image.fromarray(image)
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    small.save(stream, "JPEG", quality=QUALITY, optimize=True)
    return stream.getvalue()
