"""Open WebUI's export: a list of chats, each with a tree of messages."""

import msgspec

from threadkeep.commands.kinds.parts import Value, attached, blocks_in
from threadkeep.commands.kinds.talks import ROLES, Talk, Turn, digest, encode, in_a_line, seconds


class Message(msgspec.Struct, rename="camel"):
    id: str | None = None
    parent_id: str | None = None
    role: str = ""
    content: Value = None
    timestamp: Value = None
    model: str | None = None
    files: list[Value] | None = None
    done: bool | None = None


class History(msgspec.Struct, rename="camel"):
    messages: dict[str, Message] = {}
    current_id: str | None = None


class Chat(msgspec.Struct):
    history: History | None = None
    # The current line alone: what chats had before there were branches.
    messages: list[Message] | None = None
    id: str | None = None
    title: str | None = None
    models: list[str] | None = None
    timestamp: Value = None


class Record(msgspec.Struct):
    chat: Chat
    id: str | None = None
    title: str | None = None
    created_at: Value = None
    archived: bool | None = None


def talk_of(record: Record) -> Talk:
    chat, history = record.chat, record.chat.history or History()
    turns = [turn_of(own_id, each) for own_id, each in history.messages.items()]
    if not turns:
        turns = [turn_of(each.id or str(place), each) for place, each in enumerate(chat.messages or [])]
        in_a_line(turns)
    own_id = record.id or chat.id or digest(encode(chat).decode())
    about = {"source": "open-webui", "model": next(iter(chat.models or []), None)}
    created_at = seconds(record.created_at) or seconds(chat.timestamp)
    title, archived = chat.title or record.title, bool(record.archived)
    return Talk(own_id, turns, about, title, created_at, history.current_id, archived)


def turn_of(own_id: str, message: Message) -> Turn:
    blocks = blocks_in(message.content) + attached(message.files)
    turn = Turn(own_id, message.parent_id, ROLES.get(message.role, ""), blocks, seconds(message.timestamp))
    turn.model, turn.is_incomplete = message.model, message.done is False
    return turn
