"""How a script ends when a disk is full, here a file that may not grow: one sentence that names the file, whoever writes it."""
import os
import signal
import subprocess
import sys

import pytest

from conftest import ROOT

WRITERS = {
    "text": ("from pathlib import Path", "Path('out').write_text('x' * 100_000)"),
    "data set": ("from pathlib import Path; from entoflow import coco",
                 "coco.write(Path('out'), {'images': ['x' * 100_000], 'annotations': [], 'categories': []})"),
    "pack": ("from pathlib import Path; from entoflow import images", "images.write_pack(Path('out'), [('photo', '0' * 64, '.jpg')])"),
    "arrays": ("import numpy as np", "np.savez(open('out', 'wb'), x=np.arange(100_000))"),
    "picture": ("import numpy as np; from PIL import Image",
                "Image.fromarray(np.random.default_rng(1).integers(0, 255, (300, 300), np.uint8)).save('out', format='png')"),
}


def end(folder, imports, statement):
    """Return (exit status, all that was said) of a script that runs the statement where no file may grow beyond 64 KB."""
    (folder / "photo").write_bytes(b"x" * 100_000)
    code = f"""import resource
{imports}
from entoflow.task import run

def main(argv):
    resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
    {statement}

run(main)
"""
    done = subprocess.run([sys.executable, "-B", "-c", code], cwd=folder, capture_output=True, text=True, timeout=60,
                          env={"PYTHONPATH": str(ROOT / "bin")})  # -B: Python keeps what it compiled even where the file was cut off
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("writer", WRITERS)
def test_a_file_that_finds_no_room_is_named_in_one_sentence(tmp_path, writer):
    assert end(tmp_path, *WRITERS[writer]) == (1, f"error: out: File too large; wanted more room on the disk of {tmp_path}.\n")


def test_a_checkpoint_that_finds_no_room_is_named_in_one_sentence(tmp_path):
    statement = """
    from pathlib import Path
    from types import SimpleNamespace
    from entoflow.detection.training import Epoch
    from entoflow.detection.yolo_trainer import Trainer
    model = torch.nn.Linear(100, 1000)
    state = SimpleNamespace(ema=model, updates=1)
    epoch = Epoch(1, 0.5, 0.5, 0.5, 1)
    trainer = SimpleNamespace(fitness=1, best_fitness=1, best_weights={}, ema=state, epochs_done=[], describe_epoch=lambda: epoch, epoch=0, model=model,
                              stop=False, optimizer=model, stopper=SimpleNamespace(best_fitness=1, best_epoch=0), checkpoint=Path("checkpoint.pt"))
    Trainer.save_model(trainer)"""
    assert end(tmp_path, "import torch", statement) == (1, f"error: checkpoint.pt.unfinished: File too large; wanted more room on the disk of {tmp_path}.\n")


def test_weights_that_find_no_room_are_named_in_one_sentence(tmp_path):
    statement = """
    from pathlib import Path
    from entoflow.detector import backend_yolo
    from entoflow.detector.network import Detector
    backend_yolo.save(Detector(torch.nn.Linear(100, 1000), "cpu", "", 64), Path())"""
    assert end(tmp_path, "import torch", statement) == (1, f"error: weights.safetensors: File too large; wanted more room on the disk of {tmp_path}.\n")


def test_a_bug_of_ours_keeps_its_traceback(tmp_path):
    status, said = end(tmp_path, "", "raise RuntimeError('bug')")
    assert status == 1
    assert said.startswith("Traceback") and said.endswith("RuntimeError: bug\n")


def test_a_folder_that_is_absent_is_named_in_one_sentence(tmp_path):
    assert end(tmp_path, "", "open('none/out', 'w')") == (1, "error: none/out: No such file or directory.\n")


def test_a_script_that_bash_started_in_the_background_ends_at_once_and_in_silence_with_ctrl_c(tmp_path):
    code = "import time\nfrom entoflow.task import run\ndef main(argv):\n    print('begun', flush=True)\n    time.sleep(60)\nrun(main)"
    with subprocess.Popen(["bash", "-c", '"$0" -c "$1" & wait $!', sys.executable, code], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, start_new_session=True, env={"PYTHONPATH": str(ROOT / "bin")}) as shell:
        assert shell.stdout.readline() == "begun\n"
        os.killpg(shell.pid, signal.SIGINT)
        assert shell.communicate(timeout=10)[0] == ""  # ends with the last process that holds the pipe
