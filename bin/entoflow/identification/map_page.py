"""The page of a map: images as points in the plane in one HTML file that opens offline, thumbnails and script within."""
from collections import Counter

import numpy as np

from entoflow.identification.map_script import SCRIPT
from entoflow.identification.offline_page import View, amount, base64_of, document

KINDS = ("class", "number")
MOST_COLOURS = 360  # with more classes colours come again: an eye tells some twenty apart, the legend and the search the rest
SCALE_STEPS = 64
PAPERS = ((0.986, 0, 0), (0.222, 0, 0))  # of the light and the dark scheme, in OKLab


def page(title, points, rows, thumbnails, colourings):
    """Return the whole page as text.

    points: n x 2, finite, in any unit, y upwards. rows: n dicts with "image" and whatever else is known of it: text, numbers,
    True, False or None. thumbnails: n times the bytes of a JPEG, or None. colourings: {column: "class" or "number"}; the first
    colours the map when it opens. Raises ValueError for anything else.
    """
    points = np.asarray(points, dtype="<f8") if len(points) else np.zeros((0, 2), dtype="<f8")
    check(points, rows, thumbnails, colourings)
    names = columns(rows, colourings)
    told = [told_column(name, [row.get(name) for row in rows], colourings.get(name)) for name in names]
    colours = palette(min(MOST_COLOURS, max([len(column.get("names", ())) for column in told], default=0)))
    data = {"n": len(rows), "points": base64_of(points), "columns": told, "colourings": list(colourings),
            "palette": colours, "scale": sequential()}
    return document(View("map", BODY, STYLE, SCRIPT), title, amount(len(rows)), data, thumbnails)


def check(points, rows, thumbnails, colourings):
    """Raise ValueError for what cannot be drawn."""
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"points have shape {points.shape}; wanted n x 2.")
    if not len(points) == len(rows) == len(thumbnails):
        raise ValueError(f"{len(points)} points, {len(rows)} rows and {len(thumbnails)} thumbnails; wanted as many of each.")
    lost = np.flatnonzero(~np.isfinite(points).all(axis=1))
    if len(lost):
        raise ValueError(f"point {lost[0]} is {points[lost[0]].tolist()}; wanted finite coordinates.")
    bare = [number for number, row in enumerate(rows) if not row.get("image")]
    if bare:
        raise ValueError(f"row {bare[0]} has no image; wanted a name in each.")
    for column, kind in colourings.items():
        if kind not in KINDS:
            raise ValueError(f"colouring {column} is of kind {kind!r}; wanted {' or '.join(KINDS)}.")
        if rows and not any(column in row for row in rows):
            raise ValueError(f"colouring {column} is no column of the rows; wanted one of {', '.join(columns(rows, {}))}.")


def columns(rows, colourings):
    """Return the names of all columns, image and label first."""
    found = dict.fromkeys(name for row in rows for name in row) | dict.fromkeys(colourings)
    return sorted(found, key=lambda name: {"image": 0, "label": 1}.get(name, 2))


def told_column(name, values, kind):
    """Return a column as the page holds it: texts, or numbers (NaN: none), or codes into names sorted by how many have them."""
    if kind == "number":
        numbers = [np.nan if value in (None, "") else float(value) for value in values]
        return {"name": name, "kind": kind, "values": base64_of(np.array(numbers, dtype="<f8"))}
    words = [in_words(value) for value in values]
    if kind != "class":
        return {"name": name, "kind": "text", "values": words}
    counts = Counter(word for word in words if word)
    names = sorted(counts, key=lambda word: (-counts[word], word))
    code = {word: number for number, word in enumerate(names)}
    codes = np.array([code.get(word, len(names)) for word in words], dtype="<u4")
    return {"name": name, "kind": kind, "names": names, "codes": base64_of(codes)}


def in_words(value):
    """Return a value as it is shown and saved."""
    if value is None:
        return ""
    return {True: "yes", False: "no"}[bool(value)] if isinstance(value, (bool, np.bool_)) else str(value)


def palette(number):
    """Return so many colours, each as far as can be from both papers and those before it: the first ones differ most.

    Greedy in OKLab, among calm colours that stand out on light and dark; how many are wanted does not change the first ones.
    """
    lightness, chroma, hue = np.meshgrid(np.arange(0.48, 0.79, 0.03), np.arange(0.03, 0.19, 0.03), np.arange(0, 360, 7.5), indexing="ij")
    lab = oklab(lightness.ravel(), chroma.ravel(), hue.ravel())
    rgb = srgb(lab)
    held = ((rgb >= 0) & (rgb <= 1)).all(axis=1)
    lab, rgb = lab[held], rgb[held]
    nearest = np.min([distances(lab, np.array(paper)) for paper in PAPERS], axis=0)
    chosen = []
    for _ in range(number):
        chosen.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, distances(lab, lab[chosen[-1]]))
    return [hexadecimal(colour) for colour in rgb[chosen]]


def sequential():
    """Return the colours of low to high numbers: from a deep blue to a bright ochre in even steps of lightness, greyer where a screen must."""
    along = np.linspace(0, 1, SCALE_STEPS)
    return [hexadecimal(colour) for colour in srgb(oklab(0.40 + 0.40 * along, 0.13 - 0.06 * np.sin(np.pi * along), 270 - 190 * along))]


def oklab(lightness, chroma, hue):
    """Return n x 3 OKLab of lightness in 0-1, chroma and hue in degrees."""
    return np.stack([lightness, chroma * np.cos(np.radians(hue)), chroma * np.sin(np.radians(hue))], axis=1)


def srgb(lab):
    """Return n x 3 sRGB, 0-1 where a screen can show it (Ottosson 2020, "A perceptual color space for image processing")."""
    cone = (lab @ np.array([[1, 1, 1], [0.3963377774, -0.1055613458, -0.0894841775], [0.2158037573, -0.0638541728, -1.2914855480]])) ** 3
    linear = cone @ np.array([[4.0767416621, -1.2684380046, -0.0041960863], [-3.3077115913, 2.6097574011, -0.7034186147],
                              [0.2309699292, -0.3413193965, 1.7076147010]])
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 0.0031308) ** (1 / 2.4) - 0.055)


def distances(lab, colour):
    return np.linalg.norm(lab - colour, axis=1)


def hexadecimal(colour):
    return "#" + "".join(f"{round(255 * float(part)):02x}" for part in colour)


BODY = """<main>
<div id="map">
<canvas id="canvas" tabindex="0" role="application" aria-label="Map of the images. Arrow keys move it, plus and minus zoom, 0 shows all of it,
 Enter lists the images at its centre, L switches the lasso."></canvas>
<p id="empty" hidden>There are no images to show.</p>
<div class="tools" role="group" aria-label="Map">
<button type="button" id="closer" title="Zoom in (+)" aria-label="Zoom in"><svg viewBox="0 0 20 20"><path d="M10 4v12M4 10h12"/></svg></button>
<button type="button" id="farther" title="Zoom out (-)" aria-label="Zoom out"><svg viewBox="0 0 20 20"><path d="M4 10h12"/></svg></button>
<button type="button" id="whole" title="Whole map (0)" aria-label="Whole map"><svg viewBox="0 0 20 20"><path d="M4 8V4h4M12 4h4v4M16 12v4h-4M8 16H4v-4"/></svg>
</button>
<button type="button" id="lasso" aria-pressed="false" title="Lasso (L, or Shift and drag)" aria-label="Lasso"><svg viewBox="0 0 20 20">
<path d="M6.5 12.7C4.300 12 3 10.400 3 8.500 3 5.500 6.100 3.500 10 3.500s7 2 7 5-3.100 5-7 5c-.8 0-1.500-.1-2.200-.2"/>
<path d="M7.800 13.200c0 1-.8 1.700-1.700 1.700s-1.600-.7-1.600-1.500.7-1.400 1.600-1.400 1.700.5 1.700 1.200zm-.4 1c.5 1 .3 2.200-.9 3"/></svg></button>
</div>
<p class="hint"><span class="fine">Drag to move, wheel to zoom, Shift and drag to select</span><span class="coarse">Drag to move, pinch to zoom</span></p>
<div id="card" aria-hidden="true" hidden></div>
</div>
<aside aria-label="Colours, search and selection">
<div class="controls">
<label id="colours">Colour by <select id="colouring"></select></label>
<label>Find <input id="find" type="search" placeholder="label or image name" autocomplete="off" spellcheck="false"></label>
<p id="found" role="status"></p>
<p class="acts" id="acts" hidden><button type="button" id="take">Select these</button> <button type="button" id="go">Zoom in</button>
<button type="button" id="reset">Show all</button></p>
</div>
<section id="legend" aria-label="Legend"></section>
<section id="here" aria-label="Image" hidden></section>
<section id="selection" aria-label="Selection" hidden>
<h2 id="chosen" role="status"></h2>
<div class="strip" id="strip"></div>
<p class="soft" id="rest"></p>
<p class="acts"><button type="button" class="first" id="save">Save as CSV</button> <button type="button" id="clear">Clear</button></p>
</section>
</aside>
</main>
<noscript><p>The map is drawn by a script within this page; allow scripts to see it.</p></noscript>"""

STYLE = """
html, body { height: 100%; }
body { display: flex; flex-direction: column; }
main { flex: 1; min-height: 0; display: grid; grid-template-columns: minmax(0, 1fr) 21rem; }
#map { position: relative; min-height: 0; overflow: hidden; }
canvas { position: absolute; inset: 0; width: 100%; height: 100%; touch-action: none; cursor: grab; user-select: none; -webkit-user-select: none; }
canvas.moving { cursor: grabbing; }
canvas.aiming { cursor: crosshair; }
canvas:focus-visible { outline-offset: -2px; }
#empty { position: absolute; inset: 0; display: grid; place-items: center; color: var(--soft); pointer-events: none; }
.tools { position: absolute; top: 1rem; left: 1rem; display: flex; flex-direction: column; background: var(--paper); border: 1px solid var(--line);
  border-radius: 8px; overflow: hidden; }
.tools button { width: 2.4rem; height: 2.4rem; padding: 0; border: 0; border-radius: 0; background: none; }
.tools button + button { border-top: 1px solid var(--line); }
.tools button:focus-visible { outline-offset: -3px; border-radius: 8px; }
.tools svg { width: 1.25rem; height: 1.25rem; display: block; margin: auto; fill: none; stroke: currentColor; stroke-width: 1.5; stroke-linecap: round;
  stroke-linejoin: round; }
.hint { position: absolute; left: 1rem; bottom: 0.75rem; padding: 0 0.4rem; border-radius: 4px; color: var(--soft); font-size: 0.82rem;
  background: color-mix(in srgb, var(--paper) 80%, transparent); pointer-events: none; }
.coarse { display: none; }
@media (pointer: coarse) { .coarse { display: inline; } .fine { display: none; } }
aside { min-height: 0; overflow-y: auto; display: flex; flex-direction: column; scrollbar-width: thin; border-left: 1px solid var(--line); }
aside > * { padding: 1rem 1.25rem; flex: none; }
aside > * + * { border-top: 1px solid var(--line); }
.controls { display: grid; gap: 0.7rem; }
.controls label { display: grid; grid-template-columns: 5rem 1fr; align-items: center; color: var(--soft); }
#found:empty { margin-top: -0.7rem; }
#found { color: var(--soft); font-size: 0.85rem; font-variant-numeric: tabular-nums; }
.acts { display: flex; flex-wrap: wrap; gap: 0.4rem; font-size: 0.85rem; }
.acts button { padding: 0.2rem 0.5rem; }
#legend { flex: 0 1 auto; overflow-y: auto; padding: 0.6rem 0.75rem; }
#legend.long { min-height: 12rem; }
#legend ul { list-style: none; margin: 0; padding: 0; }
#legend li button { display: grid; grid-template-columns: 0.8rem minmax(0, 1fr) auto; gap: 0.6rem; align-items: center; width: 100%; padding: 0.16rem 0.5rem;
  border: 0; text-align: left; font-size: 0.9rem; }
#legend li button:focus-visible { outline-offset: -2px; }
#legend li button[aria-pressed=true] { background: var(--card); color: inherit; font-weight: 600; }
#legend .name { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
#legend .count { color: var(--soft); font-variant-numeric: tabular-nums; font-weight: 400; }
#legend > p, #legend > .more { margin: 0.5rem; }
#legend > .more { font-size: 0.85rem; }
.swatch { display: inline-block; width: 0.8rem; height: 0.8rem; border-radius: 50%; background: var(--grey); vertical-align: -0.06em; }
.ramp { margin: 0.6rem 0.5rem; }
.ramp canvas { position: static; display: block; width: 100%; height: 0.7rem; border-radius: 4px; cursor: auto; }
.ramp p { display: flex; justify-content: space-between; margin-top: 0.3rem; font-size: 0.85rem; font-variant-numeric: tabular-nums; }
#card { position: absolute; width: 15rem; padding: 0.75rem; background: var(--paper); border: 1px solid var(--line); border-radius: 8px;
  box-shadow: 0 4px 16px rgb(0 0 0 / 0.14); pointer-events: none; }
.told { display: grid; gap: 0.5rem; }
.told img, .told .none { display: block; width: 9rem; height: 9rem; object-fit: contain; background: var(--card); border-radius: 6px; }
.told .none { display: grid; place-items: center; color: var(--soft); font-size: 0.82rem; }
.told .file { font-weight: 600; overflow-wrap: anywhere; line-height: 1.35; }
.told dl { display: grid; grid-template-columns: auto minmax(0, 1fr); gap: 0.1rem 0.8rem; margin: 0; font-size: 0.88rem; }
.told dt { color: var(--soft); }
.told dd { margin: 0; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
.told dd { display: flex; gap: 0.4rem; align-items: baseline; min-width: 0; }
.told dd .swatch { width: 0.6rem; height: 0.6rem; flex: none; }
#here .told { grid-template-columns: 6rem minmax(0, 1fr); gap: 0.4rem 0.9rem; align-items: start; }
#here .told > :first-child { grid-row: 1 / 3; width: 6rem; height: 6rem; }
#here .told .file { align-self: end; }
#here .strip { margin-top: 0.8rem; }
.strip { display: grid; grid-template-columns: repeat(auto-fill, 2.75rem); gap: 0.3rem; max-height: 9.2rem; overflow-y: auto; padding: 2px; margin: 0 -2px; }
.strip button { width: 2.75rem; height: 2.75rem; padding: 0; overflow: hidden; background: var(--card); border: 0; color: var(--soft); }
.strip button[aria-pressed=true] { background: var(--card); color: var(--soft); box-shadow: 0 0 0 2px var(--accent); }
.strip img { display: block; width: 100%; height: 100%; object-fit: contain; }
#rest, #here > .soft { margin-top: 0.4rem; }
#selection .acts { margin-top: 0.7rem; }
@media (max-width: 52rem) { html, body { height: auto; } main { display: block; } #map { height: 62vh; height: 62svh; }
  aside { border-left: 0; border-top: 1px solid var(--line); } aside > * { padding: 0.9rem 1rem; }
  #legend { flex: none; min-height: 0; max-height: 45vh; padding: 0.5rem; } #here, #selection { order: -1; } }
@media (forced-colors: active) { .swatch { forced-color-adjust: none; } }
"""
