"""assistant-ui's own messages, format `aui/v0`: made of UIMessages, and as UIMessages."""

from collections.abc import Iterator
from typing import Any

from threadkeep.server.dialects.ui_messages import AVAILABLE, FAILED, TOOL, Json, encode, output_of

FORMAT = "aui/v0"
STATUS = {
    "completed": {"type": "complete", "reason": "stop"},
    # As the client itself writes down what has not ended.
    "in_progress": {"type": "incomplete", "reason": "cancelled"},
    "incomplete": {"type": "incomplete", "reason": "other"},
}


def as_ui(content: Json) -> Json:
    """Return a message of assistant-ui as a UIMessage, with what has a place there."""
    attached = [each.get("content") for each in listed(content.get("attachments"))]
    parts = [*listed(content.get("content")), *(part for some in attached for part in listed(some))]
    return {"role": content.get("role"), "parts": [ui for part in parts for ui in ui_parts(part)]}


def listed(value: Any) -> list[Json]:  # Any: JSON.
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def ui_parts(part: Json) -> Iterator[Json]:
    match part.get("type"):
        case "text":
            yield {"type": "text", "text": part.get("text")}
        case "image":
            yield {"type": "file", "mediaType": "image/*", "url": part.get("image")}
        case "file":
            data, media_type = str(part.get("data")), str(part.get("mimeType"))
            url = data if ":" in data else f"data:{media_type};base64,{data}"
            yield {"type": "file", "mediaType": media_type, "url": url, "filename": part.get("filename")}
        case "tool-call":
            arguments = part["args"] if "args" in part else output_of(str(part.get("argsText")))
            yield {"type": f"{TOOL}{part.get('toolName')}", "toolCallId": part.get("toolCallId"), "input": arguments}


def of_ui(ui: Json, status: str) -> Json:
    """Return a UIMessage as assistant-ui has it, given the status of the native message."""
    content = [part for each in ui["parts"] for part in parts_of(each)]
    whole: Json = {"role": ui["role"], "content": content, "metadata": {"custom": {}}}
    return whole | ({"status": STATUS[status]} if ui["role"] == "assistant" else {})


def parts_of(part: Json) -> Iterator[Json]:
    type = str(part.get("type"))
    if type in ("text", "reasoning"):
        yield {"type": type, "text": part.get("text")}
    elif type == "file" and str(part.get("mediaType")).startswith("image/"):
        yield {"type": "image", "image": part.get("url")}
    elif type == "file":
        named = {"filename": part["filename"]} if part.get("filename") else {}
        yield {"type": "file", "data": part.get("url"), "mimeType": part.get("mediaType"), **named}
    elif type.startswith(TOOL):
        yield call_of(part, type.removeprefix(TOOL))


def call_of(part: Json, name: str) -> Json:
    call: Json = {"type": "tool-call", "toolCallId": part.get("toolCallId"), "toolName": name}
    input = part.get("input")
    call |= {"args": input} if isinstance(input, dict) else {"argsText": encode(input).decode()}
    if part.get("state") == AVAILABLE:
        call["result"] = part.get("output")
    elif part.get("state") == FAILED:
        call |= {"result": part.get("errorText"), "isError": True}
    return call
