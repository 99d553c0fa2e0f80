"""Images to be named by a gallery, with their vectors: what the tasks that use a gallery read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from entoflow import dataset, model_folder
from entoflow.dataset import Image
from entoflow.identification import embedder_facts, embeddings, gallery
from entoflow.identification.gallery import Gallery
from entoflow.model_folder import ModelFacts
from entoflow.task import InputError

if TYPE_CHECKING:
    from entoflow.identification.identifier import Calibration, Identifier


@dataclass(frozen=True)
class Queries:
    """Images to be named, and the gallery that names them."""

    images: list[Image]  # m, sorted by name
    vectors: np.ndarray  # (m, d)
    gallery: Gallery
    facts: ModelFacts  # of the gallery's embedder

    def calibration(self) -> Calibration:
        """Return the calibration of the gallery's embedder."""
        from entoflow.identification.identifier import Calibration

        return Calibration.from_json(self.facts.more["calibration"])

    def fit_identifier(self) -> Identifier:
        """Return the identifier of the gallery, with the calibration of its embedder."""
        from entoflow.identification.identifier import Identifier

        vectors = np.asarray(self.gallery.embeddings(), np.float32)
        return Identifier.fit(vectors, self.gallery.labels, self.calibration())


def read_queries(
    dataset_paths: Sequence[Path], embedding_paths: Sequence[Path], folder: Path
) -> Queries:
    """Return the images of data sets, with their vectors and the gallery in a folder.

    Raises InputError where the gallery holds nothing, the vectors are of another embedder than its
    own, or the images were not cropped as its own were.
    """
    facts = model_folder.read(folder / "embedder")
    opened = gallery.read(folder)
    ids, vectors_by_name = embeddings.read(embedding_paths)
    vectors = embeddings.select(vectors_by_name, facts, "embedder", embedding_paths)
    if not len(opened):
        raise InputError(f"{folder}: holds no specimen; wanted a gallery to name by.")
    if vectors.shape[1] != opened.dimension:
        raise InputError(
            f"{folder}: holds vectors of {opened.dimension} dimensions; "
            f"wanted {vectors.shape[1]}, as the embedder makes."
        )
    opened.check(embedder_facts.identity(facts), vectors)
    images: list[Image] = []
    for path in dataset_paths:
        content = dataset.read(path)
        embedder_facts.check_crops(facts, content, path)
        images += content.images
    images.sort(key=lambda image: image.file_name)
    rows = embeddings.rows(ids, [image.id for image in images])
    return Queries(images, vectors[rows], opened, facts)
