"""Assistants: named configurations for the responses in threads."""

from typing import Any

from msgspec import UNSET, json

from threadkeep import clock
from threadkeep.contract.answers import Deleted, ListPage
from threadkeep.contract.assistants import Assistant, AssistantCreate, AssistantUpdate
from threadkeep.database.driver import UniqueViolation
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.database.statement import Statement, scoped
from threadkeep.errors import AssistantNotFound, InvalidField, NameTaken
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
from threadkeep.operations.paging import PAGE_BYTES_MAX, Window
from threadkeep.operations.responses.configuration import changed, check_alone, configuration_of
from threadkeep.operations.revisions import Precondition, Versioned, match

SORT = "id"

INSERT = scoped("""
    insert into assistants
        (organization, id, name, instructions, configuration, metadata, created_ms, updated_ms, revision)
    values (:organization, :assistant_id, :name, :instructions, :configuration, :metadata,
        :created_ms, :updated_ms, :revision)
    """)

UPDATE = scoped("""
    update assistants set name = :name, instructions = :instructions, configuration = :configuration,
        metadata = :metadata, updated_ms = :updated_ms, revision = :revision
    where organization = :organization and id = :assistant_id
    """)

DELETE = scoped("delete from assistants where organization = :organization and id = :assistant_id")

# The inner query adds up sizes without reading long texts, so that little more is read than a page may hold. The second
# assistant is always read: if the first alone exceeds the page, the second shows that there is more.
LISTS = paging.both_ways(f"""
    select {COLUMNS} from (
        select s.id, row_number() over (order by s.id {{direction}}) as place,
            sum(s.size) over (order by s.id {{direction}} rows unbounded preceding) - s.size as before
        from (
            select a.id, octet_length(a.configuration) + coalesce(octet_length(a.instructions), 0) as size
            from assistants a
            where a.organization = :organization and a.id {{compare}} :at_id
            order by a.id {{direction}} limit :limit
        ) s
    ) p
    join assistants a on a.organization = :organization and a.id = p.id
    where p.before <= :page_bytes or p.place = 2
    order by a.id {{direction}}
    """)


async def create(tx: ScopedTransaction, body: AssistantCreate) -> Versioned:
    """Create an assistant. Raises NameTaken, InvalidField, or one of the Metadata… errors."""
    now_ms = clock.now_ms()
    assistant = StoredAssistant(
        id=new_id("asst"),
        name=body.name,
        instructions=body.instructions,
        configuration=configuration_of(body),
        metadata=metadata.merge(metadata.EMPTY, body.metadata or {}),
        created_ms=now_ms,
        updated_ms=now_ms,
        revision=now_ms,
    )
    check(assistant)
    await write(tx, INSERT, assistant.columns())
    return versioned(assistant, tx.scope)


async def list_assistants(tx: ScopedTransaction, window: Window) -> ListPage:
    """Return one page, in the order of ids, which is the order of creation."""
    rows = await tx.fetch(
        LISTS[window.reads_descending],
        at_id=paging.text_position(window, SORT, "asst"),
        limit=window.limit + 1,
        page_bytes=PAGE_BYTES_MAX,
    )
    found: list[Assistant] = [assistant_of(stored_of(row), tx.scope) for row in rows]
    return paging.page(found, window, SORT, lambda each: (each.id,), size_of=lambda each: len(json.encode(each)))


async def read(tx: ScopedTransaction, assistant_id: str) -> Versioned:
    assistant = await find(tx, assistant_id)
    if assistant is None:
        raise AssistantNotFound()
    return versioned(assistant, tx.scope)


async def update(
    tx: ScopedTransaction, assistant_id: str, body: AssistantUpdate, precondition: Precondition | None = None
) -> Versioned:
    """Change the fields that `body` names, for responses that begin from now on.

    If all values are as before, `updatedAt` and the revision stay. Raises NameTaken, PreconditionFailed,
    InvalidField, or one of the Metadata… errors; then nothing is changed at all.
    """
    held = await hold(tx, assistant_id)
    match(held.revision, precondition)
    assistant = held._replace(
        name=held.name if body.name is UNSET else body.name,
        instructions=held.instructions if body.instructions is UNSET else body.instructions,
        configuration=changed(held.configuration, body),
        metadata=held.metadata if body.metadata is UNSET else metadata.merge(held.metadata, body.metadata),
    )
    check(assistant)
    # The stored text is compared: in Python 1 equals True, in a tool's JSON schema it does not.
    if assistant.columns() == held.columns():
        return versioned(held, tx.scope)
    moved = assistant._replace(updated_ms=max(held.updated_ms, clock.now_ms()), revision=held.revision + 1)
    await write(tx, UPDATE, moved.columns())
    return versioned(moved, tx.scope)


async def delete(tx: ScopedTransaction, assistant_id: str, precondition: Precondition | None = None) -> Deleted:
    """Delete the assistant for good. Threads that have it keep its id and need another one for their responses."""
    held = await hold(tx, assistant_id)
    match(held.revision, precondition)
    await tx.fetch(DELETE, assistant_id=assistant_id)
    await idempotency.empty_assistant(tx, assistant_id)
    return Deleted(assistant_id, "assistant.deleted", True)


def check(assistant: StoredAssistant) -> None:
    if not assistant.name.strip():
        raise InvalidField("An assistant needs a name that is not blank.", param="name")
    check_alone(assistant.configuration)


async def write(tx: ScopedTransaction, statement: Statement, columns: dict[str, Any]) -> None:
    try:
        await tx.fetch(statement, **columns)
    except UniqueViolation:
        raise NameTaken(param="name") from None
