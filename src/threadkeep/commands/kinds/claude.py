"""Claude's export: messages in the order in which they were stored, newer ones with the message that each follows."""

import msgspec

from threadkeep.commands.kinds.parts import Value, attached, blocks_in, name_of
from threadkeep.commands.kinds.talks import ROLES, Block, Talk, Turn, in_a_line, seconds


class Message(msgspec.Struct):
    sender: str = ""
    uuid: str | None = None
    text: str | None = None
    content: list[Value] | None = None
    created_at: Value = None
    attachments: list[dict[str, Value]] | None = None
    files: list[Value] | None = None
    # Above the first message stands an id that no message has.
    parent_message_uuid: str | None = None


class Conversation(msgspec.Struct):
    chat_messages: list[Message]
    uuid: str = ""
    name: str | None = None
    created_at: Value = None
    model: str | None = None
    current_leaf_message_uuid: str | None = None


def talk_of(record: Conversation) -> Talk:
    turns = [
        Turn(each.uuid or str(place), each.parent_message_uuid, ROLES.get(each.sender, ""), said_in(each))
        for place, each in enumerate(record.chat_messages)
    ]
    for turn, each in zip(turns, record.chat_messages, strict=True):
        turn.created_at, turn.model = seconds(each.created_at), record.model
    if not any(each.parent_message_uuid for each in record.chat_messages):
        in_a_line(turns)
    about = {"source": "claude", "model": record.model}
    leaf_id = record.current_leaf_message_uuid
    return Talk(record.uuid, turns, about, record.name, seconds(record.created_at), leaf_id)


def said_in(message: Message) -> list[Block]:
    # Newer exports leave `text` empty, older ones have no content.
    said = blocks_in(message.content or message.text)
    for each in message.attachments or []:
        # A long text that a person pasted is an attachment without a name: it is what the person said.
        text = None if each.get("file_name") else each.get("extracted_content")
        said += [text] if isinstance(text, str) and text else attached([each])
    # Some exports list a file in both ways.
    named = {name_of(each) for each in message.attachments or []}
    return said + attached([each for each in message.files or [] if name_of(each) not in named])
