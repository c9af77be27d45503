"""Makes a thread of another program's conversation, whatever tree it is: in the form that an export has."""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from itertools import pairwise
from typing import Any, TypeAlias

import msgspec

from threadkeep import clock
from threadkeep.contract.basis import THREAD_ID
from threadkeep.contract.limits import (
    METADATA_VALUE_CHARACTERS_MAX,
    TEXT_CHARACTERS_MAX,
    TITLE_CHARACTERS_MAX,
)

ROLES = {
    **dict.fromkeys(("user", "human", "prompter", "critic"), "user"),
    **dict.fromkeys(("assistant", "gpt", "chatgpt", "bot", "model", "bing", "bard", "agent"), "assistant"),
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("tool", "function", "observation", "function_response"), "tool"),
}
NAME_CHARACTERS_MAX = 256
# With room for the number of a message that several are made of.
ID_CHARACTERS_MAX = 240
ID = re.compile(rf"[^\x00-\x1f\x7f-\x9f]{{1,{ID_CHARACTERS_MAX}}}")
# From here on a number counts milliseconds: as seconds it would be the year 5138.
MILLISECONDS_FROM = 100_000_000_000

BLANK = "messages without a text"
CIRCLE = "messages that follow each other in a circle"
CUT = "ends of texts and calls that are longer than a message may be"
REASONING = "passages of reasoning"
HIDDEN = "messages that were hidden"
ROLE = "messages of a role that is not known here"
UNKNOWN = "passages of kinds that are not known here"

Record: TypeAlias = dict[str, Any]  # Any: JSON.
encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class CallBlock:
    """A tool that the model called; `arguments` is JSON as a text, another text, or a value."""

    id: str
    name: str
    arguments: Any  # Any: a value of somebody's file.


@dataclass(frozen=True, slots=True)
class ResultBlock:
    """What a tool gave."""

    text: str
    call_id: str | None = None


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file or picture that is not in the conversation itself."""

    name: str


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something that has no place here; the reason is a plural for people."""

    reason: str


# What holds others together and says nothing.
NOTHING = LeftOut("")
Block: TypeAlias = str | CallBlock | ResultBlock | Attachment | LeftOut


@dataclass(slots=True)
class Turn:
    """What one side said at once: several messages, if tools were called in the middle of it."""

    id: str
    parent_id: str | None
    role: str
    blocks: list[Block]
    created_at: int | None = None
    model: str | None = None
    # Of what a tool gave: the call.
    call_id: str | None = None
    assistant_id: str | None = None
    metadata: Record = field(default_factory=dict)
    # Cut off while it was written.
    is_incomplete: bool = False


@dataclass(slots=True)
class Talk:
    """A conversation, with its turns in any order."""

    id: str
    turns: list[Turn]
    metadata: Record
    title: str | None = None
    created_at: int | None = None
    # The turn that was last shown; without it the newest one.
    current_id: str | None = None
    is_archived: bool = False


@dataclass(slots=True)
class Notes:
    """What did not come along as it was."""

    attachment_count: int = 0
    left_out: Counter[str] = field(default_factory=Counter)


def in_a_line(turns: Sequence[Turn]) -> None:
    """Let each turn follow the one before it."""
    for before, turn in pairwise(turns):
        turn.parent_id = before.id


def thread_of(talk: Talk) -> tuple[Record, Notes]:
    """Return the thread as a line of an export has it: each message behind the one that it follows, the current last.

    Ids of messages are those of the source: with them a second import finds what is there.
    """
    notes = Notes()
    messages: list[Record] = []
    # The last message of each turn; of one without any, that of the turn before.
    last_ids: dict[str | None, str | None] = {None: None}
    for turn, parent_id in in_order(talk, notes):
        made = list(messages_of(turn, last_ids[parent_id], notes))
        messages += made
        last_ids[turn.id] = made[-1]["id"] if made else last_ids[parent_id]
    times = [each["createdAt"] for each in messages if "createdAt" in each]
    title = clean(talk.title or "").strip()[:TITLE_CHARACTERS_MAX]
    metadata = {name: short(value) for name, value in talk.metadata.items() if value is not None}
    created_at = talk.created_at if talk.created_at is not None else min(times, default=None)
    record = {"object": "thread", "id": thread_id_of(talk.id), "title": title or None, "createdAt": created_at}
    state = "archived" if talk.is_archived else "open"
    return {**record, "state": state, "metadata": metadata, "messages": messages}, notes


def in_order(talk: Talk, notes: Notes) -> Iterator[tuple[Turn, str | None]]:
    """Give the turns with the one that each follows: branches one after the other, and the current line last."""
    turns = {turn.id: turn for turn in talk.turns}
    notes.left_out["messages with an id that another one has"] += len(talk.turns) - len(turns)
    children: defaultdict[str | None, list[Turn]] = defaultdict(list)
    for turn in turns.values():
        children[turn.parent_id if turn.parent_id in turns else None].append(turn)
    current = current_line(talk, turns)
    waiting: list[tuple[Turn, str | None]] = []

    def add(parent_id: str | None) -> None:
        # What is added last comes first. Equal ones stay in the order of the file.
        found = sorted(children[parent_id], key=lambda turn: (turn.id in current, turn.created_at or 0))
        waiting.extend((turn, parent_id) for turn in reversed(found))

    add(None)
    count = 0
    while waiting:
        turn, parent_id = waiting.pop()
        count += 1
        yield turn, parent_id
        add(turn.id)
    notes.left_out[CIRCLE] += len(turns) - count


def current_line(talk: Talk, turns: dict[str, Turn]) -> set[str]:
    at = talk.current_id if talk.current_id in turns else None
    if at is None:
        newest = max(enumerate(turns.values()), key=lambda each: (each[1].created_at or 0, each[0]), default=None)
        at = newest[1].id if newest else None
    line: set[str] = set()
    while at is not None and at in turns and at not in line:
        line.add(at)
        at = turns[at].parent_id
    return line


def messages_of(turn: Turn, parent_id: str | None, notes: Notes) -> Iterator[Record]:
    """Give the messages of a turn, each following the one before it."""
    if not turn.role:
        notes.left_out[ROLE] += 1
        return
    notes.left_out.update(block.reason for block in turn.blocks if isinstance(block, LeftOut) and block.reason)
    notes.attachment_count += sum(isinstance(block, Attachment) for block in turn.blocks)
    count = 0
    for count, (texts, calls, result) in enumerate(parted(turn), 1):
        own_id = id_of(turn.id) if count == 1 else f"{id_of(turn.id)}/{count}"
        role = "tool" if result else "assistant" if calls else turn.role
        call_id = result.call_id if result else turn.call_id
        message: Record = {"id": own_id, "externalId": own_id, "parentId": parent_id, "role": role}
        message["content"] = limited("\n\n".join(texts), notes)
        if calls:
            message["toolCalls"] = [called(each, notes) for each in calls]
        if call_id and role == "tool":
            message["toolCallId"] = clean(call_id)[:NAME_CHARACTERS_MAX]
        if turn.created_at is not None:
            message["createdAt"] = turn.created_at
        metadata = {**turn.metadata, **({"model": turn.model} if turn.model and role == "assistant" else {})}
        if metadata:
            message["metadata"] = {name: short(value) for name, value in metadata.items()}
        if turn.assistant_id and role == "assistant":
            message["assistantId"] = turn.assistant_id
        if turn.is_incomplete and role == "assistant":
            message["status"] = "incomplete"
        yield message
        parent_id = own_id
    if not count and not any(isinstance(block, LeftOut) for block in turn.blocks):
        notes.left_out[BLANK] += 1


def parted(turn: Turn) -> Iterator[tuple[list[str], list[CallBlock], ResultBlock | None]]:
    """Cut a turn into messages: what a tool gave is one of its own, and what is said on it another."""
    texts: list[str] = []
    calls: list[CallBlock] = []
    for block in turn.blocks:
        if isinstance(block, ResultBlock):
            if texts or calls:
                yield texts, calls, None
            texts, calls = [], []
            yield [block.text], [], block
        elif isinstance(block, CallBlock):
            calls.append(block)
        elif isinstance(block, Attachment):
            texts.append(f"[attachment: {' '.join(block.name.split())[:METADATA_VALUE_CHARACTERS_MAX] or 'no name'}]")
        elif isinstance(block, str) and block.strip():
            texts.append(block)
    if texts or calls:
        yield texts, calls, None


def called(call: CallBlock, notes: Notes) -> Record:
    arguments = call.arguments
    if isinstance(arguments, str):
        with suppress(msgspec.MsgspecError):
            arguments = msgspec.json.decode(arguments)
    if not isinstance(arguments, dict):
        # A model writes objects; what is none, such as a program to run, becomes one.
        arguments = {} if arguments in (None, "") else {"input": arguments}
    text = encode(arguments).decode()
    if len(text) > TEXT_CHARACTERS_MAX:
        notes.left_out[CUT] += 1
        text = "{}"
    function = {"name": clean(call.name)[:NAME_CHARACTERS_MAX] or "tool", "arguments": text}
    return {"id": clean(call.id)[:NAME_CHARACTERS_MAX] or "call", "type": "function", "function": function}


def limited(text: str, notes: Notes) -> str:
    notes.left_out[CUT] += len(text) > TEXT_CHARACTERS_MAX
    return clean(text[:TEXT_CHARACTERS_MAX])


def clean(text: str) -> str:
    """Return a text without NUL, which no text may have here."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def short(value: Any) -> Any:  # Any: a value of metadata.
    return clean(value)[:METADATA_VALUE_CHARACTERS_MAX] if isinstance(value, str) else value


def id_of(given: str) -> str:
    return given if ID.fullmatch(given) else digest(given)


def thread_id_of(given: str) -> str:
    """Return the thread's id: the one of the source where it can be one, so that it is found again."""
    name = given if given.startswith("thread_") else f"thread_{given.removeprefix('conv_')}"
    return name if re.search(THREAD_ID, name) else f"thread_{digest(given)}"


def digest(text: str) -> str:
    return blake2b(text.encode(), digest_size=16).hexdigest()


def seconds(value: Any) -> int | None:  # Any: a value of somebody's file.
    """Return a time in whole seconds, of seconds, milliseconds or ISO 8601; None if it is none, or to come."""
    if isinstance(value, dict):
        return seconds(value.get("$date", value.get("$numberLong")))
    if isinstance(value, str):
        with suppress(ValueError, OverflowError):
            moment = datetime.fromisoformat(value)
            return seconds((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
        return seconds(int(value)) if value.isascii() and value.isdigit() and len(value) < 20 else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    whole = int(value / 1000 if value >= MILLISECONDS_FROM else value)
    return whole if 0 <= whole <= clock.now_ms() // 1000 else None
