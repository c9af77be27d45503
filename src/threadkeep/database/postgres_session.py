"""What a session with PostgreSQL says when it begins: what a database or a role inherits changes nothing."""

from typing import Any

from threadkeep.database import migrate
from threadkeep.errors import Unavailable
from threadkeep.settings import SettingError

ANSWER_S = 5.0
OLDEST_VERSION = 14
# Since this version a transaction as a whole may have a time limit, too.
TRANSACTION_TIMEOUT_VERSION = 17

SESSION = {
    "synchronous_commit": "on",
    # A process that is frozen inside a transaction must not hold its rows.
    "idle_in_transaction_session_timeout": "2s",
    "lock_timeout": "3s",
    "statement_timeout": "10s",
    "tcp_user_timeout": "5s",
    # Connections wait in the stack for as long as nobody needs them.
    "idle_session_timeout": "0",
    # A search that was given up ends in the server too.
    "client_connection_check_interval": "500ms",
    # No plan depends on values here, and planning a list again each time took as long as reading it.
    "plan_cache_mode": "force_generic_plan",
    # Short statements by index: compiling them costs more than running them.
    "jit": "off",
    # Rows are locked in a known order, and what is refused is meant: serializable would refuse whoever writes at once.
    "default_transaction_isolation": "read committed",
    "default_transaction_deferrable": "off",
    "row_security": "on",
    "standard_conforming_strings": "on",
}
# A migration takes what it takes, and waits for another process's.
MIGRATING = {"idle_in_transaction_session_timeout": "0", "lock_timeout": "0", "statement_timeout": "0"}
# The server shows it as 0 where there is no TCP.
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
    """Return what sessions with this database say when they begin. Any: asyncpg has no types.

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
    # The schema in which the tables are, or will be: another one that comes to be later must not hide them.
    session = {**SESSION, "search_path": '"' + schema.replace('"', '""') + '"'}
    return {**session, "transaction_timeout": "0"} if version >= TRANSACTION_TIMEOUT_VERSION else session


async def require_session(connection: Any, session: dict[str, str]) -> None:
    """Raise SettingError unless the session has the settings with which it was begun."""
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
