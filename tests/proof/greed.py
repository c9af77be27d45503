"""What slow, idle and greedy callers do to a server: each holds so many connections and says how they ended."""

import asyncio
import gzip
import json
import socket
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field

from support.server import Server

CONNECT_S = 30
DRIP_S = 0.25
# A network can bring more; without a limit for each address, only something in front of the server helps then.
ARRIVALS_A_SECOND = 200
GZIPPED = gzip.compress(b" " * 100_000_000)
MB = 1_000_000
TCP_ESTABLISHED = 1


@dataclass
class Ends:
    """How the connections of one kind of caller ended: with which statuses, and after how long at the latest."""

    statuses: Counter[int] = field(default_factory=Counter)
    held_s: list[float] = field(default_factory=list)
    sent_bytes: int = 0

    @property
    def longest_s(self) -> float:
        return max(self.held_s, default=0.0)


@dataclass(frozen=True)
class Target:
    """The server, and a credential that the greedy caller has."""

    server: Server
    key: str

    def post(self, *headers: str, path: str = "/v1/threads") -> bytes:
        return self.request("POST", path, "Content-Type: application/json", *headers)

    def request(self, method: str, path: str, *headers: str) -> bytes:
        lines = [f"{method} {path} HTTP/1.1", "Host: a", f"X-API-Key: {self.key}", *headers, "", ""]
        return "\r\n".join(lines).encode()

    async def connect(self, receive_bytes: int = 0) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        connection = socket.socket()
        if receive_bytes:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        connection.setblocking(False)
        loop = asyncio.get_running_loop()
        await asyncio.wait_for(loop.sock_connect(connection, ("127.0.0.1", self.server.port)), CONNECT_S)
        # A small limit: what is not read stays with the sender.
        return await asyncio.open_connection(sock=connection, limit=1024 if receive_bytes else 2**16)


Session = Callable[[asyncio.StreamReader, asyncio.StreamWriter, Ends], Coroutine[None, None, None]]


async def hold(target: Target, count: int, session: Session, until_s: float, receive_bytes: int = 0) -> Ends:
    """Hold so many connections at a time until then; one that ended is not opened again."""
    ends = Ends()

    async def one(number: int) -> None:
        await asyncio.sleep(number / ARRIVALS_A_SECOND)
        begun_s = time.monotonic()
        writer = None
        try:
            reader, writer = await target.connect(receive_bytes)
            async with asyncio.timeout_at(asyncio.get_running_loop().time() + max(0.0, until_s - time.monotonic())):
                await session(reader, writer, ends)
                # A server that closes has told the status before.
                while await reader.read(4096):
                    pass
        except TimeoutError:
            ends.statuses[0] += 1
        except OSError:
            ends.statuses[-1] += 1
        finally:
            ends.held_s.append(time.monotonic() - begun_s)
            if writer is not None:
                writer.transport.abort()

    await asyncio.gather(*(one(number) for number in range(count)))
    return ends


async def repeat(target: Target, count: int, session: Session, until_s: float) -> Ends:
    """Do it again and again, so many at a time, until then."""
    all_ends = Ends()
    while time.monotonic() < until_s:
        ends = await hold(target, count, session, until_s)
        all_ends.statuses += ends.statuses
        all_ends.sent_bytes += ends.sent_bytes
    return all_ends


async def note_status(reader: asyncio.StreamReader, ends: Ends) -> None:
    line = await reader.readline()
    ends.statuses[int(line.split(b" ")[1]) if line else 0] += 1


def dripping(begin: bytes, drop: bytes = b"x") -> Session:
    """Begin something and go on a byte at a time, never to finish."""

    async def session(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, ends: Ends) -> None:
        writer.write(begin)
        answered = asyncio.create_task(note_status(reader, ends))
        try:
            while not answered.done() and not writer.is_closing():
                writer.write(drop)
                with suppress(ConnectionError):
                    await writer.drain()
                await asyncio.wait([answered], timeout=DRIP_S)
        finally:
            answered.cancel()

    return session


def idle(begin: bytes = b"") -> Session:
    """Say nothing, or one request and nothing more."""

    async def session(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, ends: Ends) -> None:
        writer.write(begin)
        if begin:
            await note_status(reader, ends)

    return session


def has_hung_up(writer: asyncio.StreamWriter) -> bool:
    """Return whether the server has ended the connection; who does not read is not told."""
    state = writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
    return bool(state != TCP_ESTABLISHED)


def unread(request: bytes, bytes_a_second: int = 0) -> Session:
    """Ask for much and read nothing, or next to nothing."""

    async def session(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, ends: Ends) -> None:
        writer.write(request)
        await reader.read(1)
        while not has_hung_up(writer):
            await asyncio.sleep(1)
            if bytes_a_second:
                await reader.read(bytes_a_second)

    return session


def stopping(head: bytes, size_bytes: int) -> Session:
    """Send most of a large body at once, and nothing more."""

    async def session(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, ends: Ends) -> None:
        writer.write(head + b" " * size_bytes)
        await note_status(reader, ends)

    return session


def pouring(head: bytes, piece: bytes, total_bytes: int) -> Session:
    """Send so many bytes as fast as they are taken, and read the answer whenever it comes."""

    async def session(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, ends: Ends) -> None:
        answered = asyncio.create_task(note_status(reader, ends))
        try:
            writer.write(head)
            for _ in range(0, total_bytes, len(piece)):
                writer.write(piece)
                await writer.drain()
                ends.sent_bytes += len(piece)
        except ConnectionError:
            pass
        finally:
            with suppress(ConnectionError):
                await asyncio.wait_for(answered, CONNECT_S)

    return session


def sixty_megabytes(target: Target) -> Session:
    return pouring(target.post(f"Content-Length: {60 * MB}"), b'{"title": "' + b"x" * 65_536, 60 * MB)


def endless_chunks(target: Target, chunk_bytes: int) -> Session:
    """A body in chunks that never ends."""
    chunk = b"%x\r\n%b\r\n" % (chunk_bytes, b" " * chunk_bytes)
    piece = chunk * max(1, 65_536 // len(chunk))
    return pouring(target.post("Transfer-Encoding: chunked"), piece, 60 * MB)


def bomb(target: Target) -> Session:
    head = target.post("Content-Encoding: gzip", f"Content-Length: {len(GZIPPED)}")
    return pouring(head, GZIPPED, len(GZIPPED))


def header_flood(line: bytes) -> Session:
    return pouring(b"GET /v1/threads HTTP/1.1\r\nHost: a\r\n", line * (65_536 // len(line)), 2 * MB)


def pipelined_flood(target: Target) -> Session:
    return pouring(b"", target.request("GET", "/v1/threads?limit=100") * 200, 2 * MB)


def nested_flood(target: Target) -> Session:
    body = json.dumps({"metadata": {"a": [[]] * 500_000}}).encode()
    return pouring(target.post(f"Content-Length: {len(body)}"), body, len(body))
