"""Generations inside the test's own process, on a real database that fails as told, with models that are generators."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from support.server import SECRET, Database
from support.waiting import eventually
from threadkeep.contract.responses import ResponseInThreadCreate
from threadkeep.contract.threads import ThreadCreate
from threadkeep.database import open_database
from threadkeep.database.scoped import ScopedDatabase, enter_write
from threadkeep.errors import Unavailable
from threadkeep.operations.organizations import administration
from threadkeep.operations.responses import claiming, events, responses, settling
from threadkeep.operations.responses.claiming import Claim, Terms
from threadkeep.providers import Arrived, Finish, ModelRequest, Piece, Text
from threadkeep.providers.manners import Manners
from threadkeep.runtime.channels import Channels
from threadkeep.runtime.following import Follower
from threadkeep.runtime.journal import Journal
from threadkeep.runtime.namer import Namer
from threadkeep.runtime.relay import Relay
from threadkeep.runtime.tally import RUNNING, Tally
from threadkeep.scope import system_scope
from threadkeep.settings import Settings

ORGANIZATION = "ORG_INSIDE"
ENDED_S = 30


class FaultyDatabase:
    """A database that is away, silent, or answers before it forgets what became of the work."""

    def __init__(self, database: Any) -> None:
        self._database = database
        self.is_served_alone = database.is_served_alone
        self.is_in_parts = database.is_in_parts
        self.is_away = False
        # While away: writes are done, and only their outcome is lost.
        self.loses_outcomes = False
        self.refuses: Callable[[tuple[Any, ...]], bool] = lambda arguments: False
        self.answers = asyncio.Event()
        self.answers.set()
        self.refused_count = 0

    async def read(self, *arguments: Any, **more: Any) -> Any:
        return await self._run(self._database.read, arguments, more)

    async def write(self, *arguments: Any, **more: Any) -> Any:
        return await self._run(self._database.write, arguments, more)

    async def write_checked(self, *arguments: Any, **more: Any) -> Any:
        return await self._run(self._database.write_checked, arguments, more)

    async def write_once(self, *arguments: Any, **more: Any) -> Any:
        return await self._run(self._database.write_once, arguments, more)

    async def _run(self, run: Callable[..., Awaitable[Any]], arguments: tuple[Any, ...], more: dict[str, Any]) -> Any:
        await self.answers.wait()
        if self.is_away:
            self.refused_count += 1
            if self.loses_outcomes:
                await run(*arguments, **more)
            raise Unavailable
        if self.refuses(arguments):
            raise RuntimeError("this row cannot be stored")
        return await run(*arguments, **more)


class Models:
    """Stands for the catalogue and for its one provider."""

    names = ("inside",)
    default = "inside"

    def __init__(self) -> None:
        self.scripts: dict[str, Callable[[], AsyncIterator[str]]] = {}
        self.taken_count = 0
        self.closed: set[str] = set()

    def known(self, name: str) -> bool:
        return name == self.default

    def shown_as(self, name: str) -> str:
        return name

    def address(self, name: str) -> str:
        return ""

    def provider(self, name: str) -> tuple["Models", str]:
        return self, name

    def manners(self, name: str) -> Manners:
        return Manners(reasoning="never")

    def maker(self, name: str) -> str:
        return name

    async def stream(self, request: ModelRequest, arrived: Arrived | None = None) -> AsyncIterator[list[Piece]]:
        said = request.messages[-1]["content"]
        try:
            async for text in self.scripts[said]():
                yield [Text(text)]
                self.taken_count += 1
            yield [Finish("stop")]
        finally:
            self.closed.add(said)


class Inside:
    """What a serving process has for its responses, with none of its HTTP."""

    def __init__(self, database: Any, organization: int, lease_s: float) -> None:
        self.database = FaultyDatabase(database)
        self.models = Models()
        self.lease_s = lease_s
        tally = self.tally = Tally()
        self.channels = Channels(self.database, tally)
        self.journal = Journal(self.database, lease_s, tally)
        self.namer = Namer(self.database, self.models, names_by_itself=False, per_user_max=8)
        self.relay = Relay(self.database, self.models, self.channels, self.journal, self.namer, lease_s, 10**7, tally)
        self.scoped = ScopedDatabase(self.database, system_scope(organization, ORGANIZATION))

    async def begin(self, said: str, script: Callable[[], AsyncIterator[str]]) -> Claim:
        """Begin a response in a thread of its own; the script is what its model says."""
        claimed = await self.claim(said, script)
        self.relay.start(claimed)
        return claimed

    async def claim(self, said: str, script: Callable[[], AsyncIterator[str]]) -> Claim:
        self.models.scripts[said] = script
        body = ResponseInThreadCreate(input=said, thread=ThreadCreate())
        terms = Terms(int(self.lease_s * 1000), 10**6, 10**6, self.models.names, self.models.default, 8_000)
        claimed = await self.scoped.write(claiming.claim, None, body, None, terms)
        assert isinstance(claimed, Claim)
        return claimed

    async def follow(self, claim: Claim, emit: Callable[[bytes], Awaitable[None]]) -> None:
        """Read a response's stream to its end."""
        row = await self.scoped.read(responses.find, claim.thread_id, claim.response_id)

        async def allowed() -> None:
            # Whoever asks for a credential asks the database.
            await self.scoped.read(responses.find, claim.thread_id, claim.response_id)

        await Follower(self.scoped, self.channels, row, None).run(emit, allowed)

    async def stored(self, claim: Claim) -> list[tuple[int, str, str]]:
        return await self.scoped.read(events.read_some, claim.response_id, 0, 100_000)

    async def read(self, claim: Claim) -> Any:
        return await self.scoped.read(responses.read, claim.thread_id, claim.response_id)

    async def all_ended(self) -> None:
        async def count() -> int:
            return int(self.tally.cells(RUNNING)[0])

        await eventually(count, lambda running: running == 0, ENDED_S)


@asynccontextmanager
async def inside(database: Database, lease_s: float = 10.0) -> AsyncIterator[Inside]:
    opened = await open_database(Settings(database_url=database.url, secret=SECRET), serving=True)
    try:
        await opened.write(administration.create_organization, ORGANIZATION, "Inside", None)
        [[key]] = await opened.read(organization_key)
        it = Inside(opened, key, lease_s)
        yield it
        it.database.is_away = False
        it.database.answers.set()
        with suppress(TimeoutError):
            await asyncio.wait_for(it.relay.drain(0.0), 5)
        it.channels.close()
        await it.namer.close()
    finally:
        await opened.close()


async def organization_key(tx: Any) -> Any:
    return await tx.fetch(administration.FIND_ORGANIZATION, {"id": ORGANIZATION})


def stores_of(response_id: str) -> Callable[[tuple[Any, ...]], bool]:
    """Return what is true of writes that store events of this response."""

    def holds(arguments: tuple[Any, ...]) -> bool:
        operation, *more = arguments
        if operation is enter_write and more[0] is settling.finish:
            return more[3] == response_id and bool(more[4].rows)
        return getattr(operation, "__name__", "") == "store" and any(
            row["response_id"] == response_id and "data" in row for row in more[0]
        )

    return holds
