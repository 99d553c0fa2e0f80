"""A set of images with their labels and boxes: what every image task reads and writes.

Its file is a superset of COCO's JSON.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from entoflow import files
from entoflow.tables import read_json
from entoflow.task import InputError

if TYPE_CHECKING:
    import numpy as np

LISTS = ("images", "annotations", "categories")  # of COCO's JSON
ALWAYS = ("label", "count")  # written of each image, known or not


@dataclass(frozen=True)
class Photo:
    """The whole photo that an image was cropped from."""

    width: int
    height: int
    phash: str
    mirrored: str
    thumbnail: str
    box: list[float]  # x1, y1, x2, y2 of the insect, pixels
    score: float  # of the detector that found it
    crop: list[int]  # x1, y1, x2, y2 of what was cut out, pixels


@dataclass(frozen=True)
class Image:
    """One image of a data set.

    Hashes are of the file's bytes or, phash and mirrored, of what is seen; see images.py.
    """

    id: int  # the first 52 bits of its SHA-256
    file_name: str  # as its user knows it
    pack: str = ""  # name of the pack that holds it
    member: str = ""  # its name in the pack
    width: int = 0  # pixels, upright
    height: int = 0
    sha256: str = ""
    phash: str = ""
    mirrored: str = ""  # phash of the mirror image
    thumbnail: str = ""  # base64 of 16 x 16 grey bytes
    group: str = ""  # what must not be split between training and testing
    label: str | None = None  # class of what is on it, None where nobody has said
    count: int | None = None  # number of insects of that class, where it was counted
    split: str | None = None  # train or test, where the user's table says so
    genus: str | None = None
    family: str | None = None
    given: bool = False  # whether the user named its group
    source: str | None = None  # name of what the user gave
    part: str | None = None  # train, validation, test; of specimens also unseen and rest
    calibrates: bool = False  # whether what ships is calibrated on it, and does not learn from it
    tier: str | None = None  # of an unseen class: near (of a known genus or family) or far
    photo: Photo | None = None  # where it is a crop
    reviewed: bool = False  # whether a person corrected its boxes


@dataclass(frozen=True)
class Box:
    """A box on an image."""

    image_id: int
    label: str
    bbox: tuple[float, float, float, float]  # x, y, width, height in pixels of the upright image
    iscrowd: bool = False  # an ignore region: what is found there counts neither way
    weight: float = 1.0  # how much it counts in training, above 0 to 1


@dataclass(frozen=True)
class Dataset:
    """Images and the boxes on them."""

    images: list[Image]
    boxes: list[Box] = field(default_factory=list)
    labels: list[str] = field(
        default_factory=list
    )  # of boxes, also those that no box has; their COCO ids count from 1
    role: str | None = (
        None  # what it is for: boxes, labelled, test, audit, reviewed, specimens, unlabelled ...
    )
    format: str | None = None  # in which form the user gave it
    source: str | None = None  # name of what the user gave
    truth: str | None = None  # of a test set: where its truth comes from
    cropped_by: str | None = None  # id of the detector that cropped the images, None of whole ones

    def by_id(self) -> dict[int, Image]:
        """Return {image id: image}."""
        return {image.id: image for image in self.images}

    def keep(self, wanted: Callable[[Image], bool]) -> "Dataset":
        """Return the data set with the wanted images alone, and the boxes on them."""
        images = [image for image in self.images if wanted(image)]
        ids = {image.id for image in images}
        return replace(
            self, images=images, boxes=[box for box in self.boxes if box.image_id in ids]
        )

    def part(self, *parts: str) -> "Dataset":
        """Return the data set with the images of these parts alone, and the boxes on them."""
        return self.keep(lambda image: image.part in parts)


def read(path: Path) -> Dataset:
    """Return the data set that a task wrote. Raises InputError where the file holds none."""
    content = read_json(path)
    if not isinstance(content, dict) or not all(
        isinstance(content.get(name), list) for name in LISTS
    ):
        raise InputError(
            f"{path}: is no set of images; wanted the lists images, annotations and categories."
        )
    names = {category["id"]: category["name"] for category in content["categories"]}
    info = content.get("info", {})
    return Dataset(
        images=[_image(entry) for entry in content["images"]],
        boxes=[_box(entry, names) for entry in content["annotations"]],
        labels=[names[number] for number in sorted(names)],
        **{name: info.get(name) for name in ("role", "format", "source", "truth", "cropped_by")},
    )


def write(path: Path, dataset: Dataset) -> None:
    """Write a data set with one image, annotation or category a line.

    Equal sets give equal bytes.
    """
    info = {
        name: getattr(dataset, name) for name in ("role", "format", "source", "truth", "cropped_by")
    }
    numbers = {label: number for number, label in enumerate(dataset.labels, 1)}
    write_coco(
        path,
        {name: value for name, value in info.items() if value is not None},
        (image_entry(image) for image in dataset.images),
        (box_entry(number, box, numbers[box.label]) for number, box in enumerate(dataset.boxes, 1)),
        [{"id": number, "name": label} for label, number in numbers.items()],
    )


def write_coco(
    path: Path,
    info: Mapping[str, Any],
    images: Iterable[Mapping[str, Any]],
    annotations: Iterable[Mapping[str, Any]],
    categories: Iterable[Mapping[str, Any]],
) -> None:
    """Write COCO's JSON, an entry a line.

    The lists may be generators, so that memory is constant.
    """
    with files.whole(path) as file:
        file.write(f'{{"info": {_line(info)}')
        for name, entries in zip(LISTS, (images, annotations, categories)):
            file.write(f',\n"{name}": [')
            for number, entry in enumerate(entries):
                file.write(("\n" if number == 0 else ",\n") + _line(entry))
            file.write("]")
        file.write("}\n")


def image_entry(image: Image) -> dict[str, Any]:
    """Return an image as COCO's JSON lists it: what is not known of it is left out."""
    values = ((each.name, getattr(image, each.name), each.default) for each in fields(image))
    entry = {name: value for name, value, default in values if name in ALWAYS or value != default}
    if image.photo:
        entry["photo"] = asdict(image.photo)
    return entry


def box_entry(number: int, box: Box, category_id: int) -> dict[str, Any]:
    """Return a box as COCO's JSON lists it."""
    entry = {
        "id": number,
        "image_id": box.image_id,
        "category_id": category_id,
        "bbox": list(box.bbox),
        "area": box.bbox[2] * box.bbox[3],
        "iscrowd": int(box.iscrowd),
    }
    return entry if box.weight == 1 else {**entry, "weight": box.weight}


def arrays_by_image(
    dataset: Dataset, label: str | None = None
) -> dict[int, tuple["np.ndarray", "np.ndarray"]]:
    """Return {image id: (n x 4 float boxes x1, y1, x2, y2; n bool, true for an ignore region)}, for
    every image.

    label: of the boxes to take; None takes all.
    """
    import numpy as np

    taken: dict[int, list[Box]] = {image.id: [] for image in dataset.images}
    for box in dataset.boxes:
        if label is None or box.label == label:
            taken[box.image_id].append(box)
    arrays = {}
    for image_id, boxes in taken.items():
        corners = np.array([box.bbox for box in boxes], dtype=float).reshape(-1, 4)
        corners[:, 2:] += corners[:, :2]
        arrays[image_id] = corners, np.array([box.iscrowd for box in boxes], dtype=bool)
    return arrays


def weights_by_image(dataset: Dataset) -> dict[int, "np.ndarray"]:
    """Return {image id: how much each box of arrays_by_image counts in training}."""
    import numpy as np

    weights: dict[int, list[float]] = {image.id: [] for image in dataset.images}
    for box in dataset.boxes:
        weights[box.image_id].append(box.weight)
    return {image_id: np.array(values, float) for image_id, values in weights.items()}


def _image(entry: dict[str, Any]) -> Image:
    known = {each.name for each in fields(Image)}
    values = {name: value for name, value in entry.items() if name in known}
    if values.get("photo"):
        values["photo"] = Photo(**values["photo"])
    return Image(**values)


def _box(entry: dict[str, Any], names: Mapping[int, str]) -> Box:
    x, y, width, height = entry["bbox"]
    return Box(
        entry["image_id"],
        names[entry["category_id"]],
        (x, y, width, height),
        bool(entry.get("iscrowd", 0)),
        entry.get("weight", 1.0),
    )


def _line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def image_from_entry(entry: dict[str, Any]) -> Image:
    """Return the image that image_entry described, without keys that an Image does not have."""
    return _image(entry)
