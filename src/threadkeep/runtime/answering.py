"""The operations that need a model: claim the thread, start the generation, give the caller its events or its end."""

from collections.abc import Sequence
from contextlib import suppress

from threadkeep.contract.assistants import Configuration
from threadkeep.contract.names import NameCreate
from threadkeep.contract.responses import Context, Response, ResponseCreate
from threadkeep.database.scoped import ScopedDatabase, ScopedTransaction
from threadkeep.errors import InvalidParameter, ResponseNotFound, StorageFull, ThreadNotFound, Unavailable
from threadkeep.operations import idempotency
from threadkeep.operations.paging import Window
from threadkeep.operations.responses import claiming, configuration, context, models, responses
from threadkeep.operations.responses.chosen import ContextTooLong
from threadkeep.operations.responses.claiming import Claim, Terms
from threadkeep.operations.responses.manner import NATIVE, Manner
from threadkeep.operations.responses.rows import StoredResponse, as_deleted, find_by_id, response_of
from threadkeep.operations.threads import threads
from threadkeep.runtime.channels import Channels, Waiter
from threadkeep.runtime.following import LOOK_S, Follower, Position, position_of
from threadkeep.runtime.frames import Allowed, Answered, Presence, Streamed
from threadkeep.runtime.namer import Namer
from threadkeep.runtime.relay import Relay


class Answering:
    """The operations of endpoints that generate, wait for or follow responses and names."""

    def __init__(self, relay: Relay, channels: Channels, namer: Namer, terms: Terms) -> None:
        self._namer = namer
        self._relay = relay
        self._channels = channels
        self._terms = terms

    @property
    def model_names(self) -> Sequence[str]:
        """The models that a caller may name, in the order of the configuration."""
        return self._terms.models

    @property
    def default_model(self) -> str:
        """The model that answers where none is named."""
        return self._terms.default_model

    async def create(
        self,
        db: ScopedDatabase,
        keyed: idempotency.IdempotentRequest | None,
        thread_id: str | None,
        body: ResponseCreate,
        allowed: Allowed,
        presence: Presence,
        manner: Manner = NATIVE,
    ) -> Answered | Follower:
        """Begin a response, or find the one that an earlier request with the same key began."""
        if self._relay.is_draining:
            raise Unavailable("The server is stopping: send the request again.")
        with self._relay.claiming():
            claimed = await db.write(claiming.claim, thread_id, body, keyed, self._terms, manner)
            if isinstance(claimed, Claim):
                self._relay.start(claimed)
        was_replayed = not isinstance(claimed, Claim)
        row = claimed.row if isinstance(claimed, Claim) else await db.read(find_by_id, claimed)
        if row is None:
            raise ThreadNotFound()
        if body.when_busy == "interrupt":
            self.wake(db.scope.organization, row.thread_id)
        if body.stream:
            return Follower(db, self._channels, row, None, was_replayed=was_replayed)
        if body.background and isinstance(claimed, Claim):
            # Not read from the database: the response is claimed, and a failed read must not answer 503.
            return Answered(202, response_of(row, db.scope, ""), was_replayed)
        if body.background:
            return Answered(202, await db.read(responses.shown, row), was_replayed)
        return Answered(200, await self._end_of(db, row, allowed, presence), was_replayed)

    async def _end_of(self, db: ScopedDatabase, row: StoredResponse, allowed: Allowed, presence: Presence) -> Response:
        """Wait for the end of a response. It goes on even if the caller disconnects or loses access."""
        key = (db.scope.organization, row.id)
        waiter = Waiter()
        presence.on_leave = waiter.leave
        self._channels.add(key, row.thread_id, waiter)
        try:
            while not row.has_ended:
                waiter.begin_reading()
                # The response exists: the caller waits until the storage is back.
                with suppress(Unavailable, StorageFull):
                    row = await db.read(responses.find, row.thread_id, row.id)
                if row.has_ended:
                    break
                await waiter.wait(LOOK_S)
                with suppress(Unavailable, StorageFull):
                    await allowed()
                if self._channels.is_closed or presence.is_gone:
                    raise Unavailable("The server is stopping: read the response from another process.")
        except (ThreadNotFound, ResponseNotFound):
            row = as_deleted(row)
        finally:
            self._channels.remove(key, waiter)
        return response_of(row, db.scope)

    async def follow(
        self, db: ScopedDatabase, _keyed: None, thread_id: str, response_id: str, after: str | None, last_id: str | None
    ) -> Answered | Follower:
        """Follow a response from its start, or from a position; 204 if that is its terminal event."""
        position = read_position(after, last_id)
        row = await db.read(responses.find, thread_id, response_id)
        if row.has_ended and position == Position(row.id, row.last_n or 0):
            return Answered(204)
        return Follower(db, self._channels, row, position)

    async def follow_thread(
        self, db: ScopedDatabase, _keyed: None, thread_id: str, after: str | None, last_id: str | None
    ) -> Answered | Follower:
        """Follow the response that runs in the thread; 204 if none does."""
        position = read_position(after, last_id)
        response_id = await db.read(responses.find_running, thread_id)
        if response_id is None:
            return Answered(204)
        return Follower(db, self._channels, await db.read(responses.find, thread_id, response_id), position)

    async def context(self, db: ScopedDatabase, _keyed: None, thread_id: str, asked: Configuration) -> Answered:
        """Show what a response would send to the model now."""
        # `full` reads the whole thread, however long it is.
        read = db.read_slowly if asked.context_mode in (None, "full") else db.read_one_commit
        try:
            return Answered(200, await read(preview, thread_id, asked, self._terms))
        except ContextTooLong as error:
            raise InvalidParameter(str(error), param="contextTokens") from None

    async def models(self, _db: ScopedDatabase, _keyed: None, window: Window) -> Answered:
        """List the models that a caller may name."""
        return Answered(200, models.list_models(self._terms.models, self._terms.default_model, window))

    async def generate_name(
        self,
        db: ScopedDatabase,
        keyed: idempotency.IdempotentRequest | None,
        thread_id: str,
        body: NameCreate,
        streams: bool,
        allowed: Allowed,
        presence: Presence,
        *,
        keeps_title: bool = False,
    ) -> Answered | Streamed:
        """Name a thread after what its user wants; with `keeps_title` one that has a title keeps it."""
        return await self._namer.generate(
            db, keyed, thread_id, body, allowed, presence, streams=streams, keeps_title=keeps_title
        )

    def wake(self, organization: int, id: str) -> None:
        """Make the readers in this process look at once: a change may have ended a response, or that of a thread."""
        self._channels.wake(organization, id)


async def preview(tx: ScopedTransaction, thread_id: str, asked: Configuration, terms: Terms) -> Context:
    thread = (await threads.read_without_payload(tx, thread_id)).object
    assistant = await configuration.resolve(tx, thread.assistant_id, None)
    combined = configuration.combine(assistant, asked, None)
    complete = configuration.with_defaults(
        combined.configuration, model=terms.default_model, context_tokens=terms.context_tokens
    )
    return await context.preview(tx, thread_id, complete, combined.instructions)


def read_position(after: str | None, last_id: str | None) -> Position | None:
    """Return a reader's position: Last-Event-ID takes precedence over `after`."""
    if last_id:
        return position_of(last_id, "Last-Event-ID")
    return None if after is None else position_of(after, "after")
