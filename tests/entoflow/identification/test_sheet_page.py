import base64
import csv
import io
import json
import re
from dataclasses import replace

import pytest

from chromium import CTRL, SHIFT, Chromium, browsing
from entoflow.identification import cluster_review
from entoflow.identification.sheet_page import (
    COLUMNS,
    SheetCluster,
    SheetImage,
    SimilarClass,
    page,
    review_rows,
)
from entoflow.tables import read_rows, safe_cell, typed_cell
from pages import EVIL, Blocks, jpeg

KNOWN = ["Apis cerana", "Apis mellifera", "Bombus terrestris", "Käfer 1", "Käfer 2"]
NEAREST = (("Apis mellifera", 0.8), ("Apis cerana", 0.65))
TYPED = [
    "=1+1",
    "+cmd",
    "@sum",
    '-2+3"',
    "a;=1",
    "-0.5",
    "'quoted",
    "'=1",
    "''+1",
    " =1",
    "a=b",
    "two\t@words",
    "\uff1d1",
    "+1e3",
    ";;-x",
    "\x85=1",
]


def sheet(*sizes, nearest=NEAREST, names=None):
    """Return clusters 10, 11, ... of so many images, image1.jpg with id 1 onwards.

    The last image of each has no thumbnail.
    """
    clusters = []
    start = 1
    for k, size in enumerate(sizes):
        images = []
        for number in range(start, start + size):
            name = names[number] if names else f"image{number}.jpg"
            thumbnail = None if number == start + size - 1 else jpeg((number % 256, 0, 0))
            images.append(
                SheetImage(name, number, "unknown", 0.9 - 0.01 * (number - start), thumbnail)
            )
        known = [
            SimilarClass(label, similarity, (jpeg("blue"),) * 3) for label, similarity in nearest
        ]
        clusters.append(SheetCluster(10 + k, float(size), tuple(known), tuple(images)))
        start += size
    return clusters


def written(clusters):
    """Return review.csv as Python's csv module writes it."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerows([COLUMNS, *review_rows(clusters)])
    return stream.getvalue()


def test_the_table_has_a_row_for_each_cluster_and_each_image_with_empty_labels():
    assert written(sheet(2, 1)) == (
        "cluster,image,label,nearest_known,distance,verdict,id\n"
        "10,,,Apis mellifera,0.2000,,\n"
        "10,image1.jpg,,Apis mellifera,0.2000,unknown,1\n"
        "10,image2.jpg,,Apis mellifera,0.2000,unknown,2\n"
        "11,,,Apis mellifera,0.2000,,\n"
        "11,image3.jpg,,Apis mellifera,0.2000,unknown,3\n"
    )
    assert review_rows(sheet(1, nearest=()))[1] == ("10", "image1.jpg", "", "", "", "unknown", "1")


def test_a_class_of_similarity_above_one_is_at_no_negative_distance():
    assert sheet(1, nearest=[("bug", 1.0000001)])[0].distance == "0.0000"


@pytest.mark.parametrize("text", TYPED)
def test_a_cell_read_back_is_what_was_typed(text):
    safe = safe_cell(text)
    assert typed_cell(safe) == text
    assert not re.search(r"(^|[;\t\r\n])[\"\s]*[=+@\uff1d-](?![0-9.e]+$)", safe)


def test_the_page_holds_all_clusters():
    clusters = sheet(3, 2)
    data, pictures, _ = Blocks(page("T", clusters, KNOWN[::-1])).blocks
    data = json.loads(data)
    pictures = [base64.b64decode(line) for line in pictures.split("\n")]
    assert data["images"] == [f"image{k}.jpg" for k in range(1, 6)]
    assert data["ids"] == list("12345") and data["labels"] == KNOWN
    shown = [(each["cluster"], each["size"], each["distance"]) for each in data["clusters"]]
    assert shown == [(10, 3, "0.2000"), (11, 2, "0.2000")]
    assert pictures[:5] == [
        image.thumbnail or b"" for cluster in clusters for image in cluster.images
    ]
    assert pictures[5:] == [jpeg("blue")]  # once, though shown twelve times
    assert data["clusters"][1]["nearest"][1]["pictures"] == [5, 5, 5]


def test_data_never_become_markup():
    plain = page("T", sheet(2), KNOWN)
    evil = page(EVIL, sheet(2, nearest=[(EVIL, 0.5)], names={1: EVIL, 2: "b.jpg"}), [EVIL])
    assert Blocks(evil).tags == Blocks(plain).tags and len(Blocks(evil).blocks) == 3
    assert json.loads(Blocks(evil).blocks[0])["images"] == [EVIL, "b.jpg"]
    assert not set("<>&\u2028\u2029") & set(
        re.search(r'id="data">(.*?)</script>', evil, re.DOTALL)[1]
    )


def test_the_page_names_no_server_and_allows_only_its_own_script():
    html = page("T", sheet(2), KNOWN)
    assert not re.search(r"https?://|url\(|@import|<link|src=\"(?!data:)", html)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)[1].replace("&#39;", "'")
    assert (
        policy.startswith("default-src 'none'; img-src data:; script-src 'sha256-")
        and "unsafe" not in policy
    )


def test_equal_input_gives_equal_bytes_and_another_sheet_another_key():
    def key(clusters):
        return json.loads(Blocks(page("T", clusters, KNOWN)).blocks[0])["key"]

    assert page("T", sheet(3), KNOWN) == page("T", sheet(3), KNOWN)
    first, *others = sheet(3)[0].images
    changed = replace(sheet(3)[0], images=(replace(first, thumbnail=jpeg("green")), *others))
    assert len({key(sheet(3)), key(sheet(2, 1)), key([changed])}) == 3


def spoilt(**values):
    """Return two clusters, the second with other values."""
    first, second = sheet(2, 1)
    return [first, replace(second, **values)]


def spoilt_image(**values):
    (image,) = sheet(2, 1)[1].images
    return spoilt(images=(replace(image, **values),))


@pytest.mark.parametrize(
    "clusters, sentence",
    [
        (spoilt(number=10), "cluster 10 is there twice; wanted each once"),
        (spoilt_image(id=2), "id 2 is there twice; wanted each once"),
        (
            spoilt(images=()),
            "cluster 11 has 0 images and 2 nearest classes; wanted some, and up to 3",
        ),
        (spoilt(nearest=(SimilarClass("a", 1),) * 4), "1 images and 4 nearest classes"),
        (spoilt(gain=float("inf")), "cluster 11 has a gain or similarity of inf; wanted finite"),
        (
            spoilt(nearest=(SimilarClass("a", float("nan")),)),
            "cluster 11 has a gain or similarity of nan; wanted finite",
        ),
        (
            spoilt_image(verdict="bug"),
            "image 'image3.jpg' with verdict 'bug'; wanted a name, and known, unknown, reject",
        ),
        (spoilt_image(name=""), "image '' with verdict 'unknown'; wanted a name"),
    ],
)
def test_what_cannot_be_shown_is_refused(clusters, sentence):
    with pytest.raises(ValueError, match=sentence):
        page("T", clusters, KNOWN)


# What the page does, in a headless Chromium


class SheetPage(Chromium):
    def state(self):
        """Return the labels: {cluster number or image id: label}."""
        return self.run("""Object.fromEntries([
          ...clusters.map(({cluster}, k) => [cluster, review.labels.cluster[k]]),
          ...data.ids.map((id, i) => [id, review.labels.image[i]]),
        ].filter(([, label]) => label))""")

    def tile(self, k, j, keys=0):
        """Click the j-th image of the k-th cluster, from 1."""
        self.click(f"section:nth-child({k}) .tile:nth-child({j})", keys)

    def name(self, k, label, field="name"):
        self.click(f"section:nth-child({k}) .{field}")
        self.run("document.activeElement.select()")
        self.write(label)
        self.key("Enter")

    def focused(self):
        return self.run(
            "document.activeElement.getAttribute('aria-label') || document.activeElement.innerText"
        )

    def table(self, folder):
        return self.saved("#save", folder, "review.csv").read_bytes()

    def load(self, content, name="review.csv"):
        """Give a file to the page as its file field does."""
        raw = base64.b64encode(content if isinstance(content, bytes) else content.encode()).decode()
        self.run(
            f"load(new File([Uint8Array.from(atob('{raw}'), c => c.charCodeAt(0))], '{name}'))"
        )
        return self.text("status")


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    yield from browsing(tmp_path_factory.mktemp("chromium"), SheetPage)


@pytest.fixture
def shown(chromium, tmp_path):
    def _shown(clusters, labels=KNOWN, **window):
        (tmp_path / "sheet.html").write_text(page("A sheet", clusters, labels), encoding="utf-8")
        chromium.open(tmp_path / "sheet.html", **window)
        return chromium

    yield _shown
    assert chromium.faults() == []
    chromium.run("document.activeElement.blur(); localStorage.clear(); isSaved = true")


@pytest.fixture
def three(shown):
    """The browser with clusters 10, 11 and 12 of six, four and two images, of ids 1 to 12."""
    return shown(sheet(6, 4, 2))


def test_an_untouched_sheet_is_saved_as_python_writes_it(shown, tmp_path):
    names = {1: "a,b.jpg", 2: 'a "b".jpg', 3: "=1+1.jpg", 4: "ü.jpg", 5: "folder/-x.jpg"}
    clusters = sheet(3, 2, names=names, nearest=[("=bug", 0.43215), ("b", 0.1)])
    first, *others = clusters[0].images
    large = replace(first, id=2**62 + 1)  # more than a number of JavaScript holds
    clusters[0] = replace(clusters[0], images=(large, *others))
    assert shown(clusters).table(tmp_path) == b"\xef\xbb\xbf" + written(clusters).encode()
    assert "'=1+1.jpg,,'=bug,0.5678" in written(clusters)


def test_a_cluster_is_named_and_enter_goes_on_to_the_next_one(three, tmp_path):
    three.name(1, "  Musca \u00a0 domestica ")
    assert three.state() == {"10": "Musca domestica"} and three.focused() == "Name of cluster 11"
    three.write("Ka\u0308fer 1")
    three.key("Enter")
    assert (
        three.state() == {"10": "Musca domestica", "11": "Käfer 1"}
        and three.focused() == "Name of cluster 12"
    )
    assert three.text("progress") == "2 of 3 clusters, 10 of 12 images named"
    assert [three.run(f"part({k}, '.state').innerText") for k in range(3)] == [
        "new name",
        "named",
        "",
    ]
    table = list(csv.DictReader(io.StringIO(three.table(tmp_path).decode("utf-8-sig"))))
    assert [(row["cluster"], row["label"]) for row in table if not row["image"]] == [
        ("10", "Musca domestica"),
        ("11", "Käfer 1"),
        ("12", ""),
    ]
    assert not any(row["label"] for row in table if row["image"])


def test_one_click_takes_the_name_of_a_known_class_and_another_gives_it_up(three):
    three.click("section:nth-child(2) .nearest button:nth-child(2)")
    assert (
        three.state() == {"11": "Apis cerana"}
        and three.run("part(1, '.name').value") == "Apis cerana"
    )
    three.click("section:nth-child(2) .nearest button:nth-child(1)")
    assert three.state() == {"11": "Apis mellifera"}
    three.click("section:nth-child(2) .nearest button:nth-child(1)")
    assert three.state() == {}


@pytest.mark.parametrize("typed", ["reject", "Reject", None])
def test_a_cluster_of_no_insects_is_left_out(three, typed):
    three.name(3, typed) if typed else three.click("section:nth-child(3) .reject")
    assert (
        three.state() == {"12": "reject"}
        and three.text("progress") == "1 of 3 clusters, 0 of 12 images named, 2 left out"
    )
    three.click("section:nth-child(3) .reject")
    assert three.state() == {}


def test_images_taken_out_stay_open_or_have_another_name_or_come_back(three, tmp_path):
    three.name(1, "bug")
    for j in (2, 5, 6):
        three.tile(1, j)
    assert (
        three.state() == {"10": "bug", "2": "?", "5": "?", "6": "?"}
        and three.text("progress") == "1 of 3 clusters, 3 of 12 images named"
    )
    three.tile(1, 5)
    three.name(1, "bee", field="other")
    assert three.state() == {"10": "bug", "2": "bee", "6": "bee"}
    three.tile(1, 3)
    three.click("section:nth-child(1) .taken button")
    three.tile(1, 4)
    labels = {
        row["id"]: row["label"]
        for row in read_rows(three.saved("#save", tmp_path, "review.csv"), ["cluster"])
    }
    assert labels == {
        "": "",
        "1": "",
        "2": "bee",
        "3": "reject",
        "4": "?",
        "5": "",
        "6": "bee",
        **{str(k): "" for k in range(7, 13)},
    } | {"": ""}
    three.click("section:nth-child(1) .splits button:nth-child(1)")
    assert (
        three.state() == {"10": "bug", "2": "?", "3": "reject", "4": "?", "6": "?"}
        and three.focused() == "Name of the images taken out of cluster 10"
    )
    three.click("section:nth-child(1) .taken button:nth-of-type(2)")
    assert three.state() == {"10": "bug", "3": "reject"}


def test_shift_takes_a_range_out_and_back_and_leaves_names(three):
    three.tile(1, 3)
    three.name(1, "bee", field="other")
    three.tile(1, 5)
    three.tile(1, 2, keys=SHIFT)
    assert three.state() == {"2": "?", "3": "bee", "4": "?", "5": "?"}
    three.tile(1, 4)
    three.tile(1, 6, keys=SHIFT)
    assert three.state() == {"2": "?", "3": "bee"}


def test_the_keyboard_alone_names_splits_and_rejects(three):
    three.run("part(0, '.name').focus()")
    three.write("mel")
    three.key("ArrowDown")
    three.key("Enter")
    assert three.state() == {"10": "Apis mellifera"} and three.focused() == "Name of cluster 11"
    three.key("Tab")
    three.key(" ")
    assert three.state()["11"] == "reject"
    for _ in range(3):
        three.key("Tab")
    assert three.focused().startswith("image7.jpg")
    three.key("ArrowRight")
    three.key(" ")
    three.key("ArrowRight", SHIFT)
    assert three.state() == {"10": "Apis mellifera", "11": "reject", "8": "?", "9": "?"}
    three.key("End")
    assert three.focused() == "image10.jpg, unknown"
    three.key("Tab", SHIFT)
    assert three.focused() == "Name of the images taken out of cluster 11"
    three.write("bee")
    three.key("Enter")
    assert three.state() == {
        "10": "Apis mellifera",
        "11": "reject",
        "8": "bee",
        "9": "bee",
    } and three.focused().startswith("image10.jpg")
    assert three.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_names_are_suggested_by_the_beginnings_of_their_words(three):
    three.name(1, "Andrena fulva")
    three.click("section:nth-child(2) .name")
    options = "[...document.querySelectorAll('#choices .label')].map(one => one.innerText)"
    three.key("ArrowDown")
    assert three.run(options) == [
        "Apis mellifera",
        "Apis cerana",
        "Andrena fulva",
    ]  # most alike, then what was typed before
    three.key("Escape")
    three.write("KA")
    assert three.run(options) == ["Käfer 1", "Käfer 2"]
    three.write("f 2")
    assert three.run(options) == ["Käfer 2"]
    three.write("1")
    assert three.run(options) == [] and three.run("element('choices').hidden")
    three.run("document.activeElement.select()")
    three.write("b te")
    assert three.run(options) == ["Bombus terrestris"]
    three.click("#choices li")
    assert three.state() == {"10": "Andrena fulva", "11": "Bombus terrestris"}


def test_a_slip_of_the_pen_is_asked_about(three):
    three.name(1, "apis melifera")
    assert (
        three.run("part(0, '.hint').innerText").strip()
        == "apis melifera is new. Do you mean Apis mellifera?"
    )
    three.click("section:nth-child(1) .hint button")
    assert three.state() == {"10": "Apis mellifera"}
    three.name(2, "Käfer 3")  # another number is another class
    assert three.run("part(1, '.hint').innerText") == ""


def test_each_act_is_taken_back_one_by_one(three):
    three.name(1, "bug")
    three.tile(1, 1)
    three.tile(1, 4, keys=SHIFT)
    three.click("section:nth-child(2) .reject")
    before = three.state()
    assert before == {"10": "bug", "11": "reject", **{str(k): "?" for k in range(1, 5)}}
    three.click("#undo")
    assert three.state() == {key: label for key, label in before.items() if key != "11"}
    three.key("z", CTRL)
    assert three.state() == {"10": "bug", "1": "?"}
    three.key("z", CTRL)
    three.key("z", CTRL)
    assert (
        three.state() == {}
        and three.run("element('undo').disabled")
        and three.text("progress") == "0 of 3 clusters, 0 of 12 images named"
    )


def test_the_filter_shows_open_or_done_clusters_and_nothing_moves_under_the_hand(three):
    visible = "[...element('clusters').children].map(one => !one.hidden)"
    three.click("#open")
    three.name(2, "bug")
    assert three.run(visible) == [True, True, True] and three.text("open") == "Open 2"
    three.click("#open")
    assert three.run(visible) == [True, False, True]
    three.click("#done")
    assert three.run(visible) == [False, True, False]
    three.click("#all")
    for j in (1, 2):
        three.tile(3, j)
    three.name(3, "bee", field="other")
    assert three.text("done") == "Done 2"  # all images of the third have a name


def test_what_was_saved_loads_again_whatever_a_spreadsheet_did_to_it(three, tmp_path):
    for k, label in enumerate(["=1;+x", "'quoted"], 1):
        three.name(k, label)
    three.tile(1, 1)
    three.name(1, '-bee, "b"', field="other")
    three.tile(1, 2)
    labels = three.state()
    assert labels == {"10": "=1;+x", "11": "'quoted", "1": '-bee, "b"', "2": "?"}
    plain = three.table(tmp_path).decode("utf-8-sig")
    table = list(csv.reader(io.StringIO(plain)))
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=";", quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerows([["Cluster", *table[0][1:], ""], *(row + [""] for row in table[1:])])
    tabs = "\r".join(
        "\t".join(cell if '"' not in cell else '"' + cell.replace('"', '""') + '"' for cell in row)
        for row in table
    )
    shuffled = "\n".join([plain.split("\n")[0], "", *sorted(plain.split("\n")[1:], reverse=True)])
    for content in (plain, "\ufeff" + stream.getvalue(), tabs.encode("utf-16"), shuffled):
        three.load("cluster,image,label\n10,,other\n")
        assert three.state() == {"10": "other"}
        assert three.load(content) == "Loaded review.csv"
        assert three.state() == labels
    assert [typed_cell(row["label"]) for row in read_rows(tmp_path / "review.csv", ["cluster"])][
        :3
    ] == ["=1;+x", '-bee, "b"', "?"]


def test_what_was_saved_is_what_the_pipeline_reads(three, tmp_path):
    three.name(1, "=bug")
    three.tile(1, 1)
    three.name(1, "Käfer 1", field="other")
    three.tile(1, 2)
    three.click("section:nth-child(3) .reject")
    labels = {
        row.id: row.label
        for row in cluster_review.read(
            three.saved("#save", tmp_path, "review.csv"), dict.fromkeys(range(20), "")
        )
    }
    assert labels == {
        1: "Käfer 1",
        2: "?",
        3: "=bug",
        4: "=bug",
        5: "=bug",
        6: "=bug",
        11: "reject",
        12: "reject",
    }


def test_a_table_of_other_clusters_names_the_images_that_stood_there(three):
    status = three.load(
        "cluster,image,label,id\n10,,bug,\n10,image1.jpg,,1\n10,image7.jpg,,7\n10,image2.jpg,bee,\n10,other.jpg,,99\n"
    )
    assert (
        three.state() == {"1": "bug", "7": "bug", "2": "bee"}
        and status == "Loaded review.csv: 1 image of it not in this sheet"
    )


@pytest.mark.parametrize(
    "content, sentence",
    [
        (
            b"cluster,image\n1,a\n",
            "review.csv: it has columns cluster, image; wanted cluster, image, label.",
        ),
        (b"", "review.csv: it has columns none; wanted cluster, image, label."),
        (
            b"cluster,image,label,id\n99,x.jpg,bug,99\n",
            "review.csv: none of its images is in this sheet; wanted a table that was saved from "
            "it.",
        ),
        (
            "cluster,image,label\n10,,Käfer\n".encode("latin-1"),
            "review.csv: it is not UTF-8; save it as CSV UTF-8.",
        ),
        (b'cluster,image,label\n10,,"bug\n', "review.csv: row 2 has a quote that is not closed."),
    ],
)
def test_a_table_that_cannot_be_read_changes_nothing(three, content, sentence):
    three.name(1, "bug")
    assert three.load(content) == sentence and three.state() == {"10": "bug"}


def test_work_is_kept_for_this_sheet_alone_and_leaving_it_unsaved_asks(three, chromium, tmp_path):
    three.name(1, "bug")
    three.tile(2, 1)
    n_asked = three.asked_to_stay
    three.open(tmp_path / "sheet.html")
    assert three.asked_to_stay == n_asked + 1 and three.state() == {"10": "bug", "7": "?"}
    assert (
        three.text("progress") == "1 of 3 clusters, 6 of 12 images named"
        and three.run("part(0, '.name').value") == "bug"
    )
    three.table(tmp_path)
    (tmp_path / "other.html").write_text(page("A sheet", sheet(6, 4, 3), KNOWN))
    three.open(tmp_path / "other.html")
    assert three.asked_to_stay == n_asked + 1 and three.state() == {}


def test_what_is_typed_and_not_yet_entered_is_saved_and_clicks_on_with_it(three, tmp_path):
    three.click("section:nth-child(1) .name")
    three.write("bug")
    three.key("s", CTRL)
    assert three.state() == {"10": "bug"} and three.text("status") == "Saved review.csv"
    three.write("gy")
    three.click("section:nth-child(2) .reject")
    assert three.state() == {"10": "buggy", "11": "reject"}


def test_a_large_cluster_shows_both_ends_and_all_on_demand(shown):
    browser = shown(sheet(400))
    assert browser.run(
        "tiles(0).length"
    ) == 144 and "256 images between these: show all" in browser.run("part(0, '.more').innerText")
    browser.run("part(0, '.more').click()")
    assert browser.run("tiles(0).length") == 400
    browser.run("part(0, '.name').focus()")
    browser.write("bug")
    browser.key("Enter")
    assert browser.text("progress") == "1 of 1 cluster, 400 of 400 images named"


def test_clusters_are_made_when_they_come_near(shown):
    browser = shown(sheet(*[20] * 60), height=700)
    assert browser.run("builtClusters.size") < 30
    browser.run("scrollTo(0, document.body.scrollHeight)")
    browser.painted()
    browser.run("new Promise(done => setTimeout(done, 200))")
    assert (
        browser.run("builtClusters.has(59)")
        and browser.run("section(59).querySelectorAll('.tile img').length") == 19
    )


def test_cells_are_made_safe_and_read_back_as_in_python(three):
    cells = three.run(
        f"{json.dumps(TYPED)}.map(text => [safeCell(text), typedCell(text), "
        "typedCell(safeCell(text))])"
    )
    assert cells == [[safe_cell(text), typed_cell(text), text] for text in TYPED]


def test_names_of_data_are_text_in_the_page(shown):
    browser = shown(sheet(2, nearest=[(EVIL, 0.5)], names={1: EVIL, 2: "b.jpg"}), [EVIL])
    browser.click(".nearest button")
    browser.tile(1, 2)
    browser.name(1, EVIL, field="other")
    assert browser.run("document.querySelectorAll('main img').length") == 4 and browser.run(
        "part(0, '.tile').title"
    ).startswith(EVIL)


@pytest.mark.parametrize("clusters", [[], sheet(1, nearest=())])
def test_a_sheet_of_no_cluster_or_one_image_opens(shown, clusters):
    browser = shown(clusters, [])
    assert browser.text("empty" if not clusters else "progress") == (
        "0 of 1 cluster, 0 of 1 image named" if clusters else "There are no clusters to name."
    )


def test_it_fits_a_phone_and_is_dark_where_that_is_wanted(shown):
    browser = shown(sheet(30, 30), width=390, height=844, dark=True)
    assert browser.run("document.documentElement.scrollWidth") == 390
    assert browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(25, 28, 24)"
    box = browser.run("(one => [one.left, one.right])(part(0, '.grid').getBoundingClientRect())")
    assert box[0] >= 0 and box[1] <= 390
