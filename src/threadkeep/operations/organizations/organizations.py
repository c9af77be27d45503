"""An organization: read, rename, delete with everything in it."""

from msgspec import UNSET

from threadkeep import clock
from threadkeep.contract.answers import Deleted
from threadkeep.contract.organizations import Organization, OrganizationUpdate
from threadkeep.database.driver import Row
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.database.statement import scoped
from threadkeep.errors import OrganizationAccessDenied, PreconditionFailed
from threadkeep.operations.threads.rows import Precondition, Versioned
from threadkeep.scope import Scope

COLUMNS = "o.id, o.name, o.created_ms, o.updated_ms, o.revision"

READ = scoped(f"select {COLUMNS} from organizations o where o.key = :organization and o.deleted_ms is null")

HOLD = scoped(f"select {COLUMNS} from organizations o where o.key = :organization and o.deleted_ms is null for update")

UPDATE = scoped("""
    update organizations as o set name = :name, revision = revision + 1,
        updated_ms = case when updated_ms < :now_ms then :now_ms else updated_ms end
    where o.key = :organization
    """)

DELETE = scoped("update organizations as o set deleted_ms = :now_ms where o.key = :organization")

DELETE_MEMBERS = scoped("delete from members where organization = :organization")

DELETE_KEYS = scoped("delete from api_keys where organization = :organization")


async def hold(tx: ScopedTransaction) -> Row:
    """Lock the organization's row, which orders all changes of its members and keys."""
    row = await tx.fetch_one(HOLD)
    if row is None:
        raise OrganizationAccessDenied()
    return row


async def read(tx: ScopedTransaction) -> Versioned:
    row = await tx.fetch_one(READ)
    if row is None:
        raise OrganizationAccessDenied()
    return versioned(row, tx.scope)


async def update(
    tx: ScopedTransaction, body: OrganizationUpdate, precondition: Precondition | None = None
) -> Versioned:
    """Rename the organization."""
    row = await hold(tx)
    match(row[4], precondition)
    if body.name is not UNSET and body.name != row[1]:
        await tx.fetch(UPDATE, name=body.name, now_ms=clock.now_ms())
    return await read(tx)


async def delete(tx: ScopedTransaction, precondition: Precondition | None = None) -> Deleted:
    """Delete the organization. Nobody can reach it from now on; what it held goes in the background."""
    row = await hold(tx)
    match(row[4], precondition)
    await tx.fetch(DELETE, now_ms=clock.now_ms())
    await tx.fetch(DELETE_MEMBERS)
    await tx.fetch(DELETE_KEYS)
    return Deleted(tx.scope.organization_id, "organization.deleted", True)


def match(revision: int | None, precondition: Precondition | None) -> None:
    if precondition is not None and not precondition(revision):
        raise PreconditionFailed()


def versioned(row: Row, scope: Scope) -> Versioned:
    id, name, created_ms, updated_ms, revision = row
    return Versioned(Organization(id, "organization", created_ms // 1000, updated_ms // 1000, name), revision)
