"""The primary is lost under load, the standby promoted, and the processes go on: what was answered, is there?"""

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from conftest import connect
from operations.places import DATABASE, Pair, Watch, at, lost_of, open_pair, tell, verified
from support.load import Load, check
from support.scripted_model import DONE, ScriptedModel, finish
from support.server import Database, Server
from support.streams import Stream, check_whole, responses_path
from support.waiting import eventually

# Somebody, or something, has to notice.
NOTICED_S = 1.0
BEHIND_S = 2
POOL_SIZE = 12
GOES_ON_S = 60
BOTH = "FIRST 1 (standby)"


@pytest.fixture
async def confirmed(new_folder, zygote) -> AsyncIterator[Pair]:
    """A pair whose primary answers nothing that is not on the standby's disk."""
    async with open_pair(new_folder(), zygote, confirmed_by=BOTH) as pair:
        yield pair


@pytest.fixture
async def unconfirmed(new_folder, zygote) -> AsyncIterator[Pair]:
    """A pair whose standby follows as fast as it can, and is not waited for."""
    async with open_pair(new_folder(), zygote) as pair:
        yield pair


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
async def test_with_a_synchronous_standby_nothing_answered_is_lost(confirmed, how):
    loads = await confirmed.loads()
    async with under(loads):
        watch = await lose_primary(confirmed, how)
        figures = await fail_over(confirmed, loads, watch)
        for load in loads:
            await load.goes_on(200)

    for load, caller in zip(loads, reversed(confirmed.callers), strict=True):
        await check(load, caller)  # Read through the other process.
    await verified(confirmed.database)
    tell(f"synchronous standby, primary {how.name}", **figures, **answers_of(loads))
    if how == signal.SIGSTOP:
        await a_primary_that_comes_back_takes_no_write(confirmed)


async def a_primary_that_comes_back_takes_no_write(pair):
    """Nobody fenced it off: a process that starts now takes it for the primary, and its writes are not confirmed."""
    await asyncio.to_thread(pair.primary.signal_all, signal.SIGCONT)
    stale = Server(Database("postgres", pair.primary.url(DATABASE), pair.database.folder), name="stale")
    await stale.start()
    try:
        async with connect(stale) as client:
            watch = Watch()
            refused = await at(pair.callers[0], client).create_thread()
            tell("the old primary thaws, unfenced: a write to it", status=refused.status, after_s=watch.s)
            assert refused.status == 503
    finally:
        stale.kill()


@pytest.mark.parametrize("is_behind", [False, True], ids=["up to date", "behind"])
async def test_what_an_asynchronous_standby_loses(unconfirmed, is_behind):
    loads = await unconfirmed.loads()
    async with under(loads):
        if is_behind:
            await asyncio.to_thread(unconfirmed.primary.hold_back_standby)
            await asyncio.sleep(BEHIND_S)
        watch = await lose_primary(unconfirmed, signal.SIGKILL)
        figures = await fail_over(unconfirmed, loads, watch)

    lost = await lost_of(loads, unconfirmed.callers[0])
    await verified(unconfirmed.database)
    tell(f"asynchronous standby, {BEHIND_S * is_behind} s behind", lost=lost, **figures, **answers_of(loads))
    # Whole transactions are lost, from the end: what is left holds together.
    assert lost > 0 or not is_behind


async def test_without_its_synchronous_standby_the_primary_answers_no_write(confirmed):
    ada = confirmed.callers[0]
    thread = await ada.create_thread()

    await asyncio.to_thread(confirmed.standby.kill)
    watch = Watch()
    refused = await ada.retrying("once").post_message(thread, "hello")
    refused_s = watch.s
    read = await ada.get(thread)
    again = await ada.retrying("once").post_message(thread, "hello")
    tell("synchronous standby away: a write", status=refused.status, after_s=refused_s, a_read=read.status,
         the_same_write_again=again.status, replayed=again.headers.get("idempotent-replayed"))  # fmt: skip

    assert (refused.status, read.status) == (503, 200)
    writers = [asyncio.create_task(ada.create_thread()) for _ in range(2 * POOL_SIZE)]
    await asyncio.sleep(1)
    watch = Watch()
    read = await ada.get(thread)
    tell("and many writes wait: a read of the same process", status=read.status, after_s=watch.s)
    await asyncio.gather(*writers)
    stuck = await confirmed.primary.value("select count(*) from pg_stat_activity where wait_event = 'SyncRep'")
    # The operator decides: writes rather than two copies.
    await confirmed.primary.execute("alter system set synchronous_standby_names = ''")
    await confirmed.primary.execute("select pg_reload_conf()")
    watch = Watch()
    await eventually(ada.create_thread, lambda answer: answer.status == 201, 30)
    tell("the primary waits for no standby any more", stuck_before=stuck, writes_after_s=watch.s)


async def test_answers_go_on_through_a_fail_over(new_folder, zygote):
    model = await ScriptedModel.start()
    words = [f"word{number} " for number in range(60)]
    model.script = [part for word in words for part in (word, 0.1)] + [finish(), DONE]
    settings = {**model.settings, "THREADKEEP_LEASE_S": "15"}
    try:
        async with open_pair(new_folder(), zygote, confirmed_by=BOTH, **settings) as pair:
            streams = [await stream_of(pair.callers[number % 2]) for number in range(10)]
            reading = [asyncio.create_task(stream.rest(120)) for _, stream in streams]
            await asyncio.sleep(2)
            await lose_primary(pair, signal.SIGKILL)
            await asyncio.sleep(NOTICED_S)
            await asyncio.to_thread(pair.standby.promote)
            await asyncio.gather(*reading)
            for (thread, stream), caller in zip(streams, 5 * pair.callers[::-1], strict=True):
                check_whole(stream.events)
                [_, stored] = (await caller.list_messages(thread, order="asc")).data
                assert stored["content"][0]["text"] == stream.text == "".join(words), stored["status"]
            for _, stream in streams:
                stream.cut()
            await verified(pair.database)
            tell("10 streamed answers through a fail-over, lease 15 s", whole=len(streams))
    finally:
        await model.stop()


async def stream_of(caller):
    thread = await caller.create_thread()
    return thread, await Stream.post(caller, responses_path(thread), input="Speak.")


@asynccontextmanager
async def under(loads: list[Load]) -> AsyncIterator[None]:
    """Let all of them write, and write well, before the block begins."""
    async with AsyncExitStack() as stack:
        for load in loads:
            await stack.enter_async_context(load)
            await load.goes_on(200)
        yield


def answers_of(loads: list[Load]) -> dict[str, int]:
    seen = sum((load.seen for load in loads), start=Counter[str]())
    return {f"answers {kind}": count for kind, count in sorted(seen.items())}


async def lose_primary(pair: Pair, how: signal.Signals) -> Watch:
    watch = Watch()
    await asyncio.to_thread(pair.primary.kill if how == signal.SIGKILL else pair.primary.freeze)
    return watch


async def fail_over(pair: Pair, loads: list[Load], watch: Watch) -> dict[str, float]:
    """Promote the standby; return how long after the loss it was promoted, and writes were answered again."""
    await asyncio.sleep(NOTICED_S)
    promoted_s = watch.s

    async def answers(load: Load) -> float:
        await load.goes_on(1, GOES_ON_S)
        return watch.s

    _, first_s, second_s = await asyncio.gather(
        asyncio.to_thread(pair.standby.promote), *(answers(load) for load in loads)
    )
    return {"promotion_began_after_s": promoted_s, "first_process_writes_after_s": first_s,
            "second_process_writes_after_s": second_s, "slowest_s": max(load.slowest_s for load in loads)}  # fmt: skip
