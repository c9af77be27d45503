# Made from ../asynchronous by tests/support/sync_client.py: change it there.
"""`client.threads.messages`: the messages of a thread."""

from collections import deque
from collections.abc import Sequence
from typing import Literal, Unpack

from msgspec import UNSET, UnsetType

from threadkeep.client.answers import AddedMessages, Page
from threadkeep.client.calls import decode, delete, path, post, query, read
from threadkeep.client.fields import Tag, body_of, portions
from threadkeep.client.given import MessageChanges, MessageFields, MessageFilters, ThreadMoreChanges
from threadkeep.client.synchronous.connection import Connection
from threadkeep.client.synchronous.lists import LIMIT_MAX, List
from threadkeep.contract.answers import Deleted, ListDeleted
from threadkeep.contract.messages import Message, MessageCreate, MessagesCreate, MessageUpdate, ThreadChange


class Messages:
    """While a response runs in the thread, every change of messages raises ThreadBusy."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def create(
        self,
        thread_id: str,
        *,
        if_match: Tag = UNSET,
        idempotency_key: str | None = None,
        **fields: Unpack[MessageFields],
    ) -> Message:
        """Add one message to the end of the thread, or behind `parent_id`. No answer is generated: responses do that.

        `if_match` is the thread's `etag`, and raises PreconditionFailed if the thread has changed since.
        """
        body = body_of(MessageCreate, fields)
        call = post(path("threads", thread_id, "messages"), body, idempotency_key=idempotency_key, if_match=if_match)
        return self._connection.call(call, Message)

    def create_many(
        self,
        thread_id: str,
        messages: Sequence[MessageCreate | MessageFields],
        *,
        thread: ThreadChange | ThreadMoreChanges | UnsetType = UNSET,
        replaces: str | UnsetType = UNSET,
        if_match: Tag = UNSET,
        idempotency_key: str | None = None,
    ) -> AddedMessages:
        """Add messages in their order. At most 100, and 3 MB, go in one call, all of them or none; more in several.

        `thread` changes the thread in the same transaction; `replaces`, `"all"` or a message's id, says what goes
        first; `if_match` is the thread's `etag`, and raises PreconditionFailed if the thread has changed since. The
        list that comes back then has the thread's new tag as `thread_etag`. The first of several calls does all that;
        with `if_match` the others go on only if nobody else changed the thread in between.
        """
        at, added = path("threads", thread_id, "messages"), AddedMessages([], None)
        for number, portion in enumerate(portions(messages)):
            first = {"thread": thread, "replaces": replaces} if number == 0 else {}
            key = idempotency_key if idempotency_key is None or number == 0 else f"{idempotency_key}-{number}"
            tag = if_match if number == 0 or if_match is UNSET else added.thread_etag or UNSET
            body = body_of(MessagesCreate, {"messages": portion, **first})
            answer = self._connection.answer(post(at, body, idempotency_key=key, if_match=tag))
            added += decode(answer, Page[Message]).data
            added.thread_etag = answer.headers.get("thread-etag", added.thread_etag)
        return added

    def list(
        self,
        thread_id: str,
        **filters: Unpack[MessageFilters],
    ) -> List[Message]:
        """List the thread's messages, the oldest first unless `order` says otherwise."""
        parameters = query(**filters)
        return List(self._connection, read(path("threads", thread_id, "messages"), parameters), Page[Message])

    def newest(
        self,
        thread_id: str,
        count: int,
        *,
        branch: str | None = None,
        include: Sequence[Literal["payload", "siblings"]] = (),
    ) -> Sequence[Message]:
        """Return the newest `count` messages, the oldest of them first."""
        found: deque[Message] = deque()
        if count > 0:
            limit = min(count, LIMIT_MAX)
            for message in self.list(thread_id, order="desc", limit=limit, branch=branch, include=include):
                found.appendleft(message)
                if len(found) == count:
                    break
        return tuple(found)

    def retrieve(self, thread_id: str, message_id: str) -> Message:
        """Read a message. Raises MessageNotFound."""
        return self._connection.call(read(path("threads", thread_id, "messages", message_id)), Message)

    def update(
        self,
        thread_id: str,
        message_id: str,
        *,
        if_match: Tag = UNSET,
        idempotency_key: str | None = None,
        **fields: Unpack[MessageChanges],
    ) -> Message:
        """Change the given fields only. Metadata is merged: None as a value removes its key."""
        body = body_of(MessageUpdate, fields)
        at = path("threads", thread_id, "messages", message_id)
        return self._connection.call(post(at, body, idempotency_key=idempotency_key, if_match=if_match), Message)

    def delete(self, thread_id: str, message_id: str, *, if_match: Tag = UNSET) -> Deleted:
        """Delete a message. Only its id and number are kept, for 24 hours."""
        receipt = {"id": message_id, "object": "thread.message.deleted", "deleted": True}
        call = delete(path("threads", thread_id, "messages", message_id), receipt=receipt, if_match=if_match)
        return self._connection.call(call, Deleted)

    def delete_all(self, thread_id: str, *, if_match: Tag = UNSET) -> ListDeleted:
        """Delete all messages of the thread; `deleted` is how many there were.

        It is not sent again when its outcome is unknown: that could delete newer messages.
        """
        call = delete(path("threads", thread_id, "messages"), if_match=if_match, repeats=False)
        return self._connection.call(call, ListDeleted)
