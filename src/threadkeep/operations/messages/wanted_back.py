"""Data that a model's server wants back with its earlier answers, like signatures: stored, and sent with a context.

It is no part of the thread's text: it is never shown and counts no tokens. A person's change of the message removes
it, since a signature no longer fits the changed text.
"""

import math
from collections.abc import Mapping
from typing import Any

import msgspec

from threadkeep.contract.assistants import Configuration
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.database.statement import scoped
from threadkeep.decoding import decoder
from threadkeep.operations.paging import PAGE_BYTES_MAX
from threadkeep.operations.responses import context
from threadkeep.operations.responses.context import THE_THREAD, Chosen
from threadkeep.operations.responses.estimating import BYTES_PER_TOKEN

# The limit for one message. Longer data is dropped and not cut: half a signature is worthless.
CHARACTERS_MAX = 256 * 1024

READ_TEXT = f"""
    with {THE_THREAD}
    select p.seq, m.wanted_back from (
        select s.thread, s.seq,
            sum(s.size_bytes) over (order by s.seq desc rows unbounded preceding) - s.size_bytes as before
        from (
            select m.thread, m.seq, octet_length(m.wanted_back) as size_bytes from {{seqs}} j
            cross join messages m
            where m.organization = :organization and m.thread = (select key from t)
              and m.seq > (select cleared_seq from t) and m.seq = cast(j.value as bigint) and m.wanted_back is not null
        ) s
    ) p
    cross join messages m
    where m.organization = :organization and m.thread = p.thread and m.seq = p.seq and p.before <= :bytes_max
    order by p.seq desc
    """
READ = scoped(
    READ_TEXT.format(seqs="json_each(:seqs)"),
    postgres=READ_TEXT.format(seqs="json_array_elements_text(cast(:seqs as json))"),
)


class WantedBack(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """What goes back with one message: which model gave it, fields of the message, and fields of calls by their id."""

    by: str
    fields: dict[str, Any] = {}  # Any: passed on unread.
    calls: dict[str, dict[str, Any]] = {}


encode = msgspec.json.Encoder().encode
decode = decoder(WantedBack).decode


def stored(wanted: WantedBack) -> str | None:
    """Return the stored form, or None if it is empty, too long, or cannot be written as JSON."""
    if not wanted.fields and not wanted.calls:
        return None
    try:
        text = encode(wanted).decode()
    except (ValueError, RecursionError):  # A lone surrogate, or too deep a nesting.
        return None
    return text if len(text) <= CHARACTERS_MAX else None


async def choose(
    tx: ScopedTransaction,
    thread_id: str,
    by: str | None,
    *,
    configuration: Configuration,
    instructions: str | None,
    until_seq: int | None,
    kept_from_seq: int | None,
) -> tuple[Chosen, Mapping[int, WantedBack]]:
    """Return a context, as `context.choose` does, and what the model `by` wants back with it; nothing for None."""
    chosen = await context.choose(
        tx,
        thread_id,
        configuration=configuration,
        instructions=instructions,
        until_seq=until_seq,
        kept_from_seq=kept_from_seq,
    )
    is_full = configuration.context_mode == "full"
    tokens_max = math.inf if is_full else (configuration.context_tokens or 0)
    return chosen, {} if by is None else await read(tx, thread_id, by, chosen, tokens_max)


async def read(
    tx: ScopedTransaction, thread_id: str, by: str, chosen: Chosen, tokens_max: float
) -> Mapping[int, WantedBack]:
    """Return what the model wants back with the messages that were chosen for it, by their numbers.

    Data since the last question is always included; older data only while the context has tokens left.
    """
    seqs = {message.seq for message in chosen.messages if message.role == "assistant"}
    if not seqs:
        return {}
    rows = await tx.fetch(
        READ,
        thread_id=thread_id,
        seqs=msgspec.json.encode(sorted(seqs)).decode(),
        bytes_max=PAGE_BYTES_MAX,
    )
    turn_seq = max((message.seq for message in chosen.messages if message.role == "user"), default=0)
    left_bytes = (tokens_max - chosen.total_tokens) * BYTES_PER_TOKEN
    found: dict[int, WantedBack] = {}
    for seq, text in rows:
        wanted = decode(text)
        if wanted.by != by:
            continue
        if seq < turn_seq:
            left_bytes -= len(text.encode())
            if left_bytes < 0:
                break
        found[seq] = wanted
    return found
