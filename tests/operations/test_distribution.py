"""The schema in partitions by organization: what PostgreSQL refuses, and whether the program works on the rest."""

import asyncio
import re

import asyncpg
import pytest

from conftest import connect
from operations.clusters import Node
from operations.places import tell, verified
from support.people import People
from support.postgres import connected
from support.server import Database, Server
from threadkeep.database import migrate

PARTITIONS = 4
# Who has which key and is in which organization is looked up before the organization is known: these stay whole.
WHOLE = {"organizations", "api_keys", "members", "schema_migrations"}
TABLE = re.compile(r"create table (\w+) \((.*?)^\);", re.M | re.S)


@pytest.fixture
async def node(new_folder):
    folder = new_folder()
    node = Node(folder / "postgres")
    await asyncio.to_thread(node.start)
    yield node
    await asyncio.to_thread(node.remove)


def partitioned(sql: str, whole: set[str]) -> str:
    """Turn each table but those that stay whole into partitions by the hash of its organization."""

    def change(match: re.Match[str]) -> str:
        name, columns = match.groups()
        if name in whole:
            return match.group()
        key = "key" if name == "organizations" else "organization"
        parts = "\n".join(
            f"create table {name}_{number} partition of {name} "
            f"for values with (modulus {PARTITIONS}, remainder {number});"
            for number in range(PARTITIONS)
        )
        return f"create table {name} ({columns}) partition by hash ({key});\n{parts}"

    return TABLE.sub(change, sql)


async def test_which_tables_may_be_distributed_by_organization(node):
    """Each table is tried alone: the rest stays whole, as far as it is."""
    names = {name for _, sql in migrate.migrations("postgres") for name, _ in TABLE.findall(sql)}
    refused: dict[str, str] = {}
    for number, name in enumerate(sorted(names)):
        await node.execute(f"create database try_{number}")
        async with connected(node.url(f"try_{number}")) as connection:
            try:
                for _, sql in migrate.migrations("postgres"):
                    await connection.execute(partitioned(sql, names - {name}))
            except asyncpg.PostgresError as error:
                refused[name] = f"{error} {getattr(error, 'detail', '') or ''}".strip()
    for name, why in refused.items():
        print(f"\n  {name}: {why}")
    tell("partitions by the hash of the organization", tables=len(names), refused=len(refused))
    assert set(refused) <= WHOLE


async def test_the_program_works_on_partitions_by_organization(node, zygote):
    url = await node.create_database()
    async with connected(url) as connection:
        await connection.execute(migrate.CREATE_TABLE)
        for number, sql in migrate.migrations("postgres"):
            await connection.execute(partitioned(sql, WHOLE))
            await connection.execute("insert into schema_migrations values ($1, 1)", number)
    server = Server(Database("postgres", url, node.folder.parent))
    try:
        await server.start()
        async with connect(server) as client:
            people = People(server, client, zygote)
            owners = [await people.owner() for _ in range(2 * PARTITIONS)]
            for owner in owners:
                await use(owner)
            await verified(server.database)
            used = await partitions_used(node)
        assert "Traceback" not in server.log_text()
        tell("the program on partitions", organizations=len(owners), partitions_used=used)
    finally:
        server.stop()


async def use(owner) -> None:
    """Do a little of everything."""
    thread = await owner.create_thread(title="One", metadata={"category": "billing"})
    assert (await owner.retrying("once").post_message(thread, "hello")).status == 201
    assert (await owner.retrying("once").post_message(thread, "hello")).headers["idempotent-replayed"] == "true"
    await asyncio.gather(*(owner.post_message(thread, f"and {number}") for number in range(20)))
    assert (await owner.respond(thread, input="Speak."))["status"] == "completed"
    assistant = await owner.create_assistant(name="Helper")
    assert (await owner.respond_new(thread={"title": "Two"}, assistantId=assistant.id, input="hi")).status == 200
    assert (await owner.list_threads(**{"metadata.category": "billing"})).ids == [thread.id]
    assert (await owner.lock(thread)).status == 200
    assert (await owner.unlock(thread)).status == 200
    assert (await owner.delete_messages(thread)).status == 200
    assert (await owner.get(thread)).messageCount == 0
    assert (await owner.read_usage()).total["responses"] == 2
    assert (await owner.delete(thread)).status == 200


async def partitions_used(node: Node) -> int:
    sql = "select count(distinct tableoid) from threads"
    return int(await node.value(sql, "threadkeep_1"))
