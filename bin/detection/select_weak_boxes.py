#!/usr/bin/env python3
"""Turn a detector's boxes on class-labelled photos into weak boxes of the target: accept, ignore or drop each.

A photo labelled with the target holds at least one, so boxes on it may be targets; a look-alike's photo holds none, so no
box there ever is. `top1` accepts a photo's best box (its best `count` boxes where a count is given); `threshold` accepts
from the score at which, on photos with boxes that the detector did not learn from, F0.5 of the accepted boxes is
best: a wrong box harms the next training more than a missed photo. `full` accepts what passes that threshold and looks
like the target to classify_crops.py too, the likeliest box where none does, and no more than were counted. Boxes between
the lower threshold (best F2) and that one become ignore regions, unless their crop shows something else. A photo with no
accepted box is left out and never serves as background: the insect is there, the detector missed it. What a person reviewed
beats all rules: exactly the boxes drawn on a photo are accepted, and a photo on which no box was left is background.

In the first round the detector is that of insects, judged by true boxes; in later ones it is the target's of the round before,
judged by the weak boxes that it was stopped on.
"""
import argparse
import json
from pathlib import Path

from entoflow import coco
from entoflow.detection import weak_boxes
from entoflow.task import InputError, run

FEW_BOXES = 30  # true boxes below which a threshold is a guess, and the audit says so


def main(argv):
    args = parser().parse_args(argv)
    labelled, reference = coco.read(args.labelled), coco.read(args.reference)
    reviewed = drawn(coco.read(args.reviewed)) if args.reviewed else {}
    targets = photos_of(args.target, labelled, reviewed)
    chosen, info = by_rule(args, targets, reference)
    info["reviewed"] = sum(image["id"] in reviewed for image in targets)
    weak = [box for image in targets for box in reviewed.get(image["id"], chosen[image["id"]])]
    boxed = {box["image_id"] for box in weak if box["band"] == "accept"}
    empty = {image["id"] for image in targets if reviewed.get(image["id"]) == []}
    left_out = [image for image in targets if image["id"] not in boxed | empty]
    coco.write(args.weak_boxes, as_coco([{**image, "reviewed": image["id"] in reviewed} for image in targets], weak, args.target, info))
    coco.write(args.training, training_set(labelled, reference, weak, boxed | empty, args.target))
    rows = [row(image) for image in left_out] + few(info) + replaced(labelled["images"], reviewed, chosen, args.target)
    args.audit.write_text(json.dumps(rows, ensure_ascii=False, indent=1), encoding="utf-8")
    if args.samples:
        draw(args.samples, targets, weak, args.packs)
    refuse_no_boxes(args, targets, boxed, info["accept"] == 1 and len(coco.part(reference, "validation")["images"]))
    print(f"{len(boxed)} of {len(targets)} photos of {args.target} have an accepted box, {len(left_out)} are left out; {info['crops']} boxes judged by crop, "
          f"{info['reviewed']} photos by a person.")


def parser():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    weak_boxes.add_inputs(p)
    p.add_argument("--crop_scores", type=Path, help="what classify_crops.py thinks of them (default: the rule full goes by scores alone)")
    p.add_argument("--reviewed", type=Path, help="data set of photos whose boxes a person corrected (default: none)")
    p.add_argument("--packs", type=Path, nargs="*", default=[], help="packs with the labelled photos, for the samples")
    p.add_argument("--round", type=int, default=1, help="1 where the detector is that of insects, then one more each time (default %(default)s)")
    p.add_argument("--weak_rule", choices=sorted(weak_boxes.RULES), default="full", help="how boxes are chosen (default %(default)s)")
    p.add_argument("--weak_boxes", type=Path, required=True, help="COCO file to write: every box with its band, rule and evidence")
    p.add_argument("--training", type=Path, required=True, help="data set to write: what the target's detector learns from")
    p.add_argument("--audit", type=Path, required=True, help="JSON to write: photos left out and why")
    p.add_argument("--samples", type=Path, help="picture to write: photos with their weak boxes")
    return p


def by_rule(args, targets, reference):
    """Return ({image id: its candidates with their bands, as the rule chooses}, what was gone by)."""
    validation, judged = weak_boxes.judged_by(reference, args.validation_predictions, args.n_views)
    accept, ignore = weak_boxes.choose_thresholds(validation, judged)
    alone = weak_boxes.choose_thresholds(validation, {number: weak_boxes.without_agreement(found, args.n_views) for number, found in judged.items()})
    candidates = weak_boxes.fuse(args.predictions, args.n_views)
    looked_at = attach(candidates, args.crop_scores)
    found = {image["id"]: candidates.get(image["id"], []) for image in targets}
    weak_boxes.give_probabilities([(image["count"], found[image["id"]]) for image in targets], validation, judged)
    chosen = {image["id"]: banded(image, found[image["id"]], weak_boxes.RULES[args.weak_rule], (accept, ignore)) for image in targets}
    n_true = sum(not box["iscrowd"] for box in validation["annotations"])
    return chosen, {"rule": args.weak_rule, "round": args.round, "accept": accept, "ignore": ignore, "true_boxes": n_true, "crops": looked_at,
                    "n_views": args.n_views, "without_agreement": alone}


def attach(candidates, path):
    """Give the candidates what the crop classifier thinks of them, in place, and return of how many it does."""
    if not path:
        return 0
    from entoflow import crops

    scores = crops.read_scores(path)
    for image_id, boxes in candidates.items():
        for rank, box in enumerate(boxes, 1):
            box["crop"] = scores.get((image_id, rank))
    return len(scores)


def banded(image, boxes, rule, thresholds):
    """Return the boxes of an image with their bands and what they are judged by."""
    return [{**box, "image_id": image["id"], "rank": rank, "count": image["count"], "band": band}
            for rank, (box, band) in enumerate(zip(boxes, rule(boxes, image["count"], *thresholds)), 1)]


def drawn(reviewed):
    """Return {image id: its boxes as a person left them}: accepted, or ignored where they are marked so."""
    found = {image["id"]: [] for image in reviewed["images"]}
    for box in reviewed["annotations"]:
        x, y, width, height = box["bbox"]
        known = {"score": 1.0, "views": None, "spread": None, "crop": None, "probability": 1.0, "rule": "reviewed", "count": None}
        own = found[box["image_id"]]
        own.append({**known, "xyxy": (x, y, x + width, y + height), "image_id": box["image_id"], "rank": len(own) + 1,
                    "band": "ignore" if box["iscrowd"] else "accept"})
    return found


def photos_of(target, labelled, reviewed):
    """Return the photos to learn the target from: labelled so, or shown to hold it by a person."""
    shown = {number for number, boxes in reviewed.items() if any(box["band"] == "accept" for box in boxes)}
    return [image for image in labelled["images"] if image["part"] != "test" and (image["label"] == target or image["id"] in shown)]


def as_coco(targets, weak, target, info):
    """Return the COCO set of all judged boxes; each carries score, band, rule and the evidence it was judged by."""
    annotations = ({  # written one by one: as a list they would double the memory of a million boxes
        "id": number, "image_id": box["image_id"], "category_id": 1, "bbox": xywh(box["xyxy"]), "area": area(box["xyxy"]),
        "iscrowd": int(box["band"] == "ignore"), "score": round(box["score"], 6), "band": box["band"], "rule": box.get("rule", info["rule"]),
        "evidence": evidence(box),
    } for number, box in enumerate(weak, 1))
    return {"info": info, "images": targets, "annotations": annotations, "categories": [{"id": 1, "name": target}]}


def evidence(box):
    """Return what a box was judged by; of a person's box it is not known."""
    found = {name: box.get(name) for name in ("rank", "count", "views", "spread", "crop", "probability")}
    return {name: round(value, {"spread": 3}.get(name, 4)) if isinstance(value, float) else value for name, value in found.items()}


def training_set(labelled, reference, weak, boxed, target):
    """Return what the target's detector learns from: photos with accepted boxes, look-alikes, and empty images of the reference."""
    seen = {box["image_id"] for box in reference["annotations"]} | {image["id"] for image in labelled["images"]}
    empty = [image for image in reference["images"] if image["id"] not in seen and image["part"] != "test"]
    photos = [image for image in labelled["images"] if image["part"] != "test" and (image["label"] != target or image["id"] in boxed)]
    annotations = [{"image_id": box["image_id"], "category_id": 1, "bbox": xywh(box["xyxy"]), "area": area(box["xyxy"]),
                    "iscrowd": int(box["band"] == "ignore")} for box in weak if box["band"] != "drop" and box["image_id"] in boxed]
    images = sorted(photos + empty, key=lambda image: (image["file_name"], image["id"]))
    return {"info": {"role": "training"}, "images": images, "categories": [{"id": 1, "name": target}],
            "annotations": [{"id": number, **box} for number, box in enumerate(annotations, 1)]}


def row(image):
    """Return the audit's row of a photo that its label promises the target on, and that got no accepted box."""
    return {"image": image["file_name"], "row": None, "source": "labelled", "stage": "select_weak_boxes", "action": "left out",
            "reason": "no box was accepted: neither object nor background is learned from it"}


def replaced(photos, reviewed, chosen, target):
    """Return the audit's rows of reviewed photos: what became of the boxes that the rule had chosen."""
    def counts(boxes):
        bands = [box["band"] for box in boxes]
        return f"{bands.count('accept')} accepted and {bands.count('ignore')} ignored boxes"

    rows = []
    for image in photos:
        if image["id"] not in reviewed:
            continue
        now, other = reviewed[image["id"]], "" if image["label"] == target else f", though it is labelled {image['label']}"
        if image["id"] not in chosen:
            reason = f"reviewed: no {target} to learn from, as its label {image['label']} says"
        elif now:
            reason = f"reviewed: {counts(now)} of a person take the place of {counts(chosen[image['id']])}{other}"
        else:
            reason = f"reviewed: no {target} on it, so it is background"
        rows.append({"image": image["file_name"], "row": None, "source": "reviewed", "stage": "select_weak_boxes", "action": "note", "reason": reason})
    return rows


def few(info):
    """Return the audit's row that tells of thresholds which rest on few boxes, if they do."""
    kind = "true boxes of the insect detector's" if info["round"] == 1 else f"weak boxes of round {info['round'] - 1}'s"
    reason = f"the thresholds rest on {info['true_boxes']} {kind} validation part; wanted {FEW_BOXES} or more"
    found = {"image": None, "row": None, "source": "boxes", "stage": "select_weak_boxes", "action": "note", "reason": reason}
    return [found] if info["true_boxes"] < FEW_BOXES else []


def refuse_no_boxes(args, targets, boxed, blind):
    """Raise InputError unless photos to train on and photos to validate on have an accepted box.

    blind: the number of the detector's validation images if none of its boxes on them is right, else 0.
    """
    if args.round > 1 and not {"train", "validation"} <= {image["part"] for image in targets if image["id"] in boxed}:
        raise InputError(f"the target's detector of round {args.round - 1} finds too little to make weak boxes from, to train on and to validate on; "
                         f"wanted a detector that can teach. Give --rounds {args.round - 1}.")
    n, parts = len(targets), {image["part"] for image in targets if image["id"] in boxed}
    if not boxed and blind and args.weak_rule != "top1":
        raise InputError(f"none of the insect detector's boxes on its {blind} validation images is right, so no score can be trusted and no "
                         f"photo of {args.target} gets a box; give more boxes (--boxes), better weights (--weights), or --weak_rule top1.")
    if not boxed:
        raise InputError(f"no photo labelled {args.target} got a weak box ({n} photos); wanted at least one. "
                         "The insect detector finds nothing on them: give it boxes of insects that look like these (--boxes).")
    if not {"train", "validation"} <= parts:
        raise InputError(f"{len(boxed)} of {n} photos labelled {args.target} got a weak box, all in the {parts.pop()} part; wanted some to train on "
                         "and some to validate on: give more photos, or --weak_rule top1.")


def draw(path, targets, weak, packs):
    """Draw photos with their accepted and ignored boxes, evenly spread over the scores of their best boxes."""
    from entoflow import images, plots

    by_image = {}
    for box in weak:
        if box["band"] != "drop":
            by_image.setdefault(box["image_id"], []).append(box)
    shown = sorted((image for image in targets if image["id"] in by_image), key=lambda image: -by_image[image["id"]][0]["score"])
    shown = [shown[round(k * (len(shown) - 1) / 11)] for k in range(12)] if len(shown) > 12 else shown
    pack = images.Pack(packs)
    kinds = {"accept": "weak", "ignore": "ignored"}
    tiles = (plots.Tile(pack.read(image["id"]), plots.short(image["file_name"]),
                        [(tuple(box["xyxy"]), kinds[box["band"]], f"{box['score']:.2f}") for box in by_image[image["id"]]])
             for image in shown)
    plots.contact_sheet(path, tiles, "Weak boxes, from the surest photo to the least sure")


def xywh(xyxy):
    x1, y1, x2, y2 = map(float, xyxy)
    return [round(value, 3) for value in (x1, y1, x2 - x1, y2 - y1)]


def area(xyxy):
    return round(float((xyxy[2] - xyxy[0]) * (xyxy[3] - xyxy[1])), 3)


if __name__ == "__main__":
    run(main)
