"""OpenAI Agents SDK: sessions.

from threadkeep.integrations.openai_agents import ThreadkeepSession

session = ThreadkeepSession("invoice 17", threadkeep.Client(), user_id="uid_lea")
result = await Runner.run(agent, "What is on invoice 17?", session=session)
print(await session.get_items(limit=2))
"""

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

from threadkeep.client import AsyncClient, Client
from threadkeep.client.given import MessageFields, ToolCallFields
from threadkeep.contract.messages import FilePart, ImagePart, Message, Part, TextPart
from threadkeep.errors import MessageNotFound, PreconditionFailed, ThreadNotFound
from threadkeep.integrations.installing import missing
from threadkeep.integrations.native import Json, call_of, message_of, value_of
from threadkeep.integrations.session_thread import SessionThread

try:
    from agents import TResponseInputItem
    from agents.memory import SessionABC, SessionSettings
    from agents.memory.session_settings import coerce_session_settings, resolve_session_limit
except ImportError as error:
    raise missing("agents", error) from error

T = TypeVar("T")

FORMAT = "openai-agents/1"


class ThreadkeepSession(SessionABC):
    """The items of a thread. `session_id` is a thread's id, or an id of your own for one of this user.

    `session_settings` says how many items are read where a run says nothing, as SQLiteSession takes it.
    """

    def __init__(
        self,
        session_id: str,
        client: Client | AsyncClient,
        *,
        user_id: str | None = None,
        session_settings: SessionSettings | dict[str, Any] | None = None,
    ) -> None:
        self.session_id = session_id
        self.session_settings = coerce_session_settings(session_settings or SessionSettings())
        self._thread = SessionThread(session_id, client, source="openai-agents", user_id=user_id)

    @property
    def thread_id(self) -> str | None:
        """The thread's id, as soon as it is known."""
        return self._thread.thread_id

    async def get_items(self, limit: int | None = None) -> list[TResponseInputItem]:
        """Return the newest `limit` items, the oldest of them first; all of them if it is negative, or nowhere set."""
        newest = resolve_session_limit(limit, self.session_settings)
        if newest is not None and newest < 0:
            newest = None
        # A message that somebody else wrote may be several items, none is no item.
        items = [item for message in await self._thread.messages(newest) for item in to_agents(message)]
        return items if newest is None else items[len(items) - min(newest, len(items)) :]

    async def add_items(self, items: list[TResponseInputItem]) -> None:
        """Add items, at most 100 all or nothing. The first ones create the thread."""
        if items:
            await to_its_end(self._thread.add([from_agents(each) for each in items]))

    async def pop_item(self) -> TResponseInputItem | None:
        """Take the newest item away and return it; each of several who do so at once gets another one."""
        return await to_its_end(self._pop())

    async def clear_session(self) -> None:
        """Delete all items; the thread stays."""
        await to_its_end(self._thread.replace(()))

    async def _pop(self) -> TResponseInputItem | None:
        threads = self._thread.client.threads
        while (thread := await self._thread.find()) and (newest := await self._thread.messages(newest=1)):
            *others, item = to_agents(newest[0])
            try:
                if others:
                    # Of a message that is several items the others stay: with nobody's newer message lost.
                    await self._thread.call(
                        threads.messages.create_many,
                        thread.id,
                        [from_agents(each) for each in others],
                        replaces=newest[0].id,
                        if_match=thread.etag,
                    )
                else:
                    await self._thread.call(threads.messages.delete, thread.id, newest[0].id)
                return item
            except (MessageNotFound, PreconditionFailed, ThreadNotFound):
                continue
        return None


async def to_its_end(work: Coroutine[Any, Any, T]) -> T:
    """Wait for a change although the caller is cancelled meanwhile: runs undo what they know to be written."""
    task, cancelled = asyncio.ensure_future(work), None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = cancelled or error
    if cancelled is not None:
        # Asked for, so that it is not said to be lost.
        task.cancelled() or task.exception()
        raise cancelled
    return task.result()


def from_agents(item: TResponseInputItem) -> MessageFields:
    """Return a message in which a person reads what is said, called or found; thoughts are left out."""
    # Any: one of thirty typed dictionaries, and whatever comes after them.
    given: Any = dict(item)
    kind = str(given.get("type") or "message")
    if kind == "message":
        return message_of(FORMAT, item, role=str(given.get("role")), texts=texts_of(given.get("content")))
    if kind.endswith("_output"):
        output = given.get("output")
        return message_of(FORMAT, item, role="tool", texts=texts_of(output), answers=given.get("call_id"))
    if kind == "mcp_approval_response":
        return message_of(FORMAT, item, role="user", texts=texts_of(given.get("reason")))
    calls = [called(kind, given)] if kind.endswith("_call") or kind == "mcp_approval_request" else []
    # An MCP server's result stands in its call.
    return message_of(FORMAT, item, role="assistant", texts=texts_of(given.get("output")), calls=calls)


def called(kind: str, item: Json) -> ToolCallFields:
    """Return the call of a function; of the model's own tools, what they are told."""
    told: Json = next((item[key] for key in ("arguments", "input", "action", "queries", "code") if item.get(key)), {})
    return call_of(str(item.get("call_id") or item.get("id") or ""), str(item.get("name") or kind), told)


def texts_of(content: Json) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    elif isinstance(content, list):
        for part in content:
            text = (part.get("text") or part.get("refusal")) if isinstance(part, dict) else None
            if isinstance(text, str):
                yield text


def to_agents(message: Message) -> list[TResponseInputItem]:
    """Return the item that was put in, or those made of what the service knows: at least one."""
    if (value := value_of(FORMAT, message)) is not None:
        return [value]
    if message.role == "tool":
        return [made(type="function_call_output", call_id=message.tool_call_id or "", output=content_of(message))]
    calls = [
        made(type="function_call", call_id=call.id, name=call.function.name, arguments=call.function.arguments)
        for call in message.tool_calls or []
    ]
    said = [made(role=message.role, content=content_of(message))] if message.text or not calls else []
    return said + calls


def content_of(message: Message) -> Json:
    """Return a text, or parts; what an assistant says is always a text."""
    if message.role == "assistant" or all(isinstance(part, TextPart) for part in message.content):
        return message.text
    return [part_of(part) for part in message.content]


def part_of(part: Part) -> Json:
    match part:
        case ImagePart():
            return {"type": "input_image", "image_url": part.url, "detail": "auto"}
        case FilePart():
            return {"type": "input_file", "file_url": part.url}
        case _:
            return {"type": "input_text", "text": part.text}


def made(**fields: Json) -> TResponseInputItem:
    return fields  # type: ignore[return-value]  # One of their typed dictionaries.
