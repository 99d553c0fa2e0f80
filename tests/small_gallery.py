"""A gallery of three hand-placed vectors, and images to be named by it."""

import hashlib
from dataclasses import replace

import numpy as np
from safetensors.numpy import save_file

from entoflow import dataset, model_folder
from entoflow.dataset import Dataset, Image
from entoflow.identification import embedder_facts, embeddings, gallery
from entoflow.model_folder import ModelFacts

# P(known) is 1 / (1 + exp(-20 (cosine to the nearest - 0.7))): known from 0.7, reject below 0.6.
CALIBRATION = {
    "head": "nearest",
    "temperature": 0.1,
    "conformal": 0.8,
    "n_known": 10,
    "known_temperature": 0.1,
    "known": {"weights": [20, 0, 0, 0], "offset": -14},
    "reject_below": 1 / (1 + np.exp(2)),
    "n_unknown": 10,
}
GALLERY = {"ant": [1, 0, 0], "bee": [0, 1, 0], "wasp": [0, 0.6, 0.8]}
CLUSTERING = {
    "method": "agglomerative",
    "distance": 0.2,
    "cluster_ami": 0.8,
    "n_classes": 10,
    "same": {"weight": 0.0, "offset": 2.0},
}
FACTS = ModelFacts(
    name="embedder",
    kind="embedder",
    classes=[],
    input={
        "backend": "timm",
        "backbone": "test_resnet",
        "image_size": 32,
        "mean": [0.5] * 3,
        "std": [0.5] * 3,
    },
    threshold=0.5,
    metrics={},
    metrics_of="validation",
    licence="none",
    data={},
    parameters={},
    seed=1,
)


def direction(*values):
    """Return a vector of length 1."""
    return (np.array(values) / np.linalg.norm(values)).tolist()


def lay_out(folder):
    """Write a gallery with its embedder, and return its folder."""
    write_embedder(folder / "embedder", 1)
    facts = model_folder.read(folder / "embedder")
    opened = gallery.create(folder, embedder_facts.identity(facts), 3)
    images = [
        Image(
            id=0,
            file_name=f"{label}.jpg",
            label=label,
            group=label,
            sha256=hashlib.sha256(label.encode()).hexdigest(),
        )
        for label in GALLERY
    ]
    vectors = np.array(list(GALLERY.values()), np.float32)
    at = "2026-11-05T10:00:00+00:00"
    opened.enrol(vectors, images, opened.embedder, "ada", at, "labels.csv")
    return folder


def write_embedder(folder, weight):
    """Write the model folder of an embedder whose weights are one number."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({"weight": np.array([weight], np.float32)}, folder / "weights.safetensors")
    more = {"vectors": "frozen", "calibration": CALIBRATION, "clustering": CLUSTERING}
    model_folder.write(folder, replace(FACTS, more=more))


def ask(folder, vectors, name="frozen"):
    """Write {image: vector} as two data sets and their embeddings; return the options for them."""
    images = [
        Image(id=7 + n, file_name=image, group=image, sha256=f"{n:064x}")
        for n, image in enumerate(vectors)
    ]
    for half in (0, 1):
        content = Dataset(images=images[half::2], role="unlabelled")
        dataset.write(folder / f"{half}.json", content)
    rows = np.empty((0, 3), np.float32)
    if vectors:
        rows = np.array(list(vectors.values()), np.float32)
    embeddings.write(folder / "e.npz", [image.id for image in images], {name: rows})
    paths = [f"{folder}/{half}.json" for half in (0, 1)]
    return ["--datasets", *paths, f"--embeddings={folder}/e.npz"]
