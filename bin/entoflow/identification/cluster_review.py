"""The table of clusters that a person names, splits or rejects: see sheet_page.rows for how it is written.

A row without an image names its whole cluster; a row with one names that image, and wins over its cluster's. A label that is empty says nothing, `?`
leaves an image open, `reject` says that it is no insect or not to be used; any other label is a name.
"""
from collections import Counter
from typing import NamedTuple

from entoflow.tables import plain_label, read_rows, typed_cell
from entoflow.task import InputError

REJECT, OPEN = "reject", "?"


class Said(NamedTuple):
    """What a person said of an image: a label, and the row that says so."""

    image: str
    id: int | None  # None: of no image there is
    label: str
    where: str


def read(path, names):
    """Return a Said for each image of which a table says something; names: {image id: image} of the images it may be of.

    An image is found by its id or, as spreadsheets round long numbers, by its name, if no other image has that. Raises InputError for a table
    of another kind, or one that names a cluster twice.
    """
    rows = read_rows(path, required=("cluster",))
    missing = [name for name in ("image", "label", "id") if rows and name not in rows[0]]
    if missing or not rows:
        raise InputError(f"{path}: has no {', '.join(missing) or 'rows'}; wanted a review.csv of entoflow's cluster sheet.")
    whole, by_name, found = whole_clusters(path, rows), ids_by_name(names), []
    for row in (row for row in rows if row["image"]):
        label, image = name(row["label"]) or whole.get(row["cluster"], ""), typed_cell(row["image"])
        if label:
            key = int(row["id"]) if row["id"].isdecimal() and int(row["id"]) in names else by_name.get(image)
            found.append(Said(image, key, label, f"{path.name}, row {row['row']}"))
    return found


def ids_by_name(names):
    """Return {image: id} of the images whose name no other has."""
    counts = Counter(names.values())
    return {image: key for key, image in names.items() if counts[image] == 1}


def whole_clusters(path, rows):
    """Return {cluster: the label that is said of it as a whole}."""
    found = {}
    for row in (row for row in rows if not row["image"] and name(row["label"])):
        label, first = name(row["label"]), found.setdefault(row["cluster"], name(row["label"]))
        if label != first:
            raise InputError(f"{path}, row {row['row']}: names cluster {row['cluster']} '{label}', an earlier row '{first}'; wanted one name for a cluster.")
    return found


def name(text):
    """Return a label as it is meant: no spaces around it or twice within, one Unicode form, no apostrophe that keeps a spreadsheet from running it."""
    return plain_label(" ".join(typed_cell(text).split()))
