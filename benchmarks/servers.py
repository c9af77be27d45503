"""The two servers that are measured, each a process of its own: threadkeep, and the bare application."""

import http.client
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

import psutil

from benchmarks.filling import ORGANIZATION_ID, Filled
from benchmarks.places import SECRET, free_port
from threadkeep.settings import Settings

READY_S = 30
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

    def __init__(self, name: str, arguments: list[str], port: int, api_key: str, environment: dict[str, str]) -> None:
        started_s = time.perf_counter()
        self._process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        super().__init__(name, port, self._process.pid, api_key)
        while self.status("/readyz") != 200:
            if self._process.poll() is not None or time.perf_counter() - started_s > READY_S:
                self.stop()
                raise RuntimeError(f"{name} did not become ready; what it said stands above.")
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
        return float(psutil.Process(self.pid).memory_info().rss) / 1e6

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def start_threadkeep(settings: Settings, filled: Filled) -> Server:
    port = free_port()
    environment = {
        "THREADKEEP_DATABASE_URL": settings.database_url,
        "THREADKEEP_SECRET": SECRET,
        "THREADKEEP_RATE_KEY_PER_MINUTE": UNLIMITED,
    }
    arguments = ["threadkeep", "serve", "--host", "127.0.0.1", "--port", str(port)]
    return Server("threadkeep", arguments, port, filled.api_key, environment)


def start_bare(settings: Settings, filled: Filled) -> Server:
    port = free_port()
    arguments = ["benchmarks.bare", settings.database_url, str(port), str(filled.organization), ORGANIZATION_ID]
    return Server("bare ASGI", arguments, port, filled.api_key, {})
