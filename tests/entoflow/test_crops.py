import numpy as np
import pytest
from entoflow import crops
from entoflow.task import InputError
from PIL import Image


@pytest.mark.parametrize("box, size", [((40, 30, 80, 50), 64), ((100, 90, 110, 110), 32), ((10, 20, 190, 150), 32)])
def test_a_crop_is_the_square_around_its_box_as_pillow_cuts_it(box, size):
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 256, (4, 5, 3), np.uint8))
    pixels = np.asarray(noise.resize((200, 160), Image.Resampling.BICUBIC))
    side = max(box[2] - box[0], box[3] - box[1]) * (1 + 2 * crops.MARGIN)
    x, y = (box[0] + box[2] - side) / 2, (box[1] + box[3] - side) / 2
    pad = 80
    padded = Image.fromarray(np.pad(pixels, ((pad, pad), (pad, pad), (0, 0)), "reflect"))
    wanted = np.asarray(padded.resize((size, size), Image.Resampling.BILINEAR, box=(x + pad, y + pad, x + side + pad, y + side + pad)), int)
    found = crops.crop(pixels, box, size)
    assert found.shape == (size, size, 3) and found.dtype == np.uint8
    assert abs(found.astype(int) - wanted).mean() < 4


def test_a_square_of_background_is_inside_and_clear_of_boxes():
    taken, rng = np.array([[0, 0, 60, 100], [140, 0, 200, 100]], float), np.random.default_rng(1)
    for _ in range(50):
        square = crops.background(200, 100, taken, rng)
        assert square is None or (square.min() >= 0 and square[2] <= 200 and square[3] <= 100 and crops.iou(square[None], taken).max() < 0.1)
    assert crops.background(100, 100, np.array([[x, y, x + 30, y + 30] for x in range(0, 100, 10) for y in range(0, 100, 10)], float), rng) is None


def test_scores_are_read_as_they_were_written_and_another_file_is_told(tmp_path):
    crops.write_scores(tmp_path / "c.npz", [(2**40, 1), (7, 30)], [0.25, 0.75])
    assert crops.read_scores(tmp_path / "c.npz") == {(2**40, 1): 0.25, (7, 30): 0.75}
    crops.write_scores(tmp_path / "none.npz", [], [])
    assert crops.read_scores(tmp_path / "none.npz") == {}
    (tmp_path / "x.npz").write_text("no archive")
    with pytest.raises(InputError, match="x.npz: holds no crop scores"):
        crops.read_scores(tmp_path / "x.npz")
