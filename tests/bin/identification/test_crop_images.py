"""Photos with a red insect somewhere, imported as they are in a run, cropped by what finds red."""

import json
import subprocess
from dataclasses import replace
from types import SimpleNamespace

import crop_images
import import_images
import numpy as np
import pytest
from PIL import Image, ImageOps

from conftest import command
from detectors import random_detector
from entoflow import crops, dataset, grouping, images, model_folder
from entoflow.boxes import Prediction
from entoflow.dataset import Dataset
from entoflow.detector import inference
from entoflow.detector.network import Detector
from entoflow.identification import embedder_facts
from entoflow.model_folder import ModelFacts
from entoflow.task import InputError

pytest.importorskip("torch")
RED = (250, 10, 10)
FACTS = ModelFacts(
    name="insect",
    kind="detector",
    classes=["insect"],
    input={"backend": "red", "image_size": 64},
    threshold=0.5,
    metrics={},
    metrics_of="validation",
    licence="none",
    data={},
    parameters={},
    seed=1,
)


def draw_photo(path, box, size=(120, 80), **options):
    """Draw a scene of noise with a red insect in a box (x1, y1, x2, y2); none where it is None."""
    width, height = size
    rng = np.random.default_rng(len(path.name))
    noise = rng.integers(40, 200, (height // 8, width // 8, 3), np.uint8)
    image = Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)
    if box:
        image.paste(RED, box)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)


def find_red(_detector, pieces, _size):
    """A detector's predict: of each image a false box of low score, and the bounds of red."""
    results = []
    for pixels in pieces:
        red, green, blue = np.moveaxis(pixels, -1, 0)
        rows, columns = np.nonzero((red > 220) & (green < 60) & (blue < 60))
        boxes = [[0, 0, 5, 5]]
        scores = [0.3]
        if len(rows):
            boxes.insert(0, [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
            scores.insert(0, 0.9)
        results.append((np.array(boxes, float), np.array(scores)))
    return results


@pytest.fixture
def world(tmp_path, monkeypatch):
    """Six photos in the folder photos, and what finds red in place of the detector.

    One photo has no insect, and one lies on its side by EXIF.
    """
    folder = tmp_path / "photos"
    draw_photo(folder / "ant/middle.png", (40, 30, 60, 40))
    draw_photo(folder / "ant/corner.png", (100, 70, 120, 80))
    draw_photo(folder / "bee/large.png", (5, 5, 118, 78))
    draw_photo(folder / "bee/none.jpg", None)
    along_blocks = (16, 24, 32, 48)  # of JPEG
    draw_photo(folder / "bee/second.jpg", along_blocks, quality=95, subsampling=0)
    turned = Image.Exif()
    turned[images.ORIENTATION] = 6
    path = folder / "wasp/turned.jpg"
    draw_photo(path, along_blocks, exif=turned, quality=95, subsampling=0)
    (tmp_path / "detector").mkdir()
    (tmp_path / "detector/weights.safetensors").write_bytes(b"weights")
    model_folder.write(tmp_path / "detector", FACTS)

    def load(folder, scratch):
        detector = Detector(None, "cpu", "red", image_size=64)
        return detector, SimpleNamespace(predict=find_red), model_folder.read(folder)

    monkeypatch.setattr(inference, "load", load)
    return tmp_path


def import_photos(here, *options):
    """Import the photos and return {file name: image}."""
    paths = [
        f"--source={here}/photos",
        f"--dataset={here}/specimens_1.json",
        f"--audit={here}/audit.json",
        f"--packs_folder={here}",
    ]
    import_images.main([*paths, "--role=specimens", "--name=specimens_1", *options])
    return by_name(here / "specimens_1.json")


def by_name(path):
    return {image.file_name: image for image in dataset.read(path).images}


def crop_photos(here, *packs):
    """Crop the photos and return {file name: image of the crops}."""
    (here / "crops").mkdir(exist_ok=True)
    packs = packs or sorted(here.glob("specimens_1_*.zip"))
    paths = [
        f"--photos={here}/specimens_1.json",
        f"--detector={here}/detector",
        f"--scratch={here}/scratch",
        f"--dataset={here}/crops/specimens_1.json",
        f"--audit={here}/crops/audit.json",
        f"--packs_folder={here}/crops",
    ]
    crop_images.main([*paths, "--packs", *map(str, packs)])
    return by_name(here / "crops/specimens_1.json")


WINDOWS = {  # by hand: 1.3 times the longer side around the middle, moved inwards at a border
    "ant/middle.png": (37, 22, 63, 48),
    "ant/corner.png": (94, 54, 120, 80),
    "bee/large.png": (0, 0, 120, 80),
    "bee/second.jpg": (8, 20, 40, 52),  # 31.2 x 31.2 from (8.4, 20.4): whole pixels outwards
    # stored at (16, 24, 32, 48) and turned a quarter: upright at (32, 16, 56, 32)
    "wasp/turned.jpg": (28, 8, 60, 40),
}


def test_crops_are_the_pixels_of_the_upright_photo_around_the_surest_box(world):
    import_photos(world)
    cropped = crop_photos(world)
    pack = images.Pack([world / "crops/specimens_1_0001.zip"])
    for name, window in WINDOWS.items():
        upright = ImageOps.exif_transpose(Image.open(world / "photos" / name)).convert("RGB")
        crop = cropped[name]
        assert crop.photo.crop == list(window), name
        assert (pack.read(crop.id) == np.asarray(upright.crop(window))).all(), name
        x1, y1, x2, y2 = window
        assert (crop.width, crop.height) == (x2 - x1, y2 - y1)


def test_a_crop_keeps_the_name_hash_and_id_of_its_photo_and_says_where_it_was(world):
    photos = import_photos(world)
    cropped = crop_photos(world)
    assert list(cropped) == list(photos)
    for name, crop in cropped.items():
        for field in ("id", "sha256", "file_name", "group", "label", "pack"):
            assert getattr(crop, field) == getattr(photos[name], field)
    crop = cropped["ant/middle.png"]
    before = photos["ant/middle.png"]
    pixels = Image.open(world / "photos/ant/middle.png").crop(WINDOWS["ant/middle.png"])
    assert crop.phash == f"{images.phash(pixels):016x}"
    assert crop.phash != before.phash
    assert (crop.photo.box, crop.photo.score) == ([40, 30, 60, 40], 0.9)
    for field in ("width", "height", "phash", "mirrored", "thumbnail"):
        assert getattr(crop.photo, field) == getattr(before, field)
    crops_set = dataset.read(world / "crops/specimens_1.json")
    assert crops_set.cropped_by
    photos_set = dataset.read(world / "specimens_1.json")
    assert replace(crops_set, images=[], cropped_by=None) == replace(photos_set, images=[])


def test_a_photo_without_an_insect_stays_whole_and_is_counted_with_a_row(world, capsys):
    photos = import_photos(world)
    capsys.readouterr()
    name = "bee/none.jpg"
    assert crop_photos(world)[name] == photos[name]
    pack = images.Pack([world / "crops/specimens_1_0001.zip"])
    extracted = pack.extract(photos[name].id, world).read_bytes()
    assert extracted == (world / "photos" / name).read_bytes()
    assert json.loads((world / "crops/audit.json").read_text()) == [
        {
            "image": name,
            "row": None,
            "source": "photos",
            "stage": "crop_images",
            "action": "note",
            "reason": "no insect found (no box scores 0.500 or more): used whole",
        }
    ]
    sentence = "Cropped 5 of 6 images; no insect found in 1, used whole: see audit.json.\n"
    assert capsys.readouterr().out == sentence


def test_the_surest_box_from_the_threshold_up_is_taken():
    boxes = np.array([[0, 0, 9, 9], [1, 1, 5, 5]], float)
    predictions = [
        Prediction.in_view(1, 0, boxes, np.array([0.5, 0.7])),
        Prediction.in_view(2, 0, boxes, np.array([0.4, 0.3])),
        Prediction.in_view(3, 0, boxes, np.array([0.5, 0.1])),
        Prediction.in_view(4, 0, np.zeros((0, 4)), np.zeros(0)),
    ]
    assert crop_images.surest_boxes(predictions, 0.5) == {
        1: crop_images.Insect([1, 1, 5, 5], 0.7),
        3: crop_images.Insect([0, 0, 9, 9], 0.5),
    }


def without_packs(cropped):
    return {name: replace(crop, pack="") for name, crop in cropped.items()}


def test_the_number_of_packs_and_a_second_run_change_no_crop(world):
    import_photos(world)
    whole = crop_photos(world)
    first = (world / "crops/specimens_1_0001.zip").read_bytes()
    assert crop_photos(world) == whole
    assert (world / "crops/specimens_1_0001.zip").read_bytes() == first
    import_photos(world, "--pack_size=2")
    cropped = crop_photos(world)
    packs = {crop.pack for crop in cropped.values()}
    assert packs == {f"specimens_1_000{n}.zip" for n in (1, 2, 3)}
    assert without_packs(cropped) == without_packs(whole)
    for name, crop in cropped.items():
        assert crop.id in images.Pack([world / "crops" / crop.pack]).ids(), name
    assert not [path for path in (world / "crops").iterdir() if path.is_dir()]


def draw_card(path, noise, corner, bars):
    """Draw a letter of red bars on a card that lies in a scene."""
    scene = Image.fromarray(noise).resize((240, 160), Image.Resampling.BICUBIC)
    card = Image.new("RGB", (90, 90), (200, 220, 200))
    for bar in bars:
        card.paste(RED, bar)
    scene.paste(card, corner)
    scene.save(path)


def test_photos_are_near_duplicates_if_they_are_themselves_or_if_their_crops_are(world):
    """An L on a card in a scene: as it was, as JPEG, elsewhere in it, and a T in its place."""
    folder = world / "photos/card"
    folder.mkdir(parents=True)
    noise = np.random.default_rng(3).integers(40, 200, (10, 15, 3), np.uint8)
    ell = [(20, 20, 35, 70), (20, 55, 70, 70)]
    tee = [(20, 20, 70, 35), (38, 20, 52, 70)]
    draw_card(folder / "a.png", noise, (10, 10), ell)
    draw_card(folder / "copy.jpg", noise, (10, 10), ell)
    draw_card(folder / "moved.png", noise, (140, 60), ell)
    draw_card(folder / "other.png", noise, (10, 10), tee)
    photos = import_photos(world)
    cropped = crop_photos(world)
    same_photo = {"card/a.png", "card/copy.jpg"}
    for image_of, alike in ((photos, same_photo), (cropped, {*same_photo, "card/moved.png"})):
        cards = [image for name, image in image_of.items() if name.startswith("card/")]
        groups, _ = grouping.group({"specimens": Dataset(cards)}, 6, "test", [])
        group = groups[image_of["card/a.png"].id]
        assert {image.file_name for image in cards if groups[image.id] == group} == alike


def test_a_photo_whose_crop_is_another_is_still_the_near_duplicate_of_its_copy(world):
    """A detector may choose another insect in a copy: it shows the same scene."""
    photos = import_photos(world)
    cropped = crop_photos(world)
    one = cropped["ant/middle.png"]
    photo = photos["ant/middle.png"]
    other = cropped["bee/large.png"]
    looks = {"phash": photo.phash, "mirrored": photo.mirrored, "thumbnail": photo.thumbnail}
    other = replace(other, photo=replace(other.photo, **looks))
    audit_rows = []
    specimens = {"specimens": Dataset([one, other])}
    groups, _ = grouping.group(specimens, 6, "test", audit_rows)
    assert len(set(groups.values())) == 1
    (row,) = audit_rows
    assert "nearly the same photo as" in row.reason


def test_data_sets_that_were_cropped_differently_are_not_joined():
    def merge(*detectors):
        datasets = [Dataset([], role="specimens", cropped_by=detector) for detector in detectors]
        return grouping.merge(datasets, ["specimens"], "test", [])["specimens"]

    assert merge("x", "x") == Dataset([], role="specimens", cropped_by="x")
    assert merge(None) == Dataset([], role="specimens")
    sentence = (
        "--datasets: some are cropped and others not, or by another detector; "
        "wanted all by one, or none"
    )
    for other in (None, "y"):
        with pytest.raises(InputError, match=sentence):
            merge("x", other)


def test_packs_that_are_missing_or_would_be_written_over_are_an_error_before_anything(world):
    import_photos(world, "--pack_size=3")
    first = world / "specimens_1_0001.zip"
    sentence = (
        "--packs: lack specimens_1_0002.zip, which .*specimens_1.json names; wanted all packs"
    )
    with pytest.raises(InputError, match=sentence):
        crop_photos(world, first)
    copy = world / "crops/specimens_1_0001.zip"
    copy.write_bytes(first.read_bytes())
    sentence = "--packs_folder: .*/crops holds the packs of the photos; wanted another folder"
    with pytest.raises(InputError, match=sentence):
        crop_photos(world, copy, world / "specimens_1_0002.zip")
    assert not (world / "crops/specimens_1.json").exists()


def test_the_identity_of_a_detector_is_that_of_weights_input_and_threshold(tmp_path):
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "weights.safetensors").write_bytes(name.encode())
    one = tmp_path / "one"
    facts = replace(FACTS, input={"backend": "yolo", "image_size": 64})
    identity = embedder_facts.detector_identity(one, facts)
    renamed = replace(facts, name="b", input={"image_size": 64, "backend": "yolo"})
    assert embedder_facts.detector_identity(one, renamed) == identity
    others = [
        embedder_facts.detector_identity(tmp_path / "other", facts),
        embedder_facts.detector_identity(one, replace(facts, threshold=0.4)),
        embedder_facts.detector_identity(
            one, replace(facts, input={"backend": "yolo", "image_size": 96})
        ),
    ]
    assert len({identity, *others}) == 4


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """Return (folder, {file name: (best box, score)}) of four imported photos.

    A real network with random weights is in the folder detector; two photos reach its threshold.
    """
    from entoflow.detector import backend_torchvision

    here = tmp_path_factory.mktemp("real")
    for n in range(4):
        draw_photo(here / f"photos/a/{'x' * (n + 1)}.png", (20 * n, 10, 20 * n + 30, 50))
    import_photos(here)
    draft = random_detector(here / "draft", 0.5)
    paths = sorted((here / "photos").rglob("*.png"))
    pixels = [np.asarray(Image.open(path)) for path in paths]
    best = {}
    for path, (boxes, scores) in zip(paths, backend_torchvision.predict(draft, pixels)):
        name = path.relative_to(here / "photos").as_posix()
        best[name] = boxes[scores.argmax()], scores.max()
    ranked = sorted(score for _, score in best.values())
    random_detector(here / "detector", float(ranked[1] + ranked[2]) / 2)
    return here, best


def run(here, detector):
    """Run the command and return the process."""
    (here / "out").mkdir(exist_ok=True)
    options = [
        f"--photos={here}/specimens_1.json",
        f"--packs={here}/specimens_1_0001.zip",
        f"--detector={detector}",
        f"--scratch={here}/scratch",
        f"--dataset={here}/out/specimens_1.json",
        f"--audit={here}/out/audit.json",
        f"--packs_folder={here}/out",
    ]
    return subprocess.run([*command("crop_images"), *options], capture_output=True, text=True)


def test_the_command_crops_around_the_boxes_that_the_network_finds(real):
    here, best = real
    done = run(here, here / "detector")
    assert done.returncode == 0, done.stderr
    sentence = "Cropped 2 of 4 images; no insect found in 2, used whole: see audit.json.\n"
    assert done.stdout == sentence
    threshold = model_folder.read(here / "detector").threshold
    pack = images.Pack([here / "out/specimens_1_0001.zip"])
    for name, crop in by_name(here / "out/specimens_1.json").items():
        box, score = best[name]
        pixels = np.asarray(Image.open(here / "photos" / name))
        assert (crop.photo is not None) == (score >= threshold)
        if crop.photo:
            np.testing.assert_allclose(crop.photo.box, box, atol=1e-3)
            assert crop.photo.score == pytest.approx(score, abs=1e-6)
            x1, y1, x2, y2 = crops.window(crop.photo.box, 120, 80)
            pixels = pixels[y1:y2, x1:x2]
        assert (pack.read(crop.id) == pixels).all()


def change_kind(folder):
    content = json.loads((folder / "model.json").read_text())
    content |= {"kind": "embedder", "input": {"backend": "timm"}}
    (folder / "model.json").write_text(json.dumps(content))


def remove_weights(folder):
    (folder / "weights.safetensors").unlink()


def break_weights(folder):
    (folder / "weights.safetensors").write_bytes(b"\x10")


def break_json(folder):
    (folder / "model.json").write_text("{")


@pytest.mark.parametrize(
    "name, change, sentence",
    [
        (
            "embedder",
            change_kind,
            "embedder: is a model of kind embedder; wanted a detector.",
        ),
        (
            "without weights",
            remove_weights,
            "without weights: holds no model; wanted a model folder",
        ),
        ("half", break_weights, "half: its weights cannot be loaded: "),
        ("no json", break_json, "is not JSON"),
    ],
)
def test_a_folder_without_a_working_detector_ends_the_command_with_one_sentence(
    real, name, change, sentence
):
    here, _ = real
    random_detector(here / name, 0.5)
    change(here / name)
    done = run(here, here / name)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1
