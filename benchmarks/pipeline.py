"""What Nextflow costs and saves: a whole run against the scripts of its tasks, one after another on the same files.

The scripts run as the tasks ran them, each in a fresh folder with the same inputs linked, and with all cores. A graph
whose tasks wait for each other shows the cost; one with shards shows what running side by side saves.
"""

import csv
import re
import shutil
import sys

from measuring import ROOT, Row, run, script
from memory import copy_drawings


def ask(folder, full):
    images, epochs, sources, photos = (140, 30, 4, 1000) if full else (24, 1, 2, 4)
    chain = detection(folder, images, epochs)
    yield row(
        f"the chain of --boxes, each task waiting for the last, {epochs} epochs",
        folder / "detection",
        chain,
        1.10,
        "<= 1.10",
    )
    folders = [folder / f"photos/{n}" for n in range(sources)]
    for n, photo_folder in enumerate(folders):
        copy_drawings(folder / "world/boxes", photo_folder, photos, n * photos)
    several = nextflow(
        folder / "prediction",
        "--model",
        folder / "detection/results/detection/insect_detector",
        "--predict",
        ",".join(map(str, folders)),
    )
    yield row(
        f"--predict on {sources} folders of {photos:,} photos",
        folder / "prediction",
        several,
        1.0,
        "< 1",
    )


def detection(folder, images=24, epochs=1):
    """Run the chain of --boxes on a small synthetic world and return its Run."""
    script(
        "make_demo",
        folder,
        folder=folder / "world",
        demo_boxes=images,
        demo_labelled=1,
        demo_test=1,
        demo_size=160,
    )
    run(
        [sys.executable, "-c", "import torch, ultralytics"], folder
    )  # from the disk once, before anything is timed
    return nextflow(folder / "detection", *asked(folder, epochs))


def asked(folder, epochs):
    return [
        "--boxes",
        folder / "world/boxes/annotations.json",
        "--weights",
        "none",
        "--image_size",
        "160",
        "--max_epochs",
        epochs,
    ]


def nextflow(folder, *options):
    """Run the suite in a folder, as a user would, and return its Run."""
    folder.mkdir(exist_ok=True)
    return run([ROOT / "nextflow", "run", ROOT, "-ansi-log", "false", *options], folder)


def row(what, folder, ours, most, wanted):
    bare = one_after_another(folder)
    ratio = ours.seconds / bare
    holds = ratio <= most if "=" in wanted else ratio < most
    return Row(
        f"a whole run: {what}",
        f"{ours.seconds:.1f} s",
        f"{bare:.1f} s (the same {len(tasks(folder))} scripts one after another)",
        f"{ratio:.2f}",
        wanted,
        holds,
    )


def one_after_another(folder):
    """Return the seconds that the scripts of a run's tasks take together."""
    seconds = 0
    for number, task in enumerate(tasks(folder)):
        done = next(folder.glob(f"work/{task['hash']}*"))
        here = folder / "bare" / str(number)
        for link in [
            path for path in done.rglob("*") if path.is_symlink()
        ]:  # a task's inputs are links
            (here / link.relative_to(done)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(link, here / link.relative_to(done), follow_symlinks=False)
        here.mkdir(parents=True, exist_ok=True)
        text = re.sub(
            r"^ *\. entoflow/threads.sh .*$",
            "",
            (done / ".command.sh").read_text(),
            flags=re.MULTILINE,
        )
        (here / "script.sh").write_text(text)
        alone = run(["bash", "-ue", "script.sh"], here).seconds
        print(
            f"  {task['name']}: {task['realtime']} in the run, {alone:.1f} s alone", file=sys.stderr
        )
        seconds += alone
    return seconds


def tasks(folder):
    """Return the rows of the run's trace, in the order in which the tasks began."""
    with (folder / "results/pipeline_info/trace.txt").open() as trace:
        return sorted(csv.DictReader(trace, delimiter="\t"), key=lambda task: task["submit"])
