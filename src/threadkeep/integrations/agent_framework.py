"""Microsoft Agent Framework: histories.

from threadkeep.integrations.agent_framework import ThreadkeepHistoryProvider

history = ThreadkeepHistoryProvider(threadkeep.Client(), user_id="uid_lea")
agent = Agent(chat_client, context_providers=[history])
await agent.run("What is on invoice 17?", session=AgentSession(session_id="invoice 17"))
"""

import mimetypes
from collections.abc import Iterator, Sequence
from typing import Any

from threadkeep.client import AsyncClient, Client
from threadkeep.client.given import MessageFields, ToolCallFields
from threadkeep.contract import messages as native
from threadkeep.integrations.installing import missing
from threadkeep.integrations.native import call_of, message_of, value_of
from threadkeep.integrations.session_thread import SessionThread

try:
    from agent_framework import Content, HistoryProvider, Message
except ImportError as error:
    raise missing("agent-framework", error) from error

FORMAT = "agent-framework/1"


class ThreadkeepHistoryProvider(HistoryProvider):
    """A thread for each session, by its id: a thread's id, or an id of your own for one of this user.

    What is loaded and stored is said as for the framework's own providers.
    """

    def __init__(
        self,
        client: Client | AsyncClient,
        *,
        source_id: str = "threadkeep",
        user_id: str | None = None,
        load_messages: bool = True,
        store_inputs: bool = True,
        store_context_messages: bool = False,
        store_context_from: set[str] | None = None,
        store_outputs: bool = True,
    ) -> None:
        super().__init__(
            source_id,
            load_messages=load_messages,
            store_inputs=store_inputs,
            store_context_messages=store_context_messages,
            store_context_from=store_context_from,
            store_outputs=store_outputs,
        )
        self._client = client
        self._user_id = user_id

    # Any: what later versions of the framework add.
    async def get_messages(
        self, session_id: str | None, *, state: dict[str, Any] | None = None, **kwargs: Any
    ) -> list[Message]:
        """Return all messages of a session; a session without an id has none."""
        if session_id is None:
            return []
        return [to_agent_framework(each) for each in await self._thread(session_id).messages()]

    async def save_messages(
        self,
        session_id: str | None,
        messages: Sequence[Message],
        *,
        state: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Add messages, at most 100 all or nothing. The first ones create the thread.

        Raises ValueError without a session's id: nobody would find them again.
        """
        if session_id is None:
            raise ValueError("A history needs the id of a session.")
        if messages:
            await self._thread(session_id).add([from_agent_framework(each) for each in messages])

    def _thread(self, session_id: str) -> SessionThread:
        return SessionThread(session_id, self._client, source="agent-framework", user_id=self._user_id)


def from_agent_framework(message: Message) -> MessageFields:
    answers = next((each.call_id for each in message.contents if each.type == "function_result"), None)
    return message_of(
        FORMAT,
        message.to_dict(),
        role=message.role,
        texts=[text for each in message.contents for text in texts_of(each)],
        calls=calls_of(message.contents),
        answers=answers,
    )


def texts_of(content: Content) -> Iterator[str]:
    """Return what a person reads of a content: what is said, and results of calls."""
    match content.type:
        case "text":
            yield content.text or ""
        case "error":
            yield content.message or ""
        case "function_result" if isinstance(content.result, str):
            yield content.result
        case "function_result":
            for item in content.items or ():
                yield from texts_of(item)


def calls_of(contents: Sequence[Content]) -> list[ToolCallFields]:
    return [
        call_of(each.call_id or "", each.name or each.type, each.arguments or {})
        for each in contents
        if each.type == "function_call"
    ]


def to_agent_framework(message: native.Message) -> Message:
    """Return the message that was put in, or one made of what the service knows."""
    if (value := value_of(FORMAT, message)) is not None:
        return Message.from_dict(value)
    if message.role == "tool":
        contents = [Content.from_function_result(message.tool_call_id or "", result=message.text)]
    else:
        contents = [content_of(part) for part in message.content]
    for call in message.tool_calls or ():
        contents.append(Content.from_function_call(call.id, call.function.name, arguments=call.function.arguments))
    return Message(message.role, contents, message_id=message.id)


def content_of(part: native.Part) -> Content:
    if isinstance(part, native.TextPart):
        return Content.from_text(part.text)
    known = part.mime_type if isinstance(part, native.FilePart) else None
    unknown = "image/*" if isinstance(part, native.ImagePart) else "application/octet-stream"
    return Content.from_uri(part.url, media_type=known or mimetypes.guess_type(part.url)[0] or unknown)
