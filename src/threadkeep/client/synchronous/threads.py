# Made from ../asynchronous by tests/support/sync_client.py: change it there.
"""`client.threads`: conversations."""

from collections.abc import Sequence
from typing import Literal, Unpack

from msgspec import UNSET

from threadkeep.client.answers import Page
from threadkeep.client.calls import Call, delete, is_generated, path, post, query, read
from threadkeep.client.fields import MetadataFilter, Tag, body_of, metadata_filters
from threadkeep.client.given import (
    ContextFields,
    NameMessageFields,
    ThreadChanges,
    ThreadCopyFields,
    ThreadFields,
    ThreadFilters,
)
from threadkeep.client.synchronous.bulk import Bulks
from threadkeep.client.synchronous.connection import Connection
from threadkeep.client.synchronous.lists import List
from threadkeep.client.synchronous.messages import Messages
from threadkeep.client.synchronous.names import NameStream
from threadkeep.client.synchronous.responses import Responses
from threadkeep.contract.answers import Deleted
from threadkeep.contract.names import NameCreate, NameGenerated, NameMessage
from threadkeep.contract.responses import Context
from threadkeep.contract.threads import Thread, ThreadCopy, ThreadCreate, ThreadUpdate
from threadkeep.errors import ExternalIdTaken


class Threads:
    """Members see and change their own threads; admins and owners all of their organization's."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.messages = Messages(connection)
        self.bulk = Bulks(connection)
        self.responses = Responses(connection)

    def create(self, *, idempotency_key: str | None = None, **fields: Unpack[ThreadFields]) -> Thread:
        """Create a thread, with at most 100 first messages. Raises ThreadExists for an `id` that is taken."""
        parameters = query(fields.pop("organization_id", None))
        body = body_of(ThreadCreate, fields)
        call = post(path("threads"), body, idempotency_key=idempotency_key, parameters=parameters)
        return self._connection.call(call, Thread)

    def list(self, *, metadata: MetadataFilter | None = None, **filters: Unpack[ThreadFilters]) -> List[Thread]:
        """List threads, the newest first unless `order` and `sort` say otherwise; archived ones only if `state` does.

        `metadata={"category": "support"}` finds threads with this value under the key, or an array that holds it. For
        a list of values, all must be there.
        """
        return self._list(path("threads"), metadata, filters)

    def list_own(self, *, metadata: MetadataFilter | None = None, **filters: Unpack[ThreadFilters]) -> List[Thread]:
        """List the caller's own threads only, even for admins and owners; otherwise like `list`."""
        return self._list(path("user", "threads"), metadata, filters)

    def _list(self, at: str, metadata: MetadataFilter | None, filters: ThreadFilters) -> List[Thread]:
        call = read(at, [*query(**filters), *metadata_filters(metadata)])
        return List(self._connection, call, Page[Thread])

    def retrieve(self, thread_id: str) -> Thread:
        """Read a thread. Raises ThreadNotFound, also for one that the caller may not see."""
        return self._connection.call(read(path("threads", thread_id)), Thread)

    def find(self, external_id: str, *, include: Sequence[Literal["payload"]] = ()) -> Thread | None:
        """Return the caller's own thread with this id of yours, in whatever state; None if there is none."""
        page = self.list_own(external_id=external_id, state="all", limit=1, include=include).page()
        return page.data[0] if page.data else None

    def find_or_create(self, external_id: str, /, **fields: Unpack[ThreadFields]) -> Thread:
        """Return the caller's own thread with this id of yours; create it with `fields` if there is none."""
        if (thread := self.find(external_id)) is not None:
            return thread
        try:
            fields["external_id"] = external_id
            return self.create(**fields)
        except ExternalIdTaken:
            # Somebody else was faster, or deletes it just now.
            if (thread := self.find(external_id)) is not None:
                return thread
            raise

    def update(
        self,
        thread_id: str,
        *,
        if_match: Tag = UNSET,
        idempotency_key: str | None = None,
        **fields: Unpack[ThreadChanges],
    ) -> Thread:
        """Change the given fields only; None clears a field. Metadata is merged: None as a value removes its key.

        Raises ThreadLocked, ThreadArchived, AssistantBound, PreconditionFailed, and BearerTokenRequired if an API
        key changes `visible_in_ui`.
        """
        call = post(
            path("threads", thread_id),
            body_of(ThreadUpdate, fields),
            idempotency_key=idempotency_key,
            if_match=if_match,
        )
        return self._connection.call(call, Thread)

    def copy(self, thread_id: str, *, idempotency_key: str | None = None, **fields: Unpack[ThreadCopyFields]) -> Thread:
        """Copy the current line, or the one that ends at `message_id`, into a new thread."""
        body = body_of(ThreadCopy, fields)
        return self._connection.call(
            post(path("threads", thread_id, "copy"), body, idempotency_key=idempotency_key), Thread
        )

    def lock(self, thread_id: str, *, if_match: Tag = UNSET, idempotency_key: str | None = None) -> Thread:
        """Refuse all changes of the thread except metadata. A running response ends as cancelled."""
        return self._act(thread_id, "lock", if_match, idempotency_key)

    def unlock(self, thread_id: str, *, if_match: Tag = UNSET, idempotency_key: str | None = None) -> Thread:
        """Lift the lock. A lock that an admin set on another user's thread is lifted by admins and owners only."""
        return self._act(thread_id, "unlock", if_match, idempotency_key)

    def archive(self, thread_id: str, *, if_match: Tag = UNSET, idempotency_key: str | None = None) -> Thread:
        """Freeze the thread and hide it from default lists. A running response ends."""
        return self._act(thread_id, "archive", if_match, idempotency_key)

    def unarchive(self, thread_id: str, *, if_match: Tag = UNSET, idempotency_key: str | None = None) -> Thread:
        """Take the thread out of the archive; one that was locked before is still locked."""
        return self._act(thread_id, "unarchive", if_match, idempotency_key)

    def _act(self, thread_id: str, action: str, if_match: Tag, idempotency_key: str | None) -> Thread:
        call = post(path("threads", thread_id, action), idempotency_key=idempotency_key, if_match=if_match)
        return self._connection.call(call, Thread)

    def delete(self, thread_id: str, *, if_match: Tag = UNSET) -> Deleted:
        """Delete a thread with all that is in it, for good.

        With an unknown outcome it is sent again only if the server made the id, or with `if_match`: an id of your own
        is free after the deletion, and a new thread may have it by then.
        """
        receipt = {"id": thread_id, "object": "thread.deleted", "deleted": True}
        repeats = if_match is not UNSET or is_generated(thread_id)
        call = delete(path("threads", thread_id), receipt=receipt, if_match=if_match, repeats=repeats)
        return self._connection.call(call, Deleted)

    def generate_name(
        self,
        thread_id: str,
        *,
        messages: Sequence[NameMessage | NameMessageFields] | None = None,
        idempotency_key: str | None = None,
    ) -> NameGenerated:
        """Name the thread by what its user wants, from `messages` or else the thread's last ones.

        If a person sets a title meanwhile, it is kept; `name` is the thread's title now. Raises ThreadEmpty,
        ModelUnavailable, ModelTimeout.
        """
        return self._connection.call(naming(thread_id, messages, idempotency_key), NameGenerated)

    def stream_name(
        self,
        thread_id: str,
        *,
        messages: Sequence[NameMessage | NameMessageFields] | None = None,
        idempotency_key: str | None = None,
    ) -> NameStream:
        """Name the thread and read the name as it comes: `for piece in stream`, then `stream.generated`."""
        return NameStream(self._connection, naming(thread_id, messages, idempotency_key, stream=True))

    def context(self, thread_id: str, **fields: Unpack[ContextFields]) -> Context:
        """Show what a response would send to the model now."""
        return self._connection.call(read(path("threads", thread_id, "context"), query(**fields)), Context)


def naming(
    thread_id: str,
    messages: Sequence[NameMessage | NameMessageFields] | None,
    idempotency_key: str | None,
    *,
    stream: bool | None = None,
) -> Call:
    body = body_of(NameCreate, {"messages": messages})
    at = path("threads", thread_id, "generateName")
    return post(at, body, idempotency_key=idempotency_key, parameters=query(stream=stream))
