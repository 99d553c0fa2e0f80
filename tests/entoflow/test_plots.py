import numpy as np
from PIL import Image

from entoflow import plots


def draw_all(folder):
    pixels = np.random.default_rng(1).integers(0, 255, (300, 400, 3), dtype=np.uint8)
    boxes = [((50, 60, 90, 120), "truth", ""), ((52, 58, 95, 118), "found", "0.91"), ((10, 5, 30, 20), "missed", "")]
    plots.contact_sheet(folder / "sheet.png", (plots.Tile(pixels, f"{n}.jpg", boxes) for n in range(30)), "Photos", most=5)
    plots.contact_sheet(folder / "empty.png", [], "Photos")
    plots.chart(folder / "chart.png", {"a": ([0, 1], [1, 0])}, "Title", ("x", "y"), [(0.5, 0.5, "here"), (0.2, None, "there")])
    plots.chart(folder / "log.png", {"a": ([0.01, 10], [0, 1])}, "Title", ("x", "y"), log_x=True)
    plots.histogram(folder / "histogram.png", {"a": [0.1, 0.2], "b": [0.9]}, "Title", ("x", "y"), np.linspace(0, 1, 11), (0.5, "half"))
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_equal_input_gives_equal_bytes_and_readable_pictures(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first, second = draw_all(tmp_path / "a"), draw_all(tmp_path / "b")
    assert first == second and len(first) == 5
    for path in (tmp_path / "a").iterdir():
        width, height = Image.open(path).size
        assert width >= 600 and height >= 400
    assert Image.open(tmp_path / "a/sheet.png").size[1] > 1.5 * Image.open(tmp_path / "a/empty.png").size[1]  # five tiles: two rows


def test_a_sheet_reads_no_more_photos_than_it_shows(tmp_path):
    read = []

    def tiles():
        for n in range(100):
            read.append(n)
            yield plots.Tile(np.zeros((20, 20, 3), np.uint8), str(n), [])

    plots.contact_sheet(tmp_path / "sheet.png", tiles(), "Photos", most=3)
    assert len(read) == 3


def test_a_tile_shows_its_boxes_with_room_around_them():
    pixels = np.zeros((1000, 2000, 3), np.uint8)
    pixels[400:420, 600:620] = 255
    small = plots._shrink(plots.Tile(pixels, "", [((600, 400, 620, 420), "truth", "")]))
    (x1, y1, x2, y2), _, _ = small.boxes[0]
    assert max(small.pixels.shape) <= plots.SIDE and x2 - x1 >= 0.03 * plots.SIDE
    assert small.pixels[int(y1) + 2:int(y2) - 2, int(x1) + 2:int(x2) - 2].min() > 200
    assert small.pixels[:int(y1) - 9].max() < 50
