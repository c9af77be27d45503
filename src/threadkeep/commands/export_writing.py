"""How `threadkeep export` writes threads: several are read at once, and written in order, each as one whole line."""

import asyncio
import codecs
import gzip
import os
import shutil
import stat
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING, BinaryIO, cast

from msgspec import Raw

from threadkeep import clock
from threadkeep.commands.export_format import Begin, End, encode
from threadkeep.commands.shared import fail
from threadkeep.commands.showing import HARMLESS_LINES
from threadkeep.decoding import decode
from threadkeep.errors import NotFound

if TYPE_CHECKING:
    from threadkeep import AsyncClient
    from threadkeep.client import Thread

# A thread that waits to be written is kept in memory up to this size, above it in a temporary file.
SPOOL_BYTES_MAX = 2 * 1024 * 1024
PART = ".part"
ESCAPED = {code: f"\\u{code:04x}" for code in HARMLESS_LINES}


@dataclass(slots=True)
class Exported:
    """How much was written so far."""

    thread_count: int = 0
    message_count: int = 0
    # How many of the given ids do not exist.
    missing_count: int = 0
    # How many were left out because their expiry has passed.
    expired_count: int = 0

    def state(self) -> tuple[int, str]:
        """Return how many threads are done, and a text that says what was written."""
        words = f"{self.thread_count} threads, {self.message_count} messages"
        return self.thread_count + self.missing_count + self.expired_count, words


@dataclass(slots=True)
class Line:
    """A thread's whole line, ready to be copied."""

    file: IO[bytes]
    message_count: int


class Exporter:
    """Reads threads from one server. `complain` is called with each given id that does not exist."""

    def __init__(self, client: "AsyncClient", complain: Callable[[str], None]) -> None:
        self.exported = Exported()
        self._client = client
        self._complain = complain
        self._assistant_names: dict[str, str | None] = {}

    async def write(self, threads: "AsyncIterator[Thread | str]", output: IO[bytes], concurrency: int) -> None:
        """Write threads, or the threads with these ids, in their order. `concurrency` are read at once."""
        async for assistant in self._client.assistants.list():
            self._assistant_names[assistant.id] = assistant.name
        await asyncio.to_thread(output.write, encode(Begin()) + b"\n")
        reading: deque[asyncio.Task[Line | None]] = deque()
        try:
            async for thread in threads:
                reading.append(asyncio.create_task(self._read(thread)))
                if len(reading) >= concurrency:
                    await self._copy(await reading[0], output)
                    reading.popleft()
            while reading:
                await self._copy(await reading[0], output)
                reading.popleft()
        finally:
            for task in reading:
                task.cancel()
            await asyncio.gather(*reading, return_exceptions=True)
        end = End(self.exported.thread_count, self.exported.message_count)
        await asyncio.to_thread(output.write, encode(end) + b"\n")

    async def _read(self, thread: "Thread | str") -> Line | None:
        """Read a thread with its messages; None if it does not exist or was deleted meanwhile."""
        try:
            if isinstance(thread, str):
                thread = await self._client.threads.retrieve(thread)
            if thread.expires_at is not None and thread.expires_at <= clock.now_ms() // 1000:
                # It is about to be deleted.
                self.exported.expired_count += 1
                return None
            return await self._spool(thread)
        except NotFound as error:
            if isinstance(thread, str):
                self.exported.missing_count += 1
                self._complain(f"{thread}: {error}")
            return None

    async def _spool(self, thread: "Thread") -> Line:
        # Closed in _copy. Otherwise it is closed with the process; it has no name, so nothing stays behind.
        file = SpooledTemporaryFile(SPOOL_BYTES_MAX)  # noqa: SIM115
        fields = decode(encode(thread), dict[str, Raw])
        fields["assistantName"] = Raw(encode(self._assistant_names.get(thread.assistant_id or "")))
        # Counted while the messages are read: some may have come since the thread was read.
        del fields["messageCount"]
        file.write(encode(fields)[:-1] + b',"messages":[')
        count = 0
        async for message in self._client.threads.messages.list(thread.id, include="payload"):
            # An unfinished answer is left out, since it would never be completed: a later export and import add it.
            if message.status == "in_progress":
                continue
            file.write((b"," if count else b"") + encode(message))
            count += 1
        file.write(b'],"messageCount":%d}\n' % count)
        return Line(file, count)

    async def _copy(self, line: Line | None, output: IO[bytes]) -> None:
        if line is None:
            return
        with line.file as file:
            file.seek(0)
            await asyncio.to_thread(shutil.copyfileobj, file, output)
        self.exported.thread_count += 1
        self.exported.message_count += line.message_count


@contextmanager
def opened(out: str) -> Iterator[IO[bytes]]:
    """Open standard output, or a file that gets its name when the export is complete.

    Until then it is called `….part`; after a failed export that file stays.
    """
    if out == "-":
        yield cast(IO[bytes], OnTerminal()) if sys.stdout.isatty() else sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path, part = Path(out), part_of(out)
    if part == path:
        with create(path) as file:
            yield file
        return
    with create(part) as file:
        if path.suffix == ".gz":
            # No name and time in the header, so that equal exports give equal files.
            with gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:
                yield cast(IO[bytes], packed)
        else:
            yield file
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


class OnTerminal:
    """Standard output on a terminal: control characters are written as JSON escapes, which decode to the same text."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def write(self, data: bytes) -> int:
        sys.stdout.buffer.write(self._decoder.decode(data).translate(ESCAPED).encode())
        return len(data)


def create(path: Path) -> BinaryIO:
    """Create a file that only its owner may read: an export holds threads of many users."""
    try:
        return open(path, "wb", opener=lambda name, flags: os.open(name, flags, 0o600))
    except FileNotFoundError:
        fail(f"There is no folder {path.parent}.")
    except OSError as error:
        fail(f"The export cannot be written to {path}: {error.strerror}.")


def part_of(out: str) -> Path:
    """Return the file's name until it is complete. A pipe or device is written directly."""
    path = Path(out)
    is_file = not path.exists() or stat.S_ISREG(path.stat().st_mode)
    return path.with_name(path.name + PART) if is_file else path
