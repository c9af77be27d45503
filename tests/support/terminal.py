"""A person at a terminal: a command runs behind a real pseudo-terminal, keys are pressed, the screen is read."""

import asyncio
import fcntl
import os
import re
import signal
import struct
import termios
from functools import partial
from pathlib import Path

import psutil
import pyte

from support.server import ZYGOTE
from support.waiting import eventually

SHOWN_S = 20
CTRL_C = "\x03"
CTRL_D = "\x04"
UP = "\x1b[A"
# What steers a terminal: colours, cursor movements, modes, titles.
ESCAPES = re.compile(r"\x1b(?:\[[0-9;?<=>]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[=>()][0-9A-B]?)")


class Terminal:
    """`text` is all that was shown so far, without colours; `raw` with everything."""

    def __init__(self, *arguments: str, environment: dict[str, str], cwd: Path, columns: int = 100, lines: int = 30):
        ours, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        # These count before the terminal's own size, and whoever runs tests side by side sets them.
        inherited = {name: value for name, value in environment.items() if name not in ("COLUMNS", "LINES")}
        self.process = ZYGOTE.begin_at(
            os.ttyname(theirs), *arguments, cwd=cwd, environment={**inherited, "TERM": "xterm-256color"}
        )
        # The command alone holds it now: its end is the terminal's.
        os.close(theirs)
        self._ours = ours
        self._size = (columns, lines)
        self._seen = 0
        self.raw = ""
        self._changed = asyncio.Event()
        asyncio.get_running_loop().add_reader(ours, self._read)

    @property
    def text(self) -> str:
        return ESCAPES.sub("", self.raw).replace("\r\n", "\n")

    @property
    def screen(self) -> list[str]:
        """The lines that a person sees now, as a terminal draws what came."""
        screen = pyte.Screen(*self._size)
        pyte.Stream(screen).feed(self.raw)
        return [line.rstrip() for line in screen.display]

    def types(self, text: str) -> None:
        os.write(self._ours, text.encode())

    async def presses(self, key: str) -> None:
        """Press a key as a person does: when the command waits for one.

        A signal that comes between the last key's echo and the next wait for a key is met at the key after it.
        """
        process = psutil.Process(self.process.pid)
        await eventually(partial(asyncio.to_thread, process.status), psutil.STATUS_SLEEPING.__eq__, SHOWN_S)
        self.types(key)

    async def shows(self, words: str) -> str:
        """Wait until `words` are shown behind what was waited for before; return what came up to them."""
        while (found := self.text.find(words, self._seen)) < 0:
            assert self._ours >= 0, f"{words!r} was never shown:\n{self.text}"
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), SHOWN_S)
            except TimeoutError:
                raise AssertionError(f"{words!r} is not shown:\n{self.text}") from None
        before, self._seen = self._seen, found + len(words)
        return self.text[before : self._seen]

    async def ends(self) -> int:
        """Wait until the command has ended, and return its status."""
        status = await asyncio.to_thread(self.process.wait, SHOWN_S)
        await asyncio.sleep(0)
        return status

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        if self._ours >= 0:
            self._hang_up()

    def _read(self) -> None:
        try:
            data = os.read(self._ours, 65536)
        except OSError:  # The other end is closed.
            data = b""
        if data:
            self.raw += data.decode(errors="replace")
        else:
            self._hang_up()
        self._changed.set()

    def _hang_up(self) -> None:
        asyncio.get_running_loop().remove_reader(self._ours)
        os.close(self._ours)
        self._ours = -1
