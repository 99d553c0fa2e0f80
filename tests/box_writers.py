"""Writers of box formats, for tests to write what the suite only reads."""

import json
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree

import yaml

from entoflow.formats import label_studio, supervisely


def write(name, folder, images):
    """Write AnnotatedImages in a format and return the folder where the image files belong under
    their file names.

    What a format cannot hold: YOLO no ignore region, VOC and YOLO no two images of one stem;
    Supervisely no part of a pixel.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return WRITERS[name](folder, images)


def write_coco(folder, images):
    labels = sorted_labels(images)
    annotations = []
    for number, image in enumerate(images, 1):
        for box in image.boxes:
            x1, y1, x2, y2 = box.corners
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": labels.index(box.label) + 1,
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "area": (x2 - x1) * (y2 - y1),
                    "iscrowd": int(box.iscrowd),
                }
            )
    listed = []
    for number, image in enumerate(images, 1):
        width, height = image.size
        listed.append(
            {"id": number, "file_name": image.file_name, "width": width, "height": height}
        )
    categories = [{"id": number, "name": label} for number, label in enumerate(labels, 1)]
    content = {"images": listed, "annotations": annotations, "categories": categories}
    (folder / "annotations.json").write_text(
        json.dumps(content, ensure_ascii=False), encoding="utf-8"
    )
    return folder / "images"


def write_voc(folder, images):
    for image in images:
        path = folder / "Annotations" / PurePosixPath(image.file_name).with_suffix(".xml")
        path.parent.mkdir(parents=True, exist_ok=True)
        root = ElementTree.Element("annotation")
        ElementTree.SubElement(root, "filename").text = PurePosixPath(image.file_name).name
        size = ElementTree.SubElement(root, "size")
        for name, value in zip(("width", "height", "depth"), (*image.size, 3)):
            ElementTree.SubElement(size, name).text = str(value)
        for box in image.boxes:
            add_voc_object(root, box)
        path.write_bytes(ElementTree.tostring(root, encoding="utf-8"))
    return folder / "JPEGImages"


def add_voc_object(root, box):
    node = ElementTree.SubElement(root, "object")
    ElementTree.SubElement(node, "name").text = box.label
    ElementTree.SubElement(node, "difficult").text = str(int(box.iscrowd))
    bndbox = ElementTree.SubElement(node, "bndbox")
    x1, y1, x2, y2 = box.corners
    # A box of one pixel would have equal corners, which are read as no area.
    right = x2 - 0.0005 if x2 == x1 + 1 else x2
    bottom = y2 - 0.0005 if y2 == y1 + 1 else y2
    for name, value in zip(("xmin", "ymin", "xmax", "ymax"), (x1 + 1, y1 + 1, right, bottom)):
        ElementTree.SubElement(bndbox, name).text = plain(value)


def write_yolo(folder, images):
    labels = sorted_labels(images)
    for image in images:
        path = folder / "labels" / PurePosixPath(image.file_name).with_suffix(".txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(yolo_line(box, image.size, labels) for box in image.boxes))
    content = {"path": ".", "train": "images", "val": "images", "names": dict(enumerate(labels))}
    (folder / "data.yaml").write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    return folder / "images"


def yolo_line(box, size, labels):
    assert not box.iscrowd, "YOLO has no ignore regions"
    width, height = size
    x1, y1, x2, y2 = box.corners
    shares = ((x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height)
    return " ".join([str(labels.index(box.label)), *map(plain, shares)]) + "\n"


def write_label_studio(folder, images):
    tasks = []
    for number, image in enumerate(images, 1):
        annotation = {"id": number, "was_cancelled": False, "result": label_studio.results(image)}
        tasks.append(
            {
                "id": number,
                "data": {"image": f"images/{image.file_name}"},
                "annotations": [annotation],
            }
        )
    (folder / "tasks.json").write_text(json.dumps(tasks, ensure_ascii=False), encoding="utf-8")
    return folder / "images"


def sorted_labels(images):
    return sorted({box.label for image in images for box in image.boxes})


def plain(value):
    """Return a number as text: whole where it is whole, else all of its digits."""
    return str(int(value)) if value == int(value) else repr(float(value))


def touch_images(folder, images):
    """Make an empty file for each image in the folder where write() wants them."""
    for image in images:
        path = Path(folder, image.file_name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


WRITERS = {
    "coco": write_coco,
    "voc": write_voc,
    "yolo": write_yolo,
    "supervisely": supervisely.write,
    "label_studio": write_label_studio,
}
