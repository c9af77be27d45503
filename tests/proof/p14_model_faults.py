"""P14: a fault of a model's server ends its response cleanly, and nobody else notices."""

import asyncio
import random

import psutil

from proof.faulty_model import (
    ALL,
    ANSWER_CHARACTERS_MAX,
    CLOSED,
    LINE_BYTES_MAX,
    STEADY,
    STEADY_QUESTION,
    Fault,
    question,
    script_for,
)
from proof.place import Place
from proof.reading import broken
from proof.record import Record, proof
from support.answering import texts
from support.cast import Answer, Caller
from support.model_faults import SECRET_WORDS
from support.ports import free_port
from support.server import Server
from support.streams import Event, Stream, responses_path, text_of

SETTINGS = {
    # More than a busy machine needs, where nothing is to be late.
    "THREADKEEP_MODEL_FIRST_BYTE_S": "12",
    "THREADKEEP_MODEL_IDLE_S": "12",
    "THREADKEEP_MODEL_LINE_BYTES_MAX": str(LINE_BYTES_MAX),
    "THREADKEEP_ANSWER_CHARACTERS_MAX": str(ANSWER_CHARACTERS_MAX),
}
AT_ONCE = 24
ENDED_S = 40
STEADY_COUNT = 6
MEMORY_GROWN_MAX_BYTES = 160 * 1024 * 1024
MEMORY_LOOK_S = 0.1


@proof(
    "P14",
    "Every fault of a model ends its response cleanly, keeps the text so far, and disturbs nobody else",
    # What a model's server says is read, judged and ended before anything of it is stored.
    is_alike=True,
)
async def attack(place: Place, record: Record) -> None:
    place.model.script = script_for
    place.secrets.add(SECRET_WORDS)
    models = place.folder / "models.toml"
    models.write_text(f'[{CLOSED.model}]\nurl = "http://127.0.0.1:{free_port()}/v1"\n')
    servers = await place.serve(2, THREADKEEP_MODELS_FILE=str(models), **SETTINGS)
    ada = await place.people(servers[0]).owner("ORG_ACME", "uid_ada")
    is_over = asyncio.Event()
    beside = [asyncio.create_task(talk_on(place.at(ada, servers[-1]), is_over, record)) for _ in range(STEADY_COUNT)]
    beside.append(asyncio.create_task(watch_memory(servers, is_over, record)))
    free = asyncio.Semaphore(AT_ONCE)

    async def meet(number: int) -> None:
        async with free:
            await Meeting(place, place.at(ada, random.choice(servers)), number, record).take_place()

    numbers = [number for number, fault in enumerate(ALL) for _ in range(1 if fault.is_done_once else record.size(5))]
    random.shuffle(numbers)
    try:
        await asyncio.gather(*(meet(number) for number in numbers))
    finally:
        is_over.set()
        await asyncio.gather(*beside)
    async with place.stored() as stored:
        record.check(SECRET_WORDS not in await stored.everything(), "what a model's server said of a fault is stored")
    record.fault("kinds of fault", len(ALL))


class Meeting:
    """One fault from end to end, and the thread that it happened in."""

    def __init__(self, place: Place, who: Caller, number: int, record: Record) -> None:
        self.fault: Fault = ALL[number]
        self.forbidden = (
            SECRET_WORDS,
            "127.0.0.1",
            str(place.model.port),
            place.model.settings["THREADKEEP_MODEL_KEY"],
        )
        self.who = who
        self.question = question(number)
        self.record = record

    def check(self, holds: bool, sentence: str) -> bool:
        return self.record.check(holds, f"{self.fault.name}: {sentence}")

    async def take_place(self) -> None:
        thread = await self.who.create_thread()
        body = {"input": self.question} | ({"model": self.fault.model} if self.fault.model else {})
        async with await Stream.post(self.who, responses_path(thread), **body) as stream:
            try:
                events = await stream.rest(ENDED_S)
            except TimeoutError:
                self.check(False, f"no terminal event within {ENDED_S} s")
                return
        self.record.fault("faults of a model" if self.fault.code else "answers in 100 000 pieces")
        if self.check(not (found := broken(events, is_over=True)), f"the stream {found}"):
            self.check_stream(events)
            await self.check_thread(thread, events[-1])
            await self.check_name(thread)

    def check_stream(self, events: list[Event]) -> None:
        response, text, expected = events[-1].data["response"], text_of(events), self.fault
        code = response["error"] and response["error"]["code"]
        status = "failed" if expected.code else "completed"
        ended = (response["status"], code)
        self.check(ended == (status, expected.code), f"ended as {ended} instead of {(status, expected.code)}")
        self.check(text == expected.text, f"{len(text)} characters were streamed instead of {len(expected.text)}")
        self.check(response["outputText"] == text, "the end has another text than the stream")
        self.check_words(str(events))

    def check_words(self, said: str) -> None:
        for word in self.forbidden:
            self.check(word not in said, f"a caller was told {word!r}")

    async def check_thread(self, thread: Answer, end: Event) -> None:
        """The thread is free at once, and has the text so far."""
        again = await self.who.respond(thread, input="And now?")
        self.check(again.status == 200 and again.outputText == "fine", f"the thread was not usable at once: {again}")
        messages = (await self.who.list_messages(thread)).data
        kept = [self.fault.text] if self.fault.text else []
        self.check(texts(messages) == [self.question, *kept, "And now?", "fine"], "the thread's messages are others")
        if kept and len(messages) > 1:
            status = "incomplete" if self.fault.code else "completed"
            self.check(messages[1]["status"] == status, f"what was kept is {messages[1]['status']}")
        response = await self.who.get_response(thread, end.response_id)
        self.check(response.body == end.data["response"], "the response is another than at its end")

    async def check_name(self, thread: Answer) -> None:
        """The same fault while a name is made: the caller is told, and no title is made up of it."""
        if self.fault.code in (None, "answer_too_long") or self.fault.model:
            return
        named = await self.who.generate_name(thread, [{"role": "user", "content": self.question}])
        expected = (504, "model_timeout") if self.fault.code == "model_timeout" else (502, "model_unavailable")
        self.check((named.status, named.code) == expected, f"generateName was answered {named.status} {named.code}")
        self.check_words(named.text)
        self.check((await self.who.get(thread)).title is None, "a title was made of a fault")


async def talk_on(who: Caller, is_over: asyncio.Event, record: Record) -> None:
    """Have one answer after the other from a model in order, while others meet faults."""
    while not is_over.is_set():
        async with await Stream.post(who, "/v1/responses", thread={}, input=STEADY_QUESTION) as stream:
            events = await stream.rest(ENDED_S)
        record.count("other streams meanwhile")
        found = broken(events, is_over=True)
        record.check(not found and text_of(events) == "".join(STEADY), f"another stream was disturbed: {found}")


async def watch_memory(servers: list[Server], is_over: asyncio.Event, record: Record) -> None:
    processes = [psutil.Process(server.process.pid) for server in servers if server.process]
    before = [process.memory_info().rss for process in processes]
    grown_bytes = 0
    while not is_over.is_set():
        now = [process.memory_info().rss for process in processes]
        grown_bytes = max(grown_bytes, *(each - old for each, old in zip(now, before, strict=True)))
        await asyncio.sleep(MEMORY_LOOK_S)
    record.count("MB grown by one process at most", grown_bytes >> 20)
    record.check(grown_bytes < MEMORY_GROWN_MAX_BYTES, f"a process grew by {grown_bytes >> 20} MB")
