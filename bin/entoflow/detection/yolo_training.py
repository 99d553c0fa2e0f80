"""Training of the YOLO backend: boxes as the files that ultralytics reads, and its training loop on them."""
from entoflow.detector.load_ultralytics import load_ultralytics
from entoflow.detector.network import ready


def train(samples, scratch, settings, on_epoch, checkpoint):
    """Train a one-class detector; return it with the weights of its best validation epoch, and the rows of all epochs.

    samples: {"train": [Sample], "validation": [Sample]}.
    settings: architecture, image_size, batch_size, max_epochs, patience, seed, weights (safetensors file or None).
    on_epoch(row): called after each epoch with {"epoch", "loss", "validation_ap", "validation_ap50", "best_epoch"}.
    checkpoint: file written after every epoch; training goes on from it where it exists already.
    """
    load_ultralytics(scratch)
    from entoflow.detection.yolo_trainer import Trainer

    data = {part: _write_labels(scratch / part, members) for part, members in samples.items()}
    trainer = Trainer(data, settings, scratch / "run", on_epoch, checkpoint)
    if not trainer.finished():
        trainer.train()
    return ready(trainer.best_model(), settings["architecture"], settings["image_size"]), trainer.rows


def _write_labels(folder, samples):
    """Write YOLO label files beside the images (.../images/x.jpg, .../labels/x.txt) and return the images' folder."""
    from entoflow.detection.yolo_loss import encoded

    (folder / "labels").mkdir(parents=True)
    for image, boxes, weights, ignored in samples:
        codes = encoded(weights, len(ignored))
        lines = [" ".join([str(code), *(f"{value:.8f}" for value in box)]) for code, box in zip(codes, [*boxes, *ignored])]
        (folder / "labels" / f"{image.stem}.txt").write_text("\n".join(lines))
    return folder / "images"
