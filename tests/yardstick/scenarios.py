"""What is run on both sides: each scenario is one run of the pipeline, small but whole.

A scenario reads the inputs that inputs.py drew and what earlier scenarios of the same side
published, so a difference between the sides is carried on to the scenarios that need it.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import inputs

CHAINS = ("detection", "identification", "wingbeat", "worlds")

# One thread everywhere, as sums in another order differ in their last bits; and no GPU.
THREADS = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "CUDA_VISIBLE_DEVICES": "",
    "NXF_OFFLINE": "true",
}
# Little memory is asked for, so that it keeps no task waiting. withName wins over withLabel.
CONFIG = """\
process {
    withName: '.*' {
        cpus = 1
        memory = 2.GB
    }
}
report.enabled = false
timeline.enabled = false
trace.enabled = false
dag.enabled = false
"""
LESSON_OPTIONS = "--weights none --image_size 96 --batch_size 8 --max_epochs 40".split()


@dataclass(frozen=True)
class Side:
    """Where one side runs. `data` and `run` are the same folders for both sides."""

    code: Path
    data: Path
    run: Path
    renamed: dict[str, str]

    def result(self, scenario: str, path: str) -> Path:
        """Return where this side published what the base commit published at a path."""
        return self.run / scenario / "results" / rename(path, self.renamed)


@dataclass(frozen=True)
class Scenario:
    """One run: its chain, the scenarios whose results it reads, and the options of its command.

    `options` may write to the folder that it is given, for inputs made from earlier results.
    Without options nothing of the pipeline runs: the make_* scripts are called.
    """

    name: str
    chain: str
    needs: tuple[str, ...]
    options: Callable[[Side, Path], list[str]] | None


def rename(path: str, renamed: dict[str, str]) -> str:
    """Return the new name of a path: of the file itself, or of the longest folder around it."""
    if path in renamed:
        return renamed[path]
    folders = [old for old in renamed if old.endswith("/") and path.startswith(old)]
    if not folders:
        return path
    old = max(folders, key=len)
    return renamed[old] + path.removeprefix(old)


def detection(side: Side, _folder: Path) -> list[str]:
    """Full rule, two rounds, YOLO, from weights in a file; five formats of boxes."""
    formats = ["coco/annotations.json", "voc", "yolo", "supervisely", "label_studio/tasks.json"]
    boxes = [str(side.data / "boxes" / name) for name in formats]
    options = ["--boxes", ",".join(boxes)]
    options += ["--weights", str(side.data / "detector/weights.safetensors")]
    options += ["--rounds", "2", "--image_size", "96", "--batch_size", "8", "--max_epochs", "3"]
    return options + labelled_options(side, "labels.csv")


def detection_boxes(side: Side, _folder: Path) -> list[str]:
    """Boxes alone: YOLO from random weights, measured on a part that is held out."""
    boxes = ["coco/annotations.json", "voc", "yolo"]
    options = ["--boxes", ",".join(str(side.data / "boxes" / name) for name in boxes)]
    options += ["--weights", "none", "--image_size", "64", "--max_epochs", "2"]
    return [*options, "--max_bad_files", "0.5"]


def detection_reviewed(side: Side, folder: Path) -> list[str]:
    """The simplest rule, torchvision, from random weights, tiles, corrected weak boxes."""
    review = side.result("detection", "detection/weak_boxes/review/supervisely/")
    correct_boxes(review, folder / "reviewed")
    options = ["--boxes", str(side.data / "boxes/coco/annotations.json")]
    options += ["--detector", "torchvision", "--weights", "none", "--weak_rule", "top1"]
    options += ["--image_size", "64", "--tile_size", "80", "--batch_size", "8"]
    options += ["--max_epochs", "4", "--reviewed", str(folder / "reviewed")]
    return options + labelled_options(side, "few.csv")


def labelled_options(side: Side, table: str) -> list[str]:
    return [
        "--labelled_images",
        str(side.data / "labelled" / table),
        "--target",
        "halyomorpha_halys",
        "--test_boxes",
        str(side.data / "test_boxes.json"),
        "--audit_boxes",
        str(side.data / "audit_boxes.json"),
        "--max_bad_files",
        "0.5",
    ]


def correct_boxes(review: Path, folder: Path) -> None:
    """Copy every second photo of the review's Supervisely project; move one box in the first."""
    shutil.copytree(review, folder)
    annotations = sorted((folder / "dataset/ann").glob("*.json"))
    for path in annotations[1::2]:
        path.unlink()
        (folder / "dataset/img" / path.stem).unlink()
    content = json.loads(annotations[0].read_text())
    content["objects"][0]["points"]["exterior"] = [[10, 12], [70, 66]]
    annotations[0].write_text(json.dumps(content))


def prediction(side: Side, _folder: Path) -> list[str]:
    model = side.result("detection", "detection/target_detector/")
    photos = side.data / "photos"
    return ["--model", str(model), "--predict", str(photos), "--max_bad_files", "0.5"]


def identification(side: Side, _folder: Path) -> list[str]:
    """An embedder trained from random weights, its own split, images to name."""
    specimens = side.data / "collection/specimens/specimens.csv"
    return ["--specimens", str(specimens), "--max_epochs", "4", *embedder_options(side)]


def identification_cropped(side: Side, folder: Path) -> list[str]:
    """A projection on a frozen network, a given split, crops, names that a person gave."""
    options = ["--specimens", str(side.data / "collection/collection.csv")]
    options += ["--fine_tune", "false", "--max_epochs", "10"]
    options += ["--detector_model", str(side.data / "cropper")]
    return options + embedder_options(side) + reviewed_options(side, folder)


def enrolment(side: Side, folder: Path) -> list[str]:
    """Further specimens and names that a person gave to clusters, into an earlier gallery."""
    gallery = side.result("identification", "identification/gallery/")
    options = ["--gallery", str(gallery)]
    options += ["--specimens", str(side.data / "collection/test/further.csv")]
    return options + unlabelled_options(side) + reviewed_options(side, folder)


def embedder_options(side: Side) -> list[str]:
    network = "--weights none --backbone test_resnet --embedder_size 32"
    return network.split() + unlabelled_options(side)


def unlabelled_options(side: Side) -> list[str]:
    unlabelled = side.data / "collection/unlabelled"
    return ["--unlabelled", str(unlabelled), "--max_bad_files", "0.5", "--confidence", "0.6"]


def reviewed_options(side: Side, folder: Path) -> list[str]:
    sheet = side.result("identification", "identification/sheet/review.csv")
    folder.mkdir(exist_ok=True)
    name_clusters(sheet, folder / "review.csv")
    return ["--reviewed", str(folder / "review.csv")]


def name_clusters(sheet: Path, path: Path) -> None:
    """Fill a review table in: names for a cluster and an image, a rejection, and a conflict."""
    rows = inputs.read_rows(sheet)
    wholes = [row for row in rows if not row["image"]]
    images = [row for row in rows if row["image"] and row["cluster"] != wholes[0]["cluster"]]
    wholes[0]["label"] = "a new species"
    images[0]["label"] = "another species"
    images[1]["label"] = "reject"
    images[2]["label"] = "?"
    images[3]["label"] = "one"
    inputs.write_rows(path, [*rows, {**images[3], "label": "two"}])


def wingbeat(side: Side, _folder: Path) -> list[str]:
    """The two families without a network, on all partitions that there are."""
    recordings = side.data / "recordings/recordings.csv"
    options = ["--recordings", str(recordings), "--max_bad_files", "0.5"]
    return options + "--families features,random_convolutions --date_order ymd --folds 2".split()


def wingbeat_networks(side: Side, _folder: Path) -> list[str]:
    """The three families that are networks, on few events, seen as PCEN spectrograms."""
    recordings = side.data / "recordings/two_groups.csv"
    options = ["--recordings", str(recordings), "--families", "image,rnn,transformer"]
    return options + "--date_order ymd --folds 2 --views 60 --spectrogram pcen".split()


def naming(side: Side, _folder: Path) -> list[str]:
    """The events of one long recording, and their names."""
    model = side.result("wingbeat", "wingbeat/best/")
    recordings = side.data / "long_recordings"
    return ["--model", str(model), "--predict", str(recordings), "--date_order", "ymd"]


# A chain's scenarios run one after the other, two chains side by side: the longest come first.
SCENARIOS = (
    Scenario("detection", "detection", (), detection),
    Scenario("detection_boxes", "detection", (), detection_boxes),
    Scenario("detection_reviewed", "detection", ("detection",), detection_reviewed),
    Scenario("prediction", "detection", ("detection",), prediction),
    Scenario("wingbeat", "wingbeat", (), wingbeat),
    Scenario("wingbeat_networks", "wingbeat", (), wingbeat_networks),
    Scenario("naming", "wingbeat", ("wingbeat",), naming),
    Scenario("identification", "identification", (), identification),
    Scenario(
        "identification_cropped", "identification", ("identification",), identification_cropped
    ),
    Scenario("enrolment", "identification", ("identification",), enrolment),
    Scenario("worlds", "worlds", (), None),
)


def choose(names: list[str]) -> list[Scenario]:
    """Return the scenarios of some names or chains, and those that they need, in order.

    Raises ValueError for a name that is neither.
    """
    known = {scenario.name for scenario in SCENARIOS}
    unknown = sorted(set(names) - known - set(CHAINS))
    if unknown:
        wanted = ", ".join([*CHAINS, *sorted(known - set(CHAINS))])
        raise ValueError(f"--only names {', '.join(unknown)}; wanted some of {wanted}.")
    wanted_names = set(names)
    for scenario in reversed(SCENARIOS):
        if scenario.name in wanted_names or scenario.chain in names:
            wanted_names |= {scenario.name, *scenario.needs}
    return [scenario for scenario in SCENARIOS if scenario.name in wanted_names]


def make_worlds(side: Side, results: Path) -> None:
    """Draw the synthetic worlds with this side's scripts."""
    inputs.draw(side.code, results)
