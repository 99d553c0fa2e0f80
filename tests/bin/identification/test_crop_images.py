"""Photos with a red insect somewhere, imported as they are in a run, and cropped by a detector that finds red."""
import json
import subprocess
from types import SimpleNamespace

import crop_images
import import_images
import numpy as np
import pytest
from PIL import Image, ImageOps

from conftest import command
from detectors import random_detector
from entoflow import coco, crops, images, joining
from entoflow.detector import inference
from entoflow.identification import embedder_facts
from entoflow.task import InputError

pytest.importorskip("torch")
RED = (250, 10, 10)


def photo(path, box, size=(120, 80), **options):
    """Draw a scene of noise with a red insect in a box (x1, y1, x2, y2); none where it is None."""
    noise = np.random.default_rng(len(path.name)).integers(40, 200, (size[1] // 8, size[0] // 8, 3), np.uint8)
    image = Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)
    if box:
        image.paste(RED, box)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)


def red(_detector, pieces, _size):
    """A detector's predict: of each image a false box of low score, and the bounds of what is red."""
    found = []
    for pixels in pieces:
        rows, columns = np.nonzero((pixels[..., 0] > 220) & (pixels[..., 1] < 60) & (pixels[..., 2] < 60))
        sure = [[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]] if len(rows) else []
        found.append((np.array([*sure, [0, 0, 5, 5]], float), np.array([0.9] * len(sure) + [0.3])))
    return found


@pytest.fixture
def world(tmp_path, monkeypatch):
    """Six photos in the folder photos, one without an insect, one lying on its side by EXIF, and what finds red in place of the detector."""
    folder = tmp_path / "photos"
    photo(folder / "ant/middle.png", (40, 30, 60, 40))
    photo(folder / "ant/corner.png", (100, 70, 120, 80))
    photo(folder / "bee/large.png", (5, 5, 118, 78))
    photo(folder / "bee/none.jpg", None)
    photo(folder / "bee/second.jpg", (16, 24, 32, 48), quality=95, subsampling=0)  # along the blocks of JPEG
    turned = Image.Exif()
    turned[images.ORIENTATION] = 6
    photo(folder / "wasp/turned.jpg", (16, 24, 32, 48), exif=turned, quality=95, subsampling=0)
    (tmp_path / "detector").mkdir()
    (tmp_path / "detector/weights.safetensors").write_bytes(b"weights")
    facts = {"kind": "detector", "threshold": 0.5, "input": {"backend": "red", "image_size": 64}}
    monkeypatch.setattr(inference, "load", lambda folder, scratch: ({"image_size": 64, "tile_size": 0}, SimpleNamespace(predict=red), facts))
    return tmp_path


def imported(here, *options):
    import_images.main([f"--source={here}/photos", "--role=specimens", "--name=specimens_1", f"--dataset={here}/specimens_1.json",
                        f"--audit={here}/audit.json", f"--packs_folder={here}", *options])
    return {image["file_name"]: image for image in coco.read(here / "specimens_1.json")["images"]}


def cropped(here, *packs):
    """Return {file name: what the data set of the crops says of an image}."""
    (here / "crops").mkdir(exist_ok=True)
    packs = packs or sorted(here.glob("specimens_1_*.zip"))
    crop_images.main([f"--photos={here}/specimens_1.json", "--packs", *map(str, packs), f"--detector={here}/detector", f"--scratch={here}/scratch",
                      f"--dataset={here}/crops/specimens_1.json", f"--audit={here}/crops/audit.json", f"--packs_folder={here}/crops"])
    return {image["file_name"]: image for image in coco.read(here / "crops/specimens_1.json")["images"]}


WINDOWS = {  # by hand: 1.3 times the longer side around the middle, moved inwards at a border
    "ant/middle.png": (37, 22, 63, 48), "ant/corner.png": (94, 54, 120, 80), "bee/large.png": (0, 0, 120, 80),
    "bee/second.jpg": (8, 20, 40, 52),  # 31.2 x 31.2 from (8.4, 20.4): whole pixels outwards
    "wasp/turned.jpg": (28, 8, 60, 40),  # stored at (16, 24, 32, 48) and turned a quarter: upright at (32, 16, 56, 32)
}


def test_crops_are_the_pixels_of_the_upright_photo_around_the_surest_box(world):
    imported(world)
    found = cropped(world)
    pack = images.Pack([world / "crops/specimens_1_0001.zip"])
    for name, window in WINDOWS.items():
        upright = ImageOps.exif_transpose(Image.open(world / "photos" / name)).convert("RGB")
        wanted = np.asarray(upright.crop(window))
        assert found[name]["photo"]["crop"] == list(window), name
        assert (pack.read(found[name]["id"]) == wanted).all(), name
        assert (found[name]["width"], found[name]["height"]) == (window[2] - window[0], window[3] - window[1])


def test_a_crop_goes_under_the_name_hash_and_id_of_its_photo_and_says_where_it_was(world):
    photos = imported(world)
    found = cropped(world)
    assert list(found) == list(photos)
    for name, image in found.items():
        for key in ("id", "sha256", "file_name", "group", "label", "pack"):
            assert image[key] == photos[name][key]
    image, before = found["ant/middle.png"], photos["ant/middle.png"]
    own = Image.open(world / "photos/ant/middle.png").crop((37, 22, 63, 48))
    assert image["phash"] == f"{images.phash(own):016x}" and image["phash"] != before["phash"]
    assert (image["photo"]["box"], image["photo"]["score"]) == ([40, 30, 60, 40], 0.9)
    assert all(image["photo"][key] == before[key] for key in ("width", "height", "phash", "mirrored", "thumbnail"))
    info = coco.read(world / "crops/specimens_1.json")["info"]
    assert info.pop("cropped_by") and info == coco.read(world / "specimens_1.json")["info"]


def test_a_photo_without_an_insect_stays_whole_and_is_counted_with_a_row(world, capsys):
    photos = imported(world)
    capsys.readouterr()
    assert cropped(world)["bee/none.jpg"] == photos["bee/none.jpg"]
    packs = (images.Pack([folder / "specimens_1_0001.zip"]) for folder in (world, world / "crops"))
    before, after = (pack.extract(photos["bee/none.jpg"]["id"], world).read_bytes() for pack in packs)
    assert before == after == (world / "photos/bee/none.jpg").read_bytes()
    assert json.loads((world / "crops/audit.json").read_text()) == [
        {"image": "bee/none.jpg", "row": None, "source": "photos", "stage": "crop_images", "action": "note",
         "reason": "no insect found (no box scores 0.500 or more): used whole"}]
    assert capsys.readouterr().out == "Cropped 5 of 6 images; no insect found in 1, used whole: see audit.json.\n"


def test_the_surest_box_from_the_threshold_up_is_taken():
    boxes, none = np.array([[0, 0, 9, 9], [1, 1, 5, 5]], float), np.zeros((0, 4))
    rows = [(1, 0, boxes, np.array([0.5, 0.7])), (2, 0, boxes, np.array([0.4, 0.3])), (3, 0, boxes, np.array([0.5, 0.1])), (4, 0, none, np.zeros(0))]
    assert crop_images.surest(rows, 0.5) == {1: ([1, 1, 5, 5], 0.7), 3: ([0, 0, 9, 9], 0.5)}


def test_however_many_packs_there_are_the_crops_are_the_same_and_so_are_the_bytes_of_a_second_run(world):
    imported(world)
    whole = cropped(world)
    first = (world / "crops/specimens_1_0001.zip").read_bytes()
    assert cropped(world) == whole and (world / "crops/specimens_1_0001.zip").read_bytes() == first
    imported(world, "--pack_size=2")
    found = cropped(world)
    assert {image["pack"] for image in found.values()} == {f"specimens_1_000{n}.zip" for n in (1, 2, 3)}
    assert {name: {**image, "pack": ""} for name, image in found.items()} == {name: {**image, "pack": ""} for name, image in whole.items()}
    for name, image in found.items():
        assert image["id"] in images.Pack([world / "crops" / image["pack"]]).ids(), name
    assert not [path for path in (world / "crops").iterdir() if path.is_dir()]


def test_photos_are_near_duplicates_if_they_are_themselves_or_if_their_crops_are(world):
    """An L on a card in a scene: as it was, as JPEG, elsewhere in the scene, and a T in its place."""
    noise = np.random.default_rng(3).integers(40, 200, (10, 15, 3), np.uint8)
    (world / "photos/card").mkdir(parents=True)

    def shown(name, corner, bars):
        scene, card = Image.fromarray(noise).resize((240, 160), Image.Resampling.BICUBIC), Image.new("RGB", (90, 90), (200, 220, 200))
        for bar in bars:
            card.paste(RED, bar)
        scene.paste(card, corner)
        scene.save(world / "photos/card" / name)

    ell, tee = [(20, 20, 35, 70), (20, 55, 70, 70)], [(20, 20, 70, 35), (38, 20, 52, 70)]
    shown("a.png", (10, 10), ell)
    shown("copy.jpg", (10, 10), ell)
    shown("moved.png", (140, 60), ell)
    shown("other.png", (10, 10), tee)
    photos = imported(world)
    found = cropped(world)
    for taken, alike in ((photos, {"card/a.png", "card/copy.jpg"}), (found, {"card/a.png", "card/copy.jpg", "card/moved.png"})):
        taken = [{**image, "given": False, "source": "x"} for name, image in taken.items() if name.startswith("card/")]
        groups, _ = joining.group({"specimens": {"images": taken}}, 6, "test", [])
        of_a, = (groups[image["id"]] for image in taken if image["file_name"] == "card/a.png")
        assert {image["file_name"] for image in taken if groups[image["id"]] == of_a} == alike


def test_a_photo_whose_crop_is_another_is_still_the_near_duplicate_of_its_copy(world):
    """A detector may choose another insect in a copy: it shows the same scene."""
    photos = imported(world)
    found = cropped(world)
    one, other = ({**image, "given": False, "source": "x"} for image in (found["ant/middle.png"], found["bee/large.png"]))
    other = {**other, "photo": {**other["photo"], **{key: photos["ant/middle.png"][key] for key in ("phash", "mirrored", "thumbnail")}}}
    audit = []
    groups, _ = joining.group({"specimens": {"images": [one, other]}}, 6, "test", audit)
    assert len(set(groups.values())) == 1 and len(audit) == 1 and "nearly the same photo as" in audit[0]["reason"]


def test_data_sets_that_were_cropped_differently_are_not_joined():
    def dataset(cropped_by):
        return {"info": {"role": "specimens", **({"cropped_by": cropped_by} if cropped_by else {})}, "images": [], "categories": [], "annotations": []}

    assert joining.merge([dataset("x"), dataset("x")], ["specimens"], "test", [])["specimens"]["info"] == {"role": "specimens", "cropped_by": "x"}
    assert joining.merge([dataset(None)], ["specimens"], "test", [])["specimens"]["info"] == {"role": "specimens"}
    for one, other in (("x", None), ("x", "y")):
        with pytest.raises(InputError, match="--datasets: some are cropped and others not, or by another detector; wanted all by one, or none"):
            joining.merge([dataset(one), dataset(other)], ["specimens"], "test", [])


def test_packs_that_are_missing_or_would_be_written_over_are_told_before_anything_is_written(world):
    imported(world, "--pack_size=3")
    with pytest.raises(InputError, match="--packs: lack specimens_1_0002.zip, which .*specimens_1.json names; wanted all packs of its images"):
        cropped(world, world / "specimens_1_0001.zip")
    (world / "crops/specimens_1_0001.zip").write_bytes((world / "specimens_1_0001.zip").read_bytes())
    with pytest.raises(InputError, match="--packs_folder: .*/crops holds the packs of the photos; wanted another folder"):
        cropped(world, world / "crops/specimens_1_0001.zip", world / "specimens_1_0002.zip")
    assert not (world / "crops/specimens_1.json").exists()


def test_what_tells_detectors_apart_is_weights_input_and_threshold(tmp_path):
    def folder(name, weights):
        (tmp_path / name).mkdir()
        (tmp_path / name / "weights.safetensors").write_bytes(weights)
        return tmp_path / name

    facts = {"name": "a", "threshold": 0.5, "input": {"backend": "yolo", "image_size": 64}}
    one, other = folder("one", b"1"), folder("other", b"2")
    same = embedder_facts.detector_identity(one, facts)
    assert embedder_facts.detector_identity(one, {**facts, "name": "b", "input": {"image_size": 64, "backend": "yolo"}}) == same
    changed = [(other, facts), (one, {**facts, "threshold": 0.4}), (one, {**facts, "input": {**facts["input"], "image_size": 96}})]
    assert len({same, *(embedder_facts.detector_identity(*what) for what in changed)}) == 4


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """Four imported photos, and a real network with random weights in the folder detector, whose threshold two of them reach."""
    here = tmp_path_factory.mktemp("real")
    for n in range(4):
        photo(here / f"photos/a/{'x' * (n + 1)}.png", (20 * n, 10, 20 * n + 30, 50))
    imported(here)
    made = random_detector(here / "draft", 0.5)
    from entoflow.detector import backend_torchvision

    paths = sorted((here / "photos").rglob("*.png"))
    found = backend_torchvision.predict(made, [np.asarray(Image.open(path)) for path in paths])
    best = {path.relative_to(here / "photos").as_posix(): (boxes[scores.argmax()], scores.max()) for path, (boxes, scores) in zip(paths, found)}
    ranked = sorted(score for _, score in best.values())
    random_detector(here / "detector", float(ranked[1] + ranked[2]) / 2)
    return here, best


def run(here, detector, *options):
    (here / "out").mkdir(exist_ok=True)
    return subprocess.run([*command("crop_images"), f"--photos={here}/specimens_1.json", "--packs", here / "specimens_1_0001.zip",
                           f"--detector={detector}", f"--scratch={here}/scratch", f"--dataset={here}/out/specimens_1.json", f"--audit={here}/out/audit.json",
                           f"--packs_folder={here}/out", *options], capture_output=True, text=True, check=False)


def test_the_command_crops_around_the_boxes_that_the_network_finds(real):
    here, best = real
    done = run(here, here / "detector")
    assert done.returncode == 0, done.stderr
    threshold = json.loads((here / "detector/model.json").read_text())["threshold"]
    found = {image["file_name"]: image for image in coco.read(here / "out/specimens_1.json")["images"]}
    assert {name for name, image in found.items() if "photo" in image} == {name for name, (_, score) in best.items() if score >= threshold}
    assert done.stdout == "Cropped 2 of 4 images; no insect found in 2, used whole: see audit.json.\n"
    pack = images.Pack([here / "out/specimens_1_0001.zip"])
    for name, image in found.items():
        box, score = best[name]
        whole = np.asarray(Image.open(here / "photos" / name))
        if "photo" in image:
            np.testing.assert_allclose(image["photo"]["box"], box, atol=1e-3)
            assert image["photo"]["score"] == pytest.approx(score, abs=1e-6)
            x1, y1, x2, y2 = crops.window(image["photo"]["box"], 120, 80)
            whole = whole[y1:y2, x1:x2]
        assert (pack.read(image["id"]) == whole).all()


def broken(here, name, change):
    random_detector(here / name, 0.5)
    change(here / name)
    return here / name


def another_kind(folder):
    facts = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**facts, "kind": "embedder", "input": {"backend": "timm"}}))


@pytest.mark.parametrize("name, change, sentence", [
    ("embedder", another_kind, "embedder: is a model of kind embedder; wanted a detector."),
    ("without weights", lambda folder: (folder / "weights.safetensors").unlink(), "without weights: holds no model; wanted a model folder"),
    ("half", lambda folder: (folder / "weights.safetensors").write_bytes(b"\x10"), "half: its weights cannot be loaded: "),
    ("no json", lambda folder: (folder / "model.json").write_text("{"), "no json/model.json: is not JSON"),
])
def test_a_folder_that_holds_no_detector_that_works_ends_the_command_with_one_sentence(real, name, change, sentence):
    done = run(real[0], broken(real[0], name, change))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ") and sentence in done.stderr and len(done.stderr.splitlines()) == 1
