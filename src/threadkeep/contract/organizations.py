"""Organizations, their members and keys, and who is calling."""

from typing import Annotated, Literal, TypeAlias

from msgspec import UNSET, Meta, UnsetType

from threadkeep.contract.basis import (
    Body,
    Count,
    Name,
    Object,
    OrganizationId,
    OrganizationQuery,
    Revised,
    Seconds,
    UserId,
)
from threadkeep.contract.limits import RETENTION_DAYS_MAX
from threadkeep.scope import Credential, Role

RetentionDays: TypeAlias = Annotated[int, Meta(ge=1, le=RETENTION_DAYS_MAX, examples=[90])]


class Organization(Revised):
    """A tenant: everything belongs to exactly one."""

    id: Annotated[str, Meta(examples=["ORG_acme"])]
    object: Literal["organization"]
    created_at: Seconds
    updated_at: Seconds
    name: str
    retention_days: RetentionDays | None
    """For how many days a new thread is kept, counted anew with each message; null means for ever."""


class UserOrganization(Object):
    """An organization that the caller's credential opens, and the role in it."""

    id: Annotated[str, Meta(examples=["ORG_acme"])]
    name: str
    role: Role
    """The caller's role in it."""


class User(Object):
    """Who is calling. `credential` is an API `key`, or the `token` of a signed-in person."""

    id: Annotated[str, Meta(examples=["uid_lea"])]
    """The caller's user id."""
    object: Literal["user"]
    credential: Annotated[Credential, Meta(examples=["token"])]
    """The kind of credential: an API key, or the token of a signed-in person."""
    organizations: list[UserOrganization]
    """The organizations that the credential opens."""


class OrganizationUpdate(Body):
    """What may change in an organization."""

    name: Annotated[Name, Meta(examples=["Acme Ltd."])] | UnsetType = UNSET
    retention_days: RetentionDays | UnsetType | None = UNSET
    """For new threads; those that are there keep theirs."""


class Member(Revised):
    """A user's place in an organization."""

    object: Literal["organization.member"]
    organization_id: str
    user_id: str
    """The member."""
    role: Role
    """What the user may do."""
    created_at: Seconds
    updated_at: Seconds


class MemberPut(Body):
    """The role that a member gets."""

    role: Role


class MemberDeleted(Object):
    """The receipt for the removal of a member."""

    user_id: str
    """Who was removed."""
    object: Literal["organization.member.deleted"]
    deleted: Literal[True]
    threads_deleted: Count
    """How many threads were deleted."""


class Key(Revised):
    """An API key, without its secret."""

    id: Annotated[str, Meta(examples=["key_01m8354jyveqna80azmb6w12g9"])]
    object: Literal["organization.key"]
    created_at: Seconds
    organization_id: str
    user_id: str
    """The user that the key acts as."""
    role: Role
    """What the key may do."""
    name: Annotated[str, Meta(examples=["backend"])] | None


class KeyCreated(Key):
    """A new API key. `key` is shown this once; a replayed answer has null in its place."""

    key: Annotated[str, Meta(examples=["tk_…"])] | None
    """The secret. Shown this once; null in a replayed answer."""


class KeyCreate(Body):
    """A new API key: for which user id, with which role."""

    user_id: UserId
    role: Role
    name: Annotated[str, Meta(max_length=256, examples=["backend"])] | None = None


class TokenCreate(Body):
    """A new token for one of a product's own users."""

    user_id: UserId
    """For whom: any user id of yours, no member is needed."""
    expires_in: Annotated[int, Meta(ge=60, le=86_400, examples=[900])] = 3600
    """For how many seconds it counts."""
    organization_id: OrganizationId | UnsetType = UNSET
    """The key's own, if it is named at all."""


class TokenCreated(Object):
    """A token that stands for the user, as a member. It is shown this once."""

    token: Annotated[str, Meta(examples=["eyJ…"])]
    """For `Authorization: Bearer`. It opens this organization alone."""
    expires_at: Annotated[Seconds, Meta(examples=[1_795_415_328])]
    """Until when it counts, in Unix seconds, UTC."""
    user_id: str
    """For whom it stands."""
    organization_id: Annotated[str, Meta(examples=["ORG_acme"])]
    """The organization that it opens."""


class MemberDeleteQuery(OrganizationQuery, frozen=True):
    """What happens to a removed member's threads."""

    threads: Literal["keep", "delete"] = "keep"
    """What happens to the user's threads."""
