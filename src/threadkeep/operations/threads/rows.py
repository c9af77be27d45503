"""How a thread is read: its columns, the object made of them, and the row that a change holds on to."""

import unicodedata
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from threadkeep.contract.basis import Raw
from threadkeep.contract.lifecycle import Action, State, check_allowed, state_of
from threadkeep.contract.threads import Thread, ThreadUpdate
from threadkeep.database.driver import Row
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.database.statement import scoped
from threadkeep.errors import LeaseExpired, PreconditionFailed, ThreadBusy, ThreadNotFound
from threadkeep.ids import made_ms
from threadkeep.scope import Scope

# Fields with nothing special about them: each is a column of the same name, set by create and update alike.
# They stand in `Thread` behind last_message_at, in the order in which they stand in `ThreadUpdate`.
SPECIAL_FIELDS = ("title", "metadata", "assistant_id", "visible_in_ui")
PLAIN_FIELDS = tuple(name for name in ThreadUpdate.__struct_fields__ if name not in SPECIAL_FIELDS)
PLAIN_COLUMNS = "".join(f", t.{name}" for name in PLAIN_FIELDS)

# Whether a response is being generated. Derived from its lease by the database's clock, never a flag that somebody
# must remember to clear.
IS_LEASED = "t.response_id is not null and t.lease_until >= lease_clock()"

COLUMNS = f"""t.id, t.created_ms, t.updated_ms, t.metadata, t.assistant_id, t.user_id, t.title, t.visible_in_ui,
    t.message_count, t.response_id, {IS_LEASED}, t.locked_ms, t.archived_ms, t.last_message_ms, t.revision,
    t.key{PLAIN_COLUMNS}"""
PLAIN_PLACES = slice(16, 16 + len(PLAIN_FIELDS))

# What RETURNING takes: it names the columns without their table.
RETURNED_COLUMNS = COLUMNS.replace("t.", "")

ATTEMPTS_MAX = 3

# Most threads are; a member of an enumeration takes longer to find than a name.
OPEN = State.OPEN

READ = scoped(f"""
    select {COLUMNS} from threads t
    where t.organization = :organization and t.id = :thread_id and t.user_id = coalesce(:member, t.user_id)
    """)

HOLD = scoped(f"""
    select t.key, t.user_id, t.created_ms, t.updated_ms, t.metadata, t.assistant_id, t.title, t.visible_in_ui,
        t.message_count, t.last_seq, t.locked_ms, t.locked_by_role, t.archived_ms, t.shelf, t.revision,
        t.response_id, {IS_LEASED}, t.cleared_seq, t.id{PLAIN_COLUMNS}
    from threads t
    where t.organization = :organization and t.id = :thread_id and t.user_id = coalesce(:member, t.user_id)
    for update
    """)


class Versioned(NamedTuple):
    """An object and its revision, which the caller gets as ETag."""

    object: Any  # Any: whichever struct the operation answers with.
    revision: int


# Whether an If-Match header allows a change to an object of this revision, or to none (None).
Precondition = Callable[[int | None], bool]


class HeldThread(NamedTuple):
    """A thread's row, locked until the end of the transaction."""

    key: int
    user_id: str
    created_ms: int
    updated_ms: int
    metadata: str
    assistant_id: str | None
    title: str | None
    visible_in_ui: int
    message_count: int
    last_seq: int
    locked_ms: int | None
    locked_by_role: str | None
    archived_ms: int | None
    shelf: int
    revision: int
    response_id: str | None
    is_leased: int | bool
    cleared_seq: int
    id: str
    # The values of PLAIN_FIELDS.
    plain: tuple[Any, ...]

    @property
    def state(self) -> State:
        return state_of(self.locked_ms, self.archived_ms)

    def allow(self, *actions: Action) -> None:
        """Raise the conflict that the thread's state has with one of `actions`, if any."""
        for action in actions:
            check_allowed(self.state, action)

    def require_idle(self) -> None:
        """Raise ThreadBusy while a response runs, LeaseExpired when one that died must be settled first."""
        require_idle(self.id, self.response_id, self.is_leased)

    def match(self, precondition: Precondition | None) -> None:
        if precondition is not None and not precondition(self.revision):
            raise PreconditionFailed()

    def indexed(self) -> dict[str, Any]:
        """Return what the thread's metadata pairs are stored under."""
        return {"shelf": self.shelf, "created_ms": self.created_ms, "thread": self.key, "user_id": self.user_id}


async def hold(tx: ScopedTransaction, thread_id: str) -> HeldThread:
    """Lock the thread's row until the transaction ends. Raises ThreadNotFound."""
    row = await tx.fetch_one(HOLD, thread_id=thread_id)
    if row is None:
        raise ThreadNotFound()
    special_count = len(HeldThread._fields) - 1
    return HeldThread._make([*row[:special_count], tuple(row[special_count:])])


async def explain(tx: ScopedTransaction, thread_id: str, action: Action) -> None:
    """Raise why a guarded write to the thread did nothing; return if nothing is in its way any more."""
    row = await tx.fetch_one(READ, thread_id=thread_id)
    if row is None:
        raise ThreadNotFound()
    check_allowed(state_of(row[11], row[12]), action)
    if action is not Action.READ:
        require_idle(thread_id, row[9], row[10])


def require_idle(thread_id: str, response_id: str | None, is_leased: int | bool) -> None:
    if response_id is None:
        return
    if not is_leased:
        raise LeaseExpired(thread_id)
    raise busy(response_id)


def busy(response_id: str) -> ThreadBusy:
    """Return the refusal that says which response runs, and since when."""
    since = datetime.fromtimestamp(made_ms(response_id) // 1000, UTC).isoformat().replace("+00:00", "Z")
    return ThreadBusy(
        f"The response {response_id} has been running in this thread since {since}: wait for its end or cancel it.",
        headers={"Retry-After": "1"},
    )


def threads_of(rows: Iterable[Row], scope: Scope) -> list[Thread]:
    """Make the objects of rows of COLUMNS: all in one function, since each call would cost half as much as its work."""
    organization_id = scope.organization_id
    return [
        Thread(
            row[0],
            "thread",
            row[1] // 1000,
            row[2] // 1000,
            Raw(row[3]),
            row[4],
            organization_id,
            row[5],
            row[6],
            row[7] == 1,
            row[8],
            "streaming" if row[10] else "inactive",
            OPEN if row[11] is None and row[12] is None else state_of(row[11], row[12]),
            None if row[13] is None else row[13] // 1000,
            *row[PLAIN_PLACES],
        )
        for row in rows
    ]


def versioned(row: Row, scope: Scope) -> Versioned:
    [thread] = threads_of((row,), scope)
    return Versioned(thread, row[14])


def fold(text: str) -> str:
    """Return `text` as titles are searched: case and compatible forms (NFKC) of a character do not matter.

    Done here and not in the database, so that both databases find the same.
    """
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
