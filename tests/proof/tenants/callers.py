"""Everybody who may call: strangers, colleagues, those above, and those whose credential does not count."""

import asyncio
import time
from dataclasses import dataclass
from typing import Any, NamedTuple

import jwt

from proof.tenants.worlds import World, make_world
from support.cast import Caller
from support.people import People
from support.server import SECRET

CLAIMS = {"iss": "threadkeep", "aud": "threadkeep"}
WRONG_SECRET = "another-text-of-many-characters-that-has-signed-nothing-here-ever"
REFUSED = "401 invalid_credentials"


@dataclass
class Kind:
    """One kind of caller; `world` is their own, made with the help of the `owner` of their organization."""

    name: str
    who: Caller
    role: str
    is_key: bool
    world: World
    owner: Caller


@dataclass
class Everybody:
    victim: World
    strangers: list[Kind]
    colleagues: list[Kind]
    above: list[Kind]
    # By their names: the caller, and what whoever calls so gets where no organization is named, and where one is.
    outside: dict[str, tuple[Caller, str, str]]
    # Two backends and a colleague's that say they are the same user.
    twins: tuple[Caller, Caller, Caller]


async def make_everybody(people: People) -> Everybody:
    owner, stranger = await asyncio.gather(
        people.owner("ORG_VICTIM", "uid_victim_owner"), people.owner("ORG_STRANGER", "uid_stranger_owner")
    )
    victim, colleague, admin, their_member, removed = await asyncio.gather(
        people.member(owner, "uid_victim"),
        people.member(owner, "uid_colleague"),
        people.member(owner, "uid_admin", "admin"),
        people.member(stranger, "uid_stranger"),
        people.member(owner, "uid_removed"),
    )
    worlds = await asyncio.gather(
        make_world(owner, victim, "canaryvictim", lives=True),
        make_world(owner, colleague, "canarycolleague"),
        make_world(stranger, stranger, "canarystranger"),
        make_world(stranger, their_member, "canarytheirs"),
    )
    await owner.update_organization(name="organization canaryoforgvictim")
    product = await make_product_users(people, owner, stranger)
    of_victim, of_colleague, of_stranger, of_their_member = worlds
    of_colleague.foreign = {"canaryvictim"}
    foreign = {"canaryvictim", "canarycolleague", "canaryoforgvictim", "canaryadmin"}
    of_stranger.foreign = of_their_member.foreign = foreign
    for kind in product.strangers:
        kind.world.foreign = foreign
    for kind in product.colleagues:
        kind.world.foreign = {"canaryvictim", "canarycolleague"}
    return Everybody(
        of_victim,
        [
            Kind("the owner of another organization", stranger, "owner", True, of_stranger, stranger),
            Kind(
                "the owner of another organization, with a token",
                stranger.with_token(),
                "owner",
                False,
                of_stranger,
                stranger,
            ),
            Kind("a member of another organization", their_member, "member", True, of_their_member, stranger),
            Kind(
                "a member of another, with a token",
                their_member.with_token(),
                "member",
                False,
                of_their_member,
                stranger,
            ),
            *product.strangers,
        ],
        [
            Kind("a colleague", colleague, "member", True, of_colleague, owner),
            Kind("a colleague with a token", colleague.with_token(), "member", False, of_colleague, owner),
            *product.colleagues,
        ],
        [
            Kind("the user", victim, "member", True, of_victim, owner),
            Kind("the user with a token", victim.with_token(), "member", False, of_victim, owner),
            Kind("a backend that acts for the user", owner.as_user("uid_victim"), "member", True, of_victim, owner),
            Kind(
                "the user by a token that a key made",
                await people.product_user(owner, "uid_victim"),
                "member",
                False,
                of_victim,
                owner,
            ),
            Kind("an admin", admin, "admin", True, of_victim, owner),
            Kind("an admin with a token", admin.with_token(), "admin", False, of_victim, owner),
            Kind("the owner", owner, "owner", True, of_victim, owner),
            Kind("the owner with a token", owner.with_token(), "owner", False, of_victim, owner),
        ],
        await make_outside(people, owner, removed),
        await make_twins(owner, stranger),
    )


class ProductUsers(NamedTuple):
    """Callers with tokens that keys made: none of them may do more than a member, whoever a member's id they have."""

    strangers: list[Kind]
    colleagues: list[Kind]


async def make_product_users(people: People, owner: Caller, stranger: Caller) -> ProductUsers:
    async def kind(name: str, key: Caller, user: str, canary: str) -> Kind:
        who = await people.product_user(key, user)
        return Kind(name, who, "member", False, await make_world(key, who, canary), key)

    return ProductUsers(
        [await kind("a token of another product for the owner's id", stranger, "uid_victim_owner", "canarytheirs")],
        [
            await kind("another user by a token that a key made", owner, "uid_of_the_product", "canaryproduct"),
            await kind("an admin by a token that a key made", owner, "uid_admin", "canaryadmin"),
        ],
    )


async def make_outside(people: People, owner: Caller, removed: Caller) -> dict[str, tuple[Caller, str, str]]:
    revoked = await owner.create_key(userId="uid_victim", role="member")
    await owner.delete_key(revoked)
    await owner.delete_member(removed.user)
    tokens = {
        "an expired token": token(exp=time.time() - 60),
        "a token that never expires": token(exp=None),
        "a token for another audience": token(aud="another-service"),
        "a token for nobody in particular": token(aud=None),
        "a token of another issuer": token(iss="another-issuer"),
        "a token that somebody else signed": token(secret=WRONG_SECRET),
        "a token that nobody signed": jwt.encode({**CLAIMS, "sub": "uid_victim_owner", "exp": 2**40}, "", "none"),
    }
    made = await make_outside_product(people, owner)
    nobody = owner.with_credential()
    return {
        "nobody": (nobody, "401 missing_authentication", "401 missing_authentication"),
        "a revoked key": (owner.with_key(revoked.key), REFUSED, REFUSED),
        "the key of a removed member": (removed, REFUSED, REFUSED),
        "a removed member's token": (
            removed.with_token(), "400 organization_required", "403 organization_access_denied"
        ),
        **{name: (owner.with_token(text), REFUSED, REFUSED) for name, text in {**tokens, **made}.items()},
    }  # fmt: skip


async def make_outside_product(people: People, owner: Caller) -> dict[str, str]:
    """Make tokens for the victim that keys made, and that do not count any more or never did."""
    revoked, lowered = [await owner.create_key(userId=f"uid_key_{n}", role="admin") for n in range(2)]
    by_revoked, by_lowered = [
        str((await people.product_user(owner.with_key(key.key), "uid_victim")).token) for key in (revoked, lowered)
    ]
    gone = str((await people.product_user(owner, "uid_gone")).token)
    await owner.delete_key(revoked)
    await owner.put_member("uid_key_1", "member")
    await owner.delete_member("uid_gone")
    # Those that are made afterwards count, and bring none back.
    await people.product_user(owner, "uid_gone")
    said = jwt.decode((await people.product_user(owner, "uid_victim")).token, options={"verify_signature": False})
    head, _, signature = by_revoked.split(".")
    edited = token(**{**said, "sub": "uid_victim_owner"}).split(".")[1]
    return {
        "a token of a revoked key": by_revoked,
        "a token of a key that was lowered": by_lowered,
        "a token of a user who was removed": gone,
        "a user's token whose text was edited": f"{head}.{edited}.{signature}",
        "a user's token that has expired": token(**{**said, "exp": time.time() - 60}),
        "a user's token for somebody else": token(**{**said, "sub": "uid_gone"}),
        "a user's token in the name of another key": token(**{**said, "key": lowered.id}),
        "a user's token that somebody else signed": token(**said, secret=WRONG_SECRET),
        "a user's token that nobody signed": jwt.encode(said, "", "none"),
        "a user's token without a key": token(**{**said, "key": None}),
        "a person's token for a product's users": token(aud="threadkeep-users"),
    }


def token(*, secret: str = SECRET, **claims: Any) -> str:
    """Sign what the owner's own token says, but for these claims; None leaves one out."""
    said = {**CLAIMS, "sub": "uid_victim_owner", "iat": int(time.time()), "exp": int(time.time()) + 600, **claims}
    return jwt.encode({name: value for name, value in said.items() if value is not None}, secret, "HS256")


async def make_twins(owner: Caller, stranger: Caller) -> tuple[Caller, Caller, Caller]:
    """Make keys of owners that stand for the same user in two organizations, and for another one in the first."""
    wanted = [(owner, "uid_twin"), (stranger, "uid_twin"), (owner, "uid_twin_colleague")]
    keys = [await each.create_key(userId=user, role="owner") for each, user in wanted]
    first, second, third = (each.with_key(key.key) for (each, _), key in zip(wanted, keys, strict=True))
    return first, second, third
