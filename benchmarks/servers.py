"""The servers that are measured, each a process of its own: threadkeep, the bare application, and others."""

import http.client
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.filling import ORGANIZATION_ID, Filled
from benchmarks.places import SECRET, free_port
from threadkeep.settings import Settings

READY_S = 60
# Under another program, such as valgrind.
READY_UNDER_S = 600
STOP_S = 20
UNLIMITED = "100000000"


@dataclass
class Address:
    """Where a server is, and how to ask it."""

    name: str
    port: int
    pid: int
    api_key: str

    def request(self, method: str, path: str, body: bytes = b"") -> bytes:
        """Return a request as it goes over the wire."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{self.port}", f"X-API-Key: {self.api_key}"]
        if body:
            lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        return "\r\n".join([*lines, "", ""]).encode() + body


class Server(Address):
    """One server process, from its start until it has ended."""

    def __init__(
        self,
        name: str,
        arguments: list[str],
        port: int,
        api_key: str,
        environment: dict[str, str],
        *,
        python: str = sys.executable,
        ready: str = "/readyz",
        folder: Path | None = None,
        log: Path | None = None,
        under: Sequence[str] = (),
    ) -> None:
        started_s, ready_s = time.perf_counter(), READY_UNDER_S if under else READY_S
        with (log or Path(os.devnull)).open("wb") as output:
            self._process = subprocess.Popen(
                [*(under or (python, "-m")), *arguments],
                env={**os.environ, **environment},
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=None if log is None else output,
            )
        super().__init__(name, port, self._process.pid, api_key)
        while self.status(ready) != 200:
            if self._process.poll() is not None or time.perf_counter() - started_s > ready_s:
                self.stop()
                said = "stands above." if log is None else log.read_text(errors="replace")[-2000:]
                raise RuntimeError(f"{name} did not become ready; what it said: {said}")
            time.sleep(0.005)
        self.start_s = time.perf_counter() - started_s

    def status(self, path: str) -> int:
        try:
            return self.get(path)[0]
        except OSError:
            return 0

    def get(self, path: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path, headers={"X-API-Key": self.api_key})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    @property
    def resident_mb(self) -> float:
        return sum(float(each.memory_info().rss) for each in self._processes()) / 1e6

    @property
    def peak_mb(self) -> float:
        """The most that the server and its children have had resident; what they share counts for each."""
        return sum(peak_bytes(each) for each in self._processes()) / 1e6

    def _processes(self) -> list[psutil.Process]:
        process = psutil.Process(self.pid)
        return [process, *process.children(recursive=True)]

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def peak_bytes(process: psutil.Process) -> float:
    """Return the most that a process has had resident; where the system does not tell, what it has now."""
    status = Path(f"/proc/{process.pid}/status")
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status.read_text(), re.M) if status.exists() else None
    return float(process.memory_info().rss) if found is None else int(found[1]) * 1024.0


def start_threadkeep(settings: Settings, filled: Filled, workers: int = 1, under: Sequence[str] = ()) -> Server:
    port = free_port()
    environment = {
        "THREADKEEP_DATABASE_URL": settings.database_url,
        "THREADKEEP_SECRET": SECRET,
        "THREADKEEP_RATE_KEY_PER_MINUTE": UNLIMITED,
        "THREADKEEP_RESPONSES_PER_ORGANIZATION_MAX": UNLIMITED,
        # Answers are measured, and no names after them.
        "THREADKEEP_AUTO_NAME": "false",
    }
    name = "threadkeep" if workers == 1 else f"threadkeep, {workers} processes"
    arguments = ["threadkeep", "serve", "--host", "127.0.0.1", "--port", str(port), "--workers", str(workers)]
    return Server(name, arguments, port, filled.api_key, environment, under=under)


def start_bare(settings: Settings, filled: Filled, under: Sequence[str] = ()) -> Server:
    port = free_port()
    arguments = ["benchmarks.bare", settings.database_url, str(port), ORGANIZATION_ID]
    return Server("bare ASGI", arguments, port, filled.api_key, {}, under=under)
