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
    rows, n_judged = ranked(images, args.embeddings, read_json(args.ladder))
    with args.table.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    sentence = told(len(rows), n_judged, len(images))
    args.page.write_text(page(rows, images, sentence, args.packs), encoding="utf-8")
    print(sentence)


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
    """Return (the rows of the table, how many labels could be judged)."""
    import numpy as np

    from entoflow.identification import embeddings, label_audit

    ids, vectors = embeddings.read(paths)
    at = embeddings.rows(ids, [image["id"] for image in images])
    classes, columns = np.unique(np.array([image["label"] for image in images], str), return_inverse=True)
    groups, found, n_judged = np.array([image["group"] for image in images], str), [], 0
    for name, judged in label_audit.views([image["part"] for image in images], ladder):
        rows, others, doubts = label_audit.doubts(vectors[name][at], columns, groups, judged)
        if len(rows) and (doubts < 0).mean() >= label_audit.FAIR:
            n_judged += len(rows)
            found += [{"image": images[row]["file_name"], "label": images[row]["label"], "suggested": str(classes[other]), "doubt": f"{doubt:.4f}",
                       "judged_by": name, "part": images[row]["part"], "id": images[row]["id"]}
                      for row, other, doubt in zip(rows, others, doubts) if doubt >= label_audit.CLEAR]
    return sorted(found, key=lambda row: (-float(row["doubt"]), row["image"])), n_judged


def told(n_doubtful, n_judged, n):
    """Return what the audit found, and of how many labels it can say nothing."""
    unjudged = (f" Nothing is said of {n - n_judged}: they have no other group of their class, or the embedder learned from them and the frozen one finds "
                "too few of them likely." if n_judged < n else "")
    return f"{n_doubtful} of {n_judged} labels are doubtful: other specimens say another class.{unjudged}"


def page(rows, images, sentence, packs):
    """Return the page: each doubtful specimen beside some of its label and some of the suggested class."""
    from entoflow import pages
    from entoflow.identification import thumbnails

    of_class = {}
    for image in images:
        of_class.setdefault(image["label"], []).append(image["id"])
    shown = [(row, [key for key in of_class[row["label"]] if key != row["id"]][:LIKE], of_class[row["suggested"]][:LIKE]) for row in rows[:SHOWN]]
    pictures = thumbnails.jpegs(packs, [key for row, *sides in shown for key in (row["id"], *sum(sides, []))], 96)
    cells = [(pages.joined([strip([row["id"]], pictures), row["image"]]), pages.joined([strip(own, pictures), row["label"]]),
              pages.joined([strip(other, pictures), row["suggested"]]), row["doubt"], row["judged_by"]) for row, own, other in shown]
    more = (f"The first {len(shown)} are shown; label_audit.csv has all. Many are look-alikes that are labelled right; where one is wrong, correct the "
            "table that the labels came from.")
    header = ("specimen", "its label, and others of it", "more like", "doubt", "judged by")
    table = pages.table("The most doubtful first.", header, cells, numbers=(3,))
    return pages.page("Labels to check", "", [pages.paragraph(f"{sentence} {more if rows else ''}"), table])


def strip(ids, pictures):
    """Return pictures side by side."""
    import base64

    from entoflow.pages import Html

    row = "".join(f'<img alt="" width="72" src="data:image/jpeg;base64,{base64.b64encode(pictures[key]).decode()}"> ' for key in ids if key in pictures)
    return Html(f"<div>{row}</div>")


if __name__ == "__main__":
    run(main)
