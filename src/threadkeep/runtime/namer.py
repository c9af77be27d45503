"""Generated names: asks a model, or makes one from the words of the user, and saves it unless a person was faster."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import aclosing, suppress
from typing import Any, TypeVar

import msgspec

from threadkeep import clock
from threadkeep.database.driver import Database
from threadkeep.database.scoped import ScopedDatabase
from threadkeep.errors import ApiError, Internal, ModelTimeout, ModelUnavailable, Unavailable
from threadkeep.objects import Configuration, Error, ErrorDetail, NameCreate, NameGenerated
from threadkeep.operations import idempotency, names
from threadkeep.operations.idempotency import Stored
from threadkeep.operations.names import Question
from threadkeep.providers import ModelError, ModelRequest, Text
from threadkeep.providers.catalogue import Catalogue
from threadkeep.providers.echo import NAME as ECHO
from threadkeep.runtime import naming
from threadkeep.runtime.following import LOOK_S, PING_S
from threadkeep.runtime.frames import PING, Allowed, Answered, Emit, Streamed, named_frame
from threadkeep.scope import system_scope

logger = logging.getLogger(__name__)

BY_MODEL = "Named by the model."
WITHOUT_MODEL = "No model is configured: the name is made of words from the conversation."
UNUSABLE = "The model's answer was no usable name: the name is made of words from the conversation."
STOPPING = "The server is stopping: send the request again."
# A name is short; a model that goes on is not read any further.
OUTPUT_CHARACTERS_MAX = 20_000
# Whatever the settings say: a key is reserved for `idempotency.RESERVED_MS`, and its work must be over before.
ASK_S = 600.0

T = TypeVar("T")

# Is called with all that the model has said so far.
OnText = Callable[[str], None]


def nowhere(_text: str) -> None:
    pass


class Namer:
    """Makes names for whoever asks, and by itself after a first answer where the setting says so."""

    def __init__(self, database: Database, catalogue: Catalogue, *, names_by_itself: bool) -> None:
        self._database = database
        self._catalogue = catalogue
        self._names_by_itself = names_by_itself
        # A task that nobody refers to may vanish in the middle of its work.
        self._tasks: set[asyncio.Task[Any]] = set()  # Any: what comes of one is its starter's business.

    async def generate(
        self, db: ScopedDatabase, keyed: idempotency.Request | None, thread_id: str, body: NameCreate, streams: bool
    ) -> "Answered | NameStream":
        """Name a thread. Raises ThreadEmpty, ModelUnavailable, ModelTimeout and what the thread's state forbids."""
        begun = await db.write(names.begin, thread_id, body, keyed)
        if streams:
            return NameStream(self, db, keyed, thread_id, begun)
        if isinstance(begun, Stored):
            return Answered(200, msgspec.json.decode(begun.body, type=NameGenerated), was_replayed=True)
        try:
            # Shielded: a server that stops ends the request first, then the task, which frees the key.
            return Answered(200, await asyncio.shield(self.start(self.finish(db, keyed, thread_id, begun))))
        except asyncio.CancelledError:
            raise Unavailable(STOPPING) from None

    def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begin `work`, which goes on though nobody waits for it any more."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def finish(
        self,
        db: ScopedDatabase,
        keyed: idempotency.Request | None,
        thread_id: str,
        question: Question,
        on_text: OnText = nowhere,
    ) -> NameGenerated:
        """Make the name and save it. A failure frees the retry's key."""
        try:
            name, message = await self._make(question, on_text)
            return await db.write(names.save, thread_id, question, name, message, keyed)
        except BaseException:
            if keyed is not None:
                await db.as_service().write(idempotency.free, keyed)
            raise

    async def _make(self, question: Question, on_text: OnText) -> tuple[str, str]:
        if self._catalogue.default == ECHO:
            return await asyncio.to_thread(naming.extract, question.texts), WITHOUT_MODEL
        name = naming.clean(await self._ask(question, on_text))
        if name is not None:
            return name, BY_MODEL
        return await asyncio.to_thread(naming.extract, question.texts), UNUSABLE

    async def _ask(self, question: Question, on_text: OnText) -> str:
        provider, upstream_name = self._catalogue.provider(self._catalogue.default)
        configuration = Configuration(max_output_tokens=naming.MAX_OUTPUT_TOKENS)
        request = ModelRequest(upstream_name, naming.request_messages(question.texts), configuration)
        said = ""
        try:
            async with asyncio.timeout(ASK_S), aclosing(provider.stream(request)) as pieces:  # type: ignore[type-var]  # It is a generator.
                async for batch in pieces:
                    said += "".join(piece.text for piece in batch if isinstance(piece, Text))
                    on_text(said)
                    if len(said) > OUTPUT_CHARACTERS_MAX:
                        break
        except ModelError as error:
            raise (ModelTimeout if error.code == "model_timeout" else ModelUnavailable)(error.message) from None
        except TimeoutError:
            raise ModelTimeout() from None
        return said

    def answered(self, organization: int, organization_id: str, thread_id: str, response_id: str) -> None:
        """A response was completed: name its thread if it is the first and has no title."""
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


class NameStream(Streamed):
    """A name as it comes: what is certain of it so far, then the name that was saved."""

    def __init__(
        self,
        namer: Namer,
        db: ScopedDatabase,
        keyed: idempotency.Request | None,
        thread_id: str,
        begun: Question | Stored,
    ) -> None:
        self.was_replayed = isinstance(begun, Stored)
        self._namer = namer
        self._db = db
        self._keyed = keyed
        self._thread_id = thread_id
        self._begun = begun
        self._shown = ""
        # None comes last.
        self._frames: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def run(self, emit: Emit, allowed: Allowed) -> None:
        """Emit the name. Though its client goes away the name is saved; not when he has lost his rights."""
        if isinstance(self._begun, Stored):
            self._complete(msgspec.json.decode(self._begun.body, type=NameGenerated))
            self._frames.put_nowait(None)
        else:
            self._namer.start(self._make(self._begun))
        try:
            await emit(PING)
            await self._show_frames(emit, allowed)
        except asyncio.CancelledError:  # The server stops; what is being made ends after its streams.
            await emit(failed_frame(Unavailable(STOPPING), self.request_id))

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

    async def _make(self, question: Question) -> None:
        try:
            self._complete(await self._namer.finish(self._db, self._keyed, self._thread_id, question, self._hear))
        except ApiError as error:
            self._frames.put_nowait(failed_frame(error, self.request_id))
        except Exception:  # Where a task ends: the stream must end too.
            logger.exception("A name for a stream could not be made.")
            self._frames.put_nowait(failed_frame(Internal(), self.request_id))
        finally:
            self._frames.put_nowait(None)

    def _hear(self, said: str) -> None:
        # The last word may still change.
        self._add((naming.clean(said) or "").rpartition(" ")[0])

    def _complete(self, generated: NameGenerated) -> None:
        self._add(generated.name or "")
        self._frames.put_nowait(named_frame("name.completed", generated))

    def _add(self, name: str) -> None:
        """Show what of the name was not shown yet. What goes on otherwise than it began comes with the end alone."""
        if name.startswith(self._shown) and len(name) > len(self._shown):
            self._frames.put_nowait(named_frame("name.delta", {"delta": name[len(self._shown) :]}))
            self._shown = name


def failed_frame(error: ApiError, request_id: str) -> bytes:
    detail = ErrorDetail(error.message, error.type, error.code, error.param, request_id)
    return named_frame("name.failed", Error(detail))
