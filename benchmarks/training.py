"""Training speed: bin/train_detector.py against ultralytics' `yolo train`, same images, size, batch, epochs and network.

`yolo train` leaves one core idle on a CPU, so it is also run with all of them. A training rate is that of the median
epoch after the first, with its validation and checkpoint; the whole process also starts, and at its end looks at the
validation part once more (entoflow: for its threshold and intervals).
"""

import csv
import itertools
import json
import os
import re
import statistics
import sys

from measuring import ROOT, Row, run, script, span

SPLIT = (
    "split",
    "audit",
    "insect",
    "labelled",
    "test",
    "audit_boxes",
    "reviewed",
    "validation_ids",
    "labelled_ids",
    "test_ids",
)
ALL_CORES = (
    "import sys; from ultralytics.utils import torch_utils; torch_utils.NUM_THREADS = {cores}; from ultralytics import YOLO; "
    "YOLO('yolo11n.yaml').train(**{settings})"
)


def ask(folder, full):
    folder = folder / "training"
    n_images, pixels, epochs, repetitions = (140, 160, 6, 3) if full else (12, 64, 2, 1)
    data = prepare(folder, n_images, pixels)
    n = sum(
        image["part"] == "train" for image in json.loads((folder / "insect").read_text())["images"]
    )
    settings = {
        "data": str(data),
        "imgsz": pixels,
        "epochs": epochs,
        "batch": 16,
        "seed": 1,
        "patience": 30,
        "device": "cpu",
        "project": str(folder),
        "exist_ok": True,
        "plots": False,
        "verbose": False,
        "nbs": 16,
    }  # a step every batch, as entoflow's in so short a training
    trainers = {"entoflow": ours, "`yolo train`": plain, "`yolo train` on all cores": on_all_cores}
    found = {name: [] for name in trainers}
    for _ in range(repetitions):
        for name, train in trainers.items():
            epoch, whole = train(folder / f"run_{len(found[name])}", settings)
            found[name].append((n / epoch, whole))
    rates, wholes = (
        {name: [values[k] for values in runs] for name, runs in found.items()} for k in (0, 1)
    )
    what = f"{n} training images of {pixels} pixels, batch 16, {epochs} epochs, {repetitions} runs each in turn"
    for name in list(trainers)[1:]:
        ratio = statistics.median(rates["entoflow"]) / statistics.median(rates[name])
        yield Row(
            f"training, images/s ({what})",
            span(rates["entoflow"]),
            f"{span(rates[name])} ({name})",
            f"{ratio:.2f}",
            ">= 0.95",
            ratio >= 0.95,
        )
    for name in list(trainers)[1:]:
        ratio = statistics.median(wholes[name]) / statistics.median(wholes["entoflow"])
        yield Row(
            "the same, whole process, s",
            span(wholes["entoflow"]),
            f"{span(wholes[name])} ({name})",
            f"{ratio:.2f} times as fast",
            "",
            None,
        )


def prepare(folder, n_images, pixels):
    """Draw, import and split images, lay them out for `yolo train` too, and return its data.yaml."""
    script(
        "make_demo",
        folder.parent,
        folder=folder / "demo",
        demo_boxes=n_images,
        demo_labelled=1,
        demo_test=1,
        demo_size=max(96, pixels),
    )
    script(
        "import_images",
        folder,
        source=folder / "demo/boxes/annotations.json",
        role="boxes",
        name="boxes",
        dataset=folder / "boxes.json",
        audit=folder / "boxes_audit.json",
        packs_folder=folder,
    )
    script(
        "split_images",
        folder,
        datasets=folder / "boxes.json",
        **{name: folder / name for name in SPLIT},
    )
    return for_yolo(folder / "insect", sorted(folder.glob("*.zip")), folder / "yolo")


def for_yolo(dataset, packs, folder):
    """Lay a split data set out as `yolo train` wants it, and return its data.yaml."""
    sys.path.insert(0, str(ROOT / "bin"))
    from entoflow import dataset as datasets
    from entoflow import images
    from entoflow.detection import samples

    extracted = samples.extract(datasets.read(dataset), images.Pack(packs), folder, None, 1)
    for part, members in (("train", extracted.train), ("validation", extracted.validation)):
        (folder / part / "labels").mkdir()
        for sample in members:
            text = "".join(
                f"0 {' '.join(map(str, box))}\n" for box in sample.targets.boxes.tolist()
            )
            (folder / part / "labels" / f"{sample.path.stem}.txt").write_text(text)
    data = folder / "data.yaml"
    data.write_text(
        f"path: {folder}\ntrain: train/images\nval: validation/images\nnames: [insect]\n"
    )
    return data


def ours(out, settings):
    """Return (seconds of an epoch, seconds of the whole process)."""
    out.mkdir()
    done = script(
        "train_detector",
        out,
        dataset=out.parent / "insect",
        packs=sorted(out.parent.glob("*.zip")),
        name="insect_detector",
        class_name="insect",
        image_size=settings["imgsz"],
        batch_size=settings["batch"],
        max_epochs=settings["epochs"],
        patience=settings["patience"],
        seed=settings["seed"],
        model="model",
        training="training.csv",
    )
    at = [seconds for seconds, text in done.lines if re.match(r"epoch \d+/", text)]
    return between(at), done.seconds


def plain(out, settings):
    name = f"yolo_{out.name}"
    words = [f"{key}={value}" for key, value in {**settings, "name": name}.items()]
    done = run(
        [
            f"{os.path.dirname(sys.executable)}/yolo",
            "detect",
            "train",
            "model=yolo11n.yaml",
            *words,
        ],
        out.parent,
    )
    return epoch_seconds(out.parent / name), done.seconds


def on_all_cores(out, settings):
    name = f"all_cores_{out.name}"
    code = ALL_CORES.format(cores=os.cpu_count(), settings={**settings, "name": name})
    done = run([sys.executable, "-c", code], out.parent)
    return epoch_seconds(out.parent / name), done.seconds


def epoch_seconds(folder):
    """Return the seconds of an epoch by ultralytics' own record."""
    rows = list(csv.DictReader((folder / "results.csv").open(), skipinitialspace=True))
    return between([float(row["time"]) for row in rows])


def between(times):
    """Return the median step: something is done but once in either trainer's first epochs."""
    return statistics.median(b - a for a, b in itertools.pairwise(times))
