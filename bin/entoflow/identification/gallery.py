"""The gallery: embeddings of labelled specimens by which new images are identified, and the log of how they came there.

gallery.json says which model made the embeddings and lists the revisions. Revision 7, an enrolment, has its specimens
in specimens_0007.csv and their embeddings, of length 1, in embeddings_0007.npy, row for row; the genus and family of its classes, where
they were given, are in the log, as "taxa". Later revisions are entries of the log and rewrite neither: what the gallery holds is the log
replayed, without the revisions that were undone.
"""
import csv
import difflib
import fcntl
import hashlib
import io
import json
import os
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np

from entoflow import taxonomy
from entoflow.identification import exact_search
from entoflow.tables import plain_label, plain_text, read_json
from entoflow.task import InputError

VERSION = 1
COLUMNS = ("image", "label", "group", "sha256", "source")
FACTS = {"enrol": ("specimens", "skipped", "source", "files"), "remove": ("specimens", "label", "images"),
         "rename": ("specimens", "old", "new"), "merge": ("specimens", "labels", "into"), "undo": ("undone",)}


class Specimen(NamedTuple):
    """A labelled image, and where its embedding is: a row of an enrolment's file."""

    image: str
    label: str
    group: str
    sha256: str
    source: str
    revision: int
    row: int


def create(folder, embedder, dimension):
    """Return a new, empty gallery for embeddings of a model (its id) with that many numbers each. Raises InputError if there is one."""
    folder = Path(folder)
    if (folder / "gallery.json").exists():
        raise InputError(f"{folder}: is a gallery already; wanted a new folder, or to enrol into this one.")
    folder.mkdir(parents=True, exist_ok=True)
    _write_log(folder, {"version": VERSION, "embedder": embedder, "dimension": int(dimension), "revisions": []})
    return read(folder)


def read(folder):
    """Return the gallery in a folder. Raises InputError where a file is absent, broken, or not as the log says."""
    path = Path(folder) / "gallery.json"
    if not path.is_file():
        raise InputError(f"{folder}: has no gallery.json; wanted the folder of a gallery.")
    log = read_json(path)
    _check_log(path, log)
    return Gallery(path.parent, log)


class Gallery:
    """What `read` and `create` return. Rows are those of the specimens that are there now, in the order of their enrolment.

    Every change is on disk when its method returns: by and at, who and when (ISO time), go into the log. A change is refused
    with an InputError, and a crash undone, without a trace in the gallery.
    """

    def __init__(self, folder, log):
        self.folder, self.embedder, self.dimension, self.revisions = folder, log["embedder"], log["dimension"], log["revisions"]
        self._tables, self._vectors = {}, {}
        for revision in self.revisions:
            if revision["action"] == "enrol":
                self._load(revision)
        self._replay()

    def __len__(self):
        return len(self._specimens)

    @property
    def images(self):
        """The n names of images."""
        return [specimen.image for specimen in self._specimens.values()]

    @property
    def labels(self):
        """The n labels."""
        return [specimen.label for specimen in self._specimens.values()]

    @property
    def groups(self):
        """The n groups."""
        return [specimen.group for specimen in self._specimens.values()]

    @property
    def sha256s(self):
        """The n SHA-256 of the images' files."""
        return [specimen.sha256 for specimen in self._specimens.values()]

    @property
    def classes(self):
        """The number of images of each class, {label: number}, sorted by label."""
        return dict(sorted(Counter(self.labels).items()))

    @property
    def taxa(self):
        """The genus and family of each class of which one is known: {label: {rank: name}}."""
        return dict(sorted(self._taxa.items()))

    @property
    def undone(self):
        """The numbers of the revisions that were undone."""
        return {revision["undone"] for revision in self.revisions if revision["action"] == "undo"}

    def embeddings(self):
        """Return the embeddings, n x d float32 of length 1, read-only where they are the file itself."""
        used = {specimen.revision for specimen in self._specimens.values()}
        if len(used) == 1 and len(vectors := self._vectors[used.pop()]) == len(self):
            return vectors
        return self._gather(np.arange(len(self)))

    def check(self, embedder, embeddings):
        """Raise InputError unless the embeddings, n x d, are of this gallery's model: its id and its dimension."""
        if embedder != self.embedder:
            raise InputError(f"{self.folder}: refuses embeddings of another model: holds those of '{self.embedder}', "
                             f"was given those of '{embedder}'.")
        if np.ndim(embeddings) != 2 or np.shape(embeddings)[1] != self.dimension:
            raise InputError(f"{self.folder}: was given embeddings of shape {np.shape(embeddings)}; wanted n x {self.dimension}.")

    def verify(self):
        """Return the number of files whose bytes are those once written. Raises InputError where one is not."""
        files = {name: facts for revision in self.revisions for name, facts in revision.get("files", {}).items()}
        for name, facts in files.items():
            found = _sha256(self.folder / name)
            if found != facts["sha256"]:
                raise InputError(f"{self.folder / name}: has SHA-256 {found[:12]}; wanted {facts['sha256'][:12]}, as when it was written.")
        return len(files)

    def enrol(self, embeddings, records, embedder, by, at, source):
        """Add specimens, dicts of image, label, group, sha256 and maybe genus and family, with their n x d embeddings of any length but 0.

        Returns {"enrolled", "skipped"}: an image that is there under the same label is skipped. Raises InputError for embeddings of another model, for
        an image with two labels, a class of two genera or families, and a genus of two families, here or in the gallery.
        """
        self.check(embedder, embeddings)
        if len(embeddings) != len(records):
            raise InputError(f"{source}: has {len(records)} images and {len(embeddings)} embeddings; wanted one for each.")
        kept, specimens = self._fresh(records, source)
        counts = {"enrolled": len(kept), "skipped": len(records) - len(kept)}
        taxa = taxonomy.of([{**record, "label": self._plain(record["label"])} for record in records], source)
        told = taxonomy.joined(self._taxa, taxa, source)
        if kept or told != self._taxa:
            vectors = unit(np.asarray(embeddings)[kept], source)
            files = {"specimens": lambda handle: handle.write(_table(specimens)),
                     "embeddings": lambda handle: np.save(handle, vectors, allow_pickle=False)}
            facts = {"specimens": len(kept), "skipped": counts["skipped"], "source": plain_text(source), **({"taxa": taxa} if taxa else {})}
            self._load(self._commit("enrol", by, at, facts, files))
            self._apply(self.revisions[-1])
        return counts

    def remove(self, by, at, images=(), label=None):
        """Remove images by their names, or the class with a label. Returns the revision."""
        images, label = sorted({plain_text(image) for image in images}), None if label is None else self._known(label)
        absent = sorted(set(images) - set(self.images))
        if absent or not (images or label):
            raise InputError(f"{self.folder}: has no image {absent[0] if absent else 'without a name'}; wanted one that is in the gallery.")
        return self._change("remove", by, at, {"label": label, "images": images})

    def rename(self, old, new, by, at):
        """Give a class a label that no class has. Returns the revision."""
        old, new = self._known(old), self._plain(new)
        if new in self.classes:
            raise InputError(f"{self.folder}: has a class '{new}' already; wanted a label that is free, or to merge the two.")
        return self._change("rename", by, at, {"old": old, "new": new})

    def merge(self, labels, into, by, at):
        """Make one class of several, under a label that may be one of theirs, another class's or new. Returns the revision.

        The genus and family are those of the class that has the label, or else of the merged ones. Raises InputError where these differ.
        """
        labels, into = sorted({self._known(label) for label in labels}), self._plain(into)
        if not set(labels) - {into}:
            raise InputError(f"{self.folder}: was asked to merge '{into}' into itself; wanted other classes.")
        if into not in self._taxa:
            joined = {label: named for label, named in self._taxa.items() if label not in labels}
            for label in labels:
                joined = taxonomy.joined(joined, {into: self._taxa.get(label, {})}, self.folder)
        return self._change("merge", by, at, {"labels": labels, "into": into})

    def undo(self, by, at):
        """Take back the last revision that still counts. Returns that revision."""
        if not self._counting():
            raise InputError(f"{self.folder}: has no revision to undo; wanted one that is not undone.")
        last = self._counting()[-1]
        self._commit("undo", by, at, {"undone": last["number"]})
        self._replay()
        return last

    def search(self, queries, k):
        """Return the k nearest rows of each query (m x d, any length but 0): see exact_search.search. k is cut to n."""
        self.check(self.embedder, queries)
        return exact_search.search(self._gather, len(self), unit(queries, "queries"), k)

    def _gather(self, rows):
        """Return the embeddings of rows, given in rising order, as an array of its own."""
        if self._places is None:
            self._places = np.array([(specimen.revision, specimen.row) for specimen in self._specimens.values()], np.int64).reshape(-1, 2)
        revision, place = self._places[rows].T
        starts = np.flatnonzero(np.diff(revision, prepend=-1))
        vectors, ends = np.empty((len(rows), self.dimension), np.float32), [*starts[1:], len(rows)]
        for start, end in zip(starts, ends):
            np.take(self._vectors[revision[start]], place[start:end], axis=0, out=vectors[start:end], mode="clip")
        return vectors

    def _load(self, revision):
        """Read an enrolment's table and map its embeddings. Raises InputError where they are not as the log says."""
        number, n = revision["number"], revision["specimens"]
        table, array = (self.folder / name for name in _names(number).values())
        for path in (table, array):
            _check_size(path, revision["files"][path.name]["size"])
        self._tables[number] = [Specimen(*cells, number, row) for row, cells in enumerate(_read_table(table, n))]
        try:
            vectors = np.load(array, mmap_mode="r", allow_pickle=False)
        except ValueError as error:
            raise InputError(f"{array}: is no array of embeddings ({error}); wanted {n} x {self.dimension} float32.") from None
        if vectors.shape != (n, self.dimension) or vectors.dtype != np.float32:
            found = " x ".join(map(str, vectors.shape))
            raise InputError(f"{array}: holds {found} {vectors.dtype}; wanted {n} x {self.dimension} float32, as the log says.")
        self._vectors[number] = vectors

    def _counting(self):
        undone = self.undone
        return [revision for revision in self.revisions if revision["action"] != "undo" and revision["number"] not in undone]

    def _replay(self):
        self._specimens, self._taxa = {}, {}
        for revision in self._counting():
            self._apply(revision)
        self._places = None

    def _apply(self, revision):
        """Bring the specimens, {sha256: Specimen}, to a revision."""
        self._places = None
        if revision["action"] == "enrol":
            self._specimens.update((specimen.sha256, specimen) for specimen in self._tables[revision["number"]])
        self._apply_taxa(revision)
        for specimen in self._concerned(revision):
            if revision["action"] == "remove":
                del self._specimens[specimen.sha256]
            else:
                label = revision["new"] if revision["action"] == "rename" else revision["into"]
                self._specimens[specimen.sha256] = specimen._replace(label=label)
        if revision["action"] == "remove":
            left = set(self.labels)
            self._taxa = {label: named for label, named in self._taxa.items() if label in left}

    def _apply_taxa(self, revision):
        """Bring the genus and family of the classes to an enrolment, a renaming or a merging."""
        for label, named in revision.get("taxa", {}).items():
            self._taxa[label] = {**self._taxa.get(label, {}), **named}
        if revision["action"] in ("rename", "merge"):
            into = revision.get("into", revision.get("new"))
            own = self._taxa.pop(into, {})
            merged = {}
            for label in revision.get("labels", [revision.get("old")]):
                merged = {**self._taxa.pop(label, {}), **merged}
            self._taxa.update({into: own or merged} if own or merged else {})

    def _concerned(self, facts):
        """Return the specimens that a removal, a renaming or a merging is about."""
        labels = {facts.get("label"), facts.get("old"), *facts.get("labels", ())} - {None}
        images = set(facts.get("images", ()))
        return [specimen for specimen in self._specimens.values() if labels or images if specimen.label in labels or specimen.image in images]

    def _change(self, action, by, at, facts):
        revision = self._commit(action, by, at, {**facts, "specimens": len(self._concerned(facts))})
        self._apply(revision)
        return revision

    def _commit(self, action, by, at, facts, files=None):
        """Write the files of a revision, then the log with it, and return it: until the log is replaced, the old state stands."""
        path, number = self.folder / "gallery.json", len(self.revisions) + 1
        with path.open("r+b") as held:  # NFS locks only what is open for writing
            fcntl.flock(held, fcntl.LOCK_EX)
            if read_json(path)["revisions"] != self.revisions:
                raise InputError(f"{path}: was changed by someone else meanwhile; wanted to be read again first.")
            stored = {_names(number)[kind]: _store(self.folder / _names(number)[kind], write) for kind, write in (files or {}).items()}
            revision = {"number": number, "action": action, "by": plain_text(by), "at": at, **facts, **({"files": stored} if files else {})}
            revisions = [*self.revisions, revision]
            _write_log(self.folder, {"version": VERSION, "embedder": self.embedder, "dimension": self.dimension, "revisions": revisions})
        self.revisions = revisions
        return revision

    def _fresh(self, records, source):
        """Return (indices, specimens) of the records whose files are not there yet."""
        kept, fresh = [], {}
        for index, record in enumerate(records):
            label, sha256 = self._plain(record["label"]), record["sha256"]
            known = self._specimens.get(sha256) or fresh.get(sha256)
            if known and known.label != label:
                where = "here too" if sha256 in fresh else "in the gallery"
                raise InputError(f"{source}: {record['image']} is labelled '{label}', and the same file is {where}, as {known.image}, "
                                 f"labelled '{known.label}'; wanted one label for a file.")
            if not known:
                kept.append(index)
                fresh[sha256] = Specimen(plain_text(record["image"]), label, plain_text(record["group"]), sha256, plain_text(source), 0, 0)
        return kept, list(fresh.values())

    def _plain(self, label):
        plain = plain_label(label).strip()
        if not plain:
            raise InputError(f"{self.folder}: was given an empty label; wanted the name of a class.")
        return plain

    def _known(self, label):
        label, classes = self._plain(label), self.classes
        if label not in classes:
            near = [f"'{name}'" for name in difflib.get_close_matches(label, classes)]
            raise InputError(f"{self.folder}: has no class '{label}'; wanted one of its {len(classes)} classes"
                             f"{', such as ' if near else ''}{', '.join(near)}.")
        return label


def unit(vectors, source):
    """Return vectors (n x d) at length 1, float32, each whatever the others. Raises InputError for one of no direction."""
    vectors = np.asarray(vectors)
    result = np.empty(vectors.shape, np.float32)
    for start in range(0, len(vectors), 4096):
        some = vectors[start:start + 4096].astype(np.float64)
        lengths = np.sqrt(np.square(some).sum(1, keepdims=True))
        wrong = np.flatnonzero(~(np.isfinite(lengths) & (lengths > 0)))
        if len(wrong):
            raise InputError(f"{source}: embedding {start + wrong[0] + 1} of {len(vectors)} has length {lengths[wrong[0], 0]}; "
                             "wanted finite numbers that are not all 0.")
        result[start:start + 4096] = some / lengths
    return result


def _names(number):
    return {"specimens": f"specimens_{number:04}.csv", "embeddings": f"embeddings_{number:04}.npy"}


def _check_log(path, log):
    wanted = "wanted the log that entoflow wrote"
    missing = [key for key in ("version", "embedder", "dimension", "revisions") if not isinstance(log, dict) or key not in log]
    if missing:
        raise InputError(f"{path}: has no {', '.join(missing)}; {wanted}.")
    if log["version"] != VERSION:
        raise InputError(f"{path}: has format version {log['version']}; wanted {VERSION} (a newer entoflow may read it).")
    for number, revision in enumerate(log["revisions"], 1):
        absent = [key for key in ("number", "by", "at", "action", *FACTS.get(revision.get("action"), ())) if key not in revision]
        if absent:
            raise InputError(f"{path}: revision {number} has no {', '.join(absent)}; {wanted}.")
        if revision["number"] != number or revision["action"] not in FACTS:
            raise InputError(f"{path}: revision {number} is number {revision['number']} of action '{revision['action']}'; {wanted}.")
        if revision["action"] == "enrol" and sorted(revision["files"]) != sorted(_names(number).values()):
            raise InputError(f"{path}: revision {number} lists the files {', '.join(revision['files'])}; {wanted}.")


def _check_size(path, size):
    if not path.is_file():
        raise InputError(f"{path}: is absent; wanted a file of {size} bytes, as the log says.")
    if path.stat().st_size != size:
        raise InputError(f"{path}: has {path.stat().st_size} bytes; wanted {size}, as the log says.")


def _read_table(path, n):
    wanted = f"wanted {n} rows of {', '.join(COLUMNS)}"
    try:
        with path.open(newline="", encoding="utf-8") as file:
            header, *rows = csv.reader(file, strict=True)
    except (ValueError, csv.Error) as error:  # ValueError: not UTF-8, or empty
        raise InputError(f"{path}: is no table of specimens ({error}); {wanted}.") from None
    if tuple(header) != COLUMNS or len(rows) != n or any(len(cells) != len(COLUMNS) for cells in rows):
        raise InputError(f"{path}: has {len(rows)} rows of {', '.join(header)}; {wanted}, as the log says.")
    return rows


def _table(specimens):
    text = io.StringIO(newline="")
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    rows.writerows(specimen[:len(COLUMNS)] for specimen in specimens)
    return text.getvalue().encode()


def _write_log(folder, log):
    unfinished = folder / "gallery.unfinished"
    _store(unfinished, lambda handle: handle.write((json.dumps(log, indent=1, ensure_ascii=False) + "\n").encode()))
    unfinished.replace(folder / "gallery.json")


def _store(path, write):
    """Write a file by write(handle), on disk when this returns, and return its size and SHA-256."""
    with path.open("wb") as handle:
        write(handle)
        handle.flush()
        os.fsync(handle.fileno())
    return {"size": path.stat().st_size, "sha256": _sha256(path)}


def _sha256(path):
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(2 ** 20):
            digest.update(piece)
    return digest.hexdigest()
