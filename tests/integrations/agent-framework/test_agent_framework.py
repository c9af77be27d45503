"""Microsoft Agent Framework's histories: what goes in comes out equal, and reads well for a person."""

import asyncio

import pytest
from agent_framework import Agent, AgentSession, BaseChatClient, ChatResponse, Content, Message

import threadkeep
from threadkeep.integrations.agent_framework import ThreadkeepHistoryProvider

ODD = [
    Message("system", ["Be kind."]),
    Message(
        "user",
        ["What is\0 on it? \ud83d", Content.from_data(b"\x89PNG\0\xff", "image/png")],
        author_name="Lea",
        message_id="m1",
        additional_properties={"big": 2**60, "deep": {"a": [1.5, {"b": []}]}},
    ),
    Message(
        "assistant",
        [
            Content.from_text_reasoning(text="Hm.", protected_data="x" * 20_000),
            "I look.",
            Content.from_function_call("call_1", "find", arguments={"number": 17}),
            Content.from_function_call("call_2", "rate", arguments="{}"),
        ],
    ),
    Message(
        "tool",
        [
            Content.from_function_result("call_1", result="40 EUR"),
            Content.from_function_result("call_2", result=[Content.from_text("1.1")]),
        ],
    ),
    Message("assistant", [Content.from_uri("https://example.com/a.pdf", media_type="application/pdf")]),
    Message("critic", ["Too long."]),
    Message("user", []),
]


@pytest.fixture
def history(either):
    return ThreadkeepHistoryProvider(either)


def dicts(messages):
    return [each.to_dict() for each in messages]


class Scripted(BaseChatClient):
    """A model that says what it is told to, and keeps what it was sent."""

    def __init__(self, *said):
        super().__init__()
        self.said, self.sent = list(said), []

    async def _inner_get_response(self, *, messages, stream, options, **kwargs):
        self.sent.append(list(messages))
        return ChatResponse(messages=[Message("assistant", [self.said.pop(0)])])


async def test_messages_come_out_as_they_went_in(either, history):
    assert await history.get_messages("session 1") == []
    await history.save_messages("session 1", ODD[:2])
    await history.save_messages("session 1", ODD[2:])
    await history.save_messages("session 1", [])

    again = await ThreadkeepHistoryProvider(either).get_messages("session 1")

    assert dicts(again) == dicts(ODD)
    assert [each.contents for each in again] == [each.contents for each in ODD]


async def test_a_person_reads_texts_calls_and_results(service, history):
    await history.save_messages("session 1", ODD)

    [thread] = service.threads.list()
    shown = list(service.threads.messages.list(thread.id))

    assert (thread.external_id, thread.metadata["source"]) == ("session 1", "agent-framework")
    assert [(each.role, each.text) for each in shown] == [
        ("system", "Be kind."),
        ("user", "What is on it? "),
        ("assistant", "I look."),
        ("tool", "40 EUR\n1.1"),
        ("assistant", ""),
        ("user", "Too long."),
        ("user", ""),
    ]
    assert [call.function.arguments for call in shown[2].tool_calls] == ['{"number": 17}', "{}"]
    assert shown[3].tool_call_id == "call_1"


async def test_what_others_write_is_read_as_well_and_an_edit_wins(service, history):
    await history.save_messages("session 1", [Message("user", ["What is on invoice 17?"])])
    thread = service.threads.find("session 1")
    [mine] = service.threads.messages.list(thread.id)
    service.threads.messages.update(thread.id, mine.id, content="What is on invoice 18?")
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
    picture = {"type": "image", "url": "https://example.com/a.png"}
    service.threads.messages.create_many(
        thread.id,
        [
            {"role": "assistant", "content": "I look.", "tool_calls": [call]},
            {"role": "tool", "content": "40 EUR", "tool_call_id": "call_1"},
            {"role": "user", "content": [{"type": "text", "text": "And this?"}, picture]},
        ],
    )

    edited, asked, result, shown = await history.get_messages("session 1")

    assert (edited.role, edited.text) == ("user", "What is on invoice 18?")
    assert asked.contents == [
        Content.from_text("I look."),
        Content.from_function_call("call_1", "f", arguments='{"a": 1}'),
    ]
    assert (result.role, result.contents) == ("tool", [Content.from_function_result("call_1", result="40 EUR")])
    assert shown.contents[1] == Content.from_uri("https://example.com/a.png", media_type="image/png")


async def test_many_messages_go_in_and_users_do_not_meet(either, service):
    one, two = (ThreadkeepHistoryProvider(either, user_id=f"uid_{name}") for name in ("lea", "tom"))
    await one.save_messages("s1", [Message("user", [str(number)]) for number in range(250)])
    await two.save_messages("s1", [Message("user", ["I am Tom."])])

    assert [each.text for each in await one.get_messages("s1")] == [str(number) for number in range(250)]
    assert [each.text for each in await two.get_messages("s1")] == ["I am Tom."]


async def test_without_the_id_of_a_session_nothing_is_read_or_written(history):
    assert await history.get_messages(None) == []
    with pytest.raises(ValueError, match="id of a session"):
        await history.save_messages(None, ODD)


async def test_turns_that_end_at_once_are_each_stored_whole(history):
    await asyncio.gather(
        *(
            history.save_messages("together", [Message("user", [f"{number}a"]), Message("assistant", [f"{number}b"])])
            for number in range(6)
        )
    )

    texts = [each.text for each in await history.get_messages("together")]
    assert sorted(texts) == sorted(f"{number}{letter}" for number in range(6) for letter in "ab")
    assert all(texts[at][0] == texts[at + 1][0] for at in range(0, 12, 2))


async def test_an_agent_goes_on_and_a_locked_thread_refuses(either, service):
    model = Scripted("Hi.", "As before.", "Refused.")
    agent = Agent(model, context_providers=[ThreadkeepHistoryProvider(either)])
    await agent.run("Hello.", session=AgentSession(session_id="s1"))
    await agent.run("And now?", session=AgentSession(session_id="s1"))
    service.threads.lock(service.threads.find("s1").id)

    with pytest.raises(threadkeep.ThreadLocked):
        await agent.run("Still there?", session=AgentSession(session_id="s1"))

    assert [each.text for each in model.sent[1]] == ["Hello.", "Hi.", "And now?"]
    assert [each.text for each in await ThreadkeepHistoryProvider(either).get_messages("s1")] == [
        "Hello.",
        "Hi.",
        "And now?",
        "As before.",
    ]


# Each run is a process of its own: a turn of a model that calls a tool.
PROGRAM = """
import asyncio, sys, threadkeep
from agent_framework import (
    Agent, AgentSession, BaseChatClient, ChatResponse, Content, FunctionInvocationLayer, Message, tool
)
from threadkeep.integrations.agent_framework import ThreadkeepHistoryProvider

@tool(approval_mode="never_require")
def add(a: int, b: int) -> int:
    "Add."
    return a + b

call = Content.from_function_call("call_" + sys.argv[1], "add", arguments={"a": 1, "b": 2})

class Model(FunctionInvocationLayer, BaseChatClient):
    async def _inner_get_response(self, *, messages, stream, options, **kwargs):
        is_answered = messages[-1].role == "tool"
        return ChatResponse(messages=[Message("assistant", ["It is 3."] if is_answered else [call])])

history = ThreadkeepHistoryProvider(threadkeep.Client())
agent = Agent(Model(), tools=[add], context_providers=[history])
session = AgentSession(session_id="calculator")
print(asyncio.run(agent.run("What is 1 + 2? " + sys.argv[1], session=session)).text)
print([each.role for each in asyncio.run(history.get_messages("calculator"))])
"""


@pytest.mark.parametrize("way", ["http"], indirect=True)
async def test_a_runner_goes_on_in_the_next_process(service, run):
    for number in range(1, 4):
        assert run(PROGRAM, str(number)) == f"It is 3.\n{['user', 'assistant', 'tool', 'assistant'] * number}\n"

    [thread] = service.threads.list()
    renamed = service.threads.update(thread.id, title="Sums")
    shown = [(each.role, each.text) for each in service.threads.messages.list(thread.id)]

    assert (renamed.title, thread.external_id, thread.message_count) == ("Sums", "calculator", 12)
    assert shown[:4] == [("user", "What is 1 + 2? 1"), ("assistant", ""), ("tool", "3"), ("assistant", "It is 3.")]
    exported = run("from threadkeep.__main__ import main; main()", "export")
    assert exported.count('"format":"agent-framework/1"') == 12
    service.threads.delete(thread.id)
    assert await ThreadkeepHistoryProvider(service).get_messages("calculator") == []


def test_the_page_about_frameworks_shows_what_works(documented, run):
    program, printed = documented("Microsoft Agent Framework")

    assert run(program) == printed
