"""Streams of runs: read by OpenAI's own client, and told event by event from those of a response."""

import asyncio
import json
from collections import Counter

import httpx
import msgspec
import openai
import pytest
from openai import AssistantEventHandler, AsyncAssistantEventHandler
from openai._streaming import SSEDecoder

from support.answering import open_place
from support.openai_client import PATH, client_of
from support.openai_runs import OUTPUTS, billing, calling_first
from support.scripted_model import DONE, answer_of, finish, reasoning, tool_call
from support.waiting import SOON_S, eventually
from test_translated import Given, emitted
from threadkeep.contract.assistants import Configuration
from threadkeep.contract.events import (
    ResponseCancelled,
    ResponseCompleted,
    ResponseCreated,
    ResponseFailed,
    ResponseReset,
    TextDelta,
    ToolCallDelta,
)
from threadkeep.contract.messages import FunctionCall, TextPart, ToolCall
from threadkeep.contract.responses import ResponseError
from threadkeep.operations.responses.chain_rows import Chain, ChainCall, ChainResponse
from threadkeep.operations.responses.manner import Asked
from threadkeep.operations.responses.rows import StoredResponse, as_created
from threadkeep.runtime.following import CutOff
from threadkeep.runtime.frames import PING, frame_of
from threadkeep.runtime.translated import Translated
from threadkeep.scope import Credential, Role, make_scope
from threadkeep.server.dialects.openai.run_streams import RunStream, begun

pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")


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
async def client(ada, model):
    async with client_of(ada) as client:
        yield client


@pytest.fixture
def threads(client):
    return client.beta.threads


@pytest.fixture
async def assistant(client):
    return await billing(client)


@pytest.fixture
async def thread(threads):
    return await threads.create(messages=[{"role": "user", "content": "Where are they?"}])


def handler_of(kind):
    """A handler of the client's that notes what it is told."""

    class Noting(kind):
        def __init__(self):
            super().__init__()
            self.names = []
            self.told = Counter()
            self.calls_done = []
            self.text_done = None

        def note(self, name, *things):
            self.told[name] += 1
            if name == "on_event":
                self.names.append(things[0].event.removeprefix("thread."))
            if name == "on_tool_call_done":
                self.calls_done.append((things[0].id, things[0].function.name, things[0].function.arguments))
            if name == "on_text_done":
                self.text_done = things[0].value

    def noting(name):
        if kind is AssistantEventHandler:
            return lambda self, *things: self.note(name, *things)

        async def note(self, *things):
            self.note(name, *things)

        return note

    for name in vars(kind):
        if name.startswith("on_"):
            setattr(Noting, name, noting(name))
    return Noting()


async def read(stream):
    async with stream as events:
        await events.until_done()
        return events, await events.get_final_run()


def without_repeats(names):
    return [name for place, name in enumerate(names) if name != (names[place - 1] if place else None)]


BEGUN = ["run.created", "run.queued", "run.in_progress"]
SAID = [
    "run.step.created", "run.step.in_progress", "message.created", "message.in_progress", "message.delta",
    "message.completed", "run.step.completed",
]  # fmt: skip
CALLED = ["run.step.created", "run.step.in_progress", "run.step.delta", "run.requires_action"]


async def test_a_text_is_streamed_from_the_run_to_its_end(threads, thread, assistant, model):
    handler = handler_of(AsyncAssistantEventHandler)

    _, run = await read(threads.runs.stream(thread_id=thread.id, assistant_id=assistant.id, event_handler=handler))

    assert without_repeats(handler.names) == [*BEGUN, *SAID, "run.completed"]
    assert (run.status, run.usage.total_tokens) == ("completed", 12)
    assert run == await threads.runs.retrieve(run.id, thread_id=thread.id)
    [message] = await handler.get_final_messages()
    assert message == await threads.messages.retrieve(message.id, thread_id=thread.id)
    assert (message.run_id, message.content[0].text.value) == (run.id, "Hello world")
    assert (handler.text_done, handler.told["on_text_created"], handler.told["on_message_done"]) == (
        "Hello world",
        1,
        1,
    )
    [step] = (await threads.runs.steps.list(run.id, thread_id=thread.id)).data
    assert [each.id for each in await handler.get_final_run_steps()] == [step.id]


async def test_a_tool_loop_is_streamed(threads, thread, assistant, model):
    model.script = calling_first("Both", " found.")
    asked, answered = (handler_of(AsyncAssistantEventHandler) for _ in range(2))

    _, waiting = await read(threads.runs.stream(thread_id=thread.id, assistant_id=assistant.id, event_handler=asked))
    _, run = await read(
        threads.runs.submit_tool_outputs_stream(
            run_id=waiting.id, thread_id=thread.id, tool_outputs=OUTPUTS, event_handler=answered
        )
    )

    assert without_repeats(asked.names) == [*BEGUN, *CALLED]
    assert asked.calls_done == [
        ("call_a", "find_invoice", '{"number": 1}'), ("call_b", "find_invoice", '{"number": 2}'),
    ]  # fmt: skip
    assert [each.id for each in waiting.required_action.submit_tool_outputs.tool_calls] == ["call_a", "call_b"]
    assert without_repeats(answered.names) == [
        "run.step.completed",
        "run.queued",
        "run.in_progress",
        *SAID,
        "run.completed",
    ]
    assert (run.id, run.status, run.usage.total_tokens) == (waiting.id, "completed", 37)
    assert answered.text_done == "Both found."
    steps = (await threads.runs.steps.list(run.id, thread_id=thread.id, order="asc")).data
    assert [each.function.output for each in steps[0].step_details.tool_calls] == ["one", "two"]


async def test_the_plain_client_streams_a_thread_and_a_run_made_together(ada, assistant, model):
    def run():
        with openai.OpenAI(base_url=f"{ada.client.base_url}{PATH}", api_key=ada.key) as client:
            handler = handler_of(AssistantEventHandler)
            with client.beta.threads.create_and_run_stream(
                assistant_id=assistant.id, thread={"messages": [{"role": "user", "content": "hi"}]},
                event_handler=handler,
            ) as stream:  # fmt: skip
                texts = list(stream.text_deltas)
                return handler, "".join(texts), stream.get_final_run()

    handler, said, run = await asyncio.to_thread(run)

    assert without_repeats(handler.names) == ["created", *BEGUN, *SAID, "run.completed"]
    assert (said, run.status) == ("Hello world", "completed")


async def test_text_before_calls_ends_first_and_calls_are_told_once(threads, thread, assistant, model):
    model.script = ["Let me see.", tool_call(0, "call_a", "find_invoice", ""), tool_call(0, None, None, '{"n": 1}'),
                    finish("tool_calls"), DONE]  # fmt: skip
    handler = handler_of(AsyncAssistantEventHandler)

    _, run = await read(threads.runs.stream(thread_id=thread.id, assistant_id=assistant.id, event_handler=handler))

    assert without_repeats(handler.names) == [*BEGUN, *SAID, *CALLED]
    assert handler.calls_done == [("call_a", "find_invoice", '{"n": 1}')]
    [message] = await handler.get_final_messages()
    assert (message.status, message.content[0].text.value) == ("completed", "Let me see.")
    steps = (await threads.runs.steps.list(run.id, thread_id=thread.id, order="asc")).data
    assert [(each.type, each.status) for each in steps] == [
        ("message_creation", "completed"), ("tool_calls", "in_progress"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("script", "message", "step", "run", "reason"),
    [
        (["Hel", finish("length"), DONE], "incomplete", "completed", "incomplete", "max_tokens"),
        (["Hel", finish("content_filter"), DONE], "incomplete", "failed", "failed", "run_failed"),
    ],
)
async def test_an_answer_that_is_not_whole_says_so(
    threads, thread, assistant, model, script, message, step, run, reason
):
    model.script = script
    handler = handler_of(AsyncAssistantEventHandler)

    _, final = await read(threads.runs.stream(thread_id=thread.id, assistant_id=assistant.id, event_handler=handler))

    assert handler.names[-3:] == [f"message.{message}", f"run.step.{step}", f"run.{run}"]
    [shown] = await handler.get_final_messages()
    assert (shown.incomplete_details.reason, final.status) == (reason, run)


async def test_a_run_that_says_nothing_and_fails_ends_with_failed(threads, thread, assistant, model):
    model.script = [b"data: {broken\n\n"]
    handler = handler_of(AsyncAssistantEventHandler)

    _, run = await read(threads.runs.stream(thread_id=thread.id, assistant_id=assistant.id, event_handler=handler))

    assert handler.names == [*BEGUN, "run.failed"]
    assert (run.status, run.last_error.code) == ("failed", "server_error")


async def test_a_cancel_in_mid_stream_ends_it(threads, thread, assistant, model):
    model.script = ["Hel", asyncio.Event()]
    handler = handler_of(AsyncAssistantEventHandler)

    async with threads.runs.stream(thread_id=thread.id, assistant_id=assistant.id, event_handler=handler) as stream:
        async for event in stream:
            if event.event == "thread.message.delta":
                await threads.runs.cancel(stream.current_run.id, thread_id=thread.id)
        run = await stream.get_final_run()

    assert handler.names[-3:] == ["message.incomplete", "run.step.cancelled", "run.cancelled"]
    assert run.status == "cancelled"
    assert (await handler.get_final_messages())[0].incomplete_details.reason == "run_cancelled"


async def test_reasoning_is_not_passed_on(threads, thread, assistant, model):
    model.script = [reasoning("Hm."), *answer_of("Hello")]
    handler = handler_of(AsyncAssistantEventHandler)

    await read(threads.runs.stream(thread_id=thread.id, assistant_id=assistant.id, event_handler=handler))

    assert without_repeats(handler.names) == [*BEGUN, *SAID, "run.completed"]


async def raw_stream(ada, path, body, headers=None):
    sent = {"authorization": f"Bearer {ada.key}", **(headers or {})}
    async with httpx.AsyncClient(base_url=str(ada.client.base_url)) as client:
        return await client.post(f"{PATH}{path}", json=body, headers=sent)


async def test_a_stream_has_no_ids_and_says_when_it_is_done(ada, thread, assistant, model):
    response = await raw_stream(ada, f"/threads/{thread.id}/runs", {"assistant_id": assistant.id, "stream": True})

    assert response.headers["content-type"].startswith("text/event-stream")
    frames = response.text.split("\n\n")
    assert frames[0] == ": ping"
    assert not any(line.startswith("id:") for line in response.text.splitlines())
    assert frames[-2:] == ["event: done\ndata: [DONE]", ""]
    created = json.loads(frames[1].split("\ndata: ")[1])
    assert (created["status"], created["object"], created["usage"]) == ("queued", "thread.run", None)


async def test_a_retry_with_a_key_streams_the_same_run_from_its_beginning(ada, threads, thread, assistant, model):
    model.script = calling_first("Both found.")
    path, headers = f"/threads/{thread.id}/runs", {"idempotency-key": "once"}
    body = {"assistant_id": assistant.id, "stream": True}

    first = await raw_stream(ada, path, body, headers)
    [run] = (await threads.runs.list(thread.id)).data
    went_on = [
        await raw_stream(
            ada, f"{path}/{run.id}/submit_tool_outputs", {"tool_outputs": OUTPUTS, "stream": True}, headers
        )
        for _ in range(2)
    ]
    again = await raw_stream(ada, path, body, headers)

    assert again.headers["idempotent-replayed"] == "true"
    assert again.text.replace(": ping\n\n", "") == first.text.replace(": ping\n\n", "")
    assert went_on[1].text.replace(": ping\n\n", "") == went_on[0].text.replace(": ping\n\n", "")
    assert len((await threads.runs.list(thread.id)).data) == 1


async def test_who_leaves_cancels_nothing(threads, thread, assistant, model):
    go = asyncio.Event()
    model.script = ["Hel", go, *answer_of("lo")]

    async with threads.runs.stream(thread_id=thread.id, assistant_id=assistant.id) as stream:
        async for event in stream:
            if event.event == "thread.message.delta":
                break
        run_id = stream.current_run.id
    go.set()

    ended = await eventually(
        lambda: threads.runs.retrieve(run_id, thread_id=thread.id), lambda run: run.status == "completed", SOON_S
    )
    assert ended.usage.total_tokens == 12


async def test_a_stream_of_a_deleted_thread_ends_with_a_cancelled_run(threads, thread, assistant, model):
    model.script = ["Hel", asyncio.Event()]
    handler = handler_of(AsyncAssistantEventHandler)

    async with threads.runs.stream(thread_id=thread.id, assistant_id=assistant.id, event_handler=handler) as stream:
        async for event in stream:
            if event.event == "thread.message.delta":
                await threads.delete(thread.id)

    assert handler.names[-3:] == ["message.incomplete", "run.step.cancelled", "run.cancelled"]


# From here on nothing is asked of a server: events of a response go in, frames come out.

SCOPE = make_scope(1, "ORG_ACME", "uid_ada", Role.MEMBER, Credential.KEY)
FIRST, SECOND = (f"resp_{letter * 26}" for letter in "ab")


def row(id, **fields):
    known = dict.fromkeys(StoredResponse._fields)
    known |= {
        "id": id, "created_ms": 1_000_000, "thread_id": "thread_x", "user_id": "uid_ada", "assistant_id": "asst_x",
        "model": "scripted", "status": "in_progress", "input_message_ids": "[]", "metadata": "{}", "input_tokens": 0,
        "output_tokens": 0, "is_estimated": 1, "message_seq": 2, "message_id": f"msg_{id[5:]}", "input_count": 0,
        "content": "[]",
    }  # fmt: skip
    return StoredResponse(**{**known, **fields})


def chain_of(*rows):
    asked = Asked(Configuration(), "Be brief.")
    calls = [ChainCall("call_a", "find", "{}", "found")]
    return Chain(
        [ChainResponse(each, 1, calls if each.id == FIRST and len(rows) > 1 else ()) for each in rows], asked, True
    )


ENDINGS = {"completed": ResponseCompleted, "cancelled": ResponseCancelled, "failed": ResponseFailed}


def frames_of(id, *events, status="completed", finish_reason="stop"):
    """The native stream of a response with these events."""
    response, message = as_created(row(id), SCOPE, None)
    error = ResponseError("interrupted", "The process ended.") if status == "failed" else None
    reason = finish_reason if status == "completed" else None
    ended = msgspec.structs.replace(response, status=status, completed_at=1_005, finish_reason=reason, error=error)
    whole = [
        ResponseCreated(response=response, input_messages=[], message=message),
        *events,
        ENDINGS[status](response=ended),
    ]
    return [frame_of(id, n, event) for n, event in enumerate(whole, 1)]


def call(index, id, name, arguments):
    return ToolCallDelta(index=index, id=id, name=name, arguments=arguments)


async def told(*frames, chain=None, **options):
    """Translate frames; return what the client's own reader of streams makes of it."""
    stream = RunStream(begun(chain or chain_of(row(FIRST)), (chain or chain_of(row(FIRST))).last.row.id), None)
    sent = b"".join(await emitted(Translated(Given(*frames, **options), stream.translate)))
    return [(each.event, each.data) for each in SSEDecoder().iter_bytes(iter([sent]))]


def names_of(events):
    return [name.removeprefix("thread.") for name, _ in events]


async def test_pings_beyond_the_first_disturb_no_client():
    created, *rest = frames_of(FIRST, TextDelta(delta="Hel"), TextDelta(delta="lo"))

    events = await told(PING, created, *(part for each in rest for part in (PING, each, PING, PING)))

    assert names_of(events) == [
        *BEGUN, *SAID[:4], "message.delta", "message.delta", *SAID[5:], "run.completed", "done",
    ]  # fmt: skip
    assert all(json.loads(data) for name, data in events if name != "done")


async def test_the_same_events_give_the_same_frames_however_they_are_cut():
    whole = b"".join(
        frames_of(FIRST, TextDelta(delta="Hel"), call(0, "call_a", "find", "{}"), finish_reason="toolCalls")
    )

    assert await told(whole) == await told(*(whole[at : at + 7] for at in range(0, len(whole), 7)))


async def test_text_after_a_call_goes_on_in_the_message_which_is_not_completed_again():
    events = await told(
        *frames_of(
            FIRST,
            TextDelta(delta="One."),
            call(0, "call_a", "find", "{}"),
            TextDelta(delta=" Two."),
            finish_reason="toolCalls",
        )
    )

    assert names_of(events) == [
        *BEGUN, *SAID, "run.step.created", "run.step.in_progress", "run.step.delta", "run.step.delta", "message.delta",
        "run.requires_action", "done",
    ]  # fmt: skip
    assert len({json.loads(data)["id"] for name, data in events if name == "thread.message.delta"}) == 1


async def test_a_call_is_told_once_and_its_arguments_in_pieces():
    events = await told(
        *frames_of(
            FIRST,
            call(0, "call_a", "find", '{"n":'),
            call(0, None, None, "1}"),
            call(1, "call_b", "find", "{}"),
            finish_reason="toolCalls",
        )
    )

    [created] = [json.loads(data) for name, data in events if name == "thread.run.step.created"]
    assert created["step_details"] == {"type": "tool_calls", "tool_calls": []}
    deltas = [json.loads(data)["delta"] for name, data in events if name == "thread.run.step.delta"]
    assert [each["step_details"]["tool_calls"][0] for each in deltas] == [
        {"index": 0, "type": "function", "id": "call_a", "function": {"name": "find", "arguments": ""}},
        {"index": 0, "type": "function", "function": {"arguments": '{"n":'}},
        {"index": 0, "type": "function", "function": {"arguments": "1}"}},
        {"index": 1, "type": "function", "id": "call_b", "function": {"name": "find", "arguments": ""}},
        {"index": 1, "type": "function", "function": {"arguments": "{}"}},
    ]


@pytest.mark.parametrize("status", ["cancelled", "failed"])
async def test_a_call_that_was_cut_off_ends_its_step(status):
    events = await told(*frames_of(FIRST, call(0, "call_a", "find", '{"n":'), status=status))

    assert names_of(events)[-3:] == [f"run.step.{status}", f"run.{status}", "done"]


async def test_what_goes_on_tells_first_that_the_calls_have_their_outputs():
    chain = chain_of(row(FIRST, status="completed", finish_reason="toolCalls", ended_ms=1_001_000), row(SECOND))

    events = await told(*frames_of(SECOND, TextDelta(delta="Found.")), chain=chain)

    assert names_of(events) == ["run.step.completed", "run.queued", "run.in_progress", *SAID, "run.completed", "done"]
    first, last = json.loads(events[0][1]), json.loads(events[-2][1])
    assert (first["step_details"]["tool_calls"][0]["function"]["output"], first["run_id"]) == ("found", last["id"])
    assert last["id"] == f"run_{'a' * 26}"


@pytest.mark.parametrize("before", [0, 1, 2])
async def test_events_that_are_gone_are_told_as_the_text_so_far(before):
    said = [TextDelta(delta="Hel"), call(0, "call_a", "find", '{"n"')][:before]
    *begin, end = frames_of(FIRST, *said, finish_reason="toolCalls")
    response, message = as_created(row(FIRST), SCOPE, None)
    whole = msgspec.structs.replace(
        message,
        content=[TextPart("Hello")],
        tool_calls=[ToolCall("call_a", "function", FunctionCall("find", '{"n":1}'))],
        metadata={},
    )
    reset = frame_of(FIRST, 9, ResponseReset(response=response, message=whole))

    events = await told(*(begin if before else ()), reset, end)

    deltas = [json.loads(data)["delta"] for name, data in events if name.endswith(".delta")]
    texts = [each["content"][0]["text"]["value"] for each in deltas if "content" in each]
    arguments = [
        each["step_details"]["tool_calls"][0]["function"]["arguments"] for each in deltas if "content" not in each
    ]
    assert ("".join(texts), "".join(arguments)) == ("Hello", '{"n":1}')
    assert names_of(events)[-2:] == ["run.requires_action", "done"]


async def test_a_stream_that_is_cut_off_says_no_end():
    created, said, _ = frames_of(FIRST, TextDelta(delta="Hel"))

    with pytest.raises(CutOff):
        await told(created, said, is_cut=True)
