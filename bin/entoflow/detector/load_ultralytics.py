"""Importing ultralytics (AGPL-3.0) so that it stays off the network, silent, and out of the user's
home folder.

The import replaces Pillow's Image.open by a function that tries to install a package for a file
that is no image, and so changes how all later code of the process opens images. It has no setting
for that: here Image.open is put back.
"""

import os
from pathlib import Path


def load_ultralytics(scratch: Path) -> None:
    """Import ultralytics, which reads these settings from the environment at its first import."""
    os.environ["YOLO_OFFLINE"] = "1"
    os.environ["YOLO_AUTOINSTALL"] = "0"
    os.environ["YOLO_VERBOSE"] = "0"
    os.environ["YOLO_CONFIG_DIR"] = str(Path(scratch).resolve())
    os.environ.setdefault("OMP_NUM_THREADS", str(os.cpu_count()))  # unset, ultralytics makes it 1
    import logging

    from PIL import Image

    pillows_open = Image.open
    import ultralytics  # noqa: F401

    Image.open = pillows_open
    logging.getLogger("ultralytics").setLevel(logging.ERROR)
