"""Sessions of OpenAI's Agents SDK: what goes in comes out equal, reads well for a person, and runs go on with it."""

import asyncio

import pytest
from agents import Agent, RunConfig, Runner, SessionSettings, function_tool, set_tracing_disabled
from agents.memory import Session
from agents.testing import ScriptedModel, assistant_message, function_call

import threadkeep
from threadkeep.integrations.openai_agents import ThreadkeepSession

set_tracing_disabled(True)

ODD = [
    {"role": "developer", "content": "Be kind."},
    {
        "role": "user",
        "content": [
            {"type": "input_text", "text": "What is\0 on it? \ud83d"},
            {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0=", "detail": "auto"},
        ],
    },
    {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x" * 20_000},
    {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "output_text", "text": "I look.", "annotations": [], "logprobs": [{"x": 2**60}]}],
    },
    {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "find", "arguments": '{"number": 17}'},
    {"type": "function_call_output", "call_id": "call_1", "output": [{"type": "input_text", "text": "40 EUR"}]},
    {
        "type": "web_search_call",
        "id": "ws_1",
        "status": "completed",
        "action": {"type": "search", "query": "rate", "deep": {"a": [1.5, {"b": []}]}},
    },
    {
        "type": "mcp_approval_request",
        "id": "mcpr_1",
        "name": "delete",
        "arguments": "{}",
        "server_label": "files",
    },
    {"type": "mcp_approval_response", "approval_request_id": "mcpr_1", "approve": False, "reason": "Never."},
    {
        "type": "mcp_call",
        "id": "mcp_1",
        "name": "read",
        "arguments": "{}",
        "server_label": "files",
        "output": "A file.",
    },
    {"type": "compaction", "id": "cmp_1", "encrypted_content": "gAAA"},
    {"role": "assistant", "content": [{"type": "refusal", "refusal": "I will not."}]},
    {"role": "user", "content": ""},
]
SHOWN = [
    ("system", "Be kind."),
    ("user", "What is on it? "),
    ("assistant", ""),
    ("assistant", "I look."),
    ("assistant", ""),
    ("tool", "40 EUR"),
    ("assistant", ""),
    ("assistant", ""),
    ("user", "Never."),
    ("assistant", "A file."),
    ("assistant", ""),
    ("assistant", "I will not."),
    ("user", ""),
]


def said(text):
    return {"role": "user", "content": text}


@pytest.fixture
def session(either):
    return ThreadkeepSession("session 1", either)


async def test_items_come_out_as_they_went_in(either, session):
    assert isinstance(session, Session)
    assert await session.get_items() == []
    await session.add_items(ODD[:2])
    await session.add_items(ODD[2:])
    await session.add_items([])

    again = ThreadkeepSession("session 1", either)

    assert await again.get_items() == ODD
    assert again.thread_id == session.thread_id


async def test_a_person_reads_texts_calls_and_results(service, session):
    await session.add_items(ODD)

    thread = service.threads.retrieve(session.thread_id)
    shown = list(service.threads.messages.list(session.thread_id))
    calls = [call for each in shown for call in each.tool_calls or ()]

    assert (thread.external_id, thread.metadata) == ("session 1", {"source": "openai-agents", "session": "session 1"})
    assert [(each.role, each.text) for each in shown] == SHOWN
    assert [(call.id, call.function.name, call.function.arguments) for call in calls] == [
        ("call_1", "find", '{"number": 17}'),
        ("ws_1", "web_search_call", '{"type": "search", "query": "rate", "deep": {"a": [1.5, {"b": []}]}}'),
        ("mcpr_1", "delete", "{}"),
        ("mcp_1", "read", "{}"),
    ]
    assert shown[5].tool_call_id == "call_1"


async def test_what_others_write_is_read_as_well_and_an_edit_wins(service, session):
    await session.add_items([said("What is on invoice 17?")])
    [mine] = service.threads.messages.list(session.thread_id)
    service.threads.messages.update(session.thread_id, mine.id, content="What is on invoice 18?")
    calls = [
        {"id": f"call_{number}", "type": "function", "function": {"name": "f", "arguments": "{}"}} for number in (1, 2)
    ]
    picture = {"type": "image", "url": "https://example.com/a.png"}
    service.threads.messages.create_many(
        session.thread_id,
        [
            {"role": "assistant", "content": "I look.", "tool_calls": calls},
            {"role": "tool", "content": "40 EUR", "tool_call_id": "call_1"},
            {"role": "user", "content": [{"type": "text", "text": "And this?"}, picture]},
        ],
    )

    edited, *rest = await session.get_items()

    assert edited == said("What is on invoice 18?")
    assert rest == [
        {"role": "assistant", "content": "I look."},
        {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"},
        {"type": "function_call", "call_id": "call_2", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_1", "output": "40 EUR"},
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "And this?"},
                {"type": "input_image", "image_url": picture["url"], "detail": "auto"},
            ],
        },
    ]
    assert await session.get_items(limit=3) == rest[-3:]


async def test_popping_takes_items_one_by_one_also_of_a_message_that_is_several(service, session):
    await session.add_items([said("Look.")])
    calls = [
        {"id": f"call_{number}", "type": "function", "function": {"name": "f", "arguments": "{}"}} for number in (1, 2)
    ]
    service.threads.messages.create(session.thread_id, role="assistant", content="I look.", tool_calls=calls)
    before = await session.get_items()

    popped = [await session.pop_item() for _ in range(5)]

    assert popped == [*reversed(before), None]
    assert len(before) == 4


async def test_the_newest_items_are_read_as_the_session_or_the_call_says(either, session):
    await session.add_items([said(str(number)) for number in range(250)])
    limited = ThreadkeepSession("session 1", either, session_settings=SessionSettings(limit=3))

    async def read(of, *limit):
        return [int(each["content"]) for each in await of.get_items(*limit)]

    assert await read(session) == list(range(250))
    assert await read(session, 120) == list(range(130, 250))
    assert await read(session, 1000) == list(range(250))
    assert await read(session, 0) == []
    assert await read(limited) == [247, 248, 249]
    assert await read(limited, 1) == [249]


async def test_clearing_keeps_the_thread(session):
    await session.clear_session()
    await session.add_items([said("Hello.")])
    thread_id = session.thread_id

    await session.clear_session()

    assert await session.get_items() == []
    assert await session.pop_item() is None
    await session.add_items([said("Hello again.")])
    assert session.thread_id == thread_id


async def test_those_who_pop_at_once_get_each_another_item(either, session):
    await session.add_items([said(str(number)) for number in range(12)])

    async def pop_two():
        own = ThreadkeepSession("session 1", either)
        return [await own.pop_item(), await own.pop_item()]

    popped = [item["content"] for pair in await asyncio.gather(*(pop_two() for _ in range(6))) for item in pair]

    assert sorted(popped, key=int) == [str(number) for number in range(12)]
    assert await session.get_items() == []


async def test_writers_that_begin_a_session_at_once_begin_one_thread(service, either):
    sessions = [ThreadkeepSession("together", either) for _ in range(6)]

    await asyncio.gather(
        *(each.add_items([said(f"{number}a"), said(f"{number}b")]) for number, each in enumerate(sessions))
    )

    texts = [each["content"] for each in await sessions[0].get_items()]
    assert len({each.thread_id for each in sessions}) == 1
    assert sorted(texts) == sorted(f"{number}{letter}" for number in range(6) for letter in "ab")
    assert all(texts[at][0] == texts[at + 1][0] for at in range(0, 12, 2))


async def test_a_cancelled_caller_learns_of_it_when_the_items_are_written(session):
    task = asyncio.ensure_future(session.add_items([said("Hello.")]))
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task

    assert await session.get_items() == [said("Hello.")]


async def test_sessions_of_two_users_are_two_threads(service, either):
    one, two = (ThreadkeepSession("s1", either, user_id=f"uid_{name}") for name in ("lea", "tom"))
    await one.add_items([said("I am Lea.")])
    await two.add_items([said("I am Tom.")])

    assert await one.get_items() == [said("I am Lea.")]
    assert service.threads.retrieve(two.thread_id).user_id == "uid_tom"


async def test_a_locked_thread_refuses_a_run(service, session):
    await session.add_items([said("Hello.")])
    service.threads.lock(session.thread_id)
    agent = Agent(name="bot", model=ScriptedModel([[assistant_message("Hi.")]]))

    with pytest.raises(threadkeep.ThreadLocked):
        await Runner.run(agent, "Still there?", session=session)
    with pytest.raises(threadkeep.ThreadLocked):
        await session.pop_item()

    assert await session.get_items() == [said("Hello.")]


def test_one_client_serves_several_loops(service):
    session = ThreadkeepSession("loops", service)
    for number in range(3):
        asyncio.run(session.add_items([said(str(number))]))

    assert [each["content"] for each in asyncio.run(session.get_items())] == ["0", "1", "2"]


async def test_a_streamed_run_writes_and_reads_the_same(session):
    @function_tool
    def add(a: int, b: int) -> int:
        return a + b

    script = [
        [function_call("add", {"a": 1, "b": 2}, call_id="call_1")],
        [assistant_message("It is 3.")],
        [assistant_message("You asked for 1 + 2.")],
    ]
    model = ScriptedModel(script)
    agent = Agent(name="bot", model=model, tools=[add])

    async for _ in Runner.run_streamed(agent, "What is 1 + 2?", session=session).stream_events():
        pass
    settings = RunConfig(session_settings=SessionSettings(limit=1))
    await Runner.run(agent, "What did I ask?", session=session, run_config=settings)

    items = await session.get_items()
    assert [each.get("type", each.get("role")) for each in items] == [
        "user",
        "function_call",
        "function_call_output",
        "message",
        "user",
        "message",
    ]
    assert items[2]["output"] == "3"
    assert len(model.calls[-1].input) == 2


# Each run is a process of its own: a turn of a model that calls a tool.
PROGRAM = """
import asyncio, sys, threadkeep
from agents import Agent, Runner, function_tool, set_tracing_disabled
from agents.testing import ScriptedModel, function_call, assistant_message
from threadkeep.integrations.openai_agents import ThreadkeepSession

set_tracing_disabled(True)

@function_tool
def add(a: int, b: int) -> int:
    return a + b

call = function_call("add", {"a": 1, "b": 2}, call_id="call_" + sys.argv[1])
model = ScriptedModel([[call], [assistant_message("It is 3.")]])
session = ThreadkeepSession("calculator", threadkeep.Client())
result = Runner.run_sync(
    Agent(name="bot", model=model, tools=[add]), "What is 1 + 2? " + sys.argv[1], session=session
)
print(result.final_output, len(model.calls[0].input), len(asyncio.run(session.get_items())))
"""


@pytest.mark.parametrize("way", ["http"], indirect=True)
async def test_a_runner_goes_on_in_the_next_process(service, run):
    for number in range(1, 4):
        assert run(PROGRAM, str(number)) == f"It is 3. {4 * number - 3} {4 * number}\n"

    [thread] = service.threads.list()
    renamed = service.threads.update(thread.id, title="Sums")
    shown = [(each.role, each.text) for each in service.threads.messages.list(thread.id)]

    assert (renamed.title, thread.external_id, thread.message_count) == ("Sums", "calculator", 12)
    assert shown[:4] == [("user", "What is 1 + 2? 1"), ("assistant", ""), ("tool", "3"), ("assistant", "It is 3.")]
    assert run("from threadkeep.__main__ import main; main()", "export").count('"format":"openai-agents/1"') == 12
    service.threads.delete(thread.id)
    assert await ThreadkeepSession("calculator", service).get_items() == []


def test_the_page_about_frameworks_shows_what_works(documented, run):
    program, printed = documented("OpenAI Agents SDK")

    assert run(program) == printed
