"""How a thread is stored and read: its columns, and the objects made of its rows."""

import unicodedata
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from msgspec import UNSET

from threadkeep import clock
from threadkeep.contract.basis import Payload, Raw
from threadkeep.contract.lifecycle import Action, State, check_allowed, state_of
from threadkeep.contract.threads import Thread, ThreadCreate, ThreadUpdate
from threadkeep.database.driver import Row
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.database.statement import scoped
from threadkeep.errors import InvalidField, LeaseExpired, ThreadBusy, ThreadNotFound
from threadkeep.ids import made_ms
from threadkeep.operations import metadata
from threadkeep.operations.revisions import Versioned
from threadkeep.scope import Scope

# Whether a response is being generated. Derived from the lease and the database's clock: a flag would stay set when a
# worker dies.
IS_LEASED = "t.response_id is not null and t.lease_until >= lease_clock()"

# How often a guarded write is tried: the obstacle may be gone by the time it is looked up.
ATTEMPTS_MAX = 3

# A module's name is found faster than an enumeration's member, and most threads are open.
OPEN = State.OPEN


# The columns that lists are sorted by come first, so that a row's position can be read without the rest.
COLUMNS = f"""t.key, t.created_ms, t.updated_ms, t.revision, t.id, t.metadata, t.assistant_id, t.user_id, t.title,
    t.visible_in_ui, t.message_count, {IS_LEASED}, t.locked_ms, t.archived_ms, t.last_message_ms, t.external_id,
    t.expires_ms, t.payload_format, t.copied_thread"""


def threads_of(rows: Iterable[Row], scope: Scope) -> list[Thread]:
    """Make objects of rows of COLUMNS. One loop: a function call for each row would add half to the time."""
    organization_id = scope.organization_id
    return [
        Thread(
            id,
            "thread",
            created_ms // 1000,
            updated_ms // 1000,
            Raw(stored_metadata),
            assistant_id,
            organization_id,
            user_id,
            title,
            visible_in_ui == 1,
            message_count,
            "streaming" if is_leased else "inactive",
            OPEN if locked_ms is None and archived_ms is None else state_of(locked_ms, archived_ms),
            None if last_message_ms is None else last_message_ms // 1000,
            external_id,
            None if expires_ms is None else expires_ms // 1000,
            payload_format,
            None,
        )
        for (
            _, created_ms, updated_ms, _, id, stored_metadata, assistant_id, user_id, title,
            visible_in_ui, message_count, is_leased, locked_ms, archived_ms, last_message_ms, external_id,
            expires_ms, payload_format, _,
        ) in rows
    ]  # fmt: skip


def versioned(row: Row, scope: Scope) -> Versioned:
    _, _, _, revision, *_ = row
    [thread] = threads_of((row,), scope)
    return Versioned(thread, revision)


# For RETURNING, which takes the columns without a table's alias, and on Citus no clock: the statement says whether a
# response is being generated.
RETURNED_COLUMNS = COLUMNS.replace(IS_LEASED, "{is_leased}").replace("t.", "")

READ = scoped(f"""
    select {COLUMNS} from threads t
    where t.organization = :organization and t.id = :thread_id and t.user_id = coalesce(:member, t.user_id)
    """)

READ_STATE = scoped(f"""
    select t.locked_ms, t.archived_ms, t.response_id, {IS_LEASED} from threads t
    where t.organization = :organization and t.id = :thread_id and t.user_id = coalesce(:member, t.user_id)
    """)

INSERT = scoped(f"""
    insert into threads (organization, id, user_id, assistant_id, title, title_folded, metadata, visible_in_ui,
        message_count, last_seq, last_message_ms, created_ms, updated_ms, revision, external_id, payload_format,
        expires_ms, retention_ms)
    values (:organization, :thread_id, :user_id, :assistant_id, :title, :title_folded, :metadata, :visible_in_ui,
        :message_count, :message_count, :last_message_ms, :created_ms, :updated_ms, :now_ms, :external_id,
        :payload_format, :expires_ms, :retention_ms)
    on conflict do nothing
    returning {RETURNED_COLUMNS.format(is_leased="false")}
    """)

UPDATE = scoped(f"""
    update threads set title = :title, title_folded = :title_folded, title_revision = title_revision + :title_changed,
        assistant_id = :assistant_id, metadata = :metadata, visible_in_ui = :visible_in_ui,
        expires_ms = :expires_ms, retention_ms = :retention_ms, payload_format = :payload_format,
        updated_ms = case when updated_ms < :now_ms then :now_ms else updated_ms end, revision = revision + 1
    where organization = :organization and key = :key and user_id = coalesce(:member, user_id)
    returning {RETURNED_COLUMNS.format(is_leased="cast(:is_leased as boolean)")}
    """)


def columns_of(body: ThreadCreate) -> dict[str, Any]:
    """Return the columns that a body sets in INSERT. Raises one of the Metadata… errors."""
    return {
        "title": body.title,
        "title_folded": folded(body.title),
        "assistant_id": body.assistant_id,
        "metadata": metadata.merge(metadata.EMPTY, body.metadata or {}),
        "visible_in_ui": int(body.visible_in_ui),
        "external_id": body.external_id,
        "payload_format": format_of(body.payload),
    }


def format_of(payload: Payload | None) -> str | None:
    return None if payload is None else payload.format


def expiry_ms(expires_at: int | None) -> int | None:
    """Return a given expiry in milliseconds. Raises InvalidField for one that has passed."""
    if expires_at is not None and expires_at < clock.now_ms() // 1000:
        raise InvalidField("The expiry has passed: give a time from now on, in Unix seconds.", param="expiresAt")
    return None if expires_at is None else expires_at * 1000


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
    expires_ms: int | None
    retention_ms: int | None
    payload_format: str | None
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
    is_branched: int
    id: str

    @property
    def state(self) -> State:
        return state_of(self.locked_ms, self.archived_ms)

    def allow(self, *actions: Action) -> None:
        """Raise ThreadLocked or ThreadArchived if the thread's state forbids one of `actions`."""
        for action in actions:
            check_allowed(self.state, action)

    def require_idle(self) -> None:
        """Raise ThreadBusy while a response runs, LeaseExpired if its worker died and it must be settled first."""
        require_idle(self.id, self.response_id, self.is_leased)

    def changed(self, body: ThreadUpdate) -> "HeldThread":
        """Return the row with the changes in `body`. Raises one of the Metadata… errors."""
        return self._replace(
            title=self.title if body.title is UNSET else body.title,
            assistant_id=self.assistant_id if body.assistant_id is UNSET else body.assistant_id,
            metadata=self.metadata if body.metadata is UNSET else metadata.merge(self.metadata, body.metadata),
            visible_in_ui=self.visible_in_ui if body.visible_in_ui is UNSET else int(body.visible_in_ui),
            expires_ms=self.expires_ms if body.expires_at is UNSET else expiry_ms(body.expires_at),
            retention_ms=self.retention_ms if body.expires_at is UNSET else None,
            payload_format=self.payload_format if body.payload is UNSET else format_of(body.payload),
        )

    def indexed(self) -> dict[str, Any]:
        """Return the columns that the thread's metadata pairs are indexed by."""
        return {"shelf": self.shelf, "created_ms": self.created_ms, "thread": self.key, "user_id": self.user_id}


# The columns are the fields, in their order.
HELD_COLUMNS = ", ".join(IS_LEASED if name == "is_leased" else f"t.{name}" for name in HeldThread._fields)
HELD = f"""
    select {HELD_COLUMNS} from threads t
    where t.organization = :organization and t.id = :thread_id and t.user_id = coalesce(:member, t.user_id)
    """
HOLD = scoped(f"{HELD} for update")
HOLD_FREE = scoped(f"{HELD} for update skip locked")


async def hold(tx: ScopedTransaction, thread_id: str) -> HeldThread:
    """Lock the thread's row until the transaction ends. Raises ThreadNotFound."""
    row = await tx.fetch_one(HOLD, thread_id=thread_id)
    if row is None:
        raise ThreadNotFound()
    return HeldThread(*row)


async def hold_free(tx: ScopedTransaction, thread_id: str) -> HeldThread | None:
    """Do the same without waiting: return None if somebody else has locked the row, or if it is gone."""
    row = await tx.fetch_one(HOLD_FREE, thread_id=thread_id)
    return None if row is None else HeldThread(*row)


async def explain(tx: ScopedTransaction, thread_id: str, action: Action) -> None:
    """Raise the reason why a guarded write to the thread did nothing; return if the reason is gone by now."""
    row = await tx.fetch_one(READ_STATE, thread_id=thread_id)
    if row is None:
        raise ThreadNotFound()
    locked_ms, archived_ms, response_id, is_leased = row
    check_allowed(state_of(locked_ms, archived_ms), action)
    if action is not Action.READ:
        require_idle(thread_id, response_id, is_leased)


def require_idle(thread_id: str, response_id: str | None, is_leased: int | bool) -> None:
    if response_id is None:
        return
    if not is_leased:
        raise LeaseExpired(thread_id)
    raise busy(thread_id, response_id)


def busy(thread_id: str, response_id: str) -> ThreadBusy:
    """Return the refusal that says which response runs, and since when."""
    since = datetime.fromtimestamp(made_ms(response_id) // 1000, UTC).isoformat().replace("+00:00", "Z")
    error = ThreadBusy(
        f"The response {response_id} has been running in this thread since {since}: wait for its end or cancel it.",
        headers={"Retry-After": "1"},
    )
    error.thread_id, error.response_id = thread_id, response_id
    return error


def fold(text: str) -> str:
    """Return `text` in the form in which titles are searched: without differences of case or NFKC form.

    Done here and not in the database, so that both databases find the same titles.
    """
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def folded(title: str | None) -> str | None:
    return None if title is None else fold(title)
