"""Converts messages of OpenAI's threads where their form differs from ours."""

from typing import Literal

import msgspec
from msgspec import Raw

from threadkeep.decoding import decoder


class OpenAIText(msgspec.Struct):
    """A text, and what stands in it besides: citations, links to files."""

    value: str
    annotations: list[Raw] = []


class OpenAITextPart(msgspec.Struct):
    """A part of a message."""

    type: Literal["text"]
    text: OpenAIText


class OpenAIMessage(msgspec.Struct):
    """As much of a message as tells its place."""

    created_at: int
    object: Literal["thread.message"]


read_parts = decoder(list[Raw]).decode
read_part = decoder(OpenAITextPart).decode
read_message = decoder(OpenAIMessage).decode


def in_order_of_time(messages: list[Raw]) -> list[Raw]:
    """Return messages with the oldest first; OpenAI's API lists the newest first."""
    if len(messages) < 2:
        return messages
    try:
        first, last = read_message(messages[0]), read_message(messages[-1])
    except msgspec.MsgspecError:
        return messages
    return messages[::-1] if first.created_at > last.created_at else messages


def plain_content(content: Raw) -> Raw | list[Raw]:
    """Return content in which parts have plain texts, where OpenAI has objects with text and annotations."""
    if not may_be_theirs(content):
        return content
    return [plain_part(part) for part in read_parts(content)]


def plain_part(part: Raw) -> Raw:
    try:
        text = read_part(part).text.value
    except msgspec.MsgspecError:
        return part
    return Raw(msgspec.json.encode({"type": "text", "text": text}))


def annotated_count(content: Raw) -> int:
    """Return how many texts have annotations, which are lost: our messages have none."""
    if not may_be_theirs(content):
        return 0
    return sum(has_annotations(part) for part in read_parts(content))


def has_annotations(part: Raw) -> bool:
    try:
        return bool(read_part(part).text.annotations)
    except msgspec.MsgspecError:
        return False


def may_be_theirs(content: Raw) -> bool:
    # Most contents are a text or parts in our form: those are returned undecoded.
    data = bytes(content)
    return data.startswith(b"[") and b'"value"' in data
