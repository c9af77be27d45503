"""Makes a process believe in another time of day: Python imports this module before all others, if it is on its path.

The shift stands in a file, so that it can change while the process runs. How time passes (`time.monotonic`) stays.
"""

import mmap
import os
import struct
import time
from pathlib import Path

with Path(os.environ["SHIFTED_CLOCK"]).open("r+b") as file:
    shift_ns = mmap.mmap(file.fileno(), 8)
true_ns = time.time_ns


def time_ns() -> int:
    return true_ns() + int(struct.unpack("q", shift_ns)[0])


time.time_ns = time_ns
time.time = lambda: time_ns() / 1e9
