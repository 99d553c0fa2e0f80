"""Training of the YOLO backend: boxes as the files that ultralytics reads, and its training loop on
them.
"""

from collections.abc import Sequence
from pathlib import Path

from entoflow.detection.samples import Sample, Samples
from entoflow.detection.training import Epoch, OnEpoch, Settings
from entoflow.detector.load_ultralytics import load_ultralytics
from entoflow.detector.network import Detector, prepare


def train(
    samples: Samples, scratch: Path, settings: Settings, on_epoch: OnEpoch, checkpoint: Path
) -> tuple[Detector, list[Epoch]]:
    """Train a one-class detector.

    Return it with the weights of its best validation epoch, and all epochs.

    scratch: the folder that the samples were extracted to. checkpoint: file written after every
    epoch; training resumes from it where it exists already.
    """
    load_ultralytics(scratch)
    from entoflow.detection.yolo_trainer import Trainer

    folders = {
        "train": _write_labels(scratch / "train", samples.train),
        "validation": _write_labels(scratch / "validation", samples.validation),
    }
    trainer = Trainer(folders, settings, scratch / "run", on_epoch, checkpoint)
    if not trainer.is_finished():
        trainer.train()
    network = trainer.best_network()
    return prepare(network, settings.architecture, settings.image_size), trainer.epochs_done


def _write_labels(folder: Path, samples: Sequence[Sample]) -> Path:
    """Write YOLO label files beside the images (.../images/x.jpg, .../labels/x.txt) and return the
    images' folder.
    """
    from entoflow.detection.yolo_loss import encode

    (folder / "labels").mkdir(parents=True)
    for sample in samples:
        targets = sample.targets
        codes = encode(targets.weights, len(targets.ignored))
        lines = []
        for code, box in zip(codes, [*targets.boxes, *targets.ignored]):
            lines.append(" ".join([str(code), *(f"{value:.8f}" for value in box)]))
        (folder / "labels" / f"{sample.path.stem}.txt").write_text("\n".join(lines))
    return folder / "images"
