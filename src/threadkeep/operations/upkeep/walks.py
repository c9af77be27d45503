"""How `threadkeep verify` goes through a table: in batches, in the order of its keys."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from threadkeep.database.driver import Row
from threadkeep.database.statement import Statement, everywhere

# Any: columns are of many types.
Describe: TypeAlias = Callable[..., tuple[str | None, str | None, str | None]]


@dataclass(frozen=True)
class TableWalk:
    """How one table is gone through: in the order of `keys`, which are the first columns of its rows."""

    name: str
    # Names of the key columns, each with a value that sorts before all others. Any: each key has its own type.
    keys: dict[str, Any]
    batch: Statement
    single: Statement
    broken: Callable[[Row], Iterator[str]]
    # Takes the columns of a row; returns the organization, thread and message that it is about.
    describe: Describe

    def place(self, row: Row) -> dict[str, Any]:
        """Return the keys of a row by name."""
        return dict(zip(self.keys, row, strict=False))


def walk(
    name: str,
    keys: dict[str, Any],
    select: str,
    columns: str,
    broken: Callable[[Row], Iterator[str]],
    describe: Describe,
    size: str = "1",
) -> TableWalk:
    """Make the statements for one table. `keys` have values before all others; a batch ends when the SQL `size` of its
    rows adds up to `bound`.

    Rows of a batch are picked before any join, so that an index alone is read, whatever statistics the planner has.
    """
    # Each table's alias is its first letter.
    table = name[:1]
    names = ", ".join(f"{table}.{key}" for key in keys)
    after = f"({names}) > ({', '.join(f':{key}' for key in keys)})"
    same = " and ".join(f"{table}.{key} = :{key}" for key in keys)
    matched = " and ".join(f"{table}.{key} = picked.{key}" for key in keys)
    picked = f"""
        join (
            select {names}, sum({size}) over (order by {names} rows unbounded preceding) - {size} as before
            from {name} {table} where {after} order by {names} limit :limit
        ) picked on {matched} and picked.before < :bound
        """
    text = select.format(columns=f"{names}, {columns}", batch="{batch}")
    # A single row is read with the organization as a parameter everywhere: a cluster asks one machine then, and takes
    # `organizations`, which lies elsewhere, as a query of its own only.
    own = "(select * from organizations where key = :organization) o on true"
    single = text.format(batch="").replace(f"organizations o on o.key = {table}.organization", own)
    single = single.replace(f"= {table}.organization", "= :organization")
    return TableWalk(
        name,
        keys,
        everywhere(f"{text.format(batch=picked)} order by {names}"),
        everywhere(f"{single} where {same}"),
        broken,
        describe,
    )
