"""How a script ends when a disk is full, here a file that may not grow.

One sentence that names the file.
"""

import os
import signal
import subprocess
import sys

import pytest

from conftest import ROOT

WRITERS = {
    "text": (
        "from pathlib import Path; from entoflow import files",
        "files.write_text(Path('out'), 'x' * 100_000)",
    ),
    "data set": (
        "from pathlib import Path; from entoflow.dataset import Dataset, Image, write",
        "write(Path('out'), Dataset([Image(1, 'x' * 100_000)]))",
    ),
    "pack": (
        "from pathlib import Path; from entoflow import images",
        "images.write_pack(Path('out'), [('photo', '0' * 64, '.jpg')])",
    ),
    "arrays": (
        "from pathlib import Path; import numpy as np; from entoflow import files",
        "with files.whole(Path('out'), 'wb') as file: np.savez(file, x=np.arange(100_000))",
    ),
    "picture": (
        "from pathlib import Path; import numpy as np\n"
        "from entoflow.contact_sheet import Tile, contact_sheet",
        "noise = np.random.default_rng(1).integers(0, 255, (480, 480, 3), np.uint8)\n"
        "    contact_sheet(Path('out'), [Tile(noise, '', [])], '')",
    ),
    "checkpoint, of which torch raises an error of its own": (
        "from pathlib import Path; import torch; from entoflow import files",
        "state = torch.nn.Linear(100, 1000).state_dict()\n"
        "    with files.whole(Path('out'), 'wb') as file: torch.save(state, file)",
    ),
    "weights": (
        "from pathlib import Path; import torch; from entoflow.weights import write_weights",
        "Path('folder').mkdir(); write_weights(torch.nn.Linear(100, 1000), Path('folder'))",
    ),
}


def end(folder, imports, statement):
    """Return (exit status, all that was printed) of a script that runs the statement where no file
    may grow beyond 64 KB.
    """
    (folder / "photo").write_bytes(b"x" * 100_000)
    code = f"""import resource
{imports}
from entoflow.task import run

def main(argv):
    resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
    {statement}

run(main)
"""
    # -B: Python keeps what it compiled even where the file was cut off
    command = [sys.executable, "-B", "-c", code]
    environment = {"PYTHONPATH": str(ROOT / "bin"), "MPLCONFIGDIR": str(folder.parent)}
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=60, env=environment
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("writer", WRITERS)
def test_a_file_without_room_is_named_in_one_sentence_and_nothing_of_it_is_left(tmp_path, writer):
    status, printed = end(tmp_path, *WRITERS[writer])
    folder = tmp_path / "folder" if writer == "weights" else tmp_path
    name = "weights.safetensors" if writer == "weights" else "out"
    assert printed == f"error: {name}: File too large; wanted more room on the disk of {folder}.\n"
    assert status == 1
    assert not list(folder.glob(f"{name}*"))


def test_a_writer_that_does_not_name_its_file_ends_in_one_sentence_too(tmp_path):
    status, printed = end(tmp_path, "", "open('out', 'w').write('x' * 100_000)")
    assert (status, printed) == (
        1,
        f"error: output: File too large; wanted more room on the disk of {tmp_path}.\n",
    )


def test_a_bug_of_ours_keeps_its_traceback(tmp_path):
    status, printed = end(tmp_path, "", "raise RuntimeError('bug')")
    assert status == 1
    assert printed.startswith("Traceback") and printed.endswith("RuntimeError: bug\n")


def test_a_folder_that_is_absent_is_named_in_one_sentence(tmp_path):
    assert end(tmp_path, "", "open('none/out', 'w')") == (
        1,
        "error: none/out: No such file or directory.\n",
    )


def test_a_script_that_bash_started_in_the_background_ends_at_once_and_in_silence_with_ctrl_c(
    tmp_path,
):
    code = """import time
from entoflow.task import run

def main(argv):
    print('begun', flush=True)
    time.sleep(60)

run(main)
"""
    with subprocess.Popen(
        ["bash", "-c", '"$0" -c "$1" & wait $!', sys.executable, code],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env={"PYTHONPATH": str(ROOT / "bin")},
    ) as shell:
        assert shell.stdout.readline() == "begun\n"
        os.killpg(shell.pid, signal.SIGINT)
        assert (
            shell.communicate(timeout=10)[0] == ""
        )  # ends with the last process that holds the pipe
