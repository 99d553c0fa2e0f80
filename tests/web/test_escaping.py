"""Data are shown as text on every page, and no element is made of them, as a browser sees it."""

import json

import pytest
from PIL import Image

from chromium import browsing
from entoflow.identification import label_audit, map_page, sheet_page
from entoflow.report import view
from pages import jpeg
from report_files import metric, write_json, write_rows

EVIL = "</script><b>x</b><img src=x onerror=document.title='run'>"


def report(folder):
    for part, names in {
        "detection": "detection",
        "identification": "identification",
        "wingbeat": "wingbeat",
    }.items():
        row = {
            "image": EVIL,
            "row": 1,
            "source": EVIL,
            "stage": "import_images",
            "action": "left out",
            "reason": EVIL,
        }
        write_json(folder / part / "audit.json", {"summary": {f"{EVIL}: {EVIL}": 1}, "rows": [row]})
        write_json(
            folder / names / "evaluation/metrics.json",
            {"n": 5, "verdict": EVIL, "metrics": {EVIL: metric(0.5), "top1": metric(0.5)}},
        )
    write_rows(
        folder / "detection/split.csv",
        [("image", "group", "part", "role", "label"), (EVIL, EVIL, EVIL, EVIL, EVIL)],
    )
    write_json(
        folder / "detection/target_detector/model.json",
        {"classes": [EVIL], "licence": EVIL, "metrics": {EVIL: metric(0.5)}},
    )
    write_rows(
        folder / "detection/target_detector/training.csv", [("epoch", "loss"), (1, 0.5), (2, 0.4)]
    )
    write_rows(
        folder / "identification/identified.csv",
        [("image", "label", "verdict"), (EVIL, EVIL, "known")],
    )
    write_rows(
        folder / "identification/clusters.csv",
        [("cluster", "nearest_known", "distance"), (EVIL, EVIL, 0.5)],
    )
    write_rows(
        folder / "identification/label_audit.csv",
        [("image", "label", "suggested", "doubt"), (EVIL, EVIL, EVIL, 0.5)],
    )
    enrolment = {
        "enrolled": 1,
        "skipped": 0,
        "sentence": EVIL,
        "lost": {EVIL: 1},
        "rivals": {EVIL: [[EVIL, 0.5]]},
    }
    write_json(folder / "identification/enrolment.json", enrolment)
    families = {
        "a": {
            "name": EVIL,
            "baseline": False,
            "macro_f1": metric(0.5),
            "p_best": None,
            "optimism_gap": metric(0.5),
        }
    }
    comparison = {
        "n": 5,
        "folds": 2,
        "seeds": [1],
        "verdict": EVIL,
        "families": families,
        "best": ["a"],
        "importances": {"kinds": {EVIL: metric(0.5)}, "features": {EVIL: metric(0.5)}},
    }
    write_json(folder / "wingbeat/comparison.json", comparison)
    write_rows(folder / "wingbeat/split.csv", [("recording", "label", "group"), (EVIL, EVIL, EVIL)])
    Image.new("RGB", (8, 6)).save(folder / "detection/evaluation/samples.png")
    return view.page(view.read(folder, {"target": EVIL, EVIL: EVIL}, {EVIL: EVIL}))


def gallery_map(folder):
    images = [
        map_page.MapImage(EVIL, 0, 0, {"label": EVIL, EVIL: EVIL}, jpeg()),
        map_page.MapImage("b", 1, 1, {"label": "b"}),
    ]
    return map_page.page(EVIL, images, {"label": "class", EVIL: "class"})


def cluster_sheet(folder):
    images = (sheet_page.SheetImage(EVIL, 1, "unknown", 0.5, jpeg()),)
    cluster = sheet_page.SheetCluster(
        1, 1.0, (sheet_page.SimilarClass(EVIL, 0.5, (jpeg(),)),), images
    )
    return sheet_page.page(EVIL, [cluster], [EVIL])


def labels_to_check(folder):
    doubt = label_audit.ShownDoubt(EVIL, EVIL, EVIL, "0.9", EVIL, [], [], [])
    return label_audit.page(label_audit.LabelAudit(EVIL, [doubt]))


# Each page, what to do on it first, and how often the text is to be seen at least
PAGES = {
    "report": (
        report,
        "document.querySelectorAll('details').forEach(each => each.open = true)",
        20,
    ),
    "map": (gallery_map, "listImages([0]); select(() => true)", 4),
    "sheet": (cluster_sheet, "build(0); nameCluster(0, data.labels[0]); isSaved = true", 2),
    "label audit": (labels_to_check, "", 5),
}


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    yield from browsing(tmp_path_factory.mktemp("chromium"))


@pytest.mark.parametrize("name", PAGES)
def test_markup_in_data_is_shown_as_text(name, chromium, tmp_path):
    make, action, least = PAGES[name]
    html = make(tmp_path)
    (tmp_path / "page.html").write_text(html, encoding="utf-8")
    chromium.open(tmp_path / "page.html")
    chromium.run(f"{action or 0}; 0")
    chromium.painted()
    assert chromium.run("document.body.innerText").count(EVIL) >= least
    assert chromium.run("document.querySelectorAll('b, img[src=x], img[onerror]').length") == 0
    assert chromium.run("document.title") != "run"
    assert chromium.faults() == []


@pytest.mark.parametrize("name", ["map", "sheet"])
def test_embedded_data_are_read_back_by_the_browser_as_they_were(name, chromium, tmp_path):
    (tmp_path / "page.html").write_text(PAGES[name][0](tmp_path), encoding="utf-8")
    chromium.open(tmp_path / "page.html")
    text = chromium.run("document.getElementById('data').textContent")
    assert EVIL in json.dumps(json.loads(text)) and "<" not in text
    assert chromium.run("document.querySelectorAll('script').length") == 3


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_no_wider_than_a_phone(name, chromium, tmp_path):
    (tmp_path / "page.html").write_text(PAGES[name][0](tmp_path), encoding="utf-8")
    chromium.open(tmp_path / "page.html", width=400, height=800)
    chromium.painted()
    assert chromium.run("document.documentElement.scrollWidth") == 400
