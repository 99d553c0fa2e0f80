#!/usr/bin/env python3
"""Write docs/results.md and docs/benchmarks.md from the figures in benchmarks/figures."""

from __future__ import annotations

import argparse
import re
import sys
import textwrap
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError

import figure_files
from figure_files import Figure, FigureError, Metric, Number, Question, Run

ROOT = Path(__file__).resolve().parent.parent
TEMPLATES = Path(__file__).resolve().parent / "templates"
COLUMNS = 120  # of a line of prose
HOLDS = {None: "", True: "yes", False: "**no**"}


def main(argv: list[str]) -> None:
    args = parser().parse_args(argv)
    try:
        questions = figure_files.read_all(args.figures)
        pages = {name: render(name, questions) for name in figure_files.PAGES}
    except FigureError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    for name, text in pages.items():
        (args.docs / f"{name}.md").write_text(text, encoding="utf-8")
    print(f"{sum(len(question.figures) for question in questions)} figures: {', '.join(pages)}.")


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument(
        "--figures", type=Path, default=figure_files.FOLDER, help="folder of the figures"
    )
    p.add_argument("--docs", type=Path, default=ROOT / "docs", help="folder to write the pages to")
    return p


def render(page: str, questions: list[Question]) -> str:
    """Return a page as Markdown."""
    # The output is Markdown that this repository's own files make up: nothing is to be escaped.
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    of_page = [question for question in questions if question.page == page]
    return environment.get_template(f"{page}.md.j2").render(
        summary=[row for question in of_page for row in summary_rows(question)],
        sections=[section(question, environment) for question in of_page],
    )


def summary_rows(question: Question) -> list[list[str]]:
    """Return the rows of a question in the table on top: one for each headline."""
    if not question.headlines:
        first = question.figures[0]
        label, ours, peer, *_ = comparison_rows(question, first.run)[0]
        return [summary_row(question, first, f"{label}: {ours}", peer)]
    rows = []
    for headline in question.headlines:
        figure = question.figure(headline.figure)
        label = f"{question.metrics[figure.metric].name} ({figure.subject})"
        peer = peer_text(figure)
        if headline.peer is not None:
            peer = peer_label(question, figure, question.figure(headline.peer))
        shown_figure = f"{label}: {with_unit(question, figure)}"
        rows.append(summary_row(question, figure, shown_figure, peer))
    return rows


def summary_row(question: Question, figure: Figure, shown_figure: str, peer: str) -> list[str]:
    commands = [f"`{line}`" for line in (figure.command or "").splitlines()]
    row = [
        f"[{question.question}](#{anchor(question.title)})",
        f"{figure.data}{counted(figure.n, figure.groups)}",
        figure.kind,
        shown_figure,
        peer,
        "<br>".join(commands),
    ]
    return [cell(text) for text in row]


def peer_label(question: Question, figure: Figure, peer: Figure) -> str:
    """Return the peer's figure, named by what makes it differ: its subject, or else its metric."""
    name = peer.subject
    if name == figure.subject:
        name = question.metrics[peer.metric].name
    return f"{name}: {with_unit(question, peer)}"


def peer_text(figure: Figure) -> str:
    """Return the peer's cell: its number and its name, as far as there are any."""
    if figure.peer_number is not None:
        return shown(figure.peer_number)
    return figure.peer or ""


def counted(n: int | None, groups: int | None) -> str:
    if n is None:
        return ""
    return f" (n {n:,}{in_groups(groups)})"


def in_groups(groups: int | None) -> str:
    if groups is None:
        return ""
    return f" in {groups:,} group{'s' if groups != 1 else ''}"


def section(question: Question, environment: Environment) -> dict[str, Any]:
    """Return what the templates need to write a question's section."""
    return {
        "title": question.title,
        "question": wrapped(f"*{question.question}*"),
        "blocks": [block(question, entry, environment) for entry in question.content],
        "sources": [wrapped(f"- {line}", "  ") for line in source_lines(question)],
    }


def source_lines(question: Question) -> list[str]:
    """Return a line for each run; a command stands where it comes first."""
    where = {}
    for entry in question.content:
        if "commands" in entry:
            where[question.runs[entry["commands"]].command] = "the command above"
    lines = []
    for name, run in question.runs.items():
        commands = (run.command or "").splitlines()
        command = " then ".join(f"`{line}`" for line in commands)
        if run.command in where:
            command = where[run.command]
        elif command:
            where[run.command] = f"the command of *{name}*"
        lines.append(source(name, run, command))
    return lines


def block(question: Question, entry: dict[str, Any], environment: Environment) -> dict[str, Any]:
    """Return a block of a section, ready to be printed."""
    kind, value = next(iter(entry.items()))
    if kind == "text":
        return {"kind": "text", "text": wrapped(prose(question, value, environment))}
    if kind == "list":
        items = [f"- {prose(question, item, environment)}" for item in value]
        return {"kind": "text", "text": "\n".join(wrapped(item, "  ") for item in items)}
    if kind == "heading":
        return {"kind": "text", "text": f"### {value}"}
    if kind == "commands":
        return {"kind": "commands", "lines": command_lines(question.runs[value])}
    if kind == "comparison":
        head = ["question", "entoflow", "compared with", "ratio", "wanted", "holds"]
        rows = [[cell(text) for text in row] for row in comparison_rows(question, value)]
        return {"kind": "table", "head": head, "rows": rows}
    return table(question, value)


def prose(question: Question, text: str, environment: Environment) -> str:
    """Return a text with the figures that it cites: {{ f('subject/metric') }}."""
    try:
        template = environment.from_string(text)
        return template.render(f=lambda name: with_unit(question, question.figure(name)))
    except TemplateError as error:
        raise FigureError(
            f"{question.path.name}: the text {text[:60]!r} ...: {error}; "
            "wanted a text that cites figures as {{ f('subject/metric') }}."
        ) from error


def table(question: Question, layout: dict[str, Any]) -> dict[str, Any]:
    """Return a table of subjects by metrics, or of metrics by subjects where it is transposed."""
    subjects: list[str] = layout["rows"]
    metrics: list[str] = layout["columns"]
    texts: dict[str, str] = layout.get("texts", {})
    names = {figure.name for figure in question.figures}
    cells = {}
    for subject in subjects:
        for key in metrics:
            name = f"{subject}/{key}"
            if name in names:
                cells[name] = printed(question, question.figure(name))
            else:
                cells[name] = texts.get(name, "")
    headings = [column_heading(question.metrics[key]) for key in metrics]
    if layout.get("transposed"):
        head = [layout.get("corner", ""), *subjects]
        rows = [
            [heading, *(cells[f"{subject}/{key}"] for subject in subjects)]
            for heading, key in zip(headings, metrics, strict=True)
        ]
    else:
        head = [layout.get("corner", ""), *headings]
        rows = [[subject, *(cells[f"{subject}/{key}"] for key in metrics)] for subject in subjects]
    return {"kind": "table", "head": head, "rows": rows}


def column_heading(metric: Metric) -> str:
    return f"{metric.name}, {metric.unit}" if metric.unit and not metric.duration else metric.name


def comparison_rows(question: Question, run: str) -> list[list[str]]:
    """Return the rows of a benchmark: each figure beside that of its peer.

    Figures whose metric is numbered ("entoflow 2 of 3") stand in one row.
    """
    rows = []
    ours: list[str] = []
    theirs: list[str] = []
    for figure in question.figures:
        if figure.run != run:
            continue
        ours.append(shown(figure.number))
        theirs.append(peer_text(figure))
        if not is_last(figure.metric):
            continue
        peers = ", ".join(text for text in theirs if text)
        holds = HOLDS[figure.holds]
        ratio = figure.ratio or ""
        wanted = figure.wanted or ""
        rows.append([figure.subject, ", ".join(ours), peers, ratio, wanted, holds])
        ours = []
        theirs = []
    return rows


def is_last(metric: str) -> bool:
    """Say whether a metric such as 'entoflow 2 of 3' is the last of its row."""
    numbered = re.search(r" (\d+) of (\d+)$", metric)
    return numbered is None or numbered[1] == numbered[2]


def shown(number: Number) -> str:
    """Return a number with its interval and what follows it."""
    interval = ""
    if number.low is not None and number.high is not None:
        low = f"{number.low:,.{number.digits}f}"
        high = f"{number.high:,.{number.digits}f}"
        interval = f" ({low} to {high})"
    return f"{number.value:,.{number.digits}f}{interval}{number.after}"


def printed(question: Question, figure: Figure) -> str:
    """Return a figure without its unit, which the table's heading has."""
    metric = question.metrics[figure.metric]
    if metric.duration:
        return duration(figure.number.value)
    text = shown(figure.number)
    return f"+{text}" if metric.signed and not text.startswith("-") else text


def with_unit(question: Question, figure: Figure) -> str:
    """Return a figure with its unit, for a sentence."""
    text = printed(question, figure)
    if not figure.unit or question.metrics[figure.metric].duration or figure.number.after:
        return text
    return f"{text} {figure.unit}"


def duration(seconds: float) -> str:
    """Return seconds as a person writes them: 4 min 11 s."""
    minutes, rest = divmod(seconds, 60)
    if not minutes:
        return f"{rest:g} s"
    return f"{minutes:.0f} min {rest:g} s" if rest else f"{minutes:.0f} min"


def command_lines(run: Run) -> list[str]:
    """Return a run's commands, long ones on several lines that the shell joins."""
    lines = []
    for command in (run.command or "").splitlines():
        options = re.sub(r" (?!--)", "\0", command)  # an option stays with its value
        parts = textwrap.wrap(
            options, 110, subsequent_indent="    ", break_on_hyphens=False, break_long_words=False
        )
        lines.append(" \\\n".join(parts).replace("\0", " "))
    return lines


def source(name: str, run: Run, command: str) -> str:
    """Return where the figures of a run come from."""
    facts = [f"{run.data}, {run.kind}"]
    if run.n is not None:
        facts.append(f"{run.n:,} {run.items or 'items'}{in_groups(run.groups)}")
    if run.seed is not None:
        facts.append(f"seed {run.seed}")
    if run.machine is not None:
        facts.append(run.machine)
    if command:
        facts.append(command)
    if run.command_note is not None:
        facts.append(run.command_note)
    if run.rerun:
        facts.append(f"run at commit {run.commit}, {run.date}")
    else:
        facts.append(f"written down in commit {run.commit}, {run.date}; not run again")
    return f"**{name}**: {'; '.join(facts)}."


def wrapped(text: str, indent: str = "") -> str:
    """Return a paragraph in lines of COLUMNS characters; code stays on one line."""
    spaced = re.sub(r"`[^`]+`", lambda code: code[0].replace(" ", "\0"), text)
    lines = textwrap.wrap(
        spaced,
        COLUMNS,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(lines).replace("\0", " ")


def anchor(title: str) -> str:
    """Return the anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def cell(text: str) -> str:
    """Return a text that does not end its cell of a table."""
    return text.replace("|", "\\|")


if __name__ == "__main__":
    main(sys.argv[1:])
