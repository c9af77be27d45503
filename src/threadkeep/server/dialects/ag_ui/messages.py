"""Messages as AG-UI has them, and what they are here."""

from collections.abc import Sequence
from typing import Annotated, Any

from msgspec import Meta

from threadkeep.contract.messages import FilePart, ImagePart, Message, MessageCreate, TextPart
from threadkeep.errors import InvalidField
from threadkeep.server.dialects.common import read
from threadkeep.server.dialects.lenient import Lenient

Json = dict[str, Any]  # Any: JSON.

# Roles under another name there. Of the others that are not here, nothing is kept: they come from the client again.
ROLES = {"developer": "system"}
KEPT = ("user", "assistant", "system", "developer", "tool")
FILES = ("audio", "video", "document")


class RunMessage(Lenient, rename="camel"):
    """One message of a conversation, under the id that the client gave it, or that it got here."""

    id: Annotated[str, Meta(min_length=1, max_length=255)]
    role: str
    content: str | list[Json] | None = None
    tool_calls: list[Json] | None = None
    tool_call_id: str | None = None


def given(message: RunMessage, place: int) -> MessageCreate:
    """Return the native message. Raises InvalidField or UnknownField with its place in the body."""
    param = f"messages[{place}]"
    content = message.content
    native: Json = {"role": ROLES.get(message.role, message.role), "externalId": message.id}
    if content is not None:
        native["content"] = content if isinstance(content, str) else [part_given(each, param) for each in content]
    if message.tool_calls:
        native["toolCalls"] = [call_given(each) for each in message.tool_calls]
    if message.tool_call_id is not None:
        native["toolCallId"] = message.tool_call_id
    taken: MessageCreate = read(native, MessageCreate, param)
    return taken


def call_given(call: Json) -> Json:
    function = call.get("function")
    if isinstance(function, dict):
        function = {key: function[key] for key in ("name", "arguments") if key in function}
    return {"id": call.get("id"), "type": "function", "function": function}


def part_given(part: Json, param: str) -> Json:
    """Return a part of a message's content."""
    kind = part.get("type")
    if kind == "text":
        return {"type": "text", "text": part.get("text")}
    if kind not in ("image", "binary", *FILES):
        raise InvalidField("A part is text, image, audio, video or document.", param=f"{param}.content")
    source = part.get("source")
    if not isinstance(source, dict):
        # The older form, in which the address stands in the part itself.
        source = {"type": "url" if part.get("url") else "data", "value": part.get("url") or part.get("data"),
                  "mimeType": part.get("mimeType")}  # fmt: skip
    media_type, value = source.get("mimeType"), source.get("value")
    if not isinstance(value, str):
        raise InvalidField("A part needs a source with a value: an address, or data in Base64.", param=param)
    url = value if source.get("type") == "url" else f"data:{media_type};base64,{value}"
    if kind == "image" or (kind == "binary" and str(media_type).startswith("image/")):
        return {"type": "image", "url": url}
    return {"type": "file", "url": url, "name": part.get("filename"), "mimeType": media_type}


def shown(message: Message) -> Json:
    """Return a message that is decoded. No field is null: the client refuses those."""
    found: Json = {"id": message.external_id or message.id, "role": message.role}
    if message.role == "user" and not all(isinstance(each, TextPart) for each in message.content):
        found["content"] = [part_shown(each) for each in message.content]
    elif message.text or not message.tool_calls:
        found["content"] = message.text
    if message.tool_calls:
        found["toolCalls"] = message.tool_calls
    if message.tool_call_id is not None:
        found["toolCallId"] = message.tool_call_id
    return found


def part_shown(part: TextPart | ImagePart | FilePart) -> Json:
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    media_type = part.mime_type if isinstance(part, FilePart) else None
    source: Json = {"type": "url", "value": part.url}
    if part.url.startswith("data:"):
        head, _, data = part.url.partition(",")
        media_type = head.removeprefix("data:").partition(";")[0]
        source = {"type": "data", "value": data}
    if media_type:
        source["mimeType"] = media_type
    kind = "image" if isinstance(part, ImagePart) else (media_type or "").partition("/")[0]
    return {"type": kind if kind in ("image", *FILES) else "document", "source": source}


def snapshot_of(line: Sequence[Message], told: str | None) -> list[Json]:
    """Return the current line, without the answer of the response that is told, and without one that has nothing yet.

    One whose worker has died counts as being written until that is noticed: it is shown.
    """
    return [shown(each) for each in line if (told is None or each.response_id != told) and not is_blank(each)]


def is_blank(message: Message) -> bool:
    return message.status == "in_progress" and not (message.content or message.tool_calls)
