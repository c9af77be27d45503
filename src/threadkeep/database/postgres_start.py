"""The start on PostgreSQL: a sentence for each problem with the server or database, and the migrations."""

import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from threadkeep import clock
from threadkeep.database import distribution, migrate
from threadkeep.database.distribution import CLUSTER, ONE_SERVER, Layout
from threadkeep.database.hosts import REFUSALS, Hosts
from threadkeep.database.postgres_session import (
    MIGRATING,
    READ_ONLY,
    require_session,
    schema_number,
    session_for,
)
from threadkeep.errors import Unavailable
from threadkeep.settings import SettingError

CONNECT_S = 5.0
# Any process that migrates takes this advisory lock: "thrk" as a number.
MIGRATION_LOCK = 0x7468726B

OF_ANOTHER_PROGRAM = (
    "The schema belongs to another program, whose tables have the names of threadkeep's: give threadkeep a database "
    "of its own, or a schema, with options=-csearch_path%3Dname in THREADKEEP_DATABASE_URL."
)
# Keyed by PostgreSQL's error codes: its messages may be in any language.
SENTENCES = {
    "08P01": "A pooler between threadkeep and PostgreSQL, such as PgBouncer, refuses the settings of its sessions: "
    "connect to PostgreSQL itself (docs/deployment.md).",
    "22023": "PostgreSQL does not take the options in THREADKEEP_DATABASE_URL: correct them.",
    "25006": READ_ONLY,
    "28000": "PostgreSQL does not let this user in: make the role, and a line for it in pg_hba.conf; where that line "
    "wants TLS, write sslmode=require in THREADKEEP_DATABASE_URL.",
    "28P01": "PostgreSQL refuses the password of this user: correct it in THREADKEEP_DATABASE_URL.",
    "3D000": "PostgreSQL has no database of this name: make it (`createdb`), or correct THREADKEEP_DATABASE_URL.",
    "3F000": "The schema in which the tables should be is gone: make it, or another one.",
    "42501": "This PostgreSQL user may not do what threadkeep needs: let it own the database, or grant it `connect` on "
    "the database and `usage` and `create` on the schema.",
    "42601": "PostgreSQL does not take the options in THREADKEEP_DATABASE_URL: correct them.",
    "42703": OF_ANOTHER_PROGRAM,
    "42704": "PostgreSQL does not take the options in THREADKEEP_DATABASE_URL: correct them.",
    "42723": OF_ANOTHER_PROGRAM,
    "42804": OF_ANOTHER_PROGRAM,
    "42809": OF_ANOTHER_PROGRAM,
    "42P01": OF_ANOTHER_PROGRAM,
    "42P07": OF_ANOTHER_PROGRAM,
    "53100": "PostgreSQL's disk is full: free some space, then start again.",
    "53300": "PostgreSQL has no connection left for this user: raise max_connections, or the limit of database or "
    "role, or lower THREADKEEP_POOL_SIZE.",
    "55000": "PostgreSQL does not let anybody connect to this database: see its log.",
    "57P03": "PostgreSQL is starting up or shutting down: start threadkeep again in a moment.",
}
SILENT = (
    f"The PostgreSQL server does not answer within {CONNECT_S:.0f} seconds: check THREADKEEP_DATABASE_URL, and its log."
)
UNREACHABLE = "The PostgreSQL server cannot be reached: check THREADKEEP_DATABASE_URL, and that the server runs."


def refusal_of(error: Exception) -> Exception:
    """Return an error whose sentence says what a person can do; Unavailable if it may pass by itself."""
    if isinstance(error, asyncpg.PostgresError) and error.sqlstate in SENTENCES:
        # PostgreSQL's first line says which one it is, and never a password.
        said = str(error).partition("\n")[0].strip()
        return SettingError(f"{SENTENCES[error.sqlstate]} (PostgreSQL says: {said})")
    match error:
        case asyncpg.ClientConfigurationError():
            return SettingError(f"THREADKEEP_DATABASE_URL cannot be used: {error}.")
        case asyncpg.InternalClientError():
            return Unavailable(READ_ONLY)
        case socket.gaierror():
            return Unavailable(
                "The host in THREADKEEP_DATABASE_URL has no address: check its name, and this machine's DNS."
            )
        case ssl.SSLCertVerificationError():
            return SettingError(
                f"PostgreSQL's certificate is not accepted: {error.verify_message}. sslrootcert in "
                "THREADKEEP_DATABASE_URL names the file of who signed it."
            )
        case ssl.SSLError():
            return SettingError("No TLS connection to PostgreSQL comes to be: check the sslmode and the certificates.")
        case ConnectionRefusedError() | FileNotFoundError():
            return Unavailable(
                "Nothing listens where THREADKEEP_DATABASE_URL says: check it, and that PostgreSQL runs."
            )
        case ConnectionError() if "SSL" in str(error):
            return SettingError("PostgreSQL takes no TLS, which the sslmode in THREADKEEP_DATABASE_URL asks for.")
        case TimeoutError():
            return Unavailable(SILENT)
    return Unavailable(UNREACHABLE)


@asynccontextmanager
async def sentences() -> AsyncIterator[None]:
    """Turn an error of the start into one with a sentence for people."""
    try:
        yield
    except REFUSALS as error:
        raise refusal_of(error) from error


async def prepare(hosts: Hosts, *, serving: bool) -> tuple[dict[str, str], Layout]:
    """Migrate if `serving`, and return the settings for every session, and how statements are sent.

    Raises SettingError, SchemaMismatch, or Unavailable if it may pass.
    """
    async with sentences():
        async with connected(hosts, MIGRATING) as connection:
            session = await session_for(connection, writes=serving)
            layout = CLUSTER if await distribution.is_cluster(connection) else ONE_SERVER
            if layout.is_cluster:
                session |= distribution.SESSION
        async with connected(hosts, {**session, **MIGRATING}) as connection:
            await require_session(connection, {**session, **MIGRATING})
            if serving:
                await apply_migrations(connection, layout)
            else:
                migrate.require_current("postgres", await schema_number(connection))
    return session, layout


@asynccontextmanager
async def connected(hosts: Hosts, session: dict[str, str]) -> AsyncIterator[Any]:
    connection = await hosts.connect(CONNECT_S, session)
    try:
        yield connection
    finally:
        await connection.close(timeout=CONNECT_S)


async def apply_migrations(connection: Any, layout: Layout) -> None:
    """Apply missing migrations and distribute the tables, under a lock: several processes may start at once."""
    await connection.execute("select pg_advisory_lock($1)", MIGRATION_LOCK)
    try:
        for number, sql in migrate.pending("postgres", await schema_number(connection)):
            async with connection.transaction():
                await connection.execute(migrate.CREATE_TABLE)
                await connection.execute(sql)
                await connection.execute("insert into schema_migrations values ($1, $2)", number, clock.now_ms())
        if layout.is_cluster:
            await distribution.distribute(connection)
    finally:
        await connection.execute("select pg_advisory_unlock($1)", MIGRATION_LOCK)
