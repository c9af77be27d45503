"""The load generator: a process of its own that keeps `clients` connections busy, one request at a time on each."""

import asyncio
import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection

import psutil
import uvloop

from benchmarks.operations import endless

WARM_UP_S = 0.3
DRAIN_S = 30.0
# A run goes on until as many answers have come as there are clients, but not for longer than this.
LONGER_S_MAX = 10.0
STEP_S = 0.05
LAST_CHUNK = b"\r\n0\r\n\r\n"


@dataclass(frozen=True)
class Job:
    """What to send, from how many connections and for how long; whose CPU to read at both ends of the time."""

    port: int
    requests: list[bytes]
    clients: int
    seconds: float
    server_pid: int
    database_pid: int | None
    # What every answer must hold; looked for where an answer tells its failure in its text only, as a stream does.
    must_hold: bytes = b""


@dataclass(frozen=True)
class Measurement:
    """What one run gave, per request answered within its time."""

    per_second: float
    cpu_us: float
    database_cpu_us: float
    p50_ms: float
    p99_ms: float


class Generator:
    """The load generator's process as its parent sees it."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=serve_jobs, args=(theirs,), daemon=True)
        self._process.start()

    def run(self, job: Job) -> Measurement:
        """Do one job. Raises RuntimeError when a request was refused."""
        self._ours.send(job)
        answer = self._ours.recv()
        if isinstance(answer, str):
            raise RuntimeError(answer)
        return answer

    def close(self) -> None:
        self._ours.send(None)
        self._process.join(10)


def serve_jobs(parent: Connection) -> None:
    while (job := parent.recv()) is not None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                parent.send(runner.run(run(job)))
        except (OSError, RuntimeError, psutil.Error) as error:
            parent.send(f"{type(error).__name__}: {error}")


class Client(asyncio.Protocol):
    """One connection. Of an answer it reads the status and where it ends; of a stream also what it must hold."""

    def __init__(self, requests: Iterator[bytes], times_s: list[float], must_hold: bytes) -> None:
        self._requests = requests
        self._times_s = times_s
        self._must_hold = must_hold
        self._missing_bytes = 0
        self._head = b""
        # The chunks of a stream up to now; None while none is being read.
        self._chunks: bytearray | None = None
        self._idle: asyncio.Future[None] | None = None
        self.failure: str | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport
        self.send()

    def send(self) -> None:
        self._started_s = time.perf_counter()
        self.transport.write(next(self._requests))

    def data_received(self, data: bytes) -> None:
        if self._chunks is not None:
            self._take_chunks(data)
        elif self._missing_bytes:
            self._missing_bytes -= len(data)
            self._go_on_at_end()
        else:
            self._take_head(self._head + data)

    def _take_head(self, data: bytes) -> None:
        end = data.find(b"\r\n\r\n")
        if end < 0:
            self._head = data
            return
        self._head = b""
        if data[9:11] != b"20":
            self.fail(data.decode(errors="replace"))
            return
        at = data.find(b"content-length: ", 0, end)
        if at < 0:
            self._chunks = bytearray()
            # With the line break before the first chunk, so that every chunk has one.
            self._take_chunks(data[end + 2 :])
            return
        self._missing_bytes = end + 4 + int(data[at + 16 : data.index(b"\r", at)]) - len(data)
        self._go_on_at_end()

    def _take_chunks(self, data: bytes) -> None:
        assert self._chunks is not None
        self._chunks += data
        if self._chunks.endswith(LAST_CHUNK):
            if self._must_hold not in self._chunks:
                self.fail(self._chunks.decode(errors="replace"))
                return
            self._chunks = None
            self._go_on_at_end()

    def _go_on_at_end(self) -> None:
        if self._missing_bytes == 0:
            self._times_s.append(time.perf_counter() - self._started_s)
            if self._idle is None:
                self.send()
            elif not self._idle.done():
                self._idle.set_result(None)

    def connection_lost(self, _error: Exception | None) -> None:
        self.fail("The server closed a connection.")

    def fail(self, text: str) -> None:
        self.failure = self.failure or text
        if self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    async def finish(self) -> None:
        """Let the request that is under way be answered, and send no more."""
        self._idle = asyncio.get_running_loop().create_future()
        if self.failure is None:
            await self._idle
        failure, self.failure = self.failure, "finished"
        self.transport.close()
        if failure is not None:
            raise RuntimeError(f"A request was not answered as it should be: {failure}")


async def run(job: Job) -> Measurement:
    """Send the requests of `job` for its time and measure what lies between the warm-up and the end."""
    loop = asyncio.get_running_loop()
    requests, times_s = endless(job.requests), list[float]()
    clients: list[Client] = []
    for _ in range(job.clients):
        _, client = await loop.create_connection(
            lambda: Client(requests, times_s, job.must_hold), "127.0.0.1", job.port
        )
        clients.append(client)
    await asyncio.sleep(WARM_UP_S)
    server_s, database_s = cpu_reader(job.server_pid), cpu_reader(job.database_pid)
    before = server_s(), database_s()
    started_s, first = time.perf_counter(), len(times_s)
    await asyncio.sleep(job.seconds)
    until_s = started_s + job.seconds + LONGER_S_MAX
    # An event would cost each answer something.
    while len(times_s) - first < job.clients and time.perf_counter() < until_s:  # noqa: ASYNC110
        await asyncio.sleep(STEP_S)
    elapsed_s, last = time.perf_counter() - started_s, len(times_s)
    after = server_s(), database_s()
    async with asyncio.timeout(DRAIN_S):
        await asyncio.gather(*(client.finish() for client in clients))
    return summed_up(times_s[first:last], elapsed_s, after[0] - before[0], after[1] - before[1])


def summed_up(times_s: list[float], elapsed_s: float, cpu_s: float, database_cpu_s: float) -> Measurement:
    """Return what requests that took `times_s` amount to. Raises RuntimeError when there was none."""
    count = len(times_s)
    if count == 0:
        raise RuntimeError("No request was answered in time.")
    times_s = sorted(times_s)
    return Measurement(
        per_second=count / elapsed_s,
        cpu_us=cpu_s / count * 1e6,
        database_cpu_us=database_cpu_s / count * 1e6,
        p50_ms=times_s[count // 2] * 1e3,
        p99_ms=times_s[count * 99 // 100] * 1e3,
    )


def cpu_reader(pid: int | None) -> Callable[[], float]:
    """Return what reads the seconds of CPU that a process and its children, living or ended, have used."""
    if pid is None:
        return lambda: 0.0
    process = psutil.Process(pid)

    def read() -> float:
        seconds = 0.0
        for each in [process, *process.children(recursive=True)]:
            try:
                # Of children that have ended, the system's tables alone know.
                seconds += cpu_time_s(each) + sum(each.cpu_times()[2:4])
            except (psutil.NoSuchProcess, OSError):
                continue
        return seconds

    return read


def cpu_time_s(process: psutil.Process) -> float:
    """Return the CPU time of a process, on Linux by its own clock: the tables count hundredths of a second only."""
    if sys.platform == "linux":
        return time.clock_gettime((~process.pid << 3) | 2)  # clock_getcpuclockid(3)
    return float(sum(process.cpu_times()[:2]))
