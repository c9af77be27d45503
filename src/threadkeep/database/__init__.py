"""The database: SQLite or PostgreSQL. Only this module decides which one; no other code asks."""

from pathlib import Path

from threadkeep.database.driver import Database
from threadkeep.settings import SettingError, Settings


async def open_database(settings: Settings, *, serving: bool) -> Database:
    """Open the database of `settings`.

    `serving` takes SQLite's exclusive serving lock and migrates; otherwise the schema must be there already.
    Raises SettingError for any other URL, DatabaseInUse while another process serves the same file.
    """
    if is_sqlite(settings):
        from threadkeep.database import sqlite

        return await sqlite.open_database(sqlite_path(settings), settings, serving=serving)
    if settings.database_url.startswith(("postgresql://", "postgres://")):
        from threadkeep.database import postgres

        return await postgres.open_database(settings.database_url, settings, serving=serving)
    raise SettingError("THREADKEEP_DATABASE_URL must be sqlite:///path or postgresql://user@host/name.")


def is_sqlite(settings: Settings) -> bool:
    return settings.database_url.startswith("sqlite:///")


def sqlite_path(settings: Settings) -> Path:
    return Path(settings.database_url.removeprefix("sqlite:///"))
