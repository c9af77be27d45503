"""Dumps of OpenAI's threads and conversations, as its API lists them: the newest first, or the oldest."""

import msgspec

from threadkeep.commands.kinds import talks
from threadkeep.commands.kinds.parts import Value, attached, blocks_in, text_of
from threadkeep.commands.kinds.talks import Block, CallBlock, LeftOut, ResultBlock, Talk, Turn, in_a_line, seconds


class Item(msgspec.Struct):
    id: str | None = None
    type: str = "message"
    role: str = ""
    content: Value = None
    created_at: Value = None
    status: str | None = None
    attachments: list[Value] | None = None
    metadata: dict[str, Value] | None = None
    assistant_id: str | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: Value = None
    output: Value = None


class Page(msgspec.Struct):
    data: list[Item]


class Record(msgspec.Struct):
    id: str
    title: str | None = None
    created_at: Value = None
    metadata: dict[str, Value] | None = None
    messages: list[Item] | Page | None = None
    items: list[Item] | Page | None = None


def talk_of(record: Record) -> Talk:
    listed = record.items if record.messages is None else record.messages
    items = listed.data if isinstance(listed, Page) else listed or []
    times = [seconds(each.created_at) or 0 for each in items]
    if items and times[0] > times[-1]:
        items = items[::-1]
    turns = [turn_of(each.id or str(place), each) for place, each in enumerate(items)]
    in_a_line(turns)
    return Talk(record.id, turns, record.metadata or {}, record.title, seconds(record.created_at))


def turn_of(own_id: str, item: Item) -> Turn:
    role = "tool" if item.type.endswith("_output") else "assistant" if item.type != "message" else item.role
    turn = Turn(own_id, None, talks.ROLES.get(role, ""), said_in(item), seconds(item.created_at))
    turn.assistant_id, turn.metadata = item.assistant_id, item.metadata or {}
    turn.is_incomplete = item.status == "incomplete"
    return turn


def said_in(item: Item) -> list[Block]:
    if item.type == "message":
        return blocks_in(item.content) + attached(item.attachments)
    if item.type == "function_call":
        return [CallBlock(item.call_id or item.id or "", item.name or "", item.arguments)]
    if item.type == "function_call_output":
        return [ResultBlock(text_of(item.output), item.call_id)]
    return [LeftOut(talks.REASONING if item.type == "reasoning" else talks.UNKNOWN)]
