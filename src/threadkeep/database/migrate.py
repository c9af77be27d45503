"""Brings a database to the program's schema: numbered SQL files, applied in order, each once."""

import re
from importlib import resources

NUMBERED = re.compile(r"(\d{4})_[a-z_]+\.sql")
# Both databases compare text byte by byte, whatever locale a PostgreSQL cluster was made with.
TEXT_COLUMN = re.compile(r"\btext\b")
OTHER_LINES = {"sqlite": re.compile(r"^.*-- postgres$\n?", re.M), "postgres": re.compile(r"^.*-- sqlite$\n?", re.M)}

CREATE_TABLE = "create table if not exists schema_migrations (number bigint primary key, applied_ms bigint not null)"
READ_NUMBER = "select coalesce(max(number), 0) from schema_migrations"


class SchemaMismatch(Exception):
    """The database's schema is not the program's; the message says which side is older and what to do."""


def migrations(dialect: str) -> list[tuple[int, str]]:
    """Return all migrations for `sqlite` or `postgres`, in order, as (number, SQL)."""
    found: list[tuple[int, str]] = []
    for file in resources.files("threadkeep.database.migrations").iterdir():
        match = NUMBERED.fullmatch(file.name)
        if match:
            sql = OTHER_LINES[dialect].sub("", file.read_text(encoding="utf-8"))
            if dialect == "postgres":
                sql = TEXT_COLUMN.sub('text collate "C"', sql)
            found.append((int(match.group(1)), sql))
    return sorted(found)


def pending(dialect: str, current: int) -> list[tuple[int, str]]:
    """Return the migrations after number `current`. Raises SchemaMismatch if the database is newer than the program."""
    known = migrations(dialect)
    newest = known[-1][0]
    if current > newest:
        raise SchemaMismatch(
            f"The database has schema {current}, this program knows up to {newest}: upgrade threadkeep, "
            "or restore the backup made before the newer version was started."
        )
    return [(number, sql) for number, sql in known if number > current]


def require_current(dialect: str, current: int) -> None:
    """Raise SchemaMismatch unless the database has exactly the program's schema."""
    if pending(dialect, current):
        raise SchemaMismatch(
            f"The database has schema {current} and needs migrating: start `threadkeep serve` once, which migrates."
        )
