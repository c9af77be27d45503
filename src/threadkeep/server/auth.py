"""Authentication: turns a credential into a Caller, and a Caller in the request's organization into a Scope."""

import math
from dataclasses import dataclass, field

from threadkeep import clock, ids
from threadkeep.contract.organizations import User, UserOrganization
from threadkeep.database.driver import Database
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.errors import (
    InsufficientPermissions,
    InvalidCredentials,
    InvalidParameter,
    MissingAuthentication,
    OrganizationAccessDenied,
    OrganizationRequired,
)
from threadkeep.operations.organizations import keys, organizations
from threadkeep.operations.organizations.credentials import (
    Membership,
    find_key,
    find_made_for_user,
    find_memberships,
    judge,
)
from threadkeep.operations.organizations.tokens import UserToken
from threadkeep.scope import Credential, Role, Scope, make_scope
from threadkeep.server.tokens import TokenVerifier, Verified

CACHE_ENTRIES_MAX = 20_000
KEY_HEADERS = (b"x-api-key", b"api-key")
KEY_PREFIX = keys.PREFIX.encode()


@dataclass(slots=True)
class Caller:
    """A verified credential: its kind, its user, and the organizations that it gives access to."""

    credential: Credential
    rate_id: str
    memberships: list[Membership]
    fresh_until_s: float
    # When a token expires, by the monotonic clock; keys never do.
    expires_s: float = math.inf
    # Scopes that were made already, by organization id and X-User-Id; valid as long as this caller.
    scopes: dict[tuple[str | None, bytes | None], Scope] = field(default_factory=dict)
    # By organization id and strictness.
    standings: dict[tuple[str | None, bool], "CallerStanding"] = field(default_factory=dict)
    # Whether this is one person, not a program that speaks for many.
    is_person: bool = field(init=False)

    def __post_init__(self) -> None:
        self.is_person = self.credential is Credential.TOKEN or self.memberships[0].role is Role.MEMBER

    def scope(self, organization_id: str | None, acting_for: bytes | None) -> Scope:
        """Return the scope in an organization (None: the only one), for another user if `acting_for` is given.

        Raises OrganizationAccessDenied, OrganizationRequired, InsufficientPermissions, or InvalidParameter.
        """
        known = self.scopes.get((organization_id, acting_for))
        if known is not None:
            return known
        membership = self._membership(organization_id)
        user_id, role = membership.user_id, membership.role
        if acting_for is not None:
            user_id, role = self._acting(acting_for, role)
        scope = make_scope(
            membership.organization,
            membership.organization_id,
            user_id,
            role,
            self.credential,
            is_product_user=acting_for is not None or bool(membership.generation),
            key_id=membership.key_id if self.credential is Credential.KEY else "",
            maker_id=membership.key_id if self.credential is Credential.TOKEN else "",
            generation=membership.generation,
            retention_days=membership.retention_days,
        )
        if len(self.scopes) < CACHE_ENTRIES_MAX:
            self.scopes[organization_id, acting_for] = scope
        return scope

    def standing(self, organization_id: str | None, *, is_strict: bool) -> "CallerStanding":
        """Return the key or membership that a request in this organization depends on."""
        standing = self.standings.get((organization_id, is_strict))
        if standing is None:
            standing = CallerStanding(self, self._membership(organization_id), is_strict)
            self.standings[organization_id, is_strict] = standing
        return standing

    def user(self, organization_id: str | None, acting_for: bytes | None) -> User:
        """Return who is calling, with all organizations or with the named one.

        Raises OrganizationAccessDenied, InsufficientPermissions, or InvalidParameter.
        """
        named = self.memberships if organization_id is None else [self._membership(organization_id)]
        opened = [UserOrganization(each.organization_id, each.name, each.role) for each in named]
        # Only a person's token can be without a membership; its `rate_id` is the user id.
        user_id = named[0].user_id if named else self.rate_id
        if acting_for is not None:
            # Refuses a token without memberships too.
            user_id, role = self._acting(acting_for, named[0].role if named else Role.MEMBER)
            opened = [UserOrganization(each.organization_id, each.name, role) for each in named]
        return User(user_id, "user", self.credential, opened)

    def _membership(self, organization_id: str | None) -> Membership:
        if organization_id is None:
            if len(self.memberships) != 1:
                raise OrganizationRequired(param="organizationId")
            return self.memberships[0]
        for membership in self.memberships:
            if membership.organization_id == organization_id:
                return membership
        raise OrganizationAccessDenied(param="organizationId")

    def _acting(self, acting_for: bytes, role: Role) -> tuple[str, Role]:
        if self.credential is not Credential.KEY or role is Role.MEMBER:
            raise InsufficientPermissions("Only API keys of admins and owners may send X-User-Id.", param="X-User-Id")
        user_id = acting_for.decode("latin-1")
        if not ids.OPAQUE.fullmatch(user_id):
            raise InvalidParameter("X-User-Id is a user id: 1 to 128 of A-Z a-z 0-9 _ . : @ | -", param="X-User-Id")
        return user_id, Role.MEMBER


class CallerStanding:
    """The key or membership that a request began with, and until when it counts without another check."""

    __slots__ = ("_caller", "_membership", "is_strict")

    def __init__(self, caller: Caller, membership: Membership, is_strict: bool) -> None:
        self._caller = caller
        self._membership = membership
        self.is_strict = is_strict

    @property
    def counts_until_s(self) -> float:
        return self._caller.fresh_until_s

    async def judge(self, tx: ScopedTransaction) -> None:
        """Check it again. Raises InvalidCredentials, OrganizationAccessDenied or InsufficientPermissions."""
        if self.is_strict:
            # Locks the organization: a revocation has either committed before, or waits for this transaction's end.
            await organizations.hold(tx)
        if clock.monotonic_s() > self._caller.expires_s:
            raise InvalidCredentials()
        await judge(tx, self._membership)


class Authenticator:
    """Verifies credentials and caches them, only for a few seconds so that a revoked one is refused in time."""

    def __init__(self, database: Database, tokens: TokenVerifier, cache_s: float) -> None:
        self._database = database
        self._tokens = tokens
        self._cache_s = cache_s
        self._callers: dict[bytes, Caller] = {}

    def sign(self, token: UserToken) -> str:
        """Sign a token that a key makes for a user."""
        return self._tokens.sign(token)

    async def caller(self, headers: dict[bytes, bytes]) -> Caller:
        """Return who sent these headers. Raises MissingAuthentication or InvalidCredentials."""
        credential = find_credential(headers)
        return self._remembered(credential) or await self._verify(credential)

    def remembered(self, headers: dict[bytes, bytes]) -> Caller | None:
        """Return who sent these headers, or None if not in the cache or if they hold not exactly one credential."""
        key, authorization = headers.get(b"x-api-key"), headers.get(b"authorization")
        if b"api-key" in headers or (key is None) == (authorization is None):
            return None
        if key is not None:
            return self._remembered(key) if key.startswith(KEY_PREFIX) else None
        assert authorization is not None
        return self._remembered(authorization[7:]) if authorization.startswith(b"Bearer ") else None

    def _remembered(self, credential: bytes) -> Caller | None:
        caller = self._callers.get(credential)
        return caller if caller is not None and caller.fresh_until_s > clock.monotonic_s() else None

    def forget(self) -> None:
        """Empty the cache, so that every credential is verified again: some may just have been revoked."""
        for caller in self._callers.values():
            # Requests under way still hold the caller: they must check again too.
            caller.fresh_until_s = 0.0
        self._callers.clear()

    async def _verify(self, credential: bytes) -> Caller:
        self._callers.pop(credential, None)
        fresh_until_s = clock.monotonic_s() + self._cache_s
        text = credential.decode("latin-1")
        if text.startswith(keys.PREFIX):
            found = await self._database.read(find_key, text) if keys.is_well_formed(text) else None
            if found is None:
                raise InvalidCredentials()
            caller = Caller(Credential.KEY, found.key_id, [found], fresh_until_s)
        else:
            said = await self._tokens.verify(text)
            expires_s = clock.monotonic_s() + said.valid_for_s
            rate_id, memberships = await self._opened_by(said)
            caller = Caller(Credential.TOKEN, rate_id, memberships, min(fresh_until_s, expires_s), expires_s)
        if len(self._callers) >= CACHE_ENTRIES_MAX:
            self._callers.clear()
        self._callers[credential] = caller
        return caller

    async def _opened_by(self, said: Verified) -> tuple[str, list[Membership]]:
        """Return what a token opens, and under which name its requests are counted. Raises InvalidCredentials."""
        if not said.key_id:
            return said.user_id, await self._database.read(find_memberships, said.user_id)
        found = await self._database.read(find_made_for_user, said.user_id, said.key_id, said.generation)
        if found is None:
            raise InvalidCredentials()
        # Any organization may name any user: it must not use up what people with that user id may send.
        return f"{found.organization_id}/{said.user_id}", [found]


def find_credential(headers: dict[bytes, bytes]) -> bytes:
    """Return the key or token that was sent; several are accepted if they are the same."""
    found = {headers[name].strip() for name in KEY_HEADERS if name in headers} - {b""}
    if any(not each.startswith(KEY_PREFIX) for each in found):
        raise InvalidCredentials("X-API-Key takes an API key; a user token goes into Authorization: Bearer ….")
    authorization = headers.get(b"authorization")
    if authorization is not None:
        scheme, _, credential = authorization.partition(b" ")
        if scheme.lower() != b"bearer":
            raise InvalidCredentials("Authorization takes a Bearer token: Authorization: Bearer ….")
        found.add(credential.strip())
    if not found - {b""}:
        raise MissingAuthentication()
    if len(found) > 1:
        raise InvalidCredentials("Several different credentials were sent: send one.")
    return found.pop()
