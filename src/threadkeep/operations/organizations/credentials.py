"""Finds who a credential belongs to. These statements cross organizations: the caller is not known yet."""

from typing import NamedTuple

from threadkeep.database.driver import Row, Transaction
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.database.statement import everywhere
from threadkeep.errors import InsufficientPermissions, InvalidCredentials, OrganizationAccessDenied
from threadkeep.operations.organizations import keys, members, tokens
from threadkeep.operations.organizations.keys import hash_secret
from threadkeep.scope import Role, system_scope

FIND_KEY = everywhere("""
    select o.key, o.id, o.name, k.user_id, k.role, k.id, o.retention_days from api_keys k
    join organizations o on o.key = k.organization and o.deleted_ms is null
    where k.secret_hash = :secret_hash
    """)

FIND_MAKER = everywhere("""
    select o.key, o.id, o.name, k.role, o.retention_days from api_keys k
    join organizations o on o.key = k.organization and o.deleted_ms is null
    where k.id = :key_id
    """)

FIND_MEMBERSHIPS = everywhere("""
    select o.key, o.id, o.name, m.user_id, m.role, '', o.retention_days from members m
    join organizations o on o.key = m.organization and o.deleted_ms is null
    where m.user_id = :user_id
    order by o.id limit :limit
    """)

MEMBERSHIPS_MAX = 1000


class Membership(NamedTuple):
    """One organization that a credential opens, and the role in it."""

    organization: int
    organization_id: str
    name: str
    user_id: str
    role: Role
    # The API key, also the one that made a token for a product's user; empty for a member.
    key_id: str
    retention_days: int | None
    # Which of the user's tokens it is, if it is such a token.
    generation: str = ""


async def find_key(tx: Transaction, secret: str) -> Membership | None:
    for row in await tx.fetch(FIND_KEY, {"secret_hash": hash_secret(secret)}):
        return membership_of(row)
    return None


async def find_memberships(tx: Transaction, user_id: str) -> list[Membership]:
    rows = await tx.fetch(FIND_MEMBERSHIPS, {"user_id": user_id, "limit": MEMBERSHIPS_MAX})
    return [membership_of(row) for row in rows]


async def find_made_for_user(tx: Transaction, user_id: str, key_id: str, generation: str) -> Membership | None:
    """Return what a token opens that this key made for a user, as long as both count: a member's rights."""
    for organization, organization_id, name, role, retention_days in await tx.fetch(FIND_MAKER, {"key_id": key_id}):
        inside = ScopedTransaction(tx, system_scope(organization, organization_id))
        if may_make_tokens(Role(role)) and await tokens.counts(inside, user_id, generation):
            return Membership(
                organization, organization_id, name, user_id, Role.MEMBER, key_id, retention_days, generation
            )
    return None


def may_make_tokens(role: Role) -> bool:
    """Return whether a key with this role may; tokens of one that was lowered since are refused."""
    return role.rank >= Role.ADMIN.rank


async def judge(tx: ScopedTransaction, membership: Membership) -> None:
    """Check that the key or the member still exists, with the same role or a higher one.

    Raises InvalidCredentials, OrganizationAccessDenied or InsufficientPermissions.
    """
    if membership.generation:
        maker = await tx.fetch_one(keys.READ, key_id=membership.key_id)
        if maker is None or not may_make_tokens(keys.key_of(maker, tx.scope).role):
            raise InvalidCredentials()
        if not await tokens.counts(tx, membership.user_id, membership.generation):
            raise InvalidCredentials()
        return
    if membership.key_id:
        key = await tx.fetch_one(keys.READ, key_id=membership.key_id)
        if key is None:
            raise InvalidCredentials()
        role = keys.key_of(key, tx.scope).role
    else:
        member = await members.find(tx, membership.user_id)
        if member is None:
            raise OrganizationAccessDenied(param="organizationId")
        role = Role(member.role)
    if role.rank < membership.role.rank:
        raise InsufficientPermissions("The role of this credential was lowered: send the request again.")


def membership_of(row: Row) -> Membership:
    organization, organization_id, name, user_id, role, key_id, retention_days = row
    return Membership(organization, organization_id, name, user_id, Role(role), key_id, retention_days)
