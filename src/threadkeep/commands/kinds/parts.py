"""Reads the parts of messages, which programs spell alike: texts, thoughts, calls and their results, files."""

from typing import Any, TypeAlias

from threadkeep.commands.kinds.talks import (
    REASONING,
    UNKNOWN,
    Attachment,
    Block,
    CallBlock,
    LeftOut,
    ResultBlock,
    encode,
)

Value: TypeAlias = Any  # Any: a value of somebody's file, in any form.
ANNOTATIONS = "annotations of texts"
THOUGHTS = {"thinking", "redacted_thinking", "think", "reasoning"}
FILES = ("image", "file", "document", "audio", "video")
# Where a file's name stands, and where there is none, what else tells it.
NAMES = ("file_name", "filename", "name", "title", "file_id", "file_uuid", "id", "url", "image_url", "file_url")


def blocks_in(content: Value) -> list[Block]:
    """Return what a message's content holds, be it a text or a list of parts."""
    parts = content if isinstance(content, list) else [content]
    return [block for part in parts if part is not None for block in blocks_of(part)]


def blocks_of(part: Value) -> list[Block]:
    if not isinstance(part, dict):
        return [part if isinstance(part, str) else LeftOut(UNKNOWN)]
    kind = str(part.get("type") or "")
    if kind in THOUGHTS:
        return [LeftOut(REASONING)]
    if kind == "tool_use":
        return [CallBlock(str(part.get("id") or ""), str(part.get("name") or ""), part.get("input"))]
    if kind == "tool_result":
        return [ResultBlock(text_of(part.get("content")), str(part.get("tool_use_id") or "") or None)]
    if isinstance(call := part.get("tool_call"), dict):
        return called_in(call)
    text = part.get("text", part.get("refusal", part.get("error")))
    about = text if isinstance(text, dict) else part
    text = text.get("value") if isinstance(text, dict) else text
    if isinstance(text, str):
        return [text, LeftOut(ANNOTATIONS)] if about.get("annotations") else [text]
    return [Attachment(name_of(part)) if any(each in kind for each in FILES) else LeftOut(UNKNOWN)]


def called_in(call: dict[str, Value]) -> list[Block]:
    """Return a call, and what it gave where that stands in it."""
    about = call["function"] if isinstance(call.get("function"), dict) else call
    name, own_id = str(about.get("name") or call.get("type") or ""), str(call.get("id") or "")
    output = call.get("output", about.get("output"))
    made = CallBlock(own_id, name, about.get("args", about.get("arguments")))
    return [made, ResultBlock(output, own_id)] if isinstance(output, str) else [made]


def text_of(content: Value) -> str:
    """Return what a tool gave: texts as they are, and whatever else as JSON."""
    parts = content if isinstance(content, list) else [] if content is None else [content]
    texts = [each.get("text") if isinstance(each, dict) else each for each in parts]
    said = (text if isinstance(text, str) else encode(part).decode() for text, part in zip(texts, parts, strict=True))
    return "\n".join(said)


def attached(*several: list[Value] | None) -> list[Block]:
    return [Attachment(name_of(each)) for files in several for each in files or []]


def name_of(file: Value) -> str:
    """Return a file's name; of a picture whose data stands here, what it is."""
    if not isinstance(file, dict):
        return file if isinstance(file, str) else ""
    for about in (file, *(each for each in file.values() if isinstance(each, dict))):
        found = (about.get(name) for name in NAMES)
        if name := next(
            (each for each in found if each and isinstance(each, str) and not each.startswith("data:")), ""
        ):
            return name
    return str(file.get("type") or "")
