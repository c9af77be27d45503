"""SQLite and PostgreSQL answer alike: the same random requests go to both, and answers are compared (promise P10)."""

import asyncio

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conftest import connect
from support.alike import Both, steps
from support.people import People
from support.server import Database, Server

pytestmark = pytest.mark.prove

EXAMPLES = 400


@pytest.fixture
async def both(workspace, postgres, zygote):
    """A server of each kind, with the same owner."""
    folders = [workspace / "alike-sqlite", workspace / "alike-postgres"]
    for folder in folders:
        folder.mkdir()
    databases = [
        Database("sqlite", f"sqlite:///{folders[0] / 'threadkeep.db'}", folders[0]),
        Database("postgres", await postgres.create_database(), folders[1]),
    ]
    servers = [await Server(database).start() for database in databases]
    clients = []
    for server in servers:
        async with connect(server) as client:
            owner = await People(server, client, zygote).owner("ORG_ALIKE", "uid_ada")
        clients.append(httpx.Client(base_url=server.url, headers={"x-api-key": owner.key}, trust_env=False, timeout=60))
    yield Both(clients)
    for client, server in zip(clients, servers, strict=True):
        client.close()
        server.stop()


def compare(both):
    @given(st.lists(steps, min_size=1, max_size=12))
    @settings(
        max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    def run(example):
        both.compare(example)

    run()


async def test_the_same_requests_are_answered_alike_by_both_databases(both):
    await asyncio.to_thread(compare, both)
