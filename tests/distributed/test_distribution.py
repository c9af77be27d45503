"""How a database becomes a cluster's: with what it holds already, and at the coordinator alone."""

import pytest

from conftest import connect
from support.cast import Caller
from support.people import People
from support.postgres import connected
from support.server import Database, Server
from threadkeep import settings
from threadkeep.database import open_database
from threadkeep.settings import SettingError

ROWS_HERE = "select coalesce(sum(pg_relation_size(logicalrelid)), 0)::bigint from pg_dist_partition"


@pytest.fixture
async def serve(tmp_path):
    started: list[Server] = []

    async def start(url: str) -> Server:
        started.append(await Server(Database("postgres", url, tmp_path), {}).start())
        return started[-1]

    yield start
    for server in started:
        server.stop()


async def test_what_is_there_moves_to_the_machines_and_is_served_on(postgres, serve, zygote):
    url = await postgres.create_apart()
    before = await serve(url)
    async with connect(before) as client:
        owners = [await People(before, client, zygote).owner(f"ORG_{number}") for number in range(6)]
        threads = [await owner.create_thread(title="kept", metadata={"n": 1}) for owner in owners]
        for owner, thread in zip(owners, threads, strict=True):
            await owner.post_message(thread, "hello")
    before.stop()

    await postgres.join(url)
    after = await serve(url)

    async with connect(after) as client:
        for owner, thread in zip(owners, threads, strict=True):
            same = Caller(client, organization=owner.organization, user=owner.user, key=owner.key)
            assert (await same.post_message(thread, "again")).status == 201
            assert (await same.get(thread)).messageCount == 2
            assert (await same.list_threads(**{"metadata.n": "1"})).ids == [thread.id]
            assert (await same.create_thread()).status == 201
    async with connected(url) as connection:
        assert await connection.fetchval(ROWS_HERE) == 0


async def test_a_worker_is_not_where_to_begin(postgres):
    url = await postgres.create_database()

    with pytest.raises(SettingError, match="name its coordinator"):
        await open_database(settings.load({"THREADKEEP_DATABASE_URL": postgres.at_worker(url)}), serving=True)
