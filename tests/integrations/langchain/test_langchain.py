"""LangChain's chat histories: what goes in comes out equal, and reads well for a person."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from langchain_core.messages import (
    AIMessage,
    ChatMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)

import threadkeep
from threadkeep.integrations.langchain import ThreadkeepChatMessageHistory

CALL = {"name": "find_invoice", "args": {"number": 17}, "id": "call_1", "type": "tool_call"}
ODD = [
    SystemMessage("Be kind.", id="s1"),
    HumanMessage(
        [{"type": "text", "text": "What is\0 on it? \ud83d"}, {"type": "image", "base64": "iVBORw0="}], id="h1"
    ),
    AIMessage(
        [
            {"type": "reasoning", "reasoning": "Hm.", "extras": {"signature": "x" * 20_000}},
            {"type": "text", "text": "I look."},
        ],
        id="run-1",
        tool_calls=[CALL],
        invalid_tool_calls=[
            {"name": "f", "args": "{", "id": "call_2", "error": "no JSON", "type": "invalid_tool_call"}
        ],
        usage_metadata={"input_tokens": 5, "output_tokens": 2**60, "total_tokens": 5 + 2**60},
        response_metadata={"model_name": "m", "logprobs": None, "deep": {"a": [1.5, {"b": []}]}},
    ),
    ToolMessage("40 EUR", tool_call_id="call_1", artifact={"rows": [[1, "ä"]]}, status="error", name="find_invoice"),
    AIMessage("", name="bot", example=True),
    ChatMessage("I am the critic.", role="critic"),
    HumanMessage(""),
    RemoveMessage(id="s1"),
]


@pytest.fixture
def history(service):
    return ThreadkeepChatMessageHistory("session 1", service)


def test_messages_come_out_as_they_went_in(service, history):
    assert history.messages == []
    history.add_messages(ODD[:2])
    history.add_messages(ODD[2:])

    again = ThreadkeepChatMessageHistory("session 1", service)

    assert again.messages == ODD
    assert again.thread_id == history.thread_id
    assert [type(each) for each in again.messages] == [type(each) for each in ODD]


def test_a_person_reads_texts_calls_and_results(service, history):
    history.add_messages(ODD)

    thread = service.threads.retrieve(history.thread_id)
    shown = list(service.threads.messages.list(history.thread_id))

    assert (thread.external_id, thread.metadata) == ("session 1", {"source": "langchain", "session": "session 1"})
    assert [(each.role, each.text) for each in shown] == [
        ("system", "Be kind."),
        ("user", "What is on it? "),
        ("assistant", "I look."),
        ("tool", "40 EUR"),
        ("assistant", ""),
        ("user", "I am the critic."),
        ("user", ""),
        ("user", ""),
    ]
    assert shown[2].tool_calls[0].function.arguments == '{"number": 17}'
    assert shown[3].tool_call_id == "call_1"


def test_what_others_write_is_read_as_well_and_an_edit_wins(service, history):
    history.add_user_message("What is on invoice 17?")
    [mine] = service.threads.messages.list(history.thread_id)
    service.threads.messages.update(history.thread_id, mine.id, content="What is on invoice 18?")
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
    service.threads.messages.create_many(
        history.thread_id,
        [
            {"role": "assistant", "content": "I look.", "tool_calls": [call]},
            {"role": "tool", "content": "40 EUR", "tool_call_id": "call_1"},
            {"role": "system", "content": "Be brief."},
        ],
    )

    edited, asked, result, system = history.messages

    assert (type(edited), edited.text) == (HumanMessage, "What is on invoice 18?")
    assert (asked.text, asked.tool_calls) == (
        "I look.",
        [{"name": "f", "args": {"a": 1}, "id": "call_1", "type": "tool_call"}],
    )
    assert (type(result), result.text, result.tool_call_id) == (ToolMessage, "40 EUR", "call_1")
    assert (type(system), system.text) == (SystemMessage, "Be brief.")


def test_clearing_keeps_the_thread_and_more_than_a_hundred_messages_go_in(service, history):
    history.add_messages([HumanMessage(str(number)) for number in range(250)])
    thread_id = history.thread_id
    before = [each.text for each in history.messages]

    history.clear()
    after = history.messages
    history.add_ai_message("Hello again.")

    assert before == [str(number) for number in range(250)]
    assert after == []
    assert history.thread_id == thread_id
    assert [each.text for each in history.messages] == ["Hello again."]


def test_sessions_of_two_users_are_two_threads(service):
    one, two = (ThreadkeepChatMessageHistory("s1", service, user_id=f"uid_{name}") for name in ("lea", "tom"))
    one.add_user_message("I am Lea.")
    two.add_user_message("I am Tom.")

    assert one.thread_id != two.thread_id
    assert [each.text for each in one.messages] == ["I am Lea."]
    assert service.threads.retrieve(two.thread_id).user_id == "uid_tom"


@pytest.mark.parametrize("session_id", ["", "a\nb", "x" * 300, "\ud800", "thread_own", "Ü/../?"])
def test_any_text_is_the_id_of_a_session(service, session_id):
    history = ThreadkeepChatMessageHistory(session_id, service)
    history.add_user_message("Hello.")

    assert [each.text for each in ThreadkeepChatMessageHistory(session_id, service).messages] == ["Hello."]
    assert ThreadkeepChatMessageHistory(session_id + "2", service).messages == []


def test_a_locked_thread_refuses_and_a_deleted_one_begins_anew(service, history):
    history.add_user_message("Hello.")
    service.threads.lock(history.thread_id)

    with pytest.raises(threadkeep.ThreadLocked):
        history.add_ai_message("Refused.")
    assert [each.text for each in history.messages] == ["Hello."]

    old = history.thread_id
    service.threads.unlock(old)
    service.threads.delete(old)
    assert history.messages == []
    history.add_user_message("Anew.")
    assert history.thread_id != old
    assert [each.text for each in history.messages] == ["Anew."]


def test_writers_that_begin_a_session_at_once_begin_one_thread(service):
    def write(number):
        history = ThreadkeepChatMessageHistory("together", service)
        history.add_messages([HumanMessage(f"{number}a"), HumanMessage(f"{number}b")])
        return history.thread_id

    with ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(write, range(8)))

    texts = [each.text for each in ThreadkeepChatMessageHistory("together", service).messages]
    assert len(ids) == 1
    assert sorted(texts) == sorted(f"{number}{letter}" for number in range(8) for letter in "ab")
    assert all(texts[at][0] == texts[at + 1][0] for at in range(0, 16, 2))


# Each run is a process of its own: a turn of a model that calls a tool.
PROGRAM = """
import sys, threadkeep
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.runnables.history import RunnableWithMessageHistory
from threadkeep.integrations.langchain import ThreadkeepChatMessageHistory

client = threadkeep.Client()
call = {"name": "add", "args": {"a": 1, "b": 2}, "id": "call_" + sys.argv[1], "type": "tool_call"}
model = GenericFakeChatModel(messages=iter([AIMessage("", tool_calls=[call]), AIMessage("It is 3.")]))

def turn(messages):
    asked = model.invoke(messages)
    result = ToolMessage("3", tool_call_id=asked.tool_calls[0]["id"])
    return [asked, result, model.invoke([*messages, asked, result])]

chain = RunnableWithMessageHistory(RunnableLambda(turn), lambda id: ThreadkeepChatMessageHistory(id, client))
config = {"configurable": {"session_id": "calculator"}}
chain.invoke([HumanMessage("What is 1 + 2? " + sys.argv[1])], config=config)
print([each.type for each in ThreadkeepChatMessageHistory("calculator", client).messages])
"""


@pytest.mark.parametrize("way", ["http"], indirect=True)
def test_a_runner_goes_on_in_the_next_process(service, run):
    for number in range(1, 4):
        assert run(PROGRAM, str(number)) == f"{['human', 'ai', 'tool', 'ai'] * number}\n"

    [thread] = service.threads.list()
    renamed = service.threads.update(thread.id, title="Sums")
    shown = [each.text for each in service.threads.messages.list(thread.id)]

    assert (renamed.title, thread.external_id, thread.message_count) == ("Sums", "calculator", 12)
    assert shown[:4] == ["What is 1 + 2? 1", "", "3", "It is 3."]
    service.threads.delete(thread.id)
    assert ThreadkeepChatMessageHistory("calculator", service).messages == []


def test_the_page_about_frameworks_shows_what_works(documented, run):
    program, printed = documented("LangChain")

    assert run(program) == printed
