#!/usr/bin/env python3
"""Join the predictions of all packs into one table and one file of COCO results."""

import argparse
import csv
from pathlib import Path

from entoflow import dataset, files
from entoflow.tables import read_json
from entoflow.task import InputError, run


def main(argv: list[str]) -> None:
    args = parser().parse_args(argv)
    names = {}
    for path in args.datasets:
        names.update({image.id: image.file_name for image in dataset.read(path).images})
    label = read_class(args.model)
    n = write(args.predictions, names, label, args.predictions_csv, args.predictions_json)
    print(f"{n} boxes in {len(names)} images.")


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument(
        "--datasets", type=Path, nargs="+", required=True, help="data sets with the images' names"
    )
    p.add_argument(
        "--predictions",
        type=Path,
        nargs="+",
        required=True,
        help="a detector's boxes, a file per pack",
    )
    p.add_argument("--model", type=Path, required=True, help="model.json of the detector")
    p.add_argument(
        "--predictions_csv",
        type=Path,
        required=True,
        help="CSV to write: image,label,score,x1,y1,x2,y2",
    )
    p.add_argument("--predictions_json", type=Path, required=True, help="COCO results to write")
    return p


def read_class(path: Path) -> str:
    """Return the class of a detector by its model.json. Raises InputError where it names none."""
    content = read_json(path)
    if not isinstance(content, dict) or not content.get("classes"):
        raise InputError(f"{path}: names no classes; wanted the model.json of a model folder.")
    return content["classes"][0]


def write(
    paths: list[Path], names: dict[int, str], label: str, csv_path: Path, json_path: Path
) -> int:
    """Write both files row by row, packs by name, images by id, best boxes first.

    Returns the number of boxes.

    names: {image id: its file name}. Raises InputError for predictions of another image.
    """
    from entoflow.detection import detections, predictions

    with files.whole(csv_path) as csv_file, files.whole(json_path) as json_file:
        table = csv.writer(csv_file, lineterminator="\n")
        table.writerow(detections.CSV_COLUMNS)
        results = detections.ResultsFile(json_file)
        for prediction in predictions.read(paths):
            image_id = prediction.image_id
            if image_id not in names:
                raise InputError(
                    f"predictions: image {image_id} is in none of the data sets; "
                    "wanted the data sets of these predictions."
                )
            corners = prediction.xyxy.round(3).tolist()
            scores = prediction.scores.round(6).tolist()
            for (x1, y1, x2, y2), score in zip(corners, scores):
                table.writerow((names[image_id], label, score, x1, y1, x2, y2))
                results.write(image_id, [x1, y1, round(x2 - x1, 3), round(y2 - y1, 3)], score)
        results.finish()
    return results.n


if __name__ == "__main__":
    run(main)
