"""Pydantic AI's conversation store: as its own store in memory, and readable for a person."""

import asyncio
import copy
import dataclasses
from datetime import UTC, datetime

import pytest
from pydantic_ai import Agent
from pydantic_ai.conversation import Conversation
from pydantic_ai.conversation_store import (
    ConversationConflict,
    ConversationEntry,
    ConversationRecord,
    InMemoryConversationStore,
)
from pydantic_ai.exceptions import UserError
from pydantic_ai.messages import (
    BinaryImage,
    ModelRequest,
    ModelResponse,
    SystemPromptPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models.test import TestModel
from pydantic_ai.tools import DeferredToolRequests
from pydantic_ai.usage import RequestUsage, RunUsage

import threadkeep
from threadkeep.integrations.pydantic_ai import ThreadkeepConversationStore

ODD = [
    ModelRequest(
        [
            SystemPromptPart("Be kind."),
            UserPromptPart(
                ["What is\0 on it? \ud83d", BinaryImage(data=b"\xff\x00\x01", media_type="image/png", identifier="i1")]
            ),
        ],
        instructions="Be brief.",
    ),
    ModelResponse(
        [
            ThinkingPart("Hm.", signature="x" * 20_000, provider_name="p"),
            TextPart("I look."),
            ToolCallPart("find_invoice", {"number": 2**80, "deep": [[[[1.5, float("inf")]]]]}, "call_1"),
        ],
        usage=RequestUsage(input_tokens=5, details={"cached": 2**60}),
        model_name="m",
        provider_details={"logprobs": None},
    ),
    ModelRequest([ToolReturnPart("find_invoice", {"rows": [[1, "ä"]]}, "call_1", metadata={"page": 2})]),
    ModelResponse([]),
    ModelRequest([SystemPromptPart("Be brief.")]),
]


@pytest.fixture
def store(either):
    return ThreadkeepConversationStore(either)


def said(text):
    return ModelRequest([UserPromptPart(text)])


def texts(conversation):
    return [part.content for message in conversation.messages for part in message.parts]


async def saved(store, conversation_id, *said_texts, **more):
    conversation = await store.load(conversation_id) or Conversation(conversation_id=conversation_id)
    conversation.messages.extend(said(text) for text in said_texts)
    await store.save(conversation, **more)
    return conversation


async def test_messages_and_records_come_out_as_they_went_in(store, service):
    assert await store.load("session 1") is None
    waits = DeferredToolRequests(
        approvals=[ToolCallPart("pay", {"sum": 2**60}, "call_2")], metadata={"call_2": {"a": 1}}
    )
    conversation = Conversation(
        conversation_id="session 1",
        messages=ODD,
        usage=RunUsage(requests=2, input_tokens=2**60, details={"a": 1}),
        deferred_tool_requests=waits,
    )
    entries = await store.save(conversation, scope="lea")

    other = ThreadkeepConversationStore(service)
    again = await other.load("session 1", scope="lea")

    assert again.messages == ODD
    assert (again.usage, again.deferred_tool_requests) == (conversation.usage, waits)
    assert again.revision == conversation.revision
    assert await other.load_entries("session 1") == entries
    assert await other.read_entry(entries[1].id) == entries[1]
    assert [each.message for each in await other.read_history(str(entries[2].id), limit=2)] == ODD[1:3]
    assert await other.load("session 1", scope="tom") is None


async def test_a_person_reads_texts_calls_and_results(store, service):
    await store.save(Conversation(conversation_id="session 1", messages=ODD))

    [thread] = service.threads.list()
    shown = list(service.threads.messages.list(thread.id))

    assert (thread.external_id, thread.metadata) == ("session 1", {"source": "pydantic-ai", "session": "session 1"})
    assert [(each.role, each.text) for each in shown] == [
        ("user", "What is on it? "),
        ("assistant", "I look."),
        ("tool", '{"rows":[[1,"ä"]]}'),
        ("assistant", ""),
        ("system", "Be brief."),
    ]
    assert shown[1].tool_calls[0].function.name == "find_invoice"
    assert shown[2].tool_call_id == "call_1"


async def test_what_others_write_is_read_as_well_and_an_edit_wins(store, service):
    conversation = await saved(store, "session 1", "What is on invoice 17?")
    thread = service.threads.find("session 1")
    [mine] = service.threads.messages.list(thread.id)
    service.threads.messages.update(thread.id, mine.id, content="What is on invoice 18?")
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
    service.threads.messages.create_many(
        thread.id,
        [
            {"role": "assistant", "content": "I look.", "tool_calls": [call]},
            {"role": "tool", "content": "40 EUR", "tool_call_id": "call_1"},
            {"role": "system", "content": "Be brief."},
        ],
    )

    with pytest.raises(ConversationConflict):
        await store.save(conversation)
    again = await store.load("session 1")
    edited, asked, result, system = again.messages
    await saved(store, "session 1", "And now?")

    assert edited.parts[0].content == "What is on invoice 18?"
    assert asked.parts == [TextPart("I look."), ToolCallPart("f", '{"a": 1}', "call_1")]
    assert (result.parts[0].tool_name, result.parts[0].content) == ("f", "40 EUR")
    assert isinstance(system.parts[0], SystemPromptPart)
    assert len((await store.load("session 1")).messages) == 5


async def test_a_thread_of_others_is_a_conversation(store, service):
    thread = service.threads.create(messages=[{"role": "user", "content": "Hello."}])

    conversation = await saved(store, thread.id, "Hello again.")

    assert texts(conversation) == ["Hello.", "Hello again."]
    assert texts(await ThreadkeepConversationStore(service).load(thread.id)) == ["Hello.", "Hello again."]


async def test_a_message_that_a_person_deleted_is_gone(store, service):
    await saved(store, "session 1", "a", "b", "c")
    thread = service.threads.find("session 1")
    _, middle, last = service.threads.messages.list(thread.id)
    service.threads.messages.delete(thread.id, middle.id)
    without_middle = texts(await store.load("session 1"))
    service.threads.messages.delete(thread.id, last.id)

    await saved(store, "session 1", "d")

    assert without_middle == ["a", "c"]
    assert texts(await store.load("session 1")) == ["a", "d"]


async def steps(store):
    """What a program does with a store, and all that it sees, without what is made by chance."""
    seen = []
    numbers = {}

    def number(id):
        return None if id is None else numbers.setdefault(id, len(numbers))

    async def look(conversation_id, **more):
        record = await store.read_record(conversation_id)
        entries = await store.load_entries(conversation_id, **more) or []
        seen.append([(number(each.id), number(each.parent_id), each.message.parts[0].content) for each in entries])
        if record is not None:
            branches = [number(each) for each in record.branches]
            seen.append((number(record.head_id), branches, record.scope, record.forked_from, number(record.forked_at)))

    one = await saved(store, "one", "a", "b", "c", scope="lea")
    await look("one")
    await look("one", limit=2)
    await look("one", limit=0)
    window = await store.load("one", limit=1)
    window.messages.append(said("d"))
    await store.save(window)
    await look("one")
    for stale in (one, Conversation(conversation_id="one"), await store.load("one")):
        try:
            await store.save(stale, scope="tom")
        except ConversationConflict as conflict:
            seen.append(str(conflict))
    branched = await store.branch("one", at=2, expected_revision=(await store.load("one")).revision)
    branched.messages.append(said("e"))
    await store.save(branched)
    await look("one")
    record = await store.read_record("one")
    await store.branch("one", from_entry=record.branches[0], expected_revision=record.revision)
    await look("one")
    await store.branch("one", at=1, expected_revision=(await store.load("one")).revision)
    await look("one")
    await store.branch("one", at=0, expected_revision=(await store.load("one")).revision)
    await saved(store, "one", "from the beginning", "again")
    await look("one")
    await store.fork("one", at=1, new_conversation_id="two", scope="tom")
    await store.fork("one", from_entry=record.branches[0], new_conversation_id="three")
    for conversation_id in ("two", "three", "one"):
        await look(conversation_id)
    try:
        await store.fork("one", new_conversation_id="two")
    except ConversationConflict as conflict:
        seen.append(str(conflict))
    await saved(store, "two", "f")
    rewritten = Conversation(conversation_id="two", messages=[said("summary")])
    rewritten.revision = (await store.load("two")).revision
    await store.save(rewritten)
    await look("two")
    for more in ({}, {"scope": "lea"}, {"limit": 2}, {"scope": "nobody"}, {"limit": 0}):
        seen.append([each.conversation_id for each in await store.list_conversations(**more)])
    await store.delete("one", scope="tom")
    await store.delete("one")
    await store.delete("never")
    for conversation_id in ("one", "two", "three"):
        await look(conversation_id)
    for gone in (store.branch("one", at=0, expected_revision="r"), store.fork("one")):
        try:
            await gone
        except UserError as error:
            seen.append(str(error))
    await saved(store, "empty")
    await look("empty")
    return seen


async def test_it_does_what_the_store_in_memory_does(store):
    assert await steps(store) == await steps(InMemoryConversationStore())


async def test_all_of_a_fork_is_its_own(store, service):
    entries = await store.save(await saved_many(store, "long", 250))
    assert entries == []
    await store.fork("long", new_conversation_id="copy")

    await store.delete("long")

    assert [thread.external_id for thread in service.threads.list()] == ["copy"]
    assert texts(await store.load("copy")) == [str(number) for number in range(250)]
    assert await store.load_entries("copy", limit=1) == (await store.load_entries("copy"))[-1:]


async def saved_many(store, conversation_id, count):
    return await saved(store, conversation_id, *map(str, range(count)))


async def test_a_fork_from_what_is_gone_is_a_conflict(store):
    await saved(store, "one", "a")
    record = await store.read_record("one")
    await store.delete("one")
    fork = dataclasses.replace(record, conversation_id="two")

    with pytest.raises(ConversationConflict):
        await store.write_record(fork, expected_revision=None)
    with pytest.raises(LookupError):
        await store.read_entry(record.head_id)
    assert await store.load("two") is None


async def test_ids_are_texts_that_can_be_copied(store):
    await saved(store, "one", "a")
    record = await store.read_record("one")

    copied = copy.deepcopy(record)

    assert copied == record
    assert (await store.read_entry(copied.head_id)).message.parts[0].content == "a"


@pytest.mark.parametrize("conversation_id", ["", "a\nb", "x" * 300, "\ud800", "thread_own", "Ü/../?"])
async def test_any_text_is_the_id_of_a_conversation(service, conversation_id):
    store = ThreadkeepConversationStore(service)
    await saved(store, conversation_id, "Hello.")

    assert texts(await store.load(conversation_id)) == ["Hello."]
    assert await store.load(conversation_id + "2") is None


async def test_entries_have_ids_of_any_kind(service):
    store = ThreadkeepConversationStore(service)
    first = ConversationEntry(id="e" * 300, parent_id=None, message=said("a"))
    second = ConversationEntry(id="\n", parent_id=first.id, message=said("b"))
    record = ConversationRecord(conversation_id="one", head_id="\n", updated_at=datetime(2020, 1, 1, tzinfo=UTC))

    await store.write_record(record, new_entries=[first, second], expected_revision=None)

    assert await store.read_record("one") == record
    assert await store.read_history("\n") == [first, second]


async def test_of_writers_at_once_one_gets_through(store):
    async def write(conversation, number):
        conversation.messages.append(said(str(number)))
        try:
            await store.save(conversation)
            return number
        except ConversationConflict:
            return None

    new = [Conversation(conversation_id="one") for _ in range(6)]
    begun = [each for each in await asyncio.gather(*map(write, new, range(6))) if each is not None]
    loaded = [await store.load("one") for _ in range(6)]
    went_on = [each for each in await asyncio.gather(*map(write, loaded, range(6))) if each is not None]

    assert (len(begun), len(went_on)) == (1, 1)
    assert texts(await store.load("one")) == [str(begun[0]), str(went_on[0])]


async def test_a_person_who_renames_the_thread_disturbs_no_save(store, service):
    conversation = await saved(store, "one", "a")
    thread = service.threads.find("one")

    async def rename():
        for number in range(15):
            await asyncio.to_thread(service.threads.update, thread.id, title=str(number))

    async def write():
        for number in range(5):
            conversation.messages.append(said(str(number)))
            await store.save(conversation)

    await asyncio.gather(rename(), write())

    assert texts(await store.load("one")) == ["a", *map(str, range(5))]
    assert service.threads.retrieve(thread.id).title == "14"


async def test_users_have_conversations_of_their_own(service):
    lea, tom = (ThreadkeepConversationStore(service, user_id=f"uid_{name}") for name in ("lea", "tom"))
    await saved(lea, "s1", "I am Lea.")
    await saved(tom, "s1", "I am Tom.")

    assert texts(await lea.load("s1")) == ["I am Lea."]
    assert [each.conversation_id for each in await tom.list_conversations()] == ["s1"]
    assert {thread.user_id for thread in service.threads.list()} == {"uid_lea", "uid_tom"}


async def test_a_locked_thread_refuses_and_can_be_read(store, service):
    conversation = await saved(store, "one", "a")
    thread = service.threads.find("one")
    service.threads.lock(thread.id)
    conversation.messages.append(said("b"))

    with pytest.raises(threadkeep.ThreadLocked):
        await store.save(conversation)
    assert texts(await store.load("one")) == ["a"]
    service.threads.unlock(thread.id)
    await store.save(conversation)
    assert texts(await store.load("one")) == ["a", "b"]


async def test_a_run_is_saved_as_the_docs_say(store):
    agent = Agent(TestModel(custom_output_text="Hello."))
    for number in range(3):
        conversation = await store.load("run") or Conversation(conversation_id="run")
        result = await agent.run(f"Hi {number}", conversation=conversation)
        await store.save(result)

    assert texts(await store.load("run")) == ["Hi 0", "Hello.", "Hi 1", "Hello.", "Hi 2", "Hello."]


# Each run is a process of its own: a turn of a model that calls a tool.
PROGRAM = """
import asyncio, sys, threadkeep
from pydantic_ai import Agent
from pydantic_ai.conversation import Conversation
from pydantic_ai.models.test import TestModel
from threadkeep.integrations.pydantic_ai import ThreadkeepConversationStore

agent = Agent(TestModel(custom_output_text="It is 3."))

@agent.tool_plain
def add(a: int, b: int) -> int:
    return 3

async def turn():
    store = ThreadkeepConversationStore(threadkeep.Client())
    conversation = await store.load("calculator") or Conversation(conversation_id="calculator")
    result = await agent.run("What is 1 + 2? " + sys.argv[1], conversation=conversation)
    try:
        await store.save(result)
    except threadkeep.ThreadLocked:
        print("locked")
    print([part.part_kind for each in (await store.load("calculator")).messages for part in each.parts])

asyncio.run(turn())
"""


@pytest.mark.parametrize("way", ["http"], indirect=True)
def test_a_runner_goes_on_in_the_next_process(service, run):
    turn = ["user-prompt", "tool-call", "tool-return", "text"]
    first = turn if run(PROGRAM, "1") == f"{turn}\n" else []
    for number in range(2, 4):
        run(PROGRAM, str(number))

    [thread] = service.threads.list()
    renamed = service.threads.update(thread.id, title="Sums")
    service.threads.lock(thread.id)
    refused = run(PROGRAM, "4")
    service.threads.unlock(thread.id)
    shown = list(service.threads.messages.list(thread.id))

    assert first == turn
    assert refused.startswith("locked\n")
    assert (renamed.title, thread.external_id, thread.message_count) == ("Sums", "calculator", len(shown))
    assert [(each.role, each.text) for each in shown[:4]] == [
        ("user", "What is 1 + 2? 1"),
        ("assistant", ""),
        ("tool", "3"),
        ("assistant", "It is 3."),
    ]
    assert shown[1].tool_calls[0].id == shown[2].tool_call_id
    service.threads.delete(thread.id)
    assert asyncio.run(ThreadkeepConversationStore(service).load("calculator")) is None


def test_the_page_about_frameworks_shows_what_works(documented, run):
    program, printed = documented("Pydantic AI")

    assert run(program) == printed
