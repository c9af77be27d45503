"""P10: limits hold in characters, after the merge, all or nothing; texts come back; both databases answer alike."""

import asyncio
import random
from typing import Any

import httpx
from hypothesis import given
from hypothesis import strategies as st

from proof.edges import COUNTS, EDGES, Count, Edge
from proof.merging import examples, try_merges
from proof.place import Place
from proof.record import Record, proof
from support.alike import Both, characters, steps
from support.cast import Answer, Caller
from support.people import People
from support.server import ZYGOTE, Database, Server

# One of each length in UTF-8 and in UTF-16, and what is longer or shorter when a program changes its form or case.
KINDS = ("a", "é", "\u0301", "€", "ﬃ", "😀", "\U0010ffff", "\uffff", " ", "İ")
# A quarter of a million of each takes its time.
KINDS_OF_LARGE = ("a", "€", "😀")
LARGE = 1024
STEPS_AN_EXAMPLE = 10


@proof("P10", "Limits hold in characters, after the merge and as a whole; texts come back; both databases answer alike")
async def attack(place: Place, record: Record) -> None:
    [server, *_] = await place.serve()
    ada = await place.people(server).owner("ORG_ACME", "uid_ada")
    thread = (await ada.create_thread()).id
    for edge in EDGES:
        for kind in KINDS if edge.most <= LARGE else KINDS_OF_LARGE:
            await try_edge(ada, thread, edge, kind, record)
    for count in COUNTS:
        await try_count(ada, thread, count, record)
    for _ in range(record.size(100, 15)):
        await try_half(ada, record)
    await asyncio.to_thread(try_texts, asyncio.get_running_loop(), ada, thread, record)
    await asyncio.to_thread(try_merges, asyncio.get_running_loop(), ada, record)
    if place.kind == "postgres":
        await answer_alike(place, server, record)


async def try_edge(who: Caller, thread: str, edge: Edge, kind: str, record: Record) -> None:
    """So many characters of one kind are taken and come back; one more is refused and changes nothing."""
    for length in (edge.most - 1, edge.most):
        text = edge.prefix + kind * (length - len(edge.prefix))
        answer = await edge.send(who, thread, text)
        record.count("texts at their limit")
        if not record.check(answer.status in (200, 201), f"{edge.name}: {length} of {kind!a} are refused: {answer}"):
            continue
        back = edge.back(answer)
        record.check(back == text, f"{edge.name}: {length} of {kind!a} came back as {len(back)}: {back[:40]!a}")
    before = await state(who, thread)
    refused = await edge.send(who, thread, edge.prefix + kind * (edge.most + 1 - len(edge.prefix)))
    record.fault("requests beyond a limit")
    is_refused = (refused.status, refused.code) == (400, edge.code)
    record.check(is_refused, f"{edge.name}: {edge.most + 1} of {kind!a} were answered {refused.status} {refused.code}")
    # An edge that has to prepare what it changes has done that before it was refused.
    if edge.send.__name__ not in ("metadata_key", "edited"):
        record.check(await state(who, thread) == before, f"{edge.name}: a refused request changed something")


async def try_count(who: Caller, thread: str, count: Count, record: Record) -> None:
    for number in (count.most - 1, count.most):
        answer = await count.send(who, thread, number)
        record.count("counts at their limit")
        record.check(answer.status in (200, 201), f"{count.name}: {number} are refused: {answer}")
    before = await state(who, thread)
    refused = await count.send(who, thread, count.most + 1)
    record.fault("requests beyond a limit")
    is_refused = (refused.status, refused.code) == (400, count.code)
    record.check(is_refused, f"{count.name}: {count.most + 1} were answered {refused.status} {refused.code}")
    record.check(await state(who, thread) == before, f"{count.name}: a refused request changed something")


async def state(who: Caller, thread: str) -> Any:
    """Return all that a request to this thread could have changed, and how many threads there are."""
    read = await who.get(thread)
    listed = await who.list_threads(limit=1, includeTotal=True)
    return read.body, read.etag, listed.total


async def try_half(who: Caller, record: Record) -> None:
    """One thing of many is beyond its limit: nothing of the request is done."""
    messages = [{"role": "user", "content": "good"} for _ in range(random.randint(2, 20))]
    messages[random.randrange(len(messages))] = random.choice(
        [
            {"role": "user", "content": "x" * (256 * 1024 + 1)},
            {"role": "user", "content": " "},
            {"role": "user", "content": "bad", "metadata": {"k": "x" * 513}},
            {"role": "user", "content": "bad", "metadata": {f"k{number}": 1 for number in range(17)}},
        ]
    )
    thread = await who.create_thread(title="before", metadata={"kept": 1})
    before = await state(who, thread.id)
    values: dict[str, Any] = {f"k{number}": "good" for number in range(5)}
    values[random.choice(list(values))] = "x" * 513
    refused = [
        await who.post_messages(thread, messages),
        await who.create_thread(title="never", messages=messages),
        await who.respond(thread, input=messages),
        await who.update(thread, title="after", metadata=values),
        await who.update(thread, metadata={"new": 1}, title="x" * 201),
    ]
    record.fault("requests of which a part is refused", len(refused))
    for each in refused:
        record.check(each.status == 400, f"half a bad request was answered {each}")
    record.check(await state(who, thread.id) == before, "a part of a refused request was done")
    record.check((await who.list_messages(thread)).data == [], "messages of a refused request are there")


def try_texts(loop: asyncio.AbstractEventLoop, who: Caller, thread: str, record: Record) -> None:
    """Any text that is taken comes back the same, read again and in a list; what is not is refused for its length."""
    edges = st.sampled_from(EDGES)

    @given(edges, st.text(characters, max_size=80), st.sampled_from([0, 1, 2]))
    @examples(record.size(1500, 200))
    def run(edge: Edge, text: str, from_limit: int) -> None:
        if edge.most <= LARGE and from_limit and text:
            # The random characters over and over, up to the limit or one beyond it.
            text = (text * edge.most)[: edge.most - 1 + from_limit]
        text = edge.prefix + text[: edge.most + 1 - len(edge.prefix)] + ("." if edge.prefix else "")
        answer = asyncio.run_coroutine_threadsafe(edge.send(who, thread, text), loop).result(60)
        record.count("random texts")
        if answer.status in (200, 201):
            assert edge.back(answer) == text, f"{edge.name}: {text!a} came back as {edge.back(answer)!a}"
            again = asyncio.run_coroutine_threadsafe(read_again(who, thread, answer), loop).result(60)
            assert all(edge.back(each) == text for each in again), f"{edge.name}: {text!a} is read as {again}"
        else:
            reason = None if "\0" in text else expected_refusal(edge, text)
            assert "\0" in text or answer.code == reason, f"{edge.name}: {text!a} was refused: {answer}"

    run()


def expected_refusal(edge: Edge, text: str) -> str | None:
    if len(text) > edge.most:
        return edge.code
    if not text:
        # An empty name or key is no name.
        return {"metadata key": "metadata_key_too_long", "assistant name": "invalid_field"}.get(edge.name)
    return None


async def read_again(who: Caller, thread: str, answer: Answer) -> list[Answer]:
    """Read the object again, by itself, however it was changed."""
    match answer["object"]:
        case "thread":
            return [await who.get(thread)]
        case "thread.message":
            return [await who.get_message(thread, answer)]
    return []


async def answer_alike(place: Place, server: Server, record: Record) -> None:
    """Send the same random requests to a server of each kind."""
    folder = place.folder / "sqlite"
    folder.mkdir()
    beside = Server(Database("sqlite", f"sqlite:///{folder / 'threadkeep.db'}", folder), place.model.settings)
    place.servers.append(await beside.start())
    owners = [await People(each, place.client(each), ZYGOTE).owner("ORG_ALIKE", "uid_zoe") for each in (beside, server)]
    clients = [
        httpx.Client(base_url=each.url, headers={"x-api-key": who.key or ""}, trust_env=False, timeout=60)
        for each, who in zip((beside, server), owners, strict=True)
    ]
    both = Both(clients)
    wanted = record.size(5_000)

    @given(st.lists(steps, min_size=STEPS_AN_EXAMPLE // 2, max_size=2 * STEPS_AN_EXAMPLE))
    @examples(wanted // STEPS_AN_EXAMPLE + 1)
    def run(example: list[Any]) -> None:
        both.compare(example)

    try:
        await asyncio.to_thread(run)
    finally:
        for client in clients:
            client.close()
        record.count("random requests answered alike by both", both.requests_count)
    record.need(both.requests_count, "random requests to both", wanted)
    record.need(len(both.statuses), "different statuses among them", 5)
