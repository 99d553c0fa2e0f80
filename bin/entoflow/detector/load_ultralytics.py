"""Importing ultralytics (AGPL-3.0) so that it stays off the network, silent, and out of the user's home folder."""
import os
from pathlib import Path


def load_ultralytics(scratch):
    """Keep ultralytics off the network, silent, and out of the user's home folder; it reads these when first imported."""
    settings = {"YOLO_OFFLINE": "1", "YOLO_AUTOINSTALL": "0", "YOLO_VERBOSE": "0", "YOLO_CONFIG_DIR": str(Path(scratch).resolve())}
    os.environ.update(settings)
    os.environ.setdefault("OMP_NUM_THREADS", str(os.cpu_count()))  # unset, ultralytics makes it 1
    import logging

    from PIL import Image

    own_open = Image.open
    import ultralytics  # noqa: F401

    Image.open = own_open  # ultralytics' own would try to install a package for a file that is no image
    logging.getLogger("ultralytics").setLevel(logging.ERROR)
