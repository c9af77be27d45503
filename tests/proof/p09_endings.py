"""P9: every response has exactly one terminal state and one terminal event, last; every stream not cut ends with it."""

import asyncio
import random
from collections.abc import Awaitable, Callable

from proof.audience import Audience, outcome_of
from proof.endings import KINDS, SETTINGS, Kind, Models
from proof.onlookers import TONGUES
from proof.place import Place
from proof.reading import broken
from proof.record import Record, proof
from support.cast import Caller
from support.server import Server
from support.streams import Stream
from support.waiting import eventually

AT_ONCE = 40
# In the middle of what: all kinds take longer than this.
BEGUN_S = 0.5
ENDED_S = 20
LASTING = ("status", "finishReason", "error", "completedAt", "outputText", "usage", "messageId")


@proof("P9", "Every response has one terminal state and one terminal event, and every stream not cut ends with it")
async def attack(place: Place, record: Record) -> None:
    models = Models()
    place.model.script = models.script
    servers = await place.serve(3, **SETTINGS)
    ada = await place.people(servers[0]).owner("ORG_ACME", "uid_ada")
    stage = Stage(place, record, servers, ada, models)
    await stage.play(KINDS * record.size(12, 2))
    # Some that are sure to run still when their process ends.
    deadly = KINDS * record.size(3) + [each for each in KINDS if each.name == "endless"] * 9
    await stage.play_while(deadly, stage.kill)
    await stage.play_while(deadly, stage.stop)
    await stage.check_afterwards()
    for kind in ("completed", "cancelled", "cancelled (thread_deleted)", *FAILURES):
        record.need(record.faults[kind], f"responses that ended as {kind}", 2)
    for tongue in TONGUES:
        name = f"streams of {tongue.name} that ended"
        record.need(record.counts[name], name, len(KINDS))


FAILURES = [
    f"failed ({code})"
    for code in (
        "model_unavailable", "model_refused", "model_timeout", "answer_too_long", "context_too_long", "interrupted"
    )
]  # fmt: skip


class Stage:
    """Where responses of all kinds run at once, while processes live, are killed, or are asked to end."""

    def __init__(self, place: Place, record: Record, servers: list[Server], ada: Caller, models: Models) -> None:
        self.place, self.record, self.servers, self.ada, self.models = place, record, servers, ada, models
        self.audiences: list[Audience] = []

    async def prepare(self, kinds: list[Kind], *, may_be_cut: bool) -> list[Audience]:
        """Make the threads, so that whatever becomes of a request, its response can be found."""
        threads = await asyncio.gather(*(self.ada.create_thread() for _ in kinds))
        audiences = [
            Audience(
                self.place, self.record, self.servers, self.ada, thread, kind, len(self.audiences) + at, may_be_cut
            )
            for at, (thread, kind) in enumerate(zip(threads, kinds, strict=True))
        ]
        random.shuffle(audiences)
        self.audiences += audiences
        self.record.count("responses", len(audiences))
        return audiences

    async def play(self, kinds: list[Kind]) -> None:
        free = asyncio.Semaphore(AT_ONCE)

        async def gather(audience: Audience) -> None:
            async with free:
                await audience.gather(self.models)

        await asyncio.gather(*(gather(each) for each in await self.prepare(kinds, may_be_cut=False)))

    async def play_while(self, kinds: list[Kind], end: Callable[[Server], Awaitable[None]]) -> None:
        """Let a process end, one way or the other, in the middle of all of them."""
        audiences = await self.prepare(kinds, may_be_cut=True)
        playing = [asyncio.create_task(each.gather(self.models)) for each in audiences]
        await asyncio.gather(*(each.has_begun.wait() for each in audiences))
        await asyncio.sleep(random.uniform(0, BEGUN_S))
        victim = self.servers[-1]
        try:
            await end(victim)
            await victim.start()
        finally:
            await asyncio.gather(*playing)
        if end == self.stop:
            self._check_own_readers(audiences, victim)

    async def kill(self, server: Server) -> None:
        server.kill()
        self.record.fault("processes killed")

    async def stop(self, server: Server) -> None:
        status = await asyncio.to_thread(server.stop)
        self.record.check(status == 0, f"a process ended with {status} after SIGTERM")
        self.record.fault("processes ended by SIGTERM")

    def _check_own_readers(self, audiences: list[Audience], server: Server) -> None:
        """A process that is asked to end tells the readers that it has of its own answers how these ended."""
        for audience in audiences:
            if audience.readers and audience.readers[0].server is server:
                for reader in audience.readers:
                    events = reader.stream.events
                    # Its streams end in order, told or not.
                    is_told = reader.server is not server or not events or events[-1].is_terminal
                    self.record.check(is_told, f"{audience.name}: SIGTERM cut off a reader of the process's own answer")

    async def check_afterwards(self) -> None:
        """Ask for every response again: each has the end that its readers were told of, and was counted once."""
        free = asyncio.Semaphore(AT_ONCE)

        async def check(audience: Audience) -> None:
            async with free:
                await self._check_thread(audience)

        await asyncio.gather(*(check(each) for each in self.audiences))
        known = len(set().union(*(each.begun for each in self.audiences)))
        unknown = sum(each.unknown_count for each in self.audiences)
        counted = (await self.ada.read_usage()).total["responses"]
        sentence = f"{counted} responses were counted, {known} were begun and perhaps {unknown} more"
        self.record.check(known <= counted <= known + unknown, sentence)

    async def _check_thread(self, audience: Audience) -> None:
        who, thread = audience.who(), audience.thread
        # On PostgreSQL nobody is told when a killed process's responses are over.
        listed = await eventually(
            lambda: who.list_responses(thread),
            lambda answer: answer.status == 404 or all(each["status"] != "in_progress" for each in answer.data),
            ENDED_S,
        )
        if listed.status == 404:
            return
        said = audience.said()
        for response in listed.data:
            audience.begun.add(response["id"])
            is_own = response["id"] == audience.response_id
            now = {(*outcome_of(response), response["completedAt"])}
            self.record.check(not is_own or said <= now, f"{audience.name} ended as {said}, and later as {now}")
            async with await Stream.follow(who, thread, response) as stream:
                events = await stream.rest()
            found = broken(events, is_over=True, may_be_reset=audience.kind.name == "replace")
            if self.record.check(not found, f"{audience.name}: a late reader {found}"):
                later = events[-1].data["response"]
                are_alike = all(later[name] == response[name] for name in LASTING)
                self.record.check(are_alike, f"{audience.name}: {response} is {later} to a late reader")
            self.record.count("late readers")
