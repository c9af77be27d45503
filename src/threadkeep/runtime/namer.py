"""Names threads: asks a model or takes words from the conversation; saves the name unless a person was faster."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable
from contextlib import aclosing, suppress
from typing import Any, TypeVar

import msgspec

from threadkeep import clock, titles
from threadkeep.contract.answers import ErrorDetail
from threadkeep.contract.assistants import Configuration
from threadkeep.contract.events import NameCompleted, NameDelta, NameFailed
from threadkeep.contract.names import NameCreate, NameGenerated
from threadkeep.database.driver import Database
from threadkeep.database.scoped import ScopedDatabase, ScopedTransaction
from threadkeep.decoding import decode
from threadkeep.errors import ApiError, Internal, ModelTimeout, ModelUnavailable, StorageFull, Unavailable
from threadkeep.operations import idempotency
from threadkeep.operations.idempotency import Stored
from threadkeep.operations.organizations import usage
from threadkeep.operations.responses.estimating import estimate
from threadkeep.operations.threads import names
from threadkeep.operations.threads.names import Question
from threadkeep.providers import ModelError, ModelRequest, Text, TokenCounts
from threadkeep.providers.catalogue import Catalogue
from threadkeep.providers.echo import NAME as ECHO
from threadkeep.runtime.following import LOOK_S, PING_S
from threadkeep.runtime.frames import PING, Allowed, Answered, Emit, Presence, Streamed, named_frame
from threadkeep.runtime.places import ConcurrencyLimit
from threadkeep.scope import system_scope

logger = logging.getLogger(__name__)

BY_MODEL = "Named by the model."
WITHOUT_MODEL = "No model is configured: the name is made of words from the conversation."
UNUSABLE = "The model's answer was no usable name: the name is made of words from the conversation."
STOPPING = "The server is stopping: send the request again."
# A name is short; a model that says more than this is not read any further.
OUTPUT_CHARACTERS_MAX = 20_000
# No setting: the work must end before the reservation of its key does (`idempotency.RESERVED_MS`).
ASK_S = 600.0

T = TypeVar("T")

# Called with the whole text of the model so far.
OnText = Callable[[str], None]


def nowhere(_text: str) -> None:
    pass


class Namer:
    """Makes names on request and, if `names_by_itself`, after the first answer in a thread."""

    def __init__(self, database: Database, catalogue: Catalogue, *, names_by_itself: bool, per_user_max: int) -> None:
        self._database = database
        self._catalogue = catalogue
        self._names_by_itself = names_by_itself
        self._places = ConcurrencyLimit("generated names", per_user_max)
        # The event loop keeps only weak references: without this set a task could vanish in the middle of its work.
        self._tasks: set[asyncio.Task[Any]] = set()  # Any: their results differ.

    async def generate(
        self,
        db: ScopedDatabase,
        keyed: idempotency.IdempotentRequest | None,
        thread_id: str,
        body: NameCreate,
        allowed: Allowed,
        presence: Presence,
        *,
        streams: bool,
        keeps_title: bool = False,
    ) -> "Answered | NameStream":
        """Name a thread. Raises ThreadEmpty, ModelUnavailable, ModelTimeout and the errors of the thread's state.

        If the client disconnects, the work is cancelled, unless an Idempotency-Key lets a retry fetch the name.
        """
        place = self._places.take(db.scope)
        try:
            begun = await db.write(names.begin, thread_id, body, keyed, keeps_title=keeps_title)
        except BaseException:  # A cancellation too: the place must be given back. Raised again.
            place.leave()
            raise
        stream = NameStream(self, db, keyed, thread_id, begun)
        if isinstance(begun, Stored):
            place.leave()
            if streams:
                return stream
            return Answered(200, decode(begun.body, NameGenerated), was_replayed=True)
        work = stream.make(begun) if streams else self.finish(db, keyed, thread_id, begun)
        task: asyncio.Task[Any] = self.start(work)
        task.add_done_callback(lambda _: place.leave())
        task.add_done_callback(lambda _: stream.end())
        task.add_done_callback(note_mistake)
        if keyed is None:
            presence.on_leave = stream.on_leave = task.cancel
            if presence.is_gone:
                task.cancel()
        if streams:
            return stream
        try:
            # Not awaited itself: a stopping server cancels the request first, then the task, which frees the key.
            while not (await asyncio.wait({task}, timeout=LOOK_S))[0]:
                with suppress(Unavailable):  # The storage is away: asked again next time.
                    await allowed()
            return Answered(200, task.result())
        except asyncio.CancelledError:
            raise Unavailable(STOPPING) from None
        finally:
            presence.on_leave()

    def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run `work` in a task that goes on even when nobody waits for it any more."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def finish(
        self,
        db: ScopedDatabase,
        keyed: idempotency.IdempotentRequest | None,
        thread_id: str,
        question: Question,
        on_text: OnText = nowhere,
    ) -> NameGenerated:
        """Make the name and save it. A failure frees the Idempotency-Key; the tokens used are counted in any case."""
        spent: list[Spent] = []
        try:
            name, message = await self._make(question, spent, on_text)
            return await db.write(names.save, thread_id, question, name, message, keyed)
        except BaseException:  # A cancellation too: a retry must find the key free. Raised again.
            if keyed is not None:
                await db.as_service().write(idempotency.free, keyed)
            raise
        finally:
            for each in spent:
                await self._record(db.as_service(), question.user_id, each)

    async def _record(self, db: ScopedDatabase, user_id: str, spent: "Spent") -> None:
        """Count the tokens used, even if the caller has lost access. A storage failure is only logged."""
        try:
            await db.write_once(record, self._catalogue.default, user_id, spent)
        except (Unavailable, StorageFull) as error:
            logger.warning("The tokens of a generated name were not counted: %s", error)

    async def _make(self, question: Question, spent: "list[Spent]", on_text: OnText) -> tuple[str, str]:
        if self._catalogue.default == ECHO:
            return await asyncio.to_thread(titles.extract, question.texts), WITHOUT_MODEL
        messages = titles.request_messages(question.texts)
        asked = Spent(messages)
        spent.append(asked)
        name = titles.clean(await self._ask(asked, on_text))
        if name is not None:
            return name, BY_MODEL
        return await asyncio.to_thread(titles.extract, question.texts), UNUSABLE

    async def _ask(self, asked: "Spent", on_text: OnText) -> str:
        provider, upstream_name = self._catalogue.provider(self._catalogue.default)
        configuration = Configuration(max_output_tokens=titles.MAX_OUTPUT_TOKENS)
        request = ModelRequest(upstream_name, asked.messages, configuration)
        try:
            async with asyncio.timeout(ASK_S), aclosing(provider.stream(request)) as pieces:  # type: ignore[type-var]  # It is a generator.
                async for batch in pieces:
                    asked.take(batch)
                    on_text(asked.said)
                    if len(asked.said) > OUTPUT_CHARACTERS_MAX:
                        break
        except ModelError as error:
            raise (ModelTimeout if error.code == "model_timeout" else ModelUnavailable)(error.message) from None
        except TimeoutError:
            raise ModelTimeout() from None
        return asked.said

    def answered(self, organization: int, organization_id: str, thread_id: str, response_id: str) -> None:
        """Name the thread of a completed response if that is its first one and it has no title."""
        if self._names_by_itself:
            db = ScopedDatabase(self._database, system_scope(organization, organization_id))
            self.start(self._name_automatically(db, thread_id, response_id))

    async def _name_automatically(self, db: ScopedDatabase, thread_id: str, response_id: str) -> None:
        try:
            question = await db.write(names.begin_automatic, thread_id, response_id)
            if question is not None:
                await self.finish(db, None, thread_id, question)
        except ApiError as error:
            logger.info("A thread was not named: %s", error.message)
        except Exception:  # Where a task ends: a name is not worth more than a line in the log.
            logger.exception("A thread was not named.")

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def note_mistake(task: asyncio.Task[Any]) -> None:
    """Log an unexpected failure of a naming task. Not an ApiError: the caller gets that, or has left."""
    error = None if task.cancelled() else task.exception()
    if error is not None and not isinstance(error, ApiError):
        logger.error("A name could not be made.", exc_info=error)


class Spent:
    """What was asked of a model and what it said, to count the tokens used."""

    def __init__(self, messages: list[dict[str, str]]) -> None:
        self.messages = messages
        self.said = ""
        self._counts: TokenCounts | None = None

    def take(self, batch: Iterable[Any]) -> None:  # Any: pieces of all kinds.
        for piece in batch:
            if isinstance(piece, Text):
                self.said += piece.text
            elif isinstance(piece, TokenCounts):
                self._counts = piece

    def tokens(self) -> dict[str, int]:
        if self._counts is not None:
            counted = self._counts
            return {
                "input_tokens": counted.input_tokens, "output_tokens": counted.output_tokens, "is_estimated": 0
            }  # fmt: skip
        input_tokens = sum(estimate(message["content"]) for message in self.messages)
        output_tokens = estimate(self.said) if self.said else 0
        return {"input_tokens": input_tokens, "output_tokens": output_tokens, "is_estimated": 1}


async def record(tx: ScopedTransaction, model: str, user_id: str, spent: Spent) -> None:
    await usage.record(tx, user_id=user_id, assistant_id=None, model=model, responses=0, **spent.tokens())


class NameStream(Streamed):
    """A name as a stream: first the words that are certain so far, then the saved name."""

    def __init__(
        self,
        namer: Namer,
        db: ScopedDatabase,
        keyed: idempotency.IdempotentRequest | None,
        thread_id: str,
        begun: Question | Stored,
    ) -> None:
        self.was_replayed = isinstance(begun, Stored)
        self._namer = namer
        self._db = db
        self._keyed = keyed
        self._thread_id = thread_id
        self._begun = begun
        self.on_leave: Callable[[], object] = int
        self._shown = ""
        # None marks the end.
        self._frames: asyncio.Queue[bytes | None] = asyncio.Queue()

    def leave(self) -> None:
        """Note that the client has disconnected."""
        self.on_leave()

    async def run(self, emit: Emit, allowed: Allowed) -> None:
        """Emit the name. A caller who loses access meanwhile gets none, and it is not saved."""
        if isinstance(self._begun, Stored):
            self._complete(decode(self._begun.body, NameGenerated))
            self.end()
        try:
            await emit(PING)
            await self._show_frames(emit, allowed)
        except asyncio.CancelledError:  # The server is stopping; it ends the task after the streams.
            await emit(failed_frame(Unavailable(STOPPING), self.request_id))
        finally:
            self.on_leave()

    async def _show_frames(self, emit: Emit, allowed: Allowed) -> None:
        now_s = pinged_s = looked_s = clock.monotonic_s()
        while True:
            with suppress(TimeoutError):
                data = await asyncio.wait_for(self._frames.get(), min(LOOK_S, pinged_s + PING_S - now_s))
                if data is None:
                    return
                await emit(data)
            now_s = clock.monotonic_s()
            if now_s - looked_s >= LOOK_S:
                with suppress(Unavailable):  # The storage is away: asked again next time.
                    await allowed()
                looked_s = now_s
            if now_s - pinged_s >= PING_S:
                await emit(PING)
                pinged_s = now_s

    def end(self) -> None:
        """End the stream. Called when the naming task ends, even if that is before its first step."""
        self._frames.put_nowait(None)

    async def make(self, question: Question) -> None:
        """Make the name, and queue its frames for `run`."""
        try:
            self._complete(await self._namer.finish(self._db, self._keyed, self._thread_id, question, self._hear))
        except ApiError as error:
            self._frames.put_nowait(failed_frame(error, self.request_id))
        except Exception:  # Where a task ends: the stream must end too.
            logger.exception("A name for a stream could not be made.")
            self._frames.put_nowait(failed_frame(Internal(), self.request_id))

    def _hear(self, said: str) -> None:
        # The last word may still change.
        self._add((titles.clean(said) or "").rpartition(" ")[0])

    def _complete(self, generated: NameGenerated) -> None:
        self._add(generated.name or "")
        self._frames.put_nowait(named_frame(NameCompleted(*msgspec.structs.astuple(generated))))

    def _add(self, name: str) -> None:
        """Queue the new part of the name. If the name no longer begins as shown, only the final event has it."""
        if name.startswith(self._shown) and len(name) > len(self._shown):
            self._frames.put_nowait(named_frame(NameDelta(name[len(self._shown) :])))
            self._shown = name


def failed_frame(error: ApiError, request_id: str) -> bytes:
    return named_frame(NameFailed(ErrorDetail(error.message, error.type, error.code, error.param, request_id)))
