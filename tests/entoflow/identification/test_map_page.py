import base64
import csv
import io
import json
import re
import struct

import numpy as np
import pytest
from PIL import Image

from chromium import SHIFT, Chromium, browsing
from entoflow.identification.map_page import MapImage, page, palette
from entoflow.tables import read_rows
from pages import EVIL, Blocks, jpeg


def grid(n, thumbnails=None, **columns):
    """Return n images in a grid, three to a row, one unit apart. columns: values of the images."""
    images = []
    for k in range(n):
        values = {name: column[k] for name, column in columns.items()}
        images.append(
            MapImage(f"{k}.jpg", k % 3, k // 3, values, thumbnails[k] if thumbnails else None)
        )
    return images


def parsed(html):
    """Return (points, {column: values}, thumbnails, colourings) of a page, read by hand."""
    data, thumbnails, _ = Blocks(html).blocks
    data = json.loads(data)
    points = list(struct.iter_unpack("<2d", base64.b64decode(data["points"])))
    pictures = [base64.b64decode(line) or None for line in thumbnails.split("\n")][: data["n"]]
    return (
        points,
        {column["name"]: values_of(column) for column in data["columns"]},
        pictures,
        data["colourings"],
    )


def values_of(column):
    if column["kind"] == "text":
        return column["values"]
    if column["kind"] == "number":
        return [
            number for (number,) in struct.iter_unpack("<d", base64.b64decode(column["values"]))
        ]
    names = [*column["names"], None]
    return [names[code] for (code,) in struct.iter_unpack("<I", base64.b64decode(column["codes"]))]


def test_the_page_holds_all_values():
    rng = np.random.default_rng(3)
    labels = rng.choice(["bug", "bee", EVIL], 50).tolist()
    scores = rng.random(50).tolist()
    places = rng.normal(size=(50, 2)).tolist()
    thumbnails = [jpeg((5 * k, 0, 0)) if k % 3 else None for k in range(50)]
    images = []
    for k, (x, y) in enumerate(places):
        values = {
            "note": "ü",
            "label": labels[k],
            "score": scores[k],
            "cluster": str(k // 7),
            "right": k % 2 == 0,
        }
        images.append(MapImage(f"{k}.jpg", x, y, values, thumbnails[k]))
    html = page("T", images, {"label": "class", "cluster": "class", "score": "number"})
    points, columns, pictures, colourings = parsed(html)
    assert points == [tuple(place) for place in places]
    assert columns["image"] == [f"{k}.jpg" for k in range(50)]
    assert columns["label"] == labels and columns["score"] == scores
    assert columns["cluster"] == [str(k // 7) for k in range(50)]
    assert columns["right"] == ["yes", "no"] * 25 and columns["note"] == ["ü"] * 50
    assert list(columns)[:2] == ["image", "label"]
    assert pictures == thumbnails and colourings == ["label", "cluster", "score"]


def test_classes_are_listed_by_frequency_and_nothing_is_no_class():
    html = page("T", grid(6, label=["b", "a", "b", None, "c", ""]), {"label": "class"})
    label = json.loads(Blocks(html).blocks[0])["columns"][1]
    assert label["names"] == ["b", "a", "c"]
    assert values_of(label) == ["b", "a", "b", None, "c", None]


def test_numbers_may_be_text_and_absent():
    html = page("T", grid(3, score=["0.25", None, ""]), {"score": "number"})
    assert parsed(html)[1]["score"] == pytest.approx([0.25, np.nan, np.nan], nan_ok=True)


def test_data_never_become_markup():
    plain = page("T", [MapImage("a.jpg", 0, 0, {"label": "bug"})], {"label": "class"})
    evil = page(
        EVIL, [MapImage(EVIL, 0, 0, {"label": EVIL, EVIL: EVIL})], {"label": "class", EVIL: "class"}
    )
    assert Blocks(evil).tags == Blocks(plain).tags and len(Blocks(evil).blocks) == 3
    assert parsed(evil)[1] == {"image": [EVIL], "label": [EVIL], EVIL: [EVIL]}
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', evil, re.DOTALL)[
        1
    ]
    assert not set("<>&\u2028\u2029") & set(data)


def test_the_page_names_no_server_and_allows_only_its_own_script():
    html = page("T", [MapImage("a.jpg", 0, 0, thumbnail=jpeg())], {})
    assert not re.search(r"https?://|url\(|@import|<link|src=\"(?!data:)", html)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)[1].replace("&#39;", "'")
    assert (
        policy.startswith("default-src 'none'; img-src data:; script-src 'sha256-")
        and "unsafe" not in policy
    )


@pytest.mark.parametrize("n", [0, 1])
def test_none_or_one_image_gives_a_page(n):
    points, columns, thumbnails, _ = parsed(page("T", grid(n), {}))
    assert len(points) == len(thumbnails) == n
    assert columns == ({"image": ["0.jpg"]} if n else {})


def test_equal_input_gives_equal_bytes():
    def make():
        return page("T", grid(9, [jpeg()] * 9, label=list("abcabcabc")), {"label": "class"})

    assert make() == make()


@pytest.mark.parametrize(
    "images, colourings, sentence",
    [
        ([MapImage("a", 0, float("nan"))], {}, r"image 0 is at 0, nan; wanted finite"),
        (
            [MapImage("a", 0, 1), MapImage("b", float("inf"), 0)],
            {},
            r"image 1 is at inf, 0; wanted finite",
        ),
        ([MapImage("", 0, 1, {"label": "a"})], {}, "image 0 has no name"),
        (
            [MapImage("a", 0, 1, {"part": "x"})],
            {"label": "class"},
            "colouring label is no column of the images; wanted one of part",
        ),
        (
            [MapImage("a", 0, 1, {"part": "x"})],
            {"part": "colour"},
            "colouring part is of kind 'colour'; wanted class or number",
        ),
    ],
)
def test_what_cannot_be_drawn_is_refused(images, colourings, sentence):
    with pytest.raises(ValueError, match=sentence):
        page("T", images, colourings)


def test_colours_are_far_apart_and_the_first_ones_stay():
    many = palette(360)
    assert len(set(many)) == 360 and many[:20] == palette(20)
    few = np.array([[int(colour[k : k + 2], 16) for k in (1, 3, 5)] for colour in many[:12]])
    distances = np.linalg.norm(few[:, None] - few[None], axis=2) + 999 * np.eye(12)
    assert distances.min() > 50  # of 441 between black and white


# What the page does, in a headless Chromium


class MapPage(Chromium):
    def where(self, image):
        """Return the place in the window of an image's point, by its number."""
        return self.run(
            f"(box => [place({image})[0] + box.x, place({image})[1] + "
            "box.y])(canvas.getBoundingClientRect())"
        )

    def colour(self, image):
        """Return the colour of the canvas where an image's point is."""
        pixel = self.run(
            f"[...context.getImageData(...place({image}).map(k => Math.round(k * "
            "devicePixelRatio)), 1, 1).data]"
        )
        return "#" + "".join(f"{part:02x}" for part in pixel[:3])


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    yield from browsing(tmp_path_factory.mktemp("chromium"), MapPage)


@pytest.fixture
def shown(chromium, tmp_path):
    def _shown(images, colourings, **window):
        (tmp_path / "map.html").write_text(page("A map", images, colourings), encoding="utf-8")
        chromium.open(tmp_path / "map.html", **window)
        return chromium

    yield _shown
    assert chromium.faults() == []


@pytest.fixture
def nine(shown):
    """The browser with nine images, three of each of three labels; the last has no thumbnail."""
    labels = ["bug"] * 3 + ["bee"] * 3 + [EVIL] * 3
    images = grid(9, [jpeg()] * 8 + [None], label=labels, score=[0.1 * k for k in range(9)])
    return shown(images, {"label": "class", "score": "number"})


def saved(browser, folder):
    with open(
        browser.saved("#save", folder, "selection.csv"), newline="", encoding="utf-8-sig"
    ) as stream:
        return list(csv.reader(stream))


def test_hovering_shows_the_thumbnail_enlarged_with_its_fields(nine):
    nine.mouse("Moved", *nine.where(4))
    nine.painted()
    assert nine.text("card").split("\n") == ["4.jpg", "label", "bee", "score", "0.4"]
    assert (
        nine.run(
            "document.querySelector('#card img').decode().then(() => "
            "document.querySelector('#card img').width)"
        )
        > 48
    )
    nine.mouse("Moved", *nine.where(8))
    nine.painted()
    assert "no thumbnail" in nine.text("card") and EVIL.split("\u2028")[0] in nine.text("card")
    x, y = nine.where(8)
    nine.mouse("Moved", x - 60, y - 60)
    assert nine.run("document.getElementById('card').hidden")


def test_what_a_lasso_encloses_is_counted_shown_and_saved_as_csv(nine, tmp_path):
    (left, top), (right, bottom) = nine.where(6), nine.where(1)
    around = [
        (left - 10, top - 10),
        (right + 10, top - 10),
        (right + 10, bottom + 10),
        (left - 10, bottom + 10),
    ]  # clear of the buttons
    nine.drag(*around, keys=SHIFT)
    assert (
        nine.text("selected") == "6 images selected"
        and nine.run("document.querySelectorAll('#strip img').length") == 6
    )
    selected = [
        (0, "bug", 0),
        (1, "bug", 0.1),
        (3, "bee", 0.1 * 3),
        (4, "bee", 0.4),
        (6, EVIL, 0.1 * 6),
        (7, EVIL, 0.1 * 7),
    ]
    rows = [[f"{k}.jpg", label, str(score)] for k, label, score in selected]
    assert saved(nine, tmp_path) == [["image", "label", "score"], *rows]
    assert [row["label"] for row in read_rows(tmp_path / "selection.csv", ["image", "label"])][
        :2
    ] == ["bug", "bug"]
    nine.click("#clear")
    assert nine.run("document.getElementById('selection').hidden")


def test_the_lasso_button_selects_without_a_key_and_only_what_is_shown(nine):
    nine.run("document.getElementById('lasso').click()")
    nine.click("#legend li:nth-child(2) button")
    nine.drag((70, 55), (640, 55), (640, 690), (30, 690), (30, 240), (70, 240))
    assert nine.text("matches") == "3 of 9 images" and nine.text("selected") == "3 images selected"
    assert nine.run("selectedImages()") == [
        3,
        4,
        5,
    ]  # bees: of three labels of three images the second by name


def test_colours_follow_the_chosen_column(nine):
    colours = palette(3)
    nine.run("pictures.clear(); thumbnails.fill(''); draw()")  # dots alone
    nine.painted()
    order = sorted(["bug", "bee", EVIL])  # three each: by name
    assert [nine.colour(image) for image in (0, 3, 6)] == [
        colours[order.index(label)] for label in ("bug", "bee", EVIL)
    ]
    nine.run("document.getElementById('colouring').focus()")
    nine.key("ArrowDown")
    assert nine.run("document.getElementById('colouring').value") == "score"
    red, green, blue = zip(
        *([int(nine.colour(image)[k : k + 2], 16) for k in (1, 3, 5)] for image in (0, 4, 8))
    )
    assert (
        green[0] < green[1] < green[2] and blue[0] > red[0] and blue[2] < red[2]
    )  # from a deep blue to a bright ochre
    assert nine.text("legend").split() == ["0", "0.8"]


def test_a_class_is_singled_out_in_the_legend_and_another_added(nine):
    assert sorted(nine.text("legend").split("\n")[1::2]) == ["3", "3", "3"]
    nine.click("#legend li:nth-child(1) button")
    assert nine.text("matches") == "3 of 9 images"
    nine.click("#legend li:nth-child(3) button")
    assert nine.text("matches") == "6 of 9 images"
    nine.click("#reset")
    assert nine.text("matches") == "" and nine.run("isShown.every(Boolean)")


def test_the_search_finds_labels_and_image_names_and_what_it_finds_can_be_selected(nine):
    nine.click("#find")
    nine.call("Input.insertText", text="BEE")
    assert nine.text("matches") == "3 of 9 images" and nine.text("legend").split("\n") == [
        "bee",
        "3",
    ]
    nine.click("#select")
    assert nine.text("selected") == "3 images selected" and nine.run("selectedImages()") == [
        3,
        4,
        5,
    ]
    nine.run("document.getElementById('find').select()")
    nine.call("Input.insertText", text="7.jp")
    assert nine.text("matches") == "1 of 9 images"
    nine.click("#go")
    assert [round(part) for part in nine.run("place(7)")] == nine.run(
        "[view.width / 2, view.height / 2].map(Math.round)"
    )


def test_the_map_moves_and_zooms_by_mouse_keys_and_buttons(nine):
    (x, y), before = nine.where(4), nine.run("view.scale")
    nine.drag((x + 60, y + 60), (x + 80, y + 80), (x + 160, y + 110))
    assert nine.where(4) == pytest.approx([x + 100, y + 50])
    nine.mouse("Wheel", x + 100, y + 50, deltaX=0, deltaY=-120)
    nine.painted()
    assert nine.run("view.scale") > before and nine.where(4) == pytest.approx(
        [x + 100, y + 50], abs=1
    )  # a mouse knows whole pixels
    nine.run("canvas.focus()")
    nine.key("0")
    assert nine.where(4) == pytest.approx([x, y]) and nine.run("view.scale") == before
    nine.key("ArrowRight")
    assert nine.where(4) == pytest.approx([x - 60, y])
    nine.key("+")
    nine.click("#closer")
    assert nine.run("view.scale") == pytest.approx(before * 1.4 * 1.6)


def test_two_fingers_zoom_and_a_tap_tells_the_image(nine):
    before, (x, y) = nine.run("view.scale"), nine.where(4)
    for kind, apart in (("Start", 40), ("Move", 60), ("Move", 80)):
        nine.call(
            "Input.dispatchTouchEvent",
            type=f"touch{kind}",
            touchPoints=[{"x": x + side * apart, "y": y, "id": side + 1} for side in (-1, 1)],
        )
    nine.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
    nine.painted()
    assert nine.run("view.scale") == pytest.approx(2 * before, rel=0.05) and nine.where(
        4
    ) == pytest.approx([x, y], abs=5)
    nine.call(
        "Input.dispatchTouchEvent",
        type="touchStart",
        touchPoints=[{"x": nine.where(4)[0], "y": nine.where(4)[1]}],
    )
    nine.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
    assert nine.text("here").split("\n")[:2] == ["Image", "4.jpg"]


def test_the_image_in_the_middle_is_told_by_a_key(nine):
    nine.run("canvas.focus()")
    nine.key("Enter")
    assert nine.text("here").split("\n")[:2] == ["Image", "4.jpg"]
    nine.key("Escape")
    assert nine.run("document.getElementById('here').hidden")


def test_images_at_one_place_are_all_within_reach(shown):
    images = [MapImage(f"{k}.jpg", 2, 2, {"label": "bug"}, jpeg()) for k in range(15)]
    browser = shown(images, {"label": "class"})
    browser.mouse("Moved", *browser.where(0))
    assert "14 more here: click to list them" in browser.text("card")
    browser.click(browser.where(0))
    assert browser.text("here").startswith("15 images here") and "The nearest 12" in browser.text(
        "here"
    )
    browser.click("#here .strip button:nth-child(7)")
    assert "6.jpg" in browser.text("here")
    x, y = browser.where(0)
    browser.drag((x - 30, y - 30), (x + 30, y - 30), (x + 30, y + 30), (x - 30, y + 30), keys=SHIFT)
    assert browser.text("selected") == "15 images selected"


def test_cells_that_a_spreadsheet_would_run_are_text_and_numbers_stay(shown, tmp_path):
    cells = [
        "=1+1",
        "+cmd",
        "@sum",
        '-2+3"',
        "a;=1",
        "-0.5",
        'a "b", c',
        "two\nlines",
        " =1",
        "a=b",
    ]
    browser = shown(grid(10, label=cells), {})
    browser.run("select(() => true)")
    assert [row[1] for row in saved(browser, tmp_path)[1:]] == [
        "'=1+1",
        "'+cmd",
        "'@sum",
        "'-2+3\"",
        "a;'=1",
        "-0.5",
        'a "b", c',
        "two\nlines",
        "' =1",
        "a=b",
    ]


@pytest.mark.parametrize("number", [0, 1])
def test_a_map_of_none_or_one_opens(shown, number):
    browser = shown(grid(number, [jpeg()] * number, label=["bug"] * number), {"label": "class"})
    assert browser.run("document.getElementById('empty').hidden") == bool(number)
    assert browser.text("legend" if number else "empty") == (
        "bug\n1" if number else "There are no images to show."
    )


def test_hundreds_of_classes_are_listed_when_asked_for(shown):
    browser = shown(
        grid(710, label=[f"species {k % 355:03}" for k in range(710)]), {"label": "class"}
    )
    assert browser.run("document.querySelectorAll('#legend li').length") == 30
    assert browser.text("legend").endswith("Show all 355 of label")
    browser.run("document.querySelector('#legend .more').click()")
    assert browser.run("document.querySelectorAll('#legend li').length") == 355
    assert (
        browser.run(
            "new Set([...document.querySelectorAll('#legend .swatch')].map(one => "
            "one.style.background)).size"
        )
        == 355
    )


def test_the_map_is_dark_where_that_is_wanted_and_sharp_on_dense_screens(shown):
    browser = shown(grid(2, label=["a", "b"]), {"label": "class"}, ratio=2, dark=True)
    assert browser.run("canvas.width / canvas.clientWidth") == 2
    assert (
        browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(25, 28, 24)"
        and browser.colour(0) == palette(2)[0]
    )


PANNING = """new Promise(done => {
  const frames = [];
  let last = performance.now();
  const step = now => {
    frames.push(now - last);
    last = now;
    pan(frames.length % 40 < 20 ? 7 : -7, 3);
    if (frames.length < 80) requestAnimationFrame(step);
    else done(frames.slice(5).sort((a, b) => a - b));
  };
  requestAnimationFrame(step);
})"""


def test_ten_thousand_images_open_within_three_seconds_and_move_smoothly(chromium, tmp_path):
    rng = np.random.default_rng(0)
    noise = [Image.fromarray(rng.integers(0, 255, (48, 48, 3), dtype=np.uint8)) for _ in range(20)]
    pictures = []
    for image in noise:
        image.save(stream := io.BytesIO(), "JPEG", quality=27)
        pictures.append(stream.getvalue())
    assert np.mean([len(picture) for picture in pictures]) > 1200
    images = []
    for k, (x, y) in enumerate(rng.normal(size=(10000, 2)).tolist()):
        values = {"label": f"species {k % 355}", "score": k / 10000}
        images.append(MapImage(f"photos/{k}.jpg", x, y, values, pictures[k % 20]))
    (tmp_path / "map.html").write_text(page("A map", images, {"label": "class", "score": "number"}))
    opened = min(chromium.open(tmp_path / "map.html", 1400, 900) for _ in range(3))
    frames = min(
        (chromium.run(PANNING) for _ in range(3)), key=lambda frames: frames[len(frames) // 2]
    )
    middle, slow = frames[len(frames) // 2], frames[int(0.95 * len(frames))]
    print(
        f"10,000 images: opened in {opened:.2f} s; frames of {middle:.0f} ms in the middle, "
        f"{slow:.0f} ms at 95 %"
    )
    assert opened < 3 and middle < 50
    assert chromium.faults() == []
