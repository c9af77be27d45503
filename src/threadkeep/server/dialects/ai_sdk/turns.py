"""What a turn asks for: a response to begin, or the one that the same request began before."""

from typing import NamedTuple

from threadkeep.contract.messages import Message, MessageCreate
from threadkeep.contract.responses import ResponseCreate, ResponseInThreadCreate
from threadkeep.contract.threads import Thread, ThreadCreate
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.errors import Conflict, InvalidField, MessageNotFound, ThreadNotFound
from threadkeep.operations.messages import messages
from threadkeep.operations.threads.threads import check_assistant
from threadkeep.server.dialects.ai_sdk.lines import find_edited, newest_of, next_of
from threadkeep.server.dialects.ai_sdk.requests import (
    HERE,
    ChatCreate,
    Place,
    given_messages,
    id_of,
    read_message,
    refuse_approvals,
    settings_of,
)
from threadkeep.server.dialects.chats import NATIVE_THREAD, answering_to, find_thread, group_from
from threadkeep.server.dialects.ui_messages import (
    UIMessage,
    calls_of,
    content_of,
    given,
    given_result,
    has_result,
    is_call,
)


class MessageStored(Conflict):
    code = "message_stored"
    default = "This message is stored already, and there is no answer to follow: ask for one with regenerate()."


class Begin(NamedTuple):
    """A response to begin; with `head` it goes on with the message of that id."""

    thread_id: str | None
    body: ResponseCreate
    head: str | None = None


class Follow(NamedTuple):
    """A response that runs, or has ended."""

    thread_id: str
    response_id: str
    head: str | None = None


async def plan(tx: ScopedTransaction, body: ChatCreate) -> Begin | Follow:
    """Return what a request asks for. To be read in one commit."""
    if not body.said:
        raise InvalidField("Send the chat's messages, or the last one as message.", param="messages")
    # Also where a turn that is known is only followed.
    await check_assistant(tx, body.assistant_id)
    thread = await find_thread(tx, body.id)
    if thread is None and body.id.startswith(NATIVE_THREAD):
        raise ThreadNotFound()
    if thread is None or thread.message_count == 0:
        return begin_whole(thread, body)
    last = read_message(body.said[-1], "messages")
    if last.role == "assistant":
        return await go_on(tx, thread.id, body, last)
    known = await find_edited(tx, thread.id, last.id) if last.id else None
    if known is None:
        return begin(thread.id, body, last.id, await place_of_new(tx, thread.id, body))
    message, edits = known
    if body.trigger == "regenerate-message":
        return Begin(thread.id, ResponseCreate(after=message.id, **settings_of(body)))
    # The client names it also when it sends the same again.
    if body.message_id == last.id and not await is_same(tx, thread.id, last, message.id):
        return begin(thread.id, body, f"{last.id}~{edits + 1}", message.parent_id)
    return await follow_answer(tx, thread.id, message, None)


def begin_whole(thread: Thread | None, body: ChatCreate) -> Begin:
    """All that was said before is stored too: a greeting, or a conversation that is brought along."""
    input = [each for place, said in enumerate(body.said) for each in given_messages(said, f"messages[{place}]")]
    if thread is not None:
        return Begin(thread.id, ResponseCreate(input=input, **settings_of(body)))
    made = ResponseInThreadCreate(thread=ThreadCreate(external_id=body.id), input=input, **settings_of(body))
    return Begin(None, made)


def begin(thread_id: str, body: ChatCreate, external_id: str, after: Place) -> Begin:
    """Store the last message, and answer it."""
    input = given_messages(body.said[-1], "messages", external_id)
    return Begin(thread_id, ResponseCreate(input=input, after=after, **settings_of(body)))


async def place_of_new(tx: ScopedTransaction, thread_id: str, body: ChatCreate) -> Place:
    """Return what a new message follows: what it follows in the list, if that is known, else the newest message."""
    before = id_of(body.said[-2]) if len(body.said) > 1 else None
    known = await find_edited(tx, thread_id, before) if before else None
    if known is None:
        return HERE
    last = (await group_from(tx, thread_id, known[0]))[-1]
    newest = await newest_of(tx, thread_id)
    return HERE if newest is None or newest.id == last.id else last.id


async def go_on(tx: ScopedTransaction, thread_id: str, body: ChatCreate, last: UIMessage) -> Begin | Follow:
    """Store the results of the calls of the last message, and answer them."""
    refuse_approvals(last)
    known = await find_edited(tx, thread_id, last.id) if last.id else None
    if known is None or known[0].role != "assistant":
        raise MessageNotFound("The last message is not stored here: send a user's, or results of calls that are.")
    group = await group_from(tx, thread_id, known[0])
    results = new_results(last, group)
    if not results:
        return await follow_results(tx, thread_id, group, last.id)
    newest = await newest_of(tx, thread_id)
    after = HERE if newest is None or newest.id == group[-1].id else group[-1].id
    return Begin(thread_id, ResponseCreate(input=results, after=after, **settings_of(body)), last.id)


def new_results(last: UIMessage, group: list[Message]) -> list[MessageCreate]:
    """Return the results that came for calls without one."""
    has = {message.tool_call_id for message in group if message.role == "tool"}
    waiting = {call.id for message in group for call in calls_of(message)} - has
    parts = [part for part in last.parts if is_call(part) and has_result(part)]
    return [given_result(part) for part in parts if part.get("toolCallId") in waiting]


async def follow_results(tx: ScopedTransaction, thread_id: str, group: list[Message], head: str) -> Follow:
    """Follow what the last results began."""
    tools = [message for message in group if message.role == "tool"]
    if not tools:
        raise InvalidField("The last message holds no new result of a call: there is nothing to answer.")
    return await follow_answer(tx, thread_id, tools[-1], head)


async def follow_answer(tx: ScopedTransaction, thread_id: str, message: Message, head: str | None) -> Follow:
    """Follow the answer to a message. Raises MessageStored if there is none."""
    answer = await next_of(tx, thread_id, message)
    response_id = await answering_to(tx, thread_id, message.id) if answer is None else answer.response_id
    if response_id is None:
        raise MessageStored()
    return Follow(thread_id, response_id, head)


async def is_same(tx: ScopedTransaction, thread_id: str, last: UIMessage, message_id: str) -> bool:
    """Return whether what came is what is stored."""
    stored: Message = (await messages.read(tx, thread_id, message_id)).object
    came = given(last)
    return [*content_of(came)] == [*content_of(stored)] and came.payload == (stored.payload or None)
