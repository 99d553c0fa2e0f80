#!/usr/bin/env python3
"""Join the predictions of all packs into one table and one COCO results file, a pack in memory at a time."""
import argparse
import csv
import json
from pathlib import Path

from entoflow import coco
from entoflow.tables import read_json
from entoflow.task import InputError, run


def main(argv):
    args = parser().parse_args(argv)
    names = {image["id"]: image["file_name"] for path in args.datasets for image in coco.read(path)["images"]}
    facts = read_json(args.model)
    if not isinstance(facts, dict) or not facts.get("classes"):
        raise InputError(f"{args.model}: names no classes; wanted the model.json of a model folder.")
    n = write(args, names, facts["classes"][0])
    print(f"{n} boxes in {len(names)} images.")


def parser():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--datasets", type=Path, nargs="+", required=True, help="data sets with the images' names")
    p.add_argument("--predictions", type=Path, nargs="+", required=True, help="a detector's boxes, a file per pack")
    p.add_argument("--model", type=Path, required=True, help="model.json of the detector")
    p.add_argument("--predictions_csv", type=Path, required=True, help="CSV to write: image,label,score,x1,y1,x2,y2")
    p.add_argument("--predictions_json", type=Path, required=True, help="COCO results to write")
    return p


def write(args, names, label):
    """Write both files row by row, packs by name, images by id, best boxes first. Returns the number of boxes."""
    from entoflow.detection import predictions

    n = 0
    with args.predictions_csv.open("w", newline="", encoding="utf-8") as table, args.predictions_json.open("w", encoding="utf-8") as results:
        rows = csv.writer(table, lineterminator="\n")
        rows.writerow(("image", "label", "score", "x1", "y1", "x2", "y2"))
        results.write("[")
        for image, _, xyxy, scores in predictions.read(args.predictions):
            if image not in names:
                raise InputError(f"predictions: image {image} is in none of the data sets; wanted the data sets of these predictions.")
            for (x1, y1, x2, y2), score in zip(xyxy.round(3).tolist(), scores.round(6).tolist()):
                rows.writerow((names[image], label, score, x1, y1, x2, y2))
                bbox = [x1, y1, round(x2 - x1, 3), round(y2 - y1, 3)]
                results.write((",\n" if n else "\n") + json.dumps({"image_id": image, "category_id": 1, "bbox": bbox, "score": score}))
                n += 1
        results.write("\n]\n")
    return n


if __name__ == "__main__":
    run(main)
