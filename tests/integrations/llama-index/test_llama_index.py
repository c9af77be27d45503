"""LlamaIndex's chat stores, both kinds: what goes in comes out equal, and reads well for a person."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
from llama_index.core.base.llms.types import (
    ChatMessage,
    ImageBlock,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)
from llama_index.core.memory import Memory
from llama_index.core.storage.chat_store.base_db import MessageStatus

import threadkeep
from threadkeep.integrations.llama_index import ThreadkeepAsyncChatStore, ThreadkeepChatStore

ARCHIVED, ACTIVE = MessageStatus.ARCHIVED, MessageStatus.ACTIVE
ODD = [
    ChatMessage(role="system", content="Be kind."),
    ChatMessage(role="user", blocks=[TextBlock(text="What is\0 on it? \ud83d"), ImageBlock(image=b"\x89PNG\x00\xff")]),
    ChatMessage(
        role="assistant",
        blocks=[
            ThinkingBlock(content="Hm.", additional_information={"signature": "x" * 20_000}),
            TextBlock(text="I look."),
            ToolCallBlock(tool_call_id="call_1", tool_name="find", tool_kwargs={"number": 2**70}),
        ],
        additional_kwargs={"usage": {"tokens": 2**60, "deep": [1.5, None]}},
    ),
    ChatMessage(role="tool", content="40 EUR", additional_kwargs={"tool_call_id": "call_1"}),
    ChatMessage(role="chatbot", content=""),
    ChatMessage(role="user", content=""),
    ChatMessage(role="developer", blocks=[]),
]


def said(*texts):
    return [ChatMessage(role="user", content=text) for text in texts]


@pytest.fixture
def blocking(service):
    return ThreadkeepChatStore(service)


@pytest.fixture
def store(either):
    return ThreadkeepAsyncChatStore(either)


def texts(messages):
    return [each.content for each in messages]


async def test_messages_come_out_as_they_went_in(store, service):
    assert await store.get_messages("k") == []
    await store.add_messages("k", ODD)

    assert await store.get_messages("k") == ODD
    assert ThreadkeepChatStore(service).get_messages("k") == ODD


async def test_a_person_reads_texts_calls_and_results(store, service):
    await store.add_messages("k", ODD)
    thread = service.threads.find("k")
    shown = list(service.threads.messages.list(thread.id))

    assert thread.metadata == {"source": "llama-index", "session": "k"}
    assert [(each.role, each.text) for each in shown] == [
        ("system", "Be kind."),
        ("user", "What is on it? "),
        ("assistant", "I look."),
        ("tool", "40 EUR"),
        ("assistant", ""),
        ("user", ""),
        ("system", ""),
    ]
    assert shown[2].tool_calls[0].function.name == "find"
    assert shown[3].tool_call_id == "call_1"


def test_the_blocking_store_changes_by_position(blocking):
    for text in "abc":
        blocking.add_message("k", ChatMessage(role="user", content=text))
    blocking.add_message("k", said("x")[0], idx=1)
    blocking.add_message("k", said("y")[0], idx=-1)
    blocking.add_message("k", said("z")[0], idx=99)
    blocking.add_message("new", said("first")[0], idx=3)

    assert texts(blocking.get_messages("k")) == ["a", "x", "b", "y", "c", "z"]
    assert texts(blocking.get_messages("new")) == ["first"]
    assert blocking.delete_message("k", 1).content == "x"
    assert blocking.delete_message("k", -1).content == "z"
    assert [blocking.delete_message("k", each) for each in (4, -5)] == [None, None]
    assert blocking.delete_last_message("k").content == "c"
    assert texts(blocking.delete_messages("k")) == ["a", "b", "y"]
    assert (blocking.delete_messages("k"), blocking.delete_last_message("k"), blocking.delete_message("k", 0)) == (
        None,
        None,
        None,
    )


def test_keys_are_those_with_messages_the_oldest_first(blocking, service):
    for key in ("b", "a", "c"):
        blocking.set_messages(key, said(key))
    blocking.delete_messages("a")
    blocking.set_messages("none", [])
    service.threads.create(messages=[{"role": "user", "content": "elsewhere"}])

    assert blocking.get_keys() == ["b", "c"]


def test_replacing_is_never_half(blocking):
    lists = [[str(n)] * 20 for n in range(10)]
    blocking.set_messages("k", said(*lists[0]))
    with ThreadPoolExecutor(2) as pool:
        writing = pool.submit(lambda: [blocking.set_messages("k", said(*each)) for each in lists])
        seen = [texts(blocking.get_messages("k")) for _ in range(30)]
        writing.result()

    assert all(each in lists for each in seen)


def test_several_who_take_the_last_get_others(blocking):
    blocking.set_messages("k", said(*map(str, range(8))))
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda _: blocking.delete_last_message("k").content, range(8)))

    assert sorted(taken) == list(map(str, range(8)))


def test_several_who_insert_lose_nothing(blocking):
    blocking.set_messages("k", said("a", "b"))
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda n: blocking.add_message("k", said(str(n))[0], idx=1), range(6)))

    found = texts(blocking.get_messages("k"))
    assert (found[0], found[-1], sorted(found[1:-1])) == ("a", "b", list("012345"))


async def test_messages_are_counted_from_the_oldest(store):
    await store.add_messages("k", said(*map(str, range(230))))

    assert await store.count_messages("k") == 230
    assert texts(await store.get_messages("k", limit=2)) == ["0", "1"]
    assert texts(await store.get_messages("k", offset=228)) == ["228", "229"]
    assert texts(await store.get_messages("k", offset=1, limit=2)) == ["1", "2"]
    assert await store.get_messages("k", limit=0) == []


async def test_messages_are_active_or_archived(store, service):
    await store.add_messages("k", said("old"), status=ARCHIVED)
    await store.add_messages("k", said("a", "b", "c"))
    archived = await store.archive_oldest_messages("k", 2)
    service.threads.messages.create(service.threads.find("k").id, role="user", content="on the page")

    assert texts(archived) == ["a", "b"]
    assert texts(await store.get_messages("k")) == ["c", "on the page"]
    assert texts(await store.get_messages("k", status=ARCHIVED)) == ["old", "a", "b"]
    assert [await store.count_messages("k", each) for each in (ACTIVE, ARCHIVED, None)] == [2, 3, 5]
    assert texts(await store.delete_oldest_messages("k", 1)) == ["c"]
    await store.delete_messages("k", ARCHIVED)
    assert texts(await store.get_messages("k", status=None)) == ["on the page"]
    assert texts(await store.archive_oldest_messages("k", 9)) == ["on the page"]
    await store.set_messages("k", said("new"))
    assert texts(await store.get_messages("k")) == ["new"]
    assert await store.archive_oldest_messages("none", 1) == []


async def test_several_who_archive_or_delete_the_oldest_get_others(store):
    await store.add_messages("k", said(*map(str, range(12))))
    taken = await asyncio.gather(
        *(store.archive_oldest_messages("k", 2) for _ in range(3)),
        *(store.delete_oldest_messages("k", 1) for _ in range(3)),
    )

    gone = [each.content for some in taken for each in some]
    left = texts(await store.get_messages("k"))
    assert len(gone) == len(set(gone)) == 9
    assert sorted([*gone, *left], key=int) == list(map(str, range(12)))


async def test_what_others_write_is_read(store, service):
    thread = service.threads.create(messages=[{"role": "user", "content": "Hi."}])
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
    service.threads.messages.create_many(
        thread.id,
        [
            {"role": "assistant", "content": "", "tool_calls": [call]},
            {"role": "tool", "content": "42", "tool_call_id": "call_1"},
        ],
    )
    await store.add_messages(thread.id, said("Thanks."))

    found = await store.get_messages(thread.id)
    assert [(each.role.value, each.content) for each in found] == [
        ("user", "Hi."),
        ("assistant", None),
        ("tool", "42"),
        ("user", "Thanks."),
    ]
    assert found[1].blocks[0].tool_kwargs == '{"a": 1}'
    assert found[2].additional_kwargs == {"tool_call_id": "call_1"}


async def test_a_native_edit_counts(store, service):
    await store.add_messages("k", said("a"))
    [message] = service.threads.messages.list(service.threads.find("k").id)
    service.threads.messages.update(message.thread_id, message.id, content="b")

    assert texts(await store.get_messages("k")) == ["b"]


async def test_users_have_conversations_of_their_own(service):
    lea, tom = (ThreadkeepAsyncChatStore(service, user_id=f"uid_{name}") for name in ("lea", "tom"))
    await lea.add_messages("k", said("I am Lea."))
    await tom.add_messages("k", said("I am Tom."))

    assert (texts(await lea.get_messages("k")), await tom.get_keys()) == (["I am Lea."], ["k"])


async def test_a_locked_thread_refuses_and_can_be_read(store, blocking, service):
    await store.add_messages("k", said("a", "b"))
    service.threads.lock(service.threads.find("k").id)

    for refused in (store.add_messages("k", said("c")), store.set_messages("k", []), store.delete_messages("k")):
        with pytest.raises(threadkeep.ThreadLocked):
            await refused
    with pytest.raises(threadkeep.ThreadLocked):
        blocking.delete_last_message("k")
    assert texts(await store.get_messages("k")) == ["a", "b"]


async def test_a_memory_archives_what_is_too_long_and_keeps_it(store):
    memory = Memory.from_defaults(
        session_id="m", chat_store=store, token_limit=60, chat_history_token_ratio=0.5, token_flush_size=20
    )
    for number in range(8):
        await memory.aput(ChatMessage(role="user", content=f"{number} " + "word " * 8))

    every = await store.get_messages("m", status=None)
    assert [each.content.split()[0] for each in every] == list(map(str, range(8)))
    assert 0 < await store.count_messages("m") < 8
    assert await store.count_messages("m", ARCHIVED) > 0


# Each run is a process of its own: a turn of a model that calls a tool.
PROGRAM = """
import asyncio, sys, threadkeep
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import ChatMessage, TextBlock, ToolCallBlock
from llama_index.core.llms.mock import MockFunctionCallingLLM
from llama_index.core.memory import Memory
from threadkeep.integrations.llama_index import ThreadkeepAsyncChatStore

def add(a: int, b: int) -> int:
    "Adds."
    return a + b

def answer(messages, **more):
    if messages[-1].role.value == "tool":
        return ChatMessage(role="assistant", blocks=[TextBlock(text=f"It is {messages[-1].content}.")])
    call = ToolCallBlock(tool_call_id="call_" + sys.argv[1], tool_name="add", tool_kwargs={"a": 1, "b": 2})
    return ChatMessage(role="assistant", blocks=[call])

async def turn(number):
    store = ThreadkeepAsyncChatStore(threadkeep.Client())
    memory = Memory.from_defaults(session_id="calculator", chat_store=store)
    agent = FunctionAgent(tools=[add], llm=MockFunctionCallingLLM(response_generator=answer), streaming=False)
    try:
        print(await agent.run(f"What is 1 + 2? {number}", memory=memory))
    except threadkeep.ThreadLocked:
        print("locked")
    print([each.role.value for each in await memory.aget()])

asyncio.run(turn(sys.argv[1]))
"""


@pytest.mark.parametrize("way", ["http"], indirect=True)
async def test_an_agent_goes_on_in_the_next_process(service, run):
    for number in range(1, 4):
        roles = ["user", "assistant", "tool", "assistant"] * number
        assert run(PROGRAM, str(number)) == f"It is 3.\n{roles}\n"

    [thread] = service.threads.list()
    renamed = service.threads.update(thread.id, title="Sums")
    service.threads.lock(thread.id)
    refused = run(PROGRAM, "4")
    service.threads.unlock(thread.id)
    shown = [(each.role, each.text) for each in service.threads.messages.list(thread.id)]

    assert refused.startswith("locked\n")
    assert (renamed.title, thread.external_id, thread.message_count) == ("Sums", "calculator", 12)
    assert shown[:4] == [("user", "What is 1 + 2? 1"), ("assistant", ""), ("tool", "3"), ("assistant", "It is 3.")]
    assert run("from threadkeep.__main__ import main; main()", "export").count('"format":"llama-index/1"') == 12
    service.threads.delete(thread.id)
    assert await ThreadkeepAsyncChatStore(service).get_messages("calculator") == []


def test_the_page_about_frameworks_shows_what_works(documented, run):
    program, printed = documented("LlamaIndex")

    assert run(program) == printed
