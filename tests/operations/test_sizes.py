"""What a thread, a message and a connection take: figures for sizing, measured through HTTP on both databases."""

import asyncio

import apsw
import psutil
import pytest

from conftest import connect
from operations.clusters import Node
from operations.places import tell
from support.cast import Caller
from support.people import People
from support.server import Database, Server

THREADS = 500
MESSAGES = 50_000
CHARACTERS = 200
CALLS = 32
CONNECTIONS = 1_000
TEXT = ("How do I change the address on my invoice? " * 10)[:CHARACTERS]


@pytest.fixture(params=["sqlite", "postgres"])
async def served(request, new_folder):
    folder = new_folder()
    node = None
    if request.param == "postgres":
        node = Node(folder / "postgres", "-c autovacuum=off")
        await asyncio.to_thread(node.start)
    url = await node.create_database() if node else f"sqlite:///{folder / 'threadkeep.db'}"
    server = Server(Database(request.param, url, folder))
    await server.start()
    yield server, node
    server.stop()
    if node:
        await asyncio.to_thread(node.remove)


async def test_what_threads_and_messages_take_on_disk(served, zygote):
    server, node = served
    async with connect(server) as client:
        ada = await People(server, client, zygote).owner()
        sizes = [await size(server, node)]
        threads = await at_once([lambda number=number: create(ada, number) for number in range(THREADS)])
        sizes.append(await size(server, node))
        each = MESSAGES // THREADS
        await at_once([lambda thread=thread: ada.post_messages(thread, messages(each)) for thread in threads])
        sizes.append(await size(server, node))
    empty, with_threads, with_messages = sizes
    tell(f"{server.kind}, {THREADS} threads with 2 pairs of metadata, {MESSAGES} messages of {CHARACTERS} characters",
         empty_kB=empty // 1024, bytes_a_thread=(with_threads - empty) // THREADS,
         bytes_a_message=(with_messages - with_threads) // MESSAGES,
         compact_copy=await compact(server, node))  # fmt: skip


async def test_what_processes_and_connections_take_in_memory(served, zygote):
    server, node = served
    process = psutil.Process(server.process.pid)
    begun = process.memory_info().rss
    async with connect(server) as client:
        ada = await People(server, client, zygote).owner()
        thread = await ada.create_thread()
        await at_once([lambda: ada.post_message(thread, TEXT) for _ in range(2000)], 64)
        await at_once([lambda: ada.list_messages(thread) for _ in range(500)], 64)
    used = process.memory_info().rss
    writers = [(await asyncio.open_connection("127.0.0.1", server.port))[1] for _ in range(CONNECTIONS)]
    for writer in writers:
        writer.write(b"GET /healthz HTTP/1.1\r\nhost: test\r\n\r\n")
    await asyncio.sleep(2)
    with_connections = process.memory_info().rss
    for writer in writers:
        writer.close()
    tell(f"{server.kind}, memory of a process", kB_at_the_start=begun // 1024, kB_after_2500_requests=used // 1024,
         bytes_an_idle_connection=(with_connections - used) // CONNECTIONS, **backends(node))  # fmt: skip


def backends(node: Node | None) -> dict[str, float]:
    """Return what PostgreSQL's own processes take for each connection of the pool: not shared with the others."""
    if node is None:
        return {}
    found = [each for each in node.processes() if "threadkeep_1" in " ".join(each.cmdline())]
    own = [each.memory_full_info().uss for each in found]
    return {"connections": len(own), "kB_of_its_own_each": sum(own) // max(1, len(own)) // 1024}


async def create(ada: Caller, number: int) -> str:
    pairs = {"category": f"category-{number % 10}", "customer": f"customer-{number}"}
    return (await ada.create_thread(title=f"A title of usual length, {number}", metadata=pairs)).id


def messages(count: int) -> list[dict[str, str]]:
    return [{"role": ("user", "assistant")[number % 2], "content": TEXT} for number in range(count)]


async def at_once(work: list, clients: int = CALLS) -> list:
    """Do all of the work, so many calls at a time; return what each gave."""
    free = asyncio.Semaphore(clients)

    async def one(call):
        async with free:
            return await call()

    return await asyncio.gather(*(one(call) for call in work))


async def size(server: Server, node: Node | None) -> int:
    """Return the bytes of the database, with its log folded into it."""
    if node is not None:
        await vacuum(node)
        return int(await node.value("select pg_database_size('threadkeep_1')"))
    connection = apsw.Connection(server.database.url.removeprefix("sqlite:///"))
    connection.set_busy_timeout(10_000)
    connection.execute("pragma wal_checkpoint(truncate)")
    (pages,) = connection.execute("pragma page_count").fetchone()
    connection.close()
    return int(pages) * 4096


async def compact(server: Server, node: Node | None) -> str:
    if node is not None:
        return "-"
    copy = server.database.folder / "copy.db"
    connection = apsw.Connection(server.database.url.removeprefix("sqlite:///"))
    connection.execute("vacuum into ?", (str(copy),))
    connection.close()
    copied = await asyncio.to_thread(copy.stat)
    return f"{100 * copied.st_size // await size(server, node)} %"


async def vacuum(node: Node) -> None:
    await asyncio.to_thread(node.run, "vacuumdb", "--analyze", "-q", f"--dbname={node.url('threadkeep_1')}")
