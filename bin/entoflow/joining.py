"""Several data sets as one: an image that two sources hold is kept once, and near-duplicates are of one group."""
from collections import defaultdict

from entoflow import coco
from entoflow.task import InputError


def read(path, roles):
    """Return a data set. Raises InputError where it is of none of the roles."""
    dataset = coco.read(path)
    if dataset.get("info", {}).get("role") not in roles:
        raise InputError(f"{path}: says no role of its images; wanted a data set that import_images.py wrote.")
    return dataset


def merge(datasets, roles, stage, audit):
    """Return {role: one data set}: an image that several sources of a role hold is kept once, or not if they label it differently."""
    merged = {}
    for role in roles:
        given = [dataset for dataset in datasets if dataset["info"]["role"] == role]
        images, categories, annotations = {}, {}, []
        labels = defaultdict(set)
        for image in (image for dataset in given for image in dataset["images"]):
            labels[image["id"]].add(image["label"] or "")
        for dataset in given:
            names = {category["id"]: category["name"] for category in dataset["categories"]}
            new = {image["id"]: image for image in dataset["images"] if image["id"] not in images and len(labels[image["id"]]) == 1}
            for image in dataset["images"]:
                found = " and ".join(sorted(labels[image["id"]]))
                reason = f"labelled {found} by two sources" if len(labels[image["id"]]) > 1 else "the same bytes as an image of another source"
                audit += [] if image["id"] in new else [row(image, dataset["info"]["source"], stage, "left out", reason)]
            used = {image["group"] for image in images.values()}
            for key, image in new.items():  # 1.jpg of one source is not the 1.jpg of another; a group as given is the same in all
                alone = image["group"] == image["file_name"] and image["group"] in used
                group_name = f"{image['group']} ({key:x})" if alone else image["group"]
                images[key] = {**image, "group": group_name, "given": image["group"] != image["file_name"], "source": dataset["info"]["source"]}
            for box in dataset["annotations"]:
                if box["image_id"] in new:
                    number = categories.setdefault(names[box["category_id"]], len(categories) + 1)
                    annotations.append({**box, "category_id": number})
            for name in names.values():
                categories.setdefault(name, len(categories) + 1)
        ordered = sorted(images.values(), key=lambda image: (image["file_name"], image["id"]))
        annotations.sort(key=lambda box: (box["image_id"], box["bbox"], box["category_id"]))
        merged[role] = {
            "info": {"role": role, **cropping(datasets)}, "images": ordered, "annotations": [{**box, "id": n} for n, box in enumerate(annotations, 1)],
            "categories": [{"id": number, "name": name} for name, number in categories.items()],
        }
    return merged


def cropping(datasets):
    """Return {"cropped_by": id of the detector that cropped the images}, or nothing of whole ones. Raises InputError where they were cropped differently."""
    found = {dataset.get("info", {}).get("cropped_by") for dataset in datasets}
    if len(found) > 1:
        raise InputError("--datasets: some are cropped and others not, or by another detector; wanted all by one, or none.")
    return {"cropped_by": found.pop()} if any(found) else {}


def group(merged, bits, stage, audit):
    """Return ({image id: group} over all roles: given groups, joined by near-duplicates; ids (k x 2) of images that look alike).

    Cropped images are near-duplicates if their crops are, or the photos they come from.
    """
    import numpy as np

    from entoflow.splits import join, near_duplicates

    images = every_image(merged)
    near, alike = near_duplicates(*_seen(images), bits)
    if any("photo" in image for image in images):
        of_photos, _ = near_duplicates(*_seen([image.get("photo", image) for image in images]), bits)
        near = np.unique(np.concatenate([near, of_photos]), axis=0)
    for a, b in near.tolist():
        if named(images[a]) != named(images[b]) and images[a]["id"] != images[b]["id"]:
            audit.append(row(images[b], images[b]["source"], stage, "joined", f"nearly the same photo as {images[a]['file_name']}: both stay in one part"))
    first = {}
    same = [(first.setdefault(image["group"], n), n) for n, image in enumerate(images) if image["given"]]
    groups = join([named(image) for image in images], [*near.tolist(), *same])
    ids = np.array([image["id"] for image in images])
    return dict(zip(ids.tolist(), groups)), ids[alike]


def _seen(images):
    return ([image[key] for image in images] for key in ("phash", "mirrored", "thumbnail"))


def every_image(merged):
    """Return the images of all roles by id; of one content only the first, and those that have a group of their own."""
    found, seen = [], set()
    for role, dataset in merged.items():
        for image in dataset["images"]:
            if image["id"] not in seen or image["given"]:
                found.append({**image, "role": role})
            seen.add(image["id"])
    return sorted(found, key=lambda image: image["id"])


def named(image):
    """Return a name for an image's group. What was given as one is one in all sources; a file name is one of its role."""
    return f"{image['role']}: {image['group']}"


def row(image, source, stage, action, reason):
    """Return a row of the audit."""
    return {"image": image["file_name"], "row": None, "source": source, "stage": stage, "action": action, "reason": reason}
