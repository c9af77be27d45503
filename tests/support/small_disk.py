"""A file system of a few MB that fills and is freed again."""

import resource
import shutil
import subprocess
from pathlib import Path

SIZE_BYTES = 24 * 1024 * 1024
SPARE_BYTES = 18 * 1024 * 1024


class SmallDisk:
    """A tmpfs of 24 MB, of which 18 MB are taken and can be freed.

    Where mounting is not permitted, a limit on the size of each file of one process stands in for it. That is close but
    not the same: the system then reports a file that is too large, which SQLite takes for a broken device.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        mounting = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_BYTES},mode=0755", "tmpfs", str(folder)]
        self.is_mounted = bool(shutil.which("mount")) and not subprocess.run(mounting, capture_output=True).returncode
        if not self.is_mounted and not hasattr(resource, "prlimit"):
            raise RuntimeError(
                "The tests need a disk that can be full: run them on Linux, as root (they mount a tmpfs) or as "
                "a user who may limit the size of files (prlimit). Nothing is skipped without it."
            )
        self._spare = folder / "spare"
        if self.is_mounted:
            self._spare.write_bytes(bytes(SPARE_BYTES))

    @property
    def codes(self) -> set[str]:
        """What an append is answered while this disk is full."""
        return {"507 storage_full"} if self.is_mounted else {"507 storage_full", "503 unavailable"}

    def limit(self, process: subprocess.Popen[bytes]) -> None:
        """Make the disk small for a process that has started."""
        if not self.is_mounted:
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (SIZE_BYTES - SPARE_BYTES, resource.RLIM_INFINITY))

    def fill(self) -> None:
        """Leave not a byte. Never done where the disk is the machine's own."""
        assert self.is_mounted
        with (self.folder / "filling").open("wb", buffering=0) as file:
            try:
                while file.write(bytes(64 * 1024)):
                    pass
            except OSError:
                return

    def free(self, process: subprocess.Popen[bytes] | None = None) -> None:
        for name in ("spare", "filling"):
            (self.folder / name).unlink(missing_ok=True)
        if process is not None and not self.is_mounted:
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    def remove(self) -> None:
        if self.is_mounted:
            subprocess.run(["umount", "--lazy", str(self.folder)], check=True, capture_output=True)
