#!/usr/bin/env python3
"""Write what follows from results.json: publish.config, and the tables of results in the docs.

results.json has a row for each published file or folder:
  folder       where it lies under --outdir
  output       what the process writes, as its `output:` says: a file, a pattern, or a folder with a
               slash at its end; it is published under its own name
  process      the name of the process, as a configuration selects it
  chain        detection, identification, wingbeat, use_detector, use_wingbeat, or suite
  task         the script that makes it
  report       pattern of the names of those files that the report gets; without it, none
  description  one line for index.json and the docs

A table in the docs stands between the lines <!-- results of CHAIN --> and <!-- end of results -->;
the results of `all` are those of every chain.
"""

import argparse
import json
import re
import sys
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("README.md", "docs/detection.md", "docs/identification.md", "docs/wingbeat.md")
BLOCK = re.compile(r"(<!-- results of (\w+) -->\n).*?(<!-- end of results -->)", re.DOTALL)
HEAD = """\
// Where results go. Written by conf/write_results.py from conf/results.json: edit those.
// Only this file publishes, so a host that includes the chains publishes as it likes. Overwritten
// even by a cached task: else a change taken back would leave the results of the change.
process {
"""


@dataclass(frozen=True)
class Result:
    """A published file, the files of a pattern, or a folder."""

    folder: str  # under --outdir
    output: str  # in the task's folder
    process: str
    chain: str
    task: str
    description: str
    report: str = ""

    @property
    def output_folder(self) -> str:
        """The folder in the task's folder that it lies in, '' for the task's folder itself."""
        return "/".join(self.output.rstrip("/").split("/")[:-1])

    @property
    def name(self) -> str:
        return self.output.rstrip("/").split("/")[-1]

    @property
    def shown(self) -> str:
        """Its place under --outdir as a page shows it; a folder ends with a slash."""
        place = "/".join(part for part in (self.folder, self.name) if part)
        if place.endswith("/*"):
            return place.removesuffix("*")
        return place + "/" if self.output.endswith("/") else place


def main(argv: list[str]) -> int:
    args = parser().parse_args(argv)
    results = read_results(args.root / "conf/results.json")
    texts = {args.root / "conf/publish.config": publish_config(results)}
    for page in PAGES:
        path = args.root / page
        if path.exists():
            texts[path] = with_tables(path.read_text(encoding="utf-8"), results)
    stale = [path for path, text in texts.items() if not is_written(path, text)]
    if args.check:
        for path in stale:
            print(f"{path}: does not follow from conf/results.json; run conf/write_results.py.")
        return 1 if stale else 0
    for path in stale:
        path.write_text(texts[path], encoding="utf-8")
        print(path)
    return 0


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    p.add_argument("--root", type=Path, default=ROOT, help="the repository (default: this one)")
    p.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file is stale")
    return p


def read_results(path: Path) -> list[Result]:
    return [Result(**row) for row in json.loads(path.read_text(encoding="utf-8"))]


def is_written(path: Path, text: str) -> bool:
    return path.exists() and path.read_text(encoding="utf-8") == text


def publish_config(results: list[Result]) -> str:
    """Return the configuration that publishes each process's results."""
    text = HEAD
    by_process: dict[str, list[Result]] = {}
    for result in results:
        by_process.setdefault(result.process, []).append(result)
    for process, of_process in by_process.items():
        text += f"    withName: {process} {{\n        publishDir = [\n"
        for (folder, output_folder), group in groupby(of_process, publishing_key):
            names = list(dict.fromkeys(result.name for result in group))
            text += publish_rule(folder, output_folder, names)
        text += "        ]\n    }\n"
    return text + "}\n"


def publishing_key(result: Result) -> tuple[str, str]:
    return result.folder, result.output_folder


def publish_rule(folder: str, output_folder: str, names: list[str]) -> str:
    """Return a rule that publishes outputs of these names, wherever they lie, to one folder."""
    if any(name == "*" for name in names):
        names = ["*"]  # it takes the others along
    pattern = names[0] if len(names) == 1 else "{" + ",".join(names) + "}"
    place = f"/{folder}" if folder else ""
    lines = [f'path: {{ "${{params.outdir}}{place}" }}', "mode: 'copy'", "overwrite: true"]
    if output_folder:
        lines.append("saveAs: { name -> name.tokenize('/').last() }")
        pattern = f"{output_folder}/{pattern}"
    lines.append(f"pattern: {quoted(pattern)}")
    inner = "".join(f"                {line},\n" for line in lines)
    return f"            [\n{inner}            ],\n"


def quoted(pattern: str) -> str:
    """Return a Groovy text, over several lines where it is long."""
    if len(pattern) < 70:
        return f"'{pattern}'"
    at = pattern.rindex(",", 0, 70) + 1
    return f"'{pattern[:at]}' +\n                    {quoted(pattern[at:])}"


def with_tables(page: str, results: list[Result]) -> str:
    """Return the page with each table of results written anew."""
    return BLOCK.sub(lambda match: match[1] + results_table(match[2], results) + match[3], page)


def results_table(chain: str, results: list[Result]) -> str:
    """Return the results of a chain as a table in Markdown, places below the chain's folder."""
    chosen = [result for result in results if chain in (result.chain, "all")]
    text = "| | |\n|---|---|\n"
    for description, group in groupby(chosen, lambda result: result.description):
        places = [result.shown.removeprefix(f"{chain}/") for result in group]
        text += f"| {', '.join(f'`{place}`' for place in places)} | {description} |\n"
    return text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
