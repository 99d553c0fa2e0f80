import json

from entoflow import audit
from entoflow.audit import AuditRow, Note


def test_rows_read_back_as_they_were_written(tmp_path):
    rows = audit.rows_of(
        [Note("b.jpg", 2, "dropped", "no area"), Note("a.jpg", None, "left out", "is empty")],
        "photos",
        "import_images",
    )
    audit.write(tmp_path / "rows.json", rows)
    assert audit.read(tmp_path / "rows.json") == rows
    assert [row.image for row in rows] == ["a.jpg", "b.jpg"]


def test_the_summary_counts_every_row_by_task_and_action(tmp_path):
    rows = [
        AuditRow("a.jpg", None, "s", "split", "note", "x"),
        AuditRow("b.jpg", 1, "s", "import", "left out", "y"),
        AuditRow(None, None, "s", "split", "note", "z"),
    ]
    assert audit.write_summary(tmp_path / "audit.json", rows) == {
        "import: left out": 1,
        "split: note": 2,
    }
    written = json.loads((tmp_path / "audit.json").read_text())
    assert written["summary"] == {"import: left out": 1, "split: note": 2}
    assert [row["stage"] for row in written["rows"]] == ["import", "split", "split"]
