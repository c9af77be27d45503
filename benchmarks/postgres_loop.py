"""The operations' statements without a server, in PostgreSQL's driver: every client a task, a connection for each."""

import asyncio
import random
import time

import asyncpg
import uvloop

from benchmarks.filling import Filled, thread_id
from benchmarks.load import Measurement, cpu_reader, summed_up
from benchmarks.work import WORK
from threadkeep.database.postgres_session import SESSION
from threadkeep.settings import Settings


def measure(url: str, filled: Filled, operation: str, clients: int, seconds: float, database_pid: int) -> Measurement:
    """Do one operation over and over from so many tasks; connections are as many as the service has."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run(url, filled, operation, clients, seconds, database_pid))


async def run(url: str, filled: Filled, operation: str, clients: int, seconds: float, database_pid: int) -> Measurement:
    size = min(clients, Settings().pool_size)
    pool = await asyncpg.create_pool(url, min_size=size, max_size=size, server_settings=SESSION, reset=leave_as_is)
    database_s, times_s = cpu_reader(database_pid), list[float]()
    numbers = filled.conversations if operation == "messages" else filled.plain
    database_began_s, began_s, started_s = database_s(), time.process_time(), time.perf_counter()
    until_s = started_s + seconds
    await asyncio.gather(*(repeat(pool, operation, numbers, until_s, times_s) for _ in range(clients)))
    elapsed_s, used_s = time.perf_counter() - started_s, time.process_time() - began_s
    database_used_s = database_s() - database_began_s
    await pool.close()
    return summed_up(times_s, elapsed_s, used_s, database_used_s)


async def repeat(pool: asyncpg.Pool, operation: str, numbers: range, until_s: float, times_s: list[float]) -> None:
    work = WORK[operation]
    while (started_s := time.perf_counter()) < until_s:
        async with pool.acquire() as connection:
            await work.in_postgres(connection, thread_id(random.choice(numbers)))
        times_s.append(time.perf_counter() - started_s)


async def leave_as_is(_connection: asyncpg.Connection) -> None: ...
