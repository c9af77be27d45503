"""P18: what is deleted is gone: no table, no stored answer, no file and no dump holds any of it."""

import asyncio
import re
from collections.abc import Sequence
from typing import Any

from proof.canaries import Canaries, Found, in_tables, in_what_is_left, places_of
from proof.conversations import Conversation, converse, converse_and_stay, say
from proof.place import Place
from proof.record import Record, proof
from support.answering import change_stored
from support.cast import Caller
from support.people import People
from support.scripted_model import Call
from support.waiting import eventually

CLIENTS = 6
# Sweepers come every 3 ± 1 s, and take a thousand rows at a time.
GONE_S = 60
# More than the sweeper takes at a time.
LONG_THREAD_MESSAGES = 2_500
LEFT_TO_SWEEPER = "select thread from purges union all select 0 from erasures"
# A deleted organization's rows wait a minute, because its credentials may be remembered elsewhere.
HASTEN = "update organizations set deleted_ms = deleted_ms - 60000 where deleted_ms is not null"


@proof("P18", "What is deleted is gone: from every table, from stored answers, from the file and from dumps")
async def attack(place: Place, record: Record) -> None:
    canaries = Canaries()
    place.model.script = speak
    servers = await place.serve(2)
    people = place.people(servers[0])
    ada, zoe = await asyncio.gather(people.owner("ORG_ACME", "uid_ada"), people.owner("ORG_GONE", "uid_zoe"))
    talks = await talk(place, ada, zoe, people, canaries, record)
    await change_many(ada, talks["thread"], canaries)
    before = await in_tables(place)
    check_planted(before, talks, record)
    await delete_all(place, ada, zoe, talks, record)
    await look_again(place, talks, record)


def speak(call: Call) -> Sequence[Any]:
    return say(call)


async def talk(
    place: Place, ada: Caller, zoe: Caller, people: People, canaries: Canaries, record: Record
) -> dict[str, list[Conversation]]:
    """Hold the conversations that are deleted later, each group in another way; `kept` stays."""
    eve = await people.member(ada, "uid_eve")
    other = place.at(ada, place.servers[-1])
    free = asyncio.Semaphore(CLIENTS)

    async def hold(who: Caller) -> Conversation:
        async with free:
            return await converse(who, canaries)

    each = record.size(30, 6)
    groups = {
        "kept": [ada] * 2,
        "thread": [ada, other] * each,
        "messages": [ada] * each,
        "one by one": [other] * each,
        "member": [eve] * each,
        "organization": [zoe] * each,
    }
    talks = dict(
        zip(groups, [await asyncio.gather(*(hold(who) for who in group)) for group in groups.values()], strict=True)
    )
    talks["thread"] += await asyncio.gather(*(converse_and_stay(ada, canaries, place.model) for _ in range(3)))
    talks["thread"].append(await long_thread(ada, canaries))
    talks["messages"].append(await long_thread(other, canaries))
    record.count("conversations", sum(map(len, talks.values())))
    return {name: list(group) for name, group in talks.items()}


async def change_many(who: Caller, talks: Sequence[Conversation], canaries: Canaries) -> None:
    """Change all threads at once: what they were is kept from then on, so that it can be taken back."""
    words = [talks[0].plant(canaries, f"bulk{what}") for what in ("title", "payload")]
    change = {"title": words[0], "payload": {"format": "x", "data": words[1]}}
    ids = [each.thread for each in talks]
    bulk = await who.request("POST", "/v1/threads/bulk", {"action": "update", "ids": ids, "change": change})
    await eventually(
        lambda: who.request("GET", f"/v1/threads/bulk/{bulk.id}"), lambda each: each.changed == len(ids), GONE_S
    )


async def long_thread(who: Caller, canaries: Canaries) -> Conversation:
    thread = await who.create_thread()
    conversation = Conversation(thread.id)
    for _ in range(LONG_THREAD_MESSAGES // 100):
        words = [conversation.plant(canaries, "bulk", in_message=True) for _ in range(100)]
        await who.post_messages(thread, [{"role": "user", "content": word} for word in words])
    return conversation


def check_planted(before: Found, talks: dict[str, list[Conversation]], record: Record) -> None:
    """Every canary must be seen where it will be looked for: one that never was there proves nothing."""
    everywhere = set().union(*before.values())
    planted = {word for group in talks.values() for each in group for word in each.words}
    record.count("canaries", len(planted))
    record.need(len(planted & everywhere), "canaries stored before the deletion", len(planted))
    for table in (
        "threads",
        "messages",
        "responses",
        "response_events",
        "idempotency",
        "assistants",
        "payloads",
        "bulk_undo",
    ):
        record.need(len(before[table]), f"canaries in the table {table}")
    never = {word for group in talks.values() for each in group for word in each.never}
    record.check(not never & everywhere, f"stored although only named in a request: {places_of(never & everywhere)}")


async def delete_all(
    place: Place, ada: Caller, zoe: Caller, talks: dict[str, list[Conversation]], record: Record
) -> None:
    for each in talks["thread"]:
        await good(ada.delete(each.thread))
        if each.assistant:
            await good(ada.delete_assistant(each.assistant))
    for each in talks["messages"]:
        await good(ada.delete_messages(each.thread))
    for each in talks["one by one"]:
        for message in await ada.walk(f"/v1/threads/{each.thread}/messages", limit=100):
            await good(ada.delete_message(each.thread, message))
    await good(ada.delete_member("uid_eve", threads="delete"))
    await good(zoe.delete_organization())
    if record.scale < 1:
        await change_stored(place.database, HASTEN)
    record.fault("threads deleted while their model was speaking", 3)
    for name, group in talks.items():
        record.count(f"deleted by {name}" if name != "kept" else name, len(group))


async def good(request: Any) -> None:
    answer = await request
    assert answer.status == 200, f"a deletion was refused: {answer}"


async def look_again(place: Place, talks: dict[str, list[Conversation]], record: Record) -> None:
    """Wait for the deletion in the background; then no canary of what was deleted is anywhere, and the others are."""
    gone = gone_words(talks)
    kept = {word for each in talks["kept"] for word in each.words}
    async with place.stored() as stored:
        await eventually(lambda: stored.rows(LEFT_TO_SWEEPER), lambda rows: rows == [], GONE_S)
        await eventually(
            lambda: stored.rows("select key from organizations where deleted_ms is not null"), lambda r: r == [], 150
        )
    found = {**await in_tables(place), **await in_what_is_left(place)}
    for where, words in found.items():
        if words & gone:
            record.violation(f"deleted, and still in {where}: {', '.join(sorted(places_of(words & gone)))}")
    record.check(kept <= set().union(*found.values()), "what nobody deleted is gone too")
    hashes = await hashed_pairs(place)
    record.check(hashes == 0, f"{hashes} hashes of deleted metadata are left")
    record.count("tables and files searched", len(found))


def gone_words(talks: dict[str, list[Conversation]]) -> set[str]:
    """Return what must be gone: of threads that only lost their messages, the words of messages."""
    return {
        word
        for name, group in talks.items()
        if name != "kept"
        for each in group
        for word in (each.in_messages if name in ("messages", "one by one") else each.words)
        # Only one group's assistants are deleted by themselves; an organization takes its own with it.
        if name in ("thread", "organization") or not re.match("canaryassistant", word)
    }


async def hashed_pairs(place: Place) -> int:
    """Return how many pairs are left of threads that are not there: a hash of a short value can be guessed."""
    async with place.stored() as stored:
        rows = await stored.rows(
            "select count(*) from thread_metadata p left join threads t on t.organization = p.organization"
            " and t.key = p.thread where t.key is null"
        )
    return int(rows[0][0])
