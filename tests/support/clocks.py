"""Clocks of server processes that are wrong, and jump."""

import os
import struct
from pathlib import Path

FOLDER = Path(__file__).parent / "shifted_clock"


class ShiftedClock:
    """The time of day of a process that is started with these `settings`."""

    def __init__(self, file: Path, shift_s: float = 0.0) -> None:
        self._file = file
        file.touch(mode=0o600)
        self.shift(shift_s)

    def shift(self, seconds: float) -> None:
        """Put the clock so far ahead of the true time; it jumps at once, also in a process that runs."""
        with self._file.open("r+b") as file:
            file.write(struct.pack("q", round(seconds * 1e9)))

    @property
    def settings(self) -> dict[str, str]:
        paths = [str(FOLDER), *filter(None, [os.environ.get("PYTHONPATH")])]
        return {"PYTHONPATH": os.pathsep.join(paths), "SHIFTED_CLOCK": str(self._file)}
