"""Tokens with which a product's own users call: an API key makes them, and they count no longer than it does.

A token is not stored. What is stored is the generation of its user's tokens, which removing the user deletes.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from threadkeep import clock
from threadkeep.contract.organizations import TokenCreate, TokenCreated
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.database.statement import scoped
from threadkeep.errors import InsufficientPermissions
from threadkeep.ids import new_id

GENERATION = "gen"

# Of two generations, the one that is there stays: tokens that were made before go on to count.
KEEP = scoped("""
    insert into token_users (organization, user_id, generation, expires_ms)
    values (:organization, :user_id, :generation, :expires_ms)
    on conflict (organization, user_id) do update set
        expires_ms = case when token_users.expires_ms < excluded.expires_ms then excluded.expires_ms
            else token_users.expires_ms end
    returning generation
    """)

READ = scoped("select u.generation from token_users u where u.organization = :organization and u.user_id = :user_id")

REVOKE = scoped("delete from token_users where organization = :organization and user_id = :user_id returning user_id")


class UserToken(NamedTuple):
    """What such a token says: for whom, by which key, which of the user's generations, and until when."""

    user_id: str
    key_id: str
    generation: str
    expires_s: int


Sign: TypeAlias = Callable[[UserToken], str]


async def create(tx: ScopedTransaction, sign: Sign, body: TokenCreate) -> TokenCreated:
    """Make a token for any user id: it opens the key's organization alone, as a member. Only keys may."""
    if not tx.scope.key_id:
        raise InsufficientPermissions("Only API keys of admins and owners make tokens for users.")
    expires_s = clock.now_ms() // 1000 + body.expires_in
    [[generation]] = await tx.fetch(
        KEEP, user_id=body.user_id, generation=new_id(GENERATION), expires_ms=expires_s * 1000
    )
    token = sign(UserToken(body.user_id, tx.scope.key_id, generation, expires_s))
    return TokenCreated(token, expires_s, body.user_id, tx.scope.organization_id)


async def counts(tx: ScopedTransaction, user_id: str, generation: str) -> bool:
    """Return whether the user's tokens of this generation still count: the user was not removed since."""
    return [kept for (kept,) in await tx.fetch(READ, user_id=user_id)] == [generation]


async def revoke(tx: ScopedTransaction, user_id: str) -> bool:
    """Refuse all tokens that the user has, and return whether there may be some."""
    return bool(await tx.fetch(REVOKE, user_id=user_id))
