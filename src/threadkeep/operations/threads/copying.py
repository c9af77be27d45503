"""Copies: a new thread with one line of another. One statement stores all messages, however many there are."""

from typing import Any

import msgspec
from msgspec import UNSET

from threadkeep import clock
from threadkeep.contract.threads import ThreadCopy, ThreadCreate
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.database.statement import scoped
from threadkeep.errors import InsufficientPermissions
from threadkeep.ids import new_id
from threadkeep.operations import metadata
from threadkeep.operations.messages import lines, placing
from threadkeep.operations.messages.lines import Span
from threadkeep.operations.paging import KEY_MAX
from threadkeep.operations.revisions import Versioned
from threadkeep.operations.threads.rows import HeldThread, folded, hold
from threadkeep.operations.threads.threads import expiry_of, read_without_payload

COUNT = lines.within("select count(*), max(m.seq) from {runs} and m.status <> 'in_progress'")

INSERT_THREAD = scoped("""
    insert into threads (organization, id, user_id, assistant_id, title, title_folded, metadata, visible_in_ui,
        message_count, last_seq, last_message_ms, created_ms, updated_ms, revision, payload_format, expires_ms,
        retention_ms, copied_thread, copied_message)
    values (:organization, :thread_id, :user_id, :assistant_id, :title, :title_folded, :metadata, :visible_in_ui,
        :message_count, :message_count, :last_message_ms, :now_ms, :now_ms, :now_ms, :payload_format, :expires_ms,
        :retention_ms, :source, :last_id)
    returning key
    """)

LAST = scoped("""
    select m.id, m.created_ms from messages m
    where m.organization = :organization and m.thread = :thread and m.seq = :seq
    """)

KEPT = """role, content, preview, size_bytes, status, user_id, assistant_id, tool_calls, tool_call_id, metadata,
    created_ms, updated_ms, external_id, payload_format, is_blank, wanted_back"""

# Numbered anew, so that the copy is a line like any other. `ids` are as many new ids as there are messages.
NUMBERED = """numbered as materialized (
        select m.seq, row_number() over (order by m.seq) as place from {runs} and m.status <> 'in_progress'
    )"""


def over_line(text: str, source: str, runs_source: str) -> str:
    runs = lines.RUNS.format(source=runs_source)
    return text.format(numbered=NUMBERED.format(runs=runs), ids=source)


MESSAGES_TEXT = f"""
    with {{numbered}}
    insert into messages (organization, thread, seq, id, revision, {KEPT})
    select :organization, :copy, n.place, j.id, :now_ms, {", ".join(f"s.{name.strip()}" for name in KEPT.split(","))}
    from {{ids}} cross join numbered n cross join messages s
    where n.place = j.place and s.organization = :organization and s.thread = :thread and s.seq = n.seq
    """
SQLITE_IDS = "(select key + 1 as place, value as id from json_each(:ids)) j"
POSTGRES_IDS = "json_array_elements_text(cast(:ids as json)) with ordinality as j (id, place)"
INSERT_MESSAGES = scoped(
    over_line(MESSAGES_TEXT, SQLITE_IDS, "json_each(:spans)"),
    postgres=over_line(MESSAGES_TEXT, POSTGRES_IDS, "json_array_elements(cast(:spans as json))"),
)

PAYLOADS_TEXT = """
    with {numbered}
    insert into payloads (organization, thread, seq, data, size_bytes)
    select :organization, :copy, n.place, p.data, p.size_bytes from numbered n
    join payloads p on p.organization = :organization and p.thread = :thread and p.seq = n.seq
    """
INSERT_PAYLOADS = scoped(
    over_line(PAYLOADS_TEXT, "", "json_each(:spans)"),
    postgres=over_line(PAYLOADS_TEXT, "", "json_array_elements(cast(:spans as json))"),
)

INSERT_PAYLOAD = scoped("""
    insert into payloads (organization, thread, seq, data, size_bytes)
    select :organization, :copy, 0, p.data, p.size_bytes from payloads p
    where p.organization = :organization and p.thread = :thread and p.seq = 0
    """)


async def copy(tx: ScopedTransaction, thread_id: str, body: ThreadCopy) -> Versioned:
    """Copy the current line, or the one that ends at a message, into a new thread. The source may be in any state.

    Raises ThreadNotFound, MessageNotFound, one of the Metadata… errors, InsufficientPermissions for another's thread by
    a member.
    """
    user_id = tx.scope.user_id if body.user_id is UNSET else body.user_id
    if user_id != tx.scope.user_id and not tx.scope.is_admin:
        raise InsufficientPermissions("Only admins and owners copy threads for other users.", param="userId")
    _, copy_id = await store(tx, await hold(tx, thread_id), body, user_id)
    return await read_without_payload(tx, copy_id)


async def store(tx: ScopedTransaction, source: HeldThread, body: ThreadCopy, user_id: str) -> tuple[int, str]:
    """Store the copy of a thread whose row is locked; return its key and its id."""
    spans = await line_of(tx, source, body.message_id)
    [[count, last_seq]] = await tx.fetch(COUNT, thread=source.key, spans=lines.encoded(spans))
    copy_id = new_id("thread")
    key = await insert_thread(tx, source, body, user_id, copy_id, count, last_seq)
    where: dict[str, Any] = {"thread": source.key, "copy": key}
    if source.payload_format is not None:
        await tx.fetch(INSERT_PAYLOAD, **where)
    if count:
        ids = msgspec.json.encode([new_id("msg") for _ in range(count)]).decode()
        line = {**where, "spans": lines.encoded(spans)}
        await tx.fetch(INSERT_MESSAGES, ids=ids, now_ms=clock.now_ms(), **line)
        await tx.fetch(INSERT_PAYLOADS, **line)
    return key, copy_id


async def line_of(tx: ScopedTransaction, source: HeldThread, message_id: str | None) -> list[Span]:
    """Return the line that ends at a message, or the current one. Raises MessageNotFound."""
    last_seq = KEY_MAX
    if message_id is not None:
        last_seq = (await placing.find(tx, source, message_id, "messageId")).seq
    forks = await lines.forks_of(tx, source.key, source.cleared_seq) if source.is_branched else []
    return lines.line_to(forks, source.cleared_seq, last_seq)


async def insert_thread(
    tx: ScopedTransaction, source: HeldThread, body: ThreadCopy, user_id: str, copy_id: str, count: int,
    last_seq: int | None,
) -> int:  # fmt: skip
    title = source.title if body.title is UNSET else body.title
    stored = source.metadata if body.metadata is UNSET else metadata.merge(metadata.EMPTY, body.metadata)
    now_ms = clock.now_ms()
    last = await tx.fetch_one(LAST, thread=source.key, seq=last_seq) if count else None
    last_id, last_ms = (None, None) if last is None else last
    [[key]] = await tx.fetch(
        INSERT_THREAD,
        thread_id=copy_id,
        user_id=user_id,
        assistant_id=source.assistant_id,
        title=title,
        title_folded=folded(title),
        metadata=stored,
        visible_in_ui=source.visible_in_ui,
        message_count=count,
        last_message_ms=last_ms,
        payload_format=source.payload_format,
        source=source.key,
        last_id=last_id,
        now_ms=now_ms,
        **expiry_of(tx.scope, ThreadCreate(), now_ms),
    )
    row = {"shelf": source.visible_in_ui, "created_ms": now_ms, "thread": key, "user_id": user_id}
    await metadata.index(tx, row, metadata.pairs_of(stored))
    return int(key)
