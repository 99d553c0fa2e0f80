"""`-resume` with nothing to do: how long until it says so, and that it ran no task."""

import pipeline
from measuring import Row


def ask(folder, full):
    folder = folder / "resume"
    folder.mkdir()
    first = pipeline.detection(folder)
    again = pipeline.nextflow(folder / "detection", *pipeline.asked(folder, 1), "-resume")
    ran = [
        task["name"] for task in pipeline.tasks(folder / "detection") if task["status"] != "CACHED"
    ]
    cached = len(pipeline.tasks(folder / "detection")) - len(ran)
    yield Row(
        f"`-resume` with nothing to do: {len(ran)} tasks run, {cached} cached",
        f"{again.seconds:.1f} s",
        f"{first.seconds:.1f} s (the first run)",
        f"{again.seconds / first.seconds:.2f}",
        "0 tasks",
        not ran and cached > 0,
    )
