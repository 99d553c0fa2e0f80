#!/usr/bin/env python3
"""List the labels that are worth a person's check: specimens that all others say are of another class.

With three labels a class one wrong label is a third of what is known of it. The list is ranked by how much likelier another class is than the label;
nothing is changed. A person corrects the table that the labels came from, or the gallery with edit_gallery.py.
"""
import argparse
import csv
from pathlib import Path

from entoflow import coco
from entoflow.tables import read_json
from entoflow.task import run

COLUMNS = ("image", "label", "suggested", "doubt", "judged_by", "part", "id")
SHOWN, LIKE = 60, 3  # rows of the page; specimens of each class beside it


def main(argv):
    args = parser().parse_args(argv)
    images = coco.read(args.specimens)["images"]
    rows = ranked(images, args.embeddings, read_json(args.ladder))
    with args.table.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    args.page.write_text(page(rows, images, args.packs), encoding="utf-8")
    print(f"{len(rows)} of {len(images)} labels are worth a check")


def parser():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--specimens", type=Path, required=True, help="data set that split_specimens.py wrote")
    p.add_argument("--embeddings", type=Path, nargs="+", required=True, help="embeddings of its images")
    p.add_argument("--ladder", type=Path, required=True, help="JSON that choose_embedder.py wrote")
    p.add_argument("--packs", type=Path, nargs="+", required=True, help="packs with the images, for the page")
    p.add_argument("--table", type=Path, required=True, help="CSV to write: the labels to check, the most doubtful first")
    p.add_argument("--page", type=Path, required=True, help="HTML page to write: the first of them beside specimens of both classes")
    return p


def ranked(images, paths, ladder):
    """Return the rows of the table."""
    import numpy as np
    from entoflow import embeddings, label_audit

    ids, vectors = embeddings.read(paths)
    at = embeddings.rows(ids, [image["id"] for image in images])
    classes, columns = np.unique(np.array([image["label"] for image in images], str), return_inverse=True)
    groups, found = np.array([image["group"] for image in images], str), []
    for name, judged in label_audit.views([image["part"] for image in images], ladder):
        for row, other, doubt in zip(*label_audit.doubts(vectors[name][at], columns, groups, judged)):
            if doubt > 0:
                image = images[row]
                found.append({"image": image["file_name"], "label": image["label"], "suggested": str(classes[other]), "doubt": f"{doubt:.4f}",
                              "judged_by": name, "part": image["part"], "id": image["id"]})
    return sorted(found, key=lambda row: (-float(row["doubt"]), row["image"]))


def page(rows, images, packs):
    """Return the page: each doubtful specimen beside some of its label and some of the suggested class."""
    from entoflow import report_page, thumbnails

    of_class = {}
    for image in images:
        of_class.setdefault(image["label"], []).append(image["id"])
    told = [(row, [key for key in of_class[row["label"]] if key != row["id"]][:LIKE], of_class[row["suggested"]][:LIKE]) for row in rows[:SHOWN]]
    pictures = thumbnails.jpegs(packs, [key for row, *sides in told for key in (row["id"], *sum(sides, []))], 96)
    cells = [(report_page.joined([strip([row["id"]], pictures), row["image"]]), report_page.joined([row["label"], strip(own, pictures)]),
              report_page.joined([row["suggested"], strip(other, pictures)]), row["doubt"], row["judged_by"]) for row, own, other in told]
    sentence = (f"{len(rows)} of {len(images)} labels are doubtful: other specimens say another class. The first {len(told)} are shown, all stand in "
                "label_audit.csv. Most are look-alikes that are labelled right; where one is wrong, correct the table that the labels came from.")
    header = ("specimen", "its label, and others of it", "more like", "doubt", "judged by")
    table = report_page.table("The most doubtful first.", header, cells, numbers=(3,))
    return report_page.page("Labels to check", "", [report_page.paragraph(sentence), table])


def strip(ids, pictures):
    """Return pictures side by side."""
    import base64

    from entoflow.report_page import Html

    return Html("".join(f'<img alt="" width="72" src="data:image/jpeg;base64,{base64.b64encode(pictures[key]).decode()}"> ' for key in ids if key in pictures))


if __name__ == "__main__":
    run(main)
