"""The benchmarks run and tell apart what holds from what does not. What they measure is not tested: time has no place in a test."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest

from conftest import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))
import measuring  # noqa: E402
import memory  # noqa: E402
import metric_learning  # noqa: E402
import mfcc_svm  # noqa: E402
import mini_rocket  # noqa: E402
import student_ratio  # noqa: E402
import table  # noqa: E402


def test_memory_and_start_are_measured_at_the_smallest_size(tmp_path, capsys):
    table.main(["--least", "--folder", str(tmp_path), "start", "memory"])
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")][1:]
    assert [row.count("|") for row in rows] == [7] * 8
    assert "warm start of the launcher" in rows[1] and "20, 40 images" in rows[-1]
    assert not list(tmp_path.iterdir())


def test_evaluation_and_fusion_give_what_their_peers_give(tmp_path, capsys):
    table.main(["--least", "--folder", str(tmp_path), "evaluation", "fusion"])
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")][1:]
    assert len(rows) == 4 and float(re.search(r"the two apart by ([^)]+)", rows[0])[1]) <= 1e-9
    assert rows[1].endswith("| apart <= 2e-06 | yes |")


def test_embedding_and_search_give_what_their_peers_give(tmp_path, capsys):
    table.main(["--least", "--folder", str(tmp_path), "embedding", "search"])
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")][1:]
    assert (
        len(rows) == 3
        and float(re.search(r"median cosine of the two's vectors ([0-9.]+)", rows[0])[1]) > 0.8
    )
    assert all("neighbours the same: 1.0000" in row for row in rows[1:])


def test_wingbeat_features_give_what_librosa_gives(tmp_path, capsys):
    table.main(["--least", "--folder", str(tmp_path), "wingbeat_features"])
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")][1:]
    assert len(rows) == 10 and float(re.search(r"apart by ([0-9.e-]+) dB", rows[7])[1]) <= 1e-4
    assert all(
        row.split(" | ")[1] == "0.000" for row in (*rows[:4], rows[5])
    )  # white noise down to 0 dB, and hum


def test_mfcc_and_svm_are_asked_about_the_events_that_the_run_named(heard, capsys):
    results = heard[0].here / "results"
    mfcc_svm.main(
        ["--results", str(results), "--recordings", str(heard[0].here / "nights/recordings.csv")]
    )
    said = capsys.readouterr().out
    measured = json.loads((results / "wingbeat/evaluation/metrics.json").read_text())["metrics"][
        "macro_f1"
    ]["value"]
    ours, peer, difference = (
        float(re.search(rf"\| {name} \| ([-+.0-9]+)", said)[1])
        for name in ("entoflow", r"MFCC \+ SVM", r"entoflow less MFCC \+ SVM")
    )
    assert (
        ours == pytest.approx(measured, abs=1e-3)
        and 0.2 < peer < 1
        and difference == pytest.approx(ours - peer, abs=2e-3)
    )
    assert "72 events of 23 groups." in said


def test_a_python_without_aeon_is_told(heard):
    made = next(heard[0].here.glob("work/*/*/samples.npy")).parent
    with pytest.raises(SystemExit, match="cannot run aeon's MiniRocket"):
        mini_rocket.main(
            [
                f"--aeon={sys.executable}",
                *(
                    f"--{name}={made / file}"
                    for name, file in (
                        ("clips", "clips.json"),
                        ("samples", "samples.npy"),
                        ("features", "features.npz"),
                    )
                ),
            ]
        )


def test_the_gallery_question_fills_a_gallery_and_searches_it_in_a_process_of_its_own(
    tmp_path, capsys
):
    table.main(["--least", "--folder", str(tmp_path), "gallery"])
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")][1:]
    assert (
        len(rows) == 2
        and "into a gallery that has 200 or more" in rows[0]
        and "a gallery of 400 vectors of 16 numbers" in rows[1]
    )


@pytest.mark.parametrize("holds, shown", [(True, "yes"), (False, "**no**"), (None, "")])
def test_a_row_says_whether_its_bar_holds(holds, shown):
    assert (
        table.line(measuring.Row("a", "b", "c", "1", "2", holds))
        == f"| a | b | c | 1 | 2 | {shown} |"
    )


def test_the_memory_of_a_command_is_that_of_itself_alone():
    held = b"1" * 200_000_000
    big, small = (
        measuring.peak([sys.executable, "-c", f"x = b'1' * {n}_000_000; print('done')"], ROOT)[0]
        for n in (300, 1)
    )
    assert big > 300 > 100 > small and len(held) == 200_000_000


@pytest.mark.parametrize("measure", [measuring.run, measuring.peak])
def test_a_command_that_fails_ends_the_benchmark_with_what_it_said(measure):
    with pytest.raises(SystemExit, match="(?s)error: .* failed:.*why"):
        measure([sys.executable, "-c", "import sys; print('w' + 'hy'); sys.exit(3)"], ROOT)


def test_copies_of_a_drawing_differ_in_bytes_and_agree_in_pixels(tmp_path):
    import make_demo

    from entoflow import images

    make_demo.main(
        [
            "--folder",
            str(tmp_path / "demo"),
            "--demo_boxes=2",
            "--demo_labelled=1",
            "--demo_test=1",
            "--demo_size=96",
        ]
    )
    memory.copy_drawings(tmp_path / "demo/boxes", tmp_path / "world", 5)
    paths = sorted((tmp_path / "world").glob("*.jpg"))
    assert len({path.read_bytes() for path in paths}) == 5
    assert (images.read_image(paths[0]) == images.read_image(paths[4])).all()
    world = json.loads((tmp_path / "world/annotations.json").read_text())
    boxes = [
        [box["bbox"] for box in world["annotations"] if box["image_id"] == number]
        for number in (0, 2, 4)
    ]
    assert boxes[0] == boxes[1] == boxes[2]


def test_an_unknown_question_is_told():
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks/table.py", "speed"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2 and "speed" in done.stderr and "pipeline" in done.stderr


def test_the_dose_response_finds_the_line_that_the_spoiled_boxes_lie_on_and_says_what_it_tells_of_the_weak_ones():
    spoiled = [
        ("moved 0.1", "1", 0.9, 0.7),
        ("wrong 0.5", "1", 0.5, 0.6),
        ("dropped 0.5", "1", 0.7, 1.0),
        ("moved 0.1", "2", 0.8, 0.65),
        ("wrong 0.5", "2", 0.4, 0.5),
    ]
    true_ap = {"1": 0.5, "2": 0.8}
    rows = [
        {
            "boxes": name,
            "seed": seed,
            "f1_50": f1,
            "overlap": overlap,
            "ap": true_ap[seed] * (0.1 + 0.25 * f1 + 0.6 * overlap),
        }
        for name, seed, f1, overlap in spoiled
    ]
    rows += [
        {"boxes": "true", "seed": seed, "f1_50": 1, "overlap": 1, "ap": ap}
        for seed, ap in true_ap.items()
    ]
    rows.append({"boxes": "weak", "seed": "1", "f1_50": 0.8, "overlap": 0.5, "ap": 0.25})
    said = student_ratio.dose_response(rows)
    assert (
        "of 5 trainings on spoiled true boxes: AP / AP on true boxes = 0.10 +0.25 F1 +0.60 overlap, off by 0.000 on a training left out"
        in said
    )
    assert "it says 0.600; they gave 0.500." in said


def test_the_plain_recipe_is_asked_what_a_run_of_ours_is(learned, tmp_path, monkeypatch, capsys):
    from sklearn.metrics import roc_auc_score
    from sklearn.neighbors import KNeighborsClassifier

    from entoflow.identification import training

    monkeypatch.setattr(training, "VIEWS_AN_EPOCH", 1)
    results, folder = learned[0].here / "results", tmp_path / "made"
    metric_learning.main(
        ["--results", str(results), "--images", str(learned[0].here), "--folder", str(folder)]
    )
    said, found = capsys.readouterr(), json.loads((folder / "metric_learning.json").read_text())
    measured = json.loads((results / "identification/evaluation/metrics.json").read_text())[
        "metrics"
    ]
    assert all(
        found["entoflow, chosen way"][name]["value"] == pytest.approx(measured[name]["value"])
        for name in metric_learning.FIGURES
    )

    parts, names = metric_learning.read_parts(results)
    with np.load(folder / "MultiSimilarityLoss_augmented.npz") as file:
        vectors = file["vectors"]
    neighbours = KNeighborsClassifier(1, metric="cosine").fit(
        vectors[parts.gallery.rows], parts.gallery.labels
    )
    peer, rows = (
        found["MultiSimilarityLoss, augmented"],
        np.concatenate([parts.test.rows, parts.unseen.rows]),
    )
    assert peer["top1"]["value"] == pytest.approx(
        neighbours.score(vectors[parts.test.rows], parts.test.labels)
    )
    far = neighbours.kneighbors(vectors[rows])[0][:, 0]
    assert peer["unknown_auroc"]["value"] == pytest.approx(
        roc_auc_score(np.arange(len(rows)) < len(parts.test.rows), -far), abs=1e-3
    )
    less = found["entoflow, chosen way less MultiSimilarityLoss, augmented"]
    for name in metric_learning.FIGURES:
        assert less[name]["value"] == pytest.approx(
            found["entoflow, chosen way"][name]["value"] - peer[name]["value"]
        )
    assert (
        len(names) == len(vectors)
        and said.err.count(" s\n") == 4
        and said.out.count("| entoflow, ") == 2 + 2 * 10
    )


def test_a_training_in_the_folder_is_done_again_only_for_other_images_or_settings(tmp_path):
    trainings = iter(
        [(np.ones((2, 3)), np.ones((2, 4)), 5.0), (np.zeros((2, 3)), np.zeros((2, 4)), 7.0)]
    )
    found = [
        metric_learning.once(tmp_path / "any.npz", of, lambda: next(trainings))
        for of in ("a", "a", "b", "b")
    ]
    assert [(vectors.sum(), before.sum(), seconds) for vectors, before, seconds in found] == [
        (6, 8, 5)
    ] * 2 + [(0, 0, 7)] * 2


def test_how_long_our_training_took_is_read_from_the_trace_of_the_run(tmp_path):
    (tmp_path / "pipeline_info").mkdir()
    (tmp_path / "pipeline_info/trace.txt").write_text(
        "name\trealtime\nA:SPLIT_SPECIMENS\t1s\nA:TRAIN_EMBEDDER (1)\t5m 3s\n"
    )
    assert (
        metric_learning.trace(tmp_path) == "5m 3s (two trainings)"
        and metric_learning.trace(tmp_path / "none") == ""
    )


def test_the_plain_recipe_is_shown_as_many_views_as_ours_and_no_image_is_mirrored_unless_told():
    from entoflow.identification.training import VIEWS_AN_EPOCH

    assert [metric_learning.views(n) for n in (210, 2000, 5000)] == [4200, VIEWS_AN_EPOCH, 10000]
    left = np.full((32, 32, 3), 255, np.uint8)
    left[:, :12] = 0
    given = {"image_size": 32, "rotation": 0, "mean": (0.5,) * 3, "std": (0.5,) * 3}
    sides = {
        mirror: [
            change(left).mean(dim=(0, 1))[[2, -3]].numpy()
            for change in [metric_learning.transform({**given, "mirror": mirror}, True)] * 20
        ]
        for mirror in (False, True)
    }
    assert all(dark < 0 < light for dark, light in sides[False])
    assert {dark < light for dark, light in sides[True]} == {True, False}
    plain = metric_learning.transform({**given, "mirror": True}, False)(left)
    assert (plain.permute(1, 2, 0).numpy() == np.where(left, 1, -1)).all()


def test_the_plain_recipe_learns(monkeypatch):
    from pytorch_metric_learning.losses import TripletMarginLoss

    from entoflow.identification import training
    from entoflow.identification.pretrained import new_embedder

    monkeypatch.setattr(training, "VIEWS_AN_EPOCH", 200)
    rng = np.random.default_rng(1)
    kinds = np.repeat(np.arange(8), 8)
    squares = (
        (rng.integers(0, 255, (8, 1, 1, 3)).repeat(8, 0) + rng.integers(-20, 20, (64, 32, 32, 3)))
        .clip(0, 255)
        .astype(np.uint8)
    )
    given = {
        "image_size": 32,
        "mean": (0.5,) * 3,
        "std": (0.5,) * 3,
        "specimens_per_batch": 16,
        "max_epochs": 5,
        "rotation": 10,
        "mirror": False,
    }
    made = new_embedder("test_resnet", 32)

    def apart():
        cosine = (vectors := made.embed(squares)) @ vectors.T
        same = kinds[:, None] == kinds
        return cosine[same].mean() - cosine[~same].mean()

    before = apart()
    metric_learning.train(
        made,
        metric_learning.Shown(squares, kinds, metric_learning.transform(given, False)),
        TripletMarginLoss(),
        given,
    )
    assert apart() > before + 0.1 and not made.network.training
