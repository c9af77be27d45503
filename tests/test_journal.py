"""The journal: what all models of a process say is stored together, then shown, and survives a storage that fails."""

import asyncio
import json
import time

import pytest

from support.answering import change_stored
from support.in_process import inside, stores_of
from support.waiting import SOON_S, eventually
from threadkeep.errors import StorageFull
from threadkeep.operations.responses import events
from threadkeep.runtime.tally import FLUSHES, RUNNING

FLUSHES_PER_S_MAX = 200
# One model that talks without a pause is stored every 40 ms.
FLUSHES_OF_ONE_PER_S_MAX = 30
TALK_S = 1.5
GENERATIONS = 300
WAITING_CHARACTERS_MAX = 1024 * 1024
AWAY_S = 1.0


@pytest.fixture
async def database(new_database):
    """A database of its own for each test, served by nobody else."""
    return await new_database()


def saying(count, pause_s=0.001, word="word{} "):
    async def script():
        for number in range(count):
            yield word.format(number)
            await asyncio.sleep(pause_s)

    return script


def talking(seconds, pause_s):
    async def script():
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            yield "word "
            await asyncio.sleep(pause_s)

    return script


def text_in(rows):
    return "".join(json.loads(data)["delta"] for _, _, data in rows)


async def check_complete(it, claim, text):
    response = await it.read(claim)
    rows = await it.stored(claim)
    assert (response.status, response.output_text) == ("completed", text)
    assert text_in(rows) == text
    assert [n for n, _, _ in rows] == list(range(2, len(rows) + 2))


@pytest.mark.parametrize(
    ("generations", "pause_s", "per_s_max"),
    [
        (1, 0.001, FLUSHES_OF_ONE_PER_S_MAX),
        (GENERATIONS, 0.05, FLUSHES_PER_S_MAX),
        pytest.param(
            *(1_000, 0.2, FLUSHES_PER_S_MAX), marks=pytest.mark.one_database("the journal counts alike on both, above")
        ),
    ],
)
async def test_flushes_are_few_however_much_is_said(database, generations, pause_s, per_s_max):
    async with inside(database) as it:
        begun = [
            await it.begin(f"say {number}", talking(TALK_S + generations / 400, pause_s))
            for number in range(generations)
        ]
        before, started_s = it.tally.cells(FLUSHES)[0], time.monotonic()
        await it.all_ended()
        flushes_count, seconds = it.tally.cells(FLUSHES)[0] - before, time.monotonic() - started_s

        assert 0 < flushes_count <= per_s_max * seconds + 5
        for claim in begun[:: max(1, generations // 10)]:
            assert (await it.read(claim)).status == "completed"


async def test_nothing_is_shown_that_is_not_stored(database):
    shown = 0

    async with inside(database) as it:
        claim = await it.begin("say", saying(200))

        async def emit(data):
            nonlocal shown
            for line in data.decode().splitlines():
                if line.startswith("id: "):
                    shown = int(line.rpartition(":")[2])
            rows = await it.stored(claim)
            ended = (await it.read(claim)).status != "in_progress"
            assert shown <= (rows[-1][0] if rows else 1) + ended

        await it.follow(claim, emit)
        await check_complete(it, claim, "".join(f"word{number} " for number in range(200)))
        assert shown > 5


async def test_what_cannot_be_stored_of_one_disturbs_nobody_else(database):
    async with inside(database) as it:
        claims = [await it.begin(f"say {number}", saying(100, 0.005)) for number in range(5)]
        bad = claims[2]
        await eventually(lambda: it.stored(bad), bool, 5)
        it.database.refuses = stores_of(bad.response_id)
        before = text_in(await it.stored(bad))

        await asyncio.wait_for(it.all_ended(), 10)

        for claim in claims:
            if claim is not bad:
                await check_complete(it, claim, "".join(f"word{number} " for number in range(100)))
        failed = await it.read(bad)
        assert (failed.status, failed.error.code) == ("failed", "internal")
        assert failed.output_text.startswith(before)
        assert failed.output_text == text_in(await it.stored(bad)) != ""


@pytest.mark.parametrize("loses_outcomes", [False, True], ids=["refuses", "forgets"])
async def test_a_storage_that_is_away_for_a_second_loses_and_doubles_nothing(database, loses_outcomes):
    frames = []

    async def emit(data):
        frames.append(data)

    async with inside(database) as it:
        claims = [await it.begin(f"say {number}", saying(300, 0.005)) for number in range(4)]
        reader = asyncio.create_task(it.follow(claims[0], emit))
        await eventually(lambda: as_future(len(frames)), lambda count: count > 3, 5)
        late = await it.claim("say late", saying(2))
        it.database.loses_outcomes = loses_outcomes
        it.database.is_away = True
        it.relay.start(late)
        await asyncio.sleep(AWAY_S)
        it.database.is_away = False
        await asyncio.wait_for(it.all_ended(), 20)
        await asyncio.wait_for(reader, 5)

        await check_complete(it, late, "word0 word1 ")
        for claim in claims:
            await check_complete(it, claim, "".join(f"word{number} " for number in range(300)))
        # Ten a second each from the journal and from the late answer's context, and what looks after leases: about 30.
        # Without the pauses it would be 200 and more; nobody hammers a storage that is away.
        assert it.database.refused_count < 60
    lines = b"".join(frames).decode().splitlines()
    ids = [int(line.rpartition(":")[2]) for line in lines if line.startswith("id: ")]
    assert ids == list(range(1, len(ids) + 1))
    assert lines.count("event: response.completed") == 1


async def test_the_end_of_an_answer_waits_for_a_storage_that_is_away(database):
    async with inside(database) as it:
        claims = [await it.begin(f"say {number}", saying(3, 0.1)) for number in range(3)]
        await eventually(lambda: it.stored(claims[0]), bool, 5)

        it.database.is_away = True
        await asyncio.sleep(AWAY_S)
        assert it.tally.cells(RUNNING)[0] == 3
        it.database.is_away = False
        await asyncio.wait_for(it.all_ended(), 5)

        for claim in claims:
            await check_complete(it, claim, "word0 word1 word2 ")


async def test_a_model_is_not_read_further_than_a_mebibyte_ahead_of_the_storage(database):
    async with inside(database) as it:
        claim = await it.begin("say much", saying(10_000, 0, "x" * 1000))
        await eventually(lambda: it.stored(claim), bool, 5)
        it.database.is_away = True
        await asyncio.sleep(AWAY_S)
        taken = it.models.taken_count
        await asyncio.sleep(AWAY_S / 2)

        assert it.models.taken_count == taken
        it.database.is_away = False
        stored = len(text_in(await it.stored(claim)))
        assert taken * 1000 - stored <= WAITING_CHARACTERS_MAX * 1.5
        await eventually(lambda: it.stored(claim), lambda rows: len(text_in(rows)) > stored, 5)


@pytest.mark.parametrize("how", ["away", "silent"])
async def test_a_generation_that_cannot_renew_its_lease_stops(database, how):
    async with inside(database, lease_s=1.0) as it:
        claim = await it.begin("say on", talking(30, 0.01))
        await eventually(lambda: it.stored(claim), bool, 5)

        if how == "away":
            it.database.is_away = True
        else:
            it.database.answers.clear()

        await eventually(lambda: as_future("say on" in it.models.closed), bool, 1.0 + 1.0)


async def test_a_generation_whose_text_is_refused_stops_although_its_lease_could_be_renewed(database, monkeypatch):
    async def refuse(tx, rows):
        raise StorageFull

    async with inside(database, lease_s=1.0) as it:
        claim = await it.begin("refused", talking(60, 0.01))
        await eventually(lambda: it.stored(claim), bool, SOON_S)
        monkeypatch.setattr(events, "store", refuse)

        await eventually(lambda: as_future("refused" in it.models.closed), bool, SOON_S)


async def test_a_silent_model_keeps_its_lease(database):
    async with inside(database, lease_s=1.0) as it:
        claim = await it.begin("think", saying(2, 2.5))
        await asyncio.wait_for(it.all_ended(), 10)

        await check_complete(it, claim, "word0 word1 ")


@pytest.mark.parametrize("pause_s", [0.01, 30], ids=["talking", "silent"])
async def test_whoever_lost_its_thread_stops_and_writes_nothing(database, pause_s):
    async with inside(database) as it:
        claim = await it.begin("say on", talking(30, pause_s))
        await eventually(lambda: it.stored(claim), bool, 5)

        await change_stored(database, "update threads set lease_until = 0 where response_id is not null")
        before = await it.stored(claim)
        await eventually(lambda: as_future("say on" in it.models.closed), bool, 2.0)
        await it.all_ended()

        assert await it.stored(claim) == before
        assert (await it.read(claim)).error.code == "interrupted"


async def as_future(value):
    return value


async def test_a_stopping_process_ends_what_was_being_claimed(database):
    """SIGTERM may come while a claim is under way."""
    async with inside(database) as it:
        with it.relay.claiming():
            draining = asyncio.create_task(it.relay.drain(0.1))
            await asyncio.sleep(0.2)
            assert not draining.done()
            claim = await it.begin("say on", talking(30, 0.01))
        await asyncio.wait_for(draining, 2)

        response = await it.read(claim)
        assert (response.status, response.error.code) == ("failed", "interrupted")


async def test_a_response_that_is_ended_before_its_task_runs_is_ended_all_the_same(database):
    async with inside(database) as it:
        claim = await it.begin("say on", talking(30, 0.01))
        # Nothing else has had its turn since the claim.
        async with asyncio.timeout(2):
            await it.relay.drain(0)

        response = await it.read(claim)
        assert (response.status, response.error.code) == ("failed", "interrupted")
