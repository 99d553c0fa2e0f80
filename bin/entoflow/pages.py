"""The page of a report: plain HTML that opens offline, pictures and style within, readable light, dark and on paper.

What is not Html is text, and is escaped wherever it comes to stand: a label or a file name cannot become markup.
"""
import base64
import re
from html import escape


class Html(str):
    """Markup made here; every other string is text."""


def text(value):
    """Return a value as Html: markup as it is, all else escaped."""
    return value if isinstance(value, Html) else Html(escape(str(value)))


def joined(parts):
    return Html("\n".join(text(part) for part in parts if part))


def page(title, subtitle, parts):
    """Return the whole page; parts: Html, each usually a section."""
    return (f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<meta name="color-scheme" content="light dark">\n'
            f"<title>{text(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<header>\n<p class=\"over\">entoflow report</p>\n"
            f"<h1>{text(title)}</h1>\n<p class=\"sub\">{text(subtitle)}</p>\n</header>\n<main>\n{joined(parts)}\n</main>\n</body>\n</html>\n")


def section(title, *parts, level=2):
    """Return a section with its heading, or nothing where it would be empty."""
    inner = joined(parts)
    return Html(f"<section>\n<h{level}>{text(title)}</h{level}>\n{inner}\n</section>") if inner else Html("")


def paragraph(words, kind=""):
    return Html(f'<p class="{kind}">{text(words)}</p>' if kind else f"<p>{text(words)}</p>") if words else Html("")


def bullets(items, kind="plain"):
    rows = "".join(f"<li>{text(item)}</li>" for item in items)
    return Html(f'<ul class="{kind}">{rows}</ul>') if rows else Html("")


def with_code(sentence):
    """Return a sentence with its commands and --options set as code."""
    return Html(re.sub(r"(\./nextflow run .+)|(--\w+(?: (?:pretrained|none)\b)?)", as_code, text(sentence)))


def as_code(match):
    return f'<code class="long">{match[1]}</code>' if match[1] else f"<code>{match[2]}</code>"


def table(caption, header, rows, numbers=()):
    """Return a table that scrolls by itself where the page is narrow; numbers: columns to align right."""
    def cells(row):
        first, *others = row
        return f'<th scope="row">{text(first)}</th>' + "".join(
            f"<td{right(k)}>{text(value)}</td>" for k, value in enumerate(others, 1))

    def right(k):
        return ' class="number"' if k in numbers else ""

    if not rows:
        return Html("")
    head = "".join(f'<th scope="col"{right(k)}>{text(name)}</th>' for k, name in enumerate(header))
    body = "\n".join(f"<tr>{cells(row)}</tr>" for row in rows)
    return Html(f'<div class="scroll" tabindex="0" role="region" aria-label="{text(caption)}">\n<table>\n<caption>{text(caption)}</caption>\n'
                f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>\n</div>")


def key_figures(entries):
    """Return the few figures to see first: (name, value, remark) each."""
    rows = "".join(f"<div><dt>{text(name)}</dt><dd>{text(value)}</dd><dd class=\"remark\">{text(remark)}</dd></div>"
                   for name, value, remark in entries)
    return Html(f'<dl class="key">{rows}</dl>') if rows else Html("")


def picture(path, alt, caption):
    """Return a figure with the PNG of that path inlined, or nothing where there is none."""
    if not path or not path.is_file():
        return Html("")
    data = base64.b64encode(path.read_bytes()).decode()
    return figure(Html(f'<img alt="{text(alt)}" src="data:image/png;base64,{data}">'), caption)


def figure(content, caption):
    return Html(f"<figure>\n{text(content)}\n<figcaption>{text(caption)}</figcaption>\n</figure>")


def side_by_side(*figures):
    """Return figures in a row, or below each other where the page is narrow."""
    inner = joined(figures)
    return Html(f'<div class="row">\n{inner}\n</div>') if inner else Html("")


def folded(summary, *parts):
    """Return what is opened on demand; it prints open."""
    inner = joined(parts)
    return Html(f"<details>\n<summary>{text(summary)}</summary>\n{inner}\n</details>") if inner else Html("")


def flat(value):
    """Return nested values as one readable line."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {flat(inner)}" for name, inner in value.items())
    if isinstance(value, list):
        return ", ".join(map(flat, value))
    return "" if value is None else str(value)


STYLE = """
:root { --ink: #22261f; --soft: #5d6459; --line: #dcdfd6; --paper: #fbfbf8; --card: #f1f3ec; --accent: #3f6b3a; --second: #a4541c;
  --warn: #fff4dc; --warn-line: #d9a536; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8e1; --soft: #a3aa9d; --line: #3a4037; --paper: #191c18; --card: #232821;
  --accent: #93c48b; --second: #e5a06b; --warn: #33290f; --warn-line: #b78a2b; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 1.0625rem/1.6 system-ui, -apple-system, "Segoe UI", Roboto,
  "Helvetica Neue", Arial, sans-serif; }
header, main { max-width: 62rem; margin: 0 auto; padding: 0 1.25rem; }
header { padding-top: 3rem; }
main { padding-bottom: 5rem; }
h1, h2, h3, .verdict { font-family: "Iowan Old Style", "Palatino Linotype", Palatino, "Book Antiqua", Georgia, serif; font-weight: 600;
  line-height: 1.25; text-wrap: balance; overflow-wrap: anywhere; }
h1 { font-size: 2.3rem; margin: 0.2rem 0 0.3rem; }
h2 { font-size: 1.55rem; margin: 3.2rem 0 0.8rem; padding-top: 1rem; border-top: 1px solid var(--line); }
h3 { font-size: 1.15rem; margin: 2rem 0 0.5rem; }
p, li { max-width: 46rem; overflow-wrap: anywhere; }
.over { margin: 0; color: var(--accent); font-size: 0.85rem; letter-spacing: 0.08em; text-transform: uppercase; }
.sub { margin: 0; color: var(--soft); }
.verdict { font-weight: 400; font-size: 1.4rem; line-height: 1.45; margin: 1.8rem 0 0.6rem; text-wrap: pretty; }
.measured, .soft { color: var(--soft); }
ul.plain { padding-left: 1.2rem; }
ul.plain li { margin: 0.35rem 0; }
ul.caution { list-style: none; margin: 1.4rem 0; padding: 0.8rem 1.1rem; background: var(--warn); border-left: 4px solid var(--warn-line);
  border-radius: 4px; }
ul.caution li { margin: 0.3rem 0; }
dl.key { display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: 1rem; margin: 1.6rem 0; }
dl.key div { background: var(--card); border-radius: 8px; padding: 0.9rem 1.1rem; }
dl.key dt { color: var(--soft); font-size: 0.92rem; }
dl.key dd { margin: 0; font-size: 1.75rem; font-variant-numeric: tabular-nums; line-height: 1.3; }
dl.key dd.remark { font-size: 0.88rem; color: var(--soft); line-height: 1.4; }
figure { margin: 1.5rem 0 2rem; }
figure img { display: block; max-width: 100%; height: auto; background: #fff; border: 1px solid var(--line); border-radius: 6px; }
figure svg { display: block; width: 100%; max-width: 46rem; height: auto; }
figcaption { color: var(--soft); font-size: 0.92rem; line-height: 1.5; margin-top: 0.5rem; max-width: 46rem; }
.row { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 25rem), 1fr)); gap: 0 1.5rem; align-items: start; }
.scroll { overflow-x: auto; margin: 1.2rem 0 1.8rem; }
table { border-collapse: collapse; width: 100%; font-size: 0.95rem; font-variant-numeric: tabular-nums; }
caption { caption-side: top; text-align: left; color: var(--soft); font-size: 0.92rem; padding-bottom: 0.4rem; max-width: min(46rem, calc(100vw - 2.5rem)); }
th, td { text-align: left; vertical-align: top; padding: 0.4rem 1.1rem 0.4rem 0; border-bottom: 1px solid var(--line); }
th { font-weight: 600; }
tbody th { font-weight: 400; min-width: 8rem; overflow-wrap: break-word; }
td { min-width: 3.5rem; overflow-wrap: anywhere; }
.number { text-align: right; white-space: nowrap; }
.bar { display: block; width: 7rem; height: 1rem; margin-top: 0.3rem; }
details { margin: 1rem 0; }
summary { cursor: pointer; color: var(--accent); }
code { font: 0.9em ui-monospace, "SF Mono", Menlo, Consolas, monospace; background: var(--card); padding: 0.1em 0.2em;
  border-radius: 4px; white-space: nowrap; }
code.long { white-space: normal; overflow-wrap: break-word; }
svg text { fill: var(--soft); font-size: 13px; font-family: inherit; }
.grid { stroke: var(--line); } .s0 { stroke: var(--accent); } .s1 { stroke: var(--second); stroke-dasharray: 7 4; }
.s2 { stroke: var(--soft); stroke-dasharray: 2 4; } .best { stroke: var(--soft); stroke-dasharray: 3 3; } .dot { fill: var(--accent); }
@media (max-width: 40rem) { header { padding-top: 1.6rem; } h1 { font-size: 1.7rem; } h2 { font-size: 1.35rem; margin-top: 2.4rem; }
  .verdict { font-size: 1.18rem; } .bar { width: 5rem; } }
@media print { :root { --ink: #000; --soft: #444; --paper: #fff; --line: #bbb; --card: #f4f4f4; --accent: #2d5128; --second: #8a4312; }
  body { font-size: 10pt; } header, main { max-width: none; padding: 0; } figure, tr, dl.key div { break-inside: avoid; }
  h2, h3 { break-after: avoid; } .scroll { overflow: visible; } details > *:not(summary) { display: block; }
  details::details-content { content-visibility: visible; height: auto; } }
"""
