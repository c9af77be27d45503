"""What an operator does on the database itself: organizations, members, keys. It crosses organizations on purpose."""

from typing import Any, NamedTuple

from threadkeep import clock
from threadkeep.contract.organizations import KeyCreate, KeyCreated, Member, MemberPut
from threadkeep.database.driver import Transaction, UniqueViolation
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.database.statement import everywhere
from threadkeep.errors import Conflict, KeyNotFound, NotFound
from threadkeep.operations.organizations import keys, members
from threadkeep.scope import Credential, Role, make_scope

# Only PostgreSQL needs the lock: several processes may start at once on an empty database.
ONE_AT_A_TIME = everywhere("select 1", postgres="select 1 from pg_advisory_xact_lock(1953002091)")

COUNT_ORGANIZATIONS = everywhere("select count(*) from organizations")

INSERT_ORGANIZATION = everywhere("""
    insert into organizations (id, name, created_ms, updated_ms, revision)
    values (:id, :name, :now_ms, :now_ms, :now_ms)
    returning key
    """)

FIND_ORGANIZATION = everywhere("select o.key from organizations o where o.id = :id and o.deleted_ms is null")

LIST_ORGANIZATIONS = everywhere("""
    select o.id, o.name from organizations o where o.deleted_ms is null and o.id = coalesce(:id, o.id) order by o.id
    """)

LIST_MEMBERS = everywhere("""
    select o.id, m.user_id, m.role from organizations o join members m on m.organization = o.key
    where o.deleted_ms is null and o.id = coalesce(:id, o.id) order by o.id, m.user_id
    """)

LIST_KEYS = everywhere("""
    select o.id, k.id, k.user_id, k.role, k.name from organizations o join api_keys k on k.organization = o.key
    where o.deleted_ms is null and o.id = coalesce(:id, o.id) order by o.id, k.id
    """)

# The lock that every change of credentials takes: a call that uses the key to make another either commits first or is
# refused.
HOLD_ORGANIZATION_OF_KEY = everywhere("""
    select o.key from organizations o join api_keys k on k.organization = o.key where k.id = :id for update of o
    """)

REVOKE_KEY = everywhere("delete from api_keys where id = :id returning id")


class OrganizationExists(Conflict):
    """Only the command line creates organizations, so this is no answer of the API."""

    code = "organization_exists"
    default = "There is an organization with this id already: choose another."


class OrganizationNotFound(NotFound):
    """Only the command line names organizations freely, so this is no answer of the API."""

    code = "organization_not_found"
    default = "There is no organization with this id."


class FirstRun(NamedTuple):
    """The first credentials in an empty database, to be shown once."""

    organization_id: str
    user_id: str
    key: str


async def is_empty(tx: Transaction) -> bool:
    [[organizations_count]] = await tx.fetch(COUNT_ORGANIZATIONS, {})
    return bool(organizations_count == 0)


async def create_organization(tx: Transaction, id: str, name: str, owner: str | None) -> str:
    """Create an organization, with its first owner if one is named. Raises OrganizationExists."""
    try:
        [[key]] = await tx.fetch(INSERT_ORGANIZATION, {"id": id, "name": name, "now_ms": clock.now_ms()})
    except UniqueViolation:
        raise OrganizationExists() from None
    if owner is not None:
        await members.put(inside(tx, key, id), owner, MemberPut(Role.OWNER))
    return id


async def list_all(tx: Transaction, organization_id: str | None) -> list[dict[str, Any]]:
    """Return all organizations, or one, with their members and keys, without secrets. Raises OrganizationNotFound."""
    given = {"id": organization_id}
    found = {
        id: {"id": id, "name": name, "members": list[Any](), "keys": list[Any]()}
        for id, name in await tx.fetch(LIST_ORGANIZATIONS, given)
    }
    if organization_id is not None and not found:
        raise OrganizationNotFound()
    for id, user_id, role in await tx.fetch(LIST_MEMBERS, given):
        found[id]["members"].append({"userId": user_id, "role": role})
    for id, key_id, user_id, role, name in await tx.fetch(LIST_KEYS, given):
        found[id]["keys"].append({"id": key_id, "userId": user_id, "role": role, "name": name})
    return list(found.values())


async def create_member(tx: Transaction, organization_id: str, user_id: str, role: Role) -> Member:
    """Make the user a member, or change the member's role. Raises OrganizationNotFound or LastOwner."""
    scoped_tx = await find(tx, organization_id)
    result = await members.put(scoped_tx, user_id, MemberPut(role))
    member: Member = result.object
    return member


async def create_key(tx: Transaction, organization_id: str, user_id: str, role: Role, name: str | None) -> KeyCreated:
    """Create an API key. Raises OrganizationNotFound, or InvalidField for a role above the user's own."""
    scoped_tx = await find(tx, organization_id)
    result = await keys.create(scoped_tx, KeyCreate(user_id, role, name))
    created: KeyCreated = result.object
    return created


async def revoke_key(tx: Transaction, key_id: str) -> str:
    """Revoke a key wherever it is. Raises KeyNotFound."""
    await tx.fetch(HOLD_ORGANIZATION_OF_KEY, {"id": key_id})
    if not await tx.fetch(REVOKE_KEY, {"id": key_id}):
        raise KeyNotFound("There is no API key with this id.")
    return key_id


async def first_run(tx: Transaction, organization_id: str, user_id: str) -> FirstRun | None:
    """Create an organization, its owner and the owner's key in an empty database; None if it is not empty."""
    await tx.fetch(ONE_AT_A_TIME, {})
    if not await is_empty(tx):
        return None
    await create_organization(tx, organization_id, "My organization", user_id)
    created = await create_key(tx, organization_id, user_id, Role.OWNER, "first key")
    assert created.key is not None
    return FirstRun(organization_id, user_id, created.key)


async def find(tx: Transaction, organization_id: str) -> ScopedTransaction:
    found = await tx.fetch(FIND_ORGANIZATION, {"id": organization_id})
    if not found:
        raise OrganizationNotFound()
    [[organization]] = found
    return inside(tx, organization, organization_id)


def inside(tx: Transaction, organization: int, organization_id: str) -> ScopedTransaction:
    return ScopedTransaction(tx, make_scope(organization, organization_id, "", Role.OWNER, Credential.KEY))
