"""The thread behind a conversation of another framework."""

import hashlib
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from threadkeep.client import AsyncClient, Client
from threadkeep.client.fields import portions
from threadkeep.client.given import MessageFields
from threadkeep.contract.limits import EXTERNAL_ID_CHARACTERS_MAX, METADATA_VALUE_CHARACTERS_MAX
from threadkeep.contract.messages import Message, MessageCreate
from threadkeep.contract.threads import Thread
from threadkeep.errors import (
    BearerTokenRequired,
    ExternalIdTaken,
    InsufficientPermissions,
    MessageNotFound,
    ThreadExists,
    ThreadNotFound,
)
from threadkeep.integrations.calls import Calls
from threadkeep.integrations.native import text_of

# How often somebody else may create or delete the thread between two calls.
TRIES = 5
# The shortest life of a token, which makes one thread.
TOKEN_S = 60
# What the contract says of an externalId.
REFUSED = re.compile("[\0-\x1f\x7f-\x9f\ud800-\udfff]")
ALLOWED = re.compile(f"[^\0-\x1f\x7f-\x9f\ud800-\udfff]{{1,{EXTERNAL_ID_CHARACTERS_MAX}}}")


class SessionThread:
    """A conversation of `source`, a framework. Its first messages create its thread.

    A `session_id` that begins with `thread_` is that thread; any other is the `externalId` of one, for each user
    another. One that `holds_state` is no conversation, and is hidden from people where the caller may do that.
    Errors of the service are raised as they are, above all ThreadLocked, ThreadArchived and ThreadBusy.
    """

    def __init__(
        self,
        session_id: str,
        client: Client | AsyncClient,
        *,
        source: str,
        user_id: str | None = None,
        blocks: bool = False,
        holds_state: bool = False,
    ) -> None:
        # Any: a client of either kind.
        self.client: Any = client if user_id is None else client.with_options(user_id=user_id)
        self.call = Calls(client, blocks=blocks)
        self.session_id = session_id
        self.thread_id = session_id if session_id.startswith("thread_") else None
        self._names_thread = self.thread_id is not None
        self._source = source
        self._holds_state = holds_state

    async def find(self) -> Thread | None:
        """Return the thread, with its tag and payload; None if there is none."""
        for _ in range(TRIES):
            if (thread_id := await self._found()) is None:
                return None
            try:
                thread: Thread = await self.call(self.client.threads.retrieve, thread_id)
                return thread
            except ThreadNotFound:
                self.thread_id = None
        return None

    async def messages(self, newest: int | None = None) -> Sequence[Message]:
        """Return all messages, or the newest of them, in their order and with their payloads."""
        messages = self.client.threads.messages
        for _ in range(TRIES):
            if (thread_id := await self._found()) is None:
                return ()
            try:
                if newest is not None:
                    return tuple(await self.call(messages.newest, thread_id, newest, include=["payload"]))
                return await self.call.all(messages.list(thread_id, include=["payload"]))
            except ThreadNotFound:
                self.thread_id = None
        return ()

    async def add(self, messages: Sequence[MessageFields], **more: Any) -> None:
        """Add messages to the end: at most 100, and 3 MB, all of them or none; more of them in several steps.

        `more` is as for `create_many`; its `thread` counts for a thread that is created, too. Raises ExternalIdTaken
        if a message has an id that another has in this thread.
        """
        for _ in range(TRIES):
            thread_id = await self._found()
            try:
                if thread_id is None:
                    await self._create(messages, more.get("thread", {}))
                else:
                    await self.call(self.client.threads.messages.create_many, thread_id, messages, **more)
                return
            except (ExternalIdTaken, ThreadExists):
                if thread_id is not None:
                    # The id of a message.
                    raise
                # Somebody else was faster.
                self.thread_id = self.session_id if self._names_thread else None
            except ThreadNotFound:
                self.thread_id = None
        raise ThreadNotFound

    async def create(self, messages: Sequence[MessageCreate | MessageFields] = (), **fields: Any) -> Thread:
        """Create the thread with at most 100 messages. Raises ExternalIdTaken or ThreadExists if it is there."""
        own = {"source": self._source, "session": text_of([self.session_id])[:METADATA_VALUE_CHARACTERS_MAX]}
        name = {"id": self.session_id} if self._names_thread else {"external_id": external_id_of(self.session_id)}
        metadata = {**own, **(fields.get("metadata") or {})}
        create = self._create_hidden if self._holds_state else self._create_shown
        thread = await create(**{**fields, **name, "metadata": metadata, "messages": messages})
        self.thread_id = thread.id
        return thread

    async def replace(self, messages: Sequence[MessageFields]) -> None:
        """Put messages in the place of all; who reads meanwhile sees the old ones, or the (first 100) new ones."""
        if messages or await self.find() is not None:
            await self.add(messages, replaces="all")

    async def pop(self) -> Message | None:
        """Take the newest message away and return it; each of several who do so at once gets another one."""
        while newest := await self.messages(newest=1):
            try:
                await self.call(self.client.threads.messages.delete, newest[0].thread_id, newest[0].id)
                return newest[0]
            except (MessageNotFound, ThreadNotFound):
                continue
        return None

    async def delete(self) -> bool:
        """Delete the thread; return whether there was one."""
        if (thread_id := await self._found()) is None:
            return False
        try:
            await self.call(self.client.threads.delete, thread_id)
            return True
        except ThreadNotFound:
            return False
        finally:
            self.thread_id = None

    async def _found(self) -> str | None:
        if self.thread_id is None and not self._names_thread:
            found = await self.call(self.client.threads.find, external_id_of(self.session_id))
            self.thread_id = None if found is None else found.id
        return self.thread_id

    async def _create_shown(self, **fields: Any) -> Thread:
        return await self.call(self.client.threads.create, **fields)  # type: ignore[no-any-return]  # A thread.

    async def _create_hidden(self, **fields: Any) -> Thread:
        """Create a hidden thread, which takes a user's token: an admin's key makes one; a member's shows the thread."""
        hidden = {**fields, "visible_in_ui": False}
        with suppress(BearerTokenRequired):
            return await self.call(self.client.threads.create, **hidden)  # type: ignore[no-any-return]  # A thread.
        user, own = await self.call(self.client.user.retrieve), self.client.with_options(user_id=None)
        with suppress(BearerTokenRequired, InsufficientPermissions):
            # Inside the process: as its owner in person.
            return await self.call(own.threads.create, **hidden, user_id=user.id)  # type: ignore[no-any-return]
        with suppress(InsufficientPermissions):
            made = await self.call(own.tokens.create, user_id=user.id, expires_in=TOKEN_S)
            its = own.with_options(token=made.token, organization_id=made.organization_id)
            return await self.call(its.threads.create, **hidden)  # type: ignore[no-any-return]
        return await self._create_shown(**fields)

    async def _create(self, messages: Sequence[MessageFields], fields: Any) -> None:
        first, *rest = portions(messages)
        thread = await self.create(first, **fields)
        for portion in rest:
            await self.call(self.client.threads.messages.create_many, thread.id, portion)


def external_id_of(session_id: str) -> str:
    """Return the id; one that is too long, or no text without control characters, ends in its SHA-256 instead."""
    if ALLOWED.fullmatch(session_id):
        return session_id
    digest = hashlib.sha256(session_id.encode("utf-8", "surrogatepass")).hexdigest()
    return REFUSED.sub("", session_id)[: EXTERNAL_ID_CHARACTERS_MAX - len(digest)] + digest
