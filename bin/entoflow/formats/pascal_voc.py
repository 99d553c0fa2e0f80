"""Pascal VOC: an XML file per image. Its corners are pixels counted from 1 and both inside the box.

So x1 = xmin - 1 and x2 = xmax, half-open. Equal corners would be one pixel, but no tool draws such
a box: they are clicks that slipped (BCCD has two), and have no area here.
"""

import os
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from unicodedata import normalize
from xml.etree import ElementTree
from xml.parsers import expat

from entoflow import sources
from entoflow.sources import Source, SourceBox, SourceContent, SourceImage
from entoflow.task import InputError

Lookup = dict[str, list[Path]]

# What breaks an annotation's file; the last two: an encoding of an unknown name.
UNREADABLE = (OSError, expat.ExpatError, LookupError, ValueError)


def recognises(source: Source) -> bool:
    """Return whether a folder holds annotations, or a file is one or lists the stems of some."""
    if source.is_folder:
        return any(_may_be_annotation(path) for path in _xml_files(source.path))
    return source.starts_with("<") or _is_list(source)


def read(source: Source) -> SourceContent:
    """Return the images of a folder's annotations, of those that a list names, or of one
    annotation.

    A list holds stems, as ImageSets/Main/train.txt does. Images lie somewhere in the folder of the
    set.
    """
    if source.is_folder:
        return _read_annotations(_xml_files(source.path), source.path)
    if source.starts_with("<"):
        return _read_annotations([source.path], source.path.parent)
    root = _root(source.path)
    assert root is not None, "recognises() saw to it"
    annotations = [_annotation(root, line) for line in _lines(source)]
    return _read_annotations(dict.fromkeys(annotations), root)


def parse(path: Path) -> ElementTree.Element:
    """Return an XML file's root.

    Raises InputError for a DOCTYPE: its entities could fill the memory.
    """

    def refuse(*_: object) -> None:
        raise InputError(f"{path}: has a DOCTYPE; wanted a plain Pascal VOC annotation.")

    builder = ElementTree.TreeBuilder()
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.Parse(path.read_bytes(), True)
    return builder.close()


def _xml_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.xml") if not path.name.startswith("."))


def _may_be_annotation(path: Path) -> bool:
    """Return whether an XML file is an annotation, or is broken and may have been one."""
    try:
        return parse(path).tag == "annotation"
    except UNREADABLE:
        return True


def _is_list(source: Source) -> bool:
    root = _root(source.path)
    return root is not None and any(
        os.path.exists(_annotation(root, line)) for line in _lines(source)
    )


def _lines(source: Source) -> list[str]:
    return [line for line in source.text.splitlines() if line.strip()]


def _root(path: Path) -> Path | None:
    """Return the folder of the set that a list belongs to."""
    above = list(path.parents)[:3]
    return next((folder for folder in above if (folder / "Annotations").is_dir()), None)


def _annotation(root: Path, line: str) -> Path:
    """Return the annotation that a line of a list names.

    A class's own list has a second column, 1 or -1, which says no more than the boxes do.
    """
    path = root / "Annotations" / f"{line.strip()}.xml"
    return path if os.path.exists(path) else root / "Annotations" / f"{line.split()[0]}.xml"


def _read_annotations(annotations: Iterable[Path], folder: Path) -> SourceContent:
    lookup = _lookup(folder)
    images = [_image(path, folder, lookup) for path in annotations]
    return SourceContent([image for image in images if image])


def _image(path: Path, folder: Path, lookup: Lookup) -> SourceImage | None:
    """Return the image of an annotation file, or None where the file is XML of another kind."""
    try:
        root = parse(path)
    except UNREADABLE as error:
        image_path = _find_image(path, "", lookup, folder)
        reason = error.strerror if isinstance(error, OSError) else error
        problem = f"its annotation {path.name} cannot be read ({reason})"
        return SourceImage(sources.relative(image_path, folder), image_path, problem=problem)
    if root.tag != "annotation":
        return None
    image_path = _find_image(path, (root.findtext("filename") or "").strip(), lookup, folder)
    boxes = [_box(row, node) for row, node in enumerate(root.iter("object"), 1)]
    size = sources.declared_size(root.findtext("size/width"), root.findtext("size/height"))
    return SourceImage(sources.relative(image_path, folder), image_path, boxes, size)


def _box(row: int, node: ElementTree.Element) -> SourceBox:
    left, top, right, bottom = (
        sources.number(node.findtext(f"bndbox/{name}")) for name in ("xmin", "ymin", "xmax", "ymax")
    )
    x1 = left - 1
    y1 = top - 1
    x2 = x1 if left == right else right
    y2 = y1 if top == bottom else bottom
    iscrowd = sources.number(node.findtext("difficult") or 0) > 0
    label = (node.findtext("name") or "").strip() or "object"
    return SourceBox((x1, y1, x2, y2), label, iscrowd, row)


def _lookup(folder: Path) -> Lookup:
    """Return {stem or name: paths of images}, in one Unicode form."""
    lookup: Lookup = defaultdict(list)
    for path in sources.find_images(folder):
        for key in {path.stem, path.name}:
            lookup[normalize("NFC", key)].append(path)
    return lookup


def _find_image(annotation: Path, name: str, lookup: Lookup, folder: Path) -> Path:
    """Return the path of an annotation's image.

    By the annotation's stem, else by the name inside it.

    Of several images, the one of the name inside is taken, else the nearest.
    """
    inside = name.replace("\\", "/").rsplit("/", 1)[-1]
    for key in (annotation.stem, inside, Path(inside).stem):
        candidates = lookup.get(normalize("NFC", key))
        if candidates:
            return max(
                candidates,
                key=lambda image: (image.name == inside, _n_shared_folders(image, annotation)),
            )
    return folder / (inside or annotation.with_suffix(".jpg").name)


def _n_shared_folders(image: Path, annotation: Path) -> int:
    """Count the folders that two paths share: from the top, and from the bottom."""
    top = sum(a == b for a, b in zip(image.parts, annotation.parts))
    bottom = 0
    for a, b in zip(reversed(image.parent.parts), reversed(annotation.parent.parts)):
        if a != b:
            break
        bottom += 1
    return top + bottom
