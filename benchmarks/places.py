"""Where the measured databases are: SQLite files in a temporary folder, or a PostgreSQL of our own there."""

import shutil
import socket
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import apsw

from threadkeep.settings import Settings

SECRET = "the-benchmark-signs-its-tokens-with-this-text"


class Place(Protocol):
    """Holds databases of one kind; `copy` makes another one with the same rows."""

    kind: str
    version: str
    pid: int | None

    async def create(self, name: str) -> None: ...

    async def copy(self, name: str, new_name: str) -> None: ...

    def settings(self, name: str) -> Settings: ...

    def close(self) -> None: ...


class SqlitePlace:
    kind = "sqlite"
    version = f"SQLite {apsw.sqlite_lib_version()} (apsw {apsw.apsw_version()})"
    pid = None

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def create(self, name: str) -> None:
        """Nothing to do: the first who opens it makes it."""

    async def copy(self, name: str, new_name: str) -> None:
        shutil.copyfile(self._folder / f"{name}.db", self._folder / f"{new_name}.db")

    def settings(self, name: str) -> Settings:
        return Settings(database_url=f"sqlite:///{self._folder / name}.db", secret=SECRET)

    def close(self) -> None:
        """Nothing to do: the folder goes as a whole."""


def open_place(kind: str, folder: Path) -> Place:
    if kind == "sqlite":
        return SqlitePlace(folder)
    from benchmarks.postgres import PostgresPlace

    return PostgresPlace(folder)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def for_filling(settings: Settings) -> Settings:
    """Return settings under which filling is not hurried."""
    return replace(settings, wal_bytes_max=1024**3)
