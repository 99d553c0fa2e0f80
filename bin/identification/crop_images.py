#!/usr/bin/env python3
"""Cut each photo around the surest insect that a detector finds, so that what follows sees insects and no scenes.

A crop is the square around the box, with a margin, at the photo's own resolution. It goes under the name, hash and id of its photo: what is named
and enrolled later is the user's file. A photo in which no box reaches the detector's threshold stays whole, with a row in the audit.
"""
import argparse
import json
from collections import defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory

from entoflow import coco
from entoflow.detector import inference
from entoflow.identification import embedder_facts
from entoflow.joining import row
from entoflow.memory import keep_memory
from entoflow.task import InputError, run

STAGE = "crop_images"


def main(argv):
    args = parser().parse_args(argv)
    dataset = coco.read(args.photos)
    packs = of_packs(dataset["images"], args)
    keep_memory()
    detector, backend, facts = inference.load(args.detector, args.scratch)
    from entoflow import images

    pack = images.Pack(args.packs)
    boxes = surest(inference.predict(detector, backend, pack, sorted(image["id"] for image in dataset["images"])), facts["threshold"])
    entries = {image["id"]: image for name, photos in packs.items() for image in cut(pack, photos, boxes, args.packs_folder / name)}
    info = {**dataset["info"], "cropped_by": embedder_facts.detector_identity(args.detector, facts)}
    coco.write(args.dataset, {**dataset, "info": info, "images": [entries[image["id"]] for image in dataset["images"]]})
    reason = f"no insect found (no box scores {facts['threshold']:.3f} or more): used whole"
    whole = [row(image, info["source"], STAGE, "note", reason) for image in dataset["images"] if image["id"] not in boxes]
    args.audit.write_text(json.dumps(whole, ensure_ascii=False, indent=1), encoding="utf-8")
    print(f"Cropped {len(boxes)} of {len(entries)} images; no insect found in {len(whole)}, used whole: see {args.audit.name}.")


def parser():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--photos", type=Path, required=True, help="data set that import_images.py wrote")
    p.add_argument("--packs", type=Path, nargs="+", required=True, help="packs with its images")
    p.add_argument("--detector", type=Path, required=True, help="model folder of the detector")
    p.add_argument("--scratch", type=Path, default=Path("scratch"), help="folder for what the backend keeps (default %(default)s)")
    p.add_argument("--dataset", type=Path, required=True, help="JSON file to write: the data set of the crops")
    p.add_argument("--audit", type=Path, required=True, help="JSON file to write: the images that stayed whole")
    p.add_argument("--packs_folder", type=Path, required=True, help="folder to write the packs of crops to, named as those of the photos")
    return p


def of_packs(images, args):
    """Return {name of a pack: its images}. Raises InputError where a pack is not given, or would be written over."""
    found = defaultdict(list)
    for image in images:
        found[image["pack"]].append(image)
    missing = sorted(found.keys() - {path.name for path in args.packs})
    if missing:
        raise InputError(f"--packs: lack {missing[0]}, which {args.photos} names; wanted all packs of its images.")
    if args.packs_folder.resolve() in [path.absolute().parent.resolve() for path in args.packs]:
        raise InputError(f"--packs_folder: {args.packs_folder} holds the packs of the photos; wanted another folder for those of the crops.")
    return found


def surest(predictions, threshold):
    """Return {image id: (xyxy, score)} of the best box of each image, where it reaches the threshold."""
    found = {}
    for image_id, _, boxes, scores in predictions:
        if len(scores) and scores.max() >= threshold:
            found[image_id] = boxes[scores.argmax()].tolist(), float(scores.max())
    return found


def cut(pack, photos, boxes, path):
    """Write a pack of crops, and of the photos without a box as they are; return what the data set says of each."""
    from entoflow import images

    with TemporaryDirectory(dir=path.parent) as folder:
        found = [cropped(pack, image, boxes[image["id"]], folder) if image["id"] in boxes else (image, pack.extract(image["id"], folder)) for image in photos]
        images.write_pack(path, [(file, image["sha256"], file.suffix) for image, file in found])
    return [image for image, _ in found]


def cropped(pack, image, box, folder):
    """Write the crop of a photo as PNG; return what the data set says of it, with the facts of the photo in `photo`, and its path."""
    from PIL import Image

    from entoflow import crops, images

    pixels = pack.read(image["id"])
    x1, y1, x2, y2 = crops.window(box[0], pixels.shape[1], pixels.shape[0])
    path = Path(folder) / images.member_name(image["sha256"], ".png")
    Image.fromarray(pixels[y1:y2, x1:x2]).save(path, compress_level=1)
    kept = ("width", "height", "phash", "mirrored", "thumbnail")
    photo = {**{key: image[key] for key in kept}, "box": box[0], "score": box[1], "crop": [x1, y1, x2, y2]}
    fact = images.describe(path)
    return {**image, "member": path.name, **{key: fact[key] for key in kept}, "photo": photo}, path


if __name__ == "__main__":
    run(main)
