"""Organizations, their members and keys, and who is calling."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from threadkeep.contract.basis import Body, Name, Object, Seconds, UserId
from threadkeep.scope import Credential, Role


class Organization(Object):
    """A tenant: everything belongs to exactly one."""

    id: str
    object: Literal["organization"]
    created_at: Seconds
    updated_at: Seconds
    name: str


class UserOrganization(Object):
    """An organization that the caller's credential opens, and as what."""

    id: str
    name: str
    role: Role


class User(Object):
    """Who is calling. `credential` says with what: an API `key`, or the `token` of a signed-in person."""

    id: str
    object: Literal["user"]
    credential: Credential
    organizations: list[UserOrganization]


class OrganizationUpdate(Body):
    """What may change in an organization."""

    name: Name | UnsetType = UNSET


class Member(Object):
    """A user's place in an organization."""

    object: Literal["organization.member"]
    organization_id: str
    user_id: str
    role: Role
    created_at: Seconds
    updated_at: Seconds


class MemberPut(Body):
    """The role that a member gets."""

    role: Role


class MemberDeleted(Object):
    """The receipt for the removal of a member."""

    user_id: str
    object: Literal["organization.member.deleted"]
    deleted: Literal[True]
    threads_deleted: Annotated[int, Meta(ge=0)]


class Key(Object):
    """An API key, without its secret."""

    id: str
    object: Literal["organization.key"]
    created_at: Seconds
    organization_id: str
    user_id: str
    role: Role
    name: str | None


class KeyCreated(Key):
    """A new API key. `key` is shown this once; a replayed answer has null in its place."""

    key: str | None


class KeyCreate(Body):
    """A new API key: for which user id, with which role."""

    user_id: UserId
    role: Role
    name: Annotated[str, Meta(max_length=256)] | None = None
