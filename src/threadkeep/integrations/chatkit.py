"""ChatKit: a store.

from threadkeep.integrations.chatkit import ThreadkeepStore

store = ThreadkeepStore(threadkeep.Client(), user_of=lambda context: context["user_id"])
server = InvoiceServer(store)  # A ChatKitServer of yours.
answer = await server.process(body, context={"user_id": "uid_lea"})
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any

from threadkeep.client import AsyncClient, Client
from threadkeep.client.asynchronous.lists import LIMIT_MAX
from threadkeep.client.given import MessageFields
from threadkeep.contract.limits import TITLE_CHARACTERS_MAX
from threadkeep.contract.messages import Message
from threadkeep.contract.threads import Thread
from threadkeep.errors import ExternalIdTaken, MessageNotFound, ThreadExists, ThreadNotFound
from threadkeep.integrations.calls import Calls
from threadkeep.integrations.installing import missing
from threadkeep.integrations.native import call_of, message_of, payload_of, text_of, value_of
from threadkeep.integrations.session_thread import TRIES, SessionThread, external_id_of

try:
    from chatkit import types
    from chatkit.store import NotFoundError, Store
    from pydantic import TypeAdapter
except ImportError as error:
    raise missing("chatkit", error) from error

FORMAT = "chatkit/1"
SOURCE = "chatkit"
ATTACHMENTS = "chatkit attachments"
GENERATED_CHARACTERS = len("msg_") + 26
# Any: unions of their models.
ITEM: TypeAdapter[Any] = TypeAdapter(types.ThreadItem)
ATTACHMENT: TypeAdapter[Any] = TypeAdapter(types.Attachment)


class ThreadkeepStore(Store[Any]):
    """A user's threads, also those that others began, without the archived ones; items are the current line's messages.

    `user_of(context)` says for which user an admin's key acts; None is the key's own. What is saved twice is replaced.
    What is known of an attachment is kept in a hidden thread of the user, since it comes before its thread.
    """

    def __init__(self, client: Client | AsyncClient, *, user_of: Callable[[Any], str | None] | None = None) -> None:
        self._client = client
        self._user_of = user_of
        self._call = Calls(client)

    async def load_thread(self, thread_id: str, context: Any) -> types.ThreadMetadata:
        if (thread := await self._session(thread_id, context).find()) is None:
            raise NotFoundError(f"There is no thread {thread_id}.")
        return to_chatkit(thread)

    async def save_thread(self, thread: types.ThreadMetadata, context: Any) -> None:
        """Create the thread, or change it: a title that a person gave it stays, unless this one is new as well."""
        session, title = self._session(thread.id, context), title_of(thread.title)
        payload = payload_of(FORMAT, thread.model_dump(mode="json", exclude={"items"}))
        for _ in range(TRIES):
            try:
                if (kept := await session.find()) is None:
                    await session.create(title=title, payload=payload)
                    return
                known = value_of(FORMAT, kept)
                changes: dict[str, Any] = {} if known and title_of(known["title"]) == title else {"title": title}
                if kept.payload_format in (None, FORMAT):
                    changes["payload"] = payload
                await self._call(session.client.threads.update, kept.id, **changes)
                return
            except (ExternalIdTaken, ThreadExists, ThreadNotFound):
                session = self._session(thread.id, context)
        raise NotFoundError(f"There is no thread {thread.id}.")

    async def load_threads(
        self, limit: int, after: str | None, order: str, context: Any
    ) -> types.Page[types.ThreadMetadata]:
        session = self._session(after or "", context)
        if after is not None and (kept := await session.find()) is not None:
            after = kept.id
        page = await self._page(
            session.client.threads.list_own, limit, after, order=order, visible_in_ui=True, include=["payload"]
        )
        return types.Page(data=[to_chatkit(each) for each in page.data], has_more=page.has_more, after=page.after)

    async def delete_thread(self, thread_id: str, context: Any) -> None:
        await self._session(thread_id, context).delete()

    async def load_thread_items(
        self, thread_id: str, after: str | None, limit: int, order: str, context: Any
    ) -> types.Page[types.ThreadItem]:
        session = await self._found(thread_id, context)
        if after is not None and (known := await self._message(session, after)) is not None:
            after = known.id
        messages = partial(session.client.threads.messages.list, session.thread_id, branch="current")
        page = await self._page(messages, limit, after, order=order, include=["payload"])
        items = [to_item(each, thread_id) for each in page.data]
        return types.Page(data=items, has_more=page.has_more, after=page.after)

    async def load_item(self, thread_id: str, item_id: str, context: Any) -> types.ThreadItem:
        if (message := await self._message(await self._found(thread_id, context), item_id)) is None:
            raise NotFoundError(f"There is no item {item_id} in thread {thread_id}.")
        return to_item(message, thread_id)

    async def add_thread_item(self, thread_id: str, item: types.ThreadItem, context: Any) -> None:
        await self.save_item(thread_id, item, context)

    async def save_item(self, thread_id: str, item: types.ThreadItem, context: Any) -> None:
        await self._save(await self._found(thread_id, context), item.id, from_item(item))

    async def delete_thread_item(self, thread_id: str, item_id: str, context: Any) -> None:
        await self._delete(self._session(thread_id, context), item_id)

    async def save_attachment(self, attachment: types.Attachment, context: Any) -> None:
        known = attachment.model_dump(mode="json")
        fields = message_of(FORMAT, known, role="user", texts=[attachment.name])
        await self._save(self._attachments(context), attachment.id, fields)

    async def load_attachment(self, attachment_id: str, context: Any) -> types.Attachment:
        if (message := await self._message(self._attachments(context), attachment_id)) is None:
            raise NotFoundError(f"There is no attachment {attachment_id}.")
        return ATTACHMENT.validate_python(value_of(FORMAT, message))  # type: ignore[no-any-return]  # One of two.

    async def delete_attachment(self, attachment_id: str, context: Any) -> None:
        await self._delete(self._attachments(context), attachment_id)

    def _session(self, thread_id: str, context: Any, *, holds_state: bool = False) -> SessionThread:
        user_id = None if self._user_of is None else self._user_of(context)
        return SessionThread(thread_id, self._client, source=SOURCE, user_id=user_id, holds_state=holds_state)

    def _attachments(self, context: Any) -> SessionThread:
        return self._session(ATTACHMENTS, context, holds_state=True)

    async def _found(self, thread_id: str, context: Any) -> SessionThread:
        session = self._session(thread_id, context)
        if await session.find() is None:
            raise NotFoundError(f"There is no thread {thread_id}.")
        return session

    async def _message(self, session: SessionThread, own_id: str) -> Message | None:
        """Return the message with this id of ChatKit's; what others wrote has the service's."""
        if session.thread_id is None and await session.find() is None:
            return None
        messages = session.client.threads.messages
        named = messages.list(session.thread_id, external_id=external_id_of(own_id), include=["payload"])
        try:
            if found := await self._call.all(named):
                return found[0]  # type: ignore[no-any-return]  # Of what the client lists.
            if own_id.startswith("msg_") and len(own_id) == GENERATED_CHARACTERS:
                return await self._call(messages.retrieve, session.thread_id, own_id)  # type: ignore[no-any-return]
        except (MessageNotFound, ThreadNotFound):
            pass
        return None

    async def _save(self, session: SessionThread, own_id: str, fields: MessageFields) -> None:
        for _ in range(TRIES):
            try:
                if (kept := await self._message(session, own_id)) is None:
                    await session.add([{**fields, "external_id": external_id_of(own_id)}])
                else:
                    its = {"content": fields["content"], "payload": fields["payload"]}
                    await self._call(session.client.threads.messages.update, kept.thread_id, kept.id, **its)
                return
            except (ExternalIdTaken, MessageNotFound):
                # Somebody else was faster.
                continue
        raise NotFoundError(f"There is no item {own_id}.")

    async def _delete(self, session: SessionThread, own_id: str) -> None:
        while (kept := await self._message(session, own_id)) is not None:
            with suppress(MessageNotFound, ThreadNotFound):
                await self._call(session.client.threads.messages.delete, kept.thread_id, kept.id)

    async def _page(self, listed: Callable[..., Any], limit: int, after: str | None, **filters: Any) -> types.Page[Any]:
        """Return a page of theirs, which may be longer than ours are; it goes on at `after`."""
        found: list[Any] = []
        has_more = limit > 0
        while has_more and len(found) < limit:
            page = await self._call(listed(limit=min(limit - len(found), LIMIT_MAX), after=after, **filters).page)
            found, has_more, after = [*found, *page.data], page.has_more, page.next_cursor
        return types.Page(data=found, has_more=has_more, after=after if has_more else None)


def title_of(title: str | None) -> str | None:
    return text_of([title or ""])[:TITLE_CHARACTERS_MAX] or None


def to_chatkit(thread: Thread) -> types.ThreadMetadata:
    """Return the thread as it was saved, but for its title and state, which people change."""
    known = value_of(FORMAT, thread)
    if known is None:
        made = types.ThreadMetadata(id=thread.id, created_at=datetime.fromtimestamp(thread.created_at))
    else:
        made = types.ThreadMetadata.model_validate(known)
    if title_of(made.title) != thread.title:
        made.title = thread.title
    if thread.state != "open":
        made.status = types.LockedStatus() if thread.state == "locked" else types.ClosedStatus()
    return made


def from_item(item: types.ThreadItem) -> MessageFields:
    """Return a message in which a person reads what is said, asked or called; tasks are left out."""
    role, calls = "assistant", []
    match item:
        case types.UserMessageItem():
            role, texts = "user", [each.text for each in item.content]
        case types.AssistantMessageItem():
            texts = [each.text for each in item.content]
        case types.ClientToolCallItem():
            texts = [item.output] if isinstance(item.output, str) else []
            calls = [call_of(item.call_id, item.name, item.arguments)]
        case types.WidgetItem():
            texts = [item.copy_text or ""]
        case types.StructuredInputItem():
            texts = [each.question for each in item.inputs]
        case types.HiddenContextItem() | types.SDKHiddenContextItem():
            role, texts = "system", [item.content] if isinstance(item.content, str) else []
        case _:
            texts = []
    return message_of(FORMAT, item.model_dump(mode="json"), role=role, texts=texts, calls=calls)


def to_item(message: Message, thread_id: str) -> types.ThreadItem:
    """Return the item that was put in, or one made of what the service knows."""
    known = value_of(FORMAT, message)
    if known is None:
        known = {"id": message.external_id or message.id, "created_at": datetime.fromtimestamp(message.created_at)}
        if message.role == "user":
            said = [{"type": "input_text", "text": message.text}]
            known |= {"type": "user_message", "content": said, "inference_options": {}}
        elif message.role == "assistant" and message.text:
            known |= {"type": "assistant_message", "content": [{"text": message.text}]}
        else:
            calls = [
                {"name": call.function.name, "arguments": call.function.arguments} for call in message.tool_calls or ()
            ]
            known |= {"type": "hidden_context_item", "content": message.text or {"calls": calls}}
    return ITEM.validate_python({**known, "thread_id": thread_id})  # type: ignore[no-any-return]  # One of eleven.
