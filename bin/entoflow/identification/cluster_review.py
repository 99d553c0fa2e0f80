"""The table of clusters that a person names, splits or rejects; sheet_page.py writes it.

A row without an image names its whole cluster; a row with one names that image, and wins over its
cluster's. An empty label says nothing, `?` leaves an image open, `reject` says that it is no insect
or not to be used; any other label is a name.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from entoflow.tables import plain_label, read_rows, typed_cell
from entoflow.task import InputError

REJECT = "reject"
OPEN = "?"


@dataclass(frozen=True)
class ReviewedImage:
    """What a person says of an image: a label, and the row that says so."""

    image: str
    id: int | None  # None where no image is known by that id or name
    label: str
    where: str


def read(path: Path, names: Mapping[int, str]) -> list[ReviewedImage]:
    """Return what a table says of each image that it labels.

    names: {image id: name} of the images it may be of. An image is identified by its id or, as
    spreadsheets round long numbers, by its name if no other image has that. Raises InputError for
    a table of another kind, or one that names a cluster twice.
    """
    rows = read_rows(path, required=("cluster",))
    missing = [column for column in ("image", "label", "id") if rows and column not in rows[0]]
    if missing or not rows:
        raise InputError(
            f"{path}: has no {', '.join(missing) or 'rows'}; "
            "wanted a review.csv of entoflow's cluster sheet."
        )
    cluster_labels = _cluster_labels(path, rows)
    id_of_name = _unique_names(names)
    reviewed = []
    for row in rows:
        if not row["image"]:
            continue
        label = _label(row["label"]) or cluster_labels.get(row["cluster"], "")
        if label:
            image = typed_cell(row["image"])
            image_id = _image_id(row["id"], image, names, id_of_name)
            where = f"{path.name}, row {row['row']}"
            reviewed.append(ReviewedImage(image, image_id, label, where))
    return reviewed


def _image_id(
    cell: str, image: str, names: Mapping[int, str], id_of_name: Mapping[str, int]
) -> int | None:
    if cell.isdecimal() and int(cell) in names:
        return int(cell)
    return id_of_name.get(image)


def _unique_names(names: Mapping[int, str]) -> dict[str, int]:
    """Return {name: image id} of the images whose name no other has."""
    counts = Counter(names.values())
    return {name: image_id for image_id, name in names.items() if counts[name] == 1}


def _cluster_labels(path: Path, rows: list[dict[str, Any]]) -> dict[str, str]:
    """Return {cluster: the label of the whole}."""
    labels: dict[str, str] = {}
    for row in rows:
        label = _label(row["label"])
        if row["image"] or not label:
            continue
        first = labels.setdefault(row["cluster"], label)
        if label != first:
            raise InputError(
                f"{path}, row {row['row']}: names cluster {row['cluster']} '{label}', "
                f"an earlier row '{first}'; wanted one name for a cluster."
            )
    return labels


def _label(cell: str) -> str:
    """Return a label as it is meant.

    Without spaces around it or twice within, in one Unicode form, and without the apostrophe that
    keeps a spreadsheet from running it.
    """
    return plain_label(" ".join(typed_cell(cell).split()))
