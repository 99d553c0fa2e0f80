"""The page of a cluster sheet: clusters of unlabelled images to name, in one HTML file that works offline and saves review.csv.

`review.csv` has a row for each cluster, with no image, whose label is that of all its images, and a row for each image, whose own label
wins. A label is a name, `reject` (no insect, or not to be used), `?` (looked at and left open), or nothing.
"""
import hashlib
import math

from entoflow.identification.offline_page import View, amount, as_json, document
from entoflow.identification.sheet_script import SCRIPT
from entoflow.tables import safe_cell

COLUMNS = ["cluster", "image", "label", "nearest_known", "distance", "verdict", "id"]
VERDICTS = ("known", "unknown", "reject")
MOST_NEAREST = 3


def page(title, clusters, labels):
    """Return the whole page as text.

    clusters: dicts, most worth a look first: "cluster", its number; "gain", expected images labelled per click; "nearest", up to three
    known classes, most alike first, each {"label", "likeness" 0-1, "thumbnails": up to three JPEGs}; "images", most typical first, each
    {"image", "id", "verdict", "typical": likeness to the cluster's middle, "thumbnail": the bytes of a JPEG or None}. labels: the names
    of all known classes. Raises ValueError for anything else.
    """
    check(clusters)
    images = [image for cluster in clusters for image in cluster["images"]]
    pictures = [image["thumbnail"] for image in images]
    lines = {}  # one known class is like many clusters: its pictures stand in the page once
    data = {"labels": sorted(set(labels)), "clusters": [told(cluster, lines, len(images)) for cluster in clusters],
            "images": [image["image"] for image in images], "ids": [str(image["id"]) for image in images],
            "verdicts": [image["verdict"] for image in images], "typical": [round(float(image["typical"]), 4) for image in images]}
    data["key"] = "entoflow sheet " + digest(data, [*pictures, *lines])
    return document(View("cluster sheet", BODY, STYLE, SCRIPT), title, f"{amount(len(clusters), 'cluster')}, {amount(len(images))}", data,
                    [*pictures, *lines])


def rows(clusters):
    """Return the rows of review.csv, each a dict of COLUMNS with cells safe to open in a spreadsheet, in which nothing is said yet."""
    return [row for cluster in clusters for row in rows_of(cluster)]


def rows_of(cluster):
    nearest = cluster["nearest"][0]["label"] if cluster["nearest"] else ""
    shared = {"cluster": str(cluster["cluster"]), "label": "", "nearest_known": safe_cell(nearest), "distance": distance(cluster)}
    whole = {"image": "", "verdict": "", "id": ""}
    each = [{"image": safe_cell(image["image"]), "verdict": image["verdict"], "id": str(image["id"])} for image in cluster["images"]]
    return [{name: {**shared, **own}[name] for name in COLUMNS} for own in (whole, *each)]


def distance(cluster):
    """Return the distance to the nearest known class as text, or nothing where no class is known."""
    return f"{max(0, 1 - cluster['nearest'][0]['likeness']):.4f}" if cluster["nearest"] else ""


def told(cluster, lines, start):
    """Return what the page holds of a cluster; lines: {picture: its number after those of the images}, which grows."""
    def line(picture):
        return start + lines.setdefault(picture, len(lines))

    nearest = [{"label": one["label"], "likeness": round(float(one["likeness"]), 4), "pictures": [line(picture) for picture in one["thumbnails"]]}
               for one in cluster["nearest"]]
    return {"cluster": int(cluster["cluster"]), "gain": round(float(cluster["gain"]), 4), "nearest": nearest, "distance": distance(cluster),
            "size": len(cluster["images"])}


def digest(data, pictures):
    whole = hashlib.sha256(as_json(data).encode())
    for picture in pictures:
        whole.update(hashlib.sha256(picture or b"").digest())
    return whole.hexdigest()


def check(clusters):
    """Raise ValueError for what cannot be shown or could not be told apart in review.csv."""
    numbers = [cluster["cluster"] for cluster in clusters]
    images = [image for cluster in clusters for image in cluster["images"]]
    for what, found in (("cluster", numbers), ("id", [image["id"] for image in images])):
        twice = next((one for one in found if found.count(one) > 1), None) if len(set(found)) < len(found) else None
        if twice is not None:
            raise ValueError(f"{what} {twice} is there twice; wanted each once.")
    for cluster in clusters:
        check_one(cluster)


def check_one(cluster):
    name = f"cluster {cluster['cluster']}"
    if not cluster["images"] or len(cluster["nearest"]) > MOST_NEAREST:
        raise ValueError(f"{name} has {len(cluster['images'])} images and {len(cluster['nearest'])} nearest classes; wanted some, and up to three.")
    for image in cluster["images"]:
        if not image["image"] or image["verdict"] not in VERDICTS:
            raise ValueError(f"{name} has image {image['image']!r} with verdict {image['verdict']!r}; wanted a name, and {', '.join(VERDICTS)}.")
    numbers = [cluster["gain"], *(one["likeness"] for one in cluster["nearest"]), *(image["typical"] for image in cluster["images"])]
    lost = [number for number in numbers if not math.isfinite(number)]
    if lost:
        raise ValueError(f"{name} has a gain or likeness of {lost[0]}; wanted finite numbers.")


BODY = """<div id="tools">
<div class="line">
<p id="progress"></p>
<p id="told" class="soft" role="status"></p>
<div class="choice" role="group" aria-label="Clusters to show"><button type="button" id="all">All</button><button type="button" id="open">Open</button>
<button type="button" id="done">Done</button></div>
<div class="acts"><button type="button" id="undo">Undo</button> <button type="button" id="load" title="Go on from a CSV saved earlier">Load</button>
<button type="button" class="first" id="save" title="Save review.csv (Ctrl+S)">Save</button></div>
<input type="file" id="file" accept=".csv,.tsv,.txt,text/csv" hidden>
</div>
<div class="track" aria-hidden="true"><div id="bar"></div></div>
</div>
<main>
<p class="help soft">Type a name, or take that of a known class below it<span class="fine">; Enter goes on to the next cluster</span>. Click images to take
 them out of the name<span class="fine">, Shift and click for a range</span>. Clusters most worth a look come first; in each the most typical image first,
 the odd ones last.</p>
<div id="clusters"></div>
<p id="empty" class="soft" hidden></p>
</main>
<ul id="choices" role="listbox" aria-label="Names" hidden></ul>
<noscript><p>The sheet works by a script within this page; allow scripts to use it.</p></noscript>"""

STYLE = """
:root { --tile: 4.5rem; scroll-padding-top: calc(var(--bar, 3.5rem) + 0.1rem); }
header { border-bottom: 0; padding-bottom: 0.2rem; }
#tools { position: sticky; top: 0; z-index: 2; background: var(--paper); }
.line { display: flex; flex-wrap: wrap; align-items: center; gap: 0.4rem 0.8rem; padding: 0.5rem 1.25rem; }
#progress { font-variant-numeric: tabular-nums; font-weight: 600; }
#told { flex: 1; min-width: 6rem; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.track { height: 2px; background: var(--line); }
#bar { height: 100%; width: 0; background: var(--accent); }
.choice { display: flex; }
.choice button { border-radius: 0; font-variant-numeric: tabular-nums; }
.choice button + button { border-left: 0; }
.choice button:first-child { border-radius: 6px 0 0 6px; }
.choice button:last-child { border-radius: 0 6px 6px 0; }
.choice button:focus-visible { position: relative; z-index: 1; }
.acts { display: flex; gap: 0.4rem; }
.line button { font-size: 0.88rem; }
.help { padding: 0.7rem 1.25rem 0; }
@media (pointer: coarse) { .fine { display: none; } }
#empty { padding: 3rem 1.25rem; text-align: center; }
.cluster { display: grid; grid-template-columns: 21rem minmax(0, 1fr); gap: 0 1.5rem; align-items: start; padding: 1rem 1.25rem; content-visibility: auto;
  contain-intrinsic-size: auto 16rem; }
.cluster + .cluster { border-top: 1px solid var(--line); }
.about { display: grid; gap: 0.4rem; position: sticky; top: calc(var(--bar, 3.5rem) + 1rem); min-width: 0; }
.cluster h2 { display: flex; justify-content: space-between; gap: 1rem; margin: 0; }
.cluster .state { color: var(--accent); font-weight: 400; font-size: 0.85rem; }
.cluster[data-said=reject] .state { color: var(--second); }
.about > .soft { margin-top: -0.35rem; }
.naming { display: grid; grid-template-columns: minmax(0, 1fr) auto; gap: 0.4rem; }
.about button { font-size: 0.85rem; }
.cluster[data-said=name] .name { border-color: var(--accent); }
.naming .reject[aria-pressed=true], .naming .reject[aria-pressed=true]:hover { background: var(--second); border-color: var(--second); }
.hint { font-size: 0.85rem; color: var(--second); overflow-wrap: anywhere; }
.hint:empty, .splits:empty { display: none; }
.about .link { border: 0; padding: 0; border-radius: 2px; color: var(--ink); text-decoration: underline; text-underline-offset: 2px; }
.nearest { display: grid; gap: 1px; margin: 0 -0.4rem; }
.nearest button { display: grid; grid-template-columns: 7.1rem minmax(0, 1fr) auto; gap: 0.6rem; align-items: center; width: 100%; padding: 0.2rem 0.4rem;
  border: 0; text-align: left; }
.nearest button[aria-pressed=true] { background: var(--card); color: var(--accent); }
.pictures { display: flex; gap: 2px; height: 2.25rem; }
.pictures img, .pictures .none { width: 2.25rem; height: 2.25rem; object-fit: cover; border-radius: 3px; background: var(--card); }
.wrapped { line-height: 1.3; overflow-wrap: anywhere; }
.label { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.figure { color: var(--soft); font-variant-numeric: tabular-nums; font-weight: 400; }
.taken { display: grid; grid-template-columns: minmax(0, 1fr) auto auto; gap: 0.4rem; padding-top: 0.5rem; border-top: 1px solid var(--line); }
.taken p { align-self: center; }
.taken input { grid-column: 1 / -1; }
.splits { display: flex; flex-wrap: wrap; gap: 0.3rem; }
.splits button { display: flex; gap: 0.5rem; max-width: 100%; padding: 0.1rem 0.5rem; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(var(--tile), 1fr)); gap: 4px; user-select: none; -webkit-user-select: none; }
.tile { position: relative; width: 100%; aspect-ratio: 1; padding: 0; border: 0; border-radius: 4px; overflow: hidden; background: var(--card); }
.tile[aria-pressed=true] { background: var(--card); color: inherit; }
.tile img { display: block; width: 100%; height: 100%; object-fit: contain; }
.tile .none { font-size: 0.7rem; color: var(--soft); line-height: 1.2; }
.tile .tag { position: absolute; inset: auto 0 0 0; padding: 0 0.2rem; font-size: 0.68rem; line-height: 1.35; background: var(--paper); color: var(--ink);
  overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.tile .tag:empty { display: none; }
.tile[data-said=out] img, .tile[data-said=reject] img, .cluster[data-said=reject] .tile:not([data-said=name]) img { opacity: 0.35; }
.tile[data-said=out] { box-shadow: inset 0 0 0 2px var(--second); }
.tile[data-said=out] .tag, .tile[data-said=reject] .tag { color: var(--second); }
.tile[data-said=name] .tag { background: var(--accent); color: var(--paper); }
.tile:hover::after { content: ""; position: absolute; inset: 0; border-radius: 4px; box-shadow: inset 0 0 0 2px var(--grey); }
.grid .more { grid-column: 1 / -1; justify-self: start; font-size: 0.85rem; margin: 0.2rem 0; }
#choices { position: fixed; z-index: 3; margin: 0; padding: 0.25rem; list-style: none; background: var(--paper); border: 1px solid var(--line);
  border-radius: 8px; box-shadow: 0 4px 16px rgb(0 0 0 / 0.14); font-size: 0.92rem; }
#choices li { display: flex; justify-content: space-between; gap: 1rem; padding: 0.2rem 0.5rem; border-radius: 5px; cursor: pointer; }
#choices li:hover { background: var(--card); }
#choices li[aria-selected=true] { background: var(--accent); color: var(--paper); }
#choices li[aria-selected=true] .figure { color: inherit; }
@media (max-width: 52rem) { .line { padding: 0.5rem 1rem; gap: 0.4rem; } #progress { flex: 1 0 100%; font-size: 0.8rem; } .line .acts { margin-left: auto; }
  #told { order: 3; flex: 1 0 100%; } #told:empty { display: none; } .line button { padding: 0.25rem 0.45rem; font-size: 0.8rem; } .acts { gap: 0.25rem; }
  .help { padding: 0.7rem 1rem 0; } .cluster { display: block; padding: 0.9rem 1rem; } .about { position: static; margin-bottom: 0.6rem; } }
@media (forced-colors: active) { .tile[aria-pressed=true] { outline: 2px dashed; outline-offset: -2px; }
  #choices li[aria-selected=true] { outline: 2px solid; } }
"""
