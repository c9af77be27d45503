"""The events of a chat completion as structs, with a fast decoder for regular events and a tolerant one for others.

Three decoders, each tried if the one before fails: `quick` for text and reasoning, `decode` for the known form, and
within it `decode_patiently`. A field of type None makes its decoder fail if it holds a value, which leads to the next.

A field that nobody needs is never fatal, whatever it holds; one that is needed is read in every form that has been
seen. Only what may hold a part of the answer and cannot be understood is UnreadableChunk.
"""

import json
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import msgspec

from threadkeep.decoding import decoder
from threadkeep.providers.wanted_back import is_thinking

JSON: TypeAlias = Any  # Whatever a server sends.


class UnreadableChunk(ValueError):
    """What came is no chat completion."""


class FunctionDelta(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None
    # Only some servers send these, and only `decode_patiently` reads them.
    input: None = None
    args: None = None
    parameters: None = None
    provider_specific_fields: None = None
    thought_signature: None = None


class ToolCallChunk(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    function: FunctionDelta | None = None
    extra_content: JSON = None
    provider_specific_fields: JSON = None
    thought_signature: JSON = None
    # As above.
    name: None = None
    arguments: None = None
    input: None = None
    args: None = None
    parameters: None = None
    custom: None = None


class Delta(msgspec.Struct):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_text: str | None = None
    refusal: str | None = None
    tool_calls: list[ToolCallChunk] | None = None
    function_call: FunctionDelta | None = None
    reasoning_details: JSON = None
    thinking_blocks: JSON = None
    extra_content: JSON = None
    provider_specific_fields: JSON = None
    reasoning_opaque: JSON = None


class PartsDelta(Delta):
    """A delta whose content came as parts, with the reasoning in them and the parts that the server wants back."""

    thought: str = ""
    signed: list[JSON] = []


class Counts(msgspec.Struct):
    prompt_tokens: JSON = None
    completion_tokens: JSON = None


class Choice(msgspec.Struct):
    index: int | None = None
    delta: Delta | None = None
    message: Delta | None = None
    finish_reason: str | None = None
    native_finish_reason: str | None = None
    error: JSON = None
    usage: Counts | None = None  # Moonshot sends its counts here.
    text: None = None  # Completions that are not chat have their text here.


class Completion(msgspec.Struct):
    """A chunk of a stream or a whole completion: they differ in `delta` and `message`."""

    choices: list[Choice] | None = None
    usage: Counts | None = None
    error: JSON = None
    base_resp: JSON = None  # MiniMax reports errors here.


class QuickDelta(msgspec.Struct, gc=False):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: None = None
    reasoning_details: None = None
    refusal: None = None
    function_call: None = None
    reasoning_text: None = None
    thinking_blocks: None = None
    extra_content: None = None
    provider_specific_fields: None = None
    reasoning_opaque: None = None


class QuickChoice(msgspec.Struct, gc=False):
    delta: QuickDelta
    index: Literal[0] | None = None
    message: None = None
    finish_reason: None = None
    native_finish_reason: None = None
    error: None = None
    usage: None = None
    text: None = None


class Quick(msgspec.Struct, gc=False):
    """A chunk in the middle of an answer, as nearly all servers send it."""

    choices: tuple[QuickChoice]
    usage: None = None
    error: None = None
    base_resp: None = None


quick = decoder(Quick).decode
completions = decoder(Completion)

# An event that has one of these fields, no choices and nothing else of a chunk is an error.
ERROR_FIELDS = {"message", "detail", "details", "code", "errors", "error_code", "error_msg", "error_message", "msg"}
CHUNK_FIELDS = {"choices", "usage", "id", "model"}

THOUGHTS = {"thinking", "redacted_thinking", "reasoning", "reasoning_content"}
TEXT_FIELDS = ("text", "thinking", "reasoning", "content", "value", "summary", "refusal")
ARGUMENTS_FIELDS = ("arguments", "input", "args", "parameters")


def decode(data: bytes | bytearray) -> Completion:
    """Raises UnreadableChunk."""
    try:
        completion = completions.decode(data)
    except (ValueError, RecursionError):
        return decode_patiently(data)
    # Without choices it may be an error in the server's own form.
    return completion if completion.choices is not None or completion.error else decode_patiently(data)


def decode_patiently(data: bytes | bytearray) -> Completion:
    """Decode also what msgspec does not: halves of surrogate pairs, bytes that are no UTF-8. Raises UnreadableChunk."""
    try:
        return completion_of(json.loads(data.decode("utf-8", "replace")))
    except (ValueError, RecursionError):
        raise UnreadableChunk from None


def completion_of(value: JSON) -> Completion:
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, dict):
        raise UnreadableChunk
    return Completion(
        choices=[choice_of(each) for each in items(value.get("choices"))],
        usage=counts_of(value.get("usage")),
        error=value.get("error") or error_in(value),
        base_resp=value.get("base_resp"),
    )


def counts_of(value: JSON) -> Counts | None:
    return Counts(value.get("prompt_tokens"), value.get("completion_tokens")) if isinstance(value, dict) else None


def error_in(value: Mapping[str, JSON]) -> JSON:
    """Return the event itself if it is an error, as some servers and frameworks send it without `error` around it."""
    is_error = value.get("object") == "error" or value.get("type") == "error"
    return value if is_error or (ERROR_FIELDS & value.keys() and not CHUNK_FIELDS & value.keys()) else None


def items(value: JSON) -> list[dict[str, JSON]]:
    """Return the objects of a list, of which some servers send one alone. Raises UnreadableChunk for anything else."""
    given = value if isinstance(value, list) else [value]
    found = [each for each in given if each is not None]
    if not all(isinstance(each, dict) for each in found):
        raise UnreadableChunk
    return found


def choice_of(value: dict[str, JSON]) -> Choice:
    reason = value.get("finish_reason")
    return Choice(
        index=integer(value.get("index")),
        delta=delta_of(value.get("delta", value.get("text"))),
        message=delta_of(value.get("message")),
        finish_reason=text_or_none(reason.get("type") if isinstance(reason, dict) else reason),
        native_finish_reason=text_or_none(value.get("native_finish_reason")),
        error=value.get("error"),
        usage=counts_of(value.get("usage")),
    )


def delta_of(value: JSON) -> Delta | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        # Some languages write an empty object as an empty list.
        value = {"content": value}
    texts, thoughts, refusals, signed, calls = [""], [""], [""], list[JSON](), list[JSON]()
    sort_parts(value.get("content"), texts, thoughts, refusals, signed, calls)
    function = value.get("function_call")
    return PartsDelta(
        content="".join(texts),
        reasoning_content=joined_text(value.get("reasoning_content")),
        reasoning=joined_text(value.get("reasoning")),
        reasoning_text=joined_text(value.get("reasoning_text")),
        refusal=joined_text(value.get("refusal")) or "".join(refusals),
        tool_calls=[call_of(each) for each in (*items(value.get("tool_calls")), *calls)],
        function_call=function_of(function, {}) if isinstance(function, dict) else None,
        reasoning_details=value.get("reasoning_details"),
        thinking_blocks=value.get("thinking_blocks"),
        extra_content=value.get("extra_content"),
        provider_specific_fields=value.get("provider_specific_fields"),
        reasoning_opaque=value.get("reasoning_opaque"),
        thought="".join(thoughts),
        signed=signed,
    )


def sort_parts(
    content: JSON,
    texts: list[str],
    thoughts: list[str],
    refusals: list[str],
    signed: list[JSON],
    calls: list[JSON],
) -> None:
    """Sort a content of parts into text, reasoning, refusals, parts that are wanted back, and calls."""
    for part in content if isinstance(content, list) else [content]:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind in THOUGHTS:
            thoughts.append(joined_text(part))
            # A signature may come later, in a piece of its own.
            if part.get("signature") or kind == "redacted_thinking" or is_thinking(part):
                signed.append(part)
        elif kind in ("tool_use", "tool_call", "function_call"):
            calls.append(part)
        elif kind == "refusal":
            refusals.append(joined_text(part))
        else:
            texts.append(str(part) if type(part) in (int, float) else joined_text(part))


def joined_text(value: JSON) -> str:
    """Return the text in a string, a part, or a list of these."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "".join(joined_text(each) for each in value)
    if isinstance(value, dict):
        return next((text for name in TEXT_FIELDS if (text := joined_text(value.get(name)))), "")
    return ""


def call_of(value: dict[str, JSON]) -> ToolCallChunk:
    function = value.get("function") or value.get("custom") or {}
    if isinstance(function, str):
        function = {"name": function}
    if not isinstance(function, dict):
        raise UnreadableChunk
    return ToolCallChunk(
        index=integer(value.get("index")),
        id=text_or_none(value.get("id")),
        function=function_of(function, value),
        extra_content=value.get("extra_content"),
        provider_specific_fields=value.get("provider_specific_fields") or function.get("provider_specific_fields"),
        thought_signature=value.get("thought_signature") or function.get("thought_signature"),
    )


def function_of(function: dict[str, JSON], call: dict[str, JSON]) -> FunctionDelta:
    """Read a function; some servers write its name and arguments into the call itself."""
    found = (each[name] for each in (function, call) for name in ARGUMENTS_FIELDS if each.get(name) is not None)
    arguments = next(found, None)
    if arguments is not None and not isinstance(arguments, str):
        arguments = json.dumps(arguments, ensure_ascii=False, separators=(",", ":"))
    return FunctionDelta(text_or_none(function.get("name") or call.get("name")), arguments)


def integer(value: JSON) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return None


def text_or_none(value: JSON) -> str | None:
    return value if isinstance(value, str) else None
