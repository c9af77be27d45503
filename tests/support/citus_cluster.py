"""A cluster of Citus that somebody has started, given by URLs: `make test-distributed CLUSTER=url,url,url`."""

import os
from urllib.parse import urlsplit

import asyncpg

from support.postgres import connected

# Made once for each of many databases: fewer shards, sooner made.
SHARDS = 4

# Tests that a cluster is not asked, by file or by name, with the reason.
LEFT_OUT = {
    "test_before_the_first_request.py": "it starts PostgreSQL servers of its own",
    "test_faults_postgres_outage.py": "it starts, stops and kills PostgreSQL servers of its own",
    "test_inherited_settings.py": (
        "what it sets on a database, such as time-outs of 1 ms, also holds for the connections between the machines"
    ),
    "test_writes_go_on_at_once_when_the_server_takes_writes_again": (
        "a coordinator that is read-only still hands appends to the machine of their organization"
    ),
    "test_several_hosts.py": "it is about connecting, and begins nothing on the database",
    "test_a_thread_that_vanishes_between_finding_and_erasing_it_does_not_stop_the_erasure": (
        "it counts who waits for a lock, which on a cluster are backends of another machine"
    ),
    "test_starting.py": "its databases are those that the program refuses",
}


class CitusCluster:
    """Stands where `Postgres` does. Its nodes run already, the coordinator first, and go on running."""

    def __init__(self, urls: str) -> None:
        self._nodes = [url.rstrip("/").rpartition("/")[0] for url in urls.split(",")]
        self.database_count = 0
        self._made: list[str] = []

    @property
    def port(self) -> int:
        return urlsplit(self._nodes[0]).port or 5432

    def url(self, database: str) -> str:
        return f"{self._nodes[0]}/{database}"

    async def create_database(self) -> str:
        """Make an empty database on each node, join the workers' to the coordinator's, and return its URL."""
        url = await self.create_apart()
        await self.join(url)
        return url

    async def create_apart(self) -> str:
        """Make an empty database on each node, which know nothing of each other, and return the coordinator's URL."""
        self.database_count += 1
        name = f"threadkeep_{os.getpid()}_{self.database_count}"
        self._made.append(name)
        for node in self._nodes:
            async with connected(f"{node}/postgres") as connection:
                await connection.execute(f"create database {name} template template0")
        return self.url(name)

    async def join(self, url: str) -> None:
        """Make a cluster of the databases of this name."""
        name = url.rpartition("/")[2]
        for node in self._nodes:
            async with connected(f"{node}/{name}") as connection:
                await connection.execute("create extension citus")
        async with connected(self.url("postgres")) as one_at_a_time:
            # Each node that joins gets all roles anew: two at the same moment would change one row of the catalog.
            await one_at_a_time.execute("select pg_advisory_lock(1)")
            await one_at_a_time.execute(f"alter database {name} set citus.shard_count = {SHARDS}")
            async with connected(url) as connection:
                await self._join(connection)

    def at_worker(self, url: str) -> str:
        """Return the URL of the same database on the first worker."""
        return f"{self._nodes[1]}/{url.rpartition('/')[2]}"

    async def _join(self, connection: asyncpg.Connection) -> None:
        coordinator, *workers = (urlsplit(node) for node in self._nodes)
        await connection.execute("select citus_set_coordinator_host($1, $2)", coordinator.hostname, coordinator.port)
        for worker in workers:
            await connection.execute("select citus_add_node($1, $2)", worker.hostname, worker.port)

    async def remove(self) -> None:
        for name in self._made:
            await self._drop(name)

    async def _drop(self, name: str) -> None:
        for node in self._nodes:
            async with connected(f"{node}/postgres") as connection:
                await connection.execute(f"drop database if exists {name} with (force)")
