"""Converts a context to OpenAI's chat format, in which models are asked."""

from collections.abc import Mapping
from typing import Any

import msgspec

from threadkeep.contract.messages import Part, TextPart
from threadkeep.operations.messages.rows import decode_parts
from threadkeep.operations.messages.wanted_back import WantedBack
from threadkeep.operations.responses.chosen import ChosenMessage
from threadkeep.operations.responses.context import Chosen
from threadkeep.operations.responses.estimating import shows_image, text_of

NOTHING: Mapping[int, WantedBack] = {}


def chat_messages(chosen: Chosen, wanted: Mapping[int, WantedBack] = NOTHING) -> list[dict[str, Any]]:  # Any: JSON.
    """Return the messages, with the fields that their model wants back: `wanted`, by message number (`seq`)."""
    return [
        chat_message(message, wanted.get(message.seq) if message.role == "assistant" else None)
        for message in chosen.messages
    ]


def chat_message(message: ChosenMessage, wanted: WantedBack | None = None) -> dict[str, Any]:
    content = chat_content(decode_parts(message.content), message.role)
    if message.role == "tool":
        return {"role": message.role, "content": content, "tool_call_id": message.tool_call_id}
    sent: dict[str, Any] = {"role": message.role, "content": content}
    if message.call_ids:
        # Some servers refuse an empty text beside tool calls.
        sent["content"] = content if content and content.strip() else None
        sent["tool_calls"] = msgspec.json.decode(message.tool_calls or "[]")
    return sent if wanted is None else with_wanted(sent, wanted)


def with_wanted(sent: dict[str, Any], wanted: WantedBack) -> dict[str, Any]:
    """Put the fields that came with an answer back where they were."""
    fields = dict(wanted.fields)
    blocks = fields.pop("content", None)
    if blocks and sent["content"]:
        blocks = [*blocks, {"type": "text", "text": sent["content"]}]
    calls = [{**call, **wanted.calls.get(call["id"], {})} for call in sent.get("tool_calls", ())]
    return {**sent, **fields, "content": blocks or sent["content"]} | ({"tool_calls": calls} if calls else {})


def chat_content(parts: list[Part], role: str) -> Any:  # Any: a text or parts.
    """Return text where there is only text, else parts; many servers take parts from users only."""
    if all(isinstance(part, TextPart) for part in parts):
        return "".join(text_of(part) for part in parts)
    if role != "user":
        return "\n".join(text_of(part) for part in parts)
    # Some servers refuse a part whose text is blank; the image beside it says enough.
    return [chat_part(part, role) for part in parts if not isinstance(part, TextPart) or part.text.strip()]


def chat_part(part: Part, role: str) -> dict[str, Any]:
    if shows_image(part, role):
        return {"type": "image_url", "image_url": {"url": part.url}}
    return {"type": "text", "text": text_of(part)}
