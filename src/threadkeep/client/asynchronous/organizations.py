"""`client.organizations`: tenants, their members, keys and usage."""

from typing import Literal, Unpack

from msgspec import UNSET

from threadkeep.client.answers import Page
from threadkeep.client.asynchronous.connection import AsyncConnection
from threadkeep.client.asynchronous.lists import AsyncList
from threadkeep.client.calls import delete, path, post, put, query, read
from threadkeep.client.fields import Tag, body_of
from threadkeep.client.given import KeyFields, ListFilters, OrganizationChanges, UsageFilters
from threadkeep.contract.answers import Deleted
from threadkeep.contract.organizations import (
    Key,
    KeyCreate,
    KeyCreated,
    Member,
    MemberDeleted,
    MemberPut,
    Organization,
    OrganizationUpdate,
)
from threadkeep.contract.usage import Usage
from threadkeep.scope import Role

RoleName = Role | Literal["member", "admin", "owner"]
# How often a key is created again because its secret was lost on the way.
LOST_KEYS_MAX = 3


class AsyncOrganizations:
    """Organizations are created on the command line: `threadkeep admin create-organization`."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self.members = AsyncMembers(connection)
        self.keys = AsyncKeys(connection)

    async def retrieve(self, organization_id: str) -> Organization:
        """Read an organization. Raises OrganizationAccessDenied whether it exists or not, for one that is not yours."""
        return await self._connection.call(read(path("organizations", organization_id)), Organization)

    async def update(
        self,
        organization_id: str,
        *,
        if_match: Tag = UNSET,
        idempotency_key: str | None = None,
        **fields: Unpack[OrganizationChanges],
    ) -> Organization:
        """Rename an organization; for owners."""
        body = body_of(OrganizationUpdate, fields)
        call = post(path("organizations", organization_id), body, idempotency_key=idempotency_key, if_match=if_match)
        return await self._connection.call(call, Organization)

    async def delete(self, organization_id: str, *, if_match: Tag = UNSET) -> Deleted:
        """Delete an organization with everything in it, the key of this call too; for owners.

        It is not sent again when its outcome is unknown: after a success, its own credential would be refused.
        """
        call = delete(path("organizations", organization_id), if_match=if_match, repeats=False)
        return await self._connection.call(call, Deleted)

    async def usage(
        self,
        organization_id: str,
        **filters: Unpack[UsageFilters],
    ) -> Usage:
        """Read what the organization's responses used from one day to another, both included (UTC, 2026-01-31)."""
        parameters = query(**filters)
        return await self._connection.call(read(path("organizations", organization_id, "usage"), parameters), Usage)


class AsyncMembers:
    """The members of an organization, and their roles."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    def list(
        self,
        organization_id: str,
        **places: Unpack[ListFilters],
    ) -> AsyncList[Member]:
        """List the members; for admins."""
        parameters = query(**places)
        call = read(path("organizations", organization_id, "members"), parameters)
        return AsyncList(self._connection, call, Page[Member])

    async def put(self, organization_id: str, user_id: str, *, role: RoleName, if_match: Tag = UNSET) -> Member:
        """Make a user a member, or change the member's role; for owners. Raises LastOwner."""
        body = body_of(MemberPut, {"role": role})
        call = put(path("organizations", organization_id, "members", user_id), body, if_match=if_match)
        return await self._connection.call(call, Member)

    async def delete(
        self,
        organization_id: str,
        user_id: str,
        *,
        threads: Literal["keep", "delete"] | None = None,
        if_match: Tag = UNSET,
    ) -> MemberDeleted:
        """Remove a member and revoke the user's keys; for owners. `threads="delete"` erases the user's threads too.

        If the call was sent several times, `threads_deleted` counts those of the last attempt only.
        """
        receipt = {
            "userId": user_id,
            "object": "organization.member.deleted",
            "deleted": True,
            "threadsDeleted": 0,
        }
        at = path("organizations", organization_id, "members", user_id)
        call = delete(at, receipt=receipt, if_match=if_match, parameters=query(threads=threads))
        return await self._connection.call(call, MemberDeleted)


class AsyncKeys:
    """API keys of an organization."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def create(
        self,
        organization_id: str,
        *,
        idempotency_key: str | None = None,
        **fields: Unpack[KeyFields],
    ) -> KeyCreated:
        """Create an API key; for owners. Its secret is in `key`, this once.

        If the answer is lost, so is the secret: the key is then deleted and another one made. With an
        `idempotency_key` of the caller's it is kept, and `key` is None.
        """
        body = body_of(KeyCreate, fields)
        at = path("organizations", organization_id, "keys")
        for _ in range(LOST_KEYS_MAX):
            created = await self._connection.call(post(at, body, idempotency_key=idempotency_key), KeyCreated)
            if created.key is not None or idempotency_key is not None:
                break
            await self.delete(organization_id, created.id)
        return created

    def list(
        self,
        organization_id: str,
        **places: Unpack[ListFilters],
    ) -> AsyncList[Key]:
        """List the keys, without their secrets; for admins."""
        parameters = query(**places)
        call = read(path("organizations", organization_id, "keys"), parameters)
        return AsyncList(self._connection, call, Page[Key])

    async def delete(self, organization_id: str, key_id: str, *, if_match: Tag = UNSET) -> Deleted:
        """Revoke a key; for owners. Every process of the server refuses it within 10 seconds."""
        receipt = {"id": key_id, "object": "organization.key.deleted", "deleted": True}
        call = delete(path("organizations", organization_id, "keys", key_id), receipt=receipt, if_match=if_match)
        return await self._connection.call(call, Deleted)
