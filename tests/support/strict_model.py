"""A model's server that refuses what the strictest real ones refuse: with 400 and a sentence, by the model's name.

    model = await StrictModel.start()
    model.answer("Hello")                       # what a request gets that is not refused
    ...                                         # asked as the model `mistral`, it refuses as Mistral does
    assert model.refusals == []

FAMILIES says which rules each family of servers has, and SETTINGS what docs/models.md tells to set for it. What the
server gave out to be sent back, `remember` is told; it refuses any other value, and any that another model gave.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from support.scripted_model import Call, Head, Script, ScriptedModel

Messages = Sequence[dict[str, Any]]

SKIP_SIGNATURE = "skip_thought_signature_validator"


def texts_of(message: dict[str, Any]) -> list[str]:
    content = message.get("content")
    if isinstance(content, list):
        return [part["text"] for part in content if part["type"] == "text"]
    return [] if content is None else [content]


def calls_of(message: dict[str, Any]) -> list[dict[str, Any]]:
    return list(message.get("tool_calls") or ())


# --- what all of them refuse


def fields(body: dict[str, Any]) -> Iterator[str]:
    known = {"role", "content", "tool_calls", "tool_call_id", "reasoning_content", "reasoning", "reasoning_details"}
    for number, message in enumerate(body["messages"]):
        if message["role"] not in ("system", "user", "assistant", "tool"):
            yield f"messages.{number}: the role {message['role']!r} does not exist"
        if unknown := set(message) - known:
            yield f"messages.{number}: {sorted(unknown)} is unsupported"
        if message["role"] != "assistant" and set(message) - {"role", "content", "tool_call_id"}:
            yield f"messages.{number}: only an assistant calls and thinks"
        if "tool_calls" in message and not message["tool_calls"]:
            yield f"messages.{number}: tool_calls is empty"


def content(body: dict[str, Any]) -> Iterator[str]:
    for number, message in enumerate(body["messages"]):
        if message.get("content") is None:
            if not calls_of(message):
                yield f"messages.{number}: content is null without tool_calls"
        elif not message["content"] or not all(text.strip() for text in texts_of(message)):
            yield f"messages.{number}: text must hold something else than white space"


def arguments(body: dict[str, Any]) -> Iterator[str]:
    for number, message in enumerate(body["messages"]):
        for call in calls_of(message):
            try:
                is_object = isinstance(json.loads(call["function"]["arguments"]), dict)
            except ValueError:
                is_object = False
            if not is_object:
                yield f"messages.{number}: the arguments of {call['id']} are no JSON object"


def names(body: dict[str, Any]) -> Iterator[str]:
    defined = {tool["function"]["name"] for tool in body.get("tools") or ()}
    for number, message in enumerate(body["messages"]):
        for call in calls_of(message):
            name = call["function"]["name"]
            if name not in defined and not re.fullmatch("[a-zA-Z0-9_-]{1,64}", name):
                yield f"messages.{number}: the name of a function does not match ^[a-zA-Z0-9_-]+$"


def results(body: dict[str, Any]) -> Iterator[str]:
    """Every call has one result directly after its message, every result a call directly before it; ids are unique."""
    wanted: list[str] = []
    seen: set[str] = set()
    for number, message in enumerate(body["messages"]):
        if message["role"] == "tool":
            if message.get("tool_call_id") not in wanted:
                yield f"messages.{number}: a result without a call before it"
            else:
                wanted.remove(message["tool_call_id"])
            continue
        if wanted:
            yield f"messages.{number}: {wanted} did not get results"
        wanted = [call["id"] for call in calls_of(message)]
        if len({*wanted}) < len(wanted) or seen & {*wanted}:
            yield f"messages.{number}: the ids of calls must be unique"
        seen |= {*wanted}
    if wanted:
        yield f"{wanted} did not get results"


# --- what some refuse


def order(body: dict[str, Any]) -> Iterator[str]:
    """After system texts user and assistant take turns, beginning with the user and ending with user or tool."""
    may_follow = {
        None: ("system", "user"),
        "system": ("system", "user"),
        "user": ("assistant",),
        "assistant": ("user", "tool"),
        "tool": ("tool", "assistant"),
    }
    previous = None
    for number, message in enumerate(body["messages"]):
        if message["role"] not in may_follow.get(previous, ()):
            yield f"messages.{number}: unexpected role {message['role']!r} after role {previous!r}"
        previous = message["role"]
    if previous not in ("user", "tool"):
        yield f"expected last role user or tool, but got {previous!r}"


def one_system(body: dict[str, Any]) -> Iterator[str]:
    if any(message["role"] == "system" for message in body["messages"][1:]):
        yield "system message must be at the beginning"


def no_system(body: dict[str, Any]) -> Iterator[str]:
    if any(message["role"] == "system" for message in body["messages"]):
        yield "system role not supported"


def no_tools(body: dict[str, Any]) -> Iterator[str]:
    if any(message["role"] == "tool" or calls_of(message) for message in body["messages"]):
        yield "tools are not supported"


def tools_defined(body: dict[str, Any]) -> Iterator[str]:
    if not body.get("tools") and any(calls_of(message) for message in body["messages"]):
        yield "requests with tool calls must define tools"


def ids(form: str) -> Callable[[dict[str, Any]], Iterator[str]]:
    def refused(body: dict[str, Any]) -> Iterator[str]:
        for number, message in enumerate(body["messages"]):
            if any(not re.fullmatch(form, call["id"]) for call in calls_of(message)):
                yield f"messages.{number}: the id of a call must match {form}"

    return refused


def no_reasoning(body: dict[str, Any]) -> Iterator[str]:
    for number, message in enumerate(body["messages"]):
        if set(message) & {"reasoning_content", "reasoning", "reasoning_details"}:
            yield f"messages.{number}: property reasoning is unsupported"


def reasoning_needed(body: dict[str, Any]) -> Iterator[str]:
    """Once there is a call, every assistant message needs it, and something must stand in it."""
    if any(calls_of(message) for message in body["messages"]):
        for number, message in enumerate(body["messages"]):
            if message["role"] == "assistant" and not message.get("reasoning_content"):
                yield f"missing reasoning_content field in the assistant message at message index {number}"


def current_turn(messages: Messages) -> Messages:
    """What comes after the last user message."""
    users = [number for number, message in enumerate(messages) if message["role"] == "user"]
    return messages[users[-1] + 1 :] if users else messages


def signature_of(call: dict[str, Any]) -> str | None:
    found = call.get("extra_content", {}).get("google", {}).get("thought_signature")
    return None if found is None else str(found)


def signatures_needed(body: dict[str, Any]) -> Iterator[str]:
    """The first call of each message of the current turn needs a signature."""
    for message in current_turn(body["messages"]):
        if calls_of(message) and not signature_of(calls_of(message)[0]):
            yield "function call is missing a thought_signature"


COMMON = (fields, content, arguments, names, results)
FAMILIES: dict[str, tuple[Callable[[dict[str, Any]], Iterator[str]], ...]] = {
    "openai": (ids("[^ ]{1,40}"), no_reasoning),
    "mistral": (order, one_system, ids("[a-zA-Z0-9]{9}"), no_reasoning),
    "gemma": (order, no_system, no_tools, no_reasoning),
    "perplexity": (order, one_system, no_tools, no_reasoning),
    "qwen": (one_system,),
    "deepseek": (reasoning_needed,),
    "groq": (no_reasoning,),
    "gemini": (order, one_system, signatures_needed, no_reasoning),
    "anthropic": (order, ids("[a-zA-Z0-9_-]{1,64}"), tools_defined, no_reasoning),
}

# What docs/models.md says to write into the models file for each.
SETTINGS: dict[str, str] = {
    "openai": 'call_ids = "short"',
    "mistral": 'roles = "alternate"\ncall_ids = "nine"',
    "gemma": 'roles = "alternate"\nsystem = "user"\ntool_calls = "text"',
    "perplexity": 'roles = "alternate"\ntool_calls = "text"',
    "qwen": 'system = "first"',
    "deepseek": 'calls_need = "reasoning_content"',
    "groq": 'reasoning = "never"',
    "gemini": 'roles = "alternate"\ncalls_need = "thought_signature"',
    "anthropic": 'roles = "alternate"\ncall_ids = "short"\ntool_calls = "with_tools"',
}


class StrictModel(ScriptedModel):
    """`refusals` are the sentences so far, each with its family."""

    def __init__(self) -> None:
        super().__init__()
        self.refusals: list[tuple[str, str]] = []
        # By the model that gave it: reasoning and signatures that may come back.
        self._given: dict[str, set[str]] = {}
        # By model and id of a call: what must come back with it as long as its turn goes on.
        self._owed: dict[tuple[str, str], str] = {}
        # How often something came back.
        self.returned_count = 0

    def remember(self, family: str, value: str, call_id: str | None = None) -> None:
        """Take this back from now on, of this family alone; with the call, while its turn lasts, nothing else."""
        self._given.setdefault(family, set()).add(value)
        if call_id is not None:
            self._owed[family, call_id] = value

    def forget(self, call_id: str) -> None:
        """Nothing is owed with this call any more: its message was changed."""
        for key in [key for key in self._owed if key[1] == call_id]:
            del self._owed[key]

    def refused(self, body: dict[str, Any]) -> list[str]:
        """Return what is wrong with a request, by the rules of the model that it names."""
        family = body["model"]
        return [
            sentence for rule in (*COMMON, *FAMILIES[family], self._foreign, self._unpaid) for sentence in rule(body)
        ]

    def script_for(self, call: Call) -> Sequence[Any]:
        if not (sentences := self.refused(call.body)):
            return super().script_for(call)
        self.refusals += [(call.body["model"], sentence) for sentence in sentences]
        said = json.dumps({"error": {"message": sentences[0], "type": "invalid_request_error"}}).encode()
        refusal: Script = [Head(400, {"content-type": "application/json"}), said]
        return refusal

    def _foreign(self, body: dict[str, Any]) -> Iterator[str]:
        """What is sent back must be what this very model gave, or say that nothing is known."""
        given = self._given.get(body["model"], set())
        for number, message in enumerate(body["messages"]):
            reasoning = message.get("reasoning_content", " ")
            if reasoning.strip() and reasoning not in given:
                yield f"messages.{number}: reasoning_content is not what this model thought"
            for call in calls_of(message):
                signature = signature_of(call)
                if signature not in (None, SKIP_SIGNATURE) and signature not in given:
                    yield f"messages.{number}: thought_signature is not valid"

    def _unpaid(self, body: dict[str, Any]) -> Iterator[str]:
        """Within a turn what this model gave with a call comes back with it."""
        for message in current_turn(body["messages"]):
            for call in calls_of(message):
                owed = self._owed.get((body["model"], call["id"]))
                if owed is None:
                    continue
                self.returned_count += 1
                if owed not in (message.get("reasoning_content"), signature_of(call)):
                    yield f"{call['id']} came back without what this model gave with it"

    @property
    def models_file(self) -> str:
        """The text of a models file with every family, set as the documentation says."""
        return "".join(f'["{name}"]\nurl = "{self.url}"\n{SETTINGS[name]}\n' for name in FAMILIES)
