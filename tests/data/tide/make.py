#!/usr/bin/env python3
"""Write tide.json: made-up boxes with errors of every kind, and the figures that tidecv 1.0.1 gives of them.

Needs an environment of its own, as tidecv (MIT, last released in 2020) is no dependency of the suite:
    python3 -m venv /tmp/tide && /tmp/tide/bin/pip install tidecv==1.0.1 && /tmp/tide/bin/python tests/data/tide/make.py
Written with numpy 2.4.6 and pycocotools 2.0.11. Scores are all different and no box is an ignore region: there tidecv
differs from COCO (see bin/entoflow/error_analysis.py).
"""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
from tidecv import TIDE, Data

NAMES = {
    "Miss": "missed",
    "Bkg": "background",
    "Dupe": "duplicate",
    "Loc": "poorly_placed",
    "Cls": "class",
    "Both": "other",
}
CASES = {
    "every kind of error": (1, 24, 3),
    "a better detector": (2, 30, 4),
    "many boxes": (3, 8, 40),
    "more than 100 detections": (4, 3, 60),
}


def main():
    cases = [{"name": name, **figures(*world(*sizes))} for name, sizes in CASES.items()]
    truth, _ = world(5, 4, 3)
    cases.append(
        {
            "name": "nothing but background",
            **figures(truth, [[] if n else [[900, 900, 20, 20, 0.5]] for n in range(len(truth))]),
        }
    )
    content = {"made_by": f"tests/data/tide/make.py, tidecv {version('tidecv')}", "cases": cases}
    Path(__file__).with_name("tide.json").write_text(json.dumps(content) + "\n")


def world(seed, n_images, most):
    """Return (true boxes of each image [x, y, w, h], detections of each [x, y, w, h, score])."""
    rng = np.random.default_rng(seed)
    truth, found = [], []
    for _ in range(n_images):
        n = rng.integers(0, most + 1)
        boxes = np.hstack([rng.uniform(0, 600, (n, 2)), rng.uniform(20, 120, (n, 2))]).round(2)
        seen = boxes[rng.random(n) < 0.8]
        close, doubled, loose = (seen[rng.random(len(seen)) < share] for share in (0.8, 0.3, 0.4))
        near = [
            boxes + rng.normal(0, spread, boxes.shape) * boxes[:, [2, 3, 2, 3]]
            for boxes, spread in ((close, 0.05), (doubled, 0.08), (loose, 0.3))
        ]
        stray = np.hstack([rng.uniform(0, 600, (most, 2)), rng.uniform(20, 120, (most, 2))])
        detections = np.vstack([*near, stray])
        detections[:, 2:] = np.maximum(detections[:, 2:], 5)
        truth.append(boxes.tolist())
        found.append(
            np.hstack([detections.round(2), rng.random((len(detections), 1)).round(6)]).tolist()
        )
    scores = [box[4] for boxes in found for box in boxes]
    assert len(set(scores)) == len(scores)
    return truth, found


def figures(truth, found):
    """Return the boxes with tidecv's AP50 (0 to 1), its counts, and the AP50 that it says would be gained."""
    known, given = Data("truth"), Data("found")
    for image, (boxes, detections) in enumerate(zip(truth, found)):
        known.add_image(image, str(image))
        for box in boxes:
            known.add_ground_truth(image, 1, box)
        for *box, score in detections:
            given.add_detection(image, 1, score, box)
    tide = TIDE()
    run = tide.evaluate(known, given, mode=TIDE.BOX)
    counts = {NAMES[kind.short_name]: n for kind, n in run.count_errors().items()}
    gained = {NAMES[name]: gain / 100 for name, gain in tide.get_main_errors()["found"].items()}
    return {
        "truth": truth,
        "found": found,
        "ap50": run.ap / 100,
        "counts": counts,
        "gained": gained,
    }


if __name__ == "__main__":
    main()
