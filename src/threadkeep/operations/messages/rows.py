"""How a message is checked, stored and read."""

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from threadkeep.contract.basis import Raw
from threadkeep.contract.limits import PREVIEW_CHARACTERS_MAX, TEXT_CHARACTERS_MAX
from threadkeep.contract.messages import FunctionCall, Message, MessageCreate, Part, TextPart, ToolCall
from threadkeep.database.driver import Row
from threadkeep.errors import InvalidField
from threadkeep.ids import new_id
from threadkeep.operations import metadata

NULL = Raw(b"null")

URL_CHARACTERS_MAX = 8 * 1024
# A model's server may fetch an address: only web addresses are allowed, and data: URLs, which hold their content.
URL = re.compile(r"(?:https?|data):", re.I)


def draft(body: MessageCreate, param: str = "") -> dict[str, Any]:
    """Return the stored form of a new message, without its place in a thread.

    `param` prefixes the names of fields in errors. Raises InvalidField or one of the Metadata… errors.
    """
    if body.tool_calls is not None and body.role != "assistant":
        raise InvalidField("toolCalls belongs to messages of the assistant only.", param=f"{param}toolCalls")
    if body.tool_call_id is not None and body.role != "tool":
        raise InvalidField("toolCallId belongs to messages of a tool only.", param=f"{param}toolCallId")
    tool_calls = stored_calls(body.tool_calls, param)
    stored_metadata = metadata.merge(metadata.EMPTY, body.metadata or {}, f"{param}metadata")
    check_urls(body.content, param)
    content, preview = stored_content(body.content, body.role, param)
    return {
        "id": new_id("msg"),
        "role": body.role,
        "tool_calls": tool_calls,
        "tool_call_id": body.tool_call_id,
        "metadata": stored_metadata,
        "content": content,
        "preview": preview,
        "size_bytes": size_bytes(content, tool_calls, stored_metadata),
    }


def stored_calls(calls: list[ToolCall] | None, param: str = "") -> str | None:
    """Return calls as JSON; empty arguments become `{}`. Raises InvalidField for arguments that are not JSON."""
    if calls is None:
        return None
    kept: list[ToolCall] = []
    for position, call in enumerate(calls):
        arguments = call.function.arguments if call.function.arguments.strip() else "{}"
        if not is_json(arguments):
            raise InvalidField(
                "The arguments of a call are the text of JSON, such as {}.",
                param=f"{param}toolCalls[{position}].function.arguments",
            )
        kept.append(msgspec.structs.replace(call, function=FunctionCall(call.function.name, arguments)))
    return msgspec.json.encode(kept).decode()


def is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def stored_content(content: str | list[Part], role: str, param: str = "") -> tuple[str, str]:
    """Return content as parts in JSON, and its preview. Raises InvalidField."""
    if isinstance(content, str):
        text = content
        parts: list[Part] = [TextPart(content)] if content else []
        has_attachment = False
    else:
        texts = [part.text for part in content if isinstance(part, TextPart)]
        text = "".join(texts)
        parts = content
        has_attachment = len(texts) < len(content)
    if len(text) > TEXT_CHARACTERS_MAX:
        raise InvalidField(
            f"The text of a message has at most {TEXT_CHARACTERS_MAX} characters.", param=f"{param}content"
        )
    if role in ("user", "system") and not has_attachment and not text.strip():
        raise InvalidField(f"A {role} message needs content that is not blank.", param=f"{param}content")
    stored = msgspec.json.encode(parts)
    return stored.decode(), text[:PREVIEW_CHARACTERS_MAX]


def check_urls(content: str | list[Part], param: str = "") -> None:
    """Raise InvalidField if the address of an image or file is too long, or neither a web address nor a data: URL."""
    if isinstance(content, str):
        return
    for number, part in enumerate(content):
        if isinstance(part, TextPart):
            continue
        name = f"{param}content[{number}].url"
        if not URL.match(part.url):
            raise InvalidField("An address of an image or a file begins with https:, http: or data:.", param=name)
        if len(part.url) > URL_CHARACTERS_MAX and part.url[:5].lower() != "data:":
            raise InvalidField(
                f"An address that is no data: URL has at most {URL_CHARACTERS_MAX} characters.", param=name
            )


def size_bytes(content: str, tool_calls: str | None, stored_metadata: str) -> int:
    """Return the bytes that a message's long fields take of a page."""
    return len(content.encode()) + len((tool_calls or "").encode()) + len(stored_metadata.encode())


class StoredMessage(NamedTuple):
    """A message's row."""

    id: str
    created_ms: int
    updated_ms: int
    seq: int
    role: str
    content: str
    status: str
    user_id: str
    assistant_id: str | None
    response_id: str | None
    tool_calls: str | None
    tool_call_id: str | None
    metadata: str
    revision: int


# The columns are the fields, in their order.
COLUMNS = ", ".join(f"m.{name}" for name in StoredMessage._fields)

RETURNED_COLUMNS = ", ".join(StoredMessage._fields)


def messages_of(rows: Iterable[Row], thread_id: str) -> list[Message]:
    """Make objects of rows of COLUMNS. One loop: a function call for each row would nearly double the time."""
    return [
        Message(
            id,
            "thread.message",
            created_ms // 1000,
            updated_ms // 1000,
            thread_id,
            seq,
            role,
            Raw(content),
            status,
            user_id,
            assistant_id,
            response_id,
            NULL if tool_calls is None else Raw(tool_calls),
            tool_call_id,
            Raw(stored_metadata),
        )
        for (
            id, created_ms, updated_ms, seq, role, content, status, user_id, assistant_id, response_id,
            tool_calls, tool_call_id, stored_metadata, _,
        ) in rows
    ]  # fmt: skip


def message_of(row: Row, thread_id: str) -> Message:
    [message] = messages_of((row,), thread_id)
    return message
