"""The pages of measured figures are generated, and every figure says where it comes from."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from conftest import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))
import figure_files  # noqa: E402
import record  # noqa: E402
import write_pages  # noqa: E402
from figure_files import FigureError  # noqa: E402
from measuring import Row  # noqa: E402

FILES = sorted(figure_files.FOLDER.glob("*.json"))
QUESTIONS = figure_files.read_all()
FIGURES = [figure for question in QUESTIONS for figure in question.figures]
ROW = Row("rows, images/s", "49.0 (39.4 to 49.7)", "29.1 (28.8 to 32.4) (`peer`)", "1.69", "", None)


def small() -> dict[str, Any]:
    """A file with one figure, as small as it can be."""
    run = dict.fromkeys(figure_files.RUN_FIELDS)
    run |= {"data": "bees", "kind": "REAL", "n": 8, "groups": 3, "rerun": False}
    run |= {"command": "./nextflow run .", "commit": "e0d0b52", "date": "2026-11-27"}
    metric = {"name": "AP50", "digits": 3, "unit": "", "signed": False, "duration": False}
    figure = {"run": "bees", "subject": "all", "metric": "ap50", "value": 0.5}
    figure |= {"low": 0.4, "high": 0.6}
    return {
        "page": "results",
        "position": 1,
        "title": "Bees: REAL photos",
        "question": "How many bees are found?",
        "runs": {"bees": run},
        "metrics": {"ap50": metric},
        "figures": [figure],
        "headlines": [{"figure": "all/ap50", "peer": None}],
        "content": [{"text": "AP50 is {{ f('all/ap50') }}."}],
    }


def write(folder: Path, content: dict[str, Any]) -> Path:
    path = folder / "bees.json"
    figure_files.write(path, content)
    return path


def test_both_pages_are_what_the_figures_give(tmp_path):
    write_pages.main(["--docs", str(tmp_path)])
    for page in figure_files.PAGES:
        published = (ROOT / f"docs/{page}.md").read_bytes()
        assert (tmp_path / f"{page}.md").read_bytes() == published, page


def test_every_figure_says_what_it_was_measured_on_and_how():
    assert len(FIGURES) > 1000
    for path in FILES:
        content = json.loads(path.read_text())
        for run in content["runs"].values():
            assert set(run) == set(figure_files.RUN_FIELDS), path.name
    for figure in FIGURES:
        assert figure.kind in ("REAL", "SYNTHETIC"), figure
        assert all((figure.question, figure.data, figure.subject, figure.metric)), figure


def test_every_figure_lies_within_its_interval():
    for figure in FIGURES:
        for number in (figure.number, figure.peer_number):
            if number is not None and number.low is not None:
                assert number.low <= number.value <= number.high, figure


def test_a_figure_that_is_not_run_again_says_where_it_comes_from():
    for figure in FIGURES:
        if not figure.rerun:
            assert figure.commit and re.fullmatch(r"\d{4}-\d{2}-\d{2}", figure.date), figure
            assert figure.command or figure.command_note, figure


def test_every_figure_is_printed_on_its_page():
    for question in QUESTIONS:
        page = (ROOT / f"docs/{question.page}.md").read_text()
        section = re.search(
            rf"^## {re.escape(question.title)}\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL
        )
        assert section, question.title
        for figure in question.figures:
            text = write_pages.printed(question, figure)
            assert text in section[1], f"{question.path.name}: {figure.name} {text}"


def test_every_link_within_the_docs_leads_to_a_heading():
    for path in (ROOT / "docs").rglob("*.md"):
        for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
            if target.startswith("http"):
                continue
            name, _, heading = target.partition("#")
            page = (path.parent / name).resolve() if name else path
            assert page.exists(), f"{path}: {target}"
            if heading:
                headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
                assert heading in map(write_pages.anchor, headings), f"{path}: {target}"


def test_a_small_file_is_read_and_its_figure_takes_what_its_run_says(tmp_path):
    question = figure_files.read(write(tmp_path, small()))
    figure = question.figures[0]
    assert (figure.name, figure.n, figure.groups, figure.kind) == ("all/ap50", 8, 3, "REAL")
    assert write_pages.printed(question, figure) == "0.500 (0.400 to 0.600)"


@pytest.mark.parametrize(
    ("place", "value", "error"),
    [
        (("runs", "bees", "kind"), "real", r"runs.bees.kind is 'real'; wanted 'REAL' or 'SYNTH"),
        (("runs", "bees", "commit"), None, r"runs.bees.commit is null.*wanted the commit"),
        (("runs", "bees", "command"), None, r"runs.bees.command is null.*command_note"),
        (("runs", "bees", "date"), "27.11.", r"runs.bees.date is '27.11.'; wanted a date"),
        (("figures", 0, "value"), 0.7, r"figures\[0\].value is 0.7; wanted .* 0.4 to 0.6"),
        (("figures", 0, "high"), None, r"figures\[0\] has low 0.4 and high None; wanted both"),
        (("figures", 0, "run"), "wasps", r"figures\[0\].run is 'wasps'; wanted one of bees"),
        (("figures", 0, "colour"), "red", r"figures\[0\].colour is unknown; wanted one of run"),
        (("headlines", 0, "figure"), "all/ap", r"headlines\[0\].figure is 'all/ap'; wanted"),
        (("content", 0), {"film": ""}, r"content\[0\] is \{'film': ''\}; wanted"),
    ],
)
def test_a_file_that_is_not_sound_is_refused_in_one_sentence(tmp_path, place, value, error):
    content = small()
    *parents, last = place
    target = content
    for key in parents:
        target = target[key]
    target[last] = value
    with pytest.raises(FigureError, match=f"^bees.json: {error}"):
        figure_files.read(write(tmp_path, content))


def test_a_missing_field_and_a_figure_given_twice_are_refused(tmp_path):
    missing = small()
    del missing["runs"]["bees"]["groups"]
    with pytest.raises(FigureError, match="bees.json: runs.bees.groups is missing"):
        figure_files.read(write(tmp_path, missing))
    twice = small()
    twice["figures"] *= 2
    with pytest.raises(FigureError, match="two figures are called 'all/ap50'"):
        figure_files.read(write(tmp_path, twice))


def test_a_text_that_cites_no_figure_ends_with_status_2(tmp_path, capsys):
    content = small()
    content["content"] = [{"text": "AP50 is {{ f('none/ap50') }}."}]
    write(tmp_path, content)
    with pytest.raises(SystemExit) as ended:
        write_pages.main(["--figures", str(tmp_path), "--docs", str(tmp_path)])
    assert ended.value.code == 2
    assert "bees.json: the content cites 'none/ap50'" in capsys.readouterr().err


@pytest.mark.parametrize(
    "row",
    [
        ROW,
        Row("memory", "55, 57, 98 MB (in 1, 2, 10 s)", "the first; 4 KB more", "2", "", True),
        Row("same boxes", "1.0000 of 399", "0.9950 of 402", "", ">= 0.99", True),
        Row("errors", "0.000, 0.010", "0.158, 0.223 (peer)", "", "<= 0.010", False),
        Row("F0, ms per clip", "0.033 (0.033 to 0.034): 29,900 clips/s", "", "", "", None),
    ],
)
def test_what_a_benchmark_writes_shows_the_row_that_it_printed(tmp_path, row):
    path = record.write(tmp_path, "a_new_question", [row], "2 cores")
    question = figure_files.read(path)
    shown = write_pages.comparison_rows(question, record.RUN)
    holds = write_pages.HOLDS[row.holds]
    assert shown == [[row.question, row.ours, row.peer, row.ratio, row.wanted, holds]]
    assert question.figures[0].rerun


def test_what_a_benchmark_writes_keeps_what_the_file_said_beside_it(tmp_path):
    before = figure_files.read(figure_files.FOLDER / "prediction.json")
    after = figure_files.read(record.write(tmp_path, "prediction", [ROW], "2 cores"))
    carried_over = [figure for figure in before.figures if figure.run != record.RUN]
    assert carried_over
    assert [figure for figure in after.figures if figure.run != record.RUN] == carried_over
    assert after.content == before.content
    assert [figure.number.value for figure in after.figures if figure.rerun] == [49.0]
