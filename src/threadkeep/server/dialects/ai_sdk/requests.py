"""What `useChat` sends, and the settings of a response in it."""

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from threadkeep.contract.assistants import Instructions, ModelName, Tool
from threadkeep.contract.basis import AssistantId, ExternalId
from threadkeep.contract.messages import MessageCreate
from threadkeep.errors import InvalidField
from threadkeep.server.dialects.common import read
from threadkeep.server.dialects.lenient import Lenient
from threadkeep.server.dialects.ui_messages import Json, UIMessage, given_group


class ChatCreate(Lenient, rename="camel"):
    """A turn of a chat: its messages so far, or the last one alone."""

    id: ExternalId
    """The chat: a thread's id, or any other text for one of your own."""
    messages: list[Json] = msgspec.field(default_factory=list)
    """Only the last one is read, and the one before it; all of them only where the thread is empty."""
    message: Json | None = None
    """In place of `messages`: the last one."""
    trigger: Literal["submit-message", "regenerate-message"] = "submit-message"
    message_id: str | None = None
    """With `submit-message`, the last message's id: it takes the place of the message with that id."""
    assistant_id: AssistantId | None = None
    model: ModelName | None = None
    instructions: Instructions | None = None
    system: Instructions | None = None
    """Another name for `instructions`."""
    tools: Any | None = None  # Any: JSON.
    """Functions: an object of names with `description` and `parameters`, or a list as in OpenAI's chat format."""

    @property
    def said(self) -> list[Json]:
        return self.messages if self.message is None else [self.message]


def id_of(message: Json) -> str | None:
    """Return the id of a message that is not read otherwise."""
    id = message.get("id")
    return id if isinstance(id, str) and id else None


def read_message(message: Json, param: str) -> UIMessage:
    """Raises InvalidField with its place in the body."""
    found: UIMessage = read(message, UIMessage, param)
    return found


def given_messages(message: Json, param: str, external_id: str | None = None) -> list[MessageCreate]:
    """Return a UIMessage natively, with its id. Raises InvalidField with its place in the body."""
    ui = read_message(message, param)
    first, *others = given_group(ui)
    messages = [msgspec.structs.replace(first, external_id=external_id or ui.id or None), *others]
    checked: list[MessageCreate] = read(msgspec.to_builtins(messages), list[MessageCreate], param)
    return checked


def given_tools(tools: Any) -> list[Tool] | None:  # Any: JSON of a caller.
    """Return functions natively. None of them is as good as no setting."""
    if not tools:
        return None
    if isinstance(tools, dict):
        tools = [{"type": "function", "function": {"name": name, **described(tool)}} for name, tool in tools.items()]
    found: list[Tool] = read(tools, list[Tool], "tools")
    return found


def described(tool: Any) -> Json:  # Any: JSON of a caller.
    """Return what a model is told of a function."""
    if not isinstance(tool, dict):
        raise InvalidField("A function is an object with its description and parameters.", param="tools")
    return {key: tool[key] for key in ("description", "parameters") if tool.get(key) is not None}


def settings_of(body: ChatCreate) -> dict[str, Any]:
    """Return the settings of the response, by their native names."""
    return {
        "assistant_id": body.assistant_id,
        "model": body.model,
        "instructions": "\n\n".join(filter(None, (body.instructions, body.system))) or None,
        "tools": given_tools(body.tools),
        "stream": True,
    }


def refuse_approvals(ui: UIMessage) -> None:
    """Raise InvalidField for parts that ask for a permission, or give one."""
    if any(str(part.get("state", "")).startswith("approval-") for part in ui.parts):
        raise InvalidField("Approvals of tools are not known here: send the tool's output.", param="messages")


Place = str | None | UnsetType
HERE: Place = UNSET
