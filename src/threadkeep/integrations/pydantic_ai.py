"""Pydantic AI: a conversation store.

from threadkeep.integrations.pydantic_ai import ThreadkeepConversationStore

store = ThreadkeepConversationStore(threadkeep.Client(), user_id="uid_lea")
conversation = await store.load("session 1") or Conversation(conversation_id="session 1")
await store.save(await agent.run("What is on invoice 17?", conversation=conversation))
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from threadkeep.client import AsyncClient, Client
from threadkeep.client.fields import portions
from threadkeep.contract.limits import METADATA_VALUE_CHARACTERS_MAX
from threadkeep.contract.messages import Message, MessageCreate
from threadkeep.contract.threads import Thread
from threadkeep.errors import ExternalIdTaken, MessageNotFound, PreconditionFailed, ThreadExists, ThreadNotFound
from threadkeep.integrations.calls import Calls
from threadkeep.integrations.installing import missing
from threadkeep.integrations.native import text_of, value_of
from threadkeep.integrations.session_thread import SessionThread, external_id_of

try:
    from pydantic_ai.conversation_store import (
        ConversationConflict,
        ConversationEntry,
        ConversationRecord,
        ConversationStore,
    )

    from threadkeep.integrations.pydantic_ai_entries import (
        FORMAT,
        EntryId,
        changed,
        entries_of,
        id_of,
        message_from,
        record_of,
        record_payload,
    )
except ImportError as error:
    raise missing("pydantic-ai", error) from error

SOURCE = "pydantic-ai"


@dataclass(frozen=True)
class StoredConversation:
    """A conversation as it stands: its thread, its record, and which entry is its thread's newest message."""

    thread: Thread
    record: ConversationRecord
    newest: str | None


class ThreadkeepConversationStore(ConversationStore):
    """Conversations, each a thread whose messages are its entries: branches are the thread's own.

    A fork is a copy, so deleting a conversation erases its messages. What others added to the thread since the last
    save belongs to the conversation, and gives it another revision. At most 100 new entries, and 3 MB, are saved with
    the record in one step.
    """

    def __init__(self, client: Client | AsyncClient, *, user_id: str | None = None) -> None:
        # Any: a client of either kind.
        self._client: Any = client if user_id is None else client.with_options(user_id=user_id)
        self._call = Calls(client)

    async def read_record(self, conversation_id: str) -> ConversationRecord | None:
        stored = await self._stored(self._session(conversation_id))
        return None if stored is None else stored.record

    async def read_records(self, *, scope: str | None = None, limit: int | None = None) -> Sequence[ConversationRecord]:
        """Return the records as they were saved, without those of archived threads."""
        records = [
            record_of(value["record"], thread)
            for thread in await self._threads(include=["payload"], state=None)
            if (value := value_of(FORMAT, thread)) is not None
        ]
        mine = [record for record in records if scope is None or record.scope == scope]
        return sorted(mine, key=lambda record: record.updated_at, reverse=True)[:limit]

    async def write_record(
        self,
        record: ConversationRecord,
        *,
        new_entries: Sequence[ConversationEntry] = (),
        expected_revision: str | None,
    ) -> None:
        try:
            if expected_revision is None:
                await self._create(record, new_entries)
            else:
                await self._change(record, new_entries, expected_revision)
        except (ExternalIdTaken, ThreadExists, PreconditionFailed, ThreadNotFound, MessageNotFound, LookupError):
            raise ConversationConflict(record.conversation_id) from None

    async def delete_record(self, conversation_id: str, *, expected_revision: str) -> None:
        session = self._session(conversation_id)
        while (stored := await self._stored(session)) and stored.record.revision == expected_revision:
            try:
                await self._call(self._client.threads.delete, stored.thread.id, if_match=stored.thread.etag)
                return
            except (PreconditionFailed, ThreadNotFound):
                continue
        raise ConversationConflict(conversation_id)

    async def read_entry(self, entry_id: str) -> ConversationEntry:
        """Return the entry. Where only its id is known, and not its thread, it is looked for in one after another."""
        return entries_of([await self._message(entry_id)])[0]

    async def read_history(self, head_id: str | None, *, limit: int | None = None) -> list[ConversationEntry]:
        if head_id is None or limit == 0:
            return []
        if isinstance(head_id, EntryId):
            current = await self._line(head_id.thread_id, "current", limit)
            if current and id_of(current[-1]) == head_id:
                return entries_of(current)
        head = await self._message(head_id)
        return entries_of(await self._line(head.thread_id, head.id, limit))

    def _session(self, conversation_id: str) -> SessionThread:
        return SessionThread(conversation_id, self._client, source=SOURCE)

    async def _stored(self, session: SessionThread) -> StoredConversation | None:
        while (thread := await session.find()) is not None:
            newest = next((id_of(each) for each in await session.messages(newest=1)), None)
            value = value_of(FORMAT, thread)
            if value is not None and value["newest"] == newest:
                return StoredConversation(thread, record_of(value["record"], thread), newest)
            # Others wrote to the thread, or it was saved between the two calls: then its tag has moved.
            again = await session.find()
            if again is not None and again.etag == thread.etag:
                return StoredConversation(thread, changed(session.session_id, thread, value, newest), newest)
        return None

    async def _create(self, record: ConversationRecord, entries: Sequence[ConversationEntry]) -> None:
        if record.head_id is not None and record.head_id not in {entry.id for entry in entries}:
            # A fork names an entry of another conversation.
            entries = [*await self.read_history(record.head_id), *entries]
        first, *rest = portions([message_from(entry) for entry in entries])
        payload = record_payload(record, entries[-1].id if entries else None)
        scope = {} if record.scope is None else {"scope": text_of([record.scope])[:METADATA_VALUE_CHARACTERS_MAX]}
        # Without its record it reads as a conversation of somebody else until all of it is there.
        fields = {"metadata": scope} if rest else {"metadata": scope, "payload": payload}
        thread = await self._session(record.conversation_id).create(first, **fields)
        if rest:
            await self._append(thread, rest, payload)

    async def _change(
        self, record: ConversationRecord, entries: Sequence[ConversationEntry], expected_revision: str
    ) -> None:
        session = self._session(record.conversation_id)
        steps = list(portions([message_from(entry) for entry in entries]))
        while (stored := await self._stored(session)) and stored.record.revision == expected_revision:
            if record.head_id is not None and not entries:
                await self._message(record.head_id)
            payload = record_payload(record, entries[-1].id if entries else stored.newest)
            try:
                await self._append(stored.thread, steps, payload)
                return
            except PreconditionFailed:
                # Stale only if the revision is another one: a person may have renamed the thread.
                continue
        raise ConversationConflict(record.conversation_id)

    async def _append(self, thread: Thread, steps: Sequence[Sequence[MessageCreate]], payload: Any) -> None:
        """Add messages in steps; the record goes with the last."""
        *early, last = steps
        tag = thread.etag
        for step in early:
            tag = (
                await self._call(self._client.threads.messages.create_many, thread.id, step, if_match=tag)
            ).thread_etag
        if last:
            its = {"payload": payload}
            await self._call(self._client.threads.messages.create_many, thread.id, last, thread=its, if_match=tag)
        else:
            await self._call(self._client.threads.update, thread.id, payload=payload, if_match=tag)

    async def _line(self, thread_id: str, branch: str, limit: int | None) -> Sequence[Message]:
        messages = self._client.threads.messages
        try:
            if limit is None:
                return await self._call.all(messages.list(thread_id, branch=branch, include=["payload"]))
            newest: Sequence[Message] = await self._call(
                messages.newest, thread_id, limit, branch=branch, include=["payload"]
            )
            return newest
        except (ThreadNotFound, MessageNotFound):
            return ()

    async def _message(self, entry_id: str) -> Message:
        if isinstance(entry_id, EntryId) and (known := await self._message_in(entry_id.thread_id, entry_id)):
            return known
        for thread in await self._threads(state="all"):
            if found := await self._message_in(thread.id, entry_id):
                return found
        raise KeyError(entry_id)

    async def _message_in(self, thread_id: str, entry_id: str) -> Message | None:
        messages = self._client.threads.messages
        try:
            named = messages.list(thread_id, external_id=external_id_of(entry_id), include=["payload"])
            for found in await self._call.all(named):
                return found  # type: ignore[no-any-return]  # Of what the client lists.
            if entry_id.startswith("msg_"):
                return await self._call(messages.retrieve, thread_id, entry_id)  # type: ignore[no-any-return]
        except (ThreadNotFound, MessageNotFound):
            pass
        return None

    async def _threads(self, **filters: Any) -> list[Thread]:
        return await self._call.all(self._client.threads.list_own(metadata={"source": SOURCE}, **filters))
