"""What can be wrong before the first request: each thing is brought about, and the server's address handed over."""

import asyncio
import subprocess
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from shutil import chown
from typing import Any

import apsw

from support.ports import free_port
from support.postgres import Postgres, connected
from support.scripted_postgres import fatal, pooling, ready, saying
from support.server import Database, Server, environment
from support.small_disk import SmallDisk
from support.zygote import Zygote

# Roles of the cluster, and how each is let in; whoever is not named here comes in as in the other tests.
ROLES = {
    "careful": "create role careful login password 'right'",
    "encrypted": "create role encrypted login",
    "visitor": "create role visitor login",
    "limited": "create role limited login connection limit 0",
}
LET_IN = """\
host all careful 127.0.0.1/32 scram-sha-256
hostssl all encrypted 127.0.0.1/32 trust
host all encrypted 127.0.0.1/32 reject
"""


@dataclass
class Attempt:
    """How the server is started."""

    url: str
    settings: dict[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()


@dataclass
class Place:
    """Where a case happens: a folder, and a cluster with roles of different rights."""

    folder: Path
    cluster: Postgres
    stack: AsyncExitStack

    async def url(self, user: str = "postgres", more: str = "", *, setup: str = "select 1", kind: str = "") -> str:
        """Make a database; `kind` says how, and `setup` is what is done in it before. Return its URL."""
        self.cluster.database_count += 1
        name = f"threadkeep_{self.cluster.database_count}"
        async with connected(self.cluster.url("postgres")) as connection:
            await connection.execute(f"create database {name} {kind}")
        url = self.cluster.url(name)
        async with connected(url) as connection:
            await connection.execute(setup.format(name=name))
        return url.replace("postgres@", f"{user}@") + more

    @property
    def file(self) -> Path:
        return self.folder / "threadkeep.db"

    @property
    def sqlite(self) -> str:
        return f"sqlite:///{self.file}"

    def disk(self, folder: Path | None = None) -> SmallDisk:
        disk = SmallDisk((folder or self.folder) / "disk")
        self.stack.callback(disk.remove)
        assert disk.is_mounted, "These cases need a disk of their own: run them where a tmpfs may be mounted (as root)."
        return disk


CASES: dict[str, Callable[[Place], Awaitable[Attempt]]] = {}


def case(name: str):
    def add(arrange):
        CASES[name] = arrange
        return arrange

    return add


async def prepare(cluster: Postgres) -> None:
    """Make the roles, and the lines that let them in."""
    async with connected(cluster.url("postgres")) as connection:
        for statement in ROLES.values():
            await connection.execute(statement)
        rules = cluster.folder / "pg_hba.conf"
        rules.write_text(LET_IN + rules.read_text())
        await connection.execute("select pg_reload_conf()")


def with_url(name: str, url: str) -> None:
    @case(name)
    async def _(place: Place) -> Attempt:
        return Attempt(url)


def with_settings(name: str, **settings: str) -> None:
    @case(name)
    async def _(place: Place) -> Attempt:
        return Attempt(place.sqlite, settings)


with_url("it is neither SQLite's nor PostgreSQL's", "mysql://localhost/threadkeep")
with_url("it is no address, as with a `#` in the password", "postgresql://me:a#b@127.0.0.1/threadkeep")
with_url("a parameter of it is nobody's, or another program's", "postgresql://127.0.0.1/threadkeep?pgbouncer=true")
with_url("a parameter of it cannot be kept to", "postgresql://127.0.0.1/threadkeep?channel_binding=require")
with_url("a parameter of it has a value that there is not", "postgresql://127.0.0.1/threadkeep?sslmode=on")
with_url("`connect_timeout` is no number", "postgresql://127.0.0.1/threadkeep?connect_timeout=soon")
with_url("a file that it names is not there", "postgresql://127.0.0.1/threadkeep?sslrootcert=/nowhere/root.crt")
with_url("a service that it names is not defined", "postgresql:///threadkeep?service=nowhere&servicefile=/dev/null")
with_url("its host has no address", "postgresql://threadkeep@nowhere.invalid/threadkeep")
with_url("its socket is not there", "postgresql://threadkeep@/threadkeep?host=/nowhere")


@case("nothing listens there, or PostgreSQL is down")
async def _(place: Place) -> Attempt:
    return Attempt(f"postgresql://threadkeep@127.0.0.1:{free_port()}/threadkeep")


def with_server(name: str, words: bytes | None) -> None:
    @case(name)
    async def _(place: Place) -> Attempt:
        port = await place.stack.enter_async_context(saying(words))
        return Attempt(f"postgresql://threadkeep@127.0.0.1:{port}/threadkeep")


with_server("the server is silent", None)
with_server("it is starting up, or shutting down", fatal("57P03", "the database system is starting up"))
with_server("it is too old", ready("13.16"))
with_server(
    "a pooler refuses the session's settings", fatal("08P01", "unsupported startup parameter: statement_timeout")
)


@case("a pooler keeps the session's settings back")
async def _(place: Place) -> Attempt:
    port = await place.stack.enter_async_context(pooling(place.cluster.port))
    return Attempt((await place.url()).replace(f":{place.cluster.port}/", f":{port}/"))


def with_database(
    name: str, user: str = "postgres", more: str = "", *, setup: str = "select 1", kind: str = ""
) -> None:
    @case(name)
    async def _(place: Place) -> Attempt:
        return Attempt(await place.url(user, more, setup=setup, kind=kind))


OLD_TABLE = "create table {table} (version text primary key)"
with_database("TLS is asked for, and the server has none", more="?sslmode=require")
with_database("the server wants TLS of this user, and the URL forbids it", "encrypted", "?sslmode=disable")
with_database("the password is wrong", "careful:wrong")
with_database("there is no such user", "nobody")
with_database("the user may have no more connections", "limited")
with_database(
    "the user may not connect to the database", "visitor", setup="revoke connect on database {name} from public"
)
with_database("the user may make no tables in the schema", "visitor")
with_database("the search_path names no schema", setup="alter database {name} set search_path = nowhere")
with_database("the `options` of the URL are wrong", more="?options=-cno.such%3Dthing%20-cno_such%3Dthing")
with_database("the database is not in UTF-8", kind="encoding 'LATIN1' lc_collate 'C' lc_ctype 'C' template template0")
with_database("another program's table of migrations is there", setup=OLD_TABLE.format(table="schema_migrations"))
with_database("another program's table has one of the names", setup=OLD_TABLE.format(table="threads"))
with_database(
    "the database is newer than the program",
    setup="create table schema_migrations (number bigint, applied_ms bigint); "
    "insert into schema_migrations values (9999, 1)",
)
with_database("the database takes no writes", setup="alter database {name} set default_transaction_read_only = on")
with_database(
    "the database lets references break", setup="alter database {name} set session_replication_role = replica"
)


@case("there is no such database")
async def _(place: Place) -> Attempt:
    return Attempt(place.cluster.url("nowhere"))


@case("PostgreSQL's disk is full")
async def _(place: Place) -> Attempt:
    # Where the user that runs PostgreSQL may go.
    disk = place.disk(place.cluster.folder.parent)
    folder = disk.folder / "tables"
    folder.mkdir()
    if place.cluster.wheel.system_user:
        chown(folder, place.cluster.wheel.system_user)
    disk.free()
    async with connected(place.cluster.url("postgres")) as connection:
        await connection.execute(f"create tablespace small location '{folder}'")
    url = await place.url(kind="tablespace small")
    disk.fill()
    return Attempt(url)


@case("PostgreSQL without a secret")
async def _(place: Place) -> Attempt:
    return Attempt(await place.url(), {"THREADKEEP_SECRET": ""})


with_settings("the secret is too short", THREADKEEP_SECRET="short")
with_settings("a setting is no number", THREADKEEP_POOL_SIZE="many")
with_settings("a setting is out of its range", THREADKEEP_LEASE_S="60")
with_settings("an outside issuer without its keys", THREADKEEP_JWT_ISSUER="https://login.example.com")
with_settings("the models file is not there", THREADKEEP_MODELS_FILE="/nowhere/models.toml")


@case("several workers on SQLite")
async def _(place: Place) -> Attempt:
    return Attempt(place.sqlite, arguments=("--workers", "2"))


with_url("the folder of the SQLite file is not there", "sqlite:////nowhere/threadkeep.db")
with_url("the SQLite file is a folder", "sqlite:////tmp")
with_url("the SQLite file is kept in memory", "sqlite:///:memory:")


def mount(*arguments: str | Path) -> None:
    subprocess.run(["mount", *arguments], check=True)


@case("the folder cannot be written")
async def _(place: Place) -> Attempt:
    disk = place.disk()
    mount("-o", "remount,ro", disk.folder)
    return Attempt(f"sqlite:///{disk.folder / 'threadkeep.db'}")


@case("the SQLite file cannot be written")
async def _(place: Place) -> Attempt:
    with closing(apsw.Connection(str(place.file))) as connection:
        connection.execute("create table schema_migrations (number integer, applied_ms integer)")
    mount("--bind", place.file, place.file)
    place.stack.callback(subprocess.run, ["umount", place.file], check=True)
    mount("-o", "remount,ro,bind", place.file)
    return Attempt(place.sqlite)


@case("the disk of the SQLite file is full")
async def _(place: Place) -> Attempt:
    disk = place.disk()
    disk.free()
    disk.fill()
    return Attempt(f"sqlite:///{disk.folder / 'threadkeep.db'}")


@case("the file is damaged, or no SQLite database")
async def _(place: Place) -> Attempt:
    place.file.write_bytes(b"This is no database. " * 100)
    return Attempt(place.sqlite)


def with_tables(name: str, *statements: str) -> None:
    @case(name)
    async def _(place: Place) -> Attempt:
        with closing(apsw.Connection(str(place.file))) as connection:
            for statement in statements:
                connection.execute(statement)
        return Attempt(place.sqlite)


with_tables("the SQLite file is another program's", OLD_TABLE.format(table="bookmarks"))
with_tables("the SQLite file has another program's migrations", OLD_TABLE.format(table="schema_migrations"))
with_tables(
    "the SQLite file is newer than the program",
    "create table schema_migrations (number integer, applied_ms integer)",
    "insert into schema_migrations values (9999, 1)",
)


@case("another program holds the SQLite file")
async def _(place: Place) -> Attempt:
    connection = place.stack.enter_context(closing(apsw.Connection(str(place.file))))
    connection.execute("pragma locking_mode = exclusive")
    connection.execute("create table schema_migrations (number integer, applied_ms integer)")
    return Attempt(place.sqlite)


@case("another server serves the SQLite file")
async def _(place: Place) -> Attempt:
    server = await Server(Database("sqlite", place.sqlite, place.folder)).start()
    place.stack.callback(server.stop)
    return Attempt(place.sqlite)


@case("the secret beside the SQLite file is cut off")
async def _(place: Place) -> Attempt:
    place.file.with_name("threadkeep.db.secret").write_text("half")
    return Attempt(place.sqlite, {"THREADKEEP_SECRET": ""})


@case("the first credentials cannot be written")
async def _(place: Place) -> Attempt:
    (place.folder / "threadkeep-first-run.txt").mkdir()
    return Attempt(await place.url())


@case("the port is taken")
async def _(place: Place) -> Attempt:
    return Attempt(place.sqlite, arguments=("--port", str(place.cluster.port)))


@case("the host is not this machine's")
async def _(place: Place) -> Attempt:
    return Attempt(place.sqlite, arguments=("--host", "192.0.2.1"))


async def start(attempt: Attempt, place: Place, zygote: Zygote) -> dict[str, Any]:
    """Start the server as it is said, and wait for its end: its `returncode`, `stdout` and `stderr`."""
    port = () if "--port" in attempt.arguments else ("--port", str(free_port()))
    variables = environment(attempt.url, attempt.settings)
    return await asyncio.to_thread(
        zygote.run, "serve", *port, *attempt.arguments, cwd=place.folder, environment=variables
    )
