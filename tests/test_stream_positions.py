"""Positions in a stream: a reader that comes back, from wherever it was, loses nothing and sees nothing twice."""

import asyncio
import random

import pytest

from support.answering import begin_talk, change_stored, open_place
from support.scripted_model import DONE, STALL, finish, reasoning
from support.stored import stored_in
from support.streams import (
    COMPLETED,
    CREATED,
    FAILED,
    RESET,
    TEXT,
    Stream,
    check_whole,
    events_path,
    responses_path,
    stream_path,
    text_of,
)
from support.waiting import SWEPT_S, eventually

CUTS = 30
WORDS = [f"w{number}·" for number in range(300)]
MALFORMED = ["12", "resp_", "resp_x:1", "msg_01m83e979ce2jrryx7ddqstp6x:1", "{}:", "{}:-1", "{}:1x", "{}: 1", "{} :1"]


@pytest.fixture(scope="module")
async def place(new_database, zygote):
    async with open_place(new_database, zygote) as place:
        yield place


@pytest.fixture
def server(place):
    return place.server


@pytest.fixture
def ada(place, server):
    return place.cast.ada


@pytest.fixture
def model(place):
    return place.fresh_model()


async def finished(ada, model, *texts):
    """Return a thread, the id of its response that has ended, and the response's events."""
    read = [asyncio.Event() for _ in texts]
    model.script = [*(step for text, is_read in zip(texts, read, strict=True) for step in (text, is_read)), finish()]
    thread = await ada.create_thread()
    async with await Stream.post(ada, responses_path(thread), input="hello") as stream:
        for is_read in read:
            await stream.until(TEXT)
            is_read.set()
        events = await stream.rest()
    check_whole(events)
    return thread, events[0].response_id, events


async def read_from(ada, thread, response_id, after=None):
    async with await Stream.follow(ada, thread, response_id, after) as stream:
        assert stream.status == 200
        return await stream.rest()


async def test_from_every_position_of_a_finished_stream_the_rest_comes(ada, model):
    thread, response_id, events = await finished(ada, model, "one ", "two ", "three")
    assert len(events) == 5

    for event in events[:-1]:
        by_header = await read_from(ada, thread, response_id, event.id)
        async with await Stream.open(ada, "GET", f"{events_path(thread, response_id)}?after={event.id}") as stream:
            by_query = await stream.rest()
        assert by_header == by_query == events[event.n :]
    assert await read_from(ada, thread, response_id) == events


async def test_before_the_first_event_is_the_start_however_far_the_response_is(ada, model):
    thread, response_id, events = await finished(ada, model, "one")
    talk = await begin_talk(ada, model)

    assert await read_from(ada, thread, response_id, f"{response_id}:0") == events
    async with await Stream.follow(ada, talk.thread, talk.response, f"{talk.id}:0") as stream:
        assert stream.status == 200
        await stream.until(CREATED)
        talk.go.set()
        check_whole(await stream.rest())


async def test_what_the_browser_remembers_counts_before_what_the_address_says(ada, model):
    thread, response_id, events = await finished(ada, model, "one ", "two ", "three")

    path = f"{events_path(thread, response_id)}?after={events[0].id}"
    async with await Stream.open(ada, "GET", path, headers={"last-event-id": events[2].id}) as stream:
        assert await stream.rest() == events[3:]
    async with await Stream.open(ada, "GET", path, headers={"last-event-id": ""}) as stream:
        assert await stream.rest() == events[1:]


async def test_whoever_has_the_terminal_event_gets_nothing_more(ada, model):
    thread, response_id, events = await finished(ada, model, "one")

    by_header = await ada.with_headers({"last-event-id": events[-1].id}).request(
        "GET", events_path(thread, response_id)
    )
    by_query = await ada.request("GET", events_path(thread, response_id), params={"after": events[-1].id})

    assert [(answer.status, answer.text) for answer in (by_header, by_query)] == [(204, "")] * 2


async def test_what_is_no_position_is_refused(ada, model):
    thread, response_id, _ = await finished(ada, model, "one")
    path = events_path(thread, response_id)

    for text in [each.replace("{}", response_id) for each in MALFORMED]:
        by_query = await ada.request("GET", path, params={"after": text})
        by_header = await ada.with_headers({"last-event-id": text}).request("GET", path)
        of_thread = await ada.request("GET", stream_path(thread), params={"after": text})
        for answer, param in [(by_query, "after"), (by_header, "Last-Event-ID"), (of_thread, "after")]:
            assert (answer.status, answer.code, answer.param) == (400, "invalid_parameter", param), text
    strange = await ada.client.get(path, headers={**ada.credential, b"last-event-id": b"\xff\xfe:1"})
    assert strange.status_code == 400
    assert (await ada.request("GET", path, params={"before": f"{response_id}:1"})).status == 400


@pytest.mark.parametrize("beyond", [1, 7, 999_999_000])
async def test_a_position_beyond_the_end_is_answered_with_the_whole_text(ada, model, beyond):
    thread, response_id, events = await finished(ada, model, "one ", "two")

    [reset, end] = await read_from(ada, thread, response_id, f"{response_id}:{events[-1].n + beyond}")

    assert (reset.type, reset.id) == (RESET, events[-2].id)
    assert reset.data["response"]["outputText"] == "one two"
    assert reset.data["message"]["content"] == [{"type": "text", "text": "one two"}]
    assert end == events[-1]


@pytest.mark.parametrize("place_of", ["beyond", "another"])
async def test_a_position_that_a_running_response_never_had_is_reset_and_goes_on(ada, model, place_of):
    _, other_id, _ = await finished(ada, model, "other")
    talk = await begin_talk(ada, model, "Hel", "lo")
    position = f"{other_id}:2" if place_of == "another" else f"{talk.id}:50"

    for path in (events_path(talk.thread, talk.response), stream_path(talk.thread)):
        async with await Stream.open(ada, "GET", path, headers={"last-event-id": position}) as stream:
            reset = await stream.until(RESET)
            assert (reset.id, text_of([reset])) == (f"{talk.id}:2", "Hel")
            assert (reset.data["response"]["status"], reset.data["message"]["status"]) == ("in_progress", "in_progress")
            assert reset.data["message"]["content"] == [{"type": "text", "text": "Hel"}]
            if path == stream_path(talk.thread):
                talk.go.set()
                events = await stream.rest()

    assert [event.n for event in events] == [2, 3, 4]
    assert ([event.type for event in events], text_of(events)) == ([RESET, TEXT, COMPLETED], "Hello")


async def test_after_ten_minutes_a_reset_stands_for_the_events(ada, model, server):
    thread, response_id, events = await finished(ada, model, "one ", "two ", "three")
    empty, empty_id, _ = await finished(ada, model)

    await change_stored(server.database, "update responses set events_until_ms = 1 where events_until_ms is not null")
    async with stored_in(server.database) as stored:
        await eventually(
            lambda: stored.rows(
                f"select 1 from response_events where response = (select key from responses where id = '{response_id}')"
            ),
            lambda rows: rows == [],
            SWEPT_S,
        )
        await eventually(
            lambda: stored.rows("select 1 from responses where events_until_ms is not null"),
            lambda rows: rows == [],
            SWEPT_S,
        )

    for after in (None, events[0].id, events[2].id, f"{response_id}:99"):
        [reset, end] = await read_from(ada, thread, response_id, after)
        assert (reset.type, reset.id, text_of([reset])) == (RESET, events[-2].id, "one two three")
        assert end == events[-1]
    assert await read_from(ada, thread, response_id, events[-2].id) == events[-1:]
    done = await ada.request("GET", events_path(thread, response_id), params={"after": events[-1].id})
    assert done.status == 204
    assert [(event.type, event.n) for event in await read_from(ada, empty, empty_id)] == [(RESET, 1), (COMPLETED, 2)]


async def test_what_was_deleted_is_streamed_no_more(ada, model):
    thread, response_id, events = await finished(ada, model, "secret ", "words")
    await ada.delete_message(thread, events[-1].data["response"]["messageId"])

    after_message = await read_from(ada, thread, response_id)
    in_cleared, cleared_id, _ = await finished(ada, model, "secret ", "words")
    await ada.delete_messages(in_cleared)
    after_all = await read_from(ada, in_cleared, cleared_id)
    await ada.delete(thread)
    after_thread = await ada.request("GET", events_path(thread, response_id))

    for found in (after_message, after_all):
        assert [event.type for event in found] == [RESET, COMPLETED]
        assert "secret" not in str(found)
        assert (found[0].data["message"], found[1].data["response"]["messageId"]) == (None, None)
    assert (after_thread.status, after_thread.code) == (404, "thread_not_found")


async def test_readers_that_are_cut_anywhere_and_come_back_get_every_word_once(ada, model):
    """The text streamed is the text stored is what the model sent, for each of them."""
    chooser = random.Random(11)
    model.script = [reasoning("Hm."), *(each for word in WORDS for each in (word, 0.003)), finish(), DONE]
    thread = await ada.create_thread()
    async with await Stream.post(ada, responses_path(thread), input="hello") as stream:
        created = await stream.until(CREATED)
        readers = [read_in_pieces(ada, thread, created.response_id, random.Random(n)) for n in range(CUTS)]
        whole, *pieced = await asyncio.gather(stream.rest(), *readers)

    check_whole(whole)
    assert text_of(whole) == "".join(WORDS)
    assert (await ada.get_response(thread, created.response_id)).outputText == "".join(WORDS)
    assert all(events == whole for events in pieced)
    assert await read_in_pieces(ada, thread, created.response_id, chooser) == whole


async def read_in_pieces(who, thread, response_id, chooser):
    """Follow a response by 2 to 6 connections, each but the last cut at a random byte; return all events."""
    events = []
    await asyncio.sleep(chooser.uniform(0, 1))
    for _ in range(chooser.randint(1, 5)):
        async with await Stream.follow(who, thread, response_id, events[-1].id if events else None) as stream:
            if stream.status == 204:
                return events
            await stream.read_bytes(chooser.randint(1, 6000))
            stream.cut()
            events += stream.events
    if events and events[-1].is_terminal:
        return events
    return events + await read_from(who, thread, response_id, events[-1].id if events else None)


async def test_a_long_answer_is_read_from_the_start_at_any_moment(ada, model):
    """More events than are read at a time, and long ones."""
    words = ["x" * 20_000, *(f"{number}," for number in range(700)), "y" * 90_000]
    model.script = [*(each for word in words for each in (reasoning("."), word)), STALL]
    thread = await ada.create_thread()
    async with await Stream.post(ada, responses_path(thread), input="hello") as stream:
        created = await stream.until(CREATED)
        while len(stream.text) < len("".join(words)):
            await stream.more()
        async with await Stream.follow(ada, thread, created.response_id) as late:
            while len(late.text) < len("".join(words)):
                await late.more()
            await ada.cancel(thread, created.response_id)
            events, others = await asyncio.gather(stream.rest(), late.rest())

    check_whole(events)
    assert others == events
    assert text_of(events) == "".join(words)
    assert await read_from(ada, thread, created.response_id) == events
    assert FAILED not in {event.type for event in events}
