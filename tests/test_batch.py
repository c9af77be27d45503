"""Requests that begin outside of a task: in their order, none at the cost of another, and in a task when they wait."""

import asyncio
import contextvars

import pytest

from threadkeep.server.transport.batch import Batch


async def test_what_came_together_begins_in_the_next_turn_in_its_order():
    batch, begun, tasks = Batch(), [], set()

    async def work(name):
        begun.append((name, asyncio.current_task()))

    for name in "abc":
        batch.add(work(name), tasks)
    assert begun == []
    await asyncio.sleep(0)

    assert begun == [("a", None), ("b", None), ("c", None)]
    assert tasks == set()


async def test_what_waits_goes_on_in_a_task_with_what_it_waited_for():
    batch, heard, tasks = Batch(), [], set()
    first, second = (asyncio.get_running_loop().create_future() for _ in range(2))

    async def work():
        heard.append(await first)
        assert asyncio.current_task() in tasks
        with pytest.raises(OSError, match="gone"):
            await second
        async with asyncio.timeout(60):
            await asyncio.sleep(0)
        heard.append("end")

    batch.add(work(), tasks)
    await asyncio.sleep(0)
    [task] = tasks
    first.set_result("a word")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    second.set_exception(OSError("gone"))
    await task

    assert heard == ["a word", "end"]
    assert tasks == set()


async def test_several_may_wait_for_the_same_and_others_with_them():
    batch, heard, tasks = Batch(), [], set()
    future = asyncio.get_running_loop().create_future()

    async def work(name):
        heard.append((name, await future))

    batch.add(work("a"), tasks)
    batch.add(work("b"), tasks)
    await asyncio.sleep(0)
    beside = asyncio.ensure_future(work("beside"))
    batch.add(work("c"), tasks)
    for _ in range(3):
        await asyncio.sleep(0)
    future.set_result("a word")
    await asyncio.gather(beside, *tasks)

    assert sorted(heard) == [(name, "a word") for name in ("a", "b", "beside", "c")]


async def test_what_one_of_them_notes_in_its_context_no_other_sees():
    batch, seen, tasks = Batch(), [], set()
    note = contextvars.ContextVar("note", default=None)

    async def work(name):
        seen.append((name, note.get()))
        token = note.set(name)
        await asyncio.sleep(0)
        seen.append((name, note.get()))
        note.reset(token)

    batch.add(work("a"), tasks)
    batch.add(work("b"), tasks)
    await asyncio.sleep(0)
    await asyncio.gather(*tasks)

    assert seen == [("a", None), ("b", None), ("a", "a"), ("b", "b")]


async def test_a_cancelled_one_hears_of_it():
    batch, heard, tasks = Batch(), [], set()

    async def work():
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            heard.append("left")

    batch.add(work(), tasks)
    await asyncio.sleep(0)
    [task] = tasks
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert heard == ["left"]


async def test_one_that_fails_takes_no_other_with_it(caplog):
    batch, begun = Batch(), []

    async def fail():
        raise OSError("not answered")

    async def work():
        begun.append("b")

    batch.add(fail(), set())
    batch.add(work(), set())
    await asyncio.sleep(0)

    assert begun == ["b"]
    assert "not answered" in caplog.text


async def test_what_one_of_them_asks_for_begins_in_the_turn_after():
    batch, begun = Batch(), []

    async def work(name):
        begun.append(name)
        if name == "a":
            batch.add(work("b"), set())

    batch.add(work("a"), set())
    await asyncio.sleep(0)
    assert begun == ["a"]
    await asyncio.sleep(0)
    assert begun == ["a", "b"]
