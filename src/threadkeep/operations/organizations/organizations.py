"""An organization: read, rename, delete with everything in it."""

from typing import NamedTuple

from msgspec import UNSET

from threadkeep import clock
from threadkeep.contract.answers import Deleted
from threadkeep.contract.organizations import Organization, OrganizationUpdate
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.database.statement import Statement, scoped
from threadkeep.errors import OrganizationAccessDenied
from threadkeep.operations.revisions import Precondition, Versioned, match


class StoredOrganization(NamedTuple):
    """An organization's row."""

    id: str
    name: str
    created_ms: int
    updated_ms: int
    revision: int
    retention_days: int | None


# The columns are the fields, in their order.
COLUMNS = ", ".join(f"o.{name}" for name in StoredOrganization._fields)

READ = scoped(f"select {COLUMNS} from organizations o where o.key = :organization and o.deleted_ms is null")

HOLD = scoped(f"select {COLUMNS} from organizations o where o.key = :organization and o.deleted_ms is null for update")

UPDATE = scoped("""
    update organizations as o set name = :name, retention_days = :retention_days, revision = revision + 1,
        updated_ms = case when updated_ms < :now_ms then :now_ms else updated_ms end
    where o.key = :organization
    """)

DELETE = scoped("update organizations as o set deleted_ms = :now_ms where o.key = :organization")

DELETE_MEMBERS = scoped("delete from members where organization = :organization")

DELETE_KEYS = scoped("delete from api_keys where organization = :organization")


async def hold(tx: ScopedTransaction) -> StoredOrganization:
    """Lock the organization's row, which orders all changes of its members and keys."""
    return await find(tx, HOLD)


async def find(tx: ScopedTransaction, statement: Statement) -> StoredOrganization:
    row = await tx.fetch_one(statement)
    if row is None:
        raise OrganizationAccessDenied()
    return StoredOrganization(*row)


async def read(tx: ScopedTransaction) -> Versioned:
    id, name, created_ms, updated_ms, revision, retention_days = await find(tx, READ)
    organization = Organization(id, "organization", created_ms // 1000, updated_ms // 1000, name, retention_days)
    return Versioned(organization, revision)


async def update(
    tx: ScopedTransaction, body: OrganizationUpdate, precondition: Precondition | None = None
) -> Versioned:
    """Change the organization's name, or how long its new threads are kept."""
    held = await hold(tx)
    match(held.revision, precondition)
    name = held.name if body.name is UNSET else body.name
    retention_days = held.retention_days if body.retention_days is UNSET else body.retention_days
    if (name, retention_days) != (held.name, held.retention_days):
        await tx.fetch(UPDATE, name=name, retention_days=retention_days, now_ms=clock.now_ms())
    return await read(tx)


async def delete(tx: ScopedTransaction, precondition: Precondition | None = None) -> Deleted:
    """Delete the organization. Nobody can reach it from now on; the sweeper deletes what it held."""
    held = await hold(tx)
    match(held.revision, precondition)
    await tx.fetch(DELETE, now_ms=clock.now_ms())
    await tx.fetch(DELETE_MEMBERS)
    await tx.fetch(DELETE_KEYS)
    return Deleted(tx.scope.organization_id, "organization.deleted", True)
