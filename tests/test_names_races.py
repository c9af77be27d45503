"""Names in races: a person's title wins, a retry does nothing twice, and a process that dies leaves nothing behind."""

import asyncio
import itertools
import time

import pytest

from support.answering import change_stored, open_place
from support.naming import (
    CONVERSATION,
    NAME,
    NAME_PARTS,
    asked,
    events_of,
    hold_name,
    listening,
    parts_of,
)
from support.scripted_model import Head, answer_of
from support.waiting import SOON_S, eventually
from threadkeep.operations import idempotency
from threadkeep.runtime import namer

PERSON_WON = "The title was changed while a name was being made; it stays as it was set."
RACES_COUNT = 100
AT_ONCE_COUNT = 50
STOPPED_S = 15

numbers = itertools.count()


@pytest.fixture(scope="module")
async def place(new_database, zygote):
    async with open_place(new_database, zygote) as place:
        yield place


@pytest.fixture
def ada(place):
    return place.cast.ada


@pytest.fixture
def model(place):
    model = place.fresh_model()
    model.answer(*NAME_PARTS)
    return model


@pytest.fixture
def key():
    return f"key-{next(numbers)}"


async def begin_naming(who, model, thread, name=NAME, **params):
    """Ask for a name; return the request once the model has it, and what lets the model answer."""
    held = hold_name(model, name)
    naming = asyncio.ensure_future(who.generate_name(thread, **params))
    async with asyncio.timeout(SOON_S):
        await held.asked.wait()
    return naming, held.go


# Who wins


@pytest.mark.parametrize("title", ["A person's title", None])
async def test_a_title_that_a_person_sets_meanwhile_stays_and_the_answer_says_so(ada, model, title):
    thread = await ada.create_thread(title="before", messages=CONVERSATION)
    naming, go = await begin_naming(ada, model, thread)

    changed = await ada.update(thread, title=title)
    go.set()
    named = await naming

    assert named.body == {"success": True, "threadId": thread.id, "name": title, "message": PERSON_WON}
    now = await ada.get(thread)
    assert (now.body, now.etag) == (changed.body, changed.etag)


async def test_a_stream_ends_with_the_persons_title(ada, model):
    thread = await ada.create_thread(messages=CONVERSATION)
    naming, go = await begin_naming(ada, model, thread, stream=True)

    await ada.update(thread, title="A person's title")
    go.set()
    events = events_of((await naming).text)

    expected = {"success": True, "threadId": thread.id, "name": "A person's title", "message": PERSON_WON}
    assert events[-1] == ("name.completed", expected)
    assert (await ada.get(thread)).title == "A person's title"


async def test_a_title_that_a_person_changes_there_and_back_stays(ada, model):
    thread = await ada.create_thread(title="before", messages=CONVERSATION)
    naming, go = await begin_naming(ada, model, thread)

    await ada.update(thread, title="between")
    await ada.update(thread, title="before")
    go.set()

    assert (await naming).name == "before"
    assert (await ada.get(thread)).title == "before"


async def test_other_changes_do_not_stop_a_name(ada, model):
    thread = await ada.create_thread(title="before", messages=CONVERSATION)
    naming, go = await begin_naming(ada, model, thread)

    await ada.update(thread, metadata={"a": 1}, visibleInUi=True)
    await ada.post_message(thread, "more")
    go.set()

    assert (await naming).name == NAME
    now = await ada.get(thread)
    assert (now.title, now.metadata) == (NAME, {"a": 1})


async def test_of_two_names_at_once_the_last_one_stays(ada, model):
    thread = await ada.create_thread(messages=CONVERSATION)
    first, first_go = await begin_naming(ada, model, thread)
    second, second_go = await begin_naming(ada, model, thread, "Another fine name")

    second_go.set()
    other = await second
    first_go.set()
    last = await first

    assert (other.name, last.name) == ("Another fine name", NAME)
    assert (await ada.get(thread)).title == NAME


@pytest.mark.prove
async def test_of_a_hundred_titles_set_during_a_slow_name_none_is_lost(ada, model):
    """Every second one is set in the very moment in which the model answers; every tenth is null."""
    go = {str(number): asyncio.Event() for number in range(RACES_COUNT)}
    came = {number: asyncio.Event() for number in go}

    def script(call):
        number = asked(call)[0]["text"].split()[-1]
        came[number].set()
        return [go[number], *answer_of("Name by the", " model")]

    async def race(number):
        thread = await ada.create_thread(title="before", messages=[{"role": "user", "content": f"race {number}"}])
        naming = asyncio.ensure_future(ada.generate_name(thread, stream=int(number) % 3 == 0))
        await came[number].wait()
        if int(number) % 2:
            go[number].set()
        title = None if int(number) % 10 < 2 else f"person {number}"
        changed = await ada.update(thread, title=title)
        go[number].set()
        answer = await naming
        assert (answer.status, changed.status) == (200, 200)
        name = events_of(answer.text)[-1][1]["name"] if answer.body is None else answer.name
        return title, (await ada.get(thread)).title, name

    model.script = script
    results = []
    for start in range(0, RACES_COUNT, AT_ONCE_COUNT):
        results += await asyncio.gather(*(race(str(start + place)) for place in range(AT_ONCE_COUNT)))

    assert [kept for _, kept, _ in results] == [title for title, _, _ in results]
    # Where a person came first the answer carries that title; else the name was saved, then overwritten.
    assert {name for title, _, name in results if name != title} <= {"Name by the model"}
    assert sum(name == title for title, _, name in results) >= RACES_COUNT // 2


# Retries


async def test_a_second_sender_is_told_to_wait_while_the_model_is_asked(ada, model, key):
    thread = await ada.create_thread(messages=CONVERSATION)
    naming, go = await begin_naming(ada.retrying(key), model, thread)

    refused = await ada.retrying(key).generate_name(thread)
    without_key = await ada.generate_name(thread, messages=[{"role": "user", "content": "   "}])
    go.set()
    named = await naming
    again = await ada.retrying(key).generate_name(thread)

    assert (refused.status, refused.code, refused.type) == (409, "request_in_progress", "idempotency_error")
    assert without_key.code == "thread_empty"
    assert (again.status, again.body) == (200, named.body)
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in named.headers
    assert len(model.calls) == 1


async def test_many_senders_at_once_ask_the_model_once(ada, model, key):
    thread = await ada.create_thread(messages=CONVERSATION)
    held = hold_name(model)

    senders = [asyncio.ensure_future(ada.retrying(key).generate_name(thread)) for _ in range(8)]
    refused = [await each for each in itertools.islice(asyncio.as_completed(senders), 7)]
    held.go.set()
    [named] = [answer for answer in await asyncio.gather(*senders) if answer.status == 200]

    assert {(answer.status, answer.code) for answer in refused} == {(409, "request_in_progress")}
    assert named.name == NAME
    assert len(model.calls) == 1


async def test_a_replay_gives_the_stored_answer_though_the_title_changed(ada, model, key):
    thread = await ada.create_thread(messages=CONVERSATION)
    named = await ada.retrying(key).generate_name(thread)
    await ada.update(thread, title="later")

    again = await ada.retrying(key).generate_name(thread)

    assert again.body == named.body
    assert (await ada.get(thread)).title == "later"
    assert len(model.calls) == 1


async def test_a_streamed_name_is_replayed_as_a_stream(ada, model, key):
    thread = await ada.create_thread(messages=CONVERSATION)

    first = await ada.retrying(key).generate_name(thread, stream=True)
    again = await ada.retrying(key).generate_name(thread, stream=True)

    events = events_of(again.text)
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    assert (parts_of(events), events[-1]) == (NAME, events_of(first.text)[-1])
    assert len(model.calls) == 1


@pytest.mark.parametrize("stream", [False, True])
async def test_a_name_is_made_though_its_client_went_away_and_a_retry_gets_it(ada, model, key, stream):
    thread = await ada.create_thread(messages=CONVERSATION)
    held = hold_name(model)
    retrying = ada.retrying(key)

    if stream:
        async with listening(retrying, thread) as parts:
            await anext(parts)
            await held.asked.wait()
    else:
        naming = asyncio.ensure_future(retrying.generate_name(thread))
        await held.asked.wait()
        naming.cancel()
        await asyncio.wait([naming])
    held.go.set()
    named = await eventually(lambda: ada.get(thread), lambda thread: thread.title is not None, SOON_S)
    again = await retrying.generate_name(thread, **({"stream": True} if stream else {}))

    assert named.title == NAME
    assert again.headers["idempotent-replayed"] == "true"
    assert len(model.calls) == 1


@pytest.mark.parametrize("stream", [False, True])
async def test_a_failure_frees_the_key(ada, model, key, stream):
    thread = await ada.create_thread(messages=CONVERSATION)
    retrying = ada.retrying(key)

    model.script = [Head(500)]
    failed = await retrying.generate_name(thread, stream=stream)
    naming, go = await begin_naming(retrying, model, thread, stream=stream)
    await ada.lock(thread)
    go.set()
    locked = await naming
    refused = await retrying.generate_name(thread, stream=stream)
    await ada.unlock(thread)
    model.answer(*NAME_PARTS)
    named = await retrying.generate_name(thread, stream=stream)

    codes = [each.code or events_of(each.text)[-1][1]["error"]["code"] for each in (failed, locked, refused)]
    assert codes == ["model_unavailable", "thread_locked", "thread_locked"]
    assert named.status == 200
    assert "idempotent-replayed" not in named.headers
    assert (await ada.get(thread)).title == NAME


async def test_another_body_with_the_same_key_is_refused_meanwhile_and_afterwards(ada, model, key):
    thread = await ada.create_thread(messages=CONVERSATION)
    naming, go = await begin_naming(ada.retrying(key), model, thread)
    other = [{"role": "user", "content": "something else"}]

    meanwhile = await ada.retrying(key).generate_name(thread, other)
    go.set()
    await naming
    afterwards = await ada.retrying(key).generate_name(thread, other)

    for refused in (meanwhile, afterwards):
        assert (refused.status, refused.code, refused.type) == (422, "key_reused", "idempotency_error")
    assert len(model.calls) == 1


async def test_the_same_key_for_another_thread_is_another_request(ada, model, key):
    threads = [await ada.create_thread(messages=CONVERSATION) for _ in range(2)]

    answers = [await ada.retrying(key).generate_name(thread) for thread in threads]

    assert [answer.threadId for answer in answers] == [thread.id for thread in threads]
    assert len(model.calls) == 2


async def test_a_replay_for_a_deleted_thread_is_404_and_asks_no_model(ada, model, key):
    thread = await ada.create_thread(messages=CONVERSATION)
    await ada.retrying(key).generate_name(thread)
    await ada.delete(thread)

    again = await ada.retrying(key).generate_name(thread)

    assert (again.status, again.code) == (404, "thread_not_found")
    assert len(model.calls) == 1


@pytest.mark.prove
async def test_a_key_of_a_process_that_died_is_reserved_for_eleven_minutes(new_database, zygote, key):
    async with open_place(new_database, zygote) as place:
        ada, model, server = place.cast.ada.retrying(key), place.model, place.server
        thread = await ada.create_thread(messages=CONVERSATION)
        naming, go = await begin_naming(ada, model, thread)
        before_ms = time.time_ns() // 1_000_000

        server.kill()
        go.set()
        await asyncio.wait([naming])
        await server.start()
        refused = await ada.generate_name(thread)
        eleven_minutes_ms = before_ms + 11 * 60 * 1000
        await change_stored(
            server.database, f"update idempotency set expires_ms = 0 where expires_ms <= {eleven_minutes_ms}"
        )
        named = await ada.generate_name(thread)

        assert naming.exception() is not None
        assert (refused.status, refused.code) == (409, "request_in_progress")
        assert (named.status, named.name) == (200, NAME)
        assert "idempotent-replayed" not in named.headers
        assert len(model.calls) == 2


def test_a_key_is_reserved_for_longer_than_a_model_may_be_asked():
    assert idempotency.RESERVED_MS > namer.ASK_S * 1000 + 30_000


@pytest.mark.prove
@pytest.mark.parametrize("stream", [False, True])
async def test_a_server_that_stops_frees_the_key(new_database, zygote, key, stream):
    async with open_place(new_database, zygote, THREADKEEP_DRAIN_S="0.2") as place:
        ada, model, server = place.cast.ada.retrying(key), place.model, place.server
        thread = await ada.create_thread(messages=CONVERSATION)
        naming, _ = await begin_naming(ada, model, thread, stream=stream)

        async with asyncio.timeout(STOPPED_S):
            status = await asyncio.to_thread(server.stop)
        stopped = await naming
        model.answer(*NAME_PARTS)
        await server.start()
        named = await ada.generate_name(thread, stream=stream)

        code = stopped.code or events_of(stopped.text)[-1][1]["error"]["code"]
        assert (status, code) == (0, "unavailable")
        assert "Traceback" not in server.log_text()
        assert named.status == 200
        assert (await ada.get(thread)).title == NAME
