"""Idempotency keys: a retried POST finds its stored answer instead of doing its work again.

`find_or_reserve` inserts the key's row before the work, so that a second sender of the same key waits for the first;
`store` keeps the answer. Both run in the transaction of the work: a refusal rolls the row back with everything else.
Work that outlasts a transaction commits the reservation first, with a time limit; `free` removes it if that work fails.
A request without a key is passed as None: these functions then do nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import msgspec

from threadkeep import clock
from threadkeep.contract.answers import ListPage
from threadkeep.contract.assistants import Assistant
from threadkeep.contract.messages import Message
from threadkeep.contract.organizations import KeyCreated
from threadkeep.contract.responses import Response
from threadkeep.contract.threads import Thread
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.database.statement import scoped
from threadkeep.errors import (
    AssistantNotFound,
    KeyReused,
    MessageNotFound,
    RequestInProgress,
    ThreadNotFound,
    Unavailable,
)
from threadkeep.operations.revisions import Versioned

KEPT_MS = 24 * 3600 * 1000
# The status of a row while its work is running. Others see it only if the row was committed before the work.
IN_PROGRESS = 0
# How long a key is reserved while a model is asked for a name: a process that dies meanwhile never frees it.
RESERVED_MS = 11 * 60 * 1000

DELETE_EXPIRED = scoped("""
    delete from idempotency
    where organization = :organization and caller = :caller and request = :request and key = :key
      and expires_ms <= :now_ms
    """)

RESERVE = scoped("""
    insert into idempotency (organization, caller, request, key, fingerprint, status, expires_ms)
    values (:organization, :caller, :request, :key, :fingerprint, 0, :expires_ms)
    on conflict (organization, caller, request, key) do nothing
    returning status
    """)

READ = scoped("""
    select i.fingerprint, i.status, i.body, i.revision, i.thread_revision, i.first_seq, i.thread, i.response_id,
        i.assistant_id
    from idempotency i
    where i.organization = :organization and i.caller = :caller and i.request = :request and i.key = :key
    """)

# The number of the message that a response wrote: deleting that message empties the stored answer too.
ITS_SEQ = "(select r.message_seq from responses r where r.organization = :organization and r.id = :response_id)"

# Checked at each replay: a caller who was an admin when the answer was stored may be a member by now.
MAY_SEE = scoped("""
    select 1 from threads t
    where t.organization = :organization and t.key = :thread and t.user_id = coalesce(:member, t.user_id)
    """)

STORE = scoped(f"""
    update idempotency set status = :status, body = :body, revision = :revision, thread_revision = :thread_revision,
        thread = (select t.key from threads t where t.organization = :organization and t.id = :thread_id),
        first_seq = coalesce(:first_seq, {ITS_SEQ}), last_seq = coalesce(:last_seq, {ITS_SEQ}),
        expires_ms = :expires_ms, assistant_id = :assistant_id, response_id = :begun_id
    where organization = :organization and caller = :caller and request = :request and key = :key
    """, every_user=True)  # fmt: skip

FREE = scoped("""
    delete from idempotency
    where organization = :organization and caller = :caller and request = :request and key = :key and status = 0
    """)

# Message numbers are cleared too: a replay then raises ThreadNotFound instead of MessageNotFound.
EMPTY_THREAD = scoped("""
    update idempotency set body = null, first_seq = null, last_seq = null
    where organization = :organization and thread = :thread
    """)

EMPTY_ASSISTANT = scoped("""
    update idempotency set body = null where organization = :organization and assistant_id = :assistant_id
    """)

EMPTY_MESSAGES = scoped("""
    update idempotency set body = null
    where organization = :organization and thread = :thread and first_seq <= :last_seq and last_seq >= :first_seq
    """)


@dataclass(frozen=True, slots=True)
class IdempotentRequest:
    """What makes two requests the same one: the effective user, method, path and query, key, and the body's content."""

    caller: str
    request: str
    key: str
    fingerprint: bytes

    def row(self) -> dict[str, Any]:
        return {"caller": self.caller, "request": self.request, "key": self.key}


@dataclass(frozen=True, slots=True)
class Stored:
    """An answer as it was given the first time."""

    status: int
    body: bytes = b""
    revision: int | None = None
    thread_revision: int | None = None
    # The response that the first request began, in place of a body.
    response_id: str | None = None


@dataclass(frozen=True, slots=True)
class Concerns:
    """The objects that an answer shows. Deleting one of them empties the stored answer."""

    thread_id: str | None = None
    first_seq: int | None = None
    last_seq: int | None = None
    assistant_id: str | None = None
    response_id: str | None = None


def fingerprint(body: Any) -> bytes:
    """Return a hash of the decoded body, which ignores the order of keys and how characters are escaped."""
    return sha256(msgspec.json.encode(body, order="deterministic")).digest()


def concerns_of(value: Any) -> Concerns:
    """Return the objects that an answer shows."""
    shown = (value.about or value.object) if isinstance(value, Versioned) else value
    match shown:
        case Thread():
            return Concerns(shown.id)
        case Response():
            return Concerns(shown.thread_id, response_id=shown.id)
        case Message():
            return Concerns(shown.thread_id, shown.seq, shown.seq)
        case ListPage(data=[Message() as first, *_]):
            return Concerns(first.thread_id, first.seq, shown.data[-1].seq)
        case Assistant():
            return Concerns(assistant_id=shown.id)
    return Concerns()


def without_secret(value: Any, body: bytes) -> bytes:
    """Return the encoded `body` as it may be stored: without the secret of a new key, which is shown once."""
    shown = value.object if isinstance(value, Versioned) else value
    return msgspec.json.encode(msgspec.structs.replace(shown, key=None)) if isinstance(shown, KeyCreated) else body


async def find_or_reserve(
    tx: ScopedTransaction, request: IdempotentRequest | None, kept_ms: int = KEPT_MS
) -> Stored | None:
    """Return the stored answer to `request`, or reserve its key and return None: then the caller does the work.

    Raises KeyReused if the key came with another body, RequestInProgress while the work is running, and a NotFound
    error when the object in the answer was deleted since.
    """
    if request is None:
        return None
    now_ms = clock.now_ms()
    await tx.fetch(DELETE_EXPIRED, now_ms=now_ms, **request.row())
    reserved = await tx.fetch_one(
        RESERVE, fingerprint=request.fingerprint, expires_ms=now_ms + kept_ms, **request.row()
    )
    if reserved is not None:
        return None
    row = await tx.fetch_one(READ, **request.row())
    if row is None:
        # The other sender's work was rolled back between the two statements.
        raise Unavailable()
    stored_fingerprint, status, body, revision, thread_revision, first_seq, thread, response_id, assistant_id = row
    if bytes(stored_fingerprint) != request.fingerprint:
        raise KeyReused()
    if status == IN_PROGRESS:
        raise RequestInProgress()
    if response_id is not None:
        return Stored(status, response_id=response_id)
    if body is None and assistant_id is not None:
        raise AssistantNotFound()
    if body is None:
        raise ThreadNotFound() if first_seq is None else MessageNotFound()
    if thread is not None and not await tx.fetch(MAY_SEE, thread=thread):
        raise ThreadNotFound()
    return Stored(status, body.encode(), revision, thread_revision)


async def store(tx: ScopedTransaction, request: IdempotentRequest | None, answer: Stored, concerns: Concerns) -> None:
    """Keep the answer for retries."""
    if request is None:
        return
    await tx.fetch(
        STORE,
        status=answer.status,
        body=answer.body.decode() or None,
        begun_id=answer.response_id,
        revision=answer.revision,
        thread_revision=answer.thread_revision,
        thread_id=concerns.thread_id,
        first_seq=concerns.first_seq,
        last_seq=concerns.last_seq,
        expires_ms=clock.now_ms() + KEPT_MS,
        assistant_id=concerns.assistant_id,
        response_id=concerns.response_id,
        **request.row(),
    )


async def free(tx: ScopedTransaction, request: IdempotentRequest) -> None:
    """Release a key that was reserved for work that failed."""
    await tx.fetch(FREE, **request.row())


async def empty_threads(tx: ScopedTransaction, threads: Sequence[int]) -> None:
    """Empty the stored answers about deleted threads: a replay gets 404 and does not repeat the work."""
    await tx.execute_many(EMPTY_THREAD, [{"thread": thread} for thread in threads])


async def empty_assistant(tx: ScopedTransaction, assistant_id: str) -> None:
    """Empty the stored answers about a deleted assistant."""
    await tx.fetch(EMPTY_ASSISTANT, assistant_id=assistant_id)


async def empty_messages(tx: ScopedTransaction, thread: int, first_seq: int, last_seq: int) -> None:
    """Empty the stored answers about deleted messages."""
    await tx.fetch(EMPTY_MESSAGES, thread=thread, first_seq=first_seq, last_seq=last_seq)
