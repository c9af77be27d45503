"""Streams of responses as OpenAI's own client reads them: in order, numbered, and taken up again anywhere."""

import asyncio
import itertools
import json

import httpx
import openai
import pytest
from msgspec import structs

from conftest import connect
from support.answering import change_stored, open_place
from support.cast import Caller
from support.openai_client import PATH, client_of, refusal
from support.people import People
from support.scripted_model import DONE, Head, finish, reasoning, text, tool_call, usage
from support.waiting import SOON_S, eventually
from threadkeep.contract.events import ResponseCompleted, ResponseCreated, ResponseReset, TextDelta, ToolCallDelta
from threadkeep.contract.messages import FunctionCall, Message, TextPart, ToolCall
from threadkeep.contract.responses import Response, ResponseUsage
from threadkeep.runtime.frames import encode
from threadkeep.server.dialects.openai.response_streams import Translation

LETTERS = "0" * 26
ITEM_BEGINS = ["response.output_item.added", "response.content_part.added"]
ITEM_ENDS = ["response.output_text.done", "response.content_part.done", "response.output_item.done"]
BEGIN = ["response.created", "response.in_progress"]
DELTA, CALL_DELTA = "response.output_text.delta", "response.function_call_arguments.delta"
CALL_ENDS = ["response.function_call_arguments.done", "response.output_item.done"]
MIXED = [
    reasoning("hm"),
    text("I "),
    text("look"),
    tool_call(0, "call_1", "find", ""),
    tool_call(0, None, None, '{"n":'),
    tool_call(0, None, None, " 1}"),
    tool_call(1, "call_2", "find", '{"n": 2}'),
    finish("tool_calls"),
    usage(10, 4),
    DONE,
]


@pytest.fixture(scope="module")
async def place(new_database, zygote):
    async with open_place(new_database, zygote) as place:
        yield place


@pytest.fixture
def ada(place):
    return place.cast.ada


@pytest.fixture
def model(place):
    return place.fresh_model()


@pytest.fixture
async def client(ada):
    async with client_of(ada) as client:
        yield client


@pytest.fixture
def responses(client):
    return client.responses


async def read(stream):
    return [each async for each in await stream]


def kinds(events):
    return [each.type for each in events]


def check(events):
    """The numbers have no gap, and the final output is what was told of."""
    assert [each.sequence_number for each in events] == list(range(len(events)))
    output = events[-1].response.output
    for each in events:
        if each.type == "response.output_item.done":
            assert output[each.output_index].to_dict() == each.item.to_dict()
        if hasattr(each, "item_id"):
            assert output[each.output_index].id == each.item_id
    return events[-1].response


async def test_a_text_is_told_in_order(responses, model):
    events = await read(responses.create(input="hi", stream=True))

    assert [kind for kind, _ in itertools.groupby(kinds(events))] == [
        *BEGIN, *ITEM_BEGINS, DELTA, *ITEM_ENDS, "response.completed"
    ]  # fmt: skip
    final = check(events)
    assert "".join(each.delta for each in events if each.type == DELTA) == final.output_text == "Hello world"
    assert (events[0].response.status, events[0].response.output, events[0].response.usage) == ("in_progress", [], None)
    assert events[2].item.to_dict() == {
        "id": final.output[0].id, "type": "message", "role": "assistant", "status": "in_progress", "content": []
    }  # fmt: skip
    assert await responses.retrieve(final.id) == final


async def test_calls_are_told_after_the_text(responses, model):
    model.script = MIXED

    events = await read(responses.create(input="hi", stream=True))

    assert [kind for kind, _ in itertools.groupby(kinds(events))] == [
        *BEGIN, *ITEM_BEGINS, DELTA, *ITEM_ENDS,
        ITEM_BEGINS[0], CALL_DELTA, *CALL_ENDS, ITEM_BEGINS[0], CALL_DELTA, *CALL_ENDS, "response.completed",
    ]  # fmt: skip
    final = check(events)
    assert [each.type for each in final.output] == ["message", "function_call", "function_call"]
    assert [each.arguments for each in final.output[1:]] == ['{"n": 1}', '{"n": 2}']
    added = [each.item for each in events if each.type == ITEM_BEGINS[0]]
    assert [(each.call_id, each.name, each.arguments) for each in added[1:]] == [
        ("call_1", "find", ""), ("call_2", "find", "")
    ]  # fmt: skip
    assert await responses.retrieve(final.id) == final


async def test_calls_alone_begin_at_place_0(responses, model):
    model.script = MIXED[3:]

    final = check(await read(responses.create(input="hi", stream=True)))

    assert [each.type for each in final.output] == ["function_call"] * 2
    assert await responses.retrieve(final.id) == final


async def test_the_clients_own_helper(responses, model):
    model.script = MIXED

    async with responses.stream(model="scripted", input="hi") as stream:
        told = [each async for each in stream]
        final = await stream.get_final_response()

    assert [each.snapshot for each in told if each.type == DELTA][-1] == "I look"
    assert [each.snapshot for each in told if each.type == CALL_DELTA][-1] == '{"n": 2}'
    assert (final.output_text, len(final.output)) == ("I look", 3)
    async with responses.stream(response_id=final.id, starting_after=5) as stream:
        rest = [each async for each in stream]
    assert [each.sequence_number for each in rest] == [
        each.sequence_number for each in told if each.sequence_number > 5
    ]


async def test_the_client_that_does_not_await(ada, model):
    def talk():
        url = f"{str(ada.client.base_url).rstrip('/')}{PATH}"
        with (
            openai.OpenAI(base_url=url, api_key=ada.key) as client,
            client.responses.stream(model="scripted", input="hi") as stream,
        ):
            return [each.type for each in stream], stream.get_final_response().output_text

    told, said = await asyncio.to_thread(talk)
    assert (told[0], told[-1], said) == ("response.created", "response.completed", "Hello world")


async def test_a_background_stream_is_taken_up_at_every_number_while_it_runs_and_later(responses, model):
    go = asyncio.Event()
    model.script = [*MIXED[:5], go, *MIXED[5:]]
    running = await responses.create(input="hi", background=True)
    await model.called()
    first = await responses.retrieve(running.id, stream=True)
    begun = []
    async for each in first:
        begun.append(each)
        if each.type == CALL_DELTA:
            break
    await first.close()
    readers = [
        asyncio.create_task(read(responses.retrieve(running.id, stream=True, starting_after=after)))
        for after in range(len(begun) + 3)
    ]
    await asyncio.sleep(0.2)
    go.set()

    whole = await read(responses.retrieve(running.id, stream=True))

    check(whole)
    assert whole[: len(begun)] == begun
    for after, reader in enumerate(readers):
        assert await reader == whole[after + 1 :]
    for after in range(len(whole) - 1):
        assert await read(responses.retrieve(running.id, stream=True, starting_after=after)) == whole[after + 1 :]
    [last] = await read(responses.retrieve(running.id, stream=True, starting_after=100))
    assert (last.type, last.sequence_number, last.response) == ("response.completed", 101, whole[-1].response)


async def test_a_stream_that_is_left_goes_on_in_the_background(responses, model):
    go = asyncio.Event()
    model.script = ["Hel", go, "lo", finish(), usage(3, 2), DONE]
    stream = await responses.create(input="hi", stream=True, background=True)
    events = []
    async for event in stream:
        events.append(event)
        if event.type == DELTA:
            break
    await stream.close()
    go.set()

    id = events[0].response.id
    rest = await read(responses.retrieve(id, stream=True, starting_after=event.sequence_number))

    assert (rest[0].delta, rest[-1].response.output_text, rest[-1].response.background) == ("lo", "Hello", True)


async def test_events_that_are_gone_are_told_as_one(place, responses, model):
    model.script = MIXED
    whole = await read(responses.create(input="hi", stream=True))
    final = whole[-1].response
    database = place.server.database
    of = f"(select key from responses where id = '{final.id}')"
    await change_stored(database, f"delete from response_events where response = {of}")
    await change_stored(database, f"update responses set events_until_ms = null where id = '{final.id}'")

    again = await read(responses.retrieve(final.id, stream=True))

    assert check(again) == final
    assert kinds(again) == [
        *BEGIN, *ITEM_BEGINS, DELTA, *ITEM_ENDS,
        ITEM_BEGINS[0], CALL_DELTA, *CALL_ENDS, ITEM_BEGINS[0], CALL_DELTA, *CALL_ENDS, "response.completed",
    ]  # fmt: skip
    assert again[0].response == whole[0].response
    [last] = await read(responses.retrieve(final.id, stream=True, starting_after=50))
    assert (last.type, last.sequence_number) == ("response.completed", 51)


async def test_cancel_in_the_middle_of_a_stream(responses, model):
    model.script = ["Hel", 30, "lo", finish(), DONE]
    events = []
    async for each in await responses.create(input="hi", stream=True):
        events.append(each)
        if each.type == DELTA:
            shown = await responses.cancel(events[0].response.id)

    assert kinds(events)[-4:] == [*ITEM_ENDS, "response.incomplete"]
    final = check(events)
    assert final == shown
    assert (final.status, final.output[0].status, final.output_text) == ("cancelled", "incomplete", "Hel")


async def test_an_unfinished_call_of_a_cancelled_response_is_never_done(responses, model):
    model.script = [*MIXED[3:5], 30]
    events = []
    async for each in await responses.create(input="hi", stream=True):
        events.append(each)
        if each.type == CALL_DELTA:
            await responses.cancel(events[0].response.id)

    assert kinds(events) == [*BEGIN, ITEM_BEGINS[0], CALL_DELTA, "response.incomplete"]
    assert events[-1].response.output == []


async def test_an_answer_cut_by_its_length_ends_incomplete(responses, model):
    model.script = ["Hel", finish("length"), usage(3, 1), DONE]

    events = await read(responses.create(input="hi", stream=True))

    final = check(events)
    assert (events[-1].type, final.status) == ("response.incomplete", "incomplete")
    assert (final.incomplete_details.reason, final.output[0].status) == ("max_output_tokens", "incomplete")


async def test_a_model_that_refuses_ends_the_stream_as_failed(responses, model):
    refused = b'{"error": {"message": "no"}}'
    model.script = [Head(400, {"content-type": "application/json", "content-length": str(len(refused))}), refused]

    events = await read(responses.create(input="hi", stream=True))

    assert kinds(events) == [*BEGIN, "response.failed"]
    assert events[-1].response.error.code == "invalid_prompt"


async def test_a_thread_that_is_deleted_ends_the_stream(ada, client, responses, model):
    model.script = ["Hel", 30]
    conversation = await client.conversations.create()
    events = []
    async for each in await responses.create(input="hi", stream=True, conversation=conversation.id):
        events.append(each)
        if each.type == DELTA:
            await client.conversations.delete(conversation.id)

    final = events[-1].response
    assert (events[-1].type, final.status, final.output) == ("response.incomplete", "cancelled", [])


async def test_a_response_that_is_not_stored_streams_and_is_gone(responses, model):
    events = await read(responses.create(input="hi", stream=True, store=False))

    final = check(events)
    assert (final.output_text, final.store) == ("Hello world", False)

    async def is_gone():
        try:
            await responses.retrieve(final.id)
        except openai.NotFoundError:
            return True
        return False

    await eventually(is_gone, bool, SOON_S)


async def test_after_a_kill_another_process_goes_on_with_the_numbers(start_server, model, zygote):
    settings = {**model.settings, "THREADKEEP_LEASE_S": "2"}
    model.script = ["Hel", 30]
    first = await start_server(**settings)
    begun = []
    async with connect(first) as connected:
        owner = await People(first, connected, zygote).owner()
        async with client_of(owner) as client:
            stream = await client.responses.create(input="hi", background=True, stream=True)
            async for each in stream:
                begun.append(each)
                if each.type == DELTA:
                    break
            first.kill()
    second = await start_server(first.database, **settings)
    async with connect(second) as connected:
        owner = Caller(connected, organization=owner.organization, user=owner.user, key=owner.key)
        async with client_of(owner) as client:
            id = begun[0].response.id
            rest = await read(client.responses.retrieve(id, stream=True, starting_after=begun[-1].sequence_number))
            whole = await read(client.responses.retrieve(id, stream=True))

    assert kinds(rest) == [*ITEM_ENDS, "response.failed"]
    assert [*begun, *rest] == whole
    assert check(whole).error.code == "server_error"


async def test_a_retry_with_its_key_gets_the_same_stream(responses, model):
    key = {"Idempotency-Key": "streamed once"}

    first = await read(responses.create(input="hi", stream=True, extra_headers=key))
    again = await read(responses.create(input="hi", stream=True, extra_headers=key))

    assert (again, len(model.calls)) == (first, 1)


@pytest.mark.one_database("a ping is of the connection alone, and a test of it takes its fifteen seconds")
async def test_the_bytes_have_no_ids_and_pings_do_not_disturb(ada, model):
    model.script = ["Hel", 16, "lo", finish(), DONE]
    credential = {"authorization": f"Bearer {ada.key}"}
    async with (
        httpx.AsyncClient(base_url=f"{str(ada.client.base_url).rstrip('/')}{PATH}", headers=credential) as raw,
        client_of(ada) as client,
    ):
        stream = asyncio.create_task(read(client.responses.create(input="hi", stream=True)))
        answer = await raw.post("/responses", json={"input": "hi", "stream": True}, timeout=30)
        final = check(await stream)

    frames = answer.text.split("\n\n")
    assert frames[0] == ": ping"
    assert frames.count(": ping") >= 2
    for frame in frames[:-1]:
        if not frame.startswith(":"):
            name, data = frame.split("\n")
            assert name == f"event: {json.loads(data.removeprefix('data: '))['type']}"
    assert "[DONE]" not in answer.text
    assert frames[-1] == ""
    assert final.output_text == "Hello"


async def test_what_cannot_be_followed_is_refused(place, responses, model):
    made = await responses.create(input="hi")
    async with client_of(place.cast.ben) as client:
        error = await refusal(openai.NotFoundError, client.responses.retrieve(made.id, stream=True))
    assert error.code == "response_not_found"
    await refusal(openai.BadRequestError, responses.retrieve(made.id, stream=True, starting_after=-1))


# The translation by itself: what no server of models says in a test.

RESPONSE = Response(
    f"resp_{LETTERS}", "response", 1, None, "thread_1", "ORG", "uid", None, "scripted", "in_progress", None, [],
    f"msg_{LETTERS}", "", ResponseUsage(1, 1, 2, False), None, {},
)  # fmt: skip


def ended(output_text):
    return ResponseCompleted(
        response=structs.replace(RESPONSE, status="completed", finish_reason="stop", output_text=output_text)
    )


def message(output_text="", calls=None):
    return Message(
        f"msg_{LETTERS}", "thread.message", 1, 1, "thread_1", 1, None, None, "assistant",
        [TextPart(output_text)] if output_text else [], "completed", "uid", None, None, calls, None, None, {},
    )  # fmt: skip


CREATED = ResponseCreated(response=RESPONSE, input_messages=[], message=message())


def told(*events, after=-1):
    translation = Translation(None, after)
    frames = b"".join(translation.translate("", n, each.type, encode(each)) for n, each in enumerate(events))
    return [json.loads(frame.split(b"\ndata: ")[1]) for frame in frames.split(b"\n\n")[:-1]]


def call(index, arguments="", id=None, name=None):
    return ToolCallDelta(index=index, id=id, name=name, arguments=arguments)


def test_text_after_a_call_is_more_of_the_same_message():
    events = told(
        CREATED,
        TextDelta(delta="a"),
        call(0, "{}", "call_1", "find"),
        TextDelta(delta="b"),
        ended("ab"),
    )

    assert [(each["output_index"], each["delta"]) for each in events if each["type"] == DELTA] == [(0, "a"), (0, "b")]
    assert [each["type"] for each in events].count("response.output_text.done") == 1
    output = events[-1]["response"]["output"]
    assert [each["type"] for each in output] == ["message", "function_call"]
    assert output[0]["content"][0]["text"] == "ab"


def test_text_that_begins_after_a_call_has_the_place_behind_it():
    events = told(CREATED, call(0, "{}", "call_1", "find"), TextDelta(delta="b"), ended("b"))

    output = events[-1]["response"]["output"]
    for each in events:
        if each["type"] == "response.output_item.done":
            assert output[each["output_index"]] == each["item"]
    assert [each["type"] for each in output] == ["function_call", "message"]


def test_a_call_is_told_when_its_id_and_name_are_known_or_at_the_end():
    events = told(
        CREATED, call(0, '{"n":', None, "find"), call(0, " 1}", "call_1"), call(1, "{}", None, "find"), ended("")
    )

    calls = [each["item"] for each in events if each["type"] == "response.output_item.done"]
    assert [(each["call_id"], each["arguments"]) for each in calls] == [("call_1", '{"n": 1}'), ("call_1", "{}")]
    assert [each["id"] for each in calls] == [f"fc_{LETTERS}_0", f"fc_{LETTERS}_1"]


def test_a_reset_in_the_middle_tells_what_is_missing():
    calls = [ToolCall("call_1", "function", FunctionCall("find", '{"n": 1}'))]
    so_far = structs.replace(RESPONSE, output_text="abc")

    events = told(
        CREATED, TextDelta(delta="a"), ResponseReset(response=so_far, message=message("abc", calls)), ended("abc")
    )

    assert [each["delta"] for each in events if each["type"] == DELTA] == ["a", "bc"]
    assert [each["sequence_number"] for each in events] == list(range(len(events)))
    assert events[-1]["response"]["output"][1]["arguments"] == '{"n": 1}'


@pytest.mark.parametrize("after", range(-1, 12))
def test_any_number_is_a_place_to_go_on(after):
    said = [CREATED, TextDelta(delta="a"), call(0, "{}", "call_1", "find"), ended("a")]

    events, whole = told(*said, after=after), told(*said)

    expected = [each for each in whole if each["sequence_number"] > after]
    assert [each["type"] for each in events] == [each["type"] for each in expected or whole[-1:]]
    assert events[-1]["sequence_number"] > after


def test_calls_that_are_made_side_by_side_are_each_done():
    events = told(
        CREATED,
        call(0, "", "call_0", "find"),
        call(1, '{"n"', "call_1", "find"),
        call(0, '{"n": 0}'),
        call(1, ": 1}"),
        ended(""),
    )

    done = [each for each in events if each["type"] == "response.function_call_arguments.done"]
    assert sorted((each["output_index"], each["arguments"]) for each in done) == [(0, '{"n": 0}'), (1, '{"n": 1}')]
    assert sum(each["type"] == "response.output_item.done" for each in events) == 2
