"""Peak memory for 100, 1,000 and 10,000 small images: reading, predicting and evaluating. Flat is what is wanted:
the list of images grows with them, by a few KB each, but no pixels are kept (27 KB each, and a thousand for a photo).

A value is that of the task's largest process. Predicting is a task per pack of 500 images, as in the pipeline, and one
that joins their boxes. The images are 250 drawings of 96 pixels, each copy with a comment of its own; a detector of 64
pixels learned from the first 100 for a few epochs.
"""

import json

from measuring import Row, peak, script, task

DRAWINGS = 250
MOST_GROWTH = 10  # KB an image


def ask(folder, full):
    folder = folder / "memory"
    sizes = (100, 1000, 10000) if full else (20, 40)
    script(
        "make_demo",
        folder.parent,
        folder=folder / "demo",
        demo_boxes=min(DRAWINGS, sizes[-1]),
        demo_labelled=1,
        demo_test=1,
        demo_size=96,
    )
    found = {n: measure(folder, n) for n in sizes}
    boxes = len((folder / f"{sizes[-1]}/predictions.csv").read_text().splitlines()) // sizes[-1]
    for name in found[sizes[0]]:
        peaks, seconds = ([found[n][name][k] for n in sizes] for k in (0, 1))
        growth = (peaks[-1] - peaks[0]) / (sizes[-1] - sizes[0]) * 1000
        yield Row(
            f"peak memory of {name} {', '.join(f'{n:,}' for n in sizes)} images ({boxes} boxes each)",
            f"{', '.join(f'{value:.0f}' for value in peaks)} MB (in {', '.join(f'{value:.0f}' for value in seconds)} s)",
            f"the first of them; {growth:.1f} KB an image more",
            f"{peaks[-1] / peaks[0]:.2f}",
            f"<= {MOST_GROWTH} KB",
            growth <= MOST_GROWTH,
        )


def measure(folder, n):
    """Return {task: (peak MB, seconds)} for n images."""
    here = folder / str(n)
    copy_drawings(folder / "demo/boxes", here / "world", n)
    reading = [
        peak(
            task(
                "import_images",
                source=here / "world/annotations.json",
                role="test",
                name="test",
                dataset=here / "test.json",
                audit=here / "audit.json",
                packs_folder=here,
            ),
            here,
        )
    ]
    packs = sorted(here.glob("*.zip"))
    model = folder / "model"
    if not model.exists():
        train(folder, here, packs)
    predicting = [
        peak(
            task("predict_boxes", model=model, packs=pack, predictions=pack.with_suffix(".npz")),
            here,
        )
        for pack in packs
    ]
    found = sorted(here.glob("*.npz"))
    joining = [
        peak(
            task(
                "write_predictions",
                datasets=here / "test.json",
                predictions=found,
                model=model / "model.json",
                predictions_csv=here / "predictions.csv",
                predictions_json=here / "predictions.json",
            ),
            here,
        )
    ]
    dataset = json.loads((here / "test.json").read_text())
    (here / "test.json").write_text(
        json.dumps({**dataset, "info": {"role": "test", "truth": "test_boxes"}})
    )
    evaluating = [
        peak(
            task(
                "evaluate_detector",
                test=here / "test.json",
                predictions=found,
                model=model / "model.json",
                packs=packs,
                metrics=here / "metrics.json",
                predictions_json=here / "p.json",
                predictions_csv=here / "p.csv",
                plots=here / "plots",
            ),
            here,
        )
    ]
    tasks = {
        "reading": reading,
        "predicting on": predicting,
        "joining the boxes of": joining,
        "evaluating on": evaluating,
    }
    return {
        name: (max(megabytes for megabytes, _ in runs), sum(seconds for _, seconds in runs))
        for name, runs in tasks.items()
    }


def copy_drawings(source, folder, n, first=0):
    """Write n images with their boxes: drawings in turn, each copy with its number, from first, as the JPEG's comment."""
    folder.mkdir(parents=True)
    world = json.loads((source / "annotations.json").read_text())
    listed, boxes = [], []
    for number in range(n):
        drawing = world["images"][number % len(world["images"])]
        comment = str(first + number).encode()
        data = (source / drawing["file_name"]).read_bytes()
        (folder / f"{number:05d}.jpg").write_bytes(
            data[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + data[2:]
        )
        listed.append({**drawing, "id": number, "file_name": f"{number:05d}.jpg"})
        boxes += [
            {**box, "id": len(boxes) + k, "image_id": number}
            for k, box in enumerate(world["annotations"])
            if box["image_id"] == drawing["id"]
        ]
    (folder / "annotations.json").write_text(
        json.dumps({**world, "images": listed, "annotations": boxes})
    )


def train(folder, here, packs):
    """Train the detector on the first images."""
    dataset = json.loads((here / "test.json").read_text())
    for number, image in enumerate(dataset["images"]):
        image["part"] = "validation" if number % 5 == 0 else "train"
    (folder / "training.json").write_text(json.dumps(dataset))
    script(
        "train_detector",
        folder,
        dataset=folder / "training.json",
        packs=packs,
        name="insect_detector",
        class_name="insect",
        image_size=64,
        max_epochs=8,
        batch_size=8,
        model=folder / "model",
        training=folder / "training.csv",
    )
