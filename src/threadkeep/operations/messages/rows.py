"""How a message is checked, stored and read."""

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from threadkeep.contract.basis import Raw
from threadkeep.contract.limits import PREVIEW_CHARACTERS_MAX, TEXT_CHARACTERS_MAX
from threadkeep.contract.messages import FunctionCall, Message, MessageCreate, Part, TextPart, ToolCall
from threadkeep.database.driver import Row
from threadkeep.decoding import decoder
from threadkeep.errors import InsufficientPermissions, InvalidField
from threadkeep.ids import new_id
from threadkeep.operations import metadata
from threadkeep.scope import Scope

NULL = Raw(b"null")
decode_parts = decoder(list[Part]).decode

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
    if body.role != "assistant" and (body.assistant_id is not None or body.status != "completed"):
        name = "status" if body.assistant_id is None else "assistantId"
        raise InvalidField(f"{name} is for messages of the assistant only.", param=f"{param}{name}")
    tool_calls = stored_calls(body.tool_calls, param)
    stored_metadata = metadata.merge(metadata.EMPTY, body.metadata or {}, f"{param}metadata")
    check_urls(body.content, param)
    content, preview, is_blank = stored_content(body.content, param)
    check_blank(body.role, body.payload is not None or not is_blank, f"{param}content")
    return {
        "id": new_id("msg"),
        "role": body.role,
        "tool_calls": tool_calls,
        "tool_call_id": body.tool_call_id,
        "metadata": stored_metadata,
        "content": content,
        "preview": preview,
        "size_bytes": size_bytes(content, tool_calls, stored_metadata),
        "is_blank": int(is_blank and not body.tool_calls and body.role != "tool"),
        "external_id": body.external_id,
        "payload_format": None if body.payload is None else body.payload.format,
        "payload": body.payload,
        "created_at": body.created_at,
        "parent": body.parent_id,
        "status": body.status,
        "assistant_id": body.assistant_id,
    }


def is_plain(body: MessageCreate) -> bool:
    """Return whether the message surely has nothing but what APPEND stores."""
    says_something = body.content if isinstance(body.content, list) else body.content and not body.content.isspace()
    return (
        bool(says_something if body.role == "assistant" else True)
        and body.external_id is None
        and body.payload is None
        and body.created_at is UNSET
        and body.parent_id is UNSET
        and body.status == "completed"
        and body.assistant_id is None
    )


def set_times(scope: Scope, drafts: Sequence[dict[str, Any]], now_ms: int, params: Sequence[str]) -> None:
    """Set when drafts were created: now, or as they say. Raises InvalidField or InsufficientPermissions."""
    for new, param in zip(drafts, params, strict=True):
        new["created_ms"] = given_ms(scope, new["created_at"], now_ms, param)


def given_ms(scope: Scope, created_at: int | UnsetType, now_ms: int, param: str = "") -> int:
    """Return when something was created, in milliseconds: now, unless it is brought from elsewhere with its time."""
    if created_at is UNSET:
        return now_ms
    if scope.is_product_user:
        raise InsufficientPermissions(
            "A product's user cannot say when something was created.", param=f"{param}createdAt"
        )
    if created_at > now_ms // 1000:
        raise InvalidField("This time is in the future: give one until now.", param=f"{param}createdAt")
    return created_at * 1000


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


def stored_content(content: str | list[Part], param: str = "") -> tuple[str, str, bool]:
    """Return content as parts in JSON, its preview, and whether it is blank. Raises InvalidField if it is too long."""
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
    stored = msgspec.json.encode(parts)
    return stored.decode(), text[:PREVIEW_CHARACTERS_MAX], not has_attachment and not text.strip()


def check_blank(role: str, says_something: bool, param: str = "content") -> None:
    """Raise InvalidField for a user's or system message with neither content nor a payload."""
    if role in ("user", "system") and not says_something:
        raise InvalidField(f"A {role} message needs content that is not blank, or a payload.", param=param)


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
    external_id: str | None
    payload_format: str | None
    metadata: str
    revision: int


# The columns are the fields, in their order.
COLUMNS = ", ".join(f"m.{name}" for name in StoredMessage._fields)

RETURNED_COLUMNS = ", ".join(StoredMessage._fields)


def messages_of(rows: Iterable[Row], thread_id: str, parent_ids: Iterable[str | None]) -> list[Message]:
    """Make objects of rows of COLUMNS. One loop: a function call for each row would nearly double the time."""
    return [
        Message(
            id,
            "thread.message",
            created_ms // 1000,
            updated_ms // 1000,
            thread_id,
            seq,
            parent_id,
            external_id,
            role,
            Raw(content),
            status,
            user_id,
            assistant_id,
            response_id,
            NULL if tool_calls is None else Raw(tool_calls),
            tool_call_id,
            payload_format,
            Raw(stored_metadata),
        )
        for (
            id, created_ms, updated_ms, seq, role, content, status, user_id, assistant_id, response_id,
            tool_calls, tool_call_id, external_id, payload_format, stored_metadata, _,
        ), parent_id in zip(rows, parent_ids, strict=False)
    ]  # fmt: skip


def message_of(row: Row, thread_id: str, parent_id: str | None) -> Message:
    [message] = messages_of((row,), thread_id, (parent_id,))
    return message


def new_row(new: dict[str, Any], seq: int, user_id: str, now_ms: int) -> tuple[Any, ...]:
    """Return a new message as a row of COLUMNS, without reading it back."""
    created_ms = new.get("created_ms", now_ms)
    return (
        new["id"], created_ms, created_ms, seq, new["role"], new["content"], new["status"], user_id,
        new["assistant_id"], None,
        new["tool_calls"], new["tool_call_id"], new["external_id"], new["payload_format"], new["metadata"], now_ms,
    )  # fmt: skip
