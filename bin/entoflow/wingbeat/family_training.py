"""Training one family of sound models, which all the train_<family>.py share.

Either a model is trained on all folds of a partition but one, and predicts the events of that one;
or it is trained on all events, to be shipped. Heavy imports wait until a parser has done its work.
"""

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

from entoflow import model_folder
from entoflow.model_folder import ModelFacts
from entoflow.task import InputError

if TYPE_CHECKING:
    import numpy as np

    from entoflow.wingbeat.event_arrays import Events
    from entoflow.wingbeat.family import Family, Model, Training
    from entoflow.wingbeat.fold_predictions import FoldPredictions

LICENCE = "Apache-2.0 (code); the weights are their trainer's own"


def parser(doc: str) -> argparse.ArgumentParser:
    """Return the parser of the script with that docstring; a family adds its own settings."""
    p = argparse.ArgumentParser(description=doc.splitlines()[0])
    p.add_argument(
        "--clips",
        type=Path,
        required=True,
        help="data set of events that split_recordings.py wrote",
    )
    p.add_argument(
        "--samples",
        type=Path,
        required=True,
        help="npy file with their samples, of extract_features.py",
    )
    p.add_argument(
        "--features",
        type=Path,
        required=True,
        help="npz file with their features, of extract_features.py",
    )
    p.add_argument(
        "--partition",
        help="division of the events, such as grouped_1, of which one fold is held out "
        "(default: none, the model is trained on all events)",
    )
    p.add_argument("--fold", type=int, help="the fold to hold out and to predict, from 1")
    p.add_argument(
        "--seed",
        type=int,
        default=1,
        help="seed (default %(default)s; that of the partition where there is one)",
    )
    p.add_argument(
        "--predictions", type=Path, help="npz file to write: the probabilities of the fold's events"
    )
    p.add_argument("--model", type=Path, help="model folder to write, trained on all events")
    return p


def train(args: argparse.Namespace, family: "Family") -> None:
    """Train the family as the command line says, and write the model or its predictions."""
    from entoflow.wingbeat import event_arrays

    check_options(args)
    events = event_arrays.load(args.clips, args.samples, args.features)
    if args.model:
        train_to_ship(args, family, events)
    else:
        train_and_predict(args, family, events)


def check_options(args: argparse.Namespace) -> None:
    """Raise InputError for a command line that asks for no model and no fold, or for both."""
    wants_fold = bool(args.partition and args.fold)
    wants_predictions = bool(args.predictions)
    if bool(args.model) == wants_predictions or wants_predictions != wants_fold:
        raise InputError("wanted --model, or --predictions with --partition and --fold.")


def train_to_ship(args: argparse.Namespace, family: "Family", events: "Events") -> None:
    """Train the family on all events and write its model folder."""
    import numpy as np

    rows = np.arange(len(events.clips))
    started = time.monotonic()
    training = family.fit(events, rows, args.seed)
    seconds = time.monotonic() - started
    write_model(args.model, family.name, training, events, args.seed)
    print(f"{family.name}: trained on {len(rows)} events in {seconds:.1f} s.")


def train_and_predict(args: argparse.Namespace, family: "Family", events: "Events") -> None:
    """Train the family on all folds but one and write what it predicts of that one."""
    from entoflow.wingbeat import fold_predictions

    training_rows, held_out_rows = rows_of_fold(events, args.partition, args.fold)
    seed = events.partition(args.partition).seed
    started = time.monotonic()
    training = family.fit(events, training_rows, seed)
    seconds = time.monotonic() - started
    predictions = predict(args, training.model, events, held_out_rows, seed, family.name, seconds)
    fold_predictions.write(args.predictions, predictions)
    accuracy = share_right(predictions, events)
    print(
        f"{family.name}, {args.partition}, fold {args.fold}: trained on {len(training_rows)} "
        f"events in {seconds:.1f} s; of {len(held_out_rows)} held out named {accuracy:.3f} right."
    )


def rows_of_fold(
    events: "Events", partition_name: str, fold: int
) -> tuple["np.ndarray", "np.ndarray"]:
    """Return the rows to train on and those to predict. Raises InputError for no such fold."""
    names = [partition.name for partition in events.partitions]
    if partition_name not in names:
        raise InputError(f"--partition is '{partition_name}'; wanted one of {', '.join(names)}.")
    partition = events.partition(partition_name)
    training_rows = events.training_rows(partition, fold - 1)
    held_out_rows = events.held_out_rows(partition, fold - 1)
    n_classes = len(set(events.labels[training_rows].tolist()))
    if not len(held_out_rows) or n_classes < 2:
        raise InputError(
            f"--fold {fold} of {partition_name} leaves {len(training_rows)} events to train on and "
            f"{len(held_out_rows)} to predict; wanted two classes and one event."
        )
    return training_rows, held_out_rows


def predict(
    args: argparse.Namespace,
    model: "Model",
    events: "Events",
    rows: "np.ndarray",
    seed: int,
    family: str,
    seconds: float,
) -> "FoldPredictions":
    """Return what a model predicts of the held-out rows.

    Of the first partition also with noise added, and with features shuffled.
    """
    import numpy as np

    from entoflow.wingbeat import fold_predictions, robustness

    classes = sorted(set(events.labels.tolist()))
    probabilities = spread_over(model.predict_proba(events, rows), model.classes, classes)
    noisy_rows = None
    noisy = None
    shuffled = None
    if args.partition == events.partitions[0].name:
        in_noise = robustness.predict_in_noise(model, events, rows, seed)
        noisy_rows = in_noise.rows
        noisy = spread_over(in_noise.probabilities, model.classes, classes)
        shuffled = model.predict_shuffled(events, rows, seed)
        if shuffled is not None:
            shuffled = np.array([classes.index(name) for name in model.classes])[shuffled]
    return fold_predictions.FoldPredictions(
        family=family,
        partition=args.partition,
        fold=args.fold,
        seconds=seconds,
        classes=classes,
        rows=rows,
        probabilities=probabilities,
        noisy_rows=noisy_rows,
        noisy=noisy,
        shuffled=shuffled,
    )


def spread_over(
    probabilities: "np.ndarray", classes: list[str], all_classes: list[str]
) -> "np.ndarray":
    """Return probabilities (.. x C) of some classes as those of all classes: 0 of the others."""
    import numpy as np

    spread = np.zeros((*probabilities.shape[:-1], len(all_classes)), np.float32)
    spread[..., [all_classes.index(name) for name in classes]] = probabilities
    return spread


def share_right(predictions: "FoldPredictions", events: "Events") -> float:
    """Return the share of the held-out events that are named right."""
    import numpy as np

    predicted = np.array(predictions.classes)[predictions.probabilities.argmax(axis=1)]
    return float((predicted == events.labels[predictions.rows]).mean())


def write_model(
    folder: Path, family: str, training: "Training", events: "Events", seed: int
) -> None:
    """Write the model folder; its metrics come with compare_families.py."""
    folder.mkdir(parents=True, exist_ok=True)
    more_input = training.model.save(events, folder)
    classes = sorted(set(events.labels.tolist()))
    n_groups = len(set(events.groups.tolist()))
    facts = ModelFacts(
        name=family,
        kind="wingbeat",
        classes=classes,
        input={
            "family": family,
            "sample_rate": events.sample_rate,
            "samples": int(events.samples.shape[1]),
            **more_input,
        },
        threshold=None,
        metrics={},
        metrics_of="held-out groups",
        licence=LICENCE,
        data={"events": len(events.clips), "groups": n_groups, "classes": len(classes)},
        parameters=training.parameters,
        seed=seed,
    )
    model_folder.write(folder, facts)
