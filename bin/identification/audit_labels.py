#!/usr/bin/env python3
"""List the labels that are worth checking: specimens that all others say are of another class.

With three labels a class, one wrong label is a third of what is known of it. The list is ranked by
how much more probable another class is than the label; nothing is changed. A person corrects the
table that the labels came from, or the gallery with edit_gallery.py.
"""

import argparse
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from entoflow import dataset, files
from entoflow.dataset import Image
from entoflow.tables import read_json
from entoflow.task import run

if TYPE_CHECKING:
    from entoflow.identification.label_audit import ShownDoubt

COLUMNS = ("image", "label", "suggested", "doubt", "judged_by", "part", "id")
MOST_SHOWN = 60  # rows of the page
MOST_PICTURES = 3  # specimens of each class beside it
SIDE = 96  # pixels of a picture


@dataclass(frozen=True)
class DoubtfulLabel:
    """A specimen that others say is of another class."""

    image: Image
    suggested: str
    doubt: float  # how much more probable the suggested class is
    embedder: str  # by whose vectors

    def cells(self) -> tuple[Any, ...]:
        """Return the row of the table, in the order of COLUMNS."""
        image = self.image
        return (
            image.file_name,
            image.label,
            self.suggested,
            f"{self.doubt:.4f}",
            self.embedder,
            image.part,
            image.id,
        )


def main(argv: list[str]) -> None:
    args = parser().parse_args(argv)
    images = dataset.read(args.specimens).images
    doubtful, n_checked = find_doubtful(images, args.embeddings, read_json(args.comparison))
    files.write_csv(args.table, COLUMNS, [row.cells() for row in doubtful])
    summary = summarise(len(doubtful), n_checked, len(images))
    files.write_text(args.page, write_page(doubtful, images, summary, args.packs))
    print(summary)


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument(
        "--specimens", type=Path, required=True, help="data set that split_specimens.py wrote"
    )
    p.add_argument(
        "--embeddings", type=Path, nargs="+", required=True, help="embeddings of its images"
    )
    p.add_argument(
        "--comparison", type=Path, required=True, help="JSON that choose_embedder.py wrote"
    )
    p.add_argument(
        "--packs", type=Path, nargs="+", required=True, help="packs with the images, for the page"
    )
    p.add_argument(
        "--table",
        type=Path,
        required=True,
        help="CSV to write: the labels to check, the most doubtful first",
    )
    p.add_argument(
        "--page",
        type=Path,
        required=True,
        help="HTML page to write: the first of them beside specimens of both classes",
    )
    return p


def find_doubtful(
    images: Sequence[Image], embedding_files: Sequence[Path], comparison: Mapping[str, Any]
) -> tuple[list[DoubtfulLabel], int]:
    """Return the doubtful labels, the most doubtful first, and how many labels could be checked."""
    import numpy as np

    from entoflow.identification import embeddings, label_audit

    ids, vectors = embeddings.read(embedding_files)
    rows = embeddings.rows(ids, [image.id for image in images])
    labels, classes = np.unique(
        np.array([image.label for image in images], str), return_inverse=True
    )
    groups = np.array([image.group for image in images], str)
    doubtful: list[DoubtfulLabel] = []
    n_checked = 0
    for name, is_checked in label_audit.checked_specimens(
        [image.part or "" for image in images], comparison
    ).items():
        doubts = label_audit.doubts(vectors[name][rows], classes, groups, is_checked)
        if not len(doubts.rows) or (doubts.doubt < 0).mean() < label_audit.LEAST_AGREEMENT:
            continue
        n_checked += len(doubts.rows)
        for row, other, doubt in zip(doubts.rows, doubts.others, doubts.doubt):
            if doubt >= label_audit.LEAST_DOUBT:
                doubtful.append(DoubtfulLabel(images[row], str(labels[other]), float(doubt), name))
    doubtful.sort(key=lambda each: (-float(f"{each.doubt:.4f}"), each.image.file_name))
    return doubtful, n_checked


def summarise(n_doubtful: int, n_checked: int, n_labels: int) -> str:
    """Return what the audit found, and how many labels it could not check."""
    doubtful = f"{n_doubtful} of {n_checked} labels are doubtful"
    summary = f"{doubtful}: the other specimens suggest another class."
    if n_checked == n_labels:
        return summary
    return (
        f"{summary} {n_labels - n_checked} labels could not be checked: their class has no other "
        "group, or the embedder was "
        "trained on them and the one before training agrees with too few of them."
    )


def write_page(
    doubtful: Sequence[DoubtfulLabel], images: Sequence[Image], summary: str, packs: Sequence[Path]
) -> str:
    """Return the page: doubtful specimens beside some of their label and of the suggested class."""
    from entoflow import pages
    from entoflow.identification import label_audit, thumbnails

    ids_by_label = defaultdict(list)
    for image in images:
        ids_by_label[image.label].append(image.id)
    ids_by_row = []
    for row in doubtful[:MOST_SHOWN]:
        fellows = [
            image_id for image_id in ids_by_label[row.image.label] if image_id != row.image.id
        ]
        ids_by_row.append(
            ([row.image.id], fellows[:MOST_PICTURES], ids_by_label[row.suggested][:MOST_PICTURES])
        )
    wanted = [image_id for columns in ids_by_row for ids in columns for image_id in ids]
    jpegs = thumbnails.read_thumbnails(packs, wanted, SIDE)
    pictures = {image_id: pages.base64_text(jpeg) for image_id, jpeg in jpegs.items()}
    shown = [shown_doubt(row, columns, pictures) for row, columns in zip(doubtful, ids_by_row)]
    return label_audit.page(label_audit.LabelAudit(summary, shown))


def shown_doubt(
    row: DoubtfulLabel, columns: Sequence[Sequence[int]], pictures: Mapping[int, str]
) -> "ShownDoubt":
    """Return a row of the page.

    columns: ids of the specimen, of others of its label, and of the suggested class.
    """
    from entoflow.identification.label_audit import ShownDoubt

    of_image, of_label, of_suggested = (
        [pictures[each] for each in ids if each in pictures] for ids in columns
    )
    return ShownDoubt(
        image=row.image.file_name,
        label=row.image.label or "",
        suggested=row.suggested,
        doubt=f"{row.doubt:.4f}",
        embedder=row.embedder,
        pictures=of_image,
        pictures_of_label=of_label,
        pictures_of_suggested=of_suggested,
    )


if __name__ == "__main__":
    run(main)
