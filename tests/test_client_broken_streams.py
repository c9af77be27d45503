"""Streams whose connections break, anywhere: nothing is lost, nothing comes twice."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

import threadkeep
from conftest import connect
from support.answering import Place, open_place
from support.client_streams import check_whole, joined
from support.cutting_proxy import DROP, Cut, CuttingProxy
from support.either_client import KINDS, client_of
from support.people import People
from support.scripted_model import DONE, STALL, ScriptedModel, finish
from threadkeep.client.asynchronous import names as async_names
from threadkeep.client.asynchronous import streams as async_streams
from threadkeep.client.synchronous import names as sync_names
from threadkeep.client.synchronous import streams as sync_streams
from threadkeep.client.transcript import Frames

pytestmark = pytest.mark.one_database("the client's side of a connection")

STREAMS = 40
CUTS_MAX = 4
AT_ONCE = 20
WORDS = [f"wörd{n} " for n in range(60)]


RESPONSE = (
    '{"id": "resp_1", "object": "response", "createdAt": 1, "completedAt": null, "threadId": "thread_1", '
    '"organizationId": "o", "userId": "u", "assistantId": null, "model": "m", "status": "STATUS", '
    '"finishReason": null, "inputMessageIds": [], "messageId": null, "outputText": "TEXT", "usage": {"inputTokens": 0, '
    '"outputTokens": 0, "totalTokens": 0, "estimated": true}, "error": null, "metadata": {}}'
)
MESSAGE = (
    '{"id": "msg_1", "object": "thread.message", "createdAt": 1, "updatedAt": 1, "threadId": "thread_1", "seq": 1, '
    '"parentId": null, "externalId": null, "payloadFormat": null, '
    '"role": "assistant", "content": [], "status": "in_progress", "userId": null, "assistantId": null, '
    '"responseId": "resp_1", "toolCalls": null, "toolCallId": null, "metadata": {}}'
)


@pytest.fixture(scope="module")
async def place(new_database, zygote) -> AsyncIterator[Place]:
    async with open_place(new_database, zygote) as place:
        yield place


@pytest.fixture
def model(place: Place) -> ScriptedModel:
    return place.fresh_model()


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_forty_streams_that_are_cut_anywhere_lose_and_repeat_nothing(kind, place, model):
    model.script = lambda call: [*[each for word in WORDS for each in (word, 0.005)], finish(), DONE]
    dice = random.Random(20_261_123)
    gate = asyncio.Semaphore(AT_ONCE)
    owner = await place.people.owner()
    cut_count = 0

    async def converse(n: int) -> None:
        nonlocal cut_count
        cuts = [
            Cut(request_bytes=dice.randrange(200), by_reset=dice.random() < 0.5)
            if dice.random() < 0.15
            else Cut(answer_bytes=dice.randrange(4000), by_reset=dice.random() < 0.5)
            for _ in range(dice.randint(1, CUTS_MAX))
        ]
        async with (
            gate,
            await CuttingProxy.start(place.server.port, cuts) as proxy,
            client_of(kind, proxy.url, owner) as client,
            client.threads.responses.stream_in_new_thread(thread={"title": f"{n}"}, input=f"say {n}") as stream,
        ):
            events = [event async for event in stream]
        cut_count += proxy.cuts_count
        check_whole(events)
        assert joined(events, threadkeep.TextDelta) == stream.text == "".join(WORDS)
        assert stream.response.status == "completed"

    await asyncio.gather(*(converse(n) for n in range(STREAMS)))

    assert cut_count >= STREAMS
    # However often it was asked for, each answer was begun once.
    assert sorted(call.last_user_text for call in model.calls) == sorted(f"say {n}" for n in range(STREAMS))
    async with client_of(kind, place.server.url, owner) as client:
        assert len([thread async for thread in client.threads.list()]) == STREAMS


async def test_an_answer_that_is_waited_for_survives_broken_connections_too(kind, place, model):
    model.script = ["Hel", 0.1, "lo", finish(), DONE]
    cuts = [DROP, Cut(answer_bytes=900)]
    async with (
        await CuttingProxy.start(place.server.port, cuts) as proxy,
        client_of(kind, proxy.url, place.cast.ada) as client,
    ):
        response = await client.threads.responses.create_in_new_thread(input="hi")

    assert (response.output_text, len(model.calls)) == ("Hello", 1)


def response(status: str, text: str) -> str:
    return RESPONSE.replace("STATUS", status).replace("TEXT", text)


def created_frame() -> bytes:
    data = f'{{"response": {response("in_progress", "")}, "inputMessages": [], "message": {MESSAGE}}}'
    return frame(1, "response.created", data)


def delta_frame(n: int, delta: str) -> bytes:
    return frame(n, "response.output_text.delta", f'{{"delta": "{delta}"}}')


def completed_frame(n: int, text: str) -> bytes:
    return frame(n, "response.completed", f'{{"response": {response("completed", text)}}}')


def frame(n: int, event: str, data: str) -> bytes:
    return f"id: resp_1:{n}\nevent: {event}\ndata: {data}\n\n".encode()


async def test_a_reset_in_mid_stream_replaces_the_text(kind, scripted_server, pauses):
    reset = f'{{"response": {response("in_progress", "Hello wor")}, "message": null}}'
    connections = [
        [created_frame(), delta_frame(2, "Hel"), b"id: resp_1:3\nevent: response.output_text.delta\nda"],
        [frame(7, "response.reset", reset), frame(8, "response.new_kind", '{"x": 1}')],
        [delta_frame(9, "ld"), completed_frame(10, "Hello world")],
    ]
    scripted_server.script = lambda call: connections[len(scripted_server.calls) - 1]

    async with (
        client_of(kind, scripted_server.url.removesuffix("/v1"), api_key="k") as client,
        client.threads.responses.stream("thread_1", input="hi") as stream,
    ):
        seen = [(event.type, stream.text) async for event in stream]

    assert seen == [
        ("response.created", ""),
        ("response.output_text.delta", "Hel"),
        ("response.reset", "Hello wor"),
        ("response.output_text.delta", "Hello world"),
        ("response.completed", "Hello world"),
    ]
    assert [call.headers.get("last-event-id") for call in scripted_server.calls] == [None, "resp_1:2", "resp_1:8"]
    assert scripted_server.calls[1].path == "/v1/threads/thread_1/responses/resp_1/events"


async def test_a_stream_goes_on_as_long_as_each_connection_brings_something(kind, scripted_server, pauses):
    connections = [[created_frame()], *([delta_frame(n, "x")] for n in range(2, 14)), [completed_frame(14, "x" * 12)]]
    scripted_server.script = lambda call: connections[len(scripted_server.calls) - 1]

    async with (
        client_of(kind, scripted_server.url.removesuffix("/v1"), api_key="k", retries_max=1) as client,
        client.threads.responses.stream("thread_1", input="hi") as stream,
    ):
        check_whole([event async for event in stream])

    assert stream.text == "x" * 12
    assert max(pauses) <= 0.25


@pytest.fixture
async def scripted_server() -> AsyncIterator[ScriptedModel]:
    server = await ScriptedModel.start()
    yield server
    await server.stop()


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that streams would make; they make none."""
    made: list[float] = []

    async def pause(seconds: float) -> None:
        made.append(seconds)

    for module in (async_streams, async_names):
        monkeypatch.setattr(module, "asyncio", SimpleNamespace(sleep=pause))
    for module in (sync_streams, sync_names):
        monkeypatch.setattr(module, "time", SimpleNamespace(sleep=made.append))
    return made


async def test_a_stream_that_never_gets_on_comes_to_an_end(kind, scripted_server, pauses):
    scripted_server.script = [b": ping\n\n"]

    async with client_of(kind, scripted_server.url.removesuffix("/v1"), api_key="k") as client:
        with pytest.raises(threadkeep.ConnectionFailed, match="ended before its response"):
            async with client.threads.responses.stream("thread_1", input="hi"):
                pass

    assert len(scripted_server.calls) == 1 + 4
    assert len({call.headers["idempotency-key"] for call in scripted_server.calls}) == 1
    # Something on the way that compresses would hold events back.
    assert {call.headers["accept-encoding"] for call in scripted_server.calls} == {"identity"}


async def test_a_silent_stream_is_read_again_over_another_connection(kind, place, model):
    go = asyncio.Event()
    model.script = ["Hel", go, "lo", finish(), DONE]
    async with client_of(kind, place.server.url, place.cast.ada, stream_timeout_s=0.2) as client:
        thread = await client.threads.create()
        async with client.threads.responses.stream(thread.id, input="hi") as stream:
            events = []
            async for event in stream:
                events.append(event)
                if isinstance(event, threadkeep.TextDelta) and not go.is_set():
                    asyncio.get_running_loop().call_later(0.5, go.set)

    check_whole(events)
    assert stream.text == "Hello"


async def test_a_short_time_out_for_calls_does_not_hurry_streams(kind, place, model):
    model.script = ["Hel", 0.4, "lo", finish(), DONE]
    async with client_of(kind, place.server.url, place.cast.ada, timeout_s=0.2, retries_max=0) as client:
        thread = await client.threads.create()

        assert (await client.threads.responses.create(thread.id, input="hi")).output_text == "Hello"


async def test_reading_that_is_interrupted_loses_nothing(place, model):
    go = asyncio.Event()
    model.script = ["Hel", go, "lo", finish(), DONE]
    async with client_of("async", place.server.url, place.cast.ada) as client:
        thread = await client.threads.create()
        async with client.threads.responses.stream(thread.id, input="hi") as stream:
            events = [await anext(stream), await anext(stream)]
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(stream), 0.05)
            go.set()
            events += [event async for event in stream]

    check_whole(events)
    assert stream.text == "Hello"


class Interrupted(BaseException):
    """Stands for KeyboardInterrupt and CancelledError, which event loops take as theirs."""


async def test_reading_that_is_interrupted_between_two_steps_loses_nothing(kind, place, model, monkeypatch):
    go = asyncio.Event()
    model.script = ["Hel", go, "lo", finish(), DONE]
    feed, interruptions = Frames.feed, []

    def feed_or_not(frames: Frames, chunk: bytes) -> Any:
        if events and not interruptions:
            interruptions.append(len(events))
            raise Interrupted
        return feed(frames, chunk)

    events = []
    monkeypatch.setattr(Frames, "feed", feed_or_not)
    async with client_of(kind, place.server.url, place.cast.ada) as client:
        thread = await client.threads.create()
        async with client.threads.responses.stream(thread.id, input="hi") as stream:
            for _ in range(2):
                with contextlib.suppress(Interrupted):
                    async for event in stream:
                        events.append(event)
                        go.set()

    assert len(interruptions) == 1
    check_whole(events)
    assert stream.text == "Hello"


@pytest.mark.prove
async def test_a_stream_survives_its_server(start_server, zygote):
    model = await ScriptedModel.start()
    model.script = ["Hel", STALL]
    server = await start_server(**model.settings)
    async with connect(server) as http:
        owner = await People(server, http, zygote).owner()
    events = []
    async with (
        client_of("async", server.url, owner) as client,
        client.threads.responses.stream_in_new_thread(input="hi") as stream,
    ):
        async for event in stream:
            events.append(event)
            if isinstance(event, threadkeep.TextDelta):
                server.kill()
                await server.start()

    check_whole(events)
    assert isinstance(events[-1], threadkeep.ResponseFailed)
    assert (stream.text, stream.response.error.code) == ("Hel", "interrupted")
    await model.stop()


async def test_a_name_survives_connections_that_break_anywhere(kind, place, model, pauses):
    model.script = ["Re", "potting", 0.02, " orchids", 0.02, " well", finish(), DONE]
    async with (
        await CuttingProxy.start(place.server.port) as proxy,
        client_of(kind, proxy.url, place.cast.ada) as client,
    ):
        for answer_bytes in range(0, 480, 40):
            thread = await client.threads.create(messages=[{"role": "user", "content": "How do I repot?"}])
            called = len(model.calls)
            await proxy.cut_next(Cut(answer_bytes=answer_bytes), DROP, Cut(answer_bytes=300))
            stream = client.threads.stream_name(thread.id)
            pieces = [piece async for piece in stream]

            assert "".join(pieces) == stream.generated.name == "Repotting orchids well"
            assert len(model.calls) == called + 1
