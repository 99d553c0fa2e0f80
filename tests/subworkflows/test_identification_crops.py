"""The identification chain with --detector_model: what its gallery does later is what was done with its specimens."""

import csv
import json
import shutil

import numpy as np
import pytest

from conftest import ROOT, SMALL, Flow
from detectors import random_detector
from entoflow import crops, images
from shapes import collection

pytest.importorskip("torch")


@pytest.fixture(scope="module")
def cropped(tmp_path_factory):
    """Return (flow, {file name: best (box, score)}, the threshold) of a run on photos of which three of four hold an insect, says the detector."""
    from entoflow.detector import backend_torchvision

    here, rng = tmp_path_factory.mktemp("crops"), np.random.default_rng(1)
    collection(here / "specimens", "specimens", range(12), 4, rng)
    collection(here / "more", "more", range(6), 1, rng, labelled=False)
    made, best = random_detector(here / "draft", 0.5), {}
    for folder in ("specimens", "more"):
        for path in sorted((here / folder).iterdir()):
            ((boxes, scores),) = backend_torchvision.predict(made, [images.read_image(path)])
            best[f"{'specimens/' if folder == 'specimens' else ''}{path.name}"] = (
                boxes[scores.argmax()],
                scores.max(),
            )
    ranked = np.sort([score for _, score in best.values()])
    gaps = np.diff(ranked)[len(ranked) // 5 : len(ranked) // 3]
    at = len(ranked) // 5 + gaps.argmax()  # the widest gap: no rounding decides
    threshold = float(ranked[at : at + 2].mean())
    random_detector(here / "detector", threshold)
    flow = Flow(here)
    _, tasks = flow.run(
        "--specimens",
        "specimens.csv",
        "--unlabelled",
        "more",
        "--detector_model",
        "detector",
        *SMALL,
    )
    assert {"CROP_IMAGES (specimens_1)", "CROP_IMAGES (unlabelled_1)"} <= set(tasks)
    shutil.copytree(here / "results", here / "first")
    return flow, best, threshold


def dataset(here, name):
    """Return the data set that CROP_IMAGES wrote, in each run the same, and the folder where it did."""
    found = [
        path
        for path in here.glob(f"work/*/*/{name}.json")
        if not path.is_symlink() and "cropped_by" in json.loads(path.read_text())["info"]
    ]
    assert len({path.read_bytes() for path in found}) == 1
    return json.loads(found[0].read_text()), found[0].parent


def test_each_image_is_cropped_around_what_the_detector_finds_surest_or_stays_whole_with_a_row(
    cropped,
):
    flow, best, threshold = cropped
    audit = json.loads((flow.here / "first/identification/audit.json").read_text())
    whole = {name for name, (_, score) in best.items() if score < threshold}
    assert 0 < len(whole) < len(best) / 2
    assert {row["image"] for row in audit["rows"] if row["stage"] == "crop_images"} == whole
    assert audit["summary"]["crop_images: note"] == len(whole)
    for name, folder in (("specimens_1", flow.here), ("unlabelled_1", flow.here / "more")):
        found, work = dataset(flow.here, name)
        pack = images.Pack([work / f"{name}_0001.zip"])
        for image in found["images"]:
            pixels = images.read_image(folder / image["file_name"])
            if image["file_name"] not in whole:
                np.testing.assert_allclose(
                    image["photo"]["box"], best[image["file_name"]][0], atol=0.05
                )
                x1, y1, x2, y2 = crops.window(image["photo"]["box"], 48, 48)
                pixels = pixels[y1:y2, x1:x2]
            assert (pack.read(image["id"]) == pixels).all()


def test_the_gallery_holds_the_detector_and_the_hashes_of_the_users_files(cropped):
    here, held = cropped[0].here, cropped[0].here / "first/identification/gallery"
    for name in ("model.json", "weights.safetensors", "README.md"):
        assert (held / "detector" / name).read_bytes() == (here / "detector" / name).read_bytes()
    with (held / "specimens_0001.csv").open(newline="") as handle:
        enrolled = {row["image"]: row["sha256"] for row in csv.DictReader(handle)}
    assert enrolled == {
        f"specimens/{path.name}": images.describe(path).sha256
        for path in (here / "specimens").iterdir()
    }
    cropper = {
        json.loads((held / "embedder/model.json").read_text())["cropped_by"],
        dataset(here, "specimens_1")[0]["info"]["cropped_by"],
    }
    assert len(cropper) == 1


def test_a_gallery_crops_later_images_without_being_told(cropped):
    flow = cropped[0]
    _, tasks = flow.run(
        "--gallery",
        "first/identification/gallery",
        "--unlabelled",
        "more",
        "--specimens",
        "specimens.csv",
    )
    assert {"CROP_IMAGES (specimens_1)", "CROP_IMAGES (unlabelled_1)"} <= set(tasks)
    first, later = (
        flow.here / results / "identification/identified.csv" for results in ("first", "results")
    )
    assert later.read_bytes() == first.read_bytes()
    assert (
        json.loads((flow.here / "results/identification/enrolment.json").read_text())["skipped"]
        == 48
    )
    assert (flow.here / "results/identification/gallery/detector/weights.safetensors").exists()


def test_a_gallery_that_lost_its_detector_names_no_whole_photo(cropped):
    flow = cropped[0]
    shutil.copytree(flow.here / "first/identification/gallery", flow.here / "without")
    shutil.rmtree(flow.here / "without/detector")
    said, tasks = flow.run(
        "--gallery", "without", "--unlabelled", "more", "--outdir", "refused", ok=False
    )
    assert said.splitlines()[-1].startswith(
        "error: unlabelled_1.json: its images are whole; wanted them cropped by the detector "
    )
    assert not any(name.startswith("CROP_IMAGES") for name in tasks)


def test_the_process_alone_gives_what_it_gives_in_the_chain(cropped, tmp_path):
    here = cropped[0].here
    _, work = dataset(here, "unlabelled_1")
    photos = ", ".join(
        f"file('{path.resolve()}')"
        for path in sorted((work / "photos").iterdir(), key=lambda path: path.suffix)
    )
    detector = ", ".join(f"file('{path}')" for path in sorted((here / "detector").iterdir()))
    (tmp_path / "main.nf").write_text(
        "\n".join(
            [
                f"include {{ suite }} from '{ROOT}/modules/lib/suite'",
                f"include {{ CROP_IMAGES }} from '{ROOT}/modules/local/identification/crop_images'",
                "workflow {",
                f"    CROP_IMAGES(['unlabelled', {photos}], [{detector}], suite('crop_images', [:]))",
                "}",
                "",
            ]
        )
    )
    Flow(tmp_path, pipeline=tmp_path / "main.nf").run(parser="v2")
    (alone,) = [
        path.parent for path in tmp_path.glob("work/*/*/unlabelled_1.json") if not path.is_symlink()
    ]
    assert (alone / "unlabelled_1_0001.zip").read_bytes() == (
        work / "unlabelled_1_0001.zip"
    ).read_bytes()
