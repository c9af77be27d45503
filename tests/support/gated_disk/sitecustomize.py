"""Python imports this at its start when the folder is on its path: SQLite's syncs of the write-ahead log then wait.

While the file named by GATE exists, a sync of the log does not happen; that one waits is told by the file GATE.met.
"""

import os
import time
from pathlib import Path
from typing import Any

import apsw

GATE = Path(os.environ["GATE"])
MET = Path(f"{GATE}.met")
DEFAULT = apsw.vfs_names()[0]


class GatedFile(apsw.VFSFile):
    def __init__(self, name: Any, flags: list[int]) -> None:
        super().__init__(DEFAULT, name, flags)
        self.is_log = bool(flags[0] & apsw.SQLITE_OPEN_WAL)

    def xSync(self, flags: int) -> None:
        if self.is_log:
            while GATE.exists():
                MET.touch()
                time.sleep(0.005)
        super().xSync(flags)


class GatedDisk(apsw.VFS):
    def __init__(self) -> None:
        super().__init__("gated", DEFAULT, makedefault=True)

    def xOpen(self, name: Any, flags: list[int]) -> GatedFile:
        return GatedFile(name, flags)


DISK = GatedDisk()
