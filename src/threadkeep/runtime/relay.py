"""Generation: one task for each claimed response, which reads its model and gives the pieces to the journal.

Requests only read. A client that disconnects cancels nothing; the task ends when the response loses its thread's lease.
"""

import asyncio
import itertools
import logging
from collections.abc import Iterator, Mapping
from contextlib import aclosing, contextmanager, suppress
from functools import partial

from threadkeep import clock
from threadkeep.contract.events import ToolCallDelta
from threadkeep.database.driver import Database
from threadkeep.database.scoped import ScopedDatabase
from threadkeep.errors import StorageFull, Unavailable
from threadkeep.operations.messages import wanted_back
from threadkeep.operations.responses import context, events, settling
from threadkeep.operations.responses.chosen import ContextTooLong
from threadkeep.operations.responses.claiming import Claim
from threadkeep.operations.responses.events import Answer, CallSoFar, finished_calls
from threadkeep.operations.responses.settling import Ending, FencedOff, Finished
from threadkeep.providers import (
    Finish,
    ModelError,
    ModelRequest,
    Piece,
    Reasoning,
    Text,
    TokenCounts,
    ToolCallPart,
    WantedBackPiece,
)
from threadkeep.providers.catalogue import Catalogue
from threadkeep.runtime.channels import Channels
from threadkeep.runtime.chat_format import chat_messages
from threadkeep.runtime.collecting import Collector
from threadkeep.runtime.journal import Generation, Journal
from threadkeep.runtime.namer import Namer
from threadkeep.runtime.outcomes import Outcomes
from threadkeep.runtime.tally import RUNNING, Tally
from threadkeep.scope import system_scope

logger = logging.getLogger(__name__)

RETRY_S = 0.1
FULL_ATTEMPTS_MAX = 3
DRAIN_LOOK_S = 0.02

STOPPED = Ending("failed", "interrupted", "The server was stopped while it wrote this answer; its text is kept.")
INTERNAL = Ending("failed", "internal", "The answer could not be stored to its end; its text so far is kept.")

CUT_CALL = Ending(
    "failed", "answer_too_long", "The answer reached its greatest length within a call: raise maxOutputTokens."
)
BROKEN_CALL = Ending(
    "failed", "model_unavailable", "The model called a function with arguments that are no JSON: try again."
)


class Worker:
    """The generation of one response: its answer so far, and how it ends."""

    def __init__(self, claim: Claim, generation: Generation, characters_max: int) -> None:
        self._characters_left = characters_max
        self.is_too_long = False
        self.claim = claim
        self.generation = generation
        self.task: asyncio.Task[None] | None = None
        # A task that is cancelled before its first step never runs, so it could not end the response.
        self.has_begun = False
        self.texts: list[str] = []
        self.calls: dict[int, CallSoFar] = {}
        # Collects what the model's server wants back. Set when the context is read, if it wants anything.
        self.collector: Collector | None = None
        self.tokens: TokenCounts | None = None
        self.finish_reason: str | None = None
        self.is_fenced_off = False
        # Why the task was cancelled, if not because somebody else has ended the response.
        self.ending: Ending | None = None

    def take_all(self, pieces: list[Piece]) -> None:
        """Queue pieces that came together; texts alone, as nearly always, as one."""
        texts = [piece.text for piece in pieces if type(piece) is Text]
        for piece in pieces if len(texts) < len(pieces) else (Text("".join(texts)),):
            self.take(piece)

    def take(self, piece: Piece) -> None:
        """Queue a piece of the answer for the journal; text beyond the longest answer is dropped."""
        if type(piece) is Text:
            text = self._fitting(piece.text)
            self.texts.append(text)
            self.generation.add_text(events.TEXT, text)
        elif type(piece) is Reasoning:
            self._collect(piece)
            self.generation.add_text(events.REASONING, self._fitting(piece.text))
        elif type(piece) is ToolCallPart:
            part = ToolCallDelta(piece.index, piece.id, piece.name, self._fitting(piece.arguments))
            events.add_call(self.calls, part)
            self.generation.add_call(part)
        elif type(piece) is TokenCounts:
            self.tokens = piece
        elif type(piece) is WantedBackPiece:
            self._collect(piece)
        elif type(piece) is Finish:
            self.finish_reason = piece.reason

    def stop(self) -> None:
        """Cancel the task, which then ends the response as `ending` or `is_fenced_off` says."""
        if self.has_begun and self.task is not None:
            self.task.cancel()

    def _collect(self, piece: Reasoning | WantedBackPiece) -> None:
        if self.collector is not None:
            self.collector.take(piece)

    def _fitting(self, text: str) -> str:
        left = self._characters_left
        self._characters_left -= len(text)
        if self._characters_left >= 0:
            return text
        self.is_too_long = True
        return text[: max(0, left)]

    def answer(self) -> Answer:
        kept = finished_calls(self.calls)
        wanted = None if self.collector is None else self.collector.stored(self.calls, kept)
        return Answer("".join(self.texts), kept, wanted)

    def ending_by_model(self) -> Ending:
        """Return the ending when the model has finished: completed, or failed if a tool call is cut off or broken."""
        if len(finished_calls(self.calls)) == len(self.calls):
            return Ending("completed", finish_reason=self.finish_reason)
        return CUT_CALL if self.finish_reason == "length" else BROKEN_CALL


class Relay:
    """All generations of the process."""

    def __init__(
        self,
        database: Database,
        catalogue: Catalogue,
        channels: Channels,
        journal: Journal,
        namer: Namer,
        lease_s: float,
        answer_characters_max: int,
        tally: Tally,
    ) -> None:
        self._namer = namer
        self._database = database
        self._catalogue = catalogue
        self._channels = channels
        self._journal = journal
        self._lease_s = lease_s
        self._answer_characters_max = answer_characters_max
        self._workers: set[Worker] = set()
        self._outcomes = Outcomes(tally)
        self._running = tally.cells(RUNNING)
        self._claims_count = 0
        self.is_draining = False

    def start(self, claim: Claim) -> None:
        """Start generating in a task that belongs to the process: no cancelled request can cancel it."""
        key = (claim.organization, claim.response_id)
        generation = Generation(claim, self._channels.open(key, claim.thread_id), claim.claimed_s + self._lease_s)
        worker = Worker(claim, generation, self._answer_characters_max)
        generation.stop = lambda: self._fence_off(worker)
        generation.fail = lambda error: self._end_early(worker, INTERNAL)
        self._journal.register(generation)
        self._workers.add(worker)
        self._running[0] += 1
        worker.task = asyncio.ensure_future(self._run(worker))

    @contextmanager
    def claiming(self) -> Iterator[None]:
        """Count a claim that is under way: a draining process waits for its outcome."""
        self._claims_count += 1
        try:
            yield
        finally:
            self._claims_count -= 1

    async def drain(self, seconds: float) -> None:
        """Take no new responses; give running ones `seconds` to end, then end them."""
        self.is_draining = True
        until_s = clock.monotonic_s() + seconds
        while self._is_busy and (now_s := clock.monotonic_s()) < until_s + self._lease_s:
            for worker in list(self._workers) if now_s >= until_s else ():
                self._end_early(worker, STOPPED)
            await asyncio.sleep(DRAIN_LOOK_S)

    @property
    def _is_busy(self) -> bool:
        return bool(self._workers or self._claims_count)

    def _fence_off(self, worker: Worker) -> None:
        worker.is_fenced_off = True
        worker.stop()

    def _end_early(self, worker: Worker, ending: Ending) -> None:
        if worker.ending is None and not worker.is_fenced_off:
            worker.ending = ending
            worker.stop()

    async def _run(self, worker: Worker) -> None:
        worker.has_begun = True
        try:
            ending = worker.ending or (INTERNAL if worker.is_fenced_off else await self._generate(worker))
        except asyncio.CancelledError:
            ending = worker.ending or INTERNAL
        except Exception:  # Where a task ends: the response must end too.
            logger.exception("Response %s failed.", worker.claim.response_id)
            ending = INTERNAL
        worker.ending = ending
        try:
            with suppress(asyncio.CancelledError):
                await self._journal.release(worker.generation)
                if worker.is_fenced_off or not await self._finish(worker, ending):
                    self._outcomes.taken()
        finally:
            self._workers.discard(worker)
            self._running[0] -= 1
            self._channels.end((worker.claim.organization, worker.claim.response_id))

    async def _generate(self, worker: Worker) -> Ending:
        """Read the model to its end; return how the response ends."""
        claim = worker.claim
        try:
            request = await self._request(worker)
            provider, _ = self._catalogue.provider(claim.combined.configuration.model or "")
            stream = provider.stream(request, partial(self._journal.arrived, worker.generation))
            async with aclosing(stream) as pieces:  # type: ignore[type-var]  # It is a generator.
                async for batch in pieces:
                    worker.take_all(batch)
                    self._journal.added(worker.generation)
                    self._require_short(worker)
                    if not worker.generation.room.is_set():
                        await worker.generation.room.wait()
        except ContextTooLong as error:
            return Ending("failed", "context_too_long", str(error))
        except ModelError as error:
            return Ending("failed", error.code, error.message)
        return worker.ending_by_model()

    def _require_short(self, worker: Worker) -> None:
        if worker.is_too_long:
            raise ModelError("answer_too_long", f"The answer exceeds {self._answer_characters_max} characters.")

    async def _request(self, worker: Worker) -> ModelRequest:
        combined = worker.claim.combined
        model = combined.configuration.model or ""
        reasoning = self._catalogue.manners(model).reasoning
        maker = None if reasoning == "never" else self._catalogue.maker(model)
        chosen, wanted = await self._choose(worker.claim, maker)
        has_question = any(message.role != "system" for message in chosen.messages)
        if not has_question and (worker.claim.needs_question or not chosen.messages):
            raise ModelError("model_refused", "Nothing in this thread can be sent to a model: it holds no question.")
        worker.generation.input_tokens = chosen.total_tokens
        self._journal.added(worker.generation)
        if maker is not None:
            worker.collector = Collector(maker, keeps_all=reasoning == "always" or follows_result(chosen))
        _, upstream_name = self._catalogue.provider(model)
        return ModelRequest(upstream_name, chat_messages(chosen, wanted), combined.configuration)

    async def _choose(
        self, claim: Claim, maker: str | None
    ) -> tuple[context.Chosen, Mapping[int, wanted_back.WantedBack]]:
        """Read the context, and retry while the storage is away; when the lease runs out, the task is cancelled."""
        database = ScopedDatabase(self._database, system_scope(claim.organization, claim.organization_id))
        is_full = claim.combined.configuration.context_mode == "full"
        for _ in range(FULL_ATTEMPTS_MAX) if is_full else itertools.repeat(None):
            try:
                # `full` reads the whole thread: as a slow read, which has a time limit.
                return await (database.read_slowly if is_full else database.read)(
                    wanted_back.choose,
                    claim.thread_id,
                    maker,
                    configuration=claim.combined.configuration,
                    instructions=claim.combined.instructions,
                    until_seq=claim.message_seq,
                    kept_from_seq=claim.message_seq - claim.input_count if claim.input_count else None,
                )
            except Unavailable as error:
                logger.warning("The context of an answer will be read again: %s", error)
                await asyncio.sleep(RETRY_S)
        raise ModelError("context_too_long", "The thread is too long to be read whole: ask for another contextMode.")

    async def _finish(self, worker: Worker, ending: Ending) -> bool:
        """Write the end, retrying while the storage is away until the lease runs out. Return whether it was written."""
        while clock.monotonic_s() < worker.generation.leased_until_s:
            try:
                await self._write_end(worker, ending)
                model = worker.claim.combined.configuration.model or ""
                self._outcomes.ended(ending, self._catalogue.shown_as(model), self._catalogue.address(model))
                return True
            except FencedOff:
                return False
            except (Unavailable, StorageFull) as error:
                logger.warning("The end of an answer will be written again: %s", error)
                await asyncio.sleep(RETRY_S)
            except Exception:  # Whatever the answer makes fail, the response must still end: as an internal error.
                if ending is INTERNAL:
                    raise
                logger.exception("The end of response %s could not be written.", worker.claim.response_id)
                ending = INTERNAL
        return False

    async def _write_end(self, worker: Worker, ending: Ending) -> None:
        claim, generation = worker.claim, worker.generation
        database = ScopedDatabase(self._database, system_scope(claim.organization, claim.organization_id))
        if ending is INTERNAL:
            # Some part of the answer cannot be stored: keep only what is stored already.
            await database.write(settling.finish, claim.thread_id, claim.response_id, Finished(ending))
            return
        rows = list(generation.take_rows())
        finished = Finished(
            ending,
            rows,
            worker.answer(),
            generation.last_n,
            worker.tokens.input_tokens if worker.tokens else generation.input_tokens,
            worker.tokens.output_tokens if worker.tokens else None,
        )
        await database.write(settling.finish, claim.thread_id, claim.response_id, finished)
        generation.stored(len(rows))
        if ending.status == "completed":
            self._namer.answered(claim.organization, claim.organization_id, claim.thread_id, claim.response_id)


def follows_result(chosen: context.Chosen) -> bool:
    """Whether the answer follows a tool's result."""
    said = [message.role for message in chosen.messages if message.role != "system"]
    return said[-1:] == ["tool"]


async def settle_all_expired(database: Database) -> None:
    """End every response whose worker has died."""
    while await database.write(settling.settle_one_expired):
        pass
