"""The whole report, typed, and how it becomes a page."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import entoflow
from entoflow import pages
from entoflow.report import detection, identification, wingbeat
from entoflow.report.detection import Detection
from entoflow.report.formatting import FILTERS
from entoflow.report.identification import Identification
from entoflow.report.results import one_line
from entoflow.report.wingbeat import Wingbeat
from entoflow.task import InputError

CHAINS = ("detection", "identification", "wingbeat")  # folders of the results


@dataclass(frozen=True)
class Report:
    """All that the page shows. A chain that did not run is None."""

    detection: Detection | None
    identification: Identification | None
    wingbeat: Wingbeat | None
    synthetic: bool
    seed: str
    version: str  # of entoflow
    parameters: list[tuple[str, str]]
    versions: list[tuple[str, str]]  # of the software that ran

    @property
    def chains(self) -> list[str]:
        """Return the names of the chains that ran."""
        return [name for name in CHAINS if getattr(self, name)]


def read(folder: Path, params: Mapping[str, Any], versions: Mapping[str, Any]) -> Report:
    """Return the report of a results folder.

    Raises InputError where it holds no chain, or a file that cannot be read.
    """
    ran = [name for name in CHAINS if (folder / name).is_dir()]
    if not ran:
        raise InputError(
            f"{folder}: holds none of {', '.join(CHAINS)}; wanted the results folder of a run."
        )
    of_detection = detection.read(folder / "detection", params) if "detection" in ran else None
    of_identification = (
        identification.read(folder / "identification", params) if "identification" in ran else None
    )
    of_wingbeat = wingbeat.read(folder / "wingbeat", params) if "wingbeat" in ran else None
    seed = params.get("seed")
    return Report(
        detection=of_detection,
        identification=of_identification,
        wingbeat=of_wingbeat,
        synthetic=bool(params.get("demo")),
        seed="" if seed is None else str(seed),
        version=entoflow.__version__,
        parameters=_lines(
            {name: value for name, value in params.items() if value not in (None, "", [], {})}
        ),
        versions=_lines({**_packages(of_detection, of_identification), **versions}),
    )


def page(report: Report) -> str:
    """Return the report as a page."""
    return pages.render(
        "report.html.j2", ("palette.css", "page.css"), {"report": report}, filters=FILTERS
    )


def _packages(
    of_detection: Detection | None, of_identification: Identification | None
) -> dict[str, str]:
    """Return the versions of the Python packages by which the run's models were trained."""
    packages: dict[str, str] = {}
    for model in of_detection.models if of_detection else []:
        packages |= model.packages
    if of_identification:
        packages |= of_identification.packages
    return packages


def _lines(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(name, one_line(value)) for name, value in sorted(values.items())]
