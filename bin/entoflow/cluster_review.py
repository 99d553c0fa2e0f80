"""The table of clusters that a person names, splits or rejects: see sheet_page.rows for how it is written.

A row without an image names its whole cluster; a row with one names that image, and wins over its cluster's. A label that is empty says nothing, `?`
leaves an image open, `reject` says that it is no insect or not to be used; any other label is a name.
"""
import re
from typing import NamedTuple

from entoflow.tables import plain_label, read_rows
from entoflow.task import InputError

REJECT, OPEN = "reject", "?"
KEPT_FROM_RUNNING = re.compile("(^|[;\t\r\n])'(?=[\\s\"]*[=+\\-@\uff1d\uff0b\uff0d\uff20])")  # a formula, in a cell of the page's


class Said(NamedTuple):
    """What a person said of an image: a label, and the row that says so."""

    image: str
    id: int
    label: str
    where: str


def read(path):
    """Return a Said for each image of which a table says something. Raises InputError for a table of another kind, or rows that contradict."""
    rows = read_rows(path, required=("cluster",))
    missing = [name for name in ("image", "label", "id") if rows and name not in rows[0]]
    if missing or not rows:
        raise InputError(f"{path}: has no {', '.join(missing) or 'rows'}; wanted a review.csv of entoflow's cluster sheet.")
    whole, found = whole_clusters(path, rows), []
    for row in (row for row in rows if row["image"]):
        label = name(row["label"]) or whole.get(row["cluster"], "")
        if label:
            found.append(Said(row["image"], number(path, row), label, f"{path.name}, row {row['row']}"))
    return found


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
    return plain_label(" ".join(KEPT_FROM_RUNNING.sub(r"\1", text).split()))


def number(path, row):
    try:
        return int(row["id"])
    except ValueError:
        raise InputError(f"{path}, row {row['row']}: id is '{row['id']}'; wanted the number that the sheet gave the image (a spreadsheet may have "
                         "rounded it: save that column as text).") from None
