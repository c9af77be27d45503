"""Makes organizations, members, keys and tokens, as an operator does."""

import asyncio
import itertools
import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from support.cast import Caller
from support.server import Server, environment
from support.zygote import Zygote
from threadkeep import settings
from threadkeep.commands.admin import HOURS_DEFAULT
from threadkeep.database import is_sqlite, open_database, sqlite_path
from threadkeep.database.driver import Transaction
from threadkeep.operations.organizations import administration
from threadkeep.scope import Role
from threadkeep.server.tokens import make_token, server_secret


class People:
    """Organizations and credentials of one server, each made once and never reused.

    They are made past the command line, which has tests of its own: a command takes a tenth of a second, and the tests
    would run thousands.
    """

    def __init__(self, server: Server, client: httpx.AsyncClient, zygote: Zygote) -> None:
        self.server = server
        self.zygote = zygote
        self.client = client
        self.numbers = itertools.count(1)
        self.settings = settings.load(environment(server.database.url, server.settings))

    def new_user(self) -> str:
        return f"uid_person_{next(self.numbers)}"

    async def owner(self, organization: str | None = None, user: str | None = None) -> Caller:
        """Create an organization; return its owner, with an owner's key and a token."""
        number = next(self.numbers)
        organization = organization or f"ORG_{number}"
        user = user or f"uid_owner_{number}"

        async def found(tx: Transaction) -> str | None:
            await administration.create_organization(tx, organization, f"Organization {organization}", user)
            return (await administration.create_key(tx, organization, user, Role.OWNER, None)).key

        return self._caller(organization, user, await self._write(found))

    async def member(self, owner: Caller, user: str | None = None, role: str = "member") -> Caller:
        """Add a member to the owner's organization; return that member, with a key of that role and a token."""
        user = user or self.new_user()

        async def joined(tx: Transaction) -> str | None:
            await administration.create_member(tx, owner.organization, user, Role(role))
            return (await administration.create_key(tx, owner.organization, user, Role(role), None)).key

        return self._caller(owner.organization, user, await self._write(joined))

    async def key(self, organization: str, user: str, role: str) -> dict[str, Any]:
        created = await self._write(lambda tx: administration.create_key(tx, organization, user, Role(role), None))
        return {"id": created.id, "key": self.issued(created.key)}

    def token(self, user: str) -> str:
        path = sqlite_path(self.settings) if is_sqlite(self.settings) else None
        return self.issued(make_token(server_secret(self.settings, path), user, HOURS_DEFAULT * 3600))

    async def product_user(self, key: Caller, user: str | None = None) -> Caller:
        """Let an admin's or owner's key make a token for a user of its product, who is no member."""
        user = user or self.new_user()
        made = await key.create_token(userId=user)
        return Caller(self.client, organization=key.organization, user=user).with_token(self.issued(made.token))

    def issued(self, secret: str) -> str:
        """Return a key or token that was just made; whoever must know of all of them extends this."""
        return secret

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
        for name in ("key", "token"):
            if name in answer:
                self.issued(answer[name])
        return answer

    async def _write(self, operation: Callable[[Transaction], Awaitable[Any]]) -> Any:
        database = await open_database(self.settings, serving=False)
        try:
            return await database.write(operation)
        finally:
            await database.close()

    def _caller(self, organization: str, user: str, key: str) -> Caller:
        return Caller(self.client, organization=organization, user=user, key=self.issued(key), token=self.token(user))
