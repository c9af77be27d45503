"""What is sent with one key by many: what each of them gets, what it needs before, and how often it was done."""

import json
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from support.cast import Answer, Caller
from support.streams import RESET, Stream, check_whole

ENDED_S = 30
# As many works in a row share a thread, those of them that append: different keys meet at one row.
SHARED_BY = 80


@dataclass
class Given:
    """What one sender got: `same` is what all senders of a key must get alike."""

    status: int
    code: str | None
    same: Any
    was_replayed: bool
    secret: str | None = None
    # The whole text and the end of a stream, which are told even when its events are no longer kept.
    text_and_end: Any = None

    @property
    def lasting(self) -> Any:
        return self.same if self.text_and_end is None else self.text_and_end


@dataclass
class Work:
    """One key, and what is asked with it. `word` stands in all that is written, and in no other work's texts."""

    number: int
    kind: "Kind"
    made: dict[str, Any] = field(default_factory=dict)
    # How many processes were killed meanwhile, and how many senders were told to come back later.
    deaths: int = 0
    refusals: int = 0
    is_running: bool = False
    # How often a key that a dead process had reserved was let go.
    freed: int = 0

    @property
    def word(self) -> str:
        return f"w{self.number}w"

    @property
    def key(self) -> str:
        return f"key-{self.number}"


Prepare = Callable[[Work, Caller], Awaitable[Any]]
Send = Callable[[Work, Caller], Awaitable[Given]]
# How often the work was done, and whatever else would show that it was done again.
Trace = tuple[int, Any]
Look = Callable[[Work, Caller], Awaitable[Trace]]


@dataclass(frozen=True)
class Kind:
    name: str
    path: str
    prepare: Prepare
    send: Send
    look: Look
    # Changes back what was done, so that it shows when it is done again.
    undo: Prepare | None = None
    # How often the model is asked.
    calls: int = 0
    is_name: bool = False


def given(answer: Answer) -> Given:
    body = answer.body
    secret = body.pop("key", None) if "keys" in answer.response.url.path and answer.status == 201 else None
    return Given(answer.status, answer.code, (body, answer.headers.get("etag")), was_replayed(answer.headers), secret)


def given_in_background(answer: Answer) -> Given:
    """How the response stands is not the same for all: it goes on."""
    same = [answer.body.get(name) for name in ("id", "threadId", "inputMessageIds", "createdAt")]
    return Given(answer.status, answer.code, same, was_replayed(answer.headers))


async def streamed(who: Caller, path: str, body: Any) -> Given:
    """Read a stream to its end. Raises ConnectionError when it breaks off before."""
    async with await Stream.open(who, "POST", path, body) as stream:
        await stream.rest(ENDED_S)
    if not stream.is_complete:
        raise ConnectionError("the stream broke off")
    if stream.status >= 400:
        return Given(stream.status, json.loads(stream.body)["error"]["code"], None, False)
    replayed = was_replayed(stream.headers)
    if stream.events[0].type.startswith("response."):
        if all(each.type != RESET for each in stream.events):
            check_whole(stream.events)
        same = [(each.id, each.type, each.data) for each in stream.events]
        return Given(stream.status, None, same, replayed, text_and_end=(stream.text, same[-1]))
    last = stream.events[-1]
    failure = last.data["error"]["code"] if last.type == "name.failed" else None
    return Given(503 if failure else stream.status, failure, last.data, replayed)


def was_replayed(headers: Any) -> bool:
    return headers.get("idempotent-replayed") == "true"


# What a work needs before it


async def nothing(work: Work, who: Caller) -> None:
    pass


async def thread(work: Work, who: Caller, *actions: str) -> None:
    made = await who.create_thread(messages=[{"role": "user", "content": work.word}])
    for action in actions:
        await who.act(made, action)
    work.made["thread"] = await who.get(made)


async def empty_thread(work: Work, who: Caller) -> None:
    work.made["thread"] = await who.create_thread()


async def shared_thread(work: Work, who: Caller) -> None:
    chosen = f"thread_shared_{work.number // SHARED_BY}"
    await who.create_thread(id=chosen)
    work.made["thread"] = await who.get(chosen)


def thread_that_is(action: str) -> Prepare:
    return lambda work, who: thread(work, who, action)


async def message(work: Work, who: Caller) -> None:
    await thread(work, who)
    [listed] = (await who.list_messages(work.made["thread"])).data
    work.made["message"] = await who.get_message(work.made["thread"], listed)


async def running(work: Work, who: Caller) -> None:
    await thread(work, who)
    work.made["response"] = await who.respond(work.made["thread"], input="stall", background=True)


async def assistant(work: Work, who: Caller) -> None:
    work.made["assistant"] = await who.create_assistant(name=f"for {work.word}")


async def organization(work: Work, who: Caller) -> None:
    work.made["organization"] = await who.get_organization()


# How often it was done, and what else would show it


async def threads_made(work: Work, who: Caller) -> Trace:
    found = (await who.list_threads(**{"metadata.work": work.word})).data
    begun = [(await who.list_responses(each["id"])).ids for each in found] if work.kind.calls else []
    return (len(found) if all(len(ids) == 1 for ids in begun) else sum(map(len, begun))), found


def added(*parts: str) -> Look:
    """Several messages are added all or not at all: -1 if some are there oftener than others."""

    async def look(work: Work, who: Caller) -> Trace:
        listed = (await who.list_messages(work.made["thread"], limit=100)).data
        counts = Counter(each["content"][0]["text"] for each in listed)
        [times, *more] = {counts[f"{work.word} {part}"] for part in parts}
        return -1 if more else times, counts

    return look


async def responses_begun(work: Work, who: Caller) -> Trace:
    responses = (await who.list_responses(work.made["thread"])).data
    messages = (await who.list_messages(work.made["thread"])).data
    inputs = sum(each["role"] == "user" for each in messages)
    return max(len(responses), inputs), messages


async def named(work: Work, who: Caller) -> Trace:
    title = (await who.get(work.made["thread"])).title
    return int(title is not None), title


def moved(of: str, get: Callable[[Work, Caller], Awaitable[Answer]]) -> Look:
    """A change is counted by the revisions that it moved."""

    async def look(work: Work, who: Caller) -> Trace:
        now = await get(work, who)
        return revision(now) - revision(work.made[of]), now.body

    return look


def revision(answer: Answer) -> int:
    return int(answer.etag.strip('"'))


async def renamed_organization(work: Work, who: Caller) -> Trace:
    """Others rename it too: only that it is not renamed once more can be seen."""
    return 1, (await who.get_organization()).name == work.word


def listed_under_its_name(path: str) -> Look:
    async def look(work: Work, who: Caller) -> Trace:
        listed = await who.walk(path.format(who.organization), limit=100)
        mine = [each["id"] for each in listed if each["name"] == work.word]
        return len(mine), mine

    return look


async def cancelled(work: Work, who: Caller) -> Trace:
    """Where the process that answered was killed, the answer was interrupted before."""
    response = await who.get_response(work.made["thread"], work.made["response"])
    return int(response["status"] in ("cancelled", "failed")), response.body


its_thread = moved("thread", lambda work, who: who.get(work.made["thread"]))
its_message = moved("message", lambda work, who: who.get_message(work.made["thread"], work.made["message"]))
its_assistant = moved("assistant", lambda work, who: who.get_assistant(work.made["assistant"]))
