"""A gallery of three hand-placed vectors, and images to ask it about."""
import hashlib
import json

import numpy as np
from safetensors.numpy import save_file

from entoflow import coco, model_folder
from entoflow.identification import embedder_facts, embeddings, gallery

# P(known) is 1 / (1 + exp(-20 (likeness to the nearest - 0.7))): known from 0.7, reject below 0.6.
CALIBRATION = {"head": "nearest", "temperature": 0.1, "known": {"weights": [20, 0, 0, 0], "offset": -14}, "reject_below": 1 / (1 + np.exp(2)), "conformal": 0.8}
GALLERY = {"ant": [1, 0, 0], "bee": [0, 1, 0], "wasp": [0, 0.6, 0.8]}


CLUSTERING = {"method": "agglomerative", "distance": 0.2, "cluster_ami": 0.8, "n_classes": 10, "same": {"weight": 0.0, "offset": 2.0}}


def direction(*values):
    return (np.array(values) / np.linalg.norm(values)).tolist()


def lay_out(folder):
    """Write a gallery with its embedder beside it, and return its folder."""
    write_embedder(folder / "embedder", 1)
    held = gallery.create(folder, embedder_facts.identity(json.loads((folder / "embedder/model.json").read_text())), 3)
    records = [{"image": f"{label}.jpg", "label": label, "group": label, "sha256": hashlib.sha256(label.encode()).hexdigest()} for label in GALLERY]
    held.enrol(np.array(list(GALLERY.values()), np.float32), records, held.embedder, "ada", "2026-11-05T10:00:00+00:00", "labels.csv")
    return folder


def write_embedder(folder, weight):
    folder.mkdir(parents=True, exist_ok=True)
    save_file({"weight": np.array([weight], np.float32)}, folder / "weights.safetensors")
    model_folder.write(folder, {"name": "embedder", "kind": "embedder", "classes": [], "threshold": 0.5, "metrics": {}, "metrics_of": "validation",
                         "vectors": "frozen", "calibration": CALIBRATION, "clustering": CLUSTERING,
                         "input": {"backend": "timm", "backbone": "test_resnet", "image_size": 32, "mean": [0.5] * 3, "std": [0.5] * 3}},
                {"data": {}, "parameters": {}, "seed": 1}, "none")


def ask(folder, vectors, name="frozen"):
    """Write {image: vector} as two data sets and their embeddings; return the arguments that name them."""
    images = [{"id": 7 + n, "file_name": image, "label": None, "group": image, "sha256": f"{n:064x}"} for n, image in enumerate(vectors)]
    for half in (0, 1):
        coco.write(folder / f"{half}.json", {"info": {"role": "unlabelled"}, "images": images[half::2], "annotations": [], "categories": []})
    found = np.array(list(vectors.values()), np.float32).reshape(len(vectors), -1) if vectors else np.empty((0, 3), np.float32)
    embeddings.write(folder / "e.npz", [image["id"] for image in images], {name: found})
    return ["--datasets", f"{folder}/0.json", f"{folder}/1.json", f"--embeddings={folder}/e.npz"]
