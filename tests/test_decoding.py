"""Types that are decoded for the first time by several threads at once."""

import subprocess
import sys

PROGRAM_S = 120
# Threads change after every few instructions; each round's types are new.
PROGRAM = """
import sys, threading, msgspec
from threadkeep.decoding import convert, decode

sys.setswitchinterval(1e-6)

def read(read_one, kind, barrier):
    barrier.wait()
    assert read_one(kind).inner.items[0].number == 1

text = b'{"inner": {"items": [{"number": 1}], "named": {"a": {"number": 2}}}, "texts": ["a"], "note": null}'
value = msgspec.json.decode(text)
ways = [lambda kind: decode(text, kind), lambda kind: convert(value, kind)]
for _ in range(100):
    one = msgspec.defstruct("One", [("number", int)])
    inner = msgspec.defstruct("Inner", [("items", list[one] | None), ("named", dict[str, one])])
    outer = msgspec.defstruct("Outer", [("inner", inner), ("texts", list[str]), ("note", str | None)])
    barrier = threading.Barrier(8)
    threads = [threading.Thread(target=read, args=(ways[number % 2], outer, barrier)) for number in range(8)]
    [each.start() for each in threads]
    [each.join() for each in threads]
print("done")
"""


def test_many_threads_may_be_the_first_to_decode_a_type():
    finished = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=PROGRAM_S, check=False
    )

    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "done\n", "")
