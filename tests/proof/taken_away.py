"""Callers whose credential is taken away while they do everything that can be done, and what becomes of it."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from proof.place import Place
from proof.tenants.asking import Asked, asked
from proof.tenants.rows import ROWS
from proof.tenants.worlds import World, make_world
from support.cast import Caller
from support.held_back import HeldBack
from support.people import People
from support.server import Server
from support.stored import Stored

Take = Callable[[], Awaitable[object]]

# What is worth most to somebody who is about to lose it.
GREEDY = {
    "POST /v1/threads/bulk": {"action": "lock", "filter": {}},
    "PUT /v1/organizations/{organizationId}/members/{userId}": {"role": "owner"},
    "POST /v1/organizations/{organizationId}/keys": {"userId": "uid_late", "role": "owner"},
}
# A member may do these for himself, and so may whoever was lowered to one.
OF_ONESELF = {"POST /v1/threads", "POST /v1/threads/bulk", "POST /v1/responses"}
# All that is somebody's, and would tell of a write.
BELONGINGS = {
    "organizations": "id, name, revision, deleted_ms",
    "members": "user_id, role, revision",
    "api_keys": "id, user_id, role, revision",
    "token_users": "user_id, generation, expires_ms",
    "assistants": "id, revision, deleted_ms",
    "threads": "id, title, revision, message_count, locked_ms, archived_ms",
    "bulks": "id, user_id, action",
    "messages": "id, content, revision",
    "responses": "id, status",
    "idempotency": "request, key, status",
}


@dataclass
class Doomed:
    """Somebody in an organization of his own, whose owner stays; `world` is what he is after."""

    name: str
    owner: Caller
    who: Caller
    world: World
    take: Take
    is_lowered: bool = False
    # A command of another process, of which the server hears nothing.
    is_unheard: bool = False

    def writes(self) -> list[Asked]:
        """Return one request of each operation that writes and that he may not do any more."""
        operations = [each for each in ROWS if not each.startswith("GET ")]
        if self.is_lowered:
            operations = [each for each in operations if each not in OF_ONESELF]
        found = [asked(each, self.world) for each in operations]
        for each in found:
            each.body = GREEDY.get(each.operation, each.body)
        return found


async def make_doomed(place: Place, people: People, servers: list[Server]) -> list[Doomed]:
    """Make one of each kind: of credential, of what is done to it, and of how."""
    elsewhere = servers[-1]

    async def one(name: str, way: str, *, has_token: bool = False, is_of_product: bool = False) -> Doomed:
        owner = await people.owner()
        user = await people.member(owner, role="owner")
        who = user.with_token() if has_token else user
        made = None
        if "key" in way:
            made = await owner.create_key(userId="uid_program", role="owner")
            place.secrets.add(made.key)
            who = owner.with_key(made.key)
        if is_of_product:
            # By the key that goes, or for the user who does; the others' keys stay.
            who = await people.product_user(who if made or "lower" in way else owner, user.user)
        is_lowered = "lower" in way and not is_of_product
        world = await make_world(owner, owner if is_lowered else user, "canarydoomed")
        world.ids["userId"] = user.user
        far = place.at(owner, elsewhere)
        named = ("--organization", owner.organization, "--user", user.user, "--role", "member")
        ways: dict[str, Take] = {
            "a key over HTTP": lambda: far.delete_key(made),
            "a key by command": lambda: people.admin("revoke-key", made.id if made else ""),
            "removed over HTTP": lambda: far.delete_member(user.user),
            "lowered over HTTP": lambda: far.put_member(user.user, "member"),
            "lowered by command": lambda: people.admin("create-member", *named),
        }
        is_unheard = "command" in way or elsewhere is not servers[0]
        return Doomed(name, owner, who, world, ways[way], is_lowered, is_unheard)

    return list(
        await asyncio.gather(
            one("a key revoked over HTTP", "a key over HTTP"),
            one("a key revoked by command", "a key by command"),
            one("the key of a removed member", "removed over HTTP"),
            one("the token of a removed member", "removed over HTTP", has_token=True),
            one("the key of an owner lowered over HTTP", "lowered over HTTP"),
            one("the token of an owner lowered by command", "lowered by command", has_token=True),
            one("the key of an owner lowered by command", "lowered by command"),
            one("a token of a key revoked by command", "a key by command", is_of_product=True),
            one("a token of a removed user, not of the user's key", "removed over HTTP", is_of_product=True),
            one("a token of a key lowered by command", "lowered by command", is_of_product=True),
        )
    )


async def belongings(stored: Stored, doomed: Doomed) -> dict[str, list[Any]]:
    """Return all that is stored of his organization."""
    organization = f"(select o.key from organizations o where o.id = '{doomed.owner.organization}')"
    found = {}
    for table, columns in BELONGINGS.items():
        key = "key" if table == "organizations" else "organization"
        found[table] = await stored.rows(
            f"select {columns} from {table} where {key} = {organization} order by {columns}"
        )
    return found


async def hold_back(doomed: Doomed, write: Asked) -> HeldBack:
    method, _, template = write.operation.partition(" ")
    path = re.sub(r"\{(\w+)\}", lambda match: write.path[match.group(1)], template)
    return await HeldBack.send(doomed.who, method, path, write.body or {})


def is_refused(status: int, code: str | None) -> bool:
    """Whether nothing can have been done; somebody lowered is told that there is no such thing for him."""
    return status in (401, 403, 404) or code == "organization_required"
