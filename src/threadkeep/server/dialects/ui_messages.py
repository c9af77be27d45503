"""UIMessages, the messages of the AI SDK and of front ends that speak as it does: made of native ones, and natively.

A UIMessage of the assistant is a group: assistant and tool messages that follow one another, each assistant message a
step of it. What the native form would lose is kept as the message's payload: the UIMessage of the first message of its
group, and of a tool's message its part.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec

from threadkeep.contract.basis import Payload
from threadkeep.contract.messages import (
    FilePart,
    FunctionCall,
    ImagePart,
    Message,
    MessageCreate,
    Part,
    TextPart,
    ToolCall,
)
from threadkeep.decoding import decoder
from threadkeep.errors import InvalidField
from threadkeep.operations.messages.rows import decode_parts
from threadkeep.server.dialects.lenient import Lenient

FORMAT = "ai-sdk/v6"
TOOL = "tool-"
DYNAMIC = "dynamic-tool"
STEP = "step-start"
AVAILABLE, FAILED, ASKED = "output-available", "output-error", "input-available"
# The name of a call whose message was deleted, while its result is still there.
FORGOTTEN = "forgotten"

Json: TypeAlias = dict[str, Any]  # Any: JSON.
encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder().decode
decode_calls = decoder(list[ToolCall] | None).decode


class UIMessage(Lenient):
    """A message of a front end."""

    role: Literal["user", "assistant", "system"]
    parts: list[Json]
    id: str = ""
    metadata: Any = None


class Step(NamedTuple):
    """What one native message of the assistant holds, and the results of its calls."""

    content: list[Part]
    calls: list[ToolCall]
    results: list[MessageCreate]


# There: what a front end sent, natively.


def given_steps(ui: UIMessage) -> Iterator[Step]:
    """Yield what a UIMessage is natively, step by step. Raises InvalidField for parts that are none."""
    step = Step([], [], [])
    for part in ui.parts:
        type = part.get("type")
        if type == STEP and any(step):
            yield step
            step = Step([], [], [])
        elif type in ("text", "file"):
            step.content.extend(given_content(part))
        elif is_call(part):
            call = given_call(part)
            step.calls.append(call)
            if has_result(part):
                step.results.append(given_result(part))
    yield step


def given(ui: UIMessage) -> MessageCreate:
    """Return a UIMessage as one native message, whose payload keeps what that would lose, results of calls among it."""
    steps = list(given_steps(ui))
    message = MessageCreate(
        ui.role,
        [part for step in steps for part in step.content],
        tool_calls=[call for step in steps for call in step.calls] or None,
    )
    return kept(ui, message, rendered=parts_of(message))


def given_group(ui: UIMessage) -> list[MessageCreate]:
    """Return a UIMessage as native messages: one, or a group with the results of its calls."""
    if ui.role != "assistant":
        return [given(ui)]
    messages: list[MessageCreate] = []
    rendered: list[Json] = []
    for step in given_steps(ui):
        message = MessageCreate("assistant", step.content, tool_calls=step.calls or None)
        messages += [message, *step.results]
        rendered += with_results([{"type": STEP}, *parts_of(message)], step.results)
    return [kept(ui, messages[0], rendered), *messages[1:]]


def kept(ui: UIMessage, message: MessageCreate, rendered: list[Json]) -> MessageCreate:
    """Return the message with the UIMessage as its payload, if rendering would not give that again."""
    if ui.metadata is None and comparable(ui.parts) == comparable(rendered):
        return message
    whole: Json = {"role": ui.role, "parts": ui.parts}
    if ui.metadata is not None:
        whole["metadata"] = ui.metadata
    return msgspec.structs.replace(message, payload=Payload(FORMAT, encode(whole).decode()))


def comparable(parts: Sequence[Json]) -> list[Json]:
    """Return parts without what says nothing: steps of a message without calls, and that a text is complete."""
    has_steps = sum(part.get("type") == STEP for part in parts) > 1
    return [
        {key: value for key, value in part.items() if (key, value) != ("state", "done")}
        for part in parts
        if has_steps or part.get("type") != STEP
    ]


def given_content(part: Json) -> Iterator[Part]:
    if part["type"] == "text":
        yield TextPart(text_at(part, "text"))
        return
    url, media_type = text_at(part, "url"), text_at(part, "mediaType")
    if media_type.startswith("image/"):
        yield ImagePart(url)
    else:
        name = part.get("filename")
        yield FilePart(url, name if isinstance(name, str) else None, media_type)


def is_call(part: Json) -> bool:
    type = part.get("type")
    return isinstance(type, str) and (type.startswith(TOOL) or type == DYNAMIC)


def has_result(part: Json) -> bool:
    return part.get("state") in (AVAILABLE, FAILED)


def given_call(part: Json) -> ToolCall:
    type = text_at(part, "type")
    name = text_at(part, "toolName") if type == DYNAMIC else type.removeprefix(TOOL)
    input = part.get("input")
    return ToolCall(text_at(part, "toolCallId"), "function", FunctionCall(name, encode_input(input)))


def encode_input(input: Any) -> str:  # Any: JSON.
    """Return the arguments of a call. Those that are no object stay in the payload alone."""
    return encode(input).decode() if isinstance(input, dict) else "{}"


def given_result(part: Json) -> MessageCreate:
    """Return the message of a tool, from a part with its result."""
    call_id = text_at(part, "toolCallId")
    if part.get("state") == FAILED:
        text = text_at(part, "errorText")
        payload = Payload(FORMAT, encode({"state": FAILED, "errorText": text}).decode())
        return MessageCreate("tool", text, tool_call_id=call_id, payload=payload)
    return MessageCreate("tool", output_text(part.get("output")), tool_call_id=call_id)


def output_text(output: Any) -> str:  # Any: JSON.
    """Return what a tool gave as text; a string stays as it is, unless it would be read as something else."""
    if isinstance(output, str) and output_of(output) == output:
        return output
    return encode(output).decode()


def text_at(part: Json, key: str) -> str:
    value = part.get(key)
    if not isinstance(value, str):
        raise InvalidField(f"A part of type {str(part.get('type'))[:64]} needs a text in {key}.", param="parts")
    return value


# Back: what is stored, as UIMessages.


def name_of(message: Message) -> str:
    """Return the id by which front ends know a message."""
    return message.external_id or message.id


def grouped(line: Sequence[Message]) -> list[list[Message]]:
    """Return messages of the assistant together with the results of their calls, and what was said on those."""
    groups: list[list[Message]] = []
    for message in line:
        if groups and continues(groups[-1], message):
            groups[-1].append(message)
        else:
            groups.append([message])
    return groups


def continues(group: Sequence[Message], message: Message) -> bool:
    """Return whether a message belongs to the group before it."""
    if group[0].role not in ("assistant", "tool"):
        return False
    return message.role == "tool" or (message.role == "assistant" and group[-1].role == "tool")


def ui_message(group: Sequence[Message], id: str) -> Json:
    first = group[0]
    if first.role not in ("assistant", "tool"):
        return {**(original(first) or {"role": first.role, "parts": parts_of(first) or [text_part("")]}), "id": id}
    whole = original(first) if first.role == "assistant" else None
    parts: list[Json] = list(whole["parts"]) if whole else []
    # What the payload holds already.
    steps = max(1, sum(part.get("type") == STEP for part in parts)) if whole else 0
    for message in group:
        if message.role == "tool":
            parts = with_results(parts, [message])
        elif steps > 0:
            steps -= 1
        else:
            parts += [{"type": STEP}, *parts_of(message)]
    return {**(whole or {}), "id": id, "role": "assistant", "parts": parts}


def original(message: Message) -> Json | None:
    """Return the UIMessage that is kept with a message; None without one, or if it is none."""
    found = payload_of(message)
    parts = found.get("parts")
    if not isinstance(parts, list) or not parts or not all(isinstance(part, dict) for part in parts):
        return None
    return {**found, "role": message.role}


def payload_of(message: Message | MessageCreate) -> Json:
    payload = message.payload
    if isinstance(payload, Payload) and payload.format == FORMAT:
        with suppress(msgspec.DecodeError):
            found = decode(payload.data)
            if isinstance(found, dict):
                return found
    return {}


def parts_of(message: Message | MessageCreate) -> list[Json]:
    """Return the content and the calls of one message."""
    parts = [part_of(part, message.role == "assistant", message.status) for part in content_of(message)]
    return parts + [call_part(call) for call in calls_of(message)]


def content_of(message: Message | MessageCreate) -> Sequence[Part]:
    content: Any = message.content  # Any: of a message in a list, the JSON that is stored.
    if isinstance(content, msgspec.Raw):
        return decode_parts(content)
    return [TextPart(content)] if isinstance(content, str) else list(content)


def calls_of(message: Message | MessageCreate) -> Sequence[ToolCall]:
    calls: Any = message.tool_calls  # Any: of a message in a list, the JSON that is stored.
    return (decode_calls(calls) if isinstance(calls, msgspec.Raw) else calls) or ()


def part_of(part: Part, is_answer: bool, status: str) -> Json:
    if isinstance(part, TextPart):
        return text_part(part.text, ("streaming" if status == "in_progress" else "done") if is_answer else None)
    if isinstance(part, ImagePart):
        return {"type": "file", "mediaType": image_type(part.url), "url": part.url}
    named = {} if part.name is None else {"filename": part.name}
    return {"type": "file", "mediaType": part.mime_type or "application/octet-stream", "url": part.url, **named}


def text_part(text: str, state: str | None = None) -> Json:
    return {"type": "text", "text": text} if state is None else {"type": "text", "text": text, "state": state}


def image_type(url: str) -> str:
    """Return an image's media type: only a data URL tells it."""
    head = url[5:256].split(",")[0].split(";")[0] if url[:5].lower() == "data:" else ""
    return head if head.startswith("image/") else "image/*"


def call_part(call: ToolCall) -> Json:
    """Return a call that has no result yet."""
    return {
        "type": TOOL + call.function.name,
        "toolCallId": call.id,
        "state": ASKED,
        "input": input_of(call.function.arguments),
    }


def input_of(arguments: str) -> Any:  # Any: JSON.
    """Return the arguments of a call as JSON; a text that is none stays a text."""
    return output_of(arguments) if arguments.strip() else {}


def output_of(text: str) -> Any:  # Any: JSON.
    with suppress(msgspec.DecodeError):
        return decode(text)
    return text


def with_results(parts: Sequence[Json], results: Sequence[Message | MessageCreate]) -> list[Json]:
    """Return parts in which the calls have these results, as far as they had none."""
    found = list(parts)
    for result in results:
        places = [place for place, part in enumerate(found) if part.get("toolCallId") == result.tool_call_id]
        if not places:
            lost = {"type": TOOL + FORGOTTEN, "toolCallId": result.tool_call_id or result.role, "input": None}
            found.append({**lost, **result_of(result)})
        elif not has_result(found[places[-1]]):
            found[places[-1]] = {**found[places[-1]], **result_of(result)}
    return found


def result_of(message: Message | MessageCreate) -> Json:
    """Return what a tool's message adds to the part of its call."""
    failed = payload_of(message)
    if failed.get("state") == FAILED and isinstance(failed.get("errorText"), str):
        return {"state": FAILED, "errorText": failed["errorText"]}
    text = "".join(part.text for part in content_of(message) if isinstance(part, TextPart))
    return {"state": AVAILABLE, "output": output_of(text)}
