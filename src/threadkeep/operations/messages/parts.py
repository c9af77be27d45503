"""Removing a part of a message: one of its calls, or its content."""

from typing import Any

import msgspec

from threadkeep import clock
from threadkeep.contract.basis import Payload
from threadkeep.contract.lifecycle import Action
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.database.statement import scoped
from threadkeep.errors import MessageNotFound
from threadkeep.operations import idempotency, payloads
from threadkeep.operations.messages import messages
from threadkeep.operations.messages.rows import (
    RETURNED_COLUMNS,
    StoredMessage,
    decode_parts,
    message_of,
    size_bytes,
    stored_content,
)
from threadkeep.operations.responses import events
from threadkeep.operations.responses.chosen import decode_calls
from threadkeep.operations.revisions import Versioned
from threadkeep.operations.threads.rows import format_of, hold

# What a model's server wants back no longer fits what is left.
UPDATE = scoped(f"""
    update messages set content = :content, preview = :preview, tool_calls = :tool_calls, size_bytes = :size_bytes,
        payload_format = :payload_format, is_blank = 0, wanted_back = null,
        updated_ms = case when updated_ms < :now_ms then :now_ms else updated_ms end, revision = revision + 1
    where organization = :organization and thread = :thread and seq = :seq
    returning {RETURNED_COLUMNS}
    """)


async def remove_part(
    tx: ScopedTransaction, thread_id: str, message_id: str, part: int | None, payload: Payload | None = None
) -> Versioned | None:
    """Remove one call of a message, by its place among the calls, or with None its content; return the message.

    The last part takes the message with it: then None is returned. The message's payload may hold what is removed, so
    it goes too, and `payload` takes its place. Raises what `messages.update` does, and MessageNotFound also for a part
    that is not there.
    """
    held = await hold(tx, thread_id)
    stored, _, parent_id = await messages.find(tx, thread_id, message_id)
    held.allow(Action.DELETE_MESSAGE)
    held.require_idle()
    left = columns_without(stored, part)
    if left is None:
        await messages.delete(tx, thread_id, message_id)
        return None
    await payloads.store(tx, held.key, stored.seq, payload)
    row = await tx.fetch_one(
        UPDATE,
        thread=held.key,
        seq=stored.seq,
        payload_format=format_of(payload),
        now_ms=clock.now_ms(),
        **left,
    )
    assert row is not None
    if stored.response_id is not None:
        await events.forget(tx, stored.response_id)
    await messages.touch_thread(tx, held, message_count=held.message_count, cleared_seq=held.cleared_seq)
    await idempotency.empty_messages(tx, held.key, stored.seq, stored.seq)
    kept = StoredMessage(*row)
    return Versioned(message_of(kept, thread_id, parent_id), kept.revision)


def columns_without(stored: StoredMessage, part: int | None) -> dict[str, Any] | None:
    """Return the columns of a message without one of its parts; None if nothing is left. Raises MessageNotFound."""
    calls = [] if stored.tool_calls is None else decode_calls(stored.tool_calls)
    parts = decode_parts(stored.content)
    if not parts if part is None else not 0 <= part < len(calls):
        raise MessageNotFound()
    if part is None:
        parts = []
    else:
        del calls[part]
    content, preview, is_blank = stored_content(parts)
    if is_blank and not calls:
        return None
    tool_calls = msgspec.json.encode(calls).decode() if calls else None
    return {
        "content": content,
        "preview": preview,
        "tool_calls": tool_calls,
        "size_bytes": size_bytes(content, tool_calls, stored.metadata),
    }
