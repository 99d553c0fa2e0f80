import csv
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import import_images
import numpy as np
import pytest
from PIL import Image

import box_writers
from conftest import command
from entoflow import images
from entoflow.sources import AnnotatedImage, SourceBox
from entoflow.task import InputError


def draw(path, seed=0, size=(64, 48), **options):
    """Save an image of random colours that no other seed has."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, **options)


@pytest.fixture
def run(tmp_path, capsys):
    """Return a function that imports a source: (dataset, audit rows, last line printed)."""

    def _run(source, role, *more, out="out"):
        out = tmp_path / out
        out.mkdir(exist_ok=True)
        import_images.main(
            [
                f"--source={source}",
                f"--role={role}",
                f"--name={role}_1",
                f"--dataset={out / 'dataset.json'}",
                f"--audit={out / 'audit.json'}",
                f"--packs_folder={out}",
                *more,
            ]
        )
        rows = json.loads((out / "audit.json").read_text(encoding="utf-8"))
        content = json.loads((out / "dataset.json").read_text(encoding="utf-8"))
        return content, rows, capsys.readouterr().out.splitlines()[-1]

    return _run


@pytest.fixture
def source(tmp_path):
    """Return a function that writes a COCO source of images a.png, b.png, ... with boxes given for
    each.
    """

    def _source(boxes, images=(), draw_them=True, **fields):
        folder = tmp_path / "src"
        for k, name in enumerate(sorted(boxes)):
            if draw_them:
                draw(folder / name, k)
        folder.mkdir(exist_ok=True)
        listed = [{"id": name, "file_name": name, **fields} for name in [*boxes, *images]]
        annotations = [
            {"image_id": name, "category_id": 1, "bbox": box}
            for name in boxes
            for box in boxes[name]
        ]
        content = {
            "images": listed,
            "annotations": annotations,
            "categories": [{"id": 1, "name": "bug"}],
        }
        (folder / "boxes.json").write_text(json.dumps(content))
        return folder / "boxes.json"

    return _source


def test_a_source_becomes_one_sorted_set_with_its_images_packed(run, source, tmp_path):
    content, rows, last_line = run(
        source({"b.png": [[9, 9, 5, 5], [1, 2, 3, 4]], "a.png": []}), "boxes", "--pack_size=1"
    )
    assert content["info"] == {"role": "boxes", "format": "coco", "source": "boxes.json"}
    a, b = content["images"]
    assert (a["file_name"], a["pack"], a["width"], a["height"], a["group"]) == (
        "a.png",
        "boxes_1_0001.zip",
        64,
        48,
        "a.png",
    )
    assert (b["file_name"], b["pack"], b["label"], b["count"]) == (
        "b.png",
        "boxes_1_0002.zip",
        None,
        None,
    )
    assert b["id"] == int(b["sha256"][:13], 16)
    assert content["annotations"] == [
        {
            "id": 1,
            "image_id": b["id"],
            "category_id": 1,
            "bbox": [1, 2, 3, 4],
            "area": 12,
            "iscrowd": 0,
        },
        {
            "id": 2,
            "image_id": b["id"],
            "category_id": 1,
            "bbox": [9, 9, 5, 5],
            "area": 25,
            "iscrowd": 0,
        },
    ]
    pack = images.Pack([tmp_path / "out" / image["pack"] for image in (a, b)])
    np.testing.assert_array_equal(pack.read(b["id"]), images.read_image(tmp_path / "src" / "b.png"))
    assert b["member"] == pack.extract(b["id"], tmp_path).name
    assert rows == []
    assert last_line == "Took 2 images with 2 boxes from boxes.json, left out 0: see audit.json."


def test_the_order_of_the_entries_and_of_the_threads_changes_no_byte(run, source, tmp_path):
    boxes = {f"{k}.png": [[k, k, 5, 5], [k, 1, 7, 7]] for k in range(20)}
    run(source(boxes), "boxes", "--cpus=1", "--pack_size=7")
    turned = {name: boxes[name][::-1] for name in sorted(boxes, reverse=True)}
    run(source(turned), "boxes", "--cpus=4", "--pack_size=7", out="again")
    for path in sorted((tmp_path / "out").iterdir()):
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()
    assert len(list((tmp_path / "out").iterdir())) == 5


def spoil(path, how):
    if how == "truncated":
        draw(path, 1, format="JPEG", quality=95)
        path.write_bytes(path.read_bytes()[:-2000])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "text":
        path.write_text("this is no image")


@pytest.mark.parametrize(
    "how, reason",
    [
        ("truncated", "is damaged"),
        ("empty", "is empty"),
        ("absent", "is absent"),
        ("text", "is not an image that can be read"),
    ],
)
def test_a_file_that_cannot_be_used_is_left_out_counted_and_named(
    run, source, tmp_path, how, reason
):
    path = source({f"{k:02}.png": [[1, 1, 5, 5]] for k in range(19)}, images=["x ä,.jpg"])
    spoil(tmp_path / "src" / "x ä,.jpg", how)
    content, [row], last_line = run(path, "boxes")
    assert len(content["images"]) == 19
    assert {**row, "reason": row["reason"][: len(reason)]} == {
        "image": "x ä,.jpg",
        "row": 20,
        "source": "boxes.json",
        "stage": "import_images",
        "action": "left out",
        "reason": reason,
    }
    assert last_line == "Took 19 images with 19 boxes from boxes.json, left out 1: see audit.json."


def test_more_bad_files_than_allowed_are_an_error_that_names_three(run, source):
    path = source(
        {f"{k:02}.png": [[1, 1, 5, 5]] for k in range(16)},
        images=["w.jpg", "x.jpg", "y.jpg", "z.jpg"],
    )
    with pytest.raises(
        InputError,
        match=r"boxes.json: 4 of 20 images cannot be used \(20.0%\): w.jpg is absent; x.jpg is "
        r"absent; y.jpg is absent and so on; wanted at most 5.0% \(--max_bad_files\)",
    ):
        run(path, "boxes")
    assert len(run(path, "boxes", "--max_bad_files=0.2")[0]["images"]) == 16


@pytest.mark.parametrize("role", ["boxes", "predict"])
def test_no_usable_image_is_an_error_whatever_is_allowed(run, source, tmp_path, role):
    path = source({}, images=["a.jpg"])
    spoil(tmp_path / "src" / "a.jpg", "text")
    with pytest.raises(
        InputError, match=r"1 of 1 images cannot be used \(100.0%\): a.jpg is not an image"
    ):
        run(path if role == "boxes" else tmp_path / "src", role, "--max_bad_files=1")


@pytest.mark.parametrize("mode", ["CMYK", "L", "I;16", "P", "RGBA", "1"])
def test_unusual_pixels_are_read_and_packed_as_8_bits(run, tmp_path, mode):
    form = "JPEG" if mode == "CMYK" else "PNG"
    (tmp_path / "src").mkdir()
    Image.new(mode, (30, 20), 1).save(tmp_path / "src" / "ä, b c.img.png", form)
    content, _, _ = run(tmp_path / "src", "predict")
    [image] = content["images"]
    path = images.Pack([tmp_path / "out" / image["pack"]]).extract(image["id"], tmp_path)
    with Image.open(path) as packed:
        assert (packed.mode, packed.size) == ("L" if mode == "L" else "RGB", (30, 20))


def test_60_megapixels_are_read(run, tmp_path):
    (tmp_path / "src").mkdir()
    Image.new("L", (10_000, 6_000), 90).save(tmp_path / "src" / "a.png", compress_level=1)
    assert [(i["width"], i["height"]) for i in run(tmp_path / "src", "predict")[0]["images"]] == [
        (10_000, 6_000)
    ]


@pytest.mark.parametrize(
    "size, expected",
    [((64, 48), [38, 2, 6, 10]), ((48, 64), [2, 4, 10, 6]), ((None, None), [2, 4, 10, 6])],
)
def test_boxes_follow_an_exif_turn_if_they_were_given_for_the_stored_pixels(
    run, source, tmp_path, size, expected
):
    path = source({"a.jpg": [[2, 4, 10, 6]]}, draw_them=False, width=size[0], height=size[1])
    exif = Image.Exif()
    exif[274] = 6  # a quarter clockwise: stored 64 x 48 is upright 48 x 64; x, y becomes 48 - y, x
    draw(tmp_path / "src" / "a.jpg", exif=exif)
    content, _, _ = run(path, "boxes")
    [image] = content["images"]
    [box] = content["annotations"]
    assert (image["width"], image["height"], box["bbox"]) == (48, 64, expected)
    assert images.Pack([tmp_path / "out" / image["pack"]]).read(image["id"]).shape == (64, 48, 3)


def test_boxes_that_cover_nothing_are_dropped_and_those_that_reach_out_clipped_with_rows(
    run, source
):
    boxes = [
        [1, 1, 5, 5],
        [5, 5, 0, 9],
        [70, 5, 4, 4],
        [float("nan"), 1, 2, 3],
        ["x", 1, 2, 3],
        [60, 40, 10, 10],
    ]
    content, rows, last_line = run(source({"a.png": boxes}), "boxes")
    assert [box["bbox"] for box in content["annotations"]] == [[1, 1, 5, 5], [60, 40, 4, 8]]
    assert [(row["row"], row["action"], row["reason"]) for row in rows] == [
        (2, "dropped", "box of bug has no area (0 x 9 pixels)"),
        (3, "dropped", "box of bug lies outside the image (70, 5, 74, 9 in 64 x 48 pixels)"),
        (4, "dropped", "box of bug has corners that are no numbers"),
        (5, "dropped", "box of bug has corners that are no numbers"),
        (6, "clipped", "1 of 6 boxes reach beyond the 64 x 48 pixels of the image"),
    ]
    assert last_line.endswith("left out 0 (other rows: dropped 4, clipped 1): see audit.json.")


@pytest.mark.parametrize("role", ["boxes", "test", "audit"])
@pytest.mark.parametrize(
    "boxes, detail",
    [([], ""), ([[5, 5, 0, 9]], r" \(1 dropped, the first in a.png: box of bug has no area")],
)
def test_a_source_of_boxes_without_one_is_an_error(run, source, role, boxes, detail):
    with pytest.raises(
        InputError, match=f"boxes.json: has no box in its 1 images{detail}.*; wanted at least one"
    ):
        run(source({"a.png": boxes}), role)


def test_a_review_may_leave_no_box_at_all(run, source):
    content, rows, _ = run(source({"a.png": [], "b.png": []}), "reviewed")
    assert (len(content["images"]), content["annotations"], rows) == (2, [], [])


def test_an_image_whose_boxes_were_all_dropped_is_left_out_and_does_not_pose_as_empty(run, source):
    content, rows, last_line = run(
        source({"a.png": [[5, 5, 0, 9]], "b.png": [[1, 1, 5, 5]], "c.png": []}), "boxes"
    )
    assert [image["file_name"] for image in content["images"]] == ["b.png", "c.png"]
    assert [(row["image"], row["action"], row["reason"]) for row in rows] == [
        ("a.png", "left out", "none of its boxes can be used: not known to be empty"),
        ("a.png", "dropped", "box of bug has no area (0 x 9 pixels)"),
    ]
    assert last_line.startswith(
        "Took 2 images with 1 boxes from boxes.json, left out 1 (other rows: dropped 1)"
    )


def test_shares_where_pixels_are_wanted_are_told(run, source):
    with pytest.raises(
        InputError, match=r"all its boxes lie in the first pixel .*; wanted corners in pixels"
    ):
        run(source({"a.png": [[0.1, 0.2, 0.5, 0.5]], "b.png": [[0.5, 0.5, 0.5, 0.5]]}), "boxes")


def test_letters_that_no_file_can_hold_are_spelled_out(run, source, tmp_path):
    path = source({"a.png": [[1, 1, 5, 5], [2, 2, 0, 5]]}, images=["x\ud800.png"])
    path.write_text(path.read_text().replace('"bug"', '"bug\\udfff"'))
    content, rows, _ = run(path, "boxes", "--max_bad_files=0.5")
    assert content["categories"] == [{"id": 1, "name": "bug\\udfff"}]
    assert [row["image"] for row in rows] == ["a.png", "x\\ud800.png"]


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS takes UTF-8 names only")
@pytest.mark.parametrize("role", ["predict", "labelled", "boxes"])
def test_a_name_of_another_encoding_is_taken_and_spelled_out(run, tmp_path, role):
    draw(tmp_path / "src" / "a.png")
    folder = os.fsencode(tmp_path / "src") + b"/K\xe4fer"
    os.mkdir(folder)
    os.rename(tmp_path / "src" / "a.png", folder + b"/K\xe4fer.png")
    with open(folder + b"/K\xe4fer.txt", "w") as file:
        file.write("0 0.5 0.5 0.5 0.5\n")
    [image] = run(tmp_path / "src", role)[0]["images"]
    assert image["file_name"] == "K\\udce4fer/K\\udce4fer.png"
    assert image["label"] == ("K\\udce4fer" if role == "labelled" else None)


def labelled(tmp_path, rows, header="image,label,group,count"):
    (tmp_path / "src").mkdir(exist_ok=True)
    (tmp_path / "src" / "labels.csv").write_text(
        "\n".join([header, *rows]) + "\n", encoding="utf-8"
    )
    return tmp_path / "src" / "labels.csv"


NAMES = [
    "a b",
    "K\u00e4fer",
    "x,y",
    "it's",
    'dq"',
    "-dash",
    "new\nline",
    "semi;colon",
    "tab\tular",
    "%41",
    "#1",
    "$(ls)",
    "*",
    "[a]",
    "a.b",
]


@pytest.mark.parametrize("form", ["folder", "classes", "table", "coco", "yolo", "voc"])
def test_any_name_of_a_file_is_read_in_every_form(run, tmp_path, form):
    folder = tmp_path / "src"
    for seed, name in enumerate(NAMES):
        draw(folder / "images" / f"{name}.png", seed)
    role, path = "boxes", folder
    if form in ("folder", "classes"):
        role = "predict" if form == "folder" else "labelled"
    elif form == "table":
        role, path = "labelled", folder / "labels.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(
                [("image", "label"), *((f"images/{name}.png", name) for name in NAMES)]
            )
    else:
        annotated = [
            AnnotatedImage(f"{name}.png", (64, 48), [SourceBox((1, 1, 9, 9), name)])
            for name in NAMES
        ]
        target = box_writers.write(form, folder, annotated)
        if target != folder / "images":
            (folder / "images").rename(target)
    content, rows, _ = run(path, role)
    assert sorted(Path(image["file_name"]).stem for image in content["images"]) == sorted(NAMES)
    assert [row for row in rows if row["action"] != "note"] == []
    if role == "boxes":
        assert len(content["annotations"]) == len(NAMES)


def test_one_label_in_two_unicode_forms_is_one(run, tmp_path):
    table = labelled(tmp_path, ["a.png,K\u00e4fer,,", "b.png,Ka\u0308fer,,"])
    draw(tmp_path / "src" / "a.png", 1)
    draw(tmp_path / "src" / "b.png", 2)
    assert [image["label"] for image in run(table, "labelled")[0]["images"]] == ["K\u00e4fer"] * 2


def test_labels_groups_and_counts_come_from_the_table(run, tmp_path):
    table = labelled(tmp_path, ["b.png,Wanze,tree 1,3", "a.png,fly,,"])
    draw(tmp_path / "src" / "a.png", 1)
    draw(tmp_path / "src" / "b.png", 2)
    content, _, last_line = run(table, "labelled")
    assert [(i["file_name"], i["label"], i["group"], i["count"]) for i in content["images"]] == [
        ("a.png", "fly", "a.png", None),
        ("b.png", "Wanze", "tree 1", 3),
    ]
    assert (content["annotations"], content["categories"], content["info"]["format"]) == (
        [],
        [],
        "table",
    )
    assert last_line == "Took 2 images from labels.csv, left out 0: see audit.json."


@pytest.mark.parametrize(
    "other, sentence",
    [
        (
            "ant,Apis,F",
            "labels.csv: a.jpg and b.jpg are both ant, of genus 'Lasius' and 'Apis'; wanted one",
        ),
        (
            "bee,Lasius,G",
            r"labels.csv: genus 'Lasius' is of family 'F' \(ant\) and 'G' \(bee\); wanted one",
        ),
    ],
)
def test_a_taxonomy_that_contradicts_itself_is_told_of_specimens_and_is_nothing_to_other_roles(
    run, tmp_path, other, sentence
):
    for n, name in enumerate("ab"):
        draw(tmp_path / f"{name}.jpg", n)
    (tmp_path / "labels.csv").write_text(
        f"image,label,genus,family\na.jpg,ant,Lasius,F\nb.jpg,{other}\n"
    )
    with pytest.raises(InputError, match=sentence):
        run(tmp_path / "labels.csv", "specimens")
    run(tmp_path / "labels.csv", "labelled")


def test_the_same_bytes_are_taken_once_and_not_at_all_where_their_labels_differ(run, tmp_path):
    table = labelled(
        tmp_path,
        ["a.png,bug,,", "b.png,bug,,", "c.png,bug,,", "d.png,fly,,", "e.png,bug,,", "f.png,bug,,"],
    )
    for name, seed in zip("abcdef", (1, 1, 2, 2, 2, 3)):
        draw(tmp_path / "src" / f"{name}.png", seed)
    content, rows, last_line = run(table, "labelled")
    assert [image["file_name"] for image in content["images"]] == ["a.png", "f.png"]
    rival = "c.png (bug) and d.png (fly) have the same bytes"
    assert [(row["image"], row["reason"]) for row in rows] == [
        ("b.png", "has the same bytes as a.png"),
        ("c.png", rival),
        ("d.png", rival),
        ("e.png", rival),
    ]
    assert last_line == "Took 2 images from labels.csv, left out 4: see audit.json."


def test_an_image_given_twice_with_different_labels_is_an_error(run, tmp_path):
    with pytest.raises(
        InputError,
        match="rows 2 and 3: a.png is labelled 'bug' and 'fly'; wanted one label for an image",
    ):
        run(labelled(tmp_path, ["a.png,bug,,", "a.png,fly,,"]), "labelled")


@pytest.mark.parametrize(
    "make, role, sentence",
    [
        (
            lambda path: None,
            "boxes",
            "src: cannot be read .No such file or directory.; wanted a file or folder",
        ),
        (lambda path: path.mkdir(), "boxes", "src: holds 0 images and no boxes in a known format"),
        (
            lambda path: path.mkdir(),
            "predict",
            "src: has no image to take .0 left out.; wanted at least one",
        ),
        (lambda path: path.mkdir(), "labelled", "src: holds 0 images and none in a folder below"),
        (lambda path: path.write_text("image,label\n"), "labelled", "src: has no image to take"),
        (
            lambda path: path.write_text("a,b\n1,2\n"),
            "predict",
            "src: has columns a, b; wanted image",
        ),
    ],
)
def test_a_source_that_holds_nothing_to_read_is_told(run, tmp_path, make, role, sentence):
    make(tmp_path / "src")
    with pytest.raises(InputError, match=sentence):
        run(tmp_path / "src", role)


@pytest.mark.parametrize(
    "option, sentence",
    [
        ("--max_bad_files=1.5", "max_bad_files is 1.5; wanted a share from 0 to 1"),
        ("--max_bad_files=nan", "max_bad_files is nan; wanted a share"),
        ("--pack_size=0", "pack_size is 0; wanted 1 or more"),
        ("--cpus=0", "cpus is 0; wanted 1 or more"),
    ],
)
def test_a_number_out_of_range_is_told(run, source, option, sentence):
    with pytest.raises(InputError, match=sentence):
        run(source({"a.png": [[1, 1, 5, 5]]}), "boxes", option)


def test_a_linked_source_finds_what_lies_beside_the_real_file(run, tmp_path):
    draw(tmp_path / "real" / "images" / "a.png")
    (tmp_path / "real" / "labels").mkdir()
    (tmp_path / "real" / "labels" / "a.txt").write_text("0 0.5 0.5 0.25 0.5\n")
    (tmp_path / "staged").symlink_to(tmp_path / "real" / "images")
    content, _, _ = run(tmp_path / "staged", "boxes")
    assert content["info"]["source"] == "staged"
    assert [box["bbox"] for box in content["annotations"]] == [[24, 12, 16, 24]]


def process(*arguments, **options):
    return subprocess.run(
        [*command("import_images"), *arguments], capture_output=True, text=True, **options
    )


def test_the_command_exits_2_with_one_sentence(tmp_path):
    done = process(
        "--source=none",
        "--role=boxes",
        "--name=x",
        "--dataset=d",
        "--audit=a",
        "--packs_folder=.",
        cwd=tmp_path,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert (
        done.stderr
        == "error: none: cannot be read (No such file or directory); wanted a file or folder.\n"
    )


def test_an_output_folder_that_is_not_there_is_one_sentence(source, tmp_path):
    path = source({"a.png": [[1, 1, 5, 5]]})
    done = process(
        f"--source={path}",
        "--role=boxes",
        "--name=x",
        "--dataset=d",
        "--audit=a",
        "--packs_folder=no",
        cwd=tmp_path,
    )
    assert (done.returncode, done.stderr) == (
        1,
        "error: no/x_0001.zip: No such file or directory.\n",
    )


def test_help_is_instant():
    def seconds():
        start = time.perf_counter()
        assert process("--help").returncode == 0
        return time.perf_counter() - start

    assert min(seconds() for _ in range(5)) < 0.3


@pytest.mark.parametrize(
    "split, count, boxes, image, at",
    [
        ("train", 205, 2805, "BloodImage_00343", "0 x 0"),
        ("val", 87, 1138, "BloodImage_00338", "0 x 0"),
    ],
)
def test_bccd_lists_read_whole_but_for_the_box_without_size(
    run, data, split, count, boxes, image, at
):
    content, [row], _ = run(data / f"bccd_cells/BCCD/ImageSets/Main/{split}.txt", "boxes")
    assert (len(content["images"]), len(content["annotations"])) == (count, boxes - 1)
    assert [category["name"] for category in content["categories"]] == ["Platelets", "RBC", "WBC"]
    assert (row["image"], row["reason"]) == (
        f"JPEGImages/{image}.jpg",
        f"box of RBC has no area ({at} pixels)",
    )


@pytest.mark.parametrize(
    "scene, count, boxes",
    [
        ("", 154, 214),
        ("images/table_video_2025-05", 113, 111),
        ("images/paper_model_box_2025-12-02", 41, 103),
    ],
)
def test_beesense_reads_whole_and_by_scene(run, data, scene, count, boxes):
    content, rows, _ = run(data / "beesense_bumblebees" / scene, "boxes")
    assert (len(content["images"]), len(content["annotations"])) == (count, boxes)
    assert content["categories"] == [{"id": 1, "name": "bumblebee"}]
    assert len(rows) == (0 if scene else 17)  # the images of unlabelled/


@pytest.mark.parametrize("source", ["", "images", "images/_annotations.coco.json"])
def test_sticky_traps_read_whole(run, data, source):
    content, rows, _ = run(data / "yellow_sticky_traps" / source, "boxes")
    assert (len(content["images"]), len(content["annotations"]), rows) == (23, 1436, [])
    assert [category["name"] for category in content["categories"]] == ["Insects"]
