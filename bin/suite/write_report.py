#!/usr/bin/env python3
"""Write the one page to open after a run: a self-contained HTML file, verdicts first, pictures inlined.

It reads a results folder as it is published, so the report of an old run can be written anew. What a chain did not
leave there is not told: no figure is made up, and what was not measured is said to be so.
"""
import argparse
from pathlib import Path

import entoflow
from entoflow.pages import flat, page, section, table
from entoflow.report import detection, identification, wingbeat
from entoflow.report.results import read_json
from entoflow.task import InputError, run

CHAINS = {  # folder of the results -> (title, [Html]) of what it holds
    "detection": detection.told, "identification": identification.told, "wingbeat": wingbeat.told,
}


def main(argv):
    args = parser().parse_args(argv)
    params, versions = read_json_object(args.params), read_json_object(args.versions)
    told = [tell(args.results / chain, params) for chain, tell in CHAINS.items() if (args.results / chain).is_dir()]
    if not told:
        raise InputError(f"{args.results}: holds none of {', '.join(CHAINS)}; wanted the results folder of a run.")
    title = told[0][0] if len(told) == 1 else "Results of a run"
    parts = told[0][1] if len(told) == 1 else [section(name, *inner) for name, inner in told]
    html = page(title, subtitle(params), [*parts, settings(params), software(versions)])
    args.report.write_text(html, encoding="utf-8")
    print(f"{args.report}: {', '.join(name for name, _ in told)}, {args.report.stat().st_size / 1e6:.1f} MB")


def parser():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--results", type=Path, required=True, help="results folder to read")
    p.add_argument("--params", type=Path, help="JSON with the run's parameters (default: none are told)")
    p.add_argument("--versions", type=Path, help="JSON with software versions, by task or not (default: none are told)")
    p.add_argument("--report", type=Path, required=True, help="HTML file to write")
    return p


def read_json_object(path):
    """Return the object of a JSON file, empty for no file. Raises InputError for a missing file or anything else in it."""
    if path is None:
        return {}
    found = read_json(path)
    if not isinstance(found, dict):
        raise InputError(f"{path}: holds no JSON object; wanted one, {{\"name\": value}}.")
    return found


def subtitle(params):
    synthetic = "SYNTHETIC demo data" if params.get("demo") else ""
    seed = f"seed {params['seed']}" if params.get("seed") is not None else ""
    return " · ".join(part for part in (synthetic, seed, f"entoflow {entoflow.__version__}") if part)


def settings(params):
    rows = [(name, flat(value)) for name, value in sorted(params.items()) if value not in (None, "", [], {})]
    return section("Parameters", table("As the run was started; what is not listed was not given.", ("parameter", "value"), rows))


def software(versions):
    rows = [(name, flat(value)) for name, value in sorted(versions.items())]
    return section("Versions", table("Software that ran.", ("what", "version"), rows))


if __name__ == "__main__":
    run(main)
