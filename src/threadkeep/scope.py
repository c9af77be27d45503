"""Who is calling: the organization, the user, the role and the kind of credential of one request."""

import enum
from dataclasses import dataclass


class Role(enum.StrEnum):
    MEMBER = "member"
    ADMIN = "admin"
    OWNER = "owner"

    @property
    def rank(self) -> int:
        return ("member", "admin", "owner").index(self.value)


class Credential(enum.StrEnum):
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
    # The user id to which threads are restricted, or None for an admin; statements compare with it.
    member: str | None


def make_scope(organization: int, organization_id: str, user_id: str, role: Role, credential: Credential) -> Scope:
    is_admin = role is not Role.MEMBER
    return Scope(organization, organization_id, user_id, role, credential, is_admin, None if is_admin else user_id)
