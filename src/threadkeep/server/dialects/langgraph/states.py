"""States of a thread, as checkpoints of a graph: each message is one, and the beginning is one."""

from typing import Any

import msgspec

from threadkeep.contract import messages as native
from threadkeep.contract.messages import MessagesCreate
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.operations.messages import appending, listing
from threadkeep.operations.messages.listing import MessageQuery
from threadkeep.operations.paging import PAGE_BYTES_MAX, window
from threadkeep.operations.threads import threads
from threadkeep.server.dialects import chats, common
from threadkeep.server.dialects.langgraph import ids, messages
from threadkeep.server.dialects.langgraph.errors import Unsupported
from threadkeep.server.dialects.langgraph.messages import GraphMessage, MessagesGiven, Values
from threadkeep.server.dialects.langgraph.walking import Limit, iso
from threadkeep.server.dialects.lenient import Lenient

# The checkpoint before the first message: a run from there begins the thread anew.
ROOT = "00000000-0000-0000-0000-000000000000"
STATES_MAX = 50

Json = dict[str, Any]  # Any: JSON.
encode = msgspec.json.Encoder().encode


class Checkpoint(msgspec.Struct):
    """A place in a thread: its id is that of the message that is the newest there."""

    thread_id: str
    checkpoint_id: str | None
    checkpoint_ns: str = ""
    checkpoint_map: None = None


class ThreadState(msgspec.Struct):
    """What a thread holds at a checkpoint."""

    values: Values
    next: list[str]
    checkpoint: Checkpoint
    metadata: Json
    created_at: str
    parent_checkpoint: Checkpoint | None
    tasks: list[Json]
    interrupts: list[Json]


class Updated(msgspec.Struct):
    """Where a thread is after an update of its state."""

    checkpoint: Checkpoint


class Place(Lenient):
    """A checkpoint as a client names it."""

    checkpoint_id: str | None = None


class HistoryAsked(Lenient):
    """How much of a thread's history is asked for."""

    limit: Limit = 10
    before: Place | str | None = None
    metadata: Json | None = None


class StateUpdate(Lenient):
    """Messages to add to a thread."""

    values: Json | None = None
    checkpoint: Place | None = None
    checkpoint_id: str | None = None
    as_node: str | None = None


class InputGiven(Lenient):
    """What a state, or an input, holds for us."""

    messages: MessagesGiven | None = None


def state_of(thread_id: str, created_at: int, line: list[GraphMessage], *, is_root: bool = False) -> ThreadState:
    """Return the state in which a thread has these messages."""
    newest = line[-1].id if line else ROOT if is_root else None
    before = Checkpoint(ids.shown(thread_id), line[-2].id if len(line) > 1 else ROOT) if line else None
    here = Checkpoint(ids.shown(thread_id), newest)
    told: Json = {"source": "loop", "step": len(line) - 1, "parents": {}}
    return ThreadState(Values(line), [], here, told, iso(created_at), before, [], [])


def is_whole(message: native.Message) -> bool:
    """Return whether it belongs to a state: an answer that is still written is told by its stream."""
    return message.status != "in_progress"


async def read(tx: ScopedTransaction, thread_id: str) -> ThreadState:
    thread = (await threads.read_without_payload(tx, thread_id)).object
    line = [each for each in await chats.current_line(tx, thread_id) if is_whole(each)]
    created_at = line[-1].created_at if line else thread.created_at
    return state_of(thread_id, created_at, [messages.shown(each) for each in line])


async def history(tx: ScopedTransaction, thread_id: str, asked: HistoryAsked) -> list[ThreadState]:
    """Return a state for each message on whatever branch, the newest first, and at last the beginning.

    With `metadata`, those whose own has these pairs. At most STATES_MAX, and no more than PAGE_BYTES_MAX of them, but
    at least one.
    """
    thread = (await threads.read_without_payload(tx, thread_id)).object
    found = {each.id: each for each in await every_message(tx, thread_id)}
    shown = {each.id: messages.shown(each) for each in found.values()}
    sizes = {each.id: len(encode(each)) for each in shown.values()}
    place = asked.before.checkpoint_id if isinstance(asked.before, Place) else asked.before
    newest_first = list(found)[::-1]
    if place is not None:
        newest_first = newest_first[newest_first.index(place) + 1 :] if place in found else []
    states: list[ThreadState] = []
    left_bytes = PAGE_BYTES_MAX
    for id in newest_first:
        line = line_to(found, id)
        state = state_of(thread_id, found[id].created_at, [shown[each] for each in line])
        if not has(state, asked.metadata):
            continue
        left_bytes -= sum(sizes[each] for each in line)
        if states and (len(states) == min(asked.limit, STATES_MAX) or left_bytes < 0):
            return states
        states.append(state)
    beginning = state_of(thread_id, thread.created_at, [], is_root=bool(found))
    if len(states) < min(asked.limit, STATES_MAX) and place != ROOT and has(beginning, asked.metadata):
        states.append(beginning)
    return states


def has(state: ThreadState, metadata: Json | None) -> bool:
    return not metadata or metadata.items() <= state.metadata.items()


def line_to(found: dict[str, native.Message], id: str | None) -> list[str]:
    """Return the ids of the messages that lead to one, and its own."""
    line: list[str] = []
    while id in found:
        line.append(id)
        id = found[id].parent_id
    return line[::-1]


async def every_message(tx: ScopedTransaction, thread_id: str) -> list[native.Message]:
    """Return the messages of all branches, the oldest first."""
    found: list[native.Message] = []
    after: str | None = None
    while True:
        page = await listing.list_messages(tx, thread_id, MessageQuery(window(chats.PAGE, "asc", after, None)))
        found += map(chats.decoded, filter(is_whole, page.data))
        after = page.next_cursor
        if after is None:
            return found


async def update(tx: ScopedTransaction, thread_id: str, body: StateUpdate) -> Updated:
    """Append the messages that the thread does not have yet."""
    values = body.values or {}
    if values.keys() - {"messages"}:
        raise Unsupported("A state holds messages and nothing else: leave other keys out.", param="values")
    sent = messages.several(common.read(values, InputGiven, "values").messages)
    new, _ = await messages.unknown_of(tx, thread_id, sent, "values.messages")
    if new:
        place = place_of(body.checkpoint, body.checkpoint_id)
        if place is not None:
            new[0].parent_id = None if place == ROOT else place
        await appending.append(tx, thread_id, MessagesCreate(new))
    return Updated((await read(tx, thread_id)).checkpoint)


def place_of(checkpoint: Place | None, checkpoint_id: str | None) -> str | None:
    """Return the id of the message after which something comes, ROOT for the beginning, or None."""
    return (checkpoint.checkpoint_id if checkpoint is not None else None) or checkpoint_id
