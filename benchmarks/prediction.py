"""Prediction speed: predict_boxes.py against ultralytics' `yolo predict` with the same weights on the same photos, each a whole process.

Both start Python and torch, read the photos, and keep all boxes from score 0.001: `yolo predict` from a folder into text files, ours from a
pack into an array. A rate is that of the photos after start-up: the time for all, less the time for one. What they find is compared: the share
of the boxes from score 0.25 that the other has too, at an overlap of 0.9. The detector learned from some of the drawn photos for a few epochs.
"""

import statistics
import sys
from pathlib import Path

from measuring import Row, run, script, span
from training import prepare

LEAST_SCORE, LEAST_OVERLAP = 0.25, 0.9
AS_CHECKPOINT = """import torch
from safetensors.torch import load_file
from ultralytics.nn.tasks import DetectionModel
model = DetectionModel("yolo11n.yaml", nc=1, verbose=False)
model.load_state_dict(load_file("model/weights.safetensors"))
torch.save({"model": model, "train_args": {}}, "model.pt")
"""


def ask(folder, full):
    folder = folder / "prediction"
    n_images, pixels, repetitions = (240, 640, 3) if full else (8, 128, 1)
    prepare(folder, n_images, pixels)
    (pack,) = folder.glob("*.zip")
    script(
        "train_detector",
        folder,
        dataset=folder / "insect",
        packs=pack,
        name="insect_detector",
        class_name="insect",
        image_size=pixels // 2,
        batch_size=8,
        max_epochs=15 if full else 1,
        model="model",
        training="training.csv",
    )
    photos = lay_out(pack, folder)
    as_checkpoint(folder)
    found = {"ours": [], "theirs": []}
    for _ in range(repetitions):
        for name, predict in (("ours", ours), ("theirs", theirs)):
            found[name].append(
                (photos["all"] - 1)
                / (predict(folder, "all", pixels) - predict(folder, "one", pixels))
            )
    ratio = statistics.median(found["ours"]) / statistics.median(found["theirs"])
    shares, n = agreement(folder, pack)
    yield Row(
        f"prediction, images/s ({photos['all']} photos of {pixels} pixels, YOLO11n, {repetitions} runs each in turn)",
        span(found["ours"]),
        f"{span(found['theirs'])} (`yolo predict`)",
        f"{ratio:.2f}",
        ">= 1.5",
        ratio >= 1.5,
    )
    yield Row(
        f"the same: boxes from score {LEAST_SCORE} that the other has too (IoU {LEAST_OVERLAP})",
        f"{shares[0]:.4f} of {n[0]}",
        f"{shares[1]:.4f} of {n[1]}",
        "",
        ">= 0.99",
        min(shares) >= 0.99,
    )


def lay_out(pack, folder):
    """Write the pack's photos as files, all in one folder and the first in another; return {folder: their number}."""
    from entoflow import images

    reader = images.Pack([pack])
    for name, wanted in (("all", reader.ids()), ("one", reader.ids()[:1])):
        (folder / name).mkdir()
        for number in wanted:
            reader.extract(number, folder / name)
        (folder / f"{name}.txt").write_text("\n".join(map(str, wanted)))
    return {"all": len(reader.ids()), "one": 1}


def as_checkpoint(folder):
    """Write the model as ultralytics' own command reads it, in another process: once imported, ultralytics leaves all that follow one thread."""
    run([sys.executable, "-c", AS_CHECKPOINT], folder)


def ours(folder, name, pixels):
    """Return the seconds of predict_boxes.py; the model learned at half the size."""
    return script(
        "predict_boxes",
        folder,
        model="model",
        packs=folder / "boxes_0001.zip",
        images=f"{name}.txt",
        views=2,
        predictions=f"{name}.npz",
    ).seconds


def theirs(folder, name, pixels):
    """Return the seconds of `yolo predict`."""
    return run(
        [
            Path(sys.executable).parent / "yolo",
            "detect",
            "predict",
            "model=model.pt",
            f"source={name}",
            f"imgsz={pixels}",
            "conf=0.001",
            "device=cpu",
            "save=False",
            "save_txt=True",
            "save_conf=True",
            f"project={folder}",
            f"name=found_{name}",
            "exist_ok=True",
            "verbose=False",
        ],
        folder,
    ).seconds


def agreement(folder, pack):
    """Return the shares of boxes from LEAST_SCORE up that the other side has too, and their numbers: ours, theirs."""
    import numpy as np

    from entoflow import images
    from entoflow.boxes import iou
    from entoflow.detection import predictions

    reader = images.Pack([pack])
    names = {images.image_id(path.name): path.stem for path in (folder / "all").iterdir()}
    shared, n = np.zeros(2, int), np.zeros(2, int)
    for ours in predictions.read([folder / "all.npz"]):
        path = folder / f"found_all/labels/{names[ours.image_id]}.txt"
        boxes, scores = written(path, reader.read(ours.image_id).shape)
        overlap = iou(ours.xyxy, boxes)
        for side, table, scores_of_side in ((0, overlap, ours.scores), (1, overlap.T, scores)):
            sure = scores_of_side >= LEAST_SCORE
            n[side] += sure.sum()
            shared[side] += (table[sure].max(axis=1, initial=0) >= LEAST_OVERLAP).sum()
    return shared / np.maximum(n, 1), n


def written(path, shape):
    """Return (boxes in pixels, scores) of a text file of `yolo predict`: class, centre and size in shares of the image, score."""
    import numpy as np

    rows = np.loadtxt(path, ndmin=2) if path.exists() and path.stat().st_size else np.empty((0, 6))
    size = np.array([shape[1], shape[0]])
    return np.hstack(
        [(rows[:, 1:3] - rows[:, 3:5] / 2) * size, (rows[:, 1:3] + rows[:, 3:5] / 2) * size]
    ), rows[:, 5]
