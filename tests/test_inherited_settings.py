"""What a PostgreSQL database or role inherits changes no answer: each session says what it needs."""

import asyncio

import pytest

from conftest import connect
from support.people import People
from support.postgres import connected
from support.server import run_threadkeep

# Values that would be felt: each was seen to matter, or is what operators set.
INHERITED = {
    "default_transaction_isolation": "serializable",
    "default_transaction_deferrable": "on",
    "statement_timeout": "1ms",
    "lock_timeout": "1ms",
    "idle_in_transaction_session_timeout": "1ms",
    "idle_session_timeout": "300ms",
    "synchronous_commit": "off",
    "row_security": "off",
    "standard_conforming_strings": "off",
    "plan_cache_mode": "force_custom_plan",
    "jit": "on",
    "jit_above_cost": "0",
    "bytea_output": "escape",
    "client_encoding": "LATIN1",
    "DateStyle": "German",
    "IntervalStyle": "sql_standard",
    "TimeZone": "Asia/Kathmandu",
    "extra_float_digits": "-15",
    "xmloption": "document",
    "array_nulls": "off",
    "transform_null_equals": "on",
}
WRITERS = 8
WRITES = 6

pytestmark = pytest.mark.parametrize("database_kind", ["postgres"], indirect=True, scope="session")


@pytest.fixture(params=["database", "role"])
async def burdened(request, new_database):
    """A database with all of it, set on the database or on the role that owns it."""
    database = await new_database()
    name = database.url.rpartition("/")[2]
    role = f"owner_of_{name}"
    async with connected(database.url) as connection:
        await connection.execute(f"create role {role} login; alter database {name} owner to {role}")
        of = {"database": f"database {name}", "role": f"role {role}"}[request.param]
        for setting, value in INHERITED.items():
            await connection.execute(f"alter {of} set {setting} = '{value}'")
        await connection.execute(f"alter {of} set search_path = 'later', 'public'")
    database.url = database.url.replace("postgres@", f"{role}@")
    return database


async def test_writers_at_one_time_get_the_same_answers_as_ever(burdened, start_server, zygote):
    server = await start_server(burdened)
    async with connect(server) as client:
        owner = await People(server, client, zygote).owner()
        thread = await owner.create_thread(title="€ 𝄞 Ωμέγα")

        async def write(number):
            mine = await owner.create_thread(metadata={"n": number})
            for _ in range(WRITES):
                yield await owner.post_message(thread, "€")
                yield await owner.update(mine, metadata={f"k{number}": 0.1, "x": None})
                yield await owner.retrying(f"{number}").post_message(mine, "once")

        async def all_of(number):
            return [answer.status async for answer in write(number)]

        statuses = {status for each in await asyncio.gather(*map(all_of, range(WRITERS))) for status in each}
        await asyncio.sleep(0.5)  # Longer than a session may be idle.
        read = await owner.get(thread)
        listed = await owner.list_messages(thread, limit=100)

    assert statuses == {200, 201}
    assert (read["title"], read["messageCount"]) == ("€ 𝄞 Ωμέγα", WRITERS * WRITES)
    assert [each["seq"] for each in listed.data] == list(range(1, WRITERS * WRITES + 1))
    assert run_threadkeep("verify", database=burdened).returncode == 0


async def test_a_schema_that_comes_to_be_later_does_not_hide_the_tables(burdened, start_server, zygote):
    server = await start_server(burdened)
    async with connect(server) as client:
        owner = await People(server, client, zygote).owner()
        thread = await owner.create_thread()
        server.stop()

        async with connected(burdened.url, server_settings={"statement_timeout": "0"}) as connection:
            await connection.execute("create schema later; create table later.threads (id text)")
        await server.start()

        assert (await owner.get(thread)).status == 200
        assert (await owner.post_message(thread)).seq == 1
