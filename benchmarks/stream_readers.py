"""The readers of the stream benchmark, in a process of their own: they open streams, time each token and check all."""

import asyncio
import re
import time
import zlib
from collections.abc import Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import httptools
import msgspec
import psutil
import uvloop

from benchmarks.load import cpu_time_s
from benchmarks.servers import Address
from benchmarks.stream_upstream import MARK, tokens_count

T = TypeVar("T")

OPENING_MAX = 32
# What a run may take besides the time in which tokens flow: opening, settling, ending.
AROUND_S = 90.0
SETTLE_S = 1.0
# Readers that come first, so that what is made once is not counted as theirs.
FIRST_READERS = 20
BETWEEN_S = 0.1

DELTA = b"event: response.output_text.delta\ndata: "
EVENT = re.compile(rb"^event: (.*)$", re.M)
DATA = re.compile(rb"^data: (.*)$", re.M)
decode = msgspec.json.Decoder().decode


@dataclass(frozen=True)
class Job:
    """How many streams of how many tokens a second for how long; whose CPU is counted."""

    server: Address
    upstream_port: int
    streams: int
    per_second: float
    seconds: float
    database_pid: int | None


@dataclass(frozen=True)
class Run:
    """What one run gave. Delays are from the upstream's `write` to the reader's `recv`."""

    tokens: int
    tokens_per_second: float
    cpu_us: float
    database_cpu_us: float
    cores: float
    p50_ms: float
    p99_ms: float
    # What a response costs beside its tokens: to claim and begin it, and to end it.
    around_cpu_ms: float


class Watch:
    """What all readers of a run have got together."""

    def __init__(self, expected: int) -> None:
        self.delays_s: list[float] = []
        self._missing = expected
        self.is_complete: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def count(self, stamps: int) -> None:
        self._missing -= stamps
        if self._missing <= 0 and not self.is_complete.done():
            self.is_complete.set_result(None)

    def take(self, stamps: list[bytes], now_s: float) -> None:
        self.delays_s += [now_s - float(stamp.removeprefix(MARK)) for stamp in stamps]

    def fail(self, error: Exception) -> None:
        if not self.is_complete.done():
            self.is_complete.set_exception(error)


class Reader(asyncio.Protocol):
    """One connection: sends its request and reads the stream that answers it.

    While tokens flow it only notes what comes and when, so that it takes little of the cores that it shares with the
    server; `look` reads it afterwards.
    """

    def __init__(self, request: bytes, watch: Watch) -> None:
        self._request = request
        self._watch = watch
        self._rest = b""
        self._came: list[tuple[float, bytes]] = []
        self.only_notes = False
        self.count = 0
        self.crc = 0
        self.created: Any = None  # Any: JSON.
        loop = asyncio.get_running_loop()
        self.begun: asyncio.Future[None] = loop.create_future()
        # Its result is the name of the last event.
        self.ended: asyncio.Future[str] = loop.create_future()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport
        self._parser = httptools.HttpResponseParser(self)
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._came.append((time.monotonic(), data))
        self._watch.count(data.count(MARK))
        if not self.only_notes:
            self.look()

    def look(self) -> None:
        """Read what has come."""
        self.only_notes = False
        came, self._came = self._came, []
        for now_s, data in came:
            self._now_s = now_s
            self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        if self._parser.get_status_code() != 200:
            self._fail(f"Refused: {body.decode(errors='replace')}")
            return
        *frames, self._rest = (self._rest + body).split(b"\n\n")
        for frame in frames:
            at = frame.find(DELTA)
            if at >= 0:
                text = decode(frame[at + len(DELTA) :])["delta"].encode()
                self.crc = zlib.crc32(text, self.crc)
                stamps = text.split()
                self.count += len(stamps)
                self._watch.take(stamps, self._now_s)
            elif not frame.startswith(b":"):
                self._take_event(frame)

    def _take_event(self, frame: bytes) -> None:
        event, data = EVENT.search(frame), DATA.search(frame)
        assert event is not None and data is not None
        name = event[1].decode()
        if name == "response.created":
            self.created = decode(data[1])["response"]
            self.begun.set_result(None)
        elif not self.ended.done():
            self.ended.set_result(name)

    def connection_lost(self, error: Exception | None) -> None:
        self._fail(f"The server closed a connection: {error}.")

    def _fail(self, text: str) -> None:
        """Whoever waits hears of it; a stream that has ended needs its connection no more."""
        for waited in (self.begun, self.ended):
            if not waited.done():
                waited.set_exception(RuntimeError(text))
                self._watch.fail(RuntimeError(text))

    def close(self) -> None:
        for waited in (self.begun, self.ended):
            waited.cancel()
        self.transport.abort()


class Cpu:
    """The CPU time of a process and its children, from now on.

    On Linux by the clock that each process has: a short run of one stream uses less than the hundredths of a second
    in which the system's tables count.
    """

    def __init__(self, pid: int | None) -> None:
        self._pid = pid
        self._began = self._times_s()

    def used_s(self) -> float:
        return sum(now_s - self._began.get(pid, 0.0) for pid, now_s in self._times_s().items())

    def _times_s(self) -> dict[int, float]:
        if self._pid is None:
            return {}
        process = psutil.Process(self._pid)
        times_s = {}
        for each in [process, *process.children(recursive=True)]:
            try:
                times_s[each.pid] = cpu_time_s(each)
            except (psutil.NoSuchProcess, OSError):
                continue
        return times_s


def in_loop(work: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def measure(job: Job) -> Run:
    """Let the streams of `job` flow. Raises RuntimeError unless every stream arrives whole and in order."""
    return in_loop(run(job))


def first_deltas_ms(job: Job, count: int, model_waits_ms: int) -> list[float]:
    """Return how long the first token of one answer after the other took, while nothing else happens.

    `model_waits_ms`: how long the model takes to begin.
    """
    return in_loop(time_first_deltas(job, count, model_waits_ms))


def idle_reader_bytes(job: Job, count: int) -> float:
    """Return the resident memory that each of `count` readers of a silent response adds to the server."""
    return in_loop(weigh_readers(job, count))


def answer_bytes(job: Job, count: int) -> float:
    """Return the resident memory of each of `count` answers that have begun, with its reader and its model."""
    return in_loop(weigh_answers(job, count))


async def run(job: Job) -> Run:
    watch = Watch(tokens_count(job.streams, job.per_second, job.seconds))
    async with asyncio.timeout(AROUND_S + job.seconds), closing() as readers:
        around = Cpu(job.server.pid)
        await open_all(readers, job, [post(job.server, str(number)) for number in range(job.streams)], watch)
        await ask(job.upstream_port, f"/arrived/{job.streams}")
        await asyncio.sleep(SETTLE_S)
        for reader in readers:
            reader.only_notes = True
        around_s, server, database = around.used_s(), Cpu(job.server.pid), Cpu(job.database_pid)
        started_s = time.monotonic()
        sent = await ask(job.upstream_port, f"/play/{job.per_second}/{job.seconds}")
        await watch.is_complete
        elapsed_s, server_s, database_s = time.monotonic() - started_s, server.used_s(), database.used_s()
        for reader in readers:
            reader.look()
        around = Cpu(job.server.pid)
        await ask(job.upstream_port, "/finish")
        ends = await asyncio.gather(*(reader.ended for reader in readers))
        around_s += around.used_s()
    require_whole(readers, ends, sent)
    delays_s = sorted(watch.delays_s)
    count = len(delays_s)
    return Run(
        tokens=count,
        tokens_per_second=count / elapsed_s,
        cpu_us=server_s / count * 1e6,
        database_cpu_us=database_s / count * 1e6,
        cores=server_s / elapsed_s,
        p50_ms=delays_s[count // 2] * 1e3,
        p99_ms=delays_s[count * 99 // 100] * 1e3,
        around_cpu_ms=around_s / job.streams * 1e3,
    )


def require_whole(readers: list[Reader], ends: list[str], sent: dict[str, tuple[int, int]]) -> None:
    for number, (reader, end) in enumerate(zip(readers, ends, strict=True)):
        if end != "response.completed":
            raise RuntimeError(f"A stream ended with {end}.")
        if [reader.count, reader.crc] != list(sent[str(number)]):
            raise RuntimeError(f"A stream lost or changed text: {reader.count} tokens of {sent[str(number)][0]}.")


async def time_first_deltas(job: Job, count: int, model_waits_ms: int) -> list[float]:
    watch = Watch(count)
    for number in range(count):
        async with asyncio.timeout(AROUND_S), closing() as readers:
            await open_all(readers, job, [post(job.server, f"{number} {model_waits_ms}")], watch)
            await readers[0].ended
        await asyncio.sleep(BETWEEN_S)
    return [delay_s * 1e3 for delay_s in watch.delays_s]


async def weigh_readers(job: Job, count: int) -> float:
    server, watch = psutil.Process(job.server.pid), Watch(1)
    async with asyncio.timeout(AROUND_S), closing() as readers:
        await open_all(readers, job, [post(job.server, "0")], watch)
        await ask(job.upstream_port, "/arrived/1")
        created = readers[0].created
        path = f"/v1/threads/{created['threadId']}/responses/{created['id']}/events"
        request = job.server.request("GET", path)
        await open_all(readers, job, [request] * FIRST_READERS, watch)
        await asyncio.sleep(SETTLE_S)
        before_bytes = server.memory_info().rss
        await open_all(readers, job, [request] * count, watch)
        await asyncio.sleep(SETTLE_S)
        after_bytes = server.memory_info().rss
        await ask(job.upstream_port, "/finish")
        await readers[0].ended
    return float(after_bytes - before_bytes) / count


async def weigh_answers(job: Job, count: int) -> float:
    server, watch = psutil.Process(job.server.pid), Watch(1)
    async with asyncio.timeout(AROUND_S), closing() as readers:
        before_bytes = server.memory_info().rss
        await open_all(readers, job, [post(job.server, str(number)) for number in range(count)], watch)
        await ask(job.upstream_port, f"/arrived/{count}")
        await asyncio.sleep(SETTLE_S)
        after_bytes = server.memory_info().rss
        await ask(job.upstream_port, "/finish")
        await asyncio.gather(*(reader.ended for reader in readers))
    return float(after_bytes - before_bytes) / count


def post(server: Address, text: str) -> bytes:
    """Return the request for an answer in a new thread."""
    return server.request("POST", "/v1/responses", b'{"thread":{},"stream":true,"input":"%s"}' % text.encode())


@asynccontextmanager
async def closing() -> Any:
    readers: list[Reader] = []
    try:
        yield readers
    finally:
        for reader in readers:
            reader.close()


async def open_all(readers: list[Reader], job: Job, requests: list[bytes], watch: Watch) -> None:
    """Open a stream for each request, a few at a time, and wait until each has begun; add them to `readers`."""
    loop, turns = asyncio.get_running_loop(), asyncio.Semaphore(OPENING_MAX)
    new = [Reader(request, watch) for request in requests]

    async def open_one(reader: Reader) -> None:
        async with turns:
            await loop.create_connection(lambda: reader, "127.0.0.1", job.server.port)
            readers.append(reader)
            await reader.begun

    await asyncio.gather(*(open_one(reader) for reader in new))
    readers[-len(new) :] = new


async def ask(port: int, path: str) -> Any:  # Any: JSON.
    """Ask the upstream for something of ours."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"GET %s HTTP/1.1\r\nhost: upstream\r\n\r\n" % path.encode())
        head = await reader.readuntil(b"\r\n\r\n")
        [length] = re.findall(rb"content-length: (\d+)", head)
        return decode(await reader.readexactly(int(length)))
    finally:
        writer.close()
