"""Walks through the matrix: who asks what of whom, and whether the answer is the one that stands in the rows."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from proof.record import Record
from proof.tenants.all_rows import ROWS
from proof.tenants.asking import Answered, Asked, asked
from proof.tenants.callers import Everybody, Kind
from proof.tenants.rows import ACTED_FOR, CHOSEN_ASSISTANT_ID, CHOSEN_ID, FILTER, NO_ROLE, OK, RETRY, USER, Row
from proof.tenants.rows import Kind as Reference
from proof.tenants.worlds import CANARY, World, make_world, near
from support.people import People

# What is read of who calls, and not of an organization.
OF_CALLER = ("GET /v1/user", "GET /langgraph/info", "GET /langgraph/ok")
RANKS = ("member", "admin", "owner")
Look = Callable[[], Awaitable[Any]]


async def try_outside(everybody: Everybody, record: Record) -> None:
    """Let everybody whose credential does not count ask everything."""
    for name, (who, unnamed, named) in everybody.outside.items():
        for operation in ROWS:
            answered = await asked(operation, everybody.victim).by(who)
            record.count("requests of the matrix")
            wanted = named if "{organizationId}" in operation else unnamed
            if operation in OF_CALLER and unnamed.startswith("400"):
                wanted = OK  # Whoever belongs to no organization may read that.
            if " /langgraph/" in operation:
                wanted = wanted.replace("400 ", "422 ")
            record.check(answered.short == wanted, f"{name}, {operation}: {answered.short} and not {wanted}")
            show(set(CANARY.findall(answered.text)), f"{name}, {operation}", record)


async def try_others(kinds: list[Kind], victim: World, look: Look, is_colleague: bool, record: Record) -> None:
    """Let strangers, or colleagues, name each of the victim's references in each operation, in a request of their own.

    `look` returns what is stored of the victim: nothing of it may change.
    """
    before = await look()
    for operation, row in sorted(ROWS.items(), key=takes_ids):
        for kind in kinds:
            for name in row.references:
                for value in values(operation, name, victim):
                    await name_it(kind, operation, row, name, value, victim, is_colleague, record)
        now = await look()
        record.check(now == before, f"{operation} of {kinds[0].name} changed what belongs to somebody else")
        before = now


def takes_ids(each: tuple[str, Row]) -> tuple[bool, bool, bool]:
    """Put what takes the victim's ids for things of one's own behind all else: an assistant's is taken for good.

    Lists come before what puts something into them, in the victim's name in an organization of one's own.
    """
    references = each[1].references.values()
    return CHOSEN_ASSISTANT_ID in references, CHOSEN_ID in references, not each[0].startswith("GET")


def values(operation: str, name: str, victim: World) -> list[str]:
    """Return what can be named with a reference: the victim's."""
    place, _, key = name.partition(" ")
    last = key.rpartition(".")[2]
    if place == "path" and operation.endswith("/stream"):
        return [victim.live] if last in ("threadId", "chatId") else [victim.ids[last]]
    if last == "model":
        return []  # Models are of the server.
    if last in victim.ids:
        return [victim.ids[last]]
    if name in ("body after", "body parentId", "body parent_id", "body parent_external_id", "query branch",
                "query through", "body checkpoint_id", "body checkpoint.checkpoint_id"):  # fmt: skip
        return [victim.ids["messageId"]]
    if last in ("after", "before", "Last-Event-ID"):
        return positions(operation, victim)
    if key == "conversation.id":
        return [victim.ids["conversationId"]]
    more = {
        "id": [victim.ids["assistantId" if operation.endswith("/assistants") else "threadId"]],
        "thread": [victim.ids["threadId"], victim.live],
        "replaces": [victim.ids["messageId"]],
        "X-User-Id": [victim.ids["userId"]],
        "titleContains": [victim.canary],
        "metadata": [victim.canary],
        "conversation": [victim.ids["conversationId"]],
        "previous_response_id": [victim.ids["responseId"]],
        "thread_id": [victim.ids["threadId"]],
        "message_ids": [victim.ids["messageId"]],
        "ids": [victim.ids["threadId"]],
        "run_id": [victim.ids["runId"]],
        "assistant_id": [victim.ids["assistantId"]],
    }
    return more.get(last, [])


def positions(operation: str, victim: World) -> list[str]:
    path = operation.partition(" ")[2]
    if path.endswith("/models"):
        return []
    if path.endswith(("/events", "/stream")):
        return [victim.event, f"{victim.live_response}:1"]
    listed = {"threads": "threadId", "assistants": "assistantId", "members": "userId", "keys": "keyId"}
    listed |= {"messages": "messageId", "responses": "responseId", "runs": "runId", "steps": "stepId"}
    listed |= {"items": "itemId", "input_items": "itemId", "history": "messageId"}
    return [victim.ids[listed[path.rpartition("/")[2]]]]


async def name_it(
    kind: Kind, operation: str, row: Row, name: str, value: str, victim: World, is_colleague: bool, record: Record
) -> None:
    """Ask with the victim's reference and with one that never was, and compare the two answers with the row."""
    wanted = expected(kind, row, name, is_colleague)
    is_expendable = wanted == OK and not operation.startswith("GET")
    world = await make_world(kind.owner, kind.who, kind.world.canary) if is_expendable else kind.world
    base = asked(operation, world)
    if name.startswith("path"):
        base = with_all_behind(base, name, victim)
    reference = row.references[name]
    never_was = f"{value}x" if reference in (CHOSEN_ID, CHOSEN_ASSISTANT_ID) else near(value)
    given = await base.put(name, value).by(kind.who)
    unknown = await base.put(name, never_was).by(kind.who)
    record.count("requests of the matrix", 2)
    what = f"{kind.name}, {operation}, {name}"
    if wanted:
        record.check(given.short == wanted, f"{what}: {given.short} and not {wanted}")
    show(set(CANARY.findall(given.text)) & kind.world.foreign, what, record)
    if given.short == OK:
        await undo(kind, operation, reference, (value, never_was))
    if not (is_colleague and reference.shared):
        differs = f"{what}: {given.short} {given.text[:150]} and, for what never was, {unknown.short}"
        record.check(is_same(given, unknown, value, never_was), differs)
    if reference is FILTER and given.status == 200:
        record.check('"data":[]' in given.text, f"{what}: found something by another's word")


async def undo(kind: Kind, operation: str, reference: Reference, named: tuple[str, str]) -> None:
    """What was made under the victim's name in an organization of one's own must not be there for the next request."""
    for each in named:
        if reference is CHOSEN_ID:
            await kind.who.delete(each)
        elif operation.startswith("PUT") and reference is USER:
            await kind.owner.delete_member(each)


def with_all_behind(base: Asked, name: str, victim: World) -> Asked:
    """Whoever names another's thread names its messages too: what stands behind it in the path is the victim's."""
    keys = [key for key in base.path if f"{{{key}}}" in base.operation]
    keys.sort(key=lambda key: base.operation.index(f"{{{key}}}"))
    for key in keys[keys.index(name.partition(" ")[2]) + 1 :]:
        base = base.put(f"path {key}", victim.ids[key])
    return base


def expected(kind: Kind, row: Row, name: str, is_colleague: bool) -> str:
    """Return what the row says of this caller; empty where it leaves that to what an unknown reference gets."""
    reference = row.references[name]
    if reference is RETRY:
        return ""
    if reference is ACTED_FOR:
        return "" if kind.is_key and kind.role != "member" else NO_ROLE
    outcome = reference.colleague if is_colleague else reference.stranger
    if not is_colleague and kind.role == "member" and reference.member:
        outcome = reference.member
    if outcome.endswith("access_denied"):
        return outcome
    return outcome if may(kind, row) else NO_ROLE


def may(kind: Kind, row: Row) -> bool:
    return RANKS.index(kind.role) >= RANKS.index(row.role) and (kind.is_key or not row.is_for_keys)


def is_same(given: Answered, unknown: Answered, value: str, never_was: str) -> bool:
    """Byte for byte; of what was really done, ids and times are its own."""
    if given.status < 300 and '"data":[' not in given.text and "event:" not in given.text:
        return given.status == unknown.status
    return given.without(value, never_was) == unknown.without(value, never_was)


def show(seen: set[str], what: str, record: Record) -> None:
    for word in sorted(seen):
        record.violation(f"{what}: the answer holds {word}, a word of somebody else")


async def try_above(everybody: Everybody, people: People, record: Record) -> None:
    """Whoever may do something can: without this, a server that refuses everything would be without a fault."""
    owner = everybody.above[-2].who
    user = everybody.above[0].who

    async def one(operation: str, row: Row, kind: Kind) -> None:
        who = kind.who
        world = await make_world(owner, user, "canaryvictim")
        if operation.startswith("DELETE") and operation.endswith("{userId}"):
            world.ids["userId"] = people.new_user()
            await owner.put_member(world.ids["userId"], "member")
        elif operation.startswith("PUT"):
            world.ids["userId"] = people.new_user()
        elif operation == "DELETE /v1/organizations/{organizationId}" and kind.role == "owner":
            doomed = await people.owner()
            world.ids["organizationId"] = doomed.organization
            who = doomed if kind.is_key else doomed.with_token()
        answered = await asked(operation, world).by(who)
        record.count("requests of the matrix")
        wanted = OK if may(kind, row) else NO_ROLE
        record.check(answered.short == wanted, f"{kind.name}, {operation}: {answered.short} and not {wanted}")

    for operation, row in ROWS.items():
        # All kinds at a time, and no more: a person may have eight responses running.
        await asyncio.gather(*(one(operation, row, kind) for kind in everybody.above))
