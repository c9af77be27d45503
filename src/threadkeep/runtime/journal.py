"""One journal for all generations of the process: their events are stored together, and shown after the commit.

A flush starts 5 ms after an event of a response that was quiet for 40 ms, else when the oldest event has waited for 40
to 45 ms. It stores what is due, with what the models of these responses have said by then. It starts at least 5 ms
after the last one: at most 200 a second, and fewer if each takes long.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import msgspec

from threadkeep import clock
from threadkeep.contract.events import Event, TextDelta, ToolCallDelta
from threadkeep.database.driver import Database, Transaction, apart
from threadkeep.errors import StorageFull, Unavailable
from threadkeep.operations.responses import events
from threadkeep.operations.responses.claiming import Claim
from threadkeep.operations.responses.events import KINDS, TEXTS, TOOL_CALL
from threadkeep.runtime.channels import Channel
from threadkeep.runtime.frames import frame
from threadkeep.runtime.tally import FLUSHES, Tally

logger = logging.getLogger(__name__)

QUICK_S = 0.005
SLOW_S = 0.040
# Tokens arrive at regular intervals. One that arrives this near to a flush joins it, which saves a second flush.
SLACK_S = 0.0025
FLUSH_INTERVAL_S = 0.005
# Under load a flush takes longer, and so does the pause before the next: storing takes at most this share of the time.
FLUSH_SHARE_MAX = 0.5
RETRY_S = 0.100
# How often all live responses are checked, even while their models are silent.
CHECK_INTERVAL_S = 0.5
# The share of a lease that may pass before it is renewed.
RENEW_SHARE = 0.4
# Text of one response that may wait while the storage is away; beyond it, the model is not read any further.
WAITING_CHARACTERS_MAX = 1024 * 1024
# The longest event. Longer texts are split: a model may send much at once, or while the storage is away.
EVENT_CHARACTERS_MAX = 8 * 1024

encode = msgspec.json.Encoder().encode
Rows = list[dict[str, Any]]


class Generation:
    """An answer that is being generated here: what waits to be stored, and the lease that allows it."""

    def __init__(self, claim: Claim, channel: Channel, leased_until_s: float) -> None:
        self.response_id = claim.response_id
        self.keys: dict[str, Any] = {
            "organization": claim.organization,
            "thread": claim.thread,
            "response_id": claim.response_id,
            "response": claim.response,
        }
        self.channel = channel
        # By this process's clock, from before the lease was requested: it ends here before it ends for others.
        self.leased_until_s = leased_until_s
        self.confirmed_s = 0.0
        self.flushed_s = 0.0
        # When the waiting events should be stored.
        self.due_s = 0.0
        self.last_n = events.FIRST_N
        self.input_tokens: int | None = None
        # Events that wait: a type, and its texts in order, or the parts of a call.
        self.waiting: list[tuple[str, list[Any]]] = []
        self.waiting_characters = 0
        # Rows whose flush is under way, or failed and will be tried again with the same numbers.
        self.rows: list[tuple[int, str, str]] = []
        # Whether the storage refused them last: a lease is not renewed for what cannot be stored.
        self.is_refused = False
        self.stop: Callable[[], None] = lambda: None
        self.fail: Callable[[Exception], None] = lambda error: None
        self.room = asyncio.Event()
        self.room.set()
        # Takes what has come from the model, and is left until the next flush.
        self.take: Callable[[], None] | None = None

    def add_text(self, type: str, text: str) -> None:
        if self.waiting and self.waiting[-1][0] == type:
            self.waiting[-1][1].append(text)
        else:
            self.waiting.append((type, [text]))
        self._grow(len(text))

    def add_call(self, part: ToolCallDelta) -> None:
        self._grow(len(part.arguments))
        if self.waiting and self.waiting[-1][0] == TOOL_CALL:
            last: ToolCallDelta = self.waiting[-1][1][-1]
            is_more = last.index == part.index and part.id is None and part.name is None
            if is_more and len(last.arguments) < EVENT_CHARACTERS_MAX:
                last.arguments += part.arguments
                return
        self.add(part)

    def add(self, event: Event) -> None:
        """Add an event that is no text: it is shown as it is."""
        self.waiting.append((event.type, [event]))

    def _grow(self, characters: int) -> None:
        self.waiting_characters += characters
        if self.waiting_characters > WAITING_CHARACTERS_MAX:
            self.room.clear()

    def take_rows(self) -> list[tuple[int, str, str]]:
        """Number the waiting events; return the rows to store, first those that failed before, numbered as before."""
        for type, parts in self.waiting:
            for data in pieces("".join(parts)) if type in TEXTS else parts:
                self.last_n += 1
                self.rows.append((self.last_n, type, encode(data).decode()))
        self.waiting.clear()
        return self.rows

    def stored(self, count: int) -> None:
        """Show the first `count` rows, which are stored now, to the readers in this process."""
        shown = self.rows[:count]
        del self.rows[:count]
        if not self.rows and not self.waiting:
            self.waiting_characters = 0
            self.room.set()
        if shown and self.channel.readers:
            data = b"".join([frame(self.response_id, *row) for row in shown])
            self.channel.publish(shown[0][0], shown[-1][0], data)


def pieces(text: str) -> Iterator[TextDelta]:
    """Split a text into events of at most EVENT_CHARACTERS_MAX characters."""
    for start in range(0, len(text), EVENT_CHARACTERS_MAX):
        yield TextDelta(text[start : start + EVENT_CHARACTERS_MAX])


class Journal:
    """Stores the events of all generations of the process."""

    def __init__(self, database: Database, lease_s: float, tally: Tally) -> None:
        self._database = database
        self._lease_s = lease_s
        self._generations: set[Generation] = set()
        self._waiting: set[Generation] = set()
        # Those of the next flush: what comes of them now can still join it.
        self._joining: set[Generation] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._due_s = 0.0
        self._last_flush_s = 0.0
        self._interval_s = FLUSH_INTERVAL_S
        # After a failure of the storage, no flush starts before this.
        self._not_before_s = 0.0
        self._flush_task: asyncio.Task[None] | None = None
        self._checker: asyncio.Task[None] | None = None
        self._flushes = tally.cells(FLUSHES)
        self._loop = asyncio.get_running_loop()

    def register(self, generation: Generation) -> None:
        self._generations.add(generation)
        if self._checker is None or self._checker.done():
            self._checker = asyncio.ensure_future(self._check())

    def arrived(self, generation: Generation, take: Callable[[], None]) -> bool:
        """Return whether what has come of an answer is to be taken now; if not, `take` is called before its flush."""
        if generation in self._joining:
            return True
        if generation not in self._waiting:
            if self._loop.time() - generation.flushed_s >= SLOW_S:
                return True
            self._add(generation)
        generation.take = take
        return False

    def added(self, generation: Generation) -> None:
        """Schedule a flush, because something was added to a generation."""
        if generation not in self._waiting:
            self._add(generation)
        elif (now_s := self._loop.time()) >= generation.due_s - SLACK_S:
            generation.due_s = now_s
            self._flush_at(now_s)

    def _add(self, generation: Generation) -> None:
        self._waiting.add(generation)
        now_s = self._loop.time()
        is_quiet = now_s - generation.flushed_s >= SLOW_S
        generation.due_s = now_s + (QUICK_S if is_quiet else SLOW_S + SLACK_S)
        self._flush_at(generation.due_s)

    async def release(self, generation: Generation) -> None:
        """Remove a generation that ends. When this returns, no flush of it is under way."""
        self._generations.discard(generation)
        self._waiting.discard(generation)
        generation.take = None
        while self._flush_task is not None:
            await asyncio.wait([self._flush_task])

    def _flush_at(self, due_s: float) -> None:
        due_s = max(due_s, self._last_flush_s + self._interval_s, self._not_before_s)
        if self._flush_task is not None:
            return  # When it ends, it schedules the next one.
        if self._timer is not None:
            if self._due_s <= due_s:
                return
            self._timer.cancel()
        self._due_s = due_s
        self._timer = self._loop.call_at(due_s, self._begin)

    def _begin(self) -> None:
        self._timer = None
        self._last_flush_s = self._loop.time()
        batch = [each for each in self._waiting if each.due_s <= self._last_flush_s + SLACK_S]
        self._flush_task = asyncio.ensure_future(self._run_flush(batch))

    async def _run_flush(self, batch: list[Generation]) -> None:
        try:
            await self._gather(batch)
            self._last_flush_s = self._loop.time()
            await self._flush(batch)
        except Exception:  # Where a task ends: other generations depend on the next flush.
            logger.exception("A flush failed in an unforeseen way.")
        finally:
            self._flush_task = None
            took_s = self._loop.time() - self._last_flush_s
            self._interval_s = max(FLUSH_INTERVAL_S, min(SLOW_S, took_s / FLUSH_SHARE_MAX))
            if self._waiting:
                self._flush_at(min(each.due_s for each in self._waiting))

    async def _gather(self, batch: list[Generation]) -> None:
        """Let those who read the models of `batch` take what has come meanwhile."""
        self._joining.update(batch)
        for each in batch:
            if each.take is not None:
                each.take()
                each.take = None
        await asyncio.sleep(0)  # Their tasks come first.
        self._joining.clear()
        self._waiting.difference_update(batch)
        for each in batch:
            # A flush without events, for the input tokens, must not make the first event wait.
            if each.waiting or each.rows:
                each.flushed_s = self._last_flush_s

    async def _flush(self, batch: list[Generation]) -> None:
        self._flushes[0] += 1
        await apart(self._database, batch, organization_of, self._flush_together)

    async def _flush_together(self, batch: Sequence[Generation]) -> None:
        try:
            await self._store(batch)
        except (Unavailable, StorageFull) as error:
            # Whether it was stored is not known: the same rows go again with the same numbers.
            logger.warning("Storing answers will be tried again: %s", error)
            self._retry(batch)
        except Exception:  # One bad row must not lose everybody's: the error belongs to one answer.
            logger.exception("Storing answers together failed: each is tried alone.")
            await self._store_each(batch)

    async def _store_each(self, batch: Sequence[Generation]) -> None:
        """Store each generation by itself, so that a bad row ends only its own answer."""
        for generation in batch:
            try:
                await self._store([generation])
            except (Unavailable, StorageFull):
                self._retry([generation])
            except Exception as error:  # The answer ends with it; the others go on.
                logger.exception("An answer cannot be stored.")
                generation.fail(error)

    def _retry(self, batch: Iterable[Generation]) -> None:
        self._not_before_s = self._loop.time() + RETRY_S
        for each in self._generations.intersection(batch):
            each.is_refused = True
            self._waiting.add(each)

    async def _store(self, batch: Sequence[Generation]) -> None:
        counts = {each: len(each.take_rows()) for each in batch}
        rows = [
            {**each.keys, "n": n, "kind": KINDS[type], "data": data} for each in batch for n, type, data in each.rows
        ]
        inputs = [{**each.keys, "input_tokens": each.input_tokens} for each in batch if each.input_tokens is not None]
        live = await self._database.write_once(store, rows, inputs) if rows or inputs else set[str]()
        for each, count in counts.items():
            each.is_refused = False
            each.input_tokens = None
            if not count:
                continue
            if each.response_id in live:
                each.confirmed_s = clock.monotonic_s()
                each.stored(count)
            else:
                each.stop()

    async def _check(self) -> None:
        """Renew leases in time, and stop generations that lost their thread, even while their models are silent."""
        asking: asyncio.Task[None] | None = None
        while self._generations:
            # A storage that does not answer must not keep a generation going after its lease.
            if asking is None or asking.done():
                asking = asyncio.ensure_future(self._renew_and_check())
            await asyncio.sleep(CHECK_INTERVAL_S)
            now_s = clock.monotonic_s()
            for each in list(self._generations):
                if now_s >= each.leased_until_s:
                    each.stop()

    async def _renew_and_check(self) -> None:
        try:
            await self._confirm_all()
        except (Unavailable, StorageFull) as error:
            logger.warning("Leases will be renewed later: %s", error)
        except Exception:  # Where a task ends: without it leases would run out.
            logger.exception("Leases could not be renewed.")

    async def _confirm_all(self) -> None:
        now_s = clock.monotonic_s()
        soon_s = now_s + self._lease_s * (1 - RENEW_SHARE)
        old = [each for each in self._generations if each.leased_until_s < soon_s and not each.is_refused]
        quiet = [each for each in self._generations - set(old) if now_s - each.confirmed_s >= CHECK_INTERVAL_S]
        try:
            await apart(
                self._database, old, organization_of, partial(self._confirm, self._renew, now_s + self._lease_s)
            )
        finally:
            await apart(self._database, quiet, organization_of, partial(self._confirm, self._look, None))

    async def _confirm(
        self, ask: Callable[[Rows], Awaitable[set[str]]], until_s: float | None, asked: Sequence[Generation]
    ) -> None:
        if not asked:
            return
        live = await ask([each.keys for each in asked])
        now_s = clock.monotonic_s()
        # Not those that ended by themselves meanwhile: they have released their thread, and need no stop.
        for each in self._generations.intersection(asked):
            if each.response_id not in live:
                each.stop()
                continue
            each.confirmed_s = now_s
            each.leased_until_s = each.leased_until_s if until_s is None else until_s

    async def _renew(self, rows: Rows) -> set[str]:
        lease_ms = int(self._lease_s * 1000)
        return await self._database.write_once(events.renew, [{**row, "lease_ms": lease_ms} for row in rows])

    async def _look(self, rows: Rows) -> set[str]:
        return await self._database.read(events.check, rows)


def organization_of(generation: Generation) -> int:
    organization: int = generation.keys["organization"]
    return organization


async def store(tx: Transaction, rows: Rows, inputs: Rows) -> set[str]:
    if inputs:
        await events.set_input(tx, inputs)
    return await events.store(tx, rows) if rows else set()
