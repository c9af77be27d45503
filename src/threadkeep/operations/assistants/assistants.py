"""Assistants: configurations for the responses in threads, kept under an id."""

from msgspec import UNSET, json

from threadkeep import clock
from threadkeep.contract.answers import Deleted, ListPage
from threadkeep.contract.assistants import Assistant, AssistantCreate, AssistantUpdate
from threadkeep.database.driver import UniqueViolation
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.database.statement import scoped
from threadkeep.errors import AssistantExists, AssistantNotFound, InvalidCursor, InvalidField
from threadkeep.ids import new_id
from threadkeep.operations import idempotency, metadata, paging
from threadkeep.operations.assistants.rows import (
    COLUMNS,
    StoredAssistant,
    assistant_of,
    find,
    hold,
    stored_of,
    versioned,
)
from threadkeep.operations.paging import KEY_MAX, LAST_TEXT, PAGE_BYTES_MAX, Window
from threadkeep.operations.responses.configuration import changed, check_alone, configuration_of
from threadkeep.operations.revisions import Precondition, Versioned, match

SORT = "createdAt"

INSERT = scoped("""
    insert into assistants
        (organization, id, name, description, instructions, configuration, metadata, created_ms, updated_ms, revision)
    values (:organization, :assistant_id, :name, :description, :instructions, :configuration, :metadata,
        :created_ms, :updated_ms, :revision)
    """)

UPDATE = scoped("""
    update assistants set name = :name, description = :description, instructions = :instructions,
        configuration = :configuration, metadata = :metadata, updated_ms = :updated_ms, revision = :revision
    where organization = :organization and id = :assistant_id
    """)

EMPTY = scoped("""
    update assistants set name = null, description = null, instructions = null, configuration = '{}', metadata = '{}',
        deleted_ms = :now_ms
    where organization = :organization and id = :assistant_id
    """)

# A deleted assistant is found too: its id is still a position.
FIND_PLACE = scoped("""
    select a.created_ms, a.id from assistants a where a.organization = :organization and a.id = :assistant_id
    """)

# The inner query adds up sizes without reading long texts, so that little more is read than a page may hold. The second
# assistant is always read: if the first alone exceeds the page, the second shows that there is more.
LISTS = paging.both_ways(f"""
    select {COLUMNS} from (
        select s.id, row_number() over (order by s.created_ms {{direction}}, s.id {{direction}}) as place,
            sum(s.size) over (order by s.created_ms {{direction}}, s.id {{direction}} rows unbounded preceding)
                - s.size as before
        from (
            select a.created_ms, a.id,
                octet_length(a.configuration) + coalesce(octet_length(a.instructions), 0) as size
            from assistants a
            where a.organization = :organization and a.deleted_ms is null
              and (a.created_ms, a.id) {{compare}} (:at_ms, :at_id)
            order by a.created_ms {{direction}}, a.id {{direction}} limit :limit
        ) s
    ) p
    join assistants a on a.organization = :organization and a.id = p.id
    where p.before <= :page_bytes or p.place = 2
    order by a.created_ms {{direction}}, a.id {{direction}}
    """)


async def create(tx: ScopedTransaction, body: AssistantCreate) -> Versioned:
    """Create an assistant. Raises AssistantExists for a chosen id that is or was taken, InvalidField, or one of the
    Metadata… errors.
    """
    now_ms = clock.now_ms()
    assistant = StoredAssistant(
        id=new_id("asst") if body.id is UNSET else body.id,
        name=body.name,
        description=body.description,
        instructions=body.instructions,
        configuration=configuration_of(body),
        metadata=metadata.merge(metadata.EMPTY, body.metadata or {}),
        created_ms=now_ms,
        updated_ms=now_ms,
        revision=now_ms,
    )
    check(assistant)
    try:
        await tx.fetch(INSERT, **assistant.columns())
    except UniqueViolation:
        raise AssistantExists(param="id") from None
    return versioned(assistant, tx.scope)


async def list_assistants(tx: ScopedTransaction, window: Window) -> ListPage:
    """Return one page, in the order of creation. Raises InvalidCursor."""
    at_ms, at_id = await find_position(tx, window)
    rows = await tx.fetch(
        LISTS[window.reads_descending],
        at_ms=at_ms,
        at_id=at_id,
        limit=window.limit + 1,
        page_bytes=PAGE_BYTES_MAX,
    )
    stored = [stored_of(row) for row in rows]
    created_ms = {each.id: each.created_ms for each in stored}
    found: list[Assistant] = [assistant_of(each, tx.scope) for each in stored]
    return paging.page(
        found, window, SORT, lambda each: (created_ms[each.id], each.id), size_of=lambda each: len(json.encode(each))
    )


async def find_position(tx: ScopedTransaction, window: Window) -> tuple[int, str]:
    """Return the time and id after (or before) which the page begins."""
    if window.cursor is None:
        return (KEY_MAX, LAST_TEXT) if window.reads_descending else (-1, "")
    if paging.is_position(window.cursor):
        created_ms, assistant_id = paging.read_position(window, SORT, (int, str))
        return int(created_ms), str(assistant_id)
    row = await tx.fetch_one(FIND_PLACE, assistant_id=window.cursor)
    if row is None:
        raise InvalidCursor(param=window.param)
    created_ms, assistant_id = row
    return created_ms, assistant_id


async def read(tx: ScopedTransaction, assistant_id: str) -> Versioned:
    assistant = await find(tx, assistant_id)
    if assistant is None:
        raise AssistantNotFound()
    return versioned(assistant, tx.scope)


async def update(
    tx: ScopedTransaction, assistant_id: str, body: AssistantUpdate, precondition: Precondition | None = None
) -> Versioned:
    """Change the fields that `body` names, for responses that begin from now on.

    If all values are as before, `updatedAt` and the revision stay. Raises PreconditionFailed, InvalidField, or one of
    the Metadata… errors; then nothing is changed at all.
    """
    held = await hold(tx, assistant_id)
    match(held.revision, precondition)
    assistant = held._replace(
        name=held.name if body.name is UNSET else body.name,
        description=held.description if body.description is UNSET else body.description,
        instructions=held.instructions if body.instructions is UNSET else body.instructions,
        configuration=changed(held.configuration, body),
        metadata=held.metadata if body.metadata is UNSET else metadata.merge(held.metadata, body.metadata),
    )
    check(assistant)
    # The stored text is compared: in Python 1 equals True, in a tool's JSON schema it does not.
    if assistant.columns() == held.columns():
        return versioned(held, tx.scope)
    moved = assistant._replace(updated_ms=max(held.updated_ms, clock.now_ms()), revision=held.revision + 1)
    await tx.fetch(UPDATE, **moved.columns())
    return versioned(moved, tx.scope)


async def delete(tx: ScopedTransaction, assistant_id: str, precondition: Precondition | None = None) -> Deleted:
    """Delete the assistant for good; its id alone is kept, which no other gets.

    Threads that have it keep that id and need another assistant for their responses.
    """
    held = await hold(tx, assistant_id)
    match(held.revision, precondition)
    await tx.fetch(EMPTY, assistant_id=assistant_id, now_ms=clock.now_ms())
    await idempotency.empty_assistant(tx, assistant_id)
    return Deleted(assistant_id, "assistant.deleted", True)


def check(assistant: StoredAssistant) -> None:
    if assistant.name is not None and not assistant.name.strip():
        raise InvalidField("The name is blank: send one that is not, or null.", param="name")
    check_alone(assistant.configuration)
