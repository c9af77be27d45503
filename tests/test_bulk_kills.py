"""Bulks beside other writers and through `kill -9`: exactly what matched is changed, and each thread once."""

import asyncio
import itertools

import pytest

from conftest import connect
from support.answering import change_stored
from support.people import People
from support.server import run_threadkeep
from support.stored import stored_in
from support.waiting import eventually
from test_bulk import ask, call, counts, ended, read

pytestmark = pytest.mark.prove

THREADS = 1_500
# Not before any of their creations.
REVISION = 10_000
FILL = """
    with recursive n (i) as (select 1 union all select i + 1 from n where i < {count})
    insert into threads (organization, id, user_id, title, title_folded, metadata, visible_in_ui, message_count,
        last_seq, created_ms, updated_ms, revision)
    select o.key, 'thread_old' || i, 'uid_x', 'old', 'old', '{{}}', 1, 0, 0, i, i, {revision} from n, organizations o
    where o.id = '{organization}'
    """
REVISIONS = "select t.revision, count(*) from threads t where t.id like 'thread_old%' group by t.revision"


async def fill(server, owner):
    filled = FILL.format(count=THREADS, revision=REVISION, organization=owner.organization)
    await change_stored(server.database, filled)


async def killed_in_the_middle(server, owner, bulk, count):
    """Kill the server when so much is done, and start it again."""
    await eventually(lambda: read(owner, bulk), lambda each: each.done + each.undone >= count, 60)
    server.kill()
    await server.start()


async def revisions(server):
    async with stored_in(server.database) as stored:
        return dict(await stored.rows(REVISIONS))


async def test_a_bulk_and_its_undo_go_on_after_kills_and_change_each_thread_once(start_server, zygote):
    server = await start_server()
    async with connect(server) as client:
        owner = await People(server, client, zygote).owner()
        await fill(server, owner)
        change = {"title": "new", "metadata": {"kind": "old"}}
        bulk = await ask(owner, "update", filter={}, change=change)
        later = await owner.create_thread(title="later")

        for share in (5, 2):
            await killed_in_the_middle(server, owner, bulk, THREADS // share)
        done = await ended(owner, bulk)
        after_the_bulk = await revisions(server)
        back = await call(owner, bulk, "undo")
        await killed_in_the_middle(server, owner, back, THREADS + THREADS // 3)
        undone = await ended(owner, bulk)

        assert (done["status"], counts(done), done.refused) == ("completed", [THREADS] * 3, {})
        assert after_the_bulk == {REVISION + 1: THREADS}
        assert (undone["status"], undone.undone) == ("undone", THREADS)
        assert await revisions(server) == {REVISION + 2: THREADS}
        assert (await owner.list_threads(titleContains="old", includeTotal="true")).total == THREADS
        assert (await owner.get(later)).title == "later"
    verified = run_threadkeep("verify", database=server.database)
    assert verified.returncode == 0, verified.stdout
    assert "Traceback" not in server.log_text()


async def test_beside_writers_exactly_what_matched_when_asked_is_changed(start_server, zygote):
    server = await start_server()
    async with connect(server) as client:
        owner = await People(server, client, zygote).owner()
        await fill(server, owner)
        is_over = asyncio.Event()
        made = []

        async def write(n):
            """Make threads that match, and from when the bulk was answered on take others out of the match."""
            for number in itertools.count(n, 4):
                if is_over.is_set():
                    return
                made.append((await owner.create_thread(title="mine")).id)
                if bulk is not None:
                    await owner.archive(f"thread_old{THREADS - number % THREADS}")
                await asyncio.sleep(0.005)

        bulk = None
        writers = [asyncio.create_task(write(n)) for n in range(4)]
        await asyncio.sleep(0.5)
        before = list(made)
        bulk = await ask(owner, "lock", filter={"state": "open"})
        known = len(made)
        done = await ended(owner, bulk)
        is_over.set()
        await asyncio.gather(*writers)

        async with stored_in(server.database) as stored:
            locked = {id for (id,) in await stored.rows("select id from threads where locked_ms is not null")}
        assert before and len(made) > known, "nobody wrote beside it"
        # Those that were archived before their turn are refused, as the call for one thread refuses them.
        assert done.matched == done.done == len(locked) + done.refused.get("thread_archived", 0)
        assert {id for id in locked if not id.startswith("thread_old")} >= set(before)
        assert not locked & set(made[known:])
