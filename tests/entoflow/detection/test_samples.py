"""What training sees of images: whole, and of large ones the tiles too."""

import shutil

import numpy as np
import pytest
from PIL import Image as PillowImage

from entoflow import images
from entoflow.dataset import Box, Dataset, Image
from entoflow.detection import samples


@pytest.fixture
def extract(tmp_path):
    """Return f(size, [(x, y, width, height, more keys)], tile_size, seed): the samples of one
    training photo.
    """

    def _extract(size, boxes, tile_size, seed=1):
        y, x = np.mgrid[: size[1], : size[0]]
        pixels = np.stack([x * 255 // size[0], y * 255 // size[1], 0 * x], axis=2)
        PillowImage.fromarray(pixels.astype(np.uint8)).save(tmp_path / "photo.png")
        facts = images.describe(tmp_path / "photo.png")
        pack = tmp_path / "pack.zip"
        images.write_pack(pack, [(tmp_path / "photo.png", facts.sha256, facts.suffix)])
        image = Image(facts.id, "photo.png", width=size[0], height=size[1], part="train")
        of_image = [Box(image.id, "insect", box[:4], **dict(*box[4:])) for box in boxes]
        dataset = Dataset([image], of_image, ["insect"])
        folder = tmp_path / f"scratch_{seed}"
        return samples.extract(dataset, images.Pack([pack]), folder, tile_size, seed).train

    return _extract


def test_without_a_tile_size_an_image_is_one_sample_with_its_weights_and_ignore_regions(extract):
    (sample,) = extract(
        (300, 100), [(30, 20, 60, 40, {"weight": 0.5}), (0, 0, 30, 10, {"iscrowd": True})], None
    )
    assert sample.targets.boxes.tolist() == [[0.2, 0.4, 0.2, 0.4]]
    assert sample.targets.weights.tolist() == [0.5]
    assert sample.targets.ignored.tolist() == [[0.05, 0.05, 0.1, 0.1]]


def test_of_a_large_image_the_tiles_with_boxes_follow_and_as_many_blank_ones(extract):
    whole, *tiles = extract((1000, 100), [(0, 0, 10, 10, {"weight": 0.5}), (0, 20, 40, 40)], 100)
    assert whole.targets.boxes.tolist() == [[0.02, 0.4, 0.04, 0.4]]
    assert whole.targets.ignored.tolist() == [[0.005, 0.05, 0.01, 0.1]]
    assert [len(tile.targets.boxes) for tile in tiles] == [2, 0]
    assert not any(len(tile.targets.ignored) for tile in tiles)
    assert tiles[0].targets.boxes.tolist() == [[0.05, 0.05, 0.1, 0.1], [0.2, 0.4, 0.4, 0.4]]
    assert tiles[0].targets.weights.tolist() == [0.5, 1.0]
    assert tiles[1].path.stem.startswith(whole.path.stem + "_")


def test_a_tile_shows_the_piece_of_the_image_that_its_boxes_are_of(extract):
    _, first, _ = extract((300, 100), [(20, 10, 50, 50)], 100)
    pixels = images.read_image(first.path)
    assert pixels.shape == (100, 100, 3)
    y, x = np.mgrid[:100, :100]
    assert abs(pixels[..., 0].astype(int) - x * 255 // 300).max() <= 3
    assert abs(pixels[..., 1].astype(int) - y * 255 // 100).max() <= 3


def test_a_box_that_a_tile_shows_little_of_and_a_crowd_are_ignored_in_it(extract):
    _, first, second, *_ = extract(
        (300, 100), [(50, 0, 25, 50), (100, 0, 20, 50), (127, 0, 173, 100, {"iscrowd": True})], 100
    )
    assert first.targets.boxes.tolist() == [[0.625, 0.25, 0.25, 0.5]]
    assert first.targets.ignored.tolist() == []
    assert second.targets.boxes.tolist() == [[0.43, 0.25, 0.2, 0.5]]  # this tile starts at 67
    assert second.targets.ignored.round(9).tolist() == [
        [0.04, 0.25, 0.08, 0.5],
        [0.8, 0.5, 0.4, 1.0],
    ]


def test_the_seed_draws_the_blank_tiles(extract, tmp_path):
    def names(seed):
        shutil.rmtree(tmp_path / f"scratch_{seed}", ignore_errors=True)
        samples = extract((2000, 200), [(0, 0, 50, 50)], 100, seed)
        return [sample.path.name for sample in samples]

    assert names(1) == names(1)
    assert len(names(1)) == 3
    assert len({tuple(names(seed)) for seed in range(5)}) > 1
