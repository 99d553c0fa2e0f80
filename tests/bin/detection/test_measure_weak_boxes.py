import json

import measure_weak_boxes
import pytest

from entoflow import coco
from entoflow.task import InputError

EVIDENCE = {"rank": 1, "views": 1, "probability": 0.9}
ACCEPT, DROP = {"band": "accept", "score": 0.8, "evidence": EVIDENCE}, {"band": "drop", "score": 0.1, "evidence": EVIDENCE}


def write(path, boxes, n_images):
    images = [{"id": n, "file_name": f"{n}.jpg", "group": str(n), "width": 100, "height": 50, "reviewed": False} for n in range(1, n_images + 1)]
    annotations = [{"id": k, "image_id": image, "category_id": 1, "bbox": bbox, "area": 1, "iscrowd": 0, **more}
                   for k, (image, bbox, more) in enumerate(boxes, 1)]
    coco.write(path, {"info": {}, "images": images, "annotations": annotations, "categories": [{"id": 1, "name": "bmsb"}]})


def measure(tmp_path, weak, truth):
    write(tmp_path / "weak.json", weak, 4)
    write(tmp_path / "audit.json", truth, 4)
    measure_weak_boxes.main([f"--weak_boxes={tmp_path / 'weak.json'}", f"--audit_boxes={tmp_path / 'audit.json'}", "--target=bmsb",
                             f"--quality={tmp_path / 'q.json'}"])
    return json.loads((tmp_path / "q.json").read_text())["metrics"]


def test_figures_counted_by_hand(tmp_path):
    weak = [(1, [0, 0, 10, 10], ACCEPT), (1, [50, 0, 10, 10], ACCEPT), (2, [0, 0, 10, 6], ACCEPT), (3, [0, 0, 10, 10], DROP)]
    truth = [(n, [0, 0, 10, 10], {}) for n in (1, 2, 3)]
    found = {name: entry["value"] for name, entry in measure(tmp_path, weak, truth).items()}
    assert found["corloc50"] == pytest.approx(2 / 3) and found["corloc75"] == pytest.approx(1 / 3)
    assert found["precision50"] == pytest.approx(2 / 3) and found["recall50"] == pytest.approx(2 / 3)
    assert found["f1_50"] == pytest.approx(2 / 3) and found["yield"] == pytest.approx(2 / 4)
    assert found["mean_iou"] == pytest.approx((1 + 0.6) / 2)


def test_the_best_of_two_boxes_on_one_insect_is_the_right_one(tmp_path):
    weak = [(1, [0, 0, 10, 7], {**ACCEPT, "score": 0.6}), (1, [0, 0, 10, 10], {**ACCEPT, "score": 0.9})]
    found = measure(tmp_path, weak, [(1, [0, 0, 10, 10], {})])
    assert found["mean_iou"]["value"] == 1 and found["precision50"]["value"] == 0.5 and found["yield"]["n"] == 4


def test_boxes_on_a_photo_that_the_audit_knows_to_be_empty_are_wrong(tmp_path):
    found = measure(tmp_path, [(1, [0, 0, 10, 10], ACCEPT), (4, [0, 0, 10, 10], ACCEPT)], [(1, [0, 0, 10, 10], {})])
    assert found["precision50"]["value"] == 0.5 and found["recall50"]["value"] == 1
    assert found["corloc50"]["value"] == 1 and found["corloc50"]["n"] == 1


def test_a_box_where_the_audit_ignores_counts_neither_way(tmp_path):
    truth = [(1, [0, 0, 10, 10], {}), (1, [40, 0, 50, 50], {"iscrowd": 1}), (2, [0, 0, 50, 50], {"iscrowd": 1})]
    found = measure(tmp_path, [(1, [0, 0, 10, 10], ACCEPT), (1, [50, 10, 9, 9], ACCEPT), (2, [0, 0, 9, 9], ACCEPT)], truth)
    assert found["precision50"] == {"value": 1, "low": None, "high": None, "n": 1, "groups": 3, "unit": "share of weak boxes"}


def test_no_accepted_box_has_no_precision_and_a_recall_of_0(tmp_path):
    found = measure(tmp_path, [(1, [0, 0, 10, 10], DROP)], [(1, [0, 0, 10, 10], {})])
    assert found["precision50"]["value"] is found["mean_iou"]["value"] is None
    assert found["recall50"]["value"] == found["corloc50"]["value"] == found["yield"]["value"] == 0


def test_without_true_boxes_of_the_target_it_is_told(tmp_path):
    with pytest.raises(InputError, match="holds no true box of a photo labelled bmsb"):
        measure(tmp_path, [(1, [0, 0, 9, 9], ACCEPT)], [])


def test_each_step_is_measured_by_leaving_it_out(tmp_path):
    """Photo 1: the second box is the target's, as its crop says. Photo 2: the one box is below the threshold. Photo 3: a count of one."""
    evidence = {"views": 2, "count": None, "spread": 0, "probability": 0.5}
    weak = [(1, [50, 0, 10, 10], {"score": 0.9, "band": "drop", "evidence": {**evidence, "rank": 1, "crop": 0.1}}),
            (1, [0, 0, 10, 10], {"score": 0.8, "band": "accept", "evidence": {**evidence, "rank": 2, "crop": 0.9}}),
            (2, [0, 0, 10, 10], {"score": 0.3, "band": "accept", "evidence": {**evidence, "rank": 1, "crop": 0.9}}),
            (3, [0, 0, 10, 10], {"score": 0.8, "band": "accept", "evidence": {**evidence, "rank": 1, "crop": 0.9}}),
            (3, [50, 0, 10, 10], {"score": 0.7, "band": "ignore", "evidence": {**evidence, "rank": 2, "crop": 0.8}})]
    write(tmp_path / "weak.json", weak, 3)
    content = json.loads((tmp_path / "weak.json").read_text())
    content["images"][2]["count"] = 1
    content["images"] = [{"count": None, **image} for image in content["images"]]
    content["info"] = {"rule": "full", "accept": 0.5, "ignore": 0.2, "crops": 5, "n_views": 2, "without_agreement": [0.85, 0.2]}
    (tmp_path / "weak.json").write_text(json.dumps(content))
    write(tmp_path / "audit.json", [(n, [0, 0, 10, 10], {}) for n in (1, 2, 3)], 3)
    measure_weak_boxes.main([f"--weak_boxes={tmp_path / 'weak.json'}", f"--audit_boxes={tmp_path / 'audit.json'}", "--target=bmsb",
                             f"--quality={tmp_path / 'q.json'}", f"--ablation={tmp_path / 'a.json'}"])
    rows = {row["boxes"]: row for row in json.loads((tmp_path / "a.json").read_text())["rows"]}
    assert {name: row["f1_50"]["value"] for name, row in rows.items()} == pytest.approx({
        "the rule full": 1, "without second opinion": 6 / 7, "without view agreement": 1, "without label promise": 4 / 5, "without count cap": 6 / 7,
        "the rule threshold": 4 / 7, "the rule top1": 2 / 3})
    assert rows["the rule full"]["gain"] is None and rows["the rule top1"]["gain"]["value"] == pytest.approx(1 / 3)
    assert rows["the rule full"]["f1_50"]["value"] == json.loads((tmp_path / "q.json").read_text())["metrics"]["f1_50"]["value"]


def test_a_box_too_wide_to_the_left_is_told_by_its_sides(tmp_path):
    weak = [(1, [7, 10, 23, 10], ACCEPT), (2, [10, 11, 20, 9], ACCEPT)]
    found = measure(tmp_path, weak, [(1, [10, 10, 20, 10], {}), (2, [10, 10, 20, 10], {}), (3, [10, 10, 20, 10], {})])
    assert {side: found[f"bias_{side}"]["value"] for side in ("left", "top", "right", "bottom")} == pytest.approx(
        {"left": 0.15 / 2, "top": -0.1 / 2, "right": 0, "bottom": 0})


def test_recall_by_the_size_of_the_true_box_in_its_photo(tmp_path):
    weak = [(1, [0, 0, 4, 4], ACCEPT), (2, [0, 0, 30, 30], ACCEPT)]
    truth = [(1, [0, 0, 4, 4], {}), (1, [50, 0, 4, 4], {}), (2, [0, 0, 30, 30], {}), (3, [0, 0, 1, 1], {}), (3, [0, 0, 50, 50], {"iscrowd": 1})]
    found = {name: (entry["value"], entry["n"]) for name, entry in measure(tmp_path, weak, truth).items() if name.startswith("recall50_")}
    assert found == {"recall50_below_2": (0, 1), "recall50_2_to_5": (0.5, 2), "recall50_above_15": (1, 1)}


def likely(probability, band="accept", score=0.8):
    return {"band": band, "score": score, "evidence": {**EVIDENCE, "probability": probability}}


def test_the_calibration_error_is_how_far_probabilities_and_shares_of_right_boxes_are_apart(tmp_path):
    """Two boxes near 0.9, one of them right: 0.5 for 0.92 of two; one of 0.3, wrong: 0 for 0.3; dropped and unsure ones do not count."""
    weak = [(1, [0, 0, 10, 10], likely(0.94)), (1, [30, 0, 10, 10], likely(0.9, score=0.7)), (2, [50, 0, 10, 10], likely(0.3, "ignore")),
            (3, [0, 0, 10, 10], likely(0.01, "drop")), (2, [30, 30, 10, 10], likely(0.9, score=0.6))]
    truth = [(1, [0, 0, 10, 10], {}), (2, [0, 0, 10, 10], {}), (2, [29, 29, 12, 12], {"iscrowd": 1}), (3, [0, 0, 10, 10], {})]
    found = measure(tmp_path, weak, truth)
    assert found["ece"]["value"] == pytest.approx((2 * 0.42 + 0.3) / 3) and found["ece"]["n"] == 3


def test_probabilities_and_steps_of_the_rule_are_not_judged_by_what_a_person_reviewed(tmp_path):
    write(tmp_path / "weak.json", [(1, [0, 0, 10, 10], likely(1.0)), (2, [0, 0, 10, 10], likely(0.8))], 2)
    content = json.loads((tmp_path / "weak.json").read_text())
    content["images"] = [{**image, "count": None} for image in content["images"]]
    content["info"] = {"rule": "full", "accept": 0.5, "ignore": 0.2, "crops": 0, "n_views": 2, "without_agreement": [0.85, 0.2]}
    for reviewed, n, rows in (([True, False], 1, 6), ([True, True], 0, 0)):
        content["images"] = [{**image, "reviewed": seen} for image, seen in zip(content["images"], reviewed)]
        (tmp_path / "weak.json").write_text(json.dumps(content))
        write(tmp_path / "audit.json", [(1, [50, 0, 10, 10], {}), (2, [0, 0, 10, 10], {})], 2)
        measure_weak_boxes.main([f"--weak_boxes={tmp_path / 'weak.json'}", f"--audit_boxes={tmp_path / 'audit.json'}", "--target=bmsb",
                                 f"--quality={tmp_path / 'q.json'}", f"--ablation={tmp_path / 'a.json'}", f"--plots={tmp_path}"])
        quality, ablation = (json.loads((tmp_path / name).read_text()) for name in ("q.json", "a.json"))
        assert (quality["metrics"]["precision50"]["value"], quality["metrics"]["ece"]["n"]) == (0.5, n)
        assert quality["metrics"]["ece"]["value"] == (pytest.approx(0.2) if n else None)
        assert (ablation["n"], len(ablation["rows"])) == (n, rows) and (tmp_path / "calibration.png").stat().st_size > 1000
