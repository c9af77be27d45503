"""Makes organizations, members, keys and tokens, the way an operator does."""

import asyncio
import itertools
import json
from typing import Any

import httpx

from support.cast import Caller
from support.server import Server, environment
from support.zygote import Zygote


class People:
    """Organizations and credentials of one server, each made once and never reused."""

    def __init__(self, server: Server, client: httpx.AsyncClient, zygote: Zygote) -> None:
        self.server = server
        self.zygote = zygote
        self.client = client
        self.numbers = itertools.count(1)

    def new_user(self) -> str:
        return f"uid_person_{next(self.numbers)}"

    async def owner(self, organization: str | None = None, user: str | None = None) -> Caller:
        """Create an organization; return its owner, with an owner's key and a token."""
        number = next(self.numbers)
        organization = organization or f"ORG_{number}"
        user = user or f"uid_owner_{number}"
        await self.admin("create-organization", f"Organization {organization}", "--id", organization, "--owner", user)
        return await self._equipped(organization, user, "owner")

    async def member(self, owner: Caller, user: str | None = None, role: str = "member") -> Caller:
        """Add a member to the owner's organization; return that member, with a key of that role and a token."""
        user = user or self.new_user()
        await self.admin("create-member", "--organization", owner.organization, "--user", user, "--role", role)
        return await self._equipped(owner.organization, user, role)

    async def key(self, organization: str, user: str, role: str) -> dict[str, Any]:
        return await self.admin("create-key", "--organization", organization, "--user", user, "--role", role)

    async def token(self, user: str, *more: str) -> str:
        return str((await self.admin("create-token", "--user", user, *more))["token"])

    async def admin(self, *arguments: str) -> dict[str, Any]:
        """Run `threadkeep admin … --json` on the server's database and return the object it prints."""
        database = self.server.database
        finished = await asyncio.to_thread(
            self.zygote.run,
            "admin",
            *arguments,
            "--json",
            cwd=database.folder,
            environment=environment(database.url, self.server.settings),
        )
        if finished["returncode"] != 0:
            raise RuntimeError(
                f"threadkeep admin {' '.join(arguments)} failed:\n{finished['stdout']}{finished['stderr']}"
            )
        answer: dict[str, Any] = json.loads(finished["stdout"])
        return answer

    async def _equipped(self, organization: str, user: str, role: str) -> Caller:
        key, token = await asyncio.gather(self.key(organization, user, role), self.token(user))
        return Caller(self.client, organization=organization, user=user, key=key["key"], token=token)
