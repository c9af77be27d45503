"""ChatGPT's export: each conversation is a tree of nodes, most of which hold a message."""

import msgspec

from threadkeep.commands.kinds import talks
from threadkeep.commands.kinds.parts import Value, blocks_of
from threadkeep.commands.kinds.talks import Attachment, Block, CallBlock, LeftOut, Talk, Turn, seconds

# Content that only the model or the page was meant to see.
REASONING_TYPES = {"thoughts", "reasoning_recap"}
CONTEXT_TYPES = {"user_editable_context", "model_editable_context", "app_pairing_content"}
# Whom a message is for, if not a tool.
EVERYBODY = {None, "", "all", "user", "assistant"}
POINTERS = ("asset_pointer", "audio_asset_pointer", "video_container_asset_pointer")


class Author(msgspec.Struct):
    role: str = ""
    name: str | None = None


class Content(msgspec.Struct):
    content_type: str = "text"
    parts: list[Value] | None = None
    text: Value = None
    result: Value = None
    language: str | None = None
    url: Value = None
    title: Value = None


class Message(msgspec.Struct):
    author: Author
    content: Content
    create_time: Value = None
    recipient: str | None = None
    status: str | None = None
    metadata: dict[str, Value] | None = None


class Node(msgspec.Struct):
    message: Message | None = None
    parent: str | None = None


class Conversation(msgspec.Struct):
    mapping: dict[str, Node]
    id: str | None = None
    conversation_id: str | None = None
    title: str | None = None
    create_time: Value = None
    current_node: str | None = None
    default_model_slug: str | None = None
    is_archived: bool | None = None


def talk_of(record: Conversation) -> Talk:
    return Talk(
        record.id or record.conversation_id or next(iter(record.mapping), ""),
        [turn_of(node_id, node, record.mapping) for node_id, node in record.mapping.items()],
        {"source": "chatgpt", "model": record.default_model_slug},
        record.title,
        seconds(record.create_time),
        record.current_node,
        bool(record.is_archived),
    )


def turn_of(node_id: str, node: Node, mapping: dict[str, Node]) -> Turn:
    message = node.message
    if message is None:
        return Turn(node_id, node.parent, "system", [talks.NOTHING])
    about = message.metadata or {}
    model = about.get("model_slug")
    return Turn(
        node_id,
        node.parent,
        talks.ROLES.get(message.author.role, ""),
        said_by(node_id, message, about),
        seconds(message.create_time),
        model if isinstance(model, str) else None,
        call_id=call_before(node.parent, mapping) if message.author.role == "tool" else None,
        is_incomplete=message.status == "in_progress",
    )


def said_by(node_id: str, message: Message, about: dict[str, Value]) -> list[Block]:
    content = message.content
    if content.content_type in REASONING_TYPES:
        return [LeftOut(talks.REASONING)]
    if about.get("is_visually_hidden_from_conversation") or content.content_type in CONTEXT_TYPES:
        return [LeftOut(talks.HIDDEN)]
    said = said_in(content, names_of(about.get("attachments")))
    if is_call(message):
        texts = [each for each in said if isinstance(each, str)]
        others = [each for each in said if not isinstance(each, str)]
        return [CallBlock(node_id, str(message.recipient), "\n".join(texts)), *others]
    if content.content_type == "code":
        return [fenced(each, content.language) if isinstance(each, str) else each for each in said]
    return said


def is_call(message: Message) -> bool:
    return message.author.role == "assistant" and message.recipient not in EVERYBODY


def names_of(attachments: Value) -> dict[str, str]:
    """Return the names of attached files by their ids."""
    listed = [each for each in attachments if isinstance(each, dict)] if isinstance(attachments, list) else []
    return {str(each.get("id") or place): str(each.get("name") or each.get("id")) for place, each in enumerate(listed)}


def said_in(content: Content, names: dict[str, str]) -> list[Block]:
    """Return the texts of a message, and the pictures and files that come with it, each once."""
    if content.parts is None:
        text = content.text if content.text is not None else content.result
        texts = [each for each in (content.title, content.url, text) if isinstance(each, str)]
        return ["\n".join(texts)] if texts else [LeftOut(talks.UNKNOWN)]
    said = [block for each in content.parts for block in part_of(each, names)]
    return [*said, *map(Attachment, names.values())]


def part_of(part: Value, names: dict[str, str]) -> list[Block]:
    """Return a part of a message. A file that it points to is taken from `names`."""
    pointer = next((part[each] for each in POINTERS if each in part), None) if isinstance(part, dict) else None
    if isinstance(pointer, dict):
        pointer = pointer.get("asset_pointer")
    if not isinstance(pointer, str):
        return blocks_of(part)
    file_id = pointer.rpartition("://")[2]
    return [Attachment(names.pop(file_id, file_id))]


def fenced(text: str, language: str | None) -> str:
    return f"```{'' if language in (None, 'unknown') else language}\n{text}\n```" if text.strip() else ""


def call_before(at: str | None, mapping: dict[str, Node]) -> str | None:
    """Return the call that a tool's message answers: the nearest above it, behind other messages of the tool."""
    seen: set[str] = set()
    while at is not None and at in mapping and at not in seen:
        seen.add(at)
        message = mapping[at].message
        if message is not None and message.author.role != "tool":
            return at if is_call(message) else None
        at = mapping[at].parent
    return None
