"""Pages that open offline: one HTML file that holds all it shows and loads nothing.

A page is a template (*.html.j2) with style sheets and at most one script of web/. These files are
inputs of the task that writes the page: modules/lib/suite.nf finds them by their names in quotes,
in the task's code and in each other, and stages them in page_files/ beside this package.
"""

import base64
import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment

PACKAGE = Path(__file__).parent
STAGED = PACKAGE.parent / "page_files"  # in the folder of a task
IMPORT = re.compile(r'^import \{[^}]*\} from "\./([\w-]+\.js)";\n', re.MULTILINE)
EXPORT = re.compile(r"^export (?=(?:async )?function |class |const )", re.MULTILINE)


@dataclass(frozen=True)
class Shell:
    """What every page has around its content."""

    style: str
    script: str
    policy: str  # allows these two by their hashes, pictures within the page, and nothing else


def render(
    template: str,
    styles: Sequence[str],
    content: Mapping[str, Any],
    script: str | None = None,
    filters: Mapping[str, Callable[..., Any]] | None = None,
) -> str:
    """Return a page as text.

    styles, script: names of files in web/. content: what the template shows, by name. Every string
    in it is text and is escaped where the template shows it. Raises jinja2.UndefinedError for what
    the template uses and content lacks.
    """
    from markupsafe import Markup

    style = "".join(read(name) for name in styles)
    code = bundle(script) if script else ""
    shell = Shell(Markup(style), Markup(code), security_policy(style, code))
    templates = environment()
    templates.filters.update(filters or {})
    return templates.get_template(template).render(shell=shell, **content)


@cache
def environment() -> "Environment":
    """Return the environment of the templates: all text is escaped, an unknown name is an error."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(folders()),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def folders() -> list[Path]:
    """Return where templates and files of web/ are: one folder in a task, else several."""
    if STAGED.is_dir():
        return [STAGED]
    return [*sorted(PACKAGE.rglob("templates")), PACKAGE.parent.parent / "web"]


def read(name: str) -> str:
    """Return the text of a template or a file of web/.

    Raises FileNotFoundError where it was not staged.
    """
    for folder in folders():
        if (folder / name).is_file():
            return (folder / name).read_text(encoding="utf-8")
    raise FileNotFoundError(f"{name} is in none of {', '.join(map(str, folders()))}")


def bundle(name: str) -> str:
    """Return a module of web/ and all that it imports as one plain script.

    Each file is in it once, after those that it imports, for browsers load no module from a file
    that was opened offline. Imports and exports are at the start of a line of their own.
    """
    parts: dict[str, str] = {}
    _add_module(name, parts)
    return '"use strict";\n' + "".join(parts.values())


def _add_module(name: str, parts: dict[str, str]) -> None:
    if name in parts:
        return
    code = read(name)
    for imported in IMPORT.findall(code):
        _add_module(imported, parts)
    parts[name] = EXPORT.sub("", IMPORT.sub("", code))


def security_policy(style: str, script: str) -> str:
    """Return a Content-Security-Policy for a page with one style and one script, "" for none.

    It allows these two, pictures within the page, and nothing else.
    """
    scripts = f"script-src '{_hash(script)}'; " if script else ""
    allowed = f"img-src data:; {scripts}style-src '{_hash(style)}'"
    return f"default-src 'none'; {allowed}; base-uri 'none'; form-action 'none'"


def _hash(code: str) -> str:
    return f"sha256-{base64_text(hashlib.sha256(code.encode()).digest())}"


def embedded_json(data: Any) -> str:
    """Return JSON as markup for a script element, which nothing in it can end.

    The element is of type application/json. Escaped, as JSON allows it, are <, > and &, and all
    beyond ASCII, among it U+2028 and U+2029.
    """
    from markupsafe import Markup

    text = json.dumps(data, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def embedded_lines(pictures: Sequence[bytes | None]) -> str:
    """Return pictures as markup: base64, a line each, an empty one where there is no picture."""
    from markupsafe import Markup

    return Markup("\n".join(base64_text(picture or b"") for picture in pictures))


def base64_text(content: bytes) -> str:
    """Return bytes in base64."""
    return base64.b64encode(content).decode()
