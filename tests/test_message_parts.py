"""A part of a message is removed: one of its calls, or its content; the last one takes the message with it."""

import msgspec
import pytest

from support.answering import change_stored
from support.other_door import other_door
from support.stored import stored_in
from test_response_chains import RUN, problems, result
from threadkeep.contract.basis import Payload
from threadkeep.contract.messages import FunctionCall, ImagePart, MessageCreate, TextPart, ToolCall
from threadkeep.errors import MessageNotFound, ThreadLocked, ThreadNotFound
from threadkeep.operations.messages import appending, messages
from threadkeep.operations.messages.parts import remove_part
from threadkeep.operations.threads import state, threads


@pytest.fixture(scope="module")
async def door(new_database):
    async with other_door(await new_database()) as door:
        yield door


@pytest.fixture
def ada(door):
    door.model.reset()
    return door.as_user("uid_ada")


def call(id):
    return ToolCall(id, "function", FunctionCall("find_invoice", "{}"))


async def thread_with(caller, *added):
    """Create a thread with these messages behind a question; return its id and theirs."""
    thread_id = await caller.thread("Where is it?")
    ids = [(await caller.write(appending.append, thread_id, each)).object.id for each in added]
    return thread_id, ids


def calls_in(message):
    return [each["id"] for each in msgspec.json.decode(message.tool_calls) or []]


async def test_one_call_of_several_goes_and_the_models_context_stays_valid(door, ada):
    thread_id, [called, *_] = await thread_with(
        ada,
        MessageCreate("assistant", "I look.", tool_calls=[call("a"), call("b")]),
        result("a", "one"),
        result("b", "two"),
    )
    before = await ada.read(messages.read, thread_id, called)

    changed = await ada.write(remove_part, thread_id, called, 0)
    await ada.ask(thread_id, None, RUN)

    assert calls_in(changed.object) == ["b"]
    assert changed.revision == before.revision + 1
    assert [each["role"] for each in door.model.calls[-1].body["messages"]] == ["user", "assistant", "tool"]
    assert door.model.calls[-1].body["messages"][-1]["content"] == "two"
    assert await problems(door) == []


async def test_the_content_goes_and_the_calls_stay(door, ada):
    thread_id, [called] = await thread_with(ada, MessageCreate("assistant", "I look.", tool_calls=[call("a")]))

    changed = await ada.write(remove_part, thread_id, called, None)

    assert (bytes(changed.object.content), calls_in(changed.object)) == (b"[]", ["a"])
    assert await problems(door) == []


@pytest.mark.parametrize(
    ("new", "parts"),
    [
        (MessageCreate("user", "one text"), [None]),
        (MessageCreate("user", [TextPart("look:"), ImagePart("https://example.com/a.png")]), [None]),
        (MessageCreate("assistant", "text", tool_calls=[call("a")]), [None, 0]),
        (MessageCreate("assistant", "text", tool_calls=[call("a"), call("b")]), [1, 0, None]),
        (MessageCreate("assistant", "", tool_calls=[call("a")]), [0]),
        (MessageCreate("tool", "found", tool_call_id="a"), [None]),
    ],
)
async def test_the_last_part_takes_the_message_with_it(door, ada, new, parts):
    thread_id, [message_id] = await thread_with(ada, new)

    left = [await ada.write(remove_part, thread_id, message_id, part) for part in parts]

    assert [each is None for each in left] == [False] * (len(parts) - 1) + [True]
    assert (await ada.read(threads.read, thread_id)).object.message_count == 1
    assert await problems(door) == []


async def test_the_payload_goes_with_a_part_unless_another_takes_its_place(door, ada):
    new = MessageCreate(
        "assistant", "text", tool_calls=[call("a"), call("b")], payload=Payload("app/x", "about a and b")
    )
    thread_id, [first, second] = await thread_with(ada, new, new)

    await ada.write(remove_part, thread_id, first, 0)
    await ada.write(remove_part, thread_id, second, 0, Payload("app/x", "about b"))

    assert (await ada.read(messages.read, thread_id, first)).object.payload_format is None
    assert (await ada.read(messages.read, thread_id, second)).object.payload.data == "about b"
    assert await problems(door) == []


async def test_what_a_models_server_wanted_back_with_it_goes_too(door, ada):
    thread_id, [called] = await thread_with(ada, MessageCreate("assistant", "x", tool_calls=[call("a")]))
    kept = f"select wanted_back from messages where id = '{called}'"
    await change_stored(door.place, f"update messages set wanted_back = '{{\"by\":\"m\"}}' where id = '{called}'")

    await ada.write(remove_part, thread_id, called, None)

    async with stored_in(door.place) as stored:
        assert await stored.rows(kept) == [(None,)]


@pytest.mark.parametrize("part", [2, -1, 9])
async def test_a_part_that_is_not_there_is_not_found(ada, part):
    thread_id, [called] = await thread_with(ada, MessageCreate("assistant", "", tool_calls=[call("a"), call("b")]))

    with pytest.raises(MessageNotFound):
        await ada.write(remove_part, thread_id, called, part)
    with pytest.raises(MessageNotFound):
        await ada.write(remove_part, thread_id, called, None)


async def test_nobody_else_removes_a_part_nor_anybody_from_a_locked_thread(door, ada):
    thread_id, [called] = await thread_with(ada, MessageCreate("assistant", "x", tool_calls=[call("a")]))

    with pytest.raises(ThreadNotFound):
        await door.as_user("uid_ben").write(remove_part, thread_id, called, 0)
    await ada.write(state.lock, thread_id)
    with pytest.raises(ThreadLocked):
        await ada.write(remove_part, thread_id, called, 0)
