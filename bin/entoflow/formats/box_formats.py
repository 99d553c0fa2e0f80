"""Which box format a source has, told by what it holds and not by what it is called."""
from pathlib import PurePosixPath

from entoflow.formats import coco_json, label_studio, pascal_voc, supervisely, yolo_txt
from entoflow.sources import existing_source, find_images, relative
from entoflow.tables import read_json, read_text
from entoflow.task import InputError

WRITERS = {"coco": coco_json.write, "voc": pascal_voc.write, "yolo": yolo_txt.write,
           "supervisely": supervisely.write, "label_studio": label_studio.write}
WANTED = ("wanted COCO json, a Pascal VOC folder, YOLO (data.yaml, a list or table of images, or images with their labels), "
          "a Supervisely project or a Label Studio export (its JSON, not JSON-MIN or CSV)")


def read(source):
    """Return (format, photos, notes); photos sorted by file name, each path once, notes (image, row, action, reason).

    A note tells of each image in a given folder that no annotation mentions: it is not known to be empty.
    Raises InputError where the source is of no known format, or is broken.
    """
    path = existing_source(source)
    name, photos, notes = _read_folder(path) if path.is_dir() else _read_file(path)
    photos = _join(photos)
    if path.is_dir():
        mentioned = {photo.path for photo in photos} | {path / note[0] for note in notes}
        notes = notes + [(relative(image, path), None, "left out", "no annotation mentions it: not known to be empty")
                         for image in find_images(path) if image not in mentioned]
    return name, photos, notes


def write(name, folder, photos):
    """Write photos' boxes (sizes known, corners in pixels) in a format; return the folder where the images belong.

    Images go there under their file names. What a format cannot hold: YOLO no ignore region, VOC and YOLO no two images
    of one stem (ValueError for both); Supervisely no part of a pixel.
    """
    stems = {PurePosixPath(photo.file_name).with_suffix("") for photo in photos}
    if name in ("voc", "yolo") and len(stems) < len(photos):
        raise ValueError(f"{name} tells images apart by their names without .jpg or .png")
    folder.mkdir(parents=True, exist_ok=True)
    return WRITERS[name](folder, photos)


def _read_folder(path):
    datasets = supervisely.datasets(path)
    if datasets:
        return "supervisely", *supervisely.read(datasets, path)
    data = [file for file in sorted([*path.glob("*.yaml"), *path.glob("*.yml")]) if yolo_txt.is_data(file)]
    if data:
        return "yolo", *yolo_txt.read_data(_only(path, data, "data.yaml"))
    documents = _documents(path)
    if documents:
        file = _only(path, list(documents), "JSON file of boxes")
        return _read_document(file, documents[file], path)
    parts = [coco_json.read(file, read_json(file), path) for file in sorted(path.glob("*/_annotations.coco.json"))]  # Roboflow's
    if parts:
        return "coco", *(sum(lists, []) for lists in zip(*parts))
    annotations = pascal_voc.find(path)
    if annotations:
        photos, notes = pascal_voc.read(annotations, path)
        if photos:
            return "voc", photos, notes
    found = yolo_txt.read_folder(path)
    if found:
        return "yolo", *found
    count = len(find_images(path))
    raise InputError(f"{path}: holds {count} images and no boxes in a known format; {WANTED}.")


def _documents(path):
    files = sorted(file for folder in (path, path / "annotations", path / "images") for file in folder.glob("*.json"))
    contents = {file: read_json(file) for file in files}
    return {file: content for file, content in contents.items()
            if coco_json.recognises(content) or label_studio.recognises(content)}


def _only(path, files, what):
    if len(files) > 1:
        names = ", ".join(file.name for file in files[:4])
        raise InputError(f"{path}: holds {names}; wanted one {what}: name the file.")
    return files[0]


def _read_file(path):
    text = read_text(path)
    start = text.lstrip()[:1]
    if start in ("{", "["):
        return _read_document(path, read_json(path), path.parent)
    if start == "<":
        return "voc", *pascal_voc.read([path], path.parent)
    if path.suffix.lower() in (".yaml", ".yml"):
        if yolo_txt.is_data(path):
            return "yolo", *yolo_txt.read_data(path)
        raise InputError(f"{path}: is YAML without names, train and val; {WANTED}.")
    if not start:
        raise InputError(f"{path}: is empty; {WANTED}.")
    if pascal_voc.is_list(path):
        return "voc", *pascal_voc.read_list(path)[:2]
    return "yolo", *(yolo_txt.read_table if yolo_txt.is_table(path) else yolo_txt.read_list)(path)


def _read_document(path, content, folder):
    if coco_json.recognises(content):
        return "coco", *coco_json.read(path, content, folder)
    if label_studio.recognises(content):
        return "label_studio", *label_studio.read(path, content)
    raise InputError(f"{path}: is JSON, but neither COCO nor a Label Studio export; {WANTED}.")


def _join(photos):
    """Return photos sorted, each path once: boxes of two records of one image are joined, equal ones taken once."""
    joined = {}
    for photo in photos:
        first = joined.setdefault(photo.path, photo)
        if first is not photo:
            new = [box for box in photo.boxes if box[:3] not in [known[:3] for known in first.boxes]]
            first.boxes, first.notes = first.boxes + new, first.notes + photo.notes
            reason = f"is annotated twice: {len(new)} boxes added to the first record's"
            first.notes.append((photo.row, "joined", reason))
            first.problem = first.problem or photo.problem
    return sorted(joined.values(), key=lambda photo: photo.file_name)
