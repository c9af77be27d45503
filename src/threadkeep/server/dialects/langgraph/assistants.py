"""Assistants as LangGraph's clients know them: a default one that is nowhere stored, and those of the organization."""

from typing import Any, Literal

import msgspec

from threadkeep import __version__
from threadkeep.contract import assistants as native
from threadkeep.contract.limits import PAGE_OBJECTS_MAX
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.operations import metadata
from threadkeep.operations.assistants import assistants
from threadkeep.operations.paging import window
from threadkeep.server.auth import Caller
from threadkeep.server.dialects.langgraph import ids
from threadkeep.server.dialects.langgraph.errors import AmbiguousName
from threadkeep.server.dialects.langgraph.walking import Limit, Offset, iso
from threadkeep.server.dialects.lenient import Lenient

# The only kind of graph that there is: a list of messages and a model that answers.
GRAPH = "agent"
DEFAULT_ID = "fe096781-5601-53d2-b2f6-0d3403f7e9ca"

Json = dict[str, Any]  # Any: JSON.


class GraphAssistant(msgspec.Struct):
    """An assistant. Its settings are read and changed natively."""

    assistant_id: str
    graph_id: str
    config: Json
    context: Json
    created_at: str
    updated_at: str
    metadata: Json
    version: int
    name: str
    description: str | None


class AssistantSearch(Lenient):
    """Which assistants are asked for."""

    graph_id: str | None = None
    name: str | None = None
    metadata: Json | None = None
    limit: Limit = 10
    offset: Offset = 0


class Information(msgspec.Struct):
    """What the server is."""

    version: str
    flags: dict[str, bool]
    ok: Literal[True] = True


def information(caller: Caller, organization_id: str | None, acting_for: bytes | None) -> Information:
    """Raises what `GET /v1/user` raises."""
    caller.user(organization_id, acting_for)
    return Information(__version__, {"assistants": True, "crons": False, "langsmith": False})


DEFAULT = GraphAssistant(
    DEFAULT_ID, GRAPH, {}, {}, iso(0), iso(0), {"created_by": "system"}, 1, GRAPH, "Answers as its thread says."
)


def shown(assistant: native.Assistant) -> GraphAssistant:
    return GraphAssistant(
        ids.shown(assistant.id),
        GRAPH,
        {},
        {},
        iso(assistant.created_at),
        iso(assistant.updated_at),
        metadata.decode(assistant.metadata),
        1,
        assistant.name or assistant.id,
        assistant.description,
    )


async def resolve(tx: ScopedTransaction, name: str | None) -> str | None:
    """Return the native id of an assistant's id or name; None for the default, which any other text means.

    Raises AmbiguousName. That an id exists is checked where it is used.
    """
    if name is None or name in (GRAPH, DEFAULT_ID):
        return None
    if ids.UUID_FORM.fullmatch(name) or ids.NATIVE["asst"].fullmatch(name):
        return ids.native(name, "asst")
    named = [each.id for each in await all_of(tx) if each.name == name]
    if len(named) > 1:
        listed = ", ".join(ids.shown(each) for each in named[:10])
        raise AmbiguousName(f"Several assistants have this name: send an id, one of {listed}.", param="assistant_id")
    return named[0] if named else None


async def all_of(tx: ScopedTransaction) -> list[native.Assistant]:
    found: list[native.Assistant] = []
    after: str | None = None
    while True:
        page = await assistants.list_assistants(tx, window(PAGE_OBJECTS_MAX, "desc", after, None))
        found += page.data
        after = page.next_cursor
        if after is None:
            return found


async def read(tx: ScopedTransaction, name: str) -> GraphAssistant:
    found = await resolve(tx, name)
    return DEFAULT if found is None else shown((await assistants.read(tx, found)).object)


async def matching(tx: ScopedTransaction, search: AssistantSearch) -> list[GraphAssistant]:
    every = [DEFAULT, *map(shown, await all_of(tx))]
    return [
        each
        for each in every
        if search.graph_id in (None, GRAPH)
        and (search.name or "").lower() in each.name.lower()
        and (search.metadata or {}).items() <= each.metadata.items()
    ]


async def search(tx: ScopedTransaction, body: AssistantSearch) -> list[GraphAssistant]:
    return (await matching(tx, body))[body.offset : body.offset + body.limit]


async def count(tx: ScopedTransaction, body: AssistantSearch) -> int:
    return len(await matching(tx, body))
