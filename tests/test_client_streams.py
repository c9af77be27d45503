"""Streams of the client: typed events, what they tell, and how they end."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

import threadkeep
from support.answering import Place, begin_talk, open_place
from support.client_streams import check_whole, joined
from support.either_client import KINDS, client_of
from support.scripted_model import DONE, STALL, Head, ScriptedModel, finish, reasoning, tool_call
from threadkeep import errors

pytestmark = pytest.mark.one_database("the client's side of a stream")


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


@pytest.fixture
async def adas(kind, place) -> AsyncIterator[Any]:
    async with client_of(kind, place.server.url, place.cast.ada) as client:
        yield client


async def test_a_stream_gives_typed_events_and_the_text_as_it_grows(adas, model):
    model.script = [reasoning("Hm."), "Hel", 0.06, "lo", tool_call(0, "call_1", "weather", '{"in'),
                    tool_call(0, None, None, '": 1}'), finish("tool_calls"), DONE]  # fmt: skip
    thread = await adas.threads.create()

    async with adas.threads.responses.stream(thread.id, input="hi") as stream:
        assert stream.response.status == "in_progress"
        events, texts = [], []
        async for event in stream:
            events.append(event)
            texts.append(stream.text)

    check_whole(events)
    created = events[0]
    assert isinstance(created, threadkeep.ResponseCreated)
    assert (created.input_messages[0].text, created.message.status) == ("hi", "in_progress")
    assert joined(events, threadkeep.ReasoningDelta) == "Hm."
    assert joined(events, threadkeep.TextDelta) == stream.text == stream.response.output_text == "Hello"
    calls = [event for event in events if isinstance(event, threadkeep.ToolCallDelta)]
    assert (calls[0].id, calls[0].name, "".join(each.arguments for each in calls)) == ("call_1", "weather", '{"in": 1}')
    assert isinstance(events[-1], threadkeep.ResponseCompleted)
    assert stream.response.status == "completed"
    assert texts[0] == ""


async def test_leaving_early_closes_the_connection_and_cancels_nothing(adas, model):
    go = asyncio.Event()
    model.script = ["Hel", go, "lo", finish(), DONE]
    thread = await adas.threads.create()

    async with adas.threads.responses.stream(thread.id, input="hi") as stream:
        async for event in stream:
            if isinstance(event, threadkeep.TextDelta):
                break
    go.set()

    async with adas.threads.responses.follow(thread.id, stream.response.id, after=stream.position) as rest:
        assert (await rest.wait()).output_text == "Hello"
    assert [event async for event in stream] == []


async def test_a_stream_is_cancelled_and_ends_with_what_there_is(adas, model):
    model.script = ["Hel", STALL]
    thread = await adas.threads.create()

    async with adas.threads.responses.stream(thread.id, input="hi") as stream:
        events = []
        async for event in stream:
            events.append(event)
            if isinstance(event, threadkeep.TextDelta):
                await stream.cancel()

    check_whole(events)
    assert isinstance(events[-1], threadkeep.ResponseCancelled)
    assert (stream.text, stream.response.status) == ("Hel", "cancelled")


async def test_an_answer_that_fails_is_an_event_and_no_exception(adas, model):
    model.script = [Head(400, {"content-length": "0"})]
    thread = await adas.threads.create()

    async with adas.threads.responses.stream(thread.id, input="hi") as stream:
        events = [event async for event in stream]

    assert isinstance(events[-1], threadkeep.ResponseFailed)
    assert stream.response.error.code == "model_refused"


async def test_what_the_server_refuses_is_raised_where_the_stream_is_entered(adas, place, model):
    talk = await begin_talk(place.cast.ada, model)

    with pytest.raises(threadkeep.ThreadBusy):
        async with adas.threads.responses.stream(talk.thread.id, input="me too"):
            pass
    with pytest.raises(threadkeep.ThreadBusy):
        await adas.threads.responses.create(talk.thread.id, input="me too")
    await talk.ended(place.cast.ada)


async def test_whatever_runs_in_a_thread_is_followed_from_its_first_event(adas, place, model):
    talk = await begin_talk(place.cast.ada, model)

    stream = await adas.threads.responses.follow_thread(talk.thread.id)
    talk.go.set()
    events = [event async for event in stream]

    check_whole(events)
    assert (stream.text, stream.response.id) == ("Hello", talk.id)
    assert await adas.threads.responses.follow_thread(talk.thread.id) is None


async def test_a_position_of_another_response_gets_the_whole_text_instead(adas, place, model):
    thread = await adas.threads.create()
    first = await adas.threads.responses.create(thread.id, input="one")
    model.answer("Zweite ", "Antwort")
    second = await adas.threads.responses.create(thread.id, input="two")

    async with adas.threads.responses.follow(thread.id, second.id, after=f"{first.id}:2") as stream:
        events = [event async for event in stream]

    assert isinstance(events[0], threadkeep.ResponseReset)
    assert events[0].response.output_text == stream.text == "Zweite Antwort"
    assert isinstance(events[-1], threadkeep.ResponseCompleted)


async def test_an_answer_in_the_background_is_returned_at_once(adas, model):
    go = asyncio.Event()
    model.script = [go, "Hello", finish(), DONE]
    thread = await adas.threads.create()

    begun = await adas.threads.responses.create(thread.id, input="hi", background=True)
    listed = await adas.threads.responses.list(thread.id).page()
    go.set()

    assert begun.status == "in_progress"
    assert [each.id for each in listed.data] == [begun.id]
    async with adas.threads.responses.follow(thread.id, begun.id) as stream:
        ended = await stream.wait()
    assert ended == await adas.threads.responses.retrieve(thread.id, begun.id)
    assert await adas.threads.responses.cancel(thread.id, begun.id) == ended


async def test_who_follows_from_the_end_gets_no_event_and_the_response(adas, model):
    thread = await adas.threads.create()
    async with adas.threads.responses.stream(thread.id, input="hi") as stream:
        await stream.wait()

    async with adas.threads.responses.follow(thread.id, stream.response.id, after=stream.position) as again:
        assert [event async for event in again] == []
        assert (again.response, again.text) == (stream.response, "Hello world")


async def test_the_newest_answer_is_replaced(adas, model):
    thread = await adas.threads.create()
    first = await adas.threads.responses.create(thread.id, input="hi")

    second = await adas.threads.responses.create(thread.id, replaces=first.message_id, temperature=0.5)

    assert [each.id async for each in adas.threads.messages.list(thread.id, role="assistant")] == [second.message_id]


async def test_a_revoked_credential_ends_a_stream_with_its_error(kind, place, model):
    model.script = ["Hel", STALL]
    owner = await place.people.owner()
    other = await place.people.key(owner.organization, owner.user, "owner")
    async with client_of(kind, place.server.url, api_key=other["key"]) as client:
        thread = await client.threads.create()
        async with client.threads.responses.stream(thread.id, input="hi") as stream:
            await owner.delete_key(other["id"])
            with pytest.raises(errors.InvalidCredentials):
                await stream.wait()

    assert (await owner.cancel(thread.id, stream.response.id)).status == 200


async def test_a_name_that_cannot_be_made_is_an_error(kind, place, model):
    model.script = [Head(500, {"content-length": "0"})]
    async with client_of(kind, place.server.url, place.cast.ada) as client:
        thread = await client.threads.create(messages=[{"role": "user", "content": "How do I repot?"}])

        with pytest.raises(errors.ModelUnavailable, match="model_unavailable"):
            [_ async for _ in client.threads.stream_name(thread.id)]
        with pytest.raises(errors.ModelUnavailable):
            await client.threads.generate_name(thread.id)


async def test_texts_with_separators_and_signs_of_all_kinds_come_whole(adas, model):
    said = "a\u2028b\u0085c\r\nd\n\n: e\nid: 7 😀 ü"
    model.answer(*said)
    thread = await adas.threads.create()

    async with adas.threads.responses.stream(thread.id, input="hi") as stream:
        events = [event async for event in stream]

    check_whole(events)
    assert joined(events, threadkeep.TextDelta) == stream.text == said
