"""Pascal VOC: an XML file per image. Its corners are pixels counted from 1 and both inside the box.

So x1 = xmin - 1 and x2 = xmax, half-open. Equal corners would be one pixel, but no tool draws such a box: they are
clicks that slipped (BCCD has two), and have no area here.
"""
import os
from collections import defaultdict
from pathlib import Path, PurePosixPath
from unicodedata import normalize
from xml.etree import ElementTree
from xml.parsers import expat

from entoflow.sources import Box, Photo, declared_size, find_images, number, plain, relative
from entoflow.tables import read_text
from entoflow.task import InputError


def read(annotations, folder):
    """Return (photos, notes) of annotation files whose images lie somewhere in the folder."""
    lookup = _lookup(folder)
    photos = [_photo(path, folder, lookup) for path in annotations]
    return [photo for photo in photos if photo], []


def find(folder):
    """Return the sorted XML files in a folder and below."""
    return sorted(path for path in folder.rglob("*.xml") if not path.name.startswith("."))


def is_list(path):
    """Tell whether a text file lists stems of a VOC folder's annotations, as ImageSets/Main/train.txt does."""
    root = _root(path)
    lines = read_text(path).splitlines()
    return root is not None and any(os.path.exists(_annotation(root, line)) for line in lines if line.strip())


def read_list(path):
    """Return (photos, notes, folder) of the annotations that a list file names by their stems."""
    root = _root(path)
    files = [_annotation(root, line) for line in read_text(path).splitlines() if line.strip()]
    photos, notes = read(dict.fromkeys(files), root)
    return photos, notes, root


def write(folder, photos):
    """Write Annotations/; return the folder where the images belong."""
    for photo in photos:
        path = folder / "Annotations" / PurePosixPath(photo.file_name).with_suffix(".xml")
        path.parent.mkdir(parents=True, exist_ok=True)
        root = ElementTree.Element("annotation")
        ElementTree.SubElement(root, "filename").text = PurePosixPath(photo.file_name).name
        size = ElementTree.SubElement(root, "size")
        for name, value in zip(("width", "height", "depth"), (*photo.size, 3)):
            ElementTree.SubElement(size, name).text = str(value)
        for box in photo.boxes:
            _write_box(root, box)
        path.write_bytes(ElementTree.tostring(root, encoding="utf-8"))
    return folder / "JPEGImages"


def _write_box(root, box):
    node = ElementTree.SubElement(root, "object")
    ElementTree.SubElement(node, "name").text = box.label
    ElementTree.SubElement(node, "difficult").text = str(int(box.crowd))
    corners = ElementTree.SubElement(node, "bndbox")
    x1, y1, x2, y2 = box.corners
    x2, y2 = (end - 0.0005 if end == start + 1 else end for start, end in ((x1, x2), (y1, y2)))  # one pixel: see above
    for name, value in zip(("xmin", "ymin", "xmax", "ymax"), (x1 + 1, y1 + 1, x2, y2)):
        ElementTree.SubElement(corners, name).text = plain(value)


def _photo(path, folder, lookup):
    """Return the photo of an annotation file, or None where the file is XML of another kind."""
    try:
        root = parse(path)
    except (OSError, expat.ExpatError, LookupError, ValueError) as error:  # the last two: an encoding of an unknown name
        found = _image(path, "", lookup, folder)
        reason = error.strerror if isinstance(error, OSError) else error
        return Photo(relative(found, folder), found, problem=f"its annotation {path.name} cannot be read ({reason})")
    if root.tag != "annotation":
        return None
    found = _image(path, (root.findtext("filename") or "").strip(), lookup, folder)
    boxes = [_box(row, node) for row, node in enumerate(root.iter("object"), 1)]
    size = declared_size(root.findtext("size/width"), root.findtext("size/height"))
    return Photo(relative(found, folder), found, boxes, size)


def parse(path):
    """Return an XML file's root. Raises InputError for a DOCTYPE: its entities could fill the memory."""
    def refuse(*_):
        raise InputError(f"{path}: has a DOCTYPE; wanted a plain Pascal VOC annotation.")

    builder = ElementTree.TreeBuilder()
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.Parse(path.read_bytes(), True)
    return builder.close()


def _box(row, node):
    given = {name: number(node.findtext(f"bndbox/{name}")) for name in ("xmin", "ymin", "xmax", "ymax")}
    x1, y1, x2, y2 = given["xmin"] - 1, given["ymin"] - 1, given["xmax"], given["ymax"]
    x2 = x1 if given["xmin"] == given["xmax"] else x2
    y2 = y1 if given["ymin"] == given["ymax"] else y2
    crowd = number(node.findtext("difficult") or 0) > 0
    return Box((x1, y1, x2, y2), (node.findtext("name") or "").strip() or "object", crowd, row)


def _lookup(folder):
    """Return {stem or name: paths of images}, in one Unicode form."""
    lookup = defaultdict(list)
    for path in find_images(folder):
        for key in {path.stem, path.name}:
            lookup[normalize("NFC", key)].append(path)
    return lookup


def _image(path, name, lookup, folder):
    """Find an annotation's image: by its own stem, else by the name inside; of several, that name or the nearest."""
    inside = name.replace("\\", "/").rsplit("/", 1)[-1]
    for key in (path.stem, inside, Path(inside).stem):
        found = lookup.get(normalize("NFC", key))
        if found:
            return max(found, key=lambda image: (image.name == inside, _shared(image, path)))
    return folder / (inside or path.with_suffix(".jpg").name)


def _shared(image, path):
    """Count the folders an image's path shares with an annotation's: from the top, and from the bottom."""
    top = sum(a == b for a, b in zip(image.parts, path.parts))
    bottom = 0
    for a, b in zip(reversed(image.parent.parts), reversed(path.parent.parts)):
        if a != b:
            break
        bottom += 1
    return top + bottom


def _root(path):
    return next((folder for folder in list(path.parents)[:3] if (folder / "Annotations").is_dir()), None)


def _annotation(root, line):
    """A class's own list has a second column, 1 or -1, which says no more than the boxes do."""
    path = root / "Annotations" / f"{line.strip()}.xml"
    return path if os.path.exists(path) else root / "Annotations" / f"{line.split()[0]}.xml"
