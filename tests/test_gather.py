"""Calls of one PostgreSQL statement that wait together go as one: each gets its own rows, and none is forgotten."""

import asyncio
import random

import pytest

from threadkeep import clock
from threadkeep.database.batching import StatementBatcher
from threadkeep.database.driver import Late
from threadkeep.errors import Unavailable
from threadkeep.operations.messages.appending import APPEND

ANSWERED_S = 30
NAMES = APPEND.postgres_many.names


class Wire:
    """Stands for the database: answers each call with its thread's name and remembers what went together."""

    def __init__(self):
        self.is_open = asyncio.Event()
        self.statements = []
        self.failing = {}
        self.pause = None

    async def run(self, compiled, parameters):
        is_many = compiled is APPEND.postgres_many
        threads = parameters["thread_id"] if is_many else [parameters["thread_id"]]
        self.statements.append(list(threads))
        await self.is_open.wait()
        if self.pause is not None:
            await self.pause()
        for thread in threads:
            if thread in self.failing:
                raise self.failing[thread]
        return [(place, thread) for place, thread in enumerate(threads, 1)] if is_many else [(threads[0],)]


@pytest.fixture
def wire():
    return Wire()


@pytest.fixture
def append(wire):
    batcher = StatementBatcher(wire.run)

    async def append(thread, **more):
        rows = await batcher.fetch(APPEND, dict.fromkeys(NAMES) | {"organization": 1, "thread_id": thread, **more})
        return [tuple(row) for row in rows]

    def start(thread, **more):
        return asyncio.ensure_future(append(thread, **more))

    start.at_once = append
    return start


async def turn():
    """Let everything that can run do so."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_call_that_comes_when_flights_have_just_ended_is_served(wire, append):
    async def late():
        # Woken in the same turn of the loop in which the flights end.
        await wire.is_open.wait()
        return await append.at_once("late")

    first = append("a")
    await turn()
    second = append("b")
    await turn()
    third = asyncio.ensure_future(late())
    await turn()
    wire.is_open.set()

    answers = await asyncio.wait_for(asyncio.gather(first, second, third), ANSWERED_S)
    assert answers == [[("a",)], [("b",)], [("late",)]]


@pytest.mark.parametrize("turns", range(8))
async def test_a_call_is_served_in_whichever_turn_it_comes(wire, append, turns):
    async def later():
        await wire.is_open.wait()
        for _ in range(turns):
            await asyncio.sleep(0)
        return await append.at_once("late")

    calls = [append("a"), append("b"), asyncio.ensure_future(later())]
    await turn()
    wire.is_open.set()

    assert (await asyncio.wait_for(asyncio.gather(*calls), ANSWERED_S))[2] == [("late",)]


async def test_calls_that_wait_go_together_and_each_gets_its_own_rows(wire, append):
    calls = [append(f"t{number}") for number in range(20)]
    await turn()
    wire.is_open.set()

    answers = await asyncio.wait_for(asyncio.gather(*calls), ANSWERED_S)

    assert answers == [[(f"t{number}",)] for number in range(20)]
    assert len(wire.statements) < 20


async def test_an_error_in_a_statement_of_several_gives_each_call_its_own_result(wire, append):
    wire.failing = {"t7": ValueError("t7 alone is wrong")}
    calls = [append(f"t{number}") for number in range(10)]
    await turn()
    wire.is_open.set()

    answers = await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), ANSWERED_S)

    assert any(len(threads) > 1 and "t7" in threads for threads in wire.statements)
    assert isinstance(answers[7], ValueError)
    assert [answer for number, answer in enumerate(answers) if number != 7] == [
        [(f"t{number}",)] for number in range(10) if number != 7
    ]


async def test_a_lost_connection_is_not_tried_again_for_each_call(wire, append):
    """Whether the statement was done is not known: doing it again could do it twice."""
    wire.failing = {"t7": Unavailable()}
    calls = [append(f"t{number}") for number in range(10)]
    await turn()
    wire.is_open.set()

    answers = await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), ANSWERED_S)

    together = next(threads for threads in wire.statements if "t7" in threads)
    for number, answer in enumerate(answers):
        assert isinstance(answer, Unavailable) == (f"t{number}" in together)
    sent = [thread for threads in wire.statements for thread in threads]
    assert sorted(sent) == sorted(set(sent))


async def test_a_call_whose_caller_is_gone_does_not_harm_the_others(wire, append):
    calls = [append(f"t{number}") for number in range(6)]
    await turn()
    calls[3].cancel()
    wire.is_open.set()

    answers = await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), ANSWERED_S)

    assert isinstance(answers.pop(3), asyncio.CancelledError)
    assert answers == [[(f"t{number}",)] for number in (0, 1, 2, 4, 5)]


async def test_a_call_that_waits_longer_than_its_caller_counts_is_late_and_never_sent(wire, append):
    first = [append("a")]
    await turn()
    first.append(append("b"))
    await turn()
    soon = clock.monotonic_s() + 0.05
    waiting = [append("late", counts_until_s=soon), append("c", counts_until_s=soon + ANSWERED_S)]
    await asyncio.sleep(0.1)
    wire.is_open.set()

    late, answered, *_ = await asyncio.wait_for(asyncio.gather(*waiting, *first, return_exceptions=True), ANSWERED_S)

    assert isinstance(late, Late)
    assert answered == [("c",)]
    assert "late" not in [thread for threads in wire.statements for thread in threads]


@pytest.mark.parametrize("seed", range(20))
async def test_two_calls_for_one_thread_never_share_a_statement(wire, append, seed):
    chance = random.Random(seed)

    async def pause():
        for _ in range(chance.randrange(4)):
            await asyncio.sleep(0)

    wire.pause = pause
    wire.is_open.set()
    calls = []
    for _ in range(300):
        thread = f"t{chance.randrange(12)}"
        calls.append((thread, append(thread)))
        if chance.random() < 0.1:
            await asyncio.sleep(0)

    for thread, call in calls:
        assert await asyncio.wait_for(call, ANSWERED_S) == [(thread,)]
    assert all(len(threads) == len(set(threads)) for threads in wire.statements)
    assert sum(map(len, wire.statements)) == 300
    assert any(len(threads) > 1 for threads in wire.statements)
