"""Citus: a database whose tables are spread over several machines by organization.

This module alone knows that there may be such a cluster. A database is one if it has the extension: then its tables are
distributed when a process starts, those of a later migration too.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from threadkeep.database import statement
from threadkeep.database.statement import Compiled, Statement, function_name
from threadkeep.settings import SettingError

IS_CLUSTER = "select count(*) = 1 from pg_extension where extname = 'citus'"

# Sessions with a cluster begin with these too.
SESSION = {
    # A statement is sent to one machine only if its organization is known when it is planned.
    "plan_cache_mode": "force_custom_plan",
    # The machine that runs a statement decides how it joins: to decide here too took seconds with 8 metadata filters.
    "join_collapse_limit": "1",
    # Otherwise each look at the catalog, as the driver takes for a new connection, lasts for most of a second.
    "citus.override_table_visibility": "off",
}

# Credentials are looked up before their organization is known: these stay whole, on the coordinator.
WHOLE = ("organizations", "members", "api_keys")

NOT_THE_COORDINATOR = (
    "This node of the Citus cluster is a worker: name its coordinator in THREADKEEP_DATABASE_URL, which "
    "alone knows the organizations and their keys."
)

NOT_DISTRIBUTED = """
    select c.relname from pg_class c
    join pg_namespace n on n.oid = c.relnamespace and n.nspname = current_schema()
    join pg_attribute a on a.attrelid = c.oid and a.attname = 'organization' and not a.attisdropped
    where c.relkind = 'r' and c.relname <> all ($1::text[])
      and not exists (select 1 from pg_dist_partition p where p.logicalrelid = c.oid)
    order by c.oid
    """
# A distributed table cannot refer to one that stays whole.
REFERENCES = """
    select conname from pg_constraint where contype = 'f' and conrelid = $1::text::regclass
    """
# Shards move while they are written to only if each row can be told: by a primary key, or by this index.
IDENTITY = """
    select i.indexrelid::regclass::text from pg_index i
    where i.indrelid = $1::text::regclass and i.indisunique and i.indpred is null
      and not exists (select 1 from pg_index p where p.indrelid = i.indrelid and p.indisprimary)
      and not exists (
        select 1 from pg_attribute a where a.attrelid = i.indrelid and a.attnum = any (i.indkey) and not a.attnotnull
      )
    order by i.indexrelid limit 1
    """
# Rows that were there before were copied to the machines; what was copied is still here.
LEFT_BEHIND = """
    select p.logicalrelid::text from pg_dist_partition p where pg_relation_size(p.logicalrelid) > 0
    """
EXISTS = "select to_regproc($1) is not null"

# Any: asyncpg has no types.


async def is_cluster(connection: Any) -> bool:
    """Return whether the database is a cluster's. Raises SettingError on a node that is not its coordinator."""
    if not await connection.fetchval(IS_CLUSTER):
        return False
    if not await connection.fetchval("select citus_is_coordinator()"):
        raise SettingError(NOT_THE_COORDINATOR)
    return True


async def distribute(connection: Any) -> None:
    """Distribute what is not distributed yet: tables with an organization, and the functions of statements."""
    for [table] in await connection.fetch(NOT_DISTRIBUTED, list(WHOLE)):
        async with connection.transaction():
            for [name] in await connection.fetch(REFERENCES, table):
                await connection.execute(f"alter table {table} drop constraint {name}")
            if index := await connection.fetchval(IDENTITY, table):
                await connection.execute(f"alter table {table} replica identity using index {index}")
            await connection.execute("select create_distributed_table($1::text::regclass, 'organization')", table)
    for [table] in await connection.fetch(LEFT_BEHIND):
        await connection.execute("select truncate_local_data_after_distributing_table($1::text::regclass)", table)
    for each in statement.ALL:
        if each.function is not None:
            await hand_on(connection, each)


async def hand_on(connection: Any, each: Statement) -> None:
    """Make the function that runs a statement on the machine of its organization; one of this name never changes."""
    body = each.function
    assert body is not None
    name = function_name(body)
    if await connection.fetchval(EXISTS, name):
        return
    prepared = await connection.prepare(each.postgres.text)
    types = {of: type.name for of, type in zip(each.postgres.names, prepared.get_parameters(), strict=True)}
    types["organization"] = "bigint"
    arguments = ", ".join(types[of] for of in body.names)
    columns = ", ".join(f"r{place} {of.type.name}" for place, of in enumerate(prepared.get_attributes(), 1))
    async with connection.transaction():
        await connection.execute(
            f"create function {name}({arguments}) returns table ({columns}) language plpgsql as $body${body.text}$body$"
        )
        place = body.names.index("organization") + 1
        await connection.execute(
            "select create_distributed_function($1::text::regprocedure, $2, colocate_with := 'threads')",
            f"{name}({arguments})",
            f"${place}",
        )


def as_one(statement: Statement, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the parameters of a keyed statement for all `rows` at once: an array for each."""
    return [{name: [row[name] for row in rows] for name in statement.postgres.names}]


def by_organization(statement: Statement, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the parameters of a keyed statement for each organization of `rows`: arrays of the other parameters."""
    organizations: dict[int, list[Mapping[str, Any]]] = {}
    for row in rows:
        organizations.setdefault(row["organization"], []).append(row)
    names = [name for name in statement.distributed.names if name != "organization"]
    return [
        {"organization": organization, **{name: [row[name] for row in its] for name in names}}
        for organization, its in organizations.items()
    ]


@dataclass(frozen=True, slots=True)
class Layout:
    """How statements are sent: to one server, or to that of their organization through a coordinator."""

    is_cluster: bool
    compiled: Callable[[Statement], Compiled]
    # The parameters of a keyed statement, in as few calls as it takes.
    calls: Callable[[Statement, Sequence[Mapping[str, Any]]], list[dict[str, Any]]]


ONE_SERVER = Layout(False, attrgetter("postgres"), as_one)
CLUSTER = Layout(True, attrgetter("distributed"), by_organization)
