"""What a person reads of another framework's message, and the message itself beside it, word for word."""

import json
import re
from collections.abc import Iterable
from typing import Any, TypeAlias

from threadkeep.client.given import MessageFields, PayloadFields, ToolCallFields
from threadkeep.contract.limits import TEXT_CHARACTERS_MAX, TOOL_CALLS_MAX
from threadkeep.contract.messages import Message

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
    """Return a call of a function; arguments that are no text are written as JSON."""
    written = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False, default=str)
    return {
        "id": short(id) or "call",
        "type": "function",
        "function": {"name": short(name) or "function", "arguments": text_of([written])},
    }


def short(text: str) -> str:
    return NO_CHARACTER.sub("", text)[:NAME_CHARACTERS_MAX]


def payload_of(format: str, value: Json) -> PayloadFields:
    """Return a value as JSON without a letter beyond ASCII: halves of pairs, NUL and any number pass as they are."""
    return {"format": format, "data": json.dumps(value, separators=(",", ":"))}


def value_of(format: str, message: Message) -> Json | None:
    """Return the value that was put into a message; None if somebody else wrote it, or edited it since."""
    payload = message.payload
    if not payload or payload.format != format:
        return None
    return json.loads(payload.data)
