"""Where new messages go: each follows the one before it, or the message that it names as its parent."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET

from threadkeep.database.scoped import ScopedTransaction
from threadkeep.database.statement import scoped
from threadkeep.errors import ExternalIdTaken, InvalidField, MessageNotFound
from threadkeep.operations.messages import lines
from threadkeep.operations.messages.lines import ROOT, Fork

LAST = scoped("""
    select m.seq, m.id, m.role, m.created_ms from messages m
    where m.organization = :organization and m.thread = :thread and m.seq > :cleared_seq
    order by m.seq desc limit 1
    """)

FIND_TEXT = """
    select m.seq, m.id, m.role, m.created_ms from messages m
    where m.organization = :organization and m.thread = :thread and m.seq > :cleared_seq and m.{column} = :name
    """
FIND_BY_ID = scoped(FIND_TEXT.format(column="id"))
FIND_BY_EXTERNAL_ID = scoped(FIND_TEXT.format(column="external_id"))

TAKEN_TEXT = """
    select m.id, m.external_id from {source} cross join messages m
    where m.organization = :organization and m.thread = :thread and m.external_id = j.value and m.seq > :cleared_seq
    limit 1
    """
TAKEN = scoped(
    TAKEN_TEXT.format(source="json_each(:names) j"),
    postgres=TAKEN_TEXT.format(source="json_array_elements_text(cast(:names as json)) j (value)"),
)

# Messages that were deleted all at once have their ids until the sweeper comes. Their rows are locked in its order.
FREE_TEXT = """
    update messages set external_id = null
    where organization = :organization and thread = :thread and seq in (
        select m.seq from messages m
        where m.organization = :organization and m.thread = :thread and m.seq <= :cleared_seq
          and m.external_id in (select j.value from {source} j)
        order by m.seq for update
    )
    """
FREE = scoped(
    FREE_TEXT.format(source="json_each(:names)"),
    postgres=FREE_TEXT.format(source="json_array_elements_text(cast(:names as json))"),
)


class MessagePosition(NamedTuple):
    """A message that others may follow, or the root before the first."""

    seq: int
    id: str | None
    role: str | None = None
    created_ms: int | None = None


AT_ROOT = MessagePosition(ROOT, None)


class StoredThread(NamedTuple):
    """What must be known of a thread to place messages in it; a HeldThread has it too."""

    key: int
    last_seq: int
    cleared_seq: int


class Placed(NamedTuple):
    """Where new messages stand."""

    parent_ids: list[str | None]
    forks: list[Fork]
    # When the newest message that was there already was created.
    newest_ms: int | None


async def newest(tx: ScopedTransaction, thread: int, cleared_seq: int) -> MessagePosition | None:
    """Return the newest message, at which the current line ends."""
    row = await tx.fetch_one(LAST, thread=thread, cleared_seq=cleared_seq)
    return None if row is None else MessagePosition(*row)


async def find(
    tx: ScopedTransaction, held: Any, name: str, param: str
) -> MessagePosition:  # Any: a StoredThread, or a HeldThread.
    """Return the message with this id, or this id of the caller's own. Raises MessageNotFound."""
    for statement in (FIND_BY_ID, FIND_BY_EXTERNAL_ID):
        row = await tx.fetch_one(statement, thread=held.key, cleared_seq=held.cleared_seq, name=name)
        if row is not None:
            return MessagePosition(*row)
    raise MessageNotFound(param=param)


async def place(
    tx: ScopedTransaction, held: Any, drafts: Sequence[Mapping[str, Any]], params: Sequence[str],
    begins_at: MessagePosition | None = None,
) -> Placed:  # fmt: skip
    """Return where drafts go, the first one at `begins_at` or behind the newest message unless it says otherwise.

    `params` prefix the names of fields in errors. Raises MessageNotFound, ExternalIdTaken, InvalidField.
    """
    await check_external_ids(tx, held, drafts, params)
    last = await newest(tx, held.key, held.cleared_seq) or AT_ROOT
    before, named = last, dict[str, MessagePosition]()
    parent_ids: list[str | None] = []
    forks: list[Fork] = []
    for seq, (new, param) in enumerate(zip(drafts, params, strict=True), held.last_seq + 1):
        given = new["parent"]
        if given is UNSET:
            parent = begins_at if begins_at is not None and not parent_ids else before
        elif given is None:
            parent = AT_ROOT
        else:
            parent = named.get(given) or await find(tx, held, given, f"{param}parentId")
        if parent.seq != before.seq:
            forks.append((seq, parent.seq))
        parent_ids.append(parent.id)
        before = MessagePosition(seq, new["id"])
        if new["external_id"] is not None:
            named[new["external_id"]] = before
    return Placed(parent_ids, forks, last.created_ms)


async def check_external_ids(
    tx: ScopedTransaction, held: Any, drafts: Sequence[Mapping[str, Any]], params: Sequence[str]
) -> None:
    """Raise ExternalIdTaken for an id of the caller's own that another message of the thread has."""
    given: dict[str, str] = {}
    for new, param in zip(drafts, params, strict=True):
        name = new["external_id"]
        if name in given:
            raise InvalidField("Two messages of this call have this externalId.", param=f"{param}externalId")
        if name is not None:
            given[name] = f"{param}externalId"
    if not given:
        return
    names = msgspec.json.encode(list(given)).decode()
    if held.cleared_seq:
        await tx.fetch(FREE, thread=held.key, cleared_seq=held.cleared_seq, names=names)
    taken = await tx.fetch_one(TAKEN, thread=held.key, cleared_seq=held.cleared_seq, names=names)
    if taken is not None:
        id, name = taken
        raise ExternalIdTaken(f"The message {id} has this externalId: read it, or choose another.", param=given[name])


async def store(tx: ScopedTransaction, thread: int, forks: Sequence[Fork]) -> None:
    """Store which messages do not follow the one before them."""
    await tx.execute_many(
        lines.INSERT, [{"thread": thread, "seq": seq, "parent_seq": parent_seq} for seq, parent_seq in forks]
    )
