"""Thumbnails of images that lie in several packs."""

import io
import zipfile

import pytest
from PIL import Image

from entoflow import images
from entoflow.identification import thumbnails


@pytest.fixture
def packs(tmp_path):
    """Two packs of three images each, 120 x 60, whose ids are 1 to 6 in turns."""
    for n in range(1, 7):
        Image.new("RGB", (120, 60), (40 * n, 0, 0)).save(tmp_path / f"{n}.png")
    paths = [tmp_path / "a.zip", tmp_path / "b.zip"]
    for path, members in zip(paths, ((1, 3, 5), (2, 4, 6))):
        images.write_pack(
            path, [(tmp_path / f"{n}.png", f"{n:013x}" + "0" * 51, ".png") for n in members]
        )
    return paths


def test_each_image_that_the_packs_hold_has_one_of_its_own_colour(packs):
    jpegs = thumbnails.read_thumbnails(packs, [6, 1, 99, 1], side=30)
    assert sorted(jpegs) == [1, 6]
    for key, data in jpegs.items():
        with Image.open(io.BytesIO(data)) as picture:
            assert (picture.format, picture.size) == ("JPEG", (30, 15)) and abs(
                picture.getpixel((15, 7))[0] - 40 * key
            ) < 8


def test_a_pack_is_opened_once_however_the_ids_lie(packs, monkeypatch):
    pack, opened = images.Pack(packs), []
    assert pack.together([6, 5, 4, 3, 99, 3]) == [3, 5, 4, 6]
    real = zipfile.ZipFile
    monkeypatch.setattr(
        images.zipfile, "ZipFile", lambda *args: opened.append(args[0]) or real(*args)
    )
    for key in pack.together(range(1, 7)):
        pack.read(key)
    assert opened == packs
