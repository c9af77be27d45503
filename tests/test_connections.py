"""The stack of PostgreSQL connections: never more than its size, none lost, none lent twice."""

import asyncio
import itertools
import random

import pytest

from threadkeep.database.connections import ConnectionPool

SIZE = 3
WAIT_S = 0.2
PATIENT_S = 90
ANSWERED_S = 30


class Connection:
    def __init__(self, number):
        self.number = number
        self.closed = False

    def is_closed(self):
        return self.closed

    async def close(self):
        self.closed = True

    def terminate(self):
        self.closed = True

    def __repr__(self):
        return f"<connection {self.number}>"


class Server:
    """Opens connections, and counts how many were open at once."""

    def __init__(self):
        self.opened = []
        self.open_max = 0
        self.refuses = False
        self._numbers = itertools.count()

    async def connect(self):
        await asyncio.sleep(0)
        if self.refuses:
            raise OSError("refused")
        connection = Connection(next(self._numbers))
        self.opened.append(connection)
        self.open_max = max(self.open_max, sum(not each.closed for each in self.opened))
        return connection


@pytest.fixture
def server():
    return Server()


@pytest.fixture
def connections(server):
    return ConnectionPool(server.connect, SIZE, WAIT_S)


@pytest.fixture
def patient(server):
    return ConnectionPool(server.connect, SIZE, PATIENT_S)


async def turn():
    for _ in range(5):
        await asyncio.sleep(0)


async def take_all(connections):
    return [await asyncio.wait_for(connections.take(), ANSWERED_S) for _ in range(SIZE)]


async def test_the_connection_used_last_is_lent_first(connections, server):
    lent = await take_all(connections)
    for connection in lent:
        connections.give(connection)

    assert [await connections.take() for _ in range(SIZE)] == lent[::-1]
    assert len(server.opened) == SIZE


async def test_no_more_are_opened_than_are_needed(connections, server):
    for _ in range(10):
        connections.give(await connections.take())

    assert len(server.opened) == 1


async def test_who_waits_gets_what_is_given_back_in_the_order_of_asking(patient, server):
    lent = await take_all(patient)
    waiting = [asyncio.ensure_future(patient.take()) for _ in range(2)]
    await turn()

    for connection in lent[:2]:
        patient.give(connection)

    assert await asyncio.wait_for(asyncio.gather(*waiting), ANSWERED_S) == lent[:2]
    assert len(server.opened) == SIZE


async def test_who_waits_too_long_is_refused_and_later_ones_are_served(connections):
    lent = await take_all(connections)

    waiting = asyncio.ensure_future(connections.take())
    await asyncio.wait({waiting}, timeout=ANSWERED_S)
    assert isinstance(waiting.done() and waiting.exception(), TimeoutError)
    connections.give(lent[0])

    assert await connections.take() is lent[0]


async def test_a_cancelled_waiter_takes_no_connection_with_it(patient):
    lent = await take_all(patient)
    early, late = [asyncio.ensure_future(patient.take()) for _ in range(2)]
    await turn()

    early.cancel()
    await turn()
    patient.give(lent[0])

    assert await asyncio.wait_for(late, ANSWERED_S) is lent[0]


@pytest.mark.parametrize("is_closed", [False, True])
async def test_a_waiter_cancelled_in_the_moment_of_handing_over_loses_nothing(patient, server, is_closed):
    lent = await take_all(patient)
    early, late = [asyncio.ensure_future(patient.take()) for _ in range(2)]
    await turn()

    lent[0].closed = is_closed
    patient.give(lent[0])
    early.cancel()

    connection = await asyncio.wait_for(late, ANSWERED_S)
    assert (connection is lent[0]) is not is_closed
    assert not connection.is_closed()
    assert server.open_max == SIZE


async def test_closed_connections_are_replaced(patient, server):
    lent = await take_all(patient)
    waiting = asyncio.ensure_future(patient.take())
    await turn()

    # One closes while it is lent and somebody waits, one while it lies there.
    lent[0].closed = True
    patient.give(lent[0])
    patient.give(lent[1])
    lent[1].closed = True
    replaced = [await asyncio.wait_for(waiting, ANSWERED_S), await asyncio.wait_for(patient.take(), ANSWERED_S)]

    assert not any(connection.is_closed() for connection in replaced)
    assert not set(replaced) & set(lent)
    assert server.open_max == SIZE


async def test_idle_connections_are_closed_at_once_and_make_room(connections, server):
    lent = await take_all(connections)
    for connection in lent[1:]:
        connections.give(connection)

    connections.close_idle()
    taken = [await connections.take() for _ in range(SIZE - 1)]

    assert [connection.closed for connection in lent] == [False, True, True]
    assert not set(taken) & set(lent)
    assert server.open_max == SIZE


async def test_a_connection_that_cannot_be_opened_costs_no_place(patient, server):
    server.refuses = True
    for _ in range(SIZE + 1):
        with pytest.raises(OSError, match="refused"):
            await patient.take()
    server.refuses = False

    assert len(await take_all(patient)) == SIZE


async def test_a_refused_opening_lets_the_next_waiter_try(patient, server):
    """With all places taken by openings that fail, who waited behind them must not wait for ever."""
    server.refuses = True
    opening = [asyncio.ensure_future(patient.take()) for _ in range(SIZE)]
    waiting = asyncio.ensure_future(patient.take())

    answers = await asyncio.wait_for(asyncio.gather(*opening, waiting, return_exceptions=True), ANSWERED_S)

    assert all(isinstance(answer, OSError) for answer in answers)


@pytest.mark.parametrize("seed", range(40))
async def test_whatever_happens_none_is_lost_and_none_lent_twice(server, seed):
    chance = random.Random(seed)
    connections = ConnectionPool(server.connect, SIZE, PATIENT_S)
    lent = set()

    async def use():
        try:
            connection = await connections.take()
        except OSError:
            return
        assert connection not in lent
        lent.add(connection)
        try:
            for _ in range(chance.randrange(6)):
                await asyncio.sleep(0)
            connection.closed |= chance.random() < 0.1
        finally:
            lent.discard(connection)
            connections.give(connection)

    users = []
    for _ in range(300):
        users.append(asyncio.ensure_future(use()))
        if chance.random() < 0.3:
            chance.choice(users).cancel()
        if chance.random() < 0.1 and (idle := [each for each in server.opened if each not in lent and not each.closed]):
            chance.choice(idle).closed = True
        server.refuses = chance.random() < 0.1
        for _ in range(chance.randrange(3)):
            await asyncio.sleep(0)
    server.refuses = False
    ends = await asyncio.wait_for(asyncio.gather(*users, return_exceptions=True), ANSWERED_S)

    assert {type(end) for end in ends} <= {type(None), asyncio.CancelledError}
    assert server.open_max <= SIZE
    assert len(set(await take_all(connections))) == SIZE
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(connections.take(), 0.01)
