"""A door of the service other than the native API: what it may ask of the operations, inside the test's own process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from support.scripted_model import ScriptedModel
from support.server import SECRET, Database
from threadkeep.contract.messages import MessageCreate
from threadkeep.contract.responses import Response, ResponseCreate
from threadkeep.contract.threads import ThreadCreate
from threadkeep.database import open_database
from threadkeep.database.scoped import ScopedDatabase
from threadkeep.operations.idempotency import IdempotentRequest
from threadkeep.operations.messages import listing
from threadkeep.operations.messages.listing import MessageQuery
from threadkeep.operations.organizations import administration
from threadkeep.operations.paging import Window
from threadkeep.operations.responses.expiring import past_expired
from threadkeep.operations.responses.manner import NATIVE, Manner
from threadkeep.operations.threads import threads
from threadkeep.providers.catalogue import Catalogue
from threadkeep.runtime.frames import Presence, Streamed
from threadkeep.runtime.runtime import Runtime
from threadkeep.scope import Credential, Role, make_scope
from threadkeep.settings import Settings

ORGANIZATION = "ORG_DOOR"


async def always() -> None:
    """The caller's access stands."""


class Caller:
    """One caller behind the door."""

    def __init__(self, door: "Door", db: ScopedDatabase) -> None:
        self.door = door
        self.db = db

    async def read(self, operation: Any, *arguments: Any) -> Any:
        return await self.db.read(operation, *arguments)

    async def write(self, operation: Any, *arguments: Any) -> Any:
        return await past_expired(self.db, self.db.write, operation, *arguments)

    async def thread(self, *said: str, **fields: Any) -> str:
        """Create a thread in which a user has said this."""
        body = ThreadCreate(messages=[MessageCreate("user", text) for text in said], **fields)
        return str((await self.write(threads.create, body)).object.id)

    async def create(
        self, thread_id: str | None, body: ResponseCreate, manner: Manner = NATIVE, key: str | None = None
    ) -> Any:
        keyed = None if key is None else IdempotentRequest(self.db.scope.user_id, "POST /door", key, b"body")
        answering = self.door.runtime.answering
        return await past_expired(
            self.db, answering.create, self.db, keyed, thread_id, body, always, Presence(), manner
        )

    async def ask(self, thread_id: str | None, input: Any = None, manner: Manner = NATIVE, **fields: Any) -> Response:
        """Wait for a response."""
        answered = await self.create(thread_id, ResponseCreate(input=input, **fields), manner)
        response: Response = answered.value
        return response

    async def stream(self, thread_id: str | None, input: Any = None, manner: Manner = NATIVE) -> Streamed:
        streamed: Streamed = await self.create(thread_id, ResponseCreate(input=input, stream=True), manner)
        return streamed

    async def said(self, thread_id: str) -> list[tuple[str, str]]:
        """Return the roles and texts of a thread's messages."""
        page = await self.read(listing.list_messages, thread_id, MessageQuery(Window(100, False, None, None)))
        return [(each.role, text_of(each.content)) for each in page.data]


def text_of(content: Any) -> str:
    return str(bytes(content).decode())


class Door:
    """A process's runtime on a database, with a model that says what a test wants."""

    def __init__(self, runtime: Runtime, place: Database, database: Any, model: ScriptedModel, key: int) -> None:
        self.runtime = runtime
        self.place = place
        self.database = database
        self.model = model
        self._key = key

    def as_user(self, user_id: str, role: Role = Role.MEMBER, **fields: Any) -> Caller:
        scope = make_scope(self._key, ORGANIZATION, user_id, role, Credential.KEY, **fields)
        return Caller(self, ScopedDatabase(self.database, scope))


async def organization_key(tx: Any) -> Any:
    return await tx.fetch(administration.FIND_ORGANIZATION, {"id": ORGANIZATION})


@asynccontextmanager
async def other_door(place: Database, **settings: Any) -> AsyncIterator[Door]:
    model = await ScriptedModel.start()
    chosen = Settings(
        database_url=place.url, secret=SECRET, model_url=model.url, model="scripted, other", auto_name=False, **settings
    )
    opened = await open_database(chosen, serving=True)
    runtime = Runtime(opened, chosen, Catalogue(chosen, {}))
    try:
        await opened.write(administration.create_organization, ORGANIZATION, "Door", None)
        [[key]] = await opened.read(organization_key)
        yield Door(runtime, place, opened, model, key)
    finally:
        await runtime.relay.drain(0.0)
        await runtime.close()
        await opened.close()
        await model.stop()
