"""The models' server of the stream benchmark: OpenAI's chunks at a steady pace, each stamped with the time it was sent.

Run as `python -m benchmarks.stream_upstream PORT`. The text of the last message says what a stream does: `17` waits
as number 17 until told to play, `17 200` sends one token after 200 ms and ends a moment later. Whoever measures asks:
`/arrived/N` answers when N streams wait, `/play/R/S` sends R tokens a second on each for S seconds and answers with
what each was sent, `/finish` ends them.
"""

import asyncio
import os
import sys
import time
import zlib
from dataclasses import dataclass

import httptools
import msgspec
import uvloop

TICK_S = 0.001
# Long enough that the end of an answer does not bring its only token along.
END_S = 0.2
BACKLOG = 2048

HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    b"transfer-encoding: chunked\r\ncache-control: no-cache\r\n\r\n"
)
CHUNK = (
    b'data: {"id":"chatcmpl-0123456789abcdefghijklmnopqrs","object":"chat.completion.chunk","created":1700000000,'
    b'"model":"bench","choices":[{"index":0,"delta":%s,"finish_reason":%s}]}\n\n'
)
BEGIN = CHUNK % (b'{"role":"assistant","content":""}', b"null")
TOKEN = CHUNK % (b'{"content":"%b"}', b"null")
END = CHUNK % (b"{}", b'"stop"') + b"data: [DONE]\n\n"

encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder().decode


def http_chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


# All stamps have the same number of characters, and a mark by which they can be counted.
MARK = b"~"
STAMP = MARK + b"%015.6f "
HTTP_TOKEN = http_chunk(TOKEN % (STAMP % 0)).replace(STAMP % 0, b"%b")


def tokens_count(streams: int, per_second: float, seconds: float) -> int:
    """Return how many tokens all streams together are sent."""
    return round(streams * per_second * seconds)


@dataclass
class Stream:
    """One answer, and what was sent of it."""

    transport: asyncio.Transport
    count: int = 0
    crc: int = 0

    def __post_init__(self) -> None:
        self.descriptor: int = self.transport.get_extra_info("socket").fileno()

    def begin(self) -> None:
        self.transport.write(HEAD + http_chunk(BEGIN))

    def send_token(self) -> None:
        """Send a token at once and straight to the system: the loop would send it later, and for twice the CPU."""
        stamp = STAMP % time.monotonic()
        os.write(self.descriptor, HTTP_TOKEN % stamp)
        self.count += 1
        self.crc = zlib.crc32(stamp, self.crc)

    def end(self) -> None:
        self.transport.write(http_chunk(END) + b"0\r\n\r\n")


class Upstream:
    """All streams that wait or play."""

    def __init__(self) -> None:
        self._held: dict[int, Stream] = {}
        self._arrival = asyncio.Condition()

    async def begin(self, transport: asyncio.Transport, request: bytes) -> None:
        stream = Stream(transport)
        number, *after_ms = decode(request)["messages"][-1]["content"].split()
        stream.begin()
        if after_ms:
            await asyncio.sleep(int(after_ms[0]) / 1000)
            stream.send_token()
            await asyncio.sleep(END_S)
            stream.end()
            return
        async with self._arrival:
            self._held[int(number)] = stream
            self._arrival.notify_all()

    async def wait(self, count: int) -> None:
        async with self._arrival:
            await self._arrival.wait_for(lambda: len(self._held) >= count)

    async def play(self, per_second: float, seconds: float) -> dict[int, tuple[int, int]]:
        """Send each stream its tokens, all at different moments; return how many, and their checksum."""
        streams = list(self._held.values())
        total, all_per_second = tokens_count(len(streams), per_second, seconds), len(streams) * per_second
        started_s, sent = time.monotonic(), 0
        while sent < total:
            due = min(total, int((time.monotonic() - started_s) * all_per_second) + 1)
            for number in range(sent, due):
                streams[number % len(streams)].send_token()
            sent = due
            await asyncio.sleep(max(TICK_S, started_s + sent / all_per_second - time.monotonic()))
        return {number: (each.count, each.crc) for number, each in self._held.items()}

    def finish(self) -> None:
        for stream in self._held.values():
            stream.end()
        self._held.clear()


class Client(asyncio.Protocol):
    """One connection, one request at a time on it."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        self._parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._path = url.decode()
        self._body = bytearray()

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        task = asyncio.ensure_future(self._answer(self._path, bytes(self._body)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, path: str, request: bytes) -> None:
        said: object = {}
        match path.strip("/").split("/"):
            case ["v1", "chat", "completions"]:
                return await self._upstream.begin(self._transport, request)
            case ["arrived", count]:
                await self._upstream.wait(int(count))
            case ["play", per_second, seconds]:
                said = await self._upstream.play(float(per_second), float(seconds))
            case ["finish"]:
                self._upstream.finish()
        body = encode(said)
        self._transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))
        return None


async def serve(port: int) -> None:
    upstream = Upstream()
    server = await asyncio.get_running_loop().create_server(
        lambda: Client(upstream), "127.0.0.1", port, backlog=BACKLOG
    )
    await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(int(sys.argv[1])))
