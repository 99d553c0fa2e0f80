"""The benchmarks run and tell apart what holds from what does not. What they measure is not tested: time has no place in a test."""
import re
import subprocess
import sys

import pytest
from conftest import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))
import measuring  # noqa: E402
import memory  # noqa: E402
import student_ratio  # noqa: E402
import table  # noqa: E402


def test_memory_and_start_are_measured_at_the_smallest_size(tmp_path, capsys):
    table.main(["--least", "--folder", str(tmp_path), "start", "memory"])
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")][1:]
    assert [row.count("|") for row in rows] == [7] * 6
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
    assert len(rows) == 3 and float(re.search(r"median cosine of the two's vectors ([0-9.]+)", rows[0])[1]) > 0.8
    assert all("neighbours the same: 1.0000" in row for row in rows[1:])


@pytest.mark.parametrize("holds, shown", [(True, "yes"), (False, "**no**"), (None, "")])
def test_a_row_says_whether_its_bar_holds(holds, shown):
    assert table.line(measuring.Row("a", "b", "c", "1", "2", holds)) == f"| a | b | c | 1 | 2 | {shown} |"


def test_the_memory_of_a_command_is_that_of_itself_alone():
    held = b"1" * 200_000_000
    big, small = (measuring.peak([sys.executable, "-c", f"x = b'1' * {n}_000_000; print('done')"], ROOT)[0] for n in (300, 1))
    assert big > 300 > 100 > small and len(held) == 200_000_000


@pytest.mark.parametrize("measure", [measuring.run, measuring.peak])
def test_a_command_that_fails_ends_the_benchmark_with_what_it_said(measure):
    with pytest.raises(SystemExit, match="(?s)error: .* failed:.*why"):
        measure([sys.executable, "-c", "import sys; print('w' + 'hy'); sys.exit(3)"], ROOT)


def test_copies_of_a_drawing_differ_in_bytes_and_agree_in_pixels(tmp_path):
    import json

    import make_demo
    from entoflow import images

    make_demo.main(["--folder", str(tmp_path / "demo"), "--demo_boxes=2", "--demo_labelled=1", "--demo_test=1", "--demo_size=96"])
    memory.copy_drawings(tmp_path / "demo/boxes", tmp_path / "world", 5)
    paths = sorted((tmp_path / "world").glob("*.jpg"))
    assert len({path.read_bytes() for path in paths}) == 5
    assert (images.read_image(paths[0]) == images.read_image(paths[4])).all()
    world = json.loads((tmp_path / "world/annotations.json").read_text())
    boxes = [[box["bbox"] for box in world["annotations"] if box["image_id"] == number] for number in (0, 2, 4)]
    assert boxes[0] == boxes[1] == boxes[2]


def test_an_unknown_question_is_told():
    done = subprocess.run([sys.executable, ROOT / "benchmarks/table.py", "speed"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "speed" in done.stderr and "pipeline" in done.stderr


def test_the_dose_response_finds_the_line_that_the_spoiled_boxes_lie_on_and_says_what_it_tells_of_the_weak_ones():
    spoiled = [("moved 0.1", "1", 0.9, 0.7), ("wrong 0.5", "1", 0.5, 0.6), ("dropped 0.5", "1", 0.7, 1.0), ("moved 0.1", "2", 0.8, 0.65),
               ("wrong 0.5", "2", 0.4, 0.5)]
    true_ap = {"1": 0.5, "2": 0.8}
    rows = [{"boxes": name, "seed": seed, "f1_50": f1, "overlap": overlap, "ap": true_ap[seed] * (0.1 + 0.25 * f1 + 0.6 * overlap)}
            for name, seed, f1, overlap in spoiled]
    rows += [{"boxes": "true", "seed": seed, "f1_50": 1, "overlap": 1, "ap": ap} for seed, ap in true_ap.items()]
    rows.append({"boxes": "weak", "seed": "1", "f1_50": 0.8, "overlap": 0.5, "ap": 0.25})
    said = student_ratio.dose_response(rows)
    assert "of 5 trainings on spoiled true boxes: AP / AP on true boxes = 0.10 +0.25 F1 +0.60 overlap, off by 0.000 on a training left out" in said
    assert "it says 0.600; they gave 0.500." in said
