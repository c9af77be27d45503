"""What a caller gives the client, and where from: parts as dictionaries, what cannot be sent, loops and ends."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest

import threadkeep
from support.either_client import KINDS, client_of
from threadkeep.client import ClientUnusable, NotSendable

pytestmark = pytest.mark.one_database("what a client takes before it sends")

PROGRAM_S = 60
DEEP: dict[str, Any] = {}
for _ in range(100_000):
    DEEP = {"a": DEEP}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def adas(kind, server, ada) -> AsyncIterator[Any]:
    async with client_of(kind, server.url, ada) as client:
        yield client


# Names


async def test_a_file_is_given_as_a_dictionary_wherever_content_is(adas):
    file = {"type": "file", "url": "https://example.com/a.txt", "mime_type": "text/plain"}
    said = {"role": "user", "content": [file]}
    thread = await adas.threads.create(messages=[said])

    one = await adas.threads.messages.create(thread.id, role="user", content=[file])
    many = await adas.threads.messages.create_many(thread.id, [said])
    changed = await adas.threads.messages.update(thread.id, one.id, content=({**file, "name": "a"},))
    answered = await adas.threads.responses.create(thread.id, input=[said])
    begun = await adas.threads.responses.create_in_new_thread(thread={"messages": [said]}, input=[said])
    await adas.threads.generate_name(thread.id, messages=[{**said, "content": [{"type": "text", "text": "hi"}, file]}])

    assert {part.mime_type for part in (*one.content, *many[0].content, *changed.content)} == {"text/plain"}
    assert [answered.status, begun.status] == ["completed", "completed"]
    listed = [each async for each in adas.threads.messages.list(thread.id)]
    again = await adas.threads.create(messages=[{"role": "user", "content": listed[0].content}])
    assert (await adas.threads.messages.list(again.id).page()).data[0].content == listed[0].content


async def test_names_that_are_the_callers_own_stay_as_they_are(adas):
    schema = {"type": "object", "properties": {"mime_type": {"type": "string"}}}
    tool = {"type": "function", "function": {"name": "f", "parameters": schema}}
    form = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    name = f"names {id(adas)}"

    thread = await adas.threads.create(metadata={"mime_type": "a", "tool_calls": "b"})
    assistant = await adas.assistants.create(name=name, tools=[tool], response_format=form)

    assert thread.metadata == {"mime_type": "a", "tool_calls": "b"}
    assert assistant.tools[0].function.parameters == schema
    assert assistant.response_format.json_schema == form["json_schema"]


async def test_an_error_names_the_field(adas):
    thread = await adas.threads.create()

    with pytest.raises(threadkeep.InvalidRequest, match=r"content\[0\]\.mimetype"):
        await adas.threads.messages.create(
            thread.id, role="user", content=[{"type": "file", "url": "https://x", "mimetype": "a/b"}]
        )


# What cannot be sent

UNSENDABLE: dict[str, Any] = {
    "half of a pair in a text": ("content", lambda it: it.messages.create("thread_x", role="user", content="\ud800")),
    "in a part": (
        "content",
        lambda it: it.messages.create("thread_x", role="user", content=[{"type": "text", "text": "\udfff"}]),
    ),
    "in a key of metadata": ("metadata", lambda it: it.create(metadata={"\ud800": 1})),
    "in an id": ("an id", lambda it: it.retrieve("thread_\ud800")),
    "in a filter": ("titleContains", lambda it: it.list(title_contains="\ud800").page()),
    "in metadata to filter by": ("metadata", lambda it: it.list(metadata={"a": "\ud800"}).page()),
    "no number": ("metadata", lambda it: it.create(metadata={"score": float("nan")})),
    "no number to filter by": ("metadata", lambda it: it.list(metadata={"score": float("inf")}).page()),
    "bytes": ("content", lambda it: it.messages.create("thread_x", role="user", content=b"hello")),
    "bytes in metadata": ("metadata", lambda it: it.create(metadata={"a": b"hello"})),
    "an object": ("metadata", lambda it: it.create(metadata={"a": object()})),
    "an object to filter by": ("metadata", lambda it: it.list(metadata={"a": [object()]}).page()),
    "too deep": ("metadata", lambda it: it.create(metadata=DEEP)),
    "a number of 5 000 digits": ("metadata", lambda it: it.create(metadata={"a": 10**5000})),
    "a line break in a key": ("Idempotency-Key", lambda it: it.create(idempotency_key="a\r\nX-User-Id: b")),
    "an empty key": ("Idempotency-Key", lambda it: it.create(idempotency_key="")),
    "a key in other letters": ("Idempotency-Key", lambda it: it.create(idempotency_key="é")),
    "a line break in a tag": ("If-Match", lambda it: it.delete("thread_x", if_match='"1"\n')),
    "a slash in an id": ("slash", lambda it: it.delete("thread_x/messages")),
    "an id that is None": ("no text", lambda it: it.messages.list(None).page()),
}


@pytest.mark.parametrize("what", UNSENDABLE)
async def test_what_cannot_be_said_in_a_request_is_an_error_of_the_library_that_names_it(adas, what):
    names, call = UNSENDABLE[what]

    with pytest.raises(NotSendable, match=names) as raised:
        await call(adas.threads)

    assert isinstance(raised.value, threadkeep.ThreadkeepError)
    assert not any(secret in str(raised.value) for secret in ("hello", "\ud800", "X-User-Id"))


async def test_whole_numbers_that_the_api_does_not_take_are_refused_by_it(adas):
    with pytest.raises(threadkeep.InvalidRequest, match="metadata"):
        await adas.threads.create(metadata={"a": 2**80})


# Where from


async def run_program(program, server, ada):
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", program],
        env={**os.environ, "THREADKEEP_URL": server.url, "THREADKEEP_API_KEY": ada.key},
        capture_output=True,
        text=True,
        timeout=PROGRAM_S,
        check=False,
    )


async def test_one_client_works_in_one_loop_after_the_other_and_in_two_at_once(server, ada):
    program = """
import asyncio, threading, threadkeep
client = threadkeep.AsyncClient()
copy = client.with_options(timeout_s=5)

async def work(times):
    for each in (client, copy) * times:
        thread = await each.threads.create(title="x")
        async with each.threads.responses.stream(thread.id, input="hello") as stream:
            await stream.wait()

asyncio.run(work(1))
asyncio.run(work(1))
threads = [threading.Thread(target=lambda: asyncio.run(work(5))) for _ in range(4)]
[each.start() for each in threads]
[each.join() for each in threads]
asyncio.run(client.aclose())
print("done")
"""
    finished = await run_program(program, server, ada)

    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "done\n", "")


async def test_an_embedded_client_works_in_two_loops(tmp_path, server, ada):
    program = f"""
import asyncio, threadkeep
client = threadkeep.open_async({str(tmp_path / "own.db")!r})

async def work():
    thread = await client.threads.create(title="x")
    print((await client.threads.retrieve(thread.id)).title)

asyncio.run(work())
asyncio.run(work())
asyncio.run(client.aclose())
try:
    asyncio.run(work())
except threadkeep.ThreadkeepError as error:
    print(error)
"""
    finished = await run_program(program, server, ada)

    assert finished.stderr == ""
    assert finished.stdout.startswith("x\nx\nThis client has been closed")


async def test_the_first_calls_from_many_threads_at_once_share_what_sends_them(server, ada):
    program = """
import sys, threading, httpx, threadkeep
made = []
plain = httpx.Client.__init__

def counted(self, *given, **named):
    made.append(self)
    plain(self, *given, **named)

httpx.Client.__init__ = counted
sys.setswitchinterval(1e-6)

def call(client, barrier):
    barrier.wait()
    client.user.retrieve()

for _ in range(5):
    client = threadkeep.Client()
    barrier = threading.Barrier(16)
    threads = [threading.Thread(target=call, args=(client, barrier)) for _ in range(16)]
    [each.start() for each in threads]
    [each.join() for each in threads]
print(len(made))
"""
    finished = await run_program(program, server, ada)

    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "5\n", "")


async def test_a_client_of_ones_own_from_another_loop_is_told_in_a_sentence(server, ada):
    program = """
import asyncio, httpx, threadkeep
client = threadkeep.AsyncClient(http_client=httpx.AsyncClient())
asyncio.run(client.user.retrieve().__class__ and client.threads.list().page())
try:
    asyncio.run(client.threads.list().page())
except threadkeep.ThreadkeepError as error:
    print(type(error).__name__, error)
"""
    finished = await run_program(program, server, ada)

    assert finished.stdout == "ClientUnusable This client cannot be used here: Event loop is closed\n"


async def test_a_closed_client_says_so(kind, server, ada):
    client = client_of(kind, server.url, ada)
    await client.user.retrieve()

    await client.aclose()

    with pytest.raises(ClientUnusable, match="closed"):
        await client.user.retrieve()
