import hashlib
import io
import math
import zipfile

import numpy as np
import pytest
from PIL import Image

from entoflow import images
from entoflow.task import InputError


def picture(height=48, width=64, seed=1):
    """Return smooth colours: JPEG keeps them within a few grey levels."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def encoded(image, form, **options):
    file = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(
        file, form, **options
    )
    return file.getvalue()


def rotated(orientation, form="JPEG"):
    """Return a file whose pixels are stored so that the given EXIF orientation makes them
    picture().
    """
    back = [
        None,
        Image.Transpose.FLIP_LEFT_RIGHT,
        Image.Transpose.ROTATE_180,
        Image.Transpose.FLIP_TOP_BOTTOM,
        Image.Transpose.TRANSPOSE,
        Image.Transpose.ROTATE_90,
        Image.Transpose.TRANSVERSE,
        Image.Transpose.ROTATE_270,
    ]
    stored = Image.fromarray(picture())
    stored = stored.transpose(back[orientation - 1]) if orientation > 1 else stored
    exif = Image.Exif()
    exif[274] = orientation
    return encoded(
        stored, form, exif=exif, **({"quality": 95, "subsampling": 0} if form == "JPEG" else {})
    )


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation):
    np.testing.assert_array_equal(images.read_image(rotated(orientation, "PNG")), picture())
    read = images.read_image(rotated(orientation)).astype(int)
    assert read.shape == (48, 64, 3)
    assert abs(read - picture()).mean() < 3


def test_16_bit_grey_is_scaled_from_its_whole_range():
    values = np.array([[0, 256, 32768, 65535]], dtype=np.uint16)
    read = images.read_image(encoded(Image.fromarray(values), "PNG"))
    assert read[0, :, 0].tolist() == [0, 0, 127, 255]
    np.testing.assert_array_equal(images.read_image(encoded(Image.fromarray(values), "TIFF")), read)


@pytest.mark.parametrize(
    "mode, pixel, rgb",
    [
        ("L", 90, (90, 90, 90)),
        ("1", 1, (255, 255, 255)),
        ("P", 5, None),
        ("LA", (90, 0), (90, 90, 90)),
        ("RGBA", (10, 20, 30, 0), (10, 20, 30)),
    ],
)
def test_other_modes_become_rgb_and_alpha_is_ignored(mode, pixel, rgb):
    image = Image.new(mode, (4, 3), pixel)
    if mode == "P":
        image.putpalette([value for k in range(256) for value in (k, 2 * k % 256, 7)])
        rgb = (5, 10, 7)
    read = images.read_image(encoded(image, "PNG"))
    assert (read.dtype, read.shape) == (np.uint8, (3, 4, 3))
    assert (read == rgb).all()


def test_a_palette_with_transparency_reads_without_a_warning(recwarn):
    image = Image.new("P", (4, 3), 1)
    image.putpalette([0, 0, 0, 200, 100, 50])
    read = images.read_image(encoded(image, "PNG", transparency=bytes([0, 128])))
    assert (read == (200, 100, 50)).all()
    assert not recwarn.list


def test_cmyk_reads_as_the_colours_it_was_made_from():
    read = images.read_image(
        encoded(Image.fromarray(picture()).convert("CMYK"), "JPEG", quality=95, subsampling=0)
    )
    assert abs(read.astype(int) - picture()).mean() < 5


def test_60_megapixels_read_without_a_warning(recwarn):
    data = encoded(Image.new("L", (10_000, 6_000), 77), "PNG", compress_level=1)
    assert images.read_image(data).shape == (6_000, 10_000, 3)
    assert not recwarn.list


def damaged(name):
    jpeg = encoded(np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8), "JPEG")
    png = encoded(picture(), "PNG")
    return {
        "truncated jpeg": jpeg[: len(jpeg) // 2],
        "truncated png": png[: len(png) // 2],
        "empty": b"",
        "text": "no image\n" * 20,
        "float": encoded(Image.new("F", (4, 4)), "TIFF"),
        "32 bits": encoded(Image.fromarray(np.array([[70_000, -1]], dtype=np.int32)), "TIFF"),
        "huge": encoded(Image.new("1", (20_000, 10_001)), "PNG"),
    }[name]


@pytest.mark.parametrize(
    "name, reason",
    [
        ("truncated jpeg", "is damaged"),
        ("truncated png", "is damaged"),
        ("empty", "is empty"),
        ("text", "is not an image that can be read"),
        ("float", "has float pixels"),
        ("32 bits", "has 32-bit pixels"),
        ("huge", "has 20000 x 10001 pixels; wanted at most 200000000"),
    ],
)
def test_a_bad_image_is_told_with_its_reason(tmp_path, name, reason):
    data = damaged(name)
    (tmp_path / "a.jpg").write_bytes(data.encode() if isinstance(data, str) else data)
    with pytest.raises(images.BadImage, match=reason):
        images.read_image(tmp_path / "a.jpg")


@pytest.mark.parametrize(
    "name, reason",
    [("none.jpg", "is absent"), ("", "cannot be read"), ("a\0b.jpg", "cannot be read")],
)
def test_a_file_that_cannot_be_opened_is_a_bad_image(tmp_path, name, reason):
    with pytest.raises(images.BadImage, match=reason):
        images.read_image(tmp_path / name)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "GIF", "BMP", "WEBP"])
def test_damage_anywhere_in_a_file_is_a_bad_image_or_an_image_and_nothing_else(form):
    data, rng = encoded(picture(), form), np.random.default_rng(7)
    for _ in range(60):
        bad = bytearray(data[: rng.integers(1, len(data) + 1)])
        for place in rng.integers(0, len(bad), 6):
            bad[place] = rng.integers(0, 256)
        try:
            assert images.read_image(bytes(bad)).ndim == 3
        except images.BadImage as error:
            assert str(error)


def test_phash_is_the_dct_hash_by_its_formula():
    grey = Image.fromarray(picture()).convert("L")
    pixels = np.asarray(grey.resize((32, 32), Image.Resampling.LANCZOS), dtype=float)
    low = [
        [
            sum(
                pixels[y, x]
                * math.cos(math.pi * u * (2 * y + 1) / 64)
                * math.cos(math.pi * v * (2 * x + 1) / 64)
                for y in range(32)
                for x in range(32)
            )
            for v in range(8)
        ]
        for u in range(8)
    ]
    bits = (np.array(low) > np.median(low)).ravel()
    assert images.phash(picture()) == sum(1 << (63 - k) for k in np.flatnonzero(bits).tolist())


def test_phash_changes_little_when_an_image_is_resized_and_much_for_another():
    small = np.asarray(Image.fromarray(picture(480, 640)).resize((320, 240)))
    assert (images.phash(picture(480, 640)) ^ images.phash(small)).bit_count() <= 6
    assert (
        images.phash(picture(480, 640)) ^ images.phash(picture(480, 640, seed=2))
    ).bit_count() > 10


def test_a_thumbnail_is_the_mean_grey_of_each_area():
    grey = np.arange(64, dtype=np.uint8).reshape(8, 8).repeat(8, 0).repeat(8, 1)
    expected = grey.reshape(16, 4, 16, 4).mean(axis=(1, 3))
    np.testing.assert_allclose(images.thumbnail(np.dstack([grey] * 3)), expected, atol=1)


@pytest.mark.parametrize(
    "data, member",
    [
        (encoded(picture(), "JPEG"), ".jpg"),
        (encoded(Image.fromarray(picture()).convert("L"), "PNG"), ".png"),
        (rotated(6), None),
        (rotated(1), ".jpg"),
        (encoded(picture(), "BMP"), None),
        (encoded(Image.fromarray(picture()).convert("CMYK"), "JPEG"), None),
        (encoded(Image.new("P", (4, 4)), "PNG"), None),
        (encoded(Image.new("I;16", (4, 4), 999), "PNG"), None),
    ],
)
def test_a_pack_holds_plain_files_as_they_are_and_others_as_upright_png(tmp_path, data, member):
    (tmp_path / "a").write_bytes(data)
    fact = images.describe(tmp_path / "a")
    assert fact.suffix == member
    images.write_pack(tmp_path / "a.zip", [(tmp_path / "a", fact.sha256, fact.suffix)])
    pack = images.Pack([tmp_path / "a.zip"])
    assert pack.ids() == [fact.id] == [int(hashlib.sha256(data).hexdigest()[:13], 16)]
    np.testing.assert_array_equal(pack.read(fact.id), images.read_image(data))
    path = pack.extract(fact.id, tmp_path)
    assert path.name == fact.sha256[:32] + (member or ".png")
    assert (path.read_bytes() == data) == bool(member)
    with Image.open(path) as image:
        assert image.size == (fact.width, fact.height)


def test_equal_images_give_equal_packs_in_whatever_order(tmp_path):
    files = []
    for seed in range(5):
        path = tmp_path / f"{seed}.png"
        path.write_bytes(encoded(picture(seed=seed), "PNG"))
        fact = images.describe(path)
        files.append((path, fact.sha256, fact.suffix))
    images.write_pack(tmp_path / "a.zip", files)
    images.write_pack(tmp_path / "b.zip", files[::-1])
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip") as pack:
        infos = pack.infolist()
    assert {(info.compress_type, info.date_time) for info in infos} == {
        (zipfile.ZIP_STORED, (1980, 1, 1, 0, 0, 0))
    }
    assert [info.filename for info in infos] == sorted(info.filename for info in infos)


def test_a_file_that_is_no_pack_is_told(tmp_path):
    (tmp_path / "a.jpg").write_bytes(encoded(picture(), "JPEG"))
    with pytest.raises(
        InputError, match="a.jpg: is no pack of images; wanted one that import_images.py wrote"
    ):
        images.Pack([tmp_path / "a.jpg"])
