"""Draw the inputs of all scenarios, once, with the base commit's own make_* scripts.

Both sides read the same files. Beside what the scripts draw there are, made from it here without
entoflow's code: the boxes in five formats, some files and boxes that cannot be used (so that the
audits have rows), a folder of photos to predict on, and one long recording to find events in.
"""

import csv
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

WORLDS: dict[str, list[str]] = {
    "make_demo": ["--demo_boxes=40", "--demo_labelled=90", "--demo_test=28", "--demo_size=128"],
    "make_specimens": ["--classes=20", "--size=48"],
    "make_recordings": ["--events=72"],
}
LESSON = ["--demo_boxes=80", "--demo_labelled=1", "--demo_test=1", "--demo_size=128", "--seed=2"]
CROP_THRESHOLD = 0.01
TWO_CLASSES = ("beetle", "midge")
EVENTS_OF_A_CLASS = 12


@dataclass(frozen=True)
class BoxedImage:
    """An image with its boxes, (class name, [x, y, width, height] in pixels) each."""

    path: Path
    width: int
    height: int
    boxes: list[tuple[str, list[float]]]


def draw(code: Path, folder: Path) -> None:
    """Draw the synthetic worlds with a checkout's make_* scripts: a folder for each."""
    for script, options in WORLDS.items():
        call_script(code, script, ["--folder", str(folder / script), *options])


def draw_lesson(code: Path, folder: Path) -> Path:
    """Draw the images that the starting detector learns from. Returns their COCO file."""
    call_script(code, "make_demo", ["--folder", str(folder), *LESSON])
    return folder / "boxes/annotations.json"


def call_script(code: Path, name: str, options: list[str]) -> None:
    """Call bin/**/NAME.py of a checkout. Raises CalledProcessError where it fails."""
    scripts = sorted((code / "bin").rglob(f"{name}.py"))
    if not scripts:
        raise SystemExit(f"error: {code}/bin holds no {name}.py, which the yardstick calls.")
    environment = {**os.environ, "PYTHONPATH": str(code / "bin"), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, str(scripts[0]), *options]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)


def derive(drawn: Path, folder: Path) -> None:
    """Write what the scenarios are given, from what was drawn."""
    derive_boxes(drawn / "make_demo", folder / "boxes")
    derive_labelled(drawn / "make_demo", folder / "labelled")
    derive_photos(drawn / "make_demo", folder / "photos")
    derive_collection(drawn / "make_specimens", folder / "collection")
    derive_recordings(drawn / "make_recordings", folder / "recordings")
    derive_long_recording(drawn / "make_recordings", folder / "long_recordings")


def derive_boxes(world: Path, folder: Path) -> None:
    """Write every fifth image with boxes as COCO, VOC, YOLO, Supervisely and Label Studio."""
    writers = {
        "coco": write_coco,
        "voc": write_voc,
        "yolo": write_yolo,
        "supervisely": write_supervisely,
        "label_studio": write_label_studio,
    }
    images = read_coco(world / "boxes/annotations.json")
    for number, (name, write) in enumerate(writers.items()):
        write(folder / name, images[number :: len(writers)])


def read_coco(path: Path) -> list[BoxedImage]:
    """Read the images of a COCO file, in its order."""
    content = json.loads(path.read_text())
    names = {category["id"]: category["name"] for category in content["categories"]}
    boxes: dict[int, list[tuple[str, list[float]]]] = {}
    for box in content["annotations"]:
        own = boxes.setdefault(box["image_id"], [])
        own.append((names[box["category_id"]], box["bbox"]))
    images = []
    for image in content["images"]:
        own = boxes.get(image["id"], [])
        file = path.parent / image["file_name"]
        images.append(BoxedImage(file, image["width"], image["height"], own))
    return images


def copy_images(images: list[BoxedImage], folder: Path) -> None:
    folder.mkdir(parents=True)
    for image in images:
        shutil.copyfile(image.path, folder / image.path.name)


def write_coco(folder: Path, images: list[BoxedImage]) -> None:
    """Write COCO; two further boxes have no area and reach beyond their image."""
    copy_images(images, folder)
    names = sorted({name for image in images for name, _ in image.boxes})
    listed = []
    annotations = []
    for number, image in enumerate(images, 1):
        size = {"width": image.width, "height": image.height}
        listed.append({"id": number, "file_name": image.path.name, **size})
        for name, bbox in image.boxes:
            category = names.index(name) + 1
            annotations.append({"image_id": number, "category_id": category, "bbox": bbox})
    annotations.append({"image_id": 1, "category_id": 1, "bbox": [5, 5, 0, 10]})
    annotations.append({"image_id": 2, "category_id": 1, "bbox": [100, 90, 40, 20]})
    content = {
        "images": listed,
        "annotations": [{"id": number, **box} for number, box in enumerate(annotations, 1)],
        "categories": [{"id": number, "name": name} for number, name in enumerate(names, 1)],
    }
    (folder / "annotations.json").write_text(json.dumps(content))


def write_voc(folder: Path, images: list[BoxedImage]) -> None:
    copy_images(images, folder / "JPEGImages")
    (folder / "Annotations").mkdir()
    for image in images:
        root = ElementTree.Element("annotation")
        ElementTree.SubElement(root, "filename").text = image.path.name
        size = ElementTree.SubElement(root, "size")
        ElementTree.SubElement(size, "width").text = str(image.width)
        ElementTree.SubElement(size, "height").text = str(image.height)
        for name, (x, y, width, height) in image.boxes:
            element = ElementTree.SubElement(root, "object")
            ElementTree.SubElement(element, "name").text = name
            corners = ElementTree.SubElement(element, "bndbox")
            edges = {"xmin": x + 1, "ymin": y + 1, "xmax": x + width, "ymax": y + height}
            for edge, value in edges.items():
                ElementTree.SubElement(corners, edge).text = str(round(value))
        path = folder / "Annotations" / f"{image.path.stem}.xml"
        path.write_bytes(ElementTree.tostring(root))


def write_yolo(folder: Path, images: list[BoxedImage]) -> None:
    copy_images(images, folder / "images")
    (folder / "labels").mkdir()
    names = sorted({name for image in images for name, _ in image.boxes})
    for image in images:
        lines = []
        for name, (x, y, width, height) in image.boxes:
            centre = [(x + width / 2) / image.width, (y + height / 2) / image.height]
            shares = [*centre, width / image.width, height / image.height]
            numbers = " ".join(f"{share:.6f}" for share in shares)
            lines.append(f"{names.index(name)} {numbers}\n")
        (folder / "labels" / f"{image.path.stem}.txt").write_text("".join(lines))
    classes = "".join(f"  {number}: {name}\n" for number, name in enumerate(names))
    text = f"path: .\ntrain: images\nval: images\nnames:\n{classes}"
    (folder / "data.yaml").write_text(text)


def write_supervisely(folder: Path, images: list[BoxedImage]) -> None:
    copy_images(images, folder / "dataset/img")
    (folder / "dataset/ann").mkdir()
    names = sorted({name for image in images for name, _ in image.boxes})
    classes = [{"title": name, "shape": "rectangle", "color": "#E69F00"} for name in names]
    (folder / "meta.json").write_text(json.dumps({"classes": classes, "tags": []}))
    for image in images:
        objects = []
        for name, (x, y, width, height) in image.boxes:
            points = {"exterior": [[x, y], [x + width, y + height]], "interior": []}
            shape = {"classTitle": name, "geometryType": "rectangle", "points": points}
            objects.append({**shape, "tags": []})
        size = {"width": image.width, "height": image.height}
        content = {"description": "", "tags": [], "size": size, "objects": objects}
        path = folder / "dataset/ann" / f"{image.path.name}.json"
        path.write_text(json.dumps(content))


def write_label_studio(folder: Path, images: list[BoxedImage]) -> None:
    copy_images(images, folder / "images")
    tasks = []
    for number, image in enumerate(images, 1):
        results = []
        for name, (x, y, width, height) in image.boxes:
            value = {
                "x": 100 * x / image.width,
                "y": 100 * y / image.height,
                "width": 100 * width / image.width,
                "height": 100 * height / image.height,
                "rotation": 0,
                "rectanglelabels": [name],
            }
            size = {"original_width": image.width, "original_height": image.height}
            kind = {"type": "rectanglelabels", "from_name": "label", "to_name": "image"}
            results.append({**kind, **size, "image_rotation": 0, "value": value})
        annotation = {"id": number, "was_cancelled": False, "result": results}
        data = {"image": f"images/{image.path.name}"}
        tasks.append({"id": number, "data": data, "annotations": [annotation]})
    (folder / "tasks.json").write_text(json.dumps(tasks))


def derive_labelled(world: Path, folder: Path) -> None:
    """Copy the labelled photos; two more are a copy of the first and a file cut short.

    few.csv has a part of them.
    """
    shutil.copytree(world / "labelled", folder)
    rows = read_rows(folder / "labels.csv")
    first = rows[0]
    shutil.copyfile(folder / first["image"], folder / "copy.jpg")
    start = (folder / first["image"]).read_bytes()[:500]
    (folder / "cut_short.jpg").write_bytes(start)
    rows.append({**first, "image": "copy.jpg", "group": "of a copy"})
    rows.append({**first, "image": "cut_short.jpg", "group": "of a cut"})
    write_rows(folder / "labels.csv", rows)
    write_rows(folder / "few.csv", rows[::3])
    shutil.copytree(world / "test", folder.parent / "test")
    for name in ("test_boxes.json", "audit_boxes.json"):
        shutil.copyfile(world / name, folder.parent / name)


def derive_photos(world: Path, folder: Path) -> None:
    """Copy the test images into a folder with a folder in it and an empty file."""
    (folder / "night two").mkdir(parents=True)
    for number, path in enumerate(sorted((world / "test").glob("*.jpg"))):
        place = folder / "night two" if number % 3 == 0 else folder
        shutil.copyfile(path, place / f"käfer {number}.jpg")
    (folder / "empty.jpg").write_bytes(b"")


def derive_collection(collection: Path, folder: Path) -> None:
    """Copy the collection, with an empty file among the unlabelled photos.

    further.csv has the test specimens of known names, to enrol.
    """
    shutil.copytree(collection, folder)
    (folder / "unlabelled/empty.jpg").write_bytes(b"")
    rows = read_rows(folder / "test/test.csv")
    write_rows(folder / "test/further.csv", [row for row in rows if row["label"]])


def derive_recordings(recordings: Path, folder: Path) -> None:
    """Copy the recordings; two more are a copy of the first and a file without sound.

    two_groups.csv has a few of two classes, without their sensors: little to divide, so that the
    networks, which take longest, learn few times.
    """
    shutil.copytree(recordings, folder)
    rows = read_rows(folder / "recordings.csv")
    few = []
    for label in TWO_CLASSES:
        members = [row for row in rows if row["label"] == label]
        for place, row in enumerate(members[:EVENTS_OF_A_CLASS]):
            group = f"night {place % 2}"
            few.append({"recording": row["recording"], "label": label, "group": group})
    write_rows(folder / "two_groups.csv", few)
    sensor = rows[0]["sensor"]
    copy = {**rows[0], "recording": f"{sensor}/21-05-30_01.02.03.04.wav"}
    empty = {**rows[0], "recording": f"{sensor}/21-05-30_02.03.04.05.wav"}
    shutil.copyfile(folder / rows[0]["recording"], folder / copy["recording"])
    (folder / empty["recording"]).write_bytes(b"")
    write_rows(folder / "recordings.csv", [*rows, copy, empty])


def derive_long_recording(recordings: Path, folder: Path) -> None:
    """Write one recording of a dozen events, a second of faint noise between them."""
    import numpy as np
    import soundfile

    folder.mkdir(parents=True)
    rng = np.random.default_rng(1)
    pieces = []
    for path in sorted(recordings.rglob("*.wav"))[::6]:
        samples, rate = soundfile.read(path)
        pieces.append(rng.normal(0, 0.0005, rate))
        pieces.append(samples)
    pieces.append(rng.normal(0, 0.0005, rate))
    name = "21-06-01_22.00.00.00.wav"
    soundfile.write(folder / name, np.concatenate(pieces), rate, "PCM_16")


def derive_cropper(detector: Path, folder: Path) -> None:
    """Copy a detector's model folder with a threshold so low that it finds something to crop."""
    shutil.copytree(detector, folder)
    facts = json.loads((folder / "model.json").read_text())
    facts["threshold"] = CROP_THRESHOLD
    (folder / "model.json").write_text(json.dumps(facts, indent=1) + "\n")


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def write_rows(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
