"""LlamaIndex: chat stores.

from threadkeep.integrations.llama_index import ThreadkeepAsyncChatStore

store = ThreadkeepAsyncChatStore(threadkeep.Client(), user_id="uid_lea")
memory = Memory.from_defaults(session_id="invoice 17", chat_store=store)
await agent.run("What is on invoice 17?", memory=memory)
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from threadkeep.client import AsyncClient, Client
from threadkeep.client.given import MessageFields
from threadkeep.contract.messages import Message
from threadkeep.errors import MessageNotFound, PreconditionFailed, ThreadNotFound
from threadkeep.integrations.calls import Calls, at_once
from threadkeep.integrations.installing import missing
from threadkeep.integrations.native import call_of, message_of, value_of
from threadkeep.integrations.session_thread import SessionThread

try:
    from llama_index.core.base.llms.types import ChatMessage, TextBlock, ToolCallBlock
    from llama_index.core.bridge.pydantic import PrivateAttr
    from llama_index.core.storage.chat_store.base import BaseChatStore
    from llama_index.core.storage.chat_store.base_db import AsyncDBChatStore, MessageStatus
except ImportError as error:
    raise missing("llama-index", error) from error

FORMAT = "llama-index/1"
SOURCE = "llama-index"
# In a thread's metadata: the `seq` up to which its messages are archived, so that archiving many is one step.
ARCHIVED = "archivedThrough"
ROLES = {"function": "tool", "chatbot": "assistant", "model": "assistant"}


class KeyThread(SessionThread):
    """The messages behind a key, in their order. What is changed by position is read again if others were faster."""

    async def insert(self, position: int, message: ChatMessage) -> None:
        """Add a message before the one at a position, as lists do; those behind it are stored anew, in one step."""
        while True:
            thread, messages = await self.find(), await self.messages()
            behind = messages[position:]
            if thread is None or not behind:
                return await self.add([from_llama_index(message)])
            moved = [from_llama_index(message), *(from_llama_index(to_llama_index(each)) for each in behind)]
            try:
                return await self.add(moved, replaces=behind[0].id, if_match=thread.etag)
            except (MessageNotFound, PreconditionFailed):
                continue

    async def remove(self, position: int) -> ChatMessage | None:
        messages = await self.messages()
        if not -len(messages) <= position < len(messages):
            return None
        taken = await self.remove_some([messages[position]])
        return to_llama_index(taken[0]) if taken else None

    async def clear(self) -> list[ChatMessage] | None:
        """Delete all messages and return them; the thread stays. None if there are none."""
        while (thread := await self.find()) is not None and (messages := await self.messages()):
            try:
                await self.add([], replaces="all", if_match=thread.etag)
                return [to_llama_index(each) for each in messages]
            except PreconditionFailed:
                continue
        return None

    async def of_status(self, status: MessageStatus | None) -> list[Message]:
        thread = await self.find()
        through: Any = 0 if thread is None else thread.metadata.get(ARCHIVED, 0)
        return [each for each in await self.messages() if status in (None, status_of(each, through))]

    async def archive_oldest(self, count: int) -> list[Message]:
        """Archive the oldest messages; each of several who do so at once gets others."""
        while (thread := await self.find()) is not None:
            taken = (await self.of_status(MessageStatus.ACTIVE))[: max(count, 0)]
            try:
                if taken:
                    through = {ARCHIVED: taken[-1].seq}
                    await self.call(self.client.threads.update, thread.id, metadata=through, if_match=thread.etag)
                return taken
            except (PreconditionFailed, ThreadNotFound):
                continue
        return []

    async def remove_some(self, messages: Sequence[Message]) -> list[Message]:
        """Delete messages, and return those that were still there."""
        taken: list[Message] = []
        for message in messages:
            with suppress(MessageNotFound, ThreadNotFound):
                await self.call(self.client.threads.messages.delete, message.thread_id, message.id)
                taken.append(message)
        return taken


async def keys(client: Any, call: Calls) -> list[str]:
    """Return the keys that have messages, the oldest first, but for those of archived threads."""
    threads = await call.all(client.threads.list_own(metadata={"source": SOURCE}, order="asc"))
    return [str(thread.metadata["session"]) for thread in threads if thread.message_count]


class ThreadkeepChatStore(BaseChatStore):
    """A thread for each key: a thread's id, or an id of your own for one of this user.

    It blocks; the framework's asynchronous methods call it in threads. A list that is replaced is never half.
    """

    _client: Client = PrivateAttr()

    def __init__(self, client: Client, *, user_id: str | None = None) -> None:
        super().__init__()
        self._client = client if user_id is None else client.with_options(user_id=user_id)

    def set_messages(self, key: str, messages: list[ChatMessage]) -> None:
        at_once(self._of(key).replace([from_llama_index(each) for each in messages]))

    def get_messages(self, key: str) -> list[ChatMessage]:
        return [to_llama_index(each) for each in at_once(self._of(key).messages())]

    def add_message(self, key: str, message: ChatMessage, idx: int | None = None) -> None:
        thread = self._of(key)
        at_once(thread.add([from_llama_index(message)]) if idx is None else thread.insert(idx, message))

    def delete_messages(self, key: str) -> list[ChatMessage] | None:
        return at_once(self._of(key).clear())

    def delete_message(self, key: str, idx: int) -> ChatMessage | None:
        return at_once(self._of(key).remove(idx))

    def delete_last_message(self, key: str) -> ChatMessage | None:
        """Take the last message away and return it; each of several who do so at once gets another one."""
        taken = at_once(self._of(key).pop())
        return None if taken is None else to_llama_index(taken)

    def get_keys(self) -> list[str]:
        return at_once(keys(self._client, Calls(self._client, blocks=True)))

    def _of(self, key: str) -> KeyThread:
        return KeyThread(key, self._client, source=SOURCE, blocks=True)


class ThreadkeepAsyncChatStore(AsyncDBChatStore):
    """The same for `Memory`, whose messages are active or archived. Those without a status are active.

    A message is named by its position among all of its key. Its status is no part of what a person sees.
    """

    _client: Any = PrivateAttr()

    def __init__(self, client: Client | AsyncClient, *, user_id: str | None = None) -> None:
        super().__init__()
        self._client = client if user_id is None else client.with_options(user_id=user_id)

    async def get_messages(
        self,
        key: str,
        status: MessageStatus | None = MessageStatus.ACTIVE,
        limit: int | None = None,
        offset: int | None = None,
    ) -> list[ChatMessage]:
        """Return messages, the oldest first; `offset` and `limit` count from the oldest, None is every status."""
        found = (await self._of(key).of_status(status))[offset or 0 :]
        return [to_llama_index(each) for each in found[: len(found) if limit is None else limit]]

    async def count_messages(self, key: str, status: MessageStatus | None = MessageStatus.ACTIVE) -> int:
        return len(await self._of(key).of_status(status))

    async def add_message(self, key: str, message: ChatMessage, status: MessageStatus = MessageStatus.ACTIVE) -> None:
        await self.add_messages(key, [message], status)

    async def add_messages(
        self, key: str, messages: list[ChatMessage], status: MessageStatus = MessageStatus.ACTIVE
    ) -> None:
        if messages:
            await self._of(key).add([from_llama_index(each, status) for each in messages])

    async def set_messages(
        self, key: str, messages: list[ChatMessage], status: MessageStatus = MessageStatus.ACTIVE
    ) -> None:
        await self._of(key).replace([from_llama_index(each, status) for each in messages])

    async def delete_message(self, key: str, idx: int) -> ChatMessage | None:
        return await self._of(key).remove(idx)

    async def delete_messages(self, key: str, status: MessageStatus | None = None) -> None:
        thread = self._of(key)
        if status is None:
            await thread.clear()
        else:
            await thread.remove_some(await thread.of_status(status))

    async def delete_oldest_messages(self, key: str, n: int) -> list[ChatMessage]:
        thread = self._of(key)
        # Archived first: so nobody else gets them.
        taken = await thread.remove_some(await thread.archive_oldest(n))
        return [to_llama_index(each) for each in taken]

    async def archive_oldest_messages(self, key: str, n: int) -> list[ChatMessage]:
        return [to_llama_index(each) for each in await self._of(key).archive_oldest(n)]

    async def get_keys(self) -> list[str]:
        return await keys(self._client, Calls(self._client))

    def _of(self, key: str) -> KeyThread:
        return KeyThread(key, self._client, source=SOURCE)


def status_of(message: Message, archived_through: int) -> MessageStatus:
    is_archived = message.seq <= archived_through or message.metadata.get("status") == MessageStatus.ARCHIVED
    return MessageStatus.ARCHIVED if is_archived else MessageStatus.ACTIVE


def from_llama_index(message: ChatMessage, status: MessageStatus = MessageStatus.ACTIVE) -> MessageFields:
    """Return a message in which a person reads what is said, called or found; thoughts are left out."""
    answers = message.additional_kwargs.get("tool_call_id") or message.additional_kwargs.get("name")
    fields = message_of(
        FORMAT,
        message.model_dump(mode="json"),
        role=ROLES.get(message.role.value, message.role.value),
        texts=[block.text for block in message.blocks if isinstance(block, TextBlock)],
        calls=[
            call_of(block.tool_call_id or "", block.tool_name, block.tool_kwargs)
            for block in message.blocks
            if isinstance(block, ToolCallBlock)
        ],
        answers=str(answers) if answers else None,
    )
    if status is not MessageStatus.ACTIVE:
        fields["metadata"] = {"status": status.value}
    return fields


def to_llama_index(message: Message) -> ChatMessage:
    """Return the message that was put in, or one made of what the service knows."""
    if (value := value_of(FORMAT, message)) is not None:
        return ChatMessage.model_validate(value)
    calls = [
        ToolCallBlock(tool_call_id=call.id, tool_name=call.function.name, tool_kwargs=call.function.arguments)
        for call in message.tool_calls or ()
    ]
    blocks = [TextBlock(text=message.text), *calls] if message.text or not calls else calls
    more = {"tool_call_id": message.tool_call_id} if message.role == "tool" else {}
    return ChatMessage(role=message.role, blocks=blocks, additional_kwargs=more)
