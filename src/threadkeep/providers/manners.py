"""The demands of servers on a history: most accept any, and some refuse what others require.

`fitted()` changes a history so that its server accepts it. Changes that no server minds are made for all: arguments
become JSON objects, ids of calls unique, and names of functions valid.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import msgspec

Roles: TypeAlias = Literal["any", "alternate"]
SystemTexts: TypeAlias = Literal["anywhere", "first", "user"]
ToolCallForm: TypeAlias = Literal["native", "with_tools", "text"]
CallIds: TypeAlias = Literal["any", "short", "nine"]
ReasoningBack: TypeAlias = Literal["never", "tools", "always"]
CallsNeed: TypeAlias = Literal["nothing", "reasoning_content", "thought_signature"]

JsonMessage: TypeAlias = dict[str, Any]  # Any: a message in OpenAI's chat format.

# Inserted for servers that refuse a history without a user's message in this place.
NO_MESSAGE = {"role": "user", "content": "(No message.)"}
NO_ANSWER = {"role": "assistant", "content": "(No answer.)"}
EMPTY_RESULT = "(Empty.)"
# DeepSeek requires the field, Kimi a text in it.
UNKNOWN_REASONING = " "
# Google's own value for calls that another model made.
UNKNOWN_SIGNATURE = {"google": {"thought_signature": "skip_thought_signature_validator"}}

FUNCTION_NAME_CHARACTERS_MAX = 64
NO_NAME_CHARACTER = re.compile(r"[^a-zA-Z0-9_-]")
ID_FORMS = {"short": re.compile(r"[a-zA-Z0-9_-]{1,40}"), "nine": re.compile(r"[a-zA-Z0-9]{9}")}
ID_CHARACTERS = {"short": 24, "nine": 9}


@dataclass(frozen=True, slots=True)
class Manners:
    """A server's demands on a history; docs/models.md lists them by server."""

    roles: Roles = "any"
    system: SystemTexts = "anywhere"
    tool_calls: ToolCallForm = "native"
    call_ids: CallIds = "any"
    reasoning: ReasoningBack = "tools"
    calls_need: CallsNeed = "nothing"


# By the host's name, for servers that it identifies.
KNOWN: Mapping[str, Manners] = {
    "api.openai.com": Manners(call_ids="short"),
    "openai.azure.com": Manners(call_ids="short"),
    "api.mistral.ai": Manners(roles="alternate", call_ids="nine"),
    "api.perplexity.ai": Manners(roles="alternate", tool_calls="text"),
    "api.deepseek.com": Manners(calls_need="reasoning_content"),
    "api.moonshot.ai": Manners(calls_need="reasoning_content"),
    "api.moonshot.cn": Manners(calls_need="reasoning_content"),
    "generativelanguage.googleapis.com": Manners(roles="alternate", calls_need="thought_signature"),
    "aiplatform.googleapis.com": Manners(roles="alternate", calls_need="thought_signature"),
    "api.anthropic.com": Manners(roles="alternate", tool_calls="with_tools", call_ids="short"),
}


def manners_of(host: str) -> Manners:
    """Return the known demands of the server at this host, else those that nearly every server accepts."""
    for known, manners in KNOWN.items():
        if host == known or host.endswith((f".{known}", f"-{known}")):
            return manners
    return Manners()


def fitted(messages: Sequence[JsonMessage], manners: Manners, *, has_tools: bool) -> list[JsonMessage]:
    """Return the history changed so that the server accepts it. `has_tools`: the request defines tools."""
    fitted = unique_ids([proper(message) for message in messages])
    if manners.tool_calls == "text" or (manners.tool_calls == "with_tools" and not has_tools):
        fitted = [in_words(message) for message in fitted]
    if manners.system == "user":
        fitted = [{**each, "role": "user"} if each["role"] == "system" else each for each in fitted]
    elif manners.system == "first" or manners.roles == "alternate":
        fitted = system_first(fitted)
    if manners.roles == "alternate":
        fitted = alternating(fitted)
    if manners.call_ids != "any":
        fitted = with_ids(fitted, lambda id: formed_id(id, manners.call_ids))
    if not any("tool_calls" in message for message in fitted):
        return fitted
    return [with_what_calls_need(message, manners.calls_need) for message in fitted]


def proper(message: JsonMessage) -> JsonMessage:
    if message["role"] == "tool" and not message["content"].strip():
        return {**message, "content": EMPTY_RESULT}
    if "tool_calls" not in message:
        return message
    return {**message, "tool_calls": [proper_call(call) for call in message["tool_calls"]]}


def proper_call(call: JsonMessage) -> JsonMessage:
    function = call["function"]
    # A model may call a function that does not exist, by any name. OpenAI would refuse a history with an invalid name.
    name = NO_NAME_CHARACTER.sub("_", function["name"])[:FUNCTION_NAME_CHARACTERS_MAX]
    return {**call, "function": {"name": name, "arguments": object_text(function["arguments"])}}


def object_text(arguments: str) -> str:
    """Return arguments as the text of a JSON object, which servers expect; any other text is wrapped into one."""
    value = decoded(arguments) if arguments.strip() else None
    if isinstance(value, str) and isinstance(decoded(value), dict):
        # Some models encode the JSON twice.
        return value
    if isinstance(value, dict):
        return arguments
    return "{}" if value is None else json.dumps({"arguments": value}, ensure_ascii=False)


def decoded(text: str) -> Any:  # Any: JSON.
    """Return the decoded JSON; a text that is not JSON is returned as it is."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return text


def unique_ids(messages: Sequence[JsonMessage]) -> list[JsonMessage]:
    """Return messages in which all call ids differ: a model that counts from 0 each time repeats ids."""
    seen: set[str] = set()

    def unique(id: str) -> str:
        found, number = id, 2
        while found in seen:
            found, number = f"{id}_{number}", number + 1
        seen.add(found)
        return found

    return with_ids(messages, unique)


def with_ids(messages: Sequence[JsonMessage], new_id: Callable[[str], str]) -> list[JsonMessage]:
    """Give each call a new id, and its result the same. The results of calls stand directly after them."""
    changed: list[JsonMessage] = []
    waiting: list[tuple[str, str]] = []
    for message in messages:
        if message.get("tool_calls"):
            waiting = [(call["id"], new_id(call["id"])) for call in message["tool_calls"]]
            pairs = zip(message["tool_calls"], waiting, strict=True)
            message = {**message, "tool_calls": [{**call, "id": new} for call, (_, new) in pairs]}
        elif message["role"] == "tool":
            pair = next((pair for pair in waiting if pair[0] == message["tool_call_id"]), None)
            if pair is not None:
                waiting.remove(pair)
                message = {**message, "tool_call_id": pair[1]}
        changed.append(message)
    return changed


def formed_id(id: str, form: CallIds) -> str:
    """Return the id in the form that the server demands; the same id always gives the same result."""
    if ID_FORMS[form].fullmatch(id):
        return id
    return hashlib.sha256(id.encode()).hexdigest()[: ID_CHARACTERS[form]]


def in_words(message: JsonMessage) -> JsonMessage:
    """Write calls and results as text, for servers that do not support calls."""
    if message["role"] == "tool":
        return {"role": "user", "content": f"[Result: {message['content']}]"}
    if "tool_calls" not in message:
        return message
    functions = [call["function"] for call in message["tool_calls"]]
    lines = [f"[Call: {function['name']} {function['arguments']}]" for function in functions]
    return {"role": message["role"], "content": joined(message["content"], "\n".join(lines))}


def system_first(messages: Sequence[JsonMessage]) -> list[JsonMessage]:
    """Put all system texts into one message before all others."""
    texts = [message["content"] for message in messages if message["role"] == "system"]
    others = [message for message in messages if message["role"] != "system"]
    return [{"role": "system", "content": "\n\n".join(texts)}, *others] if texts else others


def alternating(messages: Sequence[JsonMessage]) -> list[JsonMessage]:
    """Let user and assistant take turns, beginning with the user and ending with the user or a result.

    Neighbours of one role become one message; a missing message is filled in. Mistral demands an assistant's message
    between a result and the user's.
    """
    turns: list[JsonMessage] = []
    for message in messages:
        role, last = message["role"], turns[-1]["role"] if turns else "system"
        if last == "system" and role == "assistant":
            turns.append(NO_MESSAGE)
        elif last == "tool" and role == "user":
            turns.append(NO_ANSWER)
        elif last == role and role in ("user", "assistant"):
            turns[-1] = {**turns[-1], **message, "content": joined(turns[-1]["content"], message["content"])}
            continue
        turns.append(message)
    return [*turns, NO_MESSAGE] if turns and turns[-1]["role"] == "assistant" else turns


def joined(before: Any, more: Any) -> Any:  # Any: a text, a list of parts, or nothing, as in OpenAI's chat format.
    if not before or not more:
        return before or more
    if isinstance(before, str) and isinstance(more, str):
        return f"{before}\n\n{more}"
    return [*parts_of(before), *parts_of(more)]


def parts_of(content: str | list[JsonMessage]) -> list[JsonMessage]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def with_what_calls_need(message: JsonMessage, calls_need: CallsNeed) -> JsonMessage:
    """Add a stand-in for the reasoning or signature without which the server refuses a history.

    It is missing for calls of another model, for messages that a person has changed, and for imported ones.
    """
    if message["role"] != "assistant":
        return message
    if calls_need == "reasoning_content":
        return {"reasoning_content": UNKNOWN_REASONING, **message}
    if calls_need == "thought_signature" and "tool_calls" in message:
        # Of parallel calls only the first is signed.
        first, *others = message["tool_calls"]
        return {**message, "tool_calls": [{"extra_content": UNKNOWN_SIGNATURE, **first}, *others]}
    return message
