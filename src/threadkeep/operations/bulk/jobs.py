"""Bulks as their callers see them: asked for, read, cancelled, undone. Their work is done in `working`."""

from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET

from threadkeep import clock
from threadkeep.contract.bulk import Bulk, BulkCreate, BulkPreview
from threadkeep.contract.threads import ThreadUpdate
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.database.statement import scoped
from threadkeep.decoding import decode
from threadkeep.errors import BulkNotFound, InvalidField, RateLimited, ThreadNotFound
from threadkeep.ids import new_id
from threadkeep.operations.bulk.finding import FoundThreads
from threadkeep.operations.organizations.credentials import Membership
from threadkeep.operations.threads.listing import Filter
from threadkeep.scope import Credential, Role, Scope, make_scope

IN_PROGRESS, COMPLETED, CANCELLED, UNDOING, UNDONE = "in_progress", "completed", "cancelled", "undoing", "undone"
KEPT_MS = 24 * 3600 * 1000
# So many may go on at once: for one user, and for a program that speaks for many.
RUNNING_PER_USER_MAX = 8
RUNNING_PER_PROGRAM_MAX = 100

# Only a refusal of what is too much depends on it: two that count at the same time may both begin.
COUNT_RUNNING = scoped("""
    select count(*) from bulks b
    where b.organization = :organization and b.user_id = :user_id and b.lease_until is not null
    """)

COLUMNS = (
    """id, user_id, action, status, matched, done, changed, refused, undone, created_ms, until_ms, step_size, key"""
)

INSERT = scoped(f"""
    insert into bulks (organization, id, user_id, action, status, matched, done, changed, refused, step_size,
        created_ms, until_ms, lease_until, caller, change)
    values (:organization, :bulk_id, :user_id, :action, :status, :matched, :done, 0, :refused, :step_size,
        :now_ms, :until_ms, :lease_until, :caller, :change)
    returning {COLUMNS}
    """)

INSERT_PART = scoped("""
    insert into bulk_parts (organization, bulk, part, thread_count, threads)
    values (:organization, :bulk, :part, :thread_count, :threads)
    """)

READ = scoped(f"""
    select {COLUMNS} from bulks
    where organization = :organization and id = :bulk_id and user_id = coalesce(:member, user_id)
    """)

# What is left to do stays until it is swept away: no thread is named there but by a number.
CANCEL = scoped(f"""
    update bulks set status = '{CANCELLED}', lease_until = null, change = null
    where organization = :organization and id = :bulk_id and user_id = coalesce(:member, user_id)
      and lease_until is not null
    returning {COLUMNS}
    """)

# One that has ended and changed nothing is undone at once.
UNDO = scoped(f"""
    update bulks set worker = null, change = null, position = 0, caller = :caller,
        status = case when changed = 0 and status <> '{IN_PROGRESS}' then '{UNDONE}' else '{UNDOING}' end,
        lease_until = case when changed = 0 and status <> '{IN_PROGRESS}' then null else 0 end
    where organization = :organization and id = :bulk_id and user_id = coalesce(:member, user_id)
      and status in ('{IN_PROGRESS}', '{COMPLETED}', '{CANCELLED}') and until_ms > :now_ms
    returning {COLUMNS}
    """)


class BulkCaller(msgspec.Struct, omit_defaults=True):
    """Whose rights count for the steps of a bulk: what must be known to judge them again."""

    user_id: str
    role: Role
    credential: Credential
    is_product_user: bool = False
    key_id: str = ""
    maker_id: str = ""
    generation: str = ""

    def scope(self, organization: int) -> Scope:
        return make_scope(
            organization,
            "",
            self.user_id,
            self.role,
            self.credential,
            is_product_user=self.is_product_user,
            key_id=self.key_id,
            maker_id=self.maker_id,
            generation=self.generation,
        )

    def membership(self, organization: int) -> Membership:
        """Return what the rights rest upon: a key that speaks for a user must be an admin's still."""
        speaks_for = self.is_product_user and self.credential is Credential.KEY
        role = Role.ADMIN if speaks_for else self.role
        key_id = self.key_id or self.maker_id
        return Membership(organization, "", "", self.user_id, role, key_id, None, self.generation)


def caller_of(scope: Scope) -> str:
    names = BulkCaller.__struct_fields__
    return msgspec.json.encode(BulkCaller(**{name: getattr(scope, name) for name in names})).decode()


class StoredBulk(NamedTuple):
    """A bulk's row, without what only its work needs."""

    id: str
    user_id: str
    action: str
    status: str
    matched: int
    done: int
    changed: int
    refused: str
    undone: int
    created_ms: int
    until_ms: int
    step_size: int
    key: int


async def ask(
    tx: ScopedTransaction, body: BulkCreate, _: Filter | None, found: FoundThreads | BulkPreview
) -> Bulk | BulkPreview:
    """Store a bulk with the threads that were found for it. Raises RateLimited while too many go on."""
    if isinstance(found, BulkPreview):
        return found
    scope, now_ms = tx.scope, clock.now_ms()
    [[running_count]] = await tx.fetch(COUNT_RUNNING, user_id=scope.user_id)
    if running_count >= (RUNNING_PER_USER_MAX if scope.is_one_user else RUNNING_PER_PROGRAM_MAX):
        raise RateLimited(
            f"{running_count} bulks of this user go on: wait for the end of one, or cancel it.",
            headers={"Retry-After": "5"},
        )
    refused = {ThreadNotFound.code: found.missing_count} if found.missing_count else {}
    row = await tx.fetch_one(
        INSERT,
        bulk_id=new_id("bulk"),
        user_id=scope.user_id,
        action=body.action,
        status=IN_PROGRESS if found.parts else COMPLETED,
        matched=found.matched,
        done=found.missing_count,
        refused=msgspec.json.encode(refused).decode(),
        step_size=found.step_size,
        now_ms=now_ms,
        until_ms=now_ms + KEPT_MS,
        # A lease that has run out long ago is served first.
        lease_until=0 if found.parts else None,
        caller=caller_of(scope),
        change=None if body.change is UNSET or not found.parts else msgspec.json.encode(body.change).decode(),
    )
    assert row is not None
    stored = StoredBulk(*row)
    await tx.execute_many(
        INSERT_PART,
        [each._asdict() | {"bulk": stored.key, "part": part} for part, each in enumerate(found.parts, 1)],
    )
    return bulk_of(stored, scope)


async def read(tx: ScopedTransaction, bulk_id: str) -> Bulk:
    """Return the bulk as far as it is. Raises BulkNotFound."""
    return bulk_of(await find(tx, bulk_id), tx.scope)


async def find(tx: ScopedTransaction, bulk_id: str) -> StoredBulk:
    row = await tx.fetch_one(READ, bulk_id=bulk_id)
    if row is None:
        raise BulkNotFound()
    return StoredBulk(*row)


async def cancel(tx: ScopedTransaction, bulk_id: str) -> Bulk:
    """End the bulk, or its undoing, where it is. One that has ended stays as it is. Raises BulkNotFound."""
    row = await tx.fetch_one(CANCEL, bulk_id=bulk_id)
    return await read(tx, bulk_id) if row is None else bulk_of(StoredBulk(*row), tx.scope)


async def undo(tx: ScopedTransaction, bulk_id: str) -> Bulk:
    """Begin to take back what the bulk has changed; one that goes on ends first.

    One that is being undone, or was, stays as it is. Raises BulkNotFound, also when its time is over, and InvalidField
    for a deletion.
    """
    stored = await find(tx, bulk_id)
    if stored.action == "delete":
        raise InvalidField("A deletion cannot be undone.")
    row = await tx.fetch_one(UNDO, bulk_id=bulk_id, caller=caller_of(tx.scope), now_ms=clock.now_ms())
    if row is not None:
        return bulk_of(StoredBulk(*row), tx.scope)
    if stored.status in (UNDOING, UNDONE):
        return bulk_of(stored, tx.scope)
    raise BulkNotFound()


def bulk_of(stored: StoredBulk, scope: Scope) -> Bulk:
    refused: Any = msgspec.json.decode(stored.refused)  # Any: JSON.
    return Bulk(
        stored.id,
        "bulk",
        stored.created_ms // 1000,
        scope.organization_id,
        stored.user_id,
        stored.action,  # type: ignore[arg-type]  # As it came in.
        stored.status,  # type: ignore[arg-type]  # One of those above.
        stored.matched,
        stored.done,
        stored.changed,
        refused,
        stored.undone,
        None if stored.action == "delete" else stored.until_ms // 1000,
    )


def change_of(stored: str | None) -> ThreadUpdate | Any:  # Any: UNSET.
    return UNSET if stored is None else decode(stored, ThreadUpdate)
