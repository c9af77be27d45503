"""Streams: an answer as it is written, for as many readers as there are, whatever they and others do meanwhile."""

import asyncio

import psutil
import pytest

from support.answering import begin_talk, open_place
from support.scripted_model import DONE, STALL, finish, reasoning, tool_call, usage
from support.streams import (
    CANCELLED,
    COMPLETED,
    CREATED,
    FAILED,
    REASONING,
    TEXT,
    TOOL_CALL,
    Stream,
    check_whole,
    events_path,
    responses_path,
    stream_path,
    text_of,
)
from support.waiting import SOON_S, eventually

PING_S = 15
REVOKED_S = 10
READERS = 50
IDLE_READERS = 100


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
def cleo(place, server):
    return place.cast.cleo


@pytest.fixture
def people(place, server):
    return place.people


@pytest.fixture
def model(place):
    return place.fresh_model()


async def test_a_stream_shows_the_response_what_the_model_says_and_one_end(ada, model):
    go = asyncio.Event()
    call = [tool_call(0, "call_1", "look", '{"a"'), tool_call(0, None, None, ": 1}")]
    model.script = [reasoning("Hm."), "Hel", go, "lo", *call, finish("tool_calls"), usage(7, 3), DONE]
    thread = await ada.create_thread()

    async with await Stream.post(ada, responses_path(thread), input="hello", metadata={"a": 1}) as stream:
        await stream.until(TEXT)
        go.set()
        events = await stream.rest()

    check_whole(events)
    created, ended = events[0].data, events[-1].data["response"]
    [said, answer] = (await ada.list_messages(thread)).data
    assert (events[-1].type, stream.is_complete) == (COMPLETED, True)
    assert created["inputMessages"] == [said]
    assert (created["response"]["id"], created["response"]["status"]) == (events[0].response_id, "in_progress")
    assert created["response"]["metadata"] == {"a": 1}
    assert created["message"]["id"] == created["response"]["messageId"] == answer["id"]
    assert (created["message"]["seq"], created["message"]["content"]) == (2, [])
    assert created["message"]["status"] == "in_progress"
    assert "".join(event.data["delta"] for event in events if event.type == REASONING) == "Hm."
    assert stream.text == ended["outputText"] == "Hello" == answer["content"][0]["text"]
    parts = [event.data for event in events if event.type == TOOL_CALL]
    assert [part["index"] for part in parts] == [0] * len(parts)
    assert (parts[0]["id"], parts[0]["name"]) == ("call_1", "look")
    assert "".join(part["arguments"] for part in parts) == answer["toolCalls"][0]["function"]["arguments"] == '{"a": 1}'
    assert ended == (await ada.get_response(thread, ended)).body
    assert ended["usage"] == {"inputTokens": 7, "outputTokens": 3, "totalTokens": 10, "estimated": False}


async def test_a_stream_has_the_headers_that_keep_it_flowing_and_a_ping_at_once(ada, model):
    model.script = [STALL]
    thread = await ada.create_thread()

    async with await Stream.post(ada.with_headers({"x-request-id": "mine"}), responses_path(thread), input="hi") as one:
        created = await one.until(CREATED)
        async with await Stream.follow(ada, thread, created.response_id) as two:
            await two.until(CREATED)
            for stream in (one, two):
                assert stream.status == 200
                assert stream.headers["content-type"].split(";")[0] == "text/event-stream"
                assert stream.headers["cache-control"] == "no-store"
                assert stream.headers["x-accel-buffering"] == "no"
                assert bytes(stream.body).startswith(b": ping\n\n")
            assert one.headers["x-request-id"] == "mine"

    await ada.cancel(thread, created.response_id)


async def test_a_new_thread_and_its_response_are_one_stream(ada, model):
    body = {"thread": {"title": "Made here", "messages": [{"role": "user", "content": "first"}]}, "input": "second"}

    async with await Stream.post(ada, "/v1/responses", **body) as stream:
        events = await stream.rest()

    check_whole(events)
    response = events[-1].data["response"]
    thread = await ada.get(response["threadId"])
    assert (thread.title, thread.messageCount, thread["status"]) == ("Made here", 3, "inactive")
    assert [message["content"][0]["text"] for message in events[0].data["inputMessages"]] == ["second"]
    assert stream.text == response["outputText"] == "Hello world"


async def test_what_stands_in_the_way_of_a_response_is_an_error_and_no_stream(ada, cleo, model):
    locked, empty = await ada.create_thread(), await ada.create_thread()
    await ada.lock(locked)

    for who, thread, status in [(ada, locked, 409), (ada, empty, 400), (cleo, empty, 404)]:
        body = {"stream": True} if thread is empty else {"stream": True, "input": "hi"}
        refused = await who.request("POST", responses_path(thread), body)
        assert refused.status == status
    assert model.calls == []


async def test_a_model_that_fails_ends_the_stream_with_what_it_said(ada, model):
    model.script = ["Hel", b"data: {nonsense\n\n"]
    thread = await ada.create_thread()

    async with await Stream.post(ada, responses_path(thread), input="hello") as stream:
        events = await stream.rest()

    check_whole(events)
    response = events[-1].data["response"]
    assert (events[-1].type, response["status"], response["error"]["code"]) == (FAILED, "failed", "model_unavailable")
    assert stream.text == response["outputText"] == "Hel"


async def test_an_answer_without_anything_still_has_its_beginning_and_its_end(ada, model):
    model.answer()
    thread = await ada.create_thread()

    async with await Stream.post(ada, responses_path(thread), input="hello") as stream:
        events = await stream.rest()

    check_whole(events)
    assert [event.type for event in events] == [CREATED, COMPLETED]
    assert (await ada.get(thread)).messageCount == 1


@pytest.mark.one_database("a ping is of the connection alone, and a test of it takes its fifteen seconds")
async def test_a_silent_model_leaves_its_readers_a_ping_every_15_seconds(ada, model):
    """Also when something came in between: a proxy counts from the last byte, but pings come by the clock."""
    go = asyncio.Event()
    model.script = ["Hel", 2, "lo", go, finish(), DONE]
    thread = await ada.create_thread()

    async with await Stream.post(ada, responses_path(thread), input="hello") as stream:
        while stream.pings_count < 1:
            await stream.more()
        async with asyncio.timeout(PING_S + 0.9):
            while stream.pings_count < 2:
                await stream.more()
        go.set()
        await stream.rest()

    check_whole(stream.events)


async def test_the_first_words_are_shown_before_the_model_says_more(ada, model):
    steps = [asyncio.Event() for _ in range(5)]
    model.script = [each for step in steps for each in ("word ", step)] + [finish(), DONE]
    thread = await ada.create_thread()

    async with await Stream.post(ada, responses_path(thread), input="hello") as stream:
        for step in steps:
            await stream.until(TEXT, SOON_S)
            step.set()
        await stream.rest()

    assert stream.text == "word " * 5


async def test_a_reader_that_goes_away_cancels_nothing(ada, model):
    go = asyncio.Event()
    model.script = ["Hel", go, "lo", finish(), DONE]
    thread = await ada.create_thread()

    stream = await Stream.post(ada, responses_path(thread), input="hello")
    created = await stream.until(CREATED)
    await stream.until(TEXT)
    stream.cut()
    waiting = await Stream.open(ada, "POST", "/v1/responses", {"thread": {}, "input": "waiting"}, reads_head=False)
    await model.called(2)
    waiting.cut()
    go.set()

    ended = await eventually(
        lambda: ada.get_response(thread, created.response_id), lambda it: it["status"] != "in_progress", SOON_S
    )
    assert (ended["status"], ended.outputText) == ("completed", "Hello")
    assert not model.calls[1].gone.is_set()


async def test_fifty_readers_of_one_response_get_the_same_bytes(ada, model):
    go = asyncio.Event()
    model.script = ["begin ", go, *(each for n in range(100) for each in (f"word{n} ", 0.003)), finish(), DONE]
    thread = await ada.create_thread()
    first = await Stream.post(ada, responses_path(thread), input="hello")
    created = await first.until(CREATED)

    async def read(number):
        async with await Stream.follow(ada, thread, created.response_id) as stream:
            # All of them come, one by one, while the model speaks.
            if number == 10:
                go.set()
            await stream.rest()
            return stream

    readers = await asyncio.gather(first.rest(), *(read(number) for number in range(READERS - 1)))

    check_whole(first.events)
    assert {bytes(stream.body) for stream in readers[1:]} == {bytes(first.body)}
    assert first.text == "begin " + "".join(f"word{n} " for n in range(100))
    first.cut()


@pytest.mark.parametrize("how", ["cancel", "lock", "archive", "delete", "interrupt"])
async def test_whoever_ends_a_response_ends_its_streams(ada, model, how):
    talk = await begin_talk(ada, model)
    thread, response = talk.thread, talk.response
    async with (
        await Stream.follow(ada, thread, response) as one,
        await Stream.open(ada, "GET", stream_path(thread)) as two,
    ):
        await asyncio.gather(one.until(TEXT), two.until(TEXT))
        if how == "cancel":
            assert (await ada.cancel(thread, response))["status"] == "cancelled"
        elif how == "interrupt":
            model.answer("new")
            assert (await ada.respond(thread, input="other", whenBusy="interrupt")).outputText == "new"
        else:
            assert (await getattr(ada, how)(thread)).status == 200
        events, others = await asyncio.gather(one.rest(SOON_S), two.rest(SOON_S))

    check_whole(events)
    assert others == events
    ended = events[-1]
    assert (ended.type, one.is_complete, one.text) == (CANCELLED, True, "Hel")
    if how == "delete":
        assert ended.data["response"]["error"]["code"] == "thread_deleted"
    else:
        assert (ended.data["response"]["error"], ended.data["response"]["outputText"]) == (None, "Hel")
    await asyncio.wait_for(model.calls[0].gone.wait(), SOON_S)


async def test_the_stream_of_a_thread_follows_what_runs_and_is_empty_when_nothing_does(ada, cleo, model):
    idle = await ada.create_thread()
    talk = await begin_talk(ada, model)

    nothing = await ada.request("GET", stream_path(idle))
    strangers = [await cleo.request("GET", stream_path(each)) for each in (idle, talk.thread)]
    strangers += [await cleo.request("GET", events_path(talk.thread, talk.response))]
    async with await Stream.open(ada, "GET", stream_path(talk.thread)) as stream:
        await stream.until(TEXT)
        talk.go.set()
        events = await stream.rest()
    afterwards = await ada.request("GET", stream_path(talk.thread))

    check_whole(events)
    assert (nothing.status, afterwards.status, nothing.text) == (204, 204, "")
    assert [(answer.status, answer.code) for answer in strangers] == [(404, "thread_not_found")] * 3
    assert (stream.text, events[0].response_id) == ("Hello", talk.id)


async def test_a_retry_with_the_same_key_follows_from_the_start(ada, model):
    go = asyncio.Event()
    model.script = ["Hel", go, "lo", finish(), DONE]
    thread, who = await ada.create_thread(), ada.retrying("stream-once")

    async with await Stream.post(who, responses_path(thread), input="hello") as one:
        await one.until(TEXT)
        async with await Stream.post(who, responses_path(thread), input="hello") as two:
            await two.until(TEXT)
            one.cut()
            go.set()
            events = await two.rest()
    async with await Stream.post(who, responses_path(thread), input="hello") as three:
        again = await three.rest()

    check_whole(events)
    assert again == events
    assert (two.headers["idempotent-replayed"], three.headers["idempotent-replayed"]) == ("true", "true")
    assert "idempotent-replayed" not in one.headers
    assert (text_of(events), len(model.calls), (await ada.get(thread)).messageCount) == ("Hello", 1, 2)


async def test_streams_of_a_revoked_key_and_of_a_removed_member_end_soon_and_others_go_on(ada, people, model):
    owner = await people.owner()
    key = await owner.create_key(userId="uid_bot", role="admin")
    member = await people.member(owner)
    demoted = await people.member(owner, role="admin")
    user = await people.product_user(owner.with_key(key.key))
    talk = await begin_talk(owner, model)
    own = await begin_talk(member, model)
    hers = await begin_talk(user, model)
    cut = [
        await Stream.follow(owner.with_key(key.key), talk.thread, talk.response),
        await Stream.follow(member, own.thread, own.response),
        await Stream.follow(member.with_token(), own.thread, own.response),
        await Stream.follow(demoted.with_token(), talk.thread, talk.response),
        await Stream.follow(user, hers.thread, hers.response),
    ]
    kept = await Stream.follow(owner, talk.thread, talk.response)
    await asyncio.gather(*(stream.until(TEXT) for stream in [*cut, kept]))

    await owner.delete_key(key)
    await owner.delete_member(member.user)
    await owner.put_member(demoted.user, "member")
    ends = await asyncio.gather(*(stream.rest(REVOKED_S) for stream in cut))

    for events in ends:
        assert [event.is_terminal for event in events] == [False] * len(events)
    talk.go.set()
    own.go.set()
    hers.go.set()
    check_whole(await kept.rest())
    assert kept.text == "Hello"
    for stream in [*cut, kept]:
        stream.cut()


async def test_readers_that_never_read_neither_disturb_others_nor_fill_memory(ada, model, server):
    process = psutil.Process(server.process.pid)
    go = asyncio.Event()
    model.script = ["begin", go, *["x" * 2500] * 100, finish(), DONE]
    thread = await ada.create_thread()
    async with await Stream.post(ada, responses_path(thread), input="hello") as stream:
        created = await stream.until(CREATED)
        idle = [await Stream.follow(ada, thread, created.response_id, receive_bytes=4096) for _ in range(IDLE_READERS)]
        before = process.memory_info().rss
        go.set()
        events = await stream.rest()
        grown = process.memory_info().rss - before

    check_whole(events)
    assert stream.text == "begin" + "x" * 250_000
    assert grown < IDLE_READERS * 1024 * 1024
    assert (await ada.get(thread))["status"] == "inactive"
    for each in idle:
        each.cut()


async def test_a_client_of_http_1_0_gets_a_stream_without_chunks_that_ends_with_its_connection(ada, server, model):
    model.answer("Hello")
    thread = await ada.create_thread()
    body = b'{"input": "hi", "stream": true}'
    head = [
        f"POST {responses_path(thread)} HTTP/1.0",
        *(f"{name}: {value}" for name, value in ada.credential.items()),
        "content-type: application/json",
        f"content-length: {len(body)}",
    ]
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)

    writer.write("\r\n".join([*head, "", ""]).encode() + body)
    async with asyncio.timeout(SOON_S):
        headers, _, stream = (await reader.read(-1)).partition(b"\r\n\r\n")
    writer.close()

    assert b"transfer-encoding" not in headers.lower()
    assert b"connection: close" in headers.lower()
    frames = stream.decode().split("\n\n")
    assert [frame.split("\n")[1] for frame in frames if frame.startswith("id:")] == [
        f"event: {type}" for type in (CREATED, TEXT, COMPLETED)
    ]
