"""P20: revocation counts within 10 s in every process, with the server's own settings."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from proof.place import Place
from proof.record import Record, proof
from support.cast import Answer, Caller
from support.people import People
from support.scripted_model import finish
from support.server import Server
from support.streams import TERMINAL, Stream, events_path

REVOKED_S = 10.0
LOOK_S = 0.7
PROCESSES = 4
KEYS, MEMBERS, PRODUCT_USERS, STREAMS = 20, 10, 9, 10
MAKING = 4

Revoke = Callable[[], Awaitable[object]]


@dataclass
class Doomed:
    """A credential that is taken away, and what its holder could do with it."""

    name: str
    who: Caller
    revoke: Revoke
    # What was allowed, and is not any more.
    ask: Callable[[Caller], Awaitable[Answer]]
    is_by_command: bool = False


@proof("P20", "Revocation counts within 10 s in every process")
async def attack(place: Place, record: Record) -> None:
    go = asyncio.Event()
    place.model.script = ["Hel", go, "lo", finish()]
    # Empty: the default, which other proofs shorten.
    servers = await place.serve(PROCESSES, THREADKEEP_CREDENTIAL_CACHE_S="")
    people = place.people(servers[0])
    owner = await people.owner("ORG_ACME", "uid_ada")
    doomed = await make_doomed(place, people, owner, servers, record)
    kept = [owner.with_key((await owner.create_key(userId="uid_kept", role="member")).key), owner.with_token()]
    kept.append(await people.product_user(owner))
    record.count("processes", len(servers))
    # The last are the product's users: one of each kind.
    followed = doomed[:: len(doomed) // STREAMS][: STREAMS - 3] + doomed[-PRODUCT_USERS :: PRODUCT_USERS // 3]
    streams = [await open_stream(place, each.who, random.choice(servers)) for each in followed]
    kept_stream = await open_stream(place, kept[0], servers[-1])
    watched = dict(zip((each.name for each in followed), streams, strict=True))
    # Commands come last, and alone: a process that takes something away by HTTP verifies everybody anew.
    for by_command in (False, True):
        ending = [each for each in doomed if each.is_by_command is by_command]
        await remember_all(place, ending, kept, servers, record)
        await asyncio.gather(*(end(place, each, servers, watched.get(each.name), record) for each in ending))
    await check_kept(place, kept, kept_stream, servers, go, record)
    record.need(record.counts["streams closed"], "streams closed", min(STREAMS, len(streams)))


async def make_doomed(
    place: Place, people: People, owner: Caller, servers: list[Server], record: Record
) -> list[Doomed]:
    """Make keys, members and their tokens; half of the keys go by command, all else over HTTP at any process."""
    free = asyncio.Semaphore(MAKING)

    def anywhere() -> Caller:
        return place.at(owner, random.choice(servers))

    async def a_key(number: int) -> Doomed:
        async with free:
            made = await owner.create_key(userId=f"uid_bot_{number}", role="member")
        place.secrets.add(made.key)
        by_command = number % 2 == 0
        record.count(f"keys revoked by {'`threadkeep admin`' if by_command else 'HTTP'}")

        async def revoke() -> object:
            return await (people.admin("revoke-key", made.id) if by_command else anywhere().delete_key(made))

        return Doomed(f"key {number}", owner.with_key(made.key), revoke, list_own, by_command)

    async def a_member(number: int) -> list[Doomed]:
        async with free:
            member = await people.member(owner, role="admin" if number == 0 else "member")
        record.count("members lowered" if number == 0 else "members removed")

        async def revoke() -> object:
            if number == 0:
                return await anywhere().put_member(member.user, "member")
            return await anywhere().delete_member(member.user)

        if number == 0:
            return [Doomed("the lowered admin's token", member.with_token(), revoke, list_members)]
        # The second asks nothing to be done: removing the member takes both.
        gone = asyncio.Event()

        async def revoke_both() -> object:
            answer = await revoke()
            gone.set()
            return answer

        return [
            Doomed(f"key of member {number}", member, revoke_both, list_own),
            Doomed(f"token of member {number}", member.with_token(), gone.wait, list_own),
        ]

    keys = await asyncio.gather(*(a_key(number) for number in range(KEYS)))
    members = await asyncio.gather(*(a_member(number) for number in range(MEMBERS)))
    users = await make_product_users(people, owner, anywhere, record)
    return [*keys, *(each for both in members for each in both), *users]


async def make_product_users(
    people: People, owner: Caller, anywhere: Callable[[], Caller], record: Record
) -> list[Doomed]:
    """Make tokens for a product's users, who lose their key, its role, or are removed and never were members."""

    async def of_a_key(number: int, by_command: bool) -> Doomed:
        made = await owner.create_key(userId=f"uid_maker_{number}", role="admin")
        who = await people.product_user(owner.with_key(people.issued(made.key)))

        async def revoke() -> object:
            return await (people.admin("revoke-key", made.id) if by_command else anywhere().delete_key(made))

        return Doomed(f"a product user's token of key {number}", who, revoke, list_own, by_command)

    async def of_a_lowered_key(number: int) -> Doomed:
        maker = await people.member(owner, role="admin")
        who = await people.product_user(maker)
        return Doomed(
            f"a product user's token of lowered key {number}",
            who,
            lambda: anywhere().put_member(maker.user, "member"),
            list_own,
        )

    async def of_a_removed_user(number: int) -> Doomed:
        who = await people.product_user(owner)
        return Doomed(
            f"the token of removed product user {number}", who, lambda: anywhere().delete_member(who.user), list_own
        )

    third = PRODUCT_USERS // 3
    record.count("tokens of product users", 3 * third)
    return [
        *[await of_a_key(number, number % 2 == 0) for number in range(third)],
        *[await of_a_lowered_key(number) for number in range(third)],
        *[await of_a_removed_user(number) for number in range(third)],
    ]


async def list_own(who: Caller) -> Answer:
    return await who.list_threads(organizationId=who.organization)


async def list_members(who: Caller) -> Answer:
    return await who.list_members()


async def open_stream(place: Place, who: Caller, server: Server) -> Stream:
    """Begin a response whose model does not finish, and follow it at this server."""
    begun = await who.respond_new(thread={}, input="hi", background=True)
    stream = await Stream.open(place.at(who, server), "GET", events_path(begun.threadId, begun.id))
    await stream.until("response.output_text.delta")
    return stream


async def remember_all(
    place: Place, doomed: list[Doomed], kept: list[Caller], servers: list[Server], record: Record
) -> None:
    """Let every process know every credential, just before they go."""
    for server in servers:
        answers = await asyncio.gather(
            *(each.ask(place.at(each.who, server)) for each in doomed),
            *(list_own(place.at(who, server)) for who in kept),
        )
        refused = [answer for answer in answers if answer.status != 200]
        record.check(not refused, f"refused before anything was taken away: {refused[:1]}")


async def end(place: Place, doomed: Doomed, servers: list[Server], stream: Stream | None, record: Record) -> None:
    """Take it away, use it all the time in every process, and see from when on it is refused."""
    answered = await doomed.revoke()
    if isinstance(answered, Answer):
        record.check(answered.status == 200, f"{doomed.name} could not be taken away: {answered!r}")
    revoked_s = time.monotonic()
    closing = [is_closed_in_time(doomed, stream, revoked_s, record)] if stream is not None else []
    await asyncio.gather(*(refused_by(place, doomed, server, revoked_s, record) for server in servers), *closing)


async def refused_by(place: Place, doomed: Doomed, server: Server, revoked_s: float, record: Record) -> None:
    """Ask now and then: a credential that is in use must be forgotten like any other."""
    who = place.at(doomed.who, server)
    while (asked_s := time.monotonic()) < revoked_s + REVOKED_S:
        await doomed.ask(who)
        await asyncio.sleep(min(LOOK_S, max(0.0, revoked_s + REVOKED_S - time.monotonic())))
    answer = await doomed.ask(who)
    after_s = asked_s - revoked_s
    refused = answer.status in (401, 403)
    record.check(refused, f"{doomed.name} is accepted {after_s:.0f} s after it was taken away: {answer.status}")
    record.count("refusals after 10 s")


async def is_closed_in_time(doomed: Doomed, stream: Stream, revoked_s: float, record: Record) -> None:
    try:
        await stream.rest(max(0.1, revoked_s + REVOKED_S - time.monotonic()))
    except TimeoutError:
        record.violation(f"the stream of {doomed.name} is open 10 s after it was taken away")
        stream.cut()
        return
    ended = [event.type for event in stream.events if event.type in TERMINAL]
    record.check(not ended, f"the stream of {doomed.name} ended with {ended}, and not because of its credential")
    record.count("streams closed")


async def check_kept(
    place: Place, kept: list[Caller], stream: Stream, servers: list[Server], go: asyncio.Event, record: Record
) -> None:
    """Whoever lost nothing goes on; so do the responses whose readers were sent away."""
    answers = [await list_own(place.at(who, server)) for who in kept for server in servers]
    record.check(all(answer.status == 200 for answer in answers), "somebody who lost nothing is refused")
    go.set()
    await stream.rest()
    record.check(stream.events[-1].type in TERMINAL, "the stream of somebody who lost nothing did not end in order")
