"""Messages as LangGraph's clients send and show them, native ones made of them, and back."""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from threadkeep.contract import messages as native
from threadkeep.contract.messages import FilePart, ImagePart, Part, TextPart, ToolCall
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.errors import InvalidField
from threadkeep.server.dialects import chats
from threadkeep.server.dialects.common import read
from threadkeep.server.dialects.langgraph.errors import Unsupported
from threadkeep.server.dialects.lenient import Lenient

Json = dict[str, Any]  # Any: JSON.

ROLES = {
    "human": "user", "user": "user", "ai": "assistant", "AIMessageChunk": "assistant", "assistant": "assistant",
    "system": "system", "developer": "system", "tool": "tool",
}  # fmt: skip
TYPES: dict[str, Literal["human", "ai", "system", "tool"]] = {
    "user": "human", "assistant": "ai", "system": "system", "tool": "tool",
}  # fmt: skip
# Parts that say nothing which is kept: calls have a field of their own, and reasoning is never stored.
PASSED_OVER = ("tool_use", "tool_call", "reasoning", "thinking", "redacted_thinking")

encode = msgspec.json.Encoder().encode


class Call(Lenient):
    """A call that a model wants made."""

    id: str
    name: str
    args: Json = msgspec.field(default_factory=dict)


class MessageGiven(Lenient):
    """A message to add; `type` or `role` says whose."""

    id: str | None = None
    type: str | None = None
    role: str | None = None
    content: str | list[str | Json] | None = None
    tool_calls: list[Call] | None = None
    tool_call_id: str | None = None


class CallShown(msgspec.Struct):
    """A call that a model wants made, with its arguments as an object."""

    id: str
    name: str
    args: Json
    type: Literal["tool_call"] = "tool_call"


class GraphMessage(msgspec.Struct):
    """A message of a thread."""

    id: str
    type: Literal["human", "ai", "system", "tool"]
    content: str | list[Json]
    additional_kwargs: Json
    response_metadata: Json
    name: None
    tool_calls: list[CallShown] | UnsetType = UNSET
    tool_call_id: str | UnsetType = UNSET


class Values(msgspec.Struct):
    """What a graph's state holds: messages, and nothing else."""

    messages: list[GraphMessage]


MessagesGiven = list[MessageGiven] | MessageGiven | str


def given(message: MessageGiven, place: str) -> native.MessageCreate:
    """Return the native message, checked. Raises InvalidField or Unsupported."""
    role = ROLES.get(message.type or message.role or "")
    if role is None:
        raise InvalidField("A message is of one of the types human, ai, system and tool.", param=f"{place}.type")
    content: Any = message.content or ""
    if not isinstance(content, str):
        content = [part for each in content for part in parts_given(each, f"{place}.content")]
    whole: Json = {"role": role, "content": content}
    if message.id and not message.id.startswith(chats.NATIVE_MESSAGE):
        whole["externalId"] = message.id
    if role == "assistant" and message.tool_calls:
        whole["toolCalls"] = [call_given(each) for each in message.tool_calls]
    if role == "tool":
        whole["toolCallId"] = message.tool_call_id
    made: native.MessageCreate = read(whole, native.MessageCreate, place)
    return made


def call_given(call: Call) -> Json:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": encode(call.args).decode()}}


def parts_given(part: str | Json, place: str) -> list[Json]:
    """Return the native part, if any. Data that comes with the message becomes an address that holds it."""
    if isinstance(part, str):
        return [{"type": "text", "text": part}]
    type = part.get("type")
    if type == "text":
        return [{"type": "text", "text": part.get("text")}]
    if type in PASSED_OVER:
        return []
    if type == "image_url":
        image = part.get("image_url")
        return [{"type": "image", "url": image.get("url") if isinstance(image, dict) else image}]
    if type not in ("image", "file"):
        raise Unsupported("Content is text, image_url, image or file: another type is not kept here.", param=place)
    media_type = part.get("mime_type") or part.get("mimeType")
    url = part.get("url") or f"data:{media_type};base64,{part.get('data')}"
    if type == "image":
        return [{"type": "image", "url": url}]
    more = part.get("metadata")
    name = part.get("filename") or (more.get("filename") or more.get("name") if isinstance(more, dict) else None)
    return [{"type": "file", "url": url, "name": name, "mimeType": media_type}]


def several(messages: MessagesGiven | None) -> list[MessageGiven]:
    if isinstance(messages, str):
        return [MessageGiven(role="user", content=messages)]
    if isinstance(messages, MessageGiven):
        return [messages]
    return messages or []


async def unknown_of(
    tx: ScopedTransaction, thread_id: str, sent: Sequence[MessageGiven], param: str
) -> tuple[list[native.MessageCreate], native.Message | None]:
    """Return the messages that the thread does not have yet, and the last one sent that it has."""
    count, known = await chats.count_known(tx, thread_id, [each.id or "" for each in sent])
    new = [given(each, f"{param}[{place}]") for place, each in enumerate(sent) if place >= count]
    return new, known


def shown(message: native.Message) -> GraphMessage:
    told = GraphMessage(message.id, TYPES[message.role], content_shown(message.content), {}, {}, None)
    if message.role == "assistant":
        told.tool_calls = calls_shown(message.tool_calls or ())
    if message.tool_call_id is not None:
        told.tool_call_id = message.tool_call_id
    return told


def answer(message_id: str, text: str, calls: Sequence[ToolCall]) -> GraphMessage:
    return GraphMessage(message_id, "ai", text, {}, {}, None, calls_shown(calls))


def calls_shown(calls: Sequence[ToolCall]) -> list[CallShown]:
    return [CallShown(each.id, each.function.name, arguments_of(each)) for each in calls]


def arguments_of(call: ToolCall) -> Json:
    try:
        found = msgspec.json.decode(call.function.arguments or "{}")
    except msgspec.DecodeError:
        found = None
    return found if isinstance(found, dict) else {"arguments": call.function.arguments}


def content_shown(parts: Sequence[Part]) -> str | list[Json]:
    """Return content as text if it is nothing else."""
    if all(isinstance(each, TextPart) for each in parts):
        return "".join(each.text for each in parts if isinstance(each, TextPart))
    return [part_shown(each) for each in parts]


def part_shown(part: Part) -> Json:
    match part:
        case TextPart(text):
            return {"type": "text", "text": text}
        case ImagePart(url):
            return {"type": "image_url", "image_url": {"url": url}}
        case FilePart(url, name, mime_type):
            return {"type": "file", "url": url, "mime_type": mime_type, "filename": name}
