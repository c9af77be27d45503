"""Who is calling: the organization, the user, the role and the kind of credential of one request."""

import enum
from dataclasses import dataclass


class Role(enum.StrEnum):
    """What a member or key may do: `member` has its own threads, `admin` all of the organization, `owner` also
    members, keys and the organization itself.
    """

    MEMBER = "member"
    ADMIN = "admin"
    OWNER = "owner"

    @property
    def rank(self) -> int:
        return ("member", "admin", "owner").index(self.value)


class Credential(enum.StrEnum):
    """An API key, or the token of a signed-in person."""

    KEY = "key"
    TOKEN = "token"


@dataclass(frozen=True, slots=True)
class Scope:
    """What a caller may see. A member sees their own threads; admins and owners all of the organization."""

    organization: int
    organization_id: str
    user_id: str
    role: Role
    credential: Credential
    is_admin: bool
    # Only this user's threads are visible; None for an admin. SQL statements compare with it.
    member: str | None
    # Whether one person is calling: signed in, or named by X-User-Id. A key without that header is a program.
    is_person: bool = False
    # Whether that person is one of a product's own users: a key speaks for them with X-User-Id, or made their token.
    is_product_user: bool = False
    # The API key that was sent; empty for a token.
    key_id: str = ""
    # Of a token that a key made for a user: that key, and the generation of the user's tokens.
    maker_id: str = ""
    generation: str = ""
    # For how many days the organization keeps a new thread; None means for ever.
    retention_days: int | None = None

    @property
    def is_one_user(self) -> bool:
        """Whether the caller is one user and nobody else: a person, or a program that sees one user's threads."""
        return self.is_person or self.member is not None


def make_scope(
    organization: int,
    organization_id: str,
    user_id: str,
    role: Role,
    credential: Credential,
    *,
    is_product_user: bool = False,
    key_id: str = "",
    maker_id: str = "",
    generation: str = "",
    retention_days: int | None = None,
) -> Scope:
    """Return the scope of a caller."""
    is_admin = role is not Role.MEMBER
    member = None if is_admin else user_id
    is_person = is_product_user or credential is Credential.TOKEN
    return Scope(
        organization,
        organization_id,
        user_id,
        role,
        credential,
        is_admin,
        member,
        is_person,
        is_product_user,
        key_id,
        maker_id,
        generation,
        retention_days,
    )


def system_scope(organization: int, organization_id: str = "") -> Scope:
    """Return the scope of the service itself within one organization, for background work."""
    return make_scope(organization, organization_id, "", Role.OWNER, Credential.KEY)
