import numpy as np
from PIL import Image

from entoflow import plots
from entoflow.contact_sheet import Tile, contact_sheet
from entoflow.metric import Metric
from entoflow.plot_style import drawing


def draw_all(folder):
    """Draw a picture of each kind and return {name: bytes}."""
    folder.mkdir()
    pixels = np.random.default_rng(1).integers(0, 255, (300, 400, 3), dtype=np.uint8)
    boxes = [
        ((50, 60, 90, 120), "truth", ""),
        ((52, 58, 95, 118), "found", "0.91"),
        ((10, 5, 30, 20), "missed", ""),
    ]
    tiles = (Tile(pixels, f"{n}.jpg", boxes) for n in range(30))
    lines = {"a": ([0, 1], [1, 0])}
    metrics = [
        ("a", Metric(0.5, 0.25, 0.75, 9, 3, "share")),
        ("b", Metric(0.6, None, None, 9, 1, "share")),
    ]
    truth = np.array([0, 0, 1, 2])
    contact_sheet(folder / "sheet.png", tiles, "Photos", most=5)
    contact_sheet(folder / "empty.png", [], "Photos")
    plots.chart(
        folder / "chart.png", lines, "Title", ("x", "y"), [(0.5, 0.5, "here"), (0.2, None, "there")]
    )
    plots.chart(folder / "log.png", {"a": ([0.01, 10], [0, 1])}, "Title", ("x", "y"), log_x=True)
    plots.panels(
        folder / "panels.png", {"one": lines, "two": lines, "three": lines}, "Title", ("x", "y")
    )
    values = {"a": [0.1, 0.2], "b": [0.9]}
    plots.histogram(
        folder / "histogram.png", values, "Title", ("x", "y"), np.linspace(0, 1, 11), (0.5, "half")
    )
    plots.intervals(folder / "intervals.png", metrics, "Title", "share")
    plots.confusion(
        folder / "confusion.png", truth, np.array([0, 1, 1, 2]), ["a", "b" * 40, "c"], "Title"
    )
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_equal_input_gives_equal_bytes_and_readable_pictures(tmp_path):
    first = draw_all(tmp_path / "a")
    second = draw_all(tmp_path / "b")
    assert first == second
    assert len(first) == 8
    for path in (tmp_path / "a").iterdir():
        width, height = Image.open(path).size
        assert width >= 500
        assert height >= 200
    sheet = Image.open(tmp_path / "a/sheet.png")
    empty = Image.open(tmp_path / "a/empty.png")
    assert sheet.height > 1.5 * empty.height  # five tiles: two rows


def test_a_sheet_reads_no_more_photos_than_it_shows(tmp_path):
    read = []

    def tiles():
        for n in range(100):
            read.append(n)
            yield Tile(np.zeros((20, 20, 3), np.uint8), str(n), [])

    contact_sheet(tmp_path / "sheet.png", tiles(), "Photos", most=3)
    assert len(read) == 3


def test_a_small_insect_on_a_large_photo_is_shown_large(tmp_path):
    """20 of 2,000 pixels would be 3 pixels of a tile.

    The window around the box makes them 12 and more.
    """
    pixels = np.zeros((1000, 2000, 3), np.uint8)
    pixels[400:420, 600:620] = (0, 0, 255)
    contact_sheet(
        tmp_path / "sheet.png", [Tile(pixels, "", [((600, 400, 620, 420), "truth", "")])], ""
    )
    sheet = np.asarray(Image.open(tmp_path / "sheet.png").convert("RGB")).astype(int)
    is_blue = (sheet[..., 2] > 200) & (sheet[..., 0] < 60) & (sheet[..., 1] < 60)
    rows, columns = np.nonzero(is_blue)
    assert np.ptp(columns) >= 9
    assert np.ptp(rows) >= 9


def test_a_picture_that_cannot_be_drawn_leaves_no_file(tmp_path):
    try:
        with drawing(tmp_path / "chart.png"):
            raise ValueError
    except ValueError:
        pass
    assert not list(tmp_path.iterdir())
