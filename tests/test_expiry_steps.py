"""The steps of the sweeper that delete expired threads, and the rows that are left of threads: each is bounded."""

from itertools import pairwise

import pytest

from support.answering import change_stored
from support.postgres import connected
from support.stored import stored_in
from threadkeep.database import open_database
from threadkeep.database.postgres import PostgresTransaction
from threadkeep.operations.threads import rows
from threadkeep.operations.upkeep import expiring, purging
from threadkeep.settings import Settings

MIB = 1024 * 1024
TABLES = ("threads", "messages", "payloads", "forks", "responses", "purges")


@pytest.fixture
async def alone(new_database):
    """A database that nobody serves, with an organization: nothing is swept unless it is swept here."""
    place = await new_database()
    database = await open_database(Settings(database_url=place.url), serving=True)
    await change_stored(
        place, "insert into organizations (id, name, created_ms, updated_ms, revision) values ('O', 'O', 1, 1, 1)"
    )
    yield place, database
    await database.close()


async def fill(place, count, messages=0, payload_bytes=0):
    """Store threads that have expired, with so many messages each, and a payload of this size in each message."""
    await change_stored(
        place,
        f"""
        with recursive n (i) as (select 1 union all select i + 1 from n where i < {count})
        insert into threads (organization, id, user_id, metadata, visible_in_ui, message_count, last_seq, created_ms,
            updated_ms, revision, expires_ms)
        select 1, 'thread_' || i, 'uid_a', '{{}}', 1, {messages}, {messages}, 1, 1, 1, i from n
        """,
    )
    await change_stored(
        place,
        f"""
        with recursive n (i) as (select 1 union all select i + 1 from n where i < {messages})
        insert into messages (organization, thread, seq, id, role, content, preview, size_bytes, status, metadata,
            created_ms, updated_ms, revision)
        select 1, t.key, i, 'msg_' || t.key || '_' || i, 'user', '[]', '', 4, 'completed', '{{}}', 1, 1, 1
        from threads t, n where t.last_seq > 0
        """,
    )
    if payload_bytes:
        await change_stored(
            place,
            f"""
            insert into payloads (organization, thread, seq, size_bytes, data)
            select 1, m.thread, m.seq, {payload_bytes}, '{"x" * payload_bytes}' from messages m
            """,
        )


async def counts(place):
    async with stored_in(place) as stored:
        return {table: (await stored.rows(f"select count(*) from {table}"))[0][0] for table in TABLES}


async def steps(database, step):
    """Run a step until nothing is left to do; return what each run did."""
    done = []
    while not done or done[-1]:
        done.append(await database.write(step, None))
    return done


async def test_one_step_deletes_at_most_a_hundred_threads(alone):
    place, database = alone
    await fill(place, 250)

    deleted = await steps(database, expiring.expire_threads)

    assert deleted == [100, 100, 50, 0]
    assert set((await counts(place)).values()) == {0}


async def test_a_thread_that_has_not_expired_is_left_alone(alone):
    place, database = alone
    await fill(place, 2, messages=1)
    await change_stored(place, f"update threads set expires_ms = {2**52} where id = 'thread_1'")

    deleted = await steps(database, expiring.expire_threads)

    assert deleted == [1, 0]
    assert await counts(place) == {**dict.fromkeys(TABLES, 0), "threads": 1, "messages": 2, "purges": 1}


async def test_short_threads_are_purged_together_and_nothing_of_them_is_left(alone):
    place, database = alone
    await fill(place, 250, messages=3, payload_bytes=10)
    await steps(database, expiring.expire_threads)

    purged = await steps(database, purging.purge_messages)

    assert purged == [100, 100, 50, 0]
    assert set((await counts(place)).values()) == {0}


async def test_a_purge_takes_at_most_a_thousand_messages(alone):
    place, database = alone
    await fill(place, 3, messages=600)
    await steps(database, expiring.expire_threads)
    await fill(place, 1, messages=1500)
    await steps(database, expiring.expire_threads)

    left = [(await counts(place))["messages"]]
    while await database.write(purging.purge_messages, None):
        left.append((await counts(place))["messages"])

    assert left[0] == 3300
    assert all(before - after <= 1000 for before, after in pairwise(left))
    assert set((await counts(place)).values()) == {0}


@pytest.mark.parametrize(("threads", "messages"), [(6, 1), (1, 6)])
async def test_a_purge_takes_at_most_8_mib_of_payloads(alone, threads, messages):
    place, database = alone
    await fill(place, threads, messages, payload_bytes=3 * MIB)
    await steps(database, expiring.expire_threads)

    left = [(await counts(place))["payloads"]]
    while await database.write(purging.purge_messages, None):
        left.append((await counts(place))["payloads"])

    assert left[:4] == [6, 4, 2, 0]
    assert set((await counts(place)).values()) == {0}


class Interrupted(PostgresTransaction):
    """A transaction before whose `statement` somebody else's is committed."""

    def __init__(self, transaction, statement, meanwhile):
        super().__init__(transaction._connection)
        self.statement, self.meanwhile = statement, meanwhile

    async def fetch(self, statement, parameters):
        if statement is self.statement:
            await self.meanwhile()
        return await super().fetch(statement, parameters)


@pytest.mark.parametrize("database_kind", ["postgres"], indirect=True, scope="session")
@pytest.mark.parametrize(
    ("statement", "running"), [(expiring.DELETE_IDLE, "null"), (rows.HOLD, "'resp_x'")], ids=["idle", "running"]
)
async def test_a_thread_whose_expiry_is_moved_after_it_was_found_stays(alone, statement, running):
    place, database = alone
    await fill(place, 1)
    await change_stored(place, f"update threads set response_id = {running}, lease_until = {2**52}")

    async def move():
        await change_stored(place, f"update threads set expires_ms = {2**52}")

    await database.write(lambda tx: expiring.expire_threads(Interrupted(tx, statement, move), None))

    assert (await counts(place))["threads"] == 1


@pytest.mark.parametrize("database_kind", ["postgres"], indirect=True, scope="session")
async def test_a_thread_that_somebody_is_writing_to_is_not_waited_for(alone):
    place, database = alone
    await fill(place, 3)

    async with connected(place.url) as writer, writer.transaction():
        await writer.execute("select 1 from threads where id = 'thread_2' for update")
        deleted = await steps(database, expiring.expire_threads)

    assert deleted == [2, 0]
    assert await steps(database, expiring.expire_threads) == [1, 0]
