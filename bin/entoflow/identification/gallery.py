"""The gallery: embeddings of labelled specimens by which images are identified, and its history.

What the gallery holds is its log replayed, without the revisions that were undone; how it lies on
disk is in gallery_files.py.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from entoflow import files, taxonomy
from entoflow.dataset import Image
from entoflow.identification import gallery_files
from entoflow.identification.gallery_files import Change, Enrolment, Log, Revision, Specimen
from entoflow.tables import plain_label, plain_text
from entoflow.task import InputError
from entoflow.taxonomy import Taxa

NORMALISED_AT_ONCE = 4096


@dataclass(frozen=True)
class EnrolmentCounts:
    """What became of the images that were to be enrolled."""

    enrolled: int
    skipped: int  # that were there already, under the same label


def create(folder: Path, embedder: str, dimension: int) -> Gallery:
    """Return a new, empty gallery for embeddings of a model (its id) with that many numbers each.

    Raises InputError if there is one.
    """
    folder = Path(folder)
    if (folder / gallery_files.LOG).exists():
        raise InputError(
            f"{folder}: is a gallery already; wanted a new folder, or to enrol into this one."
        )
    folder.mkdir(parents=True, exist_ok=True)
    gallery_files.write_log(folder, Log(embedder, int(dimension), []))
    return read(folder)


def read(folder: Path) -> Gallery:
    """Return the gallery in a folder.

    Raises InputError where a file is absent, broken, or not as the log says.
    """
    folder = Path(folder)
    return Gallery(folder, gallery_files.read_log(folder))


class Gallery:
    """What `read` and `create` return. Rows are the present specimens, in order of enrolment.

    Every change is on disk when its method returns: by and at, who and when (ISO time), go into the
    log. A change is refused with an InputError, and a crash undone, without a trace in the gallery.
    """

    def __init__(self, folder: Path, log: Log) -> None:
        self.folder = folder
        self._log = log
        self._tables: dict[int, list[Specimen]] = {}  # by the number of the enrolment
        self._vectors: dict[int, np.ndarray] = {}  # (n, d) by the number of the enrolment
        self._specimens: dict[str, Specimen] = {}  # by SHA-256
        self._taxa: dict[str, dict[str, str]] = {}
        self._places: np.ndarray | None = None  # (n, 2) revision and row of each specimen
        for revision in log.revisions:
            if isinstance(revision.change, Enrolment):
                self._load(revision.number, revision.change)
        self._replay()

    def __len__(self) -> int:
        return len(self._specimens)

    @property
    def embedder(self) -> str:
        """The id of the model that made the embeddings."""
        return self._log.embedder

    @property
    def dimension(self) -> int:
        """The numbers of an embedding."""
        return self._log.dimension

    @property
    def revisions(self) -> list[Revision]:
        """The history, the first revision first."""
        return self._log.revisions

    @property
    def images(self) -> list[str]:
        """The n names of images."""
        return [specimen.image for specimen in self._specimens.values()]

    @property
    def labels(self) -> list[str]:
        """The n labels."""
        return [specimen.label for specimen in self._specimens.values()]

    @property
    def groups(self) -> list[str]:
        """The n groups."""
        return [specimen.group for specimen in self._specimens.values()]

    @property
    def sha256s(self) -> list[str]:
        """The n SHA-256 of the images' files."""
        return [specimen.sha256 for specimen in self._specimens.values()]

    @property
    def classes(self) -> dict[str, int]:
        """The number of images of each class, {label: number}, sorted by label."""
        return dict(sorted(Counter(self.labels).items()))

    @property
    def taxa(self) -> Taxa:
        """The genus and family of each class of which one is known."""
        return dict(sorted(self._taxa.items()))

    @property
    def undone(self) -> set[int]:
        """The numbers of the revisions that were undone."""
        changes = [revision.change for revision in self.revisions]
        return {change.undone for change in changes if isinstance(change, gallery_files.Undo)}

    def embeddings(self) -> np.ndarray:
        """Return the embeddings, (n, d) float32 of length 1, read-only where they are the file."""
        enrolments = {specimen.revision for specimen in self._specimens.values()}
        if len(enrolments) == 1:
            vectors = self._vectors[enrolments.pop()]
            if len(vectors) == len(self):
                return vectors
        return self.gather(np.arange(len(self)))

    def gather(self, rows: np.ndarray) -> np.ndarray:
        """Return the embeddings of rows (k,), in rising order, as a new array (k, d)."""
        if self._places is None:
            places = [(specimen.revision, specimen.row) for specimen in self._specimens.values()]
            self._places = np.array(places, np.int64).reshape(-1, 2)
        revision, place = self._places[rows].T
        starts = np.flatnonzero(np.diff(revision, prepend=-1))
        ends = [*starts[1:], len(rows)]
        vectors = np.empty((len(rows), self.dimension), np.float32)
        for start, end in zip(starts, ends):
            source = self._vectors[revision[start]]
            np.take(source, place[start:end], axis=0, out=vectors[start:end], mode="clip")
        return vectors

    def check(self, embedder: str, embeddings: np.ndarray) -> None:
        """Raise InputError unless embeddings (n, d) are of this gallery's model: its id, its d."""
        if embedder != self.embedder:
            raise InputError(
                f"{self.folder}: refuses embeddings of another model: holds those of "
                f"'{self.embedder}', was given those of '{embedder}'."
            )
        if np.ndim(embeddings) != 2 or np.shape(embeddings)[1] != self.dimension:
            raise InputError(
                f"{self.folder}: was given embeddings of shape {np.shape(embeddings)}; "
                f"wanted n x {self.dimension}."
            )

    def verify(self) -> int:
        """Return the number of files whose bytes are those once written.

        Raises InputError where one is not.
        """
        n_files = 0
        for revision in self.revisions:
            if not isinstance(revision.change, Enrolment):
                continue
            for name, stored in revision.change.files.items():
                sha256 = files.sha256(self.folder / name)
                if sha256 != stored.sha256:
                    raise InputError(
                        f"{self.folder / name}: has SHA-256 {sha256[:12]}; "
                        f"wanted {stored.sha256[:12]}, as when it was written."
                    )
                n_files += 1
        return n_files

    def enrol(
        self,
        embeddings: np.ndarray,
        images: Sequence[Image],
        embedder: str,
        by: str,
        at: str,
        source: str,
    ) -> EnrolmentCounts:
        """Add specimens with their embeddings (n, d), of any length but 0.

        An image that is there under the same label is skipped. Raises InputError for embeddings of
        another model, for an image with two labels, a class of two genera or families, and a genus
        of two families, here or in the gallery.
        """
        self.check(embedder, embeddings)
        if len(embeddings) != len(images):
            raise InputError(
                f"{source}: has {len(images)} images and {len(embeddings)} embeddings; "
                "wanted one for each."
            )
        rows, specimens = self._new_specimens(images, source)
        taxa = self._taxa_of(images, source)
        n_skipped = len(images) - len(rows)
        joined = taxonomy.join(self._taxa, taxa, source)
        if rows or joined != self._taxa:
            vectors = unit(np.asarray(embeddings)[rows], source)
            with self._locked():
                number = len(self.revisions) + 1
                stored = gallery_files.write_enrolment(self.folder, number, specimens, vectors)
                enrolment = Enrolment(len(rows), n_skipped, plain_text(source), taxa, stored)
                revision = self._append(enrolment, by, at)
            self._load(number, enrolment)
            self._apply(revision)
        return EnrolmentCounts(len(rows), n_skipped)

    def remove(
        self, by: str, at: str, images: Iterable[str] = (), label: str | None = None
    ) -> Revision:
        """Remove images by their names, or the class with a label."""
        names = sorted({plain_text(image) for image in images})
        absent = sorted(set(names) - set(self.images))
        known_label = None if label is None else self._known_label(label)
        if absent or not (names or known_label):
            raise InputError(
                f"{self.folder}: has no image {absent[0] if absent else 'without a name'}; "
                "wanted one that is in the gallery."
            )
        labels = [] if known_label is None else [known_label]
        return self._change(
            gallery_files.Removal(known_label, names, len(self._members(labels, names))), by, at
        )

    def rename(self, old: str, new: str, by: str, at: str) -> Revision:
        """Give a class a label that no class has."""
        old = self._known_label(old)
        new = self._plain_label(new)
        if new in self.classes:
            raise InputError(
                f"{self.folder}: has a class '{new}' already; "
                "wanted a label that is free, or to merge the two."
            )
        return self._change(gallery_files.Renaming(old, new, len(self._members([old]))), by, at)

    def merge(self, labels: Iterable[str], into: str, by: str, at: str) -> Revision:
        """Make one class of several, under a label of one of them, of another class or a new one.

        The genus and family are those of the class that has the label, or else of the merged ones.
        Raises InputError where these differ.
        """
        merged = sorted({self._known_label(label) for label in labels})
        into = self._plain_label(into)
        if not set(merged) - {into}:
            raise InputError(
                f"{self.folder}: was asked to merge '{into}' into itself; wanted other classes."
            )
        if into not in self._taxa:
            self._check_merged_taxa(merged, into)
        return self._change(gallery_files.Merging(merged, into, len(self._members(merged))), by, at)

    def undo(self, by: str, at: str) -> Revision:
        """Take back the last revision that still counts, and return that revision."""
        counting = self._counting()
        if not counting:
            raise InputError(
                f"{self.folder}: has no revision to undo; wanted one that is not undone."
            )
        with self._locked():
            self._append(gallery_files.Undo(counting[-1].number), by, at)
        self._replay()
        return counting[-1]

    def _load(self, number: int, enrolment: Enrolment) -> None:
        """Read an enrolment's table and map its embeddings."""
        self._tables[number] = gallery_files.read_specimens(self.folder, number, enrolment)
        self._vectors[number] = gallery_files.read_embeddings(
            self.folder, number, enrolment, self.dimension
        )

    def _counting(self) -> list[Revision]:
        """Return the revisions that were not undone."""
        undone = self.undone
        changes = [
            each for each in self.revisions if not isinstance(each.change, gallery_files.Undo)
        ]
        return [revision for revision in changes if revision.number not in undone]

    def _replay(self) -> None:
        self._specimens = {}
        self._taxa = {}
        self._places = None
        for revision in self._counting():
            self._apply(revision)

    def _apply(self, revision: Revision) -> None:
        """Bring the specimens and taxa to a revision."""
        self._places = None
        change = revision.change
        if isinstance(change, Enrolment):
            for specimen in self._tables[revision.number]:
                self._specimens[specimen.sha256] = specimen
            for label, names in change.taxa.items():
                self._taxa[label] = {**self._taxa.get(label, {}), **names}
        elif isinstance(change, gallery_files.Removal):
            self._apply_removal(change)
        elif isinstance(change, gallery_files.Renaming):
            self._relabel([change.old], change.new)
        elif isinstance(change, gallery_files.Merging):
            self._relabel(change.labels, change.into)

    def _apply_removal(self, removal: gallery_files.Removal) -> None:
        labels = [] if removal.label is None else [removal.label]
        for specimen in self._members(labels, removal.images):
            del self._specimens[specimen.sha256]
        present = set(self.labels)
        self._taxa = {label: names for label, names in self._taxa.items() if label in present}

    def _relabel(self, labels: Sequence[str], into: str) -> None:
        """Give classes another label, and that label their taxa where it has none."""
        names_of_into = self._taxa.pop(into, {})
        merged: dict[str, str] = {}
        for label in labels:
            merged = {**self._taxa.pop(label, {}), **merged}
        if names_of_into or merged:
            self._taxa[into] = names_of_into or merged
        for specimen in self._members(labels):
            self._specimens[specimen.sha256] = replace(specimen, label=into)

    def _members(self, labels: Collection[str], images: Collection[str] = ()) -> list[Specimen]:
        """Return the specimens of classes, and those with certain names of images."""
        label_set = set(labels)
        image_set = set(images)
        return [
            specimen
            for specimen in self._specimens.values()
            if specimen.label in label_set or specimen.image in image_set
        ]

    def _change(self, change: Change, by: str, at: str) -> Revision:
        with self._locked():
            revision = self._append(change, by, at)
        self._apply(revision)
        return revision

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the log's lock. Raises InputError where someone else changed the gallery."""
        with gallery_files.locked(self.folder):
            if gallery_files.read_log(self.folder).revisions != self.revisions:
                raise InputError(
                    f"{self.folder / gallery_files.LOG}: was changed by someone else meanwhile; "
                    "wanted to be read again first."
                )
            yield

    def _append(self, change: Change, by: str, at: str) -> Revision:
        """Write the log with one more revision: until it is replaced, the old state stands."""
        revision = Revision(len(self.revisions) + 1, plain_text(by), at, change)
        log = replace(self._log, revisions=[*self.revisions, revision])
        gallery_files.write_log(self.folder, log)
        self._log = log
        return revision

    def _new_specimens(
        self, images: Sequence[Image], source: str
    ) -> tuple[list[int], list[Specimen]]:
        """Return the rows of the images whose files are not there yet, and their specimens."""
        rows = []
        new: dict[str, Specimen] = {}
        for row, image in enumerate(images):
            label = self._plain_label(image.label or "")
            known = self._specimens.get(image.sha256) or new.get(image.sha256)
            if known and known.label != label:
                where = "here too" if image.sha256 in new else "in the gallery"
                raise InputError(
                    f"{source}: {image.file_name} is labelled '{label}', and the same file is "
                    f"{where}, as {known.image}, labelled '{known.label}'; "
                    "wanted one label for a file."
                )
            if not known:
                rows.append(row)
                new[image.sha256] = Specimen(
                    image=plain_text(image.file_name),
                    label=label,
                    group=plain_text(image.group),
                    sha256=image.sha256,
                    source=plain_text(source),
                    revision=0,
                    row=0,
                )
        return rows, list(new.values())

    def _taxa_of(self, images: Sequence[Image], source: str) -> dict[str, dict[str, str]]:
        plain = [
            replace(image, label=self._plain_label(image.label or ""), source=None)
            for image in images
        ]
        return taxonomy.taxa_of_images(plain, source)

    def _check_merged_taxa(self, labels: Sequence[str], into: str) -> None:
        taxa: Taxa = {label: names for label, names in self._taxa.items() if label not in labels}
        for label in labels:
            taxa = taxonomy.join(taxa, {into: self._taxa.get(label, {})}, self.folder)

    def _plain_label(self, label: str) -> str:
        plain = plain_label(label).strip()
        if not plain:
            raise InputError(
                f"{self.folder}: was given an empty label; wanted the name of a class."
            )
        return plain

    def _known_label(self, label: str) -> str:
        plain = self._plain_label(label)
        classes = self.classes
        if plain not in classes:
            near = [f"'{name}'" for name in difflib.get_close_matches(plain, classes)]
            such_as = f", such as {', '.join(near)}" if near else ""
            raise InputError(
                f"{self.folder}: has no class '{plain}'; "
                f"wanted one of its {len(classes)} classes{such_as}."
            )
        return plain


def unit(vectors: np.ndarray, source: str) -> np.ndarray:
    """Return vectors (n, d) at length 1, float32, each whatever the others.

    Raises InputError for one that has no direction.
    """
    vectors = np.asarray(vectors)
    result = np.empty(vectors.shape, np.float32)
    for start in range(0, len(vectors), NORMALISED_AT_ONCE):
        block = vectors[start : start + NORMALISED_AT_ONCE].astype(np.float64)
        lengths = np.sqrt(np.square(block).sum(1, keepdims=True))
        wrong = np.flatnonzero(~(np.isfinite(lengths) & (lengths > 0)))
        if len(wrong):
            raise InputError(
                f"{source}: embedding {start + wrong[0] + 1} of {len(vectors)} has length "
                f"{lengths[wrong[0], 0]}; wanted finite numbers that are not all 0."
            )
        result[start : start + NORMALISED_AT_ONCE] = block / lengths
    return result
