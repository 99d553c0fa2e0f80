import subprocess
import sys

import numpy as np
import pytest

from entoflow.detector import network


def images(n, height, width):
    return [np.full((height, width, 3), k, np.uint8) for k in range(n)]


@pytest.mark.parametrize("device, sizes", [("cpu", [4, 4, 2]), ("cuda:0", [10])])
def test_a_batch_on_a_cpu_has_no_more_pixels_than_it_gains_by(device, sizes):
    batches = list(network.batches(images(10, 64, 64), 640, device))
    assert [len(batch.pixels) for batch in batches] == sizes
    assert sum([batch.index for batch in batches], []) == list(range(10))


def test_an_image_larger_than_a_batch_is_one_by_itself():
    batches = network.batches(images(2, 90, 90), 1920, "cpu")
    assert [tuple(batch.pixels.shape) for batch in batches] == [(1, 3, 1920, 1920)] * 2


@pytest.mark.skipif(sys.platform != "linux", reason="glibc alone")
def test_a_process_that_keeps_its_memory_maps_no_block_by_itself():
    code = f"""import ctypes, sys
sys.path.insert(0, {str(network.__file__)!r}.rsplit("/", 3)[0])
from entoflow.memory import keep_memory
class Mallinfo2(ctypes.Structure):
    names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
    _fields_ = [(name, ctypes.c_size_t) for name in names.split()]
ask = ctypes.CDLL(None).mallinfo2
ask.restype = Mallinfo2
for _ in range(2):
    before = ask().hblkhd
    block = bytearray(64_000_000)
    print(ask().hblkhd - before > 60_000_000)
    del block
    keep_memory()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split() == ["True", "False"], done.stderr
