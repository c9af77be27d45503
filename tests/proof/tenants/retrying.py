"""What a request carries that is neither an id nor a field: the key of a retry, and the cursor of a list."""

import json

from proof.record import Record
from proof.tenants.asking import asked
from proof.tenants.callers import Everybody, Kind
from proof.tenants.matrix import show
from proof.tenants.rows import OK, RETRY, ROWS
from proof.tenants.worlds import CANARY, make_world, numbers
from support.cast import Caller

REPLAYED = "idempotent-replayed"


async def try_keys_of_retries(everybody: Everybody, record: Record) -> None:
    """Repeat another's request with the other's key: it is a request of its own, as with a key that never was."""
    first, other, colleague = everybody.twins
    for operation, row in ROWS.items():
        if RETRY not in row.references.values():
            continue
        for repeater, name in ((other, "the same user id of another organization"), (colleague, "another user")):
            await repeat(operation, first, repeater, name, record)


async def repeat(operation: str, first: Caller, repeater: Caller, name: str, record: Record) -> None:
    """Let `first` ask something with a key, and `repeater` send the very same."""
    world = await make_world(first, first, "canaryvictim")
    is_other = repeater.organization != first.organization
    if "{threadId}" in operation and operation.count("{") == 1:
        # A thread's id is the caller's choice: both organizations have this one.
        world.ids["threadId"] = f"thread_twin_{next(numbers)}"
        await make_twin(first, world.ids["threadId"], "canaryvictim")
        if is_other:
            await make_twin(repeater, world.ids["threadId"], "canarystranger")
    request = asked(operation, world).put("header Idempotency-Key", f"key-{next(numbers)}")
    done, again = await request.by(first), await request.by(first)
    repeated = await request.by(repeater)
    record.count("requests of the matrix", 3)
    what = f"{name}, {operation}, header Idempotency-Key"
    record.check(done.short == OK, f"{what}: the first was answered {done.short}")
    record.check(REPLAYED in again.headers, f"{what}: the first one's own retry was not recognized")
    record.check(REPLAYED not in repeated.headers, f"{what}: was given the answer of somebody else's request")
    if is_other:
        show(set(CANARY.findall(repeated.text)) & {"canaryvictim"}, what, record)


async def make_twin(owner: Caller, thread: str, canary: str) -> None:
    await owner.create_thread(id=thread, messages=[{"role": "user", "content": f"said {canary}"}])


async def try_cursors(everybody: Everybody, record: Record) -> None:
    """Give another's cursors to one's own lists: what they show is one's own."""
    owner = everybody.above[-2]
    for operation, row in ROWS.items():
        if (
            not operation.startswith("GET")
            or "query after" not in row.references
            or operation.endswith(("events", "am"))
        ):
            continue
        page = await asked(operation, everybody.victim).put("query limit", "1").by(owner.who)
        if page.short != OK or not (cursor := json.loads(page.text)["nextCursor"]):
            continue
        for kind in (*everybody.strangers, *everybody.colleagues):
            await use_cursor(operation, kind, cursor, record)


async def use_cursor(operation: str, kind: Kind, cursor: str, record: Record) -> None:
    for name in ("query after", "query before"):
        answered = await asked(operation, kind.world).put(name, cursor).by(kind.who)
        record.count("requests of the matrix")
        record.count("cursors of others")
        what = f"{kind.name}, {operation}, {name} with another's cursor"
        record.check(answered.status in (200, 400, 403), f"{what}: {answered.short}")
        show(set(CANARY.findall(answered.text)) & kind.world.foreign, what, record)
