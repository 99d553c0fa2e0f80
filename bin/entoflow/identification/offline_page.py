"""What the pages share that work offline by a script of their own: the shell, its policy, the look, and how data stands within.

Whatever the data says stays data: it stands in blocks that no browser runs, is shown as text only, and the page's policy allows its
own script by its hash and no connection at all.
"""
import base64
import hashlib
import json
from typing import NamedTuple

from entoflow.pages import text


class View(NamedTuple):
    """A kind of page: its name, the markup of its body, and its own style and script, which follow the shared ones."""
    name: str
    body: str
    style: str
    script: str


def document(view, title, subtitle, data, pictures):
    """Return the whole page as text. data: what JSON can hold. pictures: the bytes of a JPEG each, or None."""
    style, script = STYLE + view.style, SCRIPT + view.script
    lines = "\n".join(base64.b64encode(picture or b"").decode() for picture in pictures)
    policy = (f"default-src 'none'; img-src data:; script-src '{hash_of(script)}'; style-src '{hash_of(style)}'; "
              "base-uri 'none'; form-action 'none'")
    return (f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
            f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<meta name="color-scheme" content="light dark">\n'
            f"<title>{text(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n"
            f'<header>\n<p class="over">entoflow {view.name}</p>\n<h1>{text(title)}</h1>\n<p class="sub">{text(subtitle)}</p>\n</header>\n{view.body}\n'
            f'<script type="application/json" id="data">{as_json(data)}</script>\n'
            f'<script type="text/plain" id="thumbnails">{lines}</script>\n<script>{script}</script>\n</body>\n</html>\n')


def amount(number, of="image"):
    return f"1 {of}" if number == 1 else f"{number:,} {of}s"


def base64_of(array):
    return base64.b64encode(array.tobytes()).decode()


def hash_of(code):
    return f"sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}"


def as_json(data):
    """Return JSON that cannot end the script element it stands in: json.dumps escapes all beyond ASCII, U+2028 and U+2029 too."""
    return json.dumps(data, separators=(",", ":")).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


STYLE = """
:root { --ink: #22261f; --soft: #5d6459; --line: #dcdfd6; --paper: #fbfbf8; --card: #f1f3ec; --accent: #3f6b3a; --second: #a4541c; --dim: #c9cdc2;
  --grey: #8b9186; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8e1; --soft: #a3aa9d; --line: #3a4037; --paper: #191c18; --card: #232821;
  --accent: #93c48b; --second: #e5a06b; --dim: #3d433a; --grey: #858c80; } }
* { box-sizing: border-box; }
[hidden] { display: none !important; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 0.95rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial,
  sans-serif; }
header { display: flex; flex-wrap: wrap; align-items: baseline; gap: 0 1rem; padding: 0.75rem 1.25rem; border-bottom: 1px solid var(--line); }
h1 { font: 600 1.35rem/1.25 "Iowan Old Style", "Palatino Linotype", Palatino, "Book Antiqua", Georgia, serif; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 0.95rem; font-weight: 600; margin: 0 0 0.5rem; }
p { margin: 0; }
.over { color: var(--accent); font-size: 0.75rem; letter-spacing: 0.08em; text-transform: uppercase; }
.sub { color: var(--soft); margin-left: auto; font-variant-numeric: tabular-nums; }
.soft { color: var(--soft); font-size: 0.85rem; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
button, select, input { font: inherit; color: inherit; }
select, input { width: 100%; min-width: 0; height: 2.25rem; padding: 0 0.6rem; color: var(--ink); background: var(--card); border: 1px solid var(--line);
  border-radius: 6px; }
input::placeholder { color: var(--soft); opacity: 1; }
button { cursor: pointer; background: none; border: 1px solid var(--line); border-radius: 6px; padding: 0.2rem 0.65rem; }
button:hover { background: var(--card); }
button[aria-pressed=true] { background: var(--accent); color: var(--paper); }
button.first { background: var(--accent); border-color: var(--accent); color: var(--paper); }
button:disabled { color: var(--soft); cursor: default; }
noscript { padding: 1.25rem; }
@media (max-width: 52rem) { header { padding: 0.7rem 1rem; } h1 { font-size: 1.15rem; } .over { width: 100%; } .sub { margin-left: 0; } }
"""

SCRIPT = r"""
"use strict";
const element = id => document.getElementById(id);
const data = JSON.parse(element("data").textContent);
const thumbnails = element("thumbnails").textContent.split("\n");  // base64 each, decoded only where shown
const source = i => "data:image/jpeg;base64," + thumbnails[i];
const amount = (k, of = "image") => k.toLocaleString("en") + " " + of + (k === 1 ? "" : "s");

function make(tag, className = "", words = "", ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (words) made.textContent = words;
  made.append(...children);
  return made;
}

function button(words, className, act) {
  const made = make("button", className, words);
  made.type = "button";
  made.onclick = act;
  return made;
}

function thumbnail(i, words) {
  if (!thumbnails[i]) return make("span", "none", words);
  const made = make("img");
  made.alt = "";
  made.src = source(i);
  return made;
}

// Long names may break after what joins their words
function breakable(words) {
  return make("span", "", "", ...words.split(/(?<=[\/_-])/).flatMap(part => [part, make("wbr")]));
}

// A spreadsheet runs a cell that starts with = + - or @, in a file or after a separator of its own: an apostrophe before it makes it text.
// Plain numbers stay as they are. typedCell takes off what safeCell puts before: for any text, typedCell(safeCell(text)) is the text
// (entoflow.tables has both in Python).
const RUN = String.raw`(?=["'\s\x1c-\x1f\x85\ufeff]*[=+\-@\uff1d\uff0b\uff0d\uff20])`;
const isNumber = text => /^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?$/i.test(text);
const safeCell = text => isNumber(text) ? text : text.replace(new RegExp(`(^|[;\t\r\n])${RUN}`, "g"), "$1'");
const typedCell = text => text.replace(new RegExp(`(^|[;\t\r\n])'${RUN}`, "g"), "$1");

function download(name, csv) {
  const link = make("a"), url = URL.createObjectURL(new Blob(["\ufeff", csv], {type: "text/csv"}));
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60000);
}
"""
