"""Embedding speed: embed_images.py against a plain loop over timm with the same weights.

On the same photos, each a whole process. The loop is what timm's own documentation shows: open each
file, a transform of timm's, batches of 32, the network, vectors of length 1. A rate is that of the
photos after start-up: the time for all, less the time for one. Both read alike and resize a little
differently: how close their vectors are is a column of the row.
"""

import statistics
import sys
from pathlib import Path

import numpy as np

from measuring import ROOT, Row, run, script, span

LOOP = """import sys
from pathlib import Path
import numpy as np
import timm
import torch
from PIL import Image
from safetensors.torch import load_file

folder, out = sys.argv[1:]
model = timm.create_model("{backbone}", pretrained=False, num_classes=0).eval()
model.load_state_dict(load_file("models/frozen/weights.safetensors"))
transform = timm.data.create_transform(
    (3, {size}, {size}), crop_pct=1.0, mean=(0.5,) * 3, std=(0.5,) * 3
)
paths = sorted(Path(folder).iterdir())
vectors = []
with torch.inference_mode():
    for start in range(0, len(paths), 32):
        photos = [Image.open(path).convert("RGB") for path in paths[start:start + 32]]
        batch = torch.stack([transform(photo) for photo in photos])
        vectors.append(torch.nn.functional.normalize(model(batch)))
np.save(out, torch.cat(vectors).numpy())
"""


def ask(folder, full):
    folder = folder / "embedding"
    folder.mkdir()
    n, pixels, size, backbone, repetitions = (6, 96, 32, "test_resnet", 1)
    if full:
        n, pixels, size, backbone, repetitions = (400, 320, 224, "resnet18", 3)
    lay_out(folder, n, pixels, size, backbone)
    rates = {"ours": [], "theirs": []}
    for _ in range(repetitions):
        for name, embed in (("ours", ours), ("theirs", theirs)):
            seconds = embed(folder, "all") - embed(folder, "one")
            rates[name].append((n - 1) / seconds)
    ratio = statistics.median(rates["ours"]) / statistics.median(rates["theirs"])
    yield Row(
        f"embedding, images/s ({n} photos of {pixels} pixels, {backbone} at {size}, "
        f"{repetitions} runs each in turn; median cosine of the two's vectors "
        f"{closeness(folder):.4f})",
        span(rates["ours"]),
        f"{span(rates['theirs'])} (a loop over timm)",
        f"{ratio:.2f}",
        ">= 1.0",
        ratio >= 1,
    )


def lay_out(folder, n, pixels, size, backbone):
    """Draw the photos, pack all and the first, lay them out as files, and make the embedder."""
    sys.path.insert(0, str(ROOT / "bin"))
    from entoflow import dataset
    from entoflow.dataset import Dataset, Image

    options = {"demo_boxes": 1, "demo_labelled": 1, "demo_test": n, "demo_size": pixels}
    script("make_demo", folder, folder="demo", **options)
    drawn = sorted((folder / "demo/test").glob("*.jpg"))
    pack(folder, "all", drawn)
    pack(folder, "one", drawn[:1])
    specimen = Image(id=1, file_name="any", label="any", group="any", part="train")
    dataset.write(folder / "specimens.json", Dataset([specimen]))
    script(
        "train_embedder",
        folder,
        specimens="specimens.json",
        packs="one.zip",
        backbone=backbone,
        embedder_size=size,
        max_epochs=0,
        models="models",
        training="training.csv",
    )
    (folder / "loop.py").write_text(LOOP.format(backbone=backbone, size=size))


def pack(folder, name, paths):
    """Write a pack of photos, and a folder of them named as in the pack."""
    from entoflow import images

    (folder / name).mkdir()
    members = []
    for path in paths:
        facts = images.describe(path)
        copy = folder / name / images.member_name(facts.sha256, facts.suffix)
        copy.write_bytes(path.read_bytes())
        members.append((copy, facts.sha256, ".jpg"))
    images.write_pack(folder / f"{name}.zip", sorted(members))


def ours(folder, name):
    done = script(
        "embed_images",
        folder,
        models="models/frozen",
        packs=f"{name}.zip",
        embeddings=f"{name}.npz",
    )
    return done.seconds


def theirs(folder, name):
    return run([sys.executable, "loop.py", name, f"{name}.npy"], folder).seconds


def closeness(folder):
    """Return the median cosine of the two's vectors, photo by photo.

    It is that of vectors less their mean: those of a random network are all alike.
    """
    from entoflow import images

    with np.load(folder / "all.npz") as file:
        vector_of = dict(zip(file["image_id"].tolist(), file["frozen"]))
    files = sorted((folder / "all").iterdir())
    a = np.stack([vector_of[images.image_id(Path(path).name)] for path in files])
    b = np.load(folder / "all.npy")
    a = a - a.mean(axis=0)
    b = b - b.mean(axis=0)
    cosines = (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    return float(np.median(cosines))
