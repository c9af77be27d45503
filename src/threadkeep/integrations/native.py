"""What a person reads of another framework's message, and the message itself beside it, word for word."""

import json
import re
from collections.abc import Iterable
from typing import Any, TypeAlias

import msgspec

from threadkeep.client.given import MessageFields, PayloadFields, ToolCallFields
from threadkeep.contract.limits import TEXT_CHARACTERS_MAX, TOOL_CALLS_MAX
from threadkeep.contract.messages import Message
from threadkeep.contract.threads import Thread

# Any: JSON of the framework's.
Json: TypeAlias = Any

NAME_CHARACTERS_MAX = 256
# No character of a text: NUL, and halves of surrogate pairs.
NO_CHARACTER = re.compile("[\0\ud800-\udfff]")
ROLES = {"user": "user", "assistant": "assistant", "system": "system", "developer": "system", "tool": "tool"}


def message_of(
    format: str,
    value: Json,
    *,
    role: str,
    texts: Iterable[str] = (),
    calls: Iterable[ToolCallFields] = (),
    answers: str | None = None,
) -> MessageFields:
    """Return a message with what a person reads of `value`, and `value` as its payload.

    `answers` is the id of the call whose result it is. Roles that the service does not know become `user`, and so does
    the result of an unnamed call.
    """
    native = ROLES.get(role, "user")
    if native == "tool" and not answers:
        native = "user"
    fields: Any = {"role": native, "content": text_of(texts), "payload": payload_of(format, value)}
    if native == "tool" and answers:
        fields["tool_call_id"] = short(answers)
    if native == "assistant" and (told := list(calls)[:TOOL_CALLS_MAX]):
        fields["tool_calls"] = told
    return fields  # type: ignore[no-any-return]  # Its role is one of four.


def text_of(texts: Iterable[str]) -> str:
    """Return texts as one, a line each, without what is no character, cut at the limit."""
    return NO_CHARACTER.sub("", "\n".join(text for text in texts if text))[:TEXT_CHARACTERS_MAX]


def call_of(id: str, name: str, arguments: Json) -> ToolCallFields:
    """Return a call of a function; arguments that are no text are written as JSON, and so is a text that is none."""
    written = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False, default=str)
    written = text_of([written])
    if written and not is_json(written):
        written = json.dumps(written[: TEXT_CHARACTERS_MAX // 8], ensure_ascii=False)
    return {
        "id": short(id) or "call",
        "type": "function",
        "function": {"name": short(name) or "function", "arguments": written},
    }


def is_json(text: str) -> bool:
    """Return whether the service takes it as JSON, which has no infinity and, cut off, no end."""
    try:
        msgspec.json.decode(text)
        return True
    except (msgspec.DecodeError, RecursionError):
        return False


def short(text: str) -> str:
    return NO_CHARACTER.sub("", text)[:NAME_CHARACTERS_MAX]


def payload_of(format: str, value: Json) -> PayloadFields:
    """Return a value as JSON without a letter beyond ASCII: halves of pairs, NUL and any number pass as they are."""
    return {"format": format, "data": json.dumps(value, separators=(",", ":"))}


def value_of(format: str, kept: Message | Thread) -> Json | None:
    """Return the value that was put into a message or thread; None if somebody else wrote it, or edited it since."""
    payload = kept.payload
    if not payload or payload.format != format:
        return None
    return json.loads(payload.data)
