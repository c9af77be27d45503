"""Runs programs under strace, and reads which system calls they made, and when."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TRACED = "write,writev,sendto,sendmsg,pwrite64,pwritev,fsync,fdatasync"
# More than any of these calls writes here: what is cut off cannot be found.
STRING_BYTES = 1_000_000
TAIL_BYTES = 1_000

LINE = re.compile(r"(?P<thread>\d+) +(?P<at>\d+\.\d{6}) (?P<what>.*)")
WHOLE = re.compile(r"(?P<name>\w+)\((?P<arguments>.*)\) += (?P<result>-?\d+).*<(?P<took>\d+\.\d{6})>")
BEGUN = re.compile(r"(?P<name>\w+)\((?P<arguments>.*) <unfinished \.\.\.>")
ENDED = re.compile(r"<\.\.\. \w+ resumed>.*\) += (?P<result>-?\d+)")


@dataclass(frozen=True)
class SystemCall:
    """A call that succeeded; `arguments` as strace prints them, with the paths of files and what was written."""

    thread: int
    name: str
    arguments: str
    begun_us: int
    ended_us: int


class Strace:
    """The program at `path`."""

    def __init__(self, path: str) -> None:
        self.path = path

    def around(self, trace: Path) -> list[str]:
        """Return what goes before a command, which keeps its process id; the tracer ends after it."""
        return [
            *(self.path, "-D", "-f", "--seccomp-bpf", "-y", "-ttt", "-T", "-s", str(STRING_BYTES)),
            *("-e", f"trace={TRACED}", "-o", str(trace)),
        ]

    def script(self, program: Path, trace: Path, script: Path) -> Path:
        """Write a script that runs `program` under strace, whichever system user runs it."""
        script.write_text(f'#!/bin/sh\nexec {" ".join(self.around(trace))} {program} "$@"\n')
        script.chmod(0o755)
        trace.touch()
        trace.chmod(0o666)
        return script


def find_strace() -> tuple[Strace | None, str]:
    """Return strace and an empty text, or None and what is to be done about it."""
    path = os.environ.get("THREADKEEP_STRACE") or shutil.which("strace")
    if path is None:
        return None, "strace is missing: install it (Debian and Ubuntu: apt-get install strace)"
    strace = Strace(path)
    with tempfile.TemporaryDirectory() as folder:
        tried = subprocess.run(
            [*strace.around(Path(folder, "trace")), "true"], capture_output=True, text=True, timeout=30, check=False
        )
    if tried.returncode != 0:
        return None, f"strace (5.3 or newer is needed) cannot trace here: {tried.stderr.strip()}"
    return strace, ""


def system_calls(trace: Path) -> Iterator[SystemCall]:
    """Read the calls of one trace, in the order in which they ended."""
    begun: dict[str, tuple[str, str, int]] = {}
    with trace.open(encoding="latin-1", newline="\n") as lines:
        for line in lines:
            if not (found := LINE.match(line)):
                continue
            thread, at_us, what = found["thread"], microseconds(found["at"]), found["what"]
            if whole := WHOLE.fullmatch(what):
                if int(whole["result"]) >= 0:
                    ended_us = at_us + microseconds(whole["took"])
                    yield SystemCall(int(thread), whole["name"], whole["arguments"], at_us, ended_us)
            elif half := BEGUN.fullmatch(what):
                begun[thread] = (half["name"], half["arguments"], at_us)
            elif (end := ENDED.match(what)) and thread in begun:
                name, arguments, begun_us = begun.pop(thread)
                if int(end["result"]) >= 0:
                    yield SystemCall(int(thread), name, arguments, begun_us, at_us)


def microseconds(text: str) -> int:
    return int(text.replace(".", ""))


def has_ended(trace: Path, process: int) -> bool:
    """Return whether the tracer has written down that this process ended, which is the last that it does."""
    with trace.open("rb") as lines:
        lines.seek(max(0, trace.stat().st_size - TAIL_BYTES))
        *_, last = lines.read().rstrip(b"\n").split(b"\n")
    return last.startswith(f"{process} ".encode()) and b" +++ " in last
