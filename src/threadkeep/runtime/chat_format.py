"""A context in OpenAI's chat format, which models are asked in."""

from typing import Any

import msgspec

from threadkeep.objects import Part, TextPart
from threadkeep.operations.context import Chosen, ChosenMessage, decode_parts, shows_image, text_of


def chat_messages(chosen: Chosen) -> list[dict[str, Any]]:  # Any: JSON.
    return [chat_message(message) for message in chosen.messages]


def chat_message(message: ChosenMessage) -> dict[str, Any]:
    content = chat_content(decode_parts(message.content), message.role)
    if message.call_ids:
        # Calls without a word: some servers refuse an empty text there.
        calls = msgspec.json.decode(message.tool_calls or "[]")
        return {"role": message.role, "content": content or None, "tool_calls": calls}
    if message.role == "tool":
        return {"role": message.role, "content": content, "tool_call_id": message.tool_call_id}
    return {"role": message.role, "content": content}


def chat_content(parts: list[Part], role: str) -> str | list[dict[str, Any]]:
    """Return text where there is only text, else parts; many servers take parts from users only."""
    if all(isinstance(part, TextPart) for part in parts):
        return "".join(text_of(part) for part in parts)
    if role != "user":
        return "\n".join(text_of(part) for part in parts)
    return [chat_part(part, role) for part in parts]


def chat_part(part: Part, role: str) -> dict[str, Any]:
    if shows_image(part, role):
        return {"type": "image_url", "image_url": {"url": part.url}}
    return {"type": "text", "text": text_of(part)}
