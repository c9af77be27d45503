"""A server with a scripted model behind it, and its people: what every module of tests about responses starts."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import apsw

from conftest import connect
from support.cast import Answer, Caller, Cast
from support.document import Document
from support.people import People
from support.postgres import connected
from support.scripted_model import DONE, ScriptedModel, finish
from support.server import Database, Server, run_threadkeep
from support.stored import WRONG_COUNTS, stored_in
from support.waiting import SOON_S, SWEPT_S, eventually
from support.zygote import Zygote

RUNNING = "select t.id, t.response_id from threads t where t.response_id is not null"
NOT_ENDED = "select r.id, r.status from responses r where r.status = 'in_progress' or r.ended_ms is null"


@dataclass
class Place:
    server: Server
    model: ScriptedModel
    people: People
    cast: Cast

    def fresh_model(self) -> ScriptedModel:
        self.model.reset()
        return self.model


@asynccontextmanager
async def open_place(
    new_database: Callable[[], Awaitable[Database]], zygote: Zygote, **settings: str
) -> AsyncIterator[Place]:
    """Start a server with these settings. When the tests are over, all that it stored must hold its promises."""
    model = await ScriptedModel.start()
    server = await Server(
        await new_database(), {"THREADKEEP_CREDENTIAL_CACHE_S": "0.2", **model.settings, **settings}
    ).start()
    try:
        async with connect(server) as client:
            Caller.document = await Document.of(client)
            people = People(server, client, zygote)
            ada, cleo = await asyncio.gather(people.owner("ORG_ACME", "uid_ada"), people.owner("ORG_OTHER", "uid_cleo"))
            yield Place(server, model, people, Cast(ada, await people.member(ada, "uid_ben"), cleo))
        await check_all_ended(server.database)
    finally:
        server.stop()
        await model.stop()
    verified = run_threadkeep("verify", database=server.database)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert model.settings["THREADKEEP_MODEL_KEY"] not in server.log_text()


async def check_all_ended(database: Database) -> None:
    """Counts are exact, no thread is held any more, and every response has ended."""
    async with stored_in(database) as stored:
        await eventually(lambda: stored.rows(RUNNING), lambda rows: rows == [], SWEPT_S)
        assert await stored.rows(NOT_ENDED) == []
        assert await stored.rows(WRONG_COUNTS) == []


class Talk:
    """A response whose model has begun to speak and waits for `go`."""

    def __init__(self, thread: Answer, response: Answer, go: asyncio.Event) -> None:
        self.thread = thread
        self.response = response
        self.go = go

    @property
    def id(self) -> str:
        return str(self.response.id)

    async def ended(self, who: Caller) -> Answer:
        """Let the model go on, and return the response when it has ended."""
        self.go.set()
        return await ended(who, self.thread, self.response)


async def begin_talk(
    who: Caller, model: ScriptedModel, said: str = "Hel", then: str = "lo", *, thread: Any = None, **body: Any
) -> Talk:
    """Begin a response; return when the model has said the first part, and that is stored."""
    go = asyncio.Event()
    model.script = [*([said] if said else []), go, then, finish(), DONE]
    thread = thread or await who.create_thread(title="talk")
    called = len(model.calls)
    response = await who.respond(thread, **{"input": "hi", "background": True, **body})
    assert response.status == 202, response
    await model.called(called + 1)
    await eventually(lambda: who.get_response(thread, response), lambda answer: answer.outputText == said, SOON_S)
    return Talk(thread, response, go)


async def ended(who: Caller, thread: Any, response: Any) -> Answer:
    return await eventually(
        lambda: who.get_response(thread, response), lambda answer: answer["status"] != "in_progress", SOON_S
    )


async def change_stored(database: Database, sql: str) -> None:
    """Change what is stored, past the service."""
    if database.kind == "postgres":
        async with connected(database.url) as connection:
            await connection.execute(sql)
        return
    connection = apsw.Connection(database.url.removeprefix("sqlite:///"))
    connection.set_busy_timeout(30_000)
    try:
        connection.execute(sql)
    finally:
        connection.close()


async def expire_lease(database: Database, thread: Any) -> None:
    """Let the lease of a thread's response run out, as if its process had been silent for long."""
    await change_stored(database, f"update threads set lease_until = 0 where id = '{thread.id}'")


def texts(messages: list[dict[str, Any]]) -> list[str]:
    return ["".join(part.get("text", "") for part in message["content"]) for message in messages]
