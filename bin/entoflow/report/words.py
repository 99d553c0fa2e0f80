"""What a report says of a detector in words: the verdict, the cautions it calls for, and what to do next.

`found` is what report_detection reads of a results folder; each function returns plain sentences.
"""
import math

FEW_GROUPS, SOME_GROUPS = 20, 50
MUCH = 0.05  # AP50 that mending one kind of error would gain


def figure_of(figures, name):
    """Return a figure of metrics.json or quality.json: {} where it is absent, value None where it is no finite number."""
    entry = dict((figures or {}).get("metrics", {}).get(name) or {})
    for key in ("value", "low", "high"):
        number = entry.get(key)
        if not isinstance(number, (int, float)) or not math.isfinite(number):
            entry[key] = None
    return entry


def percent(entry):
    """0.871 in 0.79 to 0.926 -> '87 % (79 to 93)'"""
    if entry.get("value") is None:
        return "not measured"
    span = f" ({100 * entry['low']:.0f} to {100 * entry['high']:.0f})" if entry.get("low") is not None else ""
    return f"{100 * entry['value']:.0f} %{span}"


def number(entry):
    """0.861 in 0.8 to 0.913 -> '0.86 (0.80 to 0.91)'"""
    if entry.get("value") is None:
        return "not measured"
    span = f" ({entry['low']:.2f} to {entry['high']:.2f})" if entry.get("low") is not None else ""
    return f"{entry['value']:.2f}{span}"


def false_alarms(metrics):
    """Return false alarms per image at the threshold, or None: precision rests on so many detections in so many images."""
    precision, images = figure_of(metrics, "precision"), (metrics or {}).get("n")
    if precision.get("value") is None or not images or precision.get("n") is None:
        return 0.0 if images and precision.get("n") == 0 else None
    return (1 - precision["value"]) * precision["n"] / images


def verdict(found):
    """Return (the verdict, where it was measured)."""
    name, metrics = found["target"] or "insects", found["metrics"]
    if not metrics:
        return f"The detector of {name} was not measured: evaluation/metrics.json is missing.", ""
    recall, ap50, alarms = figure_of(metrics, "recall"), figure_of(metrics, "ap50"), false_alarms(metrics)
    if metrics.get("truth") == "labels":
        said = (f"The test images have labels but no boxes, so only presence is measured: the detector of {name} tells images with "
                f"from images without at AUROC {number(figure_of(metrics, 'presence_auroc'))}.")
    elif recall.get("value") is None and ap50.get("value") is None:
        said = f"The detector of {name} could not be measured: the test images hold none."
    else:
        at = "" if alarms is None else f" at {alarms:.2f} false alarms per image"
        said = (f"The detector of {name} finds {percent(recall)} of the {'insects' if found['target'] else 'test insects'}{at}; "
                f"AP50 {number(ap50)}.")
    return ("SYNTHETIC DATA: " if found["synthetic"] else "") + said, measured_on(found)


def measured_on(found):
    metrics, test = found["metrics"], found["params"].get("test_boxes")
    size = f"{metrics.get('n', 'an unknown number of')} images"
    if metrics.get("groups") is not None:
        size += f" in {metrics['groups']} groups"
    where = "test_boxes" if test or found["synthetic"] or metrics.get("truth") == "test_boxes" else "the held-out part of the given images"
    brackets = " In brackets: 95 % intervals." if figure_of(metrics, "ap50").get("low") is not None else ""
    return f"Measured on {size}: {where}, never trained on.{brackets}"


def cautions(found):
    """Return what to keep in mind when reading the figures."""
    metrics, said = found["metrics"] or {}, []
    if found["synthetic"]:
        said.append("SYNTHETIC: the images are drawn by a program. The figures show that the suite works; they say nothing about real insects.")
    groups = metrics.get("groups")
    if groups is not None and groups < FEW_GROUPS:
        said.append(f"Only {groups} independent groups of test images: too few for intervals, and one lucky photo moves the figures. "
                    f"Read them as a first look; from {FEW_GROUPS} groups there are intervals.")
    elif groups is not None and groups < SOME_GROUPS:
        said.append(f"The figures rest on {groups} independent groups of test images: the intervals are wide for good reason.")
    if metrics.get("truth") == "labels":
        said.append("No true boxes to test on: whether a box sits on the insect was not measured.")
    elif metrics and not found["synthetic"] and not found["params"].get("test_boxes"):
        said.append("The test images come from the same sources as the training images: elsewhere expect less.")
    if found["random_weights"]:
        said.append("Training started from random weights. On few photos, pretrained weights usually do much better.")
    bad = [row for row in found["left_out"] if row.get("stage") == "import_images"]
    if bad:
        said.append(f"{len(bad)} given {'file was' if len(bad) == 1 else 'files or boxes were'} left out while reading: see Data.")
    return said


def next_steps(found):
    """Return what would most likely improve the detector or the trust in its figures, from the figures themselves."""
    return [*_about_truth(found), *_about_weak_boxes(found), *_about_detector(found), _about_use(found)]


def _about_truth(found):
    metrics = found["metrics"] or {}
    if metrics.get("truth") == "labels" or not metrics:
        yield "Draw boxes on 50 or more images of the kind you will use it on and give them as --test_boxes: only then is its quality known."
    elif (metrics.get("groups") or SOME_GROUPS) < SOME_GROUPS:
        yield f"Test on more independent groups ({SOME_GROUPS} or more): the intervals narrow with the groups, not with photos of one group."


def _about_weak_boxes(found):
    quality, share = found["quality"], figure_of(found["quality"], "yield").get("value")
    if not found["weak"]:
        return
    if not quality:
        yield "The weak boxes were not measured. True boxes for some of the labelled images (--audit_boxes) show how good they are."
    share = found["weak"]["share"] if share is None else share
    if share is not None and share < 0.6:
        yield (f"Only {100 * share:.0f} % of the target's photos gave a weak box: the insect detector misses many. "
               "Add box-labelled insects that look like the target (--boxes), or train it for longer.")
    precision = figure_of(quality, "precision50").get("value")
    if precision is not None and precision < 0.8:
        yield (f"{100 * (1 - precision):.0f} % of the accepted weak boxes miss the true box: correct some by hand (--reviewed, see Review), "
               "or give the number of insects per photo (column count).")


def _about_detector(found):
    recall, precision = (figure_of(found["metrics"], name).get("value") for name in ("recall", "precision"))
    if recall is not None and recall < 0.7:
        yield "It misses many insects: look at the worst images below, and add photos of the target like those."
    if precision is not None and precision < 0.8:
        yield "It raises many false alarms: add photos of look-alikes and empty scenes to the labelled images; they need labels only."
    yield from _about_errors(found)
    for name, model in found["models"].items():
        epochs = [row["epoch"] for row in model["training"]]
        best = best_epoch(model["training"])
        if best is not None and len(epochs) > 4 and best > max(epochs) - max(2, len(epochs) // 20):
            yield f"{name} was still improving in its last epochs ({best:.0f} of {max(epochs):.0f} was best): raise --max_epochs."
    if found["random_weights"]:
        yield "For real use, start from pretrained weights (--weights pretrained)."


def _about_errors(found):
    errors = {"metrics": (found["metrics"] or {}).get("errors") or {}}
    gains = {name: figure_of(errors, name).get("value") or 0 for name in ("background", "poorly_placed")}
    kind = max(gains, key=gains.get)
    if gains[kind] < MUCH:
        return
    yield {"background": "Much AP50 is lost to false alarms: look at the surest ones below. Where they are real insects, complete the test boxes; where they "
                         "are other things, add photos of those to the labelled images.",
           "poorly_placed": "Much AP50 is lost to boxes that lie poorly: check that the training boxes are tight, or raise --image_size."}[kind]


def _about_use(found):
    folder = "target_detector" if "target_detector" in found["models"] else "insect_detector"
    return f"To use it: ./nextflow run . --model RESULTS/detection/{folder} --predict FOLDER"


def best_epoch(training):
    """Return the best epoch of training.csv's rows, or None."""
    if training and "best_epoch" in training[-1]:
        return training[-1]["best_epoch"]
    scored = [(row[name], row["epoch"]) for row in training for name in row if name.endswith("_ap") or name == "val_ap50"]
    return max(scored, default=(None, None))[1]
