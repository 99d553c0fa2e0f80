"""Published files for tests of the report."""

import csv
import json


def metric(value, low=None, high=None, n=55, groups=80):
    """Return a metric as JSON files hold it."""
    return {"value": value, "low": low, "high": high, "n": n, "groups": groups, "unit": "share"}


def write_json(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def change_json(path, **values):
    write_json(path, {**json.loads(path.read_text(encoding="utf-8")), **values})


def write_rows(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
