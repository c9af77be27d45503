"""Payloads: data of the caller's own beside a thread or a message, kept word for word.

They lie in a table of their own, under the number of their message, or 0 for the thread's. The format stands in the row
of the thread or message, so only who wants the data reads this table.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from threadkeep.contract.basis import Payload
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.database.statement import Statement, scoped
from threadkeep.operations import paging

OF_THREAD = 0

STORE = scoped("""
    insert into payloads (organization, thread, seq, data, size_bytes)
    values (:organization, :thread, :seq, :data, :size_bytes)
    on conflict (organization, thread, seq) do update set data = excluded.data, size_bytes = excluded.size_bytes
    """)

READ = scoped("""
    select p.data from payloads p where p.organization = :organization and p.thread = :thread and p.seq = :seq
    """)

DELETE = scoped("""
    delete from payloads where organization = :organization and thread = :thread and seq >= :seq and seq <= :last_seq
    """)

# For statements that read one object: its data, looked up only if there is any.
DATA = """case when {of}.payload_format is not null then (
        select p.data from payloads p where p.organization = :organization and p.thread = {thread} and p.seq = {seq}
    ) end"""


def of_places(column: str) -> Statement:
    """Compile a statement that reads a column at `places`, which are pairs of a thread and a number, as JSON."""
    text = f"""
    select p.thread, p.seq, p.{column} from {{source}} j
    cross join payloads p
    where p.organization = :organization and p.thread = cast(j.value ->> 0 as bigint)
      and p.seq = cast(j.value ->> 1 as bigint)
    """
    return scoped(
        text.format(source="json_each(:places)"),
        postgres=text.format(source="json_array_elements(cast(:places as json))"),
    )


SIZES = of_places("size_bytes")
CONTENTS = of_places("data")


def size_of(data: str) -> int:
    return len(data.encode())


async def store(tx: ScopedTransaction, thread: int, seq: int, payload: Payload | None) -> None:
    """Store a payload, or remove the one that is there."""
    if payload is None:
        await tx.fetch(DELETE, thread=thread, seq=seq, last_seq=seq)
    else:
        await tx.fetch(STORE, thread=thread, seq=seq, data=payload.data, size_bytes=size_of(payload.data))


def payload_of(format: str | None, data: str | None) -> Payload | UnsetType:
    """Return a payload as an answer shows it; UNSET if there is none."""
    return UNSET if format is None or data is None else Payload(format, data)


async def is_same(tx: ScopedTransaction, thread: int, seq: int, format: str | None, payload: Payload | None) -> bool:
    """Return whether `payload` is what is stored there already."""
    if payload is None or payload.format != format:
        return payload is None and format is None
    return [payload.data] == [data for (data,) in await tx.fetch(READ, thread=thread, seq=seq)]


async def add(
    tx: ScopedTransaction, found: list[Any], places: Sequence[tuple[int, int]], size_of: Callable[[Any], int]
) -> list[Any]:  # Any: threads, or messages.
    """Give objects of a list their payloads; return as many of them as a page holds, and at least one.

    `places` are the thread and the number of each.
    """
    wanted = [place for place, each in zip(places, found, strict=True) if each.payload_format is not None]
    if not wanted:
        return paging.fitting(found, size_of)
    rows = await tx.fetch(SIZES, places=msgspec.json.encode(wanted).decode())
    sizes = {(thread, seq): size_bytes for thread, seq, size_bytes in rows}
    total_sizes = [size_of(each) + sizes.get(place, 0) for place, each in zip(places, found, strict=True)]
    kept = found[: paging.count_fitting(total_sizes)]
    rows = await tx.fetch(CONTENTS, places=msgspec.json.encode(places[: len(kept)]).decode())
    contents = {(thread, seq): data for thread, seq, data in rows}
    for place, each in zip(places, kept, strict=False):
        each.payload = payload_of(each.payload_format, contents.get(place))
    return kept
