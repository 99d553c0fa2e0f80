"""Read, check and write the files in benchmarks/figures: measured figures as data.

A file answers one question. Its `runs` say what was measured with which command, its `figures` hold
the numbers, each of one run, and its `content` says what its section of the page shows.
docs/decisions and the pages' prose cite these figures; write_pages.py turns the files into pages.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent / "figures"
PAGES = ("results", "benchmarks")
KINDS = ("REAL", "SYNTHETIC")
BLOCKS = ("text", "list", "heading", "commands", "table", "comparison")


class FigureError(Exception):
    """A file in benchmarks/figures is not as it should be; the message is one sentence."""


@dataclass(frozen=True)
class Run:
    """One measurement: what it was made on, by which command, and where it was written down."""

    data: str
    kind: str  # REAL or SYNTHETIC
    n: int | None
    items: str | None  # what n counts
    groups: int | None
    peer: str | None
    command: str | None  # one command a line
    command_note: str | None  # why there is no command, or what to know about it
    seed: int | str | None
    machine: str | None
    commit: str | None  # where rerun is false: the commit that wrote the figure down
    date: str | None
    rerun: bool


@dataclass(frozen=True)
class Metric:
    """How the figures of one kind are named and printed."""

    name: str
    digits: int
    unit: str
    signed: bool  # a difference: with its sign
    duration: bool  # seconds, printed as minutes and seconds


@dataclass(frozen=True)
class Number:
    """A value and its interval, as they are printed."""

    value: float
    low: float | None
    high: float | None
    digits: int
    after: str  # what follows the number in print, such as a unit or the name of a peer


@dataclass(frozen=True)
class Figure:
    """One figure with all that has to be known about it."""

    question: str
    subject: str  # what was measured: a row of a table
    metric: str  # by what: a column
    number: Number
    unit: str
    run: str
    data: str
    kind: str
    n: int | None
    groups: int | None
    peer: str | None
    peer_number: Number | None
    ratio: str | None
    wanted: str | None
    holds: bool | None
    command: str | None
    command_note: str | None
    seed: int | str | None
    commit: str | None
    date: str | None
    rerun: bool

    @property
    def name(self) -> str:
        """The name by which texts and tables cite the figure."""
        return f"{self.subject}/{self.metric}"


@dataclass(frozen=True)
class Headline:
    """A figure of the summary, and the figure of its peer."""

    figure: str
    peer: str | None


@dataclass(frozen=True)
class Question:
    """A checked file of benchmarks/figures."""

    path: Path
    page: str
    position: int
    title: str
    question: str
    runs: dict[str, Run]
    metrics: dict[str, Metric]
    figures: list[Figure]
    headlines: list[Headline]
    content: list[dict[str, Any]]

    def figure(self, name: str) -> Figure:
        """Return the figure of that name (subject/metric). Raises FigureError."""
        for figure in self.figures:
            if figure.name == name:
                return figure
        raise FigureError(
            f"{self.path.name}: the content cites {name!r}; wanted the name of one of the figures."
        )


@dataclass(frozen=True)
class Field:
    """What a field has to be: a test, and the test in words."""

    holds: Callable[[Any], bool]
    wanted: str


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def is_list(value: Any) -> bool:
    return isinstance(value, list)


def is_map(value: Any) -> bool:
    return isinstance(value, dict)


def matches(pattern: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value) is not None


def or_null(field: Field) -> Field:
    return Field(lambda value: value is None or field.holds(value), f"{field.wanted}, or null")


TEXT = Field(is_text, "a text")
COUNT = Field(is_count, "a whole number of 0 or more")
NUMBER = Field(is_number, "a number")
FLAG = Field(lambda value: isinstance(value, bool), "true or false")
SEED = Field(lambda value: is_count(value) or is_text(value), "a whole number, or a text")
COMMIT = Field(matches(r"[0-9a-f]{7,40}"), "the hash of a commit")
DATE = Field(matches(r"\d{4}-\d{2}-\d{2}"), "a date such as 2026-11-27")

FILE_FIELDS = {
    "page": Field(lambda value: value in PAGES, "'results' or 'benchmarks'"),
    "position": COUNT,
    "title": TEXT,
    "question": TEXT,
    "runs": Field(is_map, "a map from the name of a run to the run"),
    "metrics": Field(is_map, "a map from the key of a metric to the metric"),
    "figures": Field(lambda value: is_list(value) and bool(value), "a list with a figure or more"),
    "headlines": Field(is_list, "a list"),
    "content": Field(is_list, "a list of blocks"),
}
RUN_FIELDS = {
    "data": TEXT,
    "kind": Field(lambda value: value in KINDS, "'REAL' or 'SYNTHETIC'"),
    "n": or_null(COUNT),
    "items": or_null(TEXT),
    "groups": or_null(COUNT),
    "peer": or_null(TEXT),
    "command": or_null(TEXT),
    "command_note": or_null(TEXT),
    "seed": or_null(SEED),
    "machine": or_null(TEXT),
    "commit": or_null(COMMIT),
    "date": or_null(DATE),
    "rerun": FLAG,
}
METRIC_FIELDS = {
    "name": TEXT,
    "digits": COUNT,
    "unit": Field(lambda value: isinstance(value, str), "a text, '' for no unit"),
    "signed": FLAG,
    "duration": FLAG,
}
FIGURE_FIELDS = {
    "run": TEXT,
    "subject": TEXT,
    "metric": TEXT,
    "value": NUMBER,
    "low": or_null(NUMBER),
    "high": or_null(NUMBER),
}
# What a figure may say for itself; what it leaves out is that of its run or its metric.
OPTIONAL_FIELDS = {
    "n": or_null(COUNT),
    "groups": or_null(COUNT),
    "seed": or_null(SEED),
    "digits": COUNT,
    "unit": METRIC_FIELDS["unit"],
    "after": Field(lambda value: isinstance(value, str), "a text"),
    "peer": TEXT,
    "peer_value": NUMBER,
    "peer_low": or_null(NUMBER),
    "peer_high": or_null(NUMBER),
    "peer_digits": COUNT,
    "peer_after": Field(lambda value: isinstance(value, str), "a text"),
    "ratio": TEXT,
    "wanted": TEXT,
    "holds": or_null(FLAG),
}


def read_all(folder: Path = FOLDER) -> list[Question]:
    """Return the questions of a folder in the order of the pages. Raises FigureError."""
    questions = [read(path) for path in sorted(folder.glob("*.json"))]
    return sorted(questions, key=lambda question: (question.page, question.position))


def read(path: Path) -> Question:
    """Return the question that a file answers. Raises FigureError where the file is not sound."""
    content = load(path)
    check_fields(path, "", content, FILE_FIELDS, {})
    for name, run in content["runs"].items():
        check_fields(path, f"runs.{name}", run, RUN_FIELDS, {})
        check_origin(path, name, run)
    for key, metric in content["metrics"].items():
        check_fields(path, f"metrics.{key}", metric, METRIC_FIELDS, {})
    for index, figure in enumerate(content["figures"]):
        check_fields(path, f"figures[{index}]", figure, FIGURE_FIELDS, OPTIONAL_FIELDS)
        check_figure(path, f"figures[{index}]", figure, content)
    runs = {name: Run(**run) for name, run in content["runs"].items()}
    metrics = {key: Metric(**metric) for key, metric in content["metrics"].items()}
    figures = [
        make_figure(content["question"], figure, runs[figure["run"]], metrics[figure["metric"]])
        for figure in content["figures"]
    ]
    check_names(path, figures)
    check_blocks(path, content["content"], runs)
    return Question(
        path=path,
        page=content["page"],
        position=content["position"],
        title=content["title"],
        question=content["question"],
        runs=runs,
        metrics=metrics,
        figures=figures,
        headlines=read_headlines(path, content["headlines"], figures),
        content=content["content"],
    )


def load(path: Path) -> dict[str, Any]:
    """Return the JSON object that a file holds. Raises FigureError."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise FigureError(f"{path.name}: {error}; wanted JSON.") from error
    if not isinstance(content, dict):
        raise FigureError(f"{path.name}: the file holds {kind_of(content)}; wanted an object.")
    return content


def check_fields(
    path: Path, place: str, found: Any, required: dict[str, Field], optional: dict[str, Field]
) -> None:
    """Raise FigureError unless `found` has all required fields, and no field that is unknown."""
    if not isinstance(found, dict):
        raise FigureError(f"{path.name}: {place} is {found!r}; wanted an object.")
    prefix = f"{place}." if place else ""
    for name in required:
        if name not in found:
            raise FigureError(f"{path.name}: {prefix}{name} is missing; {required[name].wanted}.")
    for name, value in found.items():
        field = required.get(name) or optional.get(name)
        if field is None:
            known = ", ".join([*required, *optional])
            raise FigureError(f"{path.name}: {prefix}{name} is unknown; wanted one of {known}.")
        if not field.holds(value):
            shown = kind_of(value) if isinstance(value, list | dict) else repr(value)
            raise FigureError(f"{path.name}: {prefix}{name} is {shown}; wanted {field.wanted}.")


def kind_of(value: Any) -> str:
    if isinstance(value, list):
        return "a list"
    return "an object" if isinstance(value, dict) else repr(value)


def check_origin(path: Path, name: str, run: dict[str, Any]) -> None:
    """A figure that is not run again says where it comes from."""
    if run["rerun"]:
        return
    for field in ("commit", "date"):
        if run[field] is None:
            raise FigureError(
                f"{path.name}: runs.{name}.{field} is null, and the run is not run again "
                f"(rerun is false); wanted the {field} at which its figures were written down."
            )
    if run["command"] is None and run["command_note"] is None:
        raise FigureError(
            f"{path.name}: runs.{name}.command is null, and the run is not run again (rerun is "
            "false); wanted its command, or in command_note why there is none."
        )


def check_figure(path: Path, place: str, figure: dict[str, Any], content: dict[str, Any]) -> None:
    for field, known in (("run", content["runs"]), ("metric", content["metrics"])):
        if figure[field] not in known:
            raise FigureError(
                f"{path.name}: {place}.{field} is {figure[field]!r}; "
                f"wanted one of {', '.join(known)}."
            )
    check_interval(path, place, "", figure)
    if "peer_value" in figure:
        check_interval(path, place, "peer_", figure)


def check_interval(path: Path, place: str, prefix: str, figure: dict[str, Any]) -> None:
    value = figure[f"{prefix}value"]
    low = figure.get(f"{prefix}low")
    high = figure.get(f"{prefix}high")
    if low is None and high is None:
        return
    if low is None or high is None:
        raise FigureError(
            f"{path.name}: {place} has {prefix}low {low} and {prefix}high {high}; "
            "wanted both, or null for both."
        )
    if not low <= value <= high:
        raise FigureError(
            f"{path.name}: {place}.{prefix}value is {value}; "
            f"wanted a number within its interval, {low} to {high}."
        )


def check_names(path: Path, figures: list[Figure]) -> None:
    """No two figures have the same subject, metric and peer."""
    names: set[tuple[str, str, str | None]] = set()
    for figure in figures:
        name = (figure.subject, figure.metric, figure.peer)
        if name in names:
            raise FigureError(
                f"{path.name}: two figures are called {figure.name!r}; "
                "wanted another subject or metric for one of them."
            )
        names.add(name)


def check_blocks(path: Path, blocks: list[Any], runs: dict[str, Run]) -> None:
    for index, block in enumerate(blocks):
        place = f"content[{index}]"
        if not isinstance(block, dict) or len(block) != 1 or next(iter(block)) not in BLOCKS:
            raise FigureError(
                f"{path.name}: {place} is {block!r}; "
                f"wanted an object with one of {', '.join(BLOCKS)}."
            )
        kind, value = next(iter(block.items()))
        if kind in ("commands", "comparison") and value not in runs:
            raise FigureError(
                f"{path.name}: {place}.{kind} is {value!r}; wanted one of {', '.join(runs)}."
            )


def read_headlines(path: Path, headlines: list[Any], figures: list[Figure]) -> list[Headline]:
    """Return what the summary shows; nothing where it is the first row of the benchmark."""
    names = [figure.name for figure in figures]
    for index, headline in enumerate(headlines):
        place = f"headlines[{index}]"
        check_fields(path, place, headline, {"figure": TEXT, "peer": or_null(TEXT)}, {})
        for field, name in headline.items():
            if name is not None and name not in names:
                raise FigureError(
                    f"{path.name}: {place}.{field} is {name!r}; wanted the name of a figure, "
                    "subject/metric."
                )
    return [Headline(**headline) for headline in headlines]


def make_figure(question: str, figure: dict[str, Any], run: Run, metric: Metric) -> Figure:
    """Return a figure with what its run and its metric say of it."""
    number = Number(
        value=figure["value"],
        low=figure["low"],
        high=figure["high"],
        digits=figure.get("digits", metric.digits),
        after=figure.get("after", ""),
    )
    peer_number = None
    if "peer_value" in figure:
        peer_number = Number(
            value=figure["peer_value"],
            low=figure.get("peer_low"),
            high=figure.get("peer_high"),
            digits=figure.get("peer_digits", number.digits),
            after=figure.get("peer_after", ""),
        )
    return Figure(
        question=question,
        subject=figure["subject"],
        metric=figure["metric"],
        number=number,
        unit=figure.get("unit", metric.unit),
        run=figure["run"],
        data=run.data,
        kind=run.kind,
        n=figure.get("n", run.n),
        groups=figure.get("groups", run.groups),
        peer=figure.get("peer", run.peer),
        peer_number=peer_number,
        ratio=figure.get("ratio"),
        wanted=figure.get("wanted"),
        holds=figure.get("holds"),
        command=run.command,
        command_note=run.command_note,
        seed=figure.get("seed", run.seed),
        commit=run.commit,
        date=run.date,
        rerun=run.rerun,
    )


def write(path: Path, content: dict[str, Any]) -> None:
    """Write a file with a line for each figure, so that a change of one is one line of a diff."""
    fields = []
    for name, value in content.items():
        text = json.dumps(value, ensure_ascii=False, indent=1).replace("\n", "\n ")
        if name == "figures":
            lines = [f"  {json.dumps(figure, ensure_ascii=False)}" for figure in value]
            text = "[\n" + ",\n".join(lines) + "\n ]"
        fields.append(f' "{name}": {text}')
    path.write_text("{\n" + ",\n".join(fields) + "\n}\n", encoding="utf-8")
