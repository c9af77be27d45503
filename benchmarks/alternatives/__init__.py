"""Other servers that keep conversations, asked for the same: each in an environment of its own."""

import http.client
import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.operations import Asked
from benchmarks.servers import Address, Server

HERE = Path(__file__).parent
ENVIRONMENTS = HERE.parent.parent / ".venv-alternatives"
ANSWER_S = 60


@dataclass
class Threads:
    """What a server holds before it is measured, as paths below which a thread is.

    No operation touches what another reads: with some servers a thread costs more, the more was said in it.
    """

    untouched: list[str] = field(default_factory=list)
    appended: list[str] = field(default_factory=list)
    streamed: list[str] = field(default_factory=list)
    # These have some messages each.
    conversations: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Alternative:
    """How to start a server, fill it and ask it; `ask` gives None for what it has no operation for."""

    name: str
    environment: str
    packages: tuple[str, ...]
    licence: str
    keeps: str
    remarks: tuple[str, ...]
    # The database's URL is that of a PostgreSQL of its own, the folder is empty.
    start: Callable[["Alternative", str, Path], Server]
    fill: Callable[[Server, int], Threads]
    ask: Callable[[str, Address, Threads], Asked | None]

    @property
    def python(self) -> Path:
        return ENVIRONMENTS / self.environment / "bin" / "python"

    def versions(self) -> str:
        """Return which versions are installed."""
        code = "import sys, importlib.metadata as m; print(*(f'{n} {m.version(n)}' for n in sys.argv[1:]), sep=', ')"
        command = [str(self.python), "-c", code, *self.packages]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def tell(server: Address, method: str, path: str, body: Any) -> Any:  # Any: JSON.
    """Ask a server for something while it is filled. Raises RuntimeError when it refuses."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=ANSWER_S)
    try:
        connection.request(method, path, json.dumps(body), {"content-type": "application/json"})
        response = connection.getresponse()
        answer = response.read()
    finally:
        connection.close()
    if response.status not in (200, 201):
        raise RuntimeError(f"{server.name} refused to be filled, {response.status}: {answer.decode()[:500]}")
    return json.loads(answer)


def share_out(paths: list[str], conversations: list[str]) -> Threads:
    return Threads(paths[0::3], paths[1::3], paths[2::3], conversations)
