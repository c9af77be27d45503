"""The settings that a PostgreSQL session begins with, so that defaults of a database or role have no effect."""

from typing import Any

from threadkeep.database import migrate
from threadkeep.errors import Unavailable
from threadkeep.settings import SettingError

ANSWER_S = 5.0
OLDEST_VERSION = 14
# Since this version a whole transaction can have a time limit.
TRANSACTION_TIMEOUT_VERSION = 17

SESSION = {
    "synchronous_commit": "on",
    # A process that freezes inside a transaction must not keep its rows locked.
    "idle_in_transaction_session_timeout": "2s",
    "lock_timeout": "3s",
    "statement_timeout": "10s",
    "tcp_user_timeout": "5s",
    # Idle connections wait in the pool without a limit.
    "idle_session_timeout": "0",
    # When a slow read is given up and its connection closed, the server stops it too.
    "client_connection_check_interval": "500ms",
    # Our plans do not depend on values, and planning a list for each call took as long as reading it.
    "plan_cache_mode": "force_generic_plan",
    # Our statements are short and use an index: compiling them costs more than running them.
    "jit": "off",
    # Rows are locked in a known order, so this level is enough; serializable would refuse concurrent writes.
    "default_transaction_isolation": "read committed",
    "default_transaction_deferrable": "off",
    "row_security": "on",
    "standard_conforming_strings": "on",
}
# A migration may take long, and waits for a migration of another process.
MIGRATING = {"idle_in_transaction_session_timeout": "0", "lock_timeout": "0", "statement_timeout": "0"}
# Over a Unix socket the server shows it as 0.
NOT_COMPARED = {"tcp_user_timeout"}

INHERITED = """
    select current_setting('server_encoding'),
        pg_is_in_recovery() or current_setting('transaction_read_only')::boolean,
        current_setting('session_replication_role'),
        coalesce(
            (
                select n.nspname from pg_class c join pg_namespace n on n.oid = c.relnamespace
                where c.oid = to_regclass('schema_migrations')
            ),
            current_schema()
        )
    """
OF_SESSION = "select s.name, current_setting(s.name) from unnest($1::text[]) s (name)"

READ_ONLY = (
    "PostgreSQL takes no writes: it is a standby, or database or role have default_transaction_read_only. "
    "Name the primary, or all hosts with commas between them."
)


async def session_for(connection: Any, *, writes: bool) -> dict[str, str]:
    """Return the settings that sessions with this database begin with. Any: asyncpg has no types.

    Raises SettingError for a database that cannot be used, Unavailable if `writes` and it takes none.
    """
    version = connection.get_server_version().major
    if version < OLDEST_VERSION:
        raise SettingError(f"This is PostgreSQL {version}: threadkeep needs PostgreSQL {OLDEST_VERSION} or newer.")
    encoding, is_read_only, role, schema = await connection.fetchrow(INHERITED, timeout=ANSWER_S)
    if encoding != "UTF8":
        raise SettingError(
            f"The PostgreSQL database is stored in {encoding}, which has no place for most characters: make one with "
            "`create database … encoding 'UTF8' template template0`."
        )
    if role != "origin":
        raise SettingError("session_replication_role is set on database or role, and lets references break: reset it.")
    if schema is None:
        raise SettingError(
            "No schema in the search_path of this PostgreSQL user exists: make one, or name one in "
            "THREADKEEP_DATABASE_URL with options=-csearch_path%3Dname."
        )
    if writes and is_read_only:
        raise Unavailable(READ_ONLY)
    # The schema that has the tables, or will have them: a schema created later must not hide them.
    session = {**SESSION, "search_path": '"' + schema.replace('"', '""') + '"'}
    return {**session, "transaction_timeout": "0"} if version >= TRANSACTION_TIMEOUT_VERSION else session


async def require_session(connection: Any, session: dict[str, str]) -> None:
    """Raise SettingError unless the session has the settings that it was begun with: a pooler may drop them."""
    wanted = {name: value for name, value in session.items() if name not in NOT_COMPARED}
    found = dict(await connection.fetch(OF_SESSION, list(wanted), timeout=ANSWER_S))
    if lost := [name for name, value in wanted.items() if found[name] != value]:
        raise SettingError(
            f"Sessions do not get the {', '.join(lost)} that they ask for: a pooler between threadkeep and PostgreSQL, "
            "such as PgBouncer, keeps it back. Connect to PostgreSQL itself (docs/deployment.md)."
        )


async def schema_number(connection: Any) -> int:
    if await connection.fetchval("select to_regclass('schema_migrations')") is None:
        return 0
    return int(await connection.fetchval(migrate.READ_NUMBER))
