"""LibreChat's export of a conversation: a list of messages, or messages within the one that they follow."""

from collections.abc import Iterator

import msgspec

from threadkeep.commands.kinds.parts import Value, attached, blocks_in
from threadkeep.commands.kinds.talks import Block, Talk, Turn, in_a_line, seconds


class Message(msgspec.Struct, rename="camel"):
    message_id: str | None = None
    # Above the first message stands an id that no message has.
    parent_message_id: str | None = None
    is_created_by_user: bool = False
    sender: str | None = None
    text: str | None = None
    content: list[Value] | None = None
    model: str | None = None
    created_at: Value = None
    files: list[Value] | None = None
    attachments: list[Value] | None = None
    unfinished: bool | None = None
    children: list["Message"] | None = None


class Conversation(msgspec.Struct, rename="camel"):
    conversation_id: str
    messages: list[Message] | None = None
    messages_tree: list[Message] | None = None
    title: str | None = None
    created_at: Value = None
    endpoint: str | None = None
    model: str | None = None
    options: dict[str, Value] | None = None
    is_archived: bool | None = None


def talk_of(record: Conversation) -> Talk:
    found = list(flat(record.messages_tree or record.messages or []))
    turns = [turn_of(each, each.message_id or str(place), above_id) for place, (each, above_id) in enumerate(found)]
    if not any(turn.parent_id for turn in turns):
        in_a_line(turns)
    model = record.model or (record.options or {}).get("model")
    about = {"source": "librechat", "model": model, "endpoint": record.endpoint}
    created_at, archived = seconds(record.created_at), bool(record.is_archived)
    return Talk(record.conversation_id, turns, about, record.title, created_at, is_archived=archived)


def flat(messages: list[Message]) -> Iterator[tuple[Message, str | None]]:
    """Give messages with the id of the one that they follow or stand in."""
    waiting = [(each, each.parent_message_id) for each in reversed(messages)]
    while waiting:
        message, above_id = waiting.pop()
        yield message, above_id
        waiting += [(each, message.message_id) for each in reversed(message.children or [])]


def turn_of(message: Message, own_id: str, parent_id: str | None) -> Turn:
    is_user = message.is_created_by_user or (message.sender or "").lower() == "user"
    said = blocks_in(message.content)
    # Some versions write the text beside its parts as well.
    blocks: list[Block] = said if any(isinstance(each, str) for each in said) else [message.text or "", *said]
    blocks += attached(message.files, message.attachments)
    turn = Turn(own_id, parent_id, "user" if is_user else "assistant", blocks, seconds(message.created_at))
    turn.model, turn.is_incomplete = message.model, bool(message.unfinished)
    return turn
