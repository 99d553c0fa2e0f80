"""Compare the published files of two sides.

A file whose bytes are equal is equal. Else it is read: JSON is compared by its keys, a table (CSV,
TSV) by its columns and rows, npz, npy and safetensors by their arrays, READMEs by their lines,
pictures by their pixels; anything else by its bytes alone. Where all that is read is equal, as
after an indentation changed, the file has the same values: it is listed and does not decide.
Numbers are equal where they are exactly equal. Of index.json only the list of paths is compared.
pipeline_info is left out.

declared.json holds what the two sides may differ in:
    files    {old path: new path}, a folder with a / behind it: below --outdir, of any scenario
    keys     {old path of a JSON file: {old key: new key}}, keys dotted, * for a place in a list
    columns  {old path of a table: {old column: new column}}
    options  {old option: new option} of the command line, such as {"--views": "--shown"}
    ignored  [{"file", "key", "reason"}]: a pattern of old paths, and one of keys, columns or
             arrays; without a key the whole file, new and missing ones too
In the paths of keys and columns, too, * stands for anything.
"""

import csv
import hashlib
import io
import json
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
from scenarios import rename

PAGE = "page or picture"
TEXT = "README"
DATA = "data"
EQUAL = "equal"
SAME = "same values, other bytes"
MOVED = "moved"
MISSING = "missing"
NEW = "new"
MOST_FILES = 12
WIDTH = 60  # characters shown of a text that differs

Leaf = str | int | float | bool | None
Key = tuple[str | int, ...]


@dataclass(frozen=True)
class Ignored:
    """What is not compared: a pattern of paths, one of keys (None: the whole file), and why."""

    file: str
    key: str | None
    reason: str


@dataclass(frozen=True)
class Declared:
    """What declared.json says."""

    files: dict[str, str]
    keys: dict[str, dict[str, str]]
    columns: dict[str, dict[str, str]]
    options: dict[str, str]
    ignored: list[Ignored]

    def renamed_keys(self, path: str) -> dict[str, str]:
        return matching(self.keys, path)

    def renamed_columns(self, path: str) -> dict[str, str]:
        return matching(self.columns, path)

    def ignores_file(self, path: str) -> bool:
        return any(rule.key is None and fnmatchcase(path, rule.file) for rule in self.ignored)

    def ignored_keys(self, path: str) -> list[str]:
        """Return the patterns of the keys that are not compared in a file."""
        rules = [rule for rule in self.ignored if fnmatchcase(path, rule.file)]
        return [rule.key for rule in rules if rule.key is not None]


@dataclass
class Difference:
    """Values of one name (a key, a column, an array) that differ.

    `largest` is the largest absolute difference of numbers, None where none were compared.
    `example` is the pair that shows it, or the first pair that differs.
    """

    name: str
    count: int = 0
    largest: float | None = None
    example: tuple[object, object] | None = None

    def add(self, old: object, new: object) -> None:
        self.count += 1
        size = distance(old, new)
        if self.example is None:
            self.example = (old, new)
        if size is not None and (self.largest is None or size > self.largest):
            self.largest = size
            self.example = (old, new)

    def line(self) -> str:
        old, new = self.example or ("", "")
        size = "" if self.largest is None else f", largest difference {self.largest:.3g}"
        return f"{self.name}: {self.count} moved{size} ({short(old)} -> {short(new)})"


@dataclass(frozen=True)
class Comparison:
    """One file: its scenario, its old path, its kind, its state, and what differs."""

    scenario: str
    path: str
    kind: str
    state: str
    lines: list[str] = field(default_factory=list)

    def decides(self) -> bool:
        return self.kind == DATA and self.state in (MOVED, MISSING, NEW)


def read_declared(path: Path) -> Declared:
    content = json.loads(path.read_text(encoding="utf-8"))
    rules = []
    for entry in content["ignored"]:
        rules.append(Ignored(entry["file"], entry.get("key"), entry["reason"]))
    options = content.get("options", {})
    return Declared(content["files"], content["keys"], content["columns"], options, rules)


def matching(renamed: dict[str, dict[str, str]], path: str) -> dict[str, str]:
    """Return what is renamed in a file, by all patterns that fit its path."""
    together: dict[str, str] = {}
    for pattern, names in renamed.items():
        if fnmatchcase(path, pattern):
            together |= names
    return together


def compare_sides(base: Path, tree: Path, names: list[str], declared: Declared) -> list[Comparison]:
    """Compare all published files of the scenarios, sorted by scenario and path."""
    comparisons = []
    for name in names:
        old = base / name / "results"
        new = tree / name / "results"
        comparisons += compare_scenario(name, old, new, declared)
    return comparisons


def compare_scenario(name: str, base: Path, tree: Path, declared: Declared) -> Iterator[Comparison]:
    """Compare the published files of one scenario."""
    old_paths = published(base)
    new_paths = set(published(tree))
    expected = {rename(path, declared.files): path for path in old_paths}
    for new_path, path in expected.items():
        if declared.ignores_file(path):
            continue
        if new_path not in new_paths:
            yield Comparison(name, path, kind_of(path), MISSING)
        else:
            state, lines = compare_files(path, base / path, tree / new_path, declared)
            yield Comparison(name, path, kind_of(path), state, lines)
    for path in sorted(new_paths - set(expected)):
        if not declared.ignores_file(path):
            yield Comparison(name, path, kind_of(path), NEW)


def published(results: Path) -> list[str]:
    """Return the sorted paths of all published files, without Nextflow's own reports."""
    files = [path for path in results.rglob("*") if path.is_file()]
    paths = sorted(path.relative_to(results).as_posix() for path in files)
    return [path for path in paths if not path.startswith("pipeline_info/")]


def kind_of(path: str) -> str:
    """Return what a file is: data decides; pages, pictures and READMEs do not."""
    if path.endswith((".html", ".png")):
        return PAGE
    if Path(path).name.startswith("README"):
        return TEXT
    return DATA


def compare_files(
    path: str, old_file: Path, new_file: Path, declared: Declared
) -> tuple[str, list[str]]:
    """Return (state, a line for each thing that differs) of a file that both sides have."""
    old = old_file.read_bytes()
    new = new_file.read_bytes()
    if old == new:
        return EQUAL, []
    try:
        lines = differences(path, old, new, declared)
    except (ValueError, KeyError) as error:
        lines = [f"cannot be read ({error})"]
    return (MOVED, lines) if lines else (SAME, [])


def differences(path: str, old: bytes, new: bytes, declared: Declared) -> list[str]:
    """Return a line for each thing that differs in the content of two files."""
    suffix = Path(path).suffix
    if Path(path).name == "index.json":
        return index_differences(old, new, declared)
    if suffix == ".json":
        return json_differences(path, old, new, declared)
    if suffix in (".csv", ".tsv"):
        return table_differences(path, old, new, declared)
    if suffix in (".npz", ".npy", ".safetensors"):
        ignored = declared.ignored_keys(path)
        return array_differences(read_arrays(suffix, old), read_arrays(suffix, new), ignored)
    if suffix == ".png":
        return picture_differences(old, new)
    if kind_of(path) == TEXT:
        return text_differences(old, new)
    return [f"{len(old)} bytes -> {len(new)}, sha256 {sha256(old)} -> {sha256(new)}"]


def index_differences(old: bytes, new: bytes, declared: Declared) -> list[str]:
    """Compare the paths of data that index.json lists."""
    old_paths = {rename(path, declared.files) for path in listed(old, declared)}
    new_paths = listed(new, declared)
    lines = [f"lists {path} no more" for path in sorted(old_paths - new_paths)]
    lines += [f"lists {path}, which is new" for path in sorted(new_paths - old_paths)]
    return lines


def listed(content: bytes, declared: Declared) -> set[str]:
    paths = {entry["path"] for entry in json.loads(content)["files"]}
    data = {path for path in paths if kind_of(path) == DATA}
    return {path for path in data if not declared.ignores_file(path)}


def json_differences(path: str, old: bytes, new: bytes, declared: Declared) -> list[str]:
    """Compare two JSON files key by key; places in lists are counted together as *."""
    renamed = declared.renamed_keys(path)
    ignored = declared.ignored_keys(path)
    old_leaves = {}
    for key, value in leaves(json.loads(old)):
        old_leaves[rename_key(key, renamed)] = value
    new_leaves = dict(leaves(json.loads(new)))
    moved: dict[str, Difference] = {}
    vanished: Counter[str] = Counter()
    appeared: Counter[str] = Counter()
    for key in sorted({**old_leaves, **new_leaves}, key=str):
        name = dotted(key)
        if is_ignored(name, ignored):
            continue
        if key not in new_leaves:
            vanished[name] += 1
        elif key not in old_leaves:
            appeared[name] += 1
        elif not is_equal(old_leaves[key], new_leaves[key]):
            moved.setdefault(name, Difference(name)).add(old_leaves[key], new_leaves[key])
    lines = [difference.line() for difference in moved.values()]
    lines += [f"{name}: {count} vanished" for name, count in vanished.items()]
    lines += [f"{name}: {count} appeared" for name, count in appeared.items()]
    return lines


def leaves(value: object, key: Key = ()) -> Iterator[tuple[Key, Leaf]]:
    """Yield every number, text, truth value and null of JSON with the keys that lead to it.

    An empty list or object is yielded as '[]' or '{}'.
    """
    if isinstance(value, dict) and value:
        for name, part in value.items():
            yield from leaves(part, (*key, name))
    elif isinstance(value, list) and value:
        for place, part in enumerate(value):
            yield from leaves(part, (*key, place))
    elif isinstance(value, dict | list):
        yield key, json.dumps(value)
    else:
        yield key, value


def dotted(key: Key) -> str:
    parts = ["*" if isinstance(part, int) else part for part in key]
    return ".".join(parts)


def rename_key(key: Key, renamed: dict[str, str]) -> Key:
    """Return a key whose longest renamed beginning has its new name; * keeps its place."""
    for length in range(len(key), 0, -1):
        new_name = renamed.get(dotted(key[:length]))
        if new_name is None:
            continue
        places = iter([part for part in key[:length] if isinstance(part, int)])
        start = [next(places) if part == "*" else part for part in new_name.split(".")]
        return (*start, *key[length:])
    return key


def is_ignored(name: str, patterns: list[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def table_differences(path: str, old: bytes, new: bytes, declared: Declared) -> list[str]:
    """Compare two tables by the names of their columns and the places of their rows."""
    delimiter = "\t" if path.endswith(".tsv") else ","
    old_header, old_rows = read_table(old, delimiter)
    new_header, new_rows = read_table(new, delimiter)
    renamed = declared.renamed_columns(path)
    old_header = [renamed.get(column, column) for column in old_header]
    ignored = declared.ignored_keys(path)
    lines = [f"column {name} vanished" for name in old_header if name not in new_header]
    lines += [f"column {name} appeared" for name in new_header if name not in old_header]
    if not lines and old_header != new_header:
        lines.append(f"columns in another order: {','.join(old_header)} -> {','.join(new_header)}")
    kept = [name for name in old_header if name in new_header and not is_ignored(name, ignored)]
    old_cells = select_columns(old_header, old_rows, kept)
    new_cells = select_columns(new_header, new_rows, kept)
    return lines + row_differences(kept, old_cells, new_cells)


def read_table(content: bytes, delimiter: str) -> tuple[list[str], list[list[str]]]:
    """Return (the header, the rows) of a table. Raises ValueError for one without a header."""
    text = io.StringIO(content.decode("utf-8-sig"), newline="")
    rows = list(csv.reader(text, delimiter=delimiter))
    if not rows:
        raise ValueError("an empty table")
    return rows[0], rows[1:]


def select_columns(
    header: list[str], rows: list[list[str]], names: list[str]
) -> list[tuple[str, ...]]:
    """Return the cells of some columns. Raises ValueError for a row of another length."""
    places = [header.index(name) for name in names]
    selected = []
    for row in rows:
        if len(row) != len(header):
            raise ValueError(f"a row of {len(row)} cells below {len(header)} columns")
        selected.append(tuple(row[place] for place in places))
    return selected


def row_differences(
    columns: list[str], old: list[tuple[str, ...]], new: list[tuple[str, ...]]
) -> list[str]:
    """Return what differs between the rows of two tables of the same columns."""
    if old == new:
        return []
    old_counts = Counter(old)
    new_counts = Counter(new)
    if old_counts == new_counts:
        return [f"the same {len(old)} rows in another order"]
    if len(old) != len(new):
        common = (old_counts & new_counts).total()
        return [f"{len(old)} rows -> {len(new)}, of which {common} are in both"]
    n_moved = sum(before != after for before, after in zip(old, new))
    lines = [f"{n_moved} of {len(old)} rows moved"]
    for place, column in enumerate(columns):
        difference = Difference(column)
        for before, after in zip(old, new):
            if before[place] != after[place]:
                difference.add(before[place], after[place])
        if difference.count:
            lines.append(difference.line())
    return lines


def read_arrays(suffix: str, content: bytes) -> dict[str, np.ndarray]:
    """Return the arrays of an npz, npy or safetensors file by name, and its metadata as texts."""
    if suffix == ".safetensors":
        from safetensors.numpy import load

        length = int.from_bytes(content[:8], "little")
        metadata = json.loads(content[8 : 8 + length]).get("__metadata__", {})
        texts = {f"metadata {name}": np.array(text) for name, text in metadata.items()}
        return load(content) | texts
    loaded = np.load(io.BytesIO(content), allow_pickle=False)
    if suffix == ".npy":
        return {"array": loaded}
    return {name: loaded[name] for name in loaded.files}


def array_differences(
    old: dict[str, np.ndarray], new: dict[str, np.ndarray], ignored: list[str]
) -> list[str]:
    """Compare arrays by name."""
    lines = []
    for name in sorted(old.keys() | new.keys()):
        if is_ignored(name, ignored):
            continue
        if name not in new:
            lines.append(f"{name} vanished")
        elif name not in old:
            lines.append(f"{name} appeared")
        else:
            lines += one_array_difference(name, old[name], new[name])
    return lines


def one_array_difference(name: str, old: np.ndarray, new: np.ndarray) -> list[str]:
    """Return a line that says how two arrays differ, or none."""
    if old.dtype.kind not in "US" and old.dtype != new.dtype:
        return [f"{name}: {old.dtype} -> {new.dtype}"]
    if old.shape != new.shape:
        return [f"{name}: shape {old.shape} -> {new.shape}"]
    is_float = old.dtype.kind in "fc"
    if np.array_equal(old, new, equal_nan=is_float):
        return []
    if old.dtype.kind in "US":
        where = np.flatnonzero((old != new).ravel())
        first = where[0]
        pair = f"{short(str(old.ravel()[first]))} -> {short(str(new.ravel()[first]))}"
        return [f"{name}: {len(where)} of {old.size} texts moved ({pair})"]
    sizes = np.abs(new.astype(float) - old.astype(float))
    n_moved = int((sizes != 0).sum())
    return [f"{name}: {n_moved} of {old.size} moved, largest difference {np.nanmax(sizes):.3g}"]


def picture_differences(old: bytes, new: bytes) -> list[str]:
    """Compare two pictures pixel by pixel."""
    from PIL import Image

    old_pixels = np.asarray(Image.open(io.BytesIO(old)).convert("RGBA"), int)
    new_pixels = np.asarray(Image.open(io.BytesIO(new)).convert("RGBA"), int)
    if old_pixels.shape != new_pixels.shape:
        return [f"height, width {old_pixels.shape[:2]} -> {new_pixels.shape[:2]}"]
    sizes = np.abs(new_pixels - old_pixels).max(axis=2)
    if not sizes.any():
        return []
    return [f"{(sizes > 0).mean():.2%} of the pixels moved, by {sizes.max()} of 255 at most"]


def text_differences(old: bytes, new: bytes) -> list[str]:
    """Compare two texts line by line, whatever their order."""
    old_lines = Counter(old.decode("utf-8", "replace").splitlines())
    new_lines = Counter(new.decode("utf-8", "replace").splitlines())
    lines = [f"- {short(line)}" for line in old_lines - new_lines]
    return lines + [f"+ {short(line)}" for line in new_lines - old_lines]


def is_equal(old: Leaf, new: Leaf) -> bool:
    """Return whether two values are the same; NaN is NaN, and a truth value is no number."""
    if isinstance(old, float) and isinstance(new, float) and math.isnan(old):
        return math.isnan(new)
    return isinstance(old, bool) == isinstance(new, bool) and old == new


def distance(old: object, new: object) -> float | None:
    """Return the absolute difference of two numbers, or texts that are numbers; else None."""
    try:
        return abs(float(new) - float(old))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None


def short(value: object) -> str:
    text = str(value)
    return text if len(text) <= WIDTH else text[:WIDTH] + " ..."


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]


@dataclass(frozen=True)
class Summary:
    """All comparisons as a person reads them, and whether the sides are equal."""

    comparisons: list[Comparison]
    declared: Declared
    failures: dict[str, str]

    def equal(self) -> bool:
        decisive = [comparison for comparison in self.comparisons if comparison.decides()]
        return not decisive and not self.failures

    def lines(self, most: int | None) -> list[str]:
        """Return the summary, with at most so many lines of each file (None: all)."""
        text = [f"FAILED: {reason}" for reason in self.failures.values()]
        for state in (MOVED, MISSING, NEW, SAME):
            text += self.section(DATA, state, state, most)
        counts = Counter(c.state for c in self.comparisons if c.kind == DATA)
        text.append(f"Tables, metrics, weights and other data: {count_words(counts)}.")
        text.append("")
        for kind, title in ((PAGE, "Pages and pictures"), (TEXT, "READMEs (model cards)")):
            for state in (MOVED, MISSING, NEW):
                text += self.section(kind, state, f"{kind} {state}", most)
            counts = Counter(c.state for c in self.comparisons if c.kind == kind)
            text.append(f"{title}, which do not decide: {count_words(counts)}.")
        text.append("")
        text.append("Not compared (declared.json):")
        for rule in self.declared.ignored:
            text.append(f"  {rule.file} {rule.key or '(whole)'}: {rule.reason}")
        text.append("")
        text.append("EQUAL" if self.equal() else "NOT EQUAL")
        return text

    def section(self, kind: str, state: str, title: str, most: int | None) -> list[str]:
        """Return the files of one kind and state, each with what differs in it.

        With `most`, so many lines of each file are shown, and MOST_FILES files.
        """
        members = [c for c in self.comparisons if c.kind == kind and c.state == state]
        shown_members = members if most is None else members[:MOST_FILES]
        text = []
        for comparison in shown_members:
            text.append(f"{title}: {comparison.scenario}: {comparison.path}")
            shown = comparison.lines[:most]
            text += [f"    {line}" for line in shown]
            if len(shown) < len(comparison.lines):
                text.append(f"    and {len(comparison.lines) - len(shown)} lines more")
        if len(shown_members) < len(members):
            text.append(f"{title}: and {len(members) - len(shown_members)} files more")
        return text


def count_words(counts: Counter[str]) -> str:
    """Return '3 equal, 1 moved' for the states that there are."""
    order = (EQUAL, SAME, MOVED, MISSING, NEW)
    return ", ".join(f"{counts[state]} {state}" for state in order if counts[state]) or "none"
